/* Loading does nothing (docs/C_API.md, "Lifetime"): this program is not linked against the library and knows it by its path alone.
 *   loading LIBRARY CASE */
#include <dirent.h>
#include <dlfcn.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tim_presence.h"

extern char **environ;

#define CHECK(condition)                                                                                               \
    do {                                                                                                               \
        if (!(condition)) {                                                                                            \
            fprintf(stderr, "%s:%d: not true: %s\n", __FILE__, __LINE__, #condition);                                  \
            exit(1);                                                                                                   \
        }                                                                                                              \
    } while (0)

/* ---- what a library might change ---- */

typedef struct World {
    int threads, files;
    struct sigaction actions[65];
    sigset_t mask;
    char **environment;
    size_t variables;
    char directory[4096];
    mode_t file_mask;
} World;

static int entries_of(const char *path) {
    DIR *directory = opendir(path);
    int count = 0;
    CHECK(directory != NULL);
    while (readdir(directory) != NULL) count++;
    closedir(directory);
    return count;
}

static World look(void) {
    World world;
    memset(&world, 0, sizeof world);
    world.threads = entries_of("/proc/self/task");
    world.files = entries_of("/proc/self/fd");
    for (int number = 1; number < 65; number++) {
        /* Two are the C library's own. */
        if (sigaction(number, NULL, &world.actions[number]) != 0) memset(&world.actions[number], 0, sizeof world.actions[number]);
    }
    sigprocmask(SIG_SETMASK, NULL, &world.mask);
    world.environment = environ;
    while (environ[world.variables] != NULL) world.variables++;
    CHECK(getcwd(world.directory, sizeof world.directory) != NULL);
    world.file_mask = umask(0);
    umask(world.file_mask);
    return world;
}

static void check_same(const World *before) {
    World now = look();
    CHECK(now.threads == before->threads);
    CHECK(now.files == before->files);
    for (int number = 1; number < 65; number++) {
        CHECK(now.actions[number].sa_handler == before->actions[number].sa_handler);
        CHECK(now.actions[number].sa_flags == before->actions[number].sa_flags);
    }
    for (int number = 1; number < 65; number++) CHECK(sigismember(&now.mask, number) == sigismember(&before->mask, number));
    CHECK(now.environment == before->environment && now.variables == before->variables);
    CHECK(strcmp(now.directory, before->directory) == 0);
    CHECK(now.file_mask == before->file_mask);
}

/* ---- the library, by its path ---- */

static const char *path;

static void *load(void) {
    void *library = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    if (library == NULL) fprintf(stderr, "%s\n", dlerror());
    CHECK(library != NULL);
    return library;
}

/* A function of the library; POSIX says that the address may be taken for one. */
static void (*function_of(void *library, const char *name))(void) {
    void *address = dlsym(library, name);
    void (*function)(void);
    CHECK(address != NULL);
    memcpy(&function, &address, sizeof function);
    return function;
}

typedef int32_t (*Create)(const char *, TimClient *);
typedef int32_t (*Destroy)(TimClient, uint32_t);
typedef const char *(*Version)(void);

#define NOBODY "{\"server\":\"tim://127.0.0.1:1\",\"sdk_app_id\":1}"

static void case_changes_nothing(void) {
    World before = look();
    for (int i = 0; i < 50; i++) {
        void *library = load();
        CHECK(strcmp(((Version)function_of(library, "timVersion"))(), TIM_VERSION_STRING) == 0);
        check_same(&before);
        CHECK(dlclose(library) == 0);
        check_same(&before);
    }
}

static void case_clients_in_between(void) {
    /* What stays for good is there after the first. */
    for (int i = 0; i < 51; i++) {
        static World before;
        void *library = load();
        TimClient client = 0;
        CHECK(((Create)function_of(library, "timClientCreate"))(NOBODY, &client) == TIM_OK);
        CHECK(((Destroy)function_of(library, "timClientDestroy"))(client, 20000) == TIM_OK);
        CHECK(dlclose(library) == 0);
        if (i == 0) before = look();
        else check_same(&before);
    }
}

static void case_closed_with_a_client(void) {
    void *library = load();
    TimClient client = 0;
    Destroy destroy = (Destroy)function_of(library, "timClientDestroy");
    CHECK(((Create)function_of(library, "timClientCreate"))(NOBODY, &client) == TIM_OK);
    CHECK(dlclose(library) == 0);
    /* Its threads and functions are where they were: it is linked with -z nodelete. */
    CHECK(destroy(client, 20000) == TIM_OK);
    library = load();
    CHECK((Destroy)function_of(library, "timClientDestroy") == destroy);
    CHECK(((Create)function_of(library, "timClientCreate"))(NOBODY, &client) == TIM_OK);
    CHECK(dlclose(library) == 0);
    /* And the process ends with a client alive. */
}

int main(int argument_count, char **arguments) {
    if (argument_count != 3) return 2;
    path = arguments[1];
    if (strcmp(arguments[2], "changes_nothing") == 0) case_changes_nothing();
    else if (strcmp(arguments[2], "clients_in_between") == 0) case_clients_in_between();
    else if (strcmp(arguments[2], "closed_with_a_client") == 0) case_closed_with_a_client();
    else return 2;
    return 0;
}
