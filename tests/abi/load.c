/* Loading the library does nothing (docs/C_API.md, "Lifetime"): load LIBRARY. Everything of the process that a library
 * could touch is noted before dlopen, after it, after the functions that need no client were called, and after dlclose;
 * it must be the same four times. A last check creates a client, so that a comparison that sees nothing is found out. */
#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <locale.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tim_presence.h"

extern char **environ;

typedef struct Snapshot {
    char text[65536];
    size_t length;
} Snapshot;

static int report; /* where failures go: the standard error that the process began with */

__attribute__((noreturn, format(printf, 1, 2))) static void fail(const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    vdprintf(report, format, arguments);
    va_end(arguments);
    dprintf(report, "\n");
    _exit(1);
}

__attribute__((format(printf, 2, 3))) static void note(Snapshot *snapshot, const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    size_t room = sizeof snapshot->text - snapshot->length;
    int length = vsnprintf(snapshot->text + snapshot->length, room, format, arguments);
    va_end(arguments);
    if (length < 0 || (size_t)length >= room) fail("the snapshot is too small");
    snapshot->length += (size_t)length;
}

static int by_name(const void *a, const void *b) { return strcmp(*(char *const *)a, *(char *const *)b); }

/* The names in a directory of /proc/self, and with `links` what each of them points to. */
static void note_directory(Snapshot *snapshot, const char *path, int links) {
    char *names[256];
    size_t count = 0;
    DIR *directory = opendir(path);
    if (directory == NULL) fail("%s: %s", path, strerror(errno));
    int own = dirfd(directory);
    for (struct dirent *entry; (entry = readdir(directory)) != NULL && count < 256;)
        if (entry->d_name[0] != '.' && !(links && atoi(entry->d_name) == own)) names[count++] = strdup(entry->d_name);
    qsort(names, count, sizeof *names, by_name);
    for (size_t i = 0; i < count; i++) {
        char target[4096] = "", link[512];
        snprintf(link, sizeof link, "%s/%s", path, names[i]);
        ssize_t length = links ? readlink(link, target, sizeof target - 1) : 0;
        note(snapshot, "%s/%s %.*s\n", path, names[i], length > 0 ? (int)length : 0, target);
        free(names[i]);
    }
    closedir(directory);
}

static void take(Snapshot *snapshot) {
    snapshot->length = 0;
    note_directory(snapshot, "/proc/self/task", 0);
    note_directory(snapshot, "/proc/self/fd", 1);
    for (int number = 1; number < NSIG; number++) {
        struct sigaction action;
        memset(&action, 0, sizeof action);
        if (sigaction(number, NULL, &action) != 0) continue;
        note(snapshot, "signal %d %p %#x", number, *(void **)&action.sa_handler, (unsigned)action.sa_flags);
        for (int masked = 1; masked < NSIG; masked++) note(snapshot, "%d", sigismember(&action.sa_mask, masked) == 1);
        note(snapshot, "\n");
    }
    sigset_t blocked;
    sigprocmask(SIG_SETMASK, NULL, &blocked);
    for (int number = 1; number < NSIG; number++) note(snapshot, "%d", sigismember(&blocked, number) == 1);
    stack_t stack;
    memset(&stack, 0, sizeof stack);
    sigaltstack(NULL, &stack);
    note(snapshot, "\nsigaltstack %p %#x\n", stack.ss_sp, (unsigned)stack.ss_flags);
    for (char **variable = environ; *variable != NULL; variable++) note(snapshot, "%p %s\n", (void *)*variable, *variable);
    char directory[4096];
    note(snapshot, "directory %s\n", getcwd(directory, sizeof directory));
    note(snapshot, "locale %s\n", setlocale(LC_ALL, NULL));
    mode_t mask = umask(0);
    umask(mask);
    note(snapshot, "umask %o\n", (unsigned)mask);
    for (int limit = 0; limit < RLIM_NLIMITS; limit++) {
        struct rlimit value = {0, 0};
        getrlimit((__rlimit_resource_t)limit, &value);
        note(snapshot, "limit %d %llu %llu\n", limit, (unsigned long long)value.rlim_cur, (unsigned long long)value.rlim_max);
    }
}

static void check_same(const char *when, const Snapshot *before, const Snapshot *after) {
    if (before->length == after->length && memcmp(before->text, after->text, before->length) == 0) return;
    dprintf(report, "---- before ----\n%s---- after ----\n%s", before->text, after->text);
    fail("%s changed something of the process", when);
}

/* A function of the library. */
static void *function(void *library, const char *name) {
    void *address = dlsym(library, name);
    if (address == NULL) fail("no %s: %s", name, dlerror());
    return address;
}

static Snapshot before, after;

int main(int argc, char **argv) {
    report = dup(2);
    if (argc != 2) fail("usage: load LIBRARY");
    FILE *printed = tmpfile();
    if (printed == NULL || dup2(fileno(printed), 1) != 1 || dup2(fileno(printed), 2) != 2) fail("cannot catch the output");

    take(&before);
    void *library = dlopen(argv[1], RTLD_NOW | RTLD_LOCAL);
    if (library == NULL) fail("dlopen: %s", dlerror());
    take(&after);
    check_same("dlopen", &before, &after);

    const char *(*version)(void);
    int32_t (*check_abi)(uint32_t, uint32_t), (*destroy)(TimClient, uint32_t), (*create)(const char *, TimClient *);
    *(void **)&version = function(library, "timVersion");
    *(void **)&check_abi = function(library, "timCheckAbi");
    *(void **)&destroy = function(library, "timClientDestroy");
    *(void **)&create = function(library, "timClientCreate");
    TimClient client = 0;
    if (strcmp(version(), TIM_VERSION_STRING) != 0 || check_abi(99, 0) != TIM_ERR_ABI_MISMATCH) fail("the library is odd");
    if (destroy(7, 0) != TIM_ERR_INVALID_HANDLE || create("{}", &client) != TIM_ERR_INVALID_OPTIONS) fail("the library is odd");
    take(&after);
    check_same("a refused call", &before, &after);

    if (dlclose(library) != 0) fail("dlclose: %s", dlerror());
    take(&after);
    check_same("dlclose", &before, &after);
    if (lseek(fileno(printed), 0, SEEK_END) != 0) fail("something was printed");

    library = dlopen(argv[1], RTLD_NOW | RTLD_LOCAL);
    if (library == NULL) fail("dlopen again: %s", dlerror());
    if (create("{\"server\": \"tim://127.0.0.1:1\", \"sdk_app_id\": 1}", &client) != TIM_OK) fail("no client");
    take(&after);
    if (before.length == after.length && memcmp(before.text, after.text, before.length) == 0) fail("a client's threads are not seen");
    if (destroy(client, 20000) != TIM_OK) fail("the client did not end");
    if (lseek(fileno(printed), 0, SEEK_END) != 0) fail("something was printed");
    return 0;
}
