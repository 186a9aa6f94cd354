/* Cases, checks, time, and main(). */
#include "support_internal.h"

#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdarg.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { CASES_MAX = 400 };

static struct {
    const char *name, *sentence;
    void (*run)(void);
} cases[CASES_MAX];
static size_t case_count;

void register_case(const char *name, const char *sentence, void (*run)(void)) {
    if (case_count == CASES_MAX) abort();
    cases[case_count].name = name;
    cases[case_count].sentence = sentence;
    cases[case_count++].run = run;
}

void fail_at(const char *file, int line, const char *format, ...) {
    va_list arguments;
    fflush(stdout);
    fprintf(stderr, "%s:%d: FAILED: ", file, line);
    va_start(arguments, format);
    vfprintf(stderr, format, arguments);
    va_end(arguments);
    fprintf(stderr, "\n");
    server_show_logs();
    fflush(stderr);
    _exit(1);
}

const char *last_error(void) {
    static _Thread_local char text[512];
    size_t needed = 0;
    if (timLastErrorMessage(text, sizeof text, &needed) != TIM_OK) snprintf(text, sizeof text, "(no text)");
    return text;
}

int64_t now_ms(void) { return monotonic_us() / 1000; }

void nap(void) {
    struct timespec a_moment = {0, 2 * 1000 * 1000};
    nanosleep(&a_moment, NULL);
}

int reserve_port(void) {
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t length = sizeof at;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), on = 1;
    CHECK(fd >= 0);
    CHECK_EQ(setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on), 0);
    CHECK_EQ(bind(fd, (struct sockaddr *)&at, sizeof at), 0);
    CHECK_EQ(getsockname(fd, (struct sockaddr *)&at, &length), 0);
    return ntohs(at.sin_port);
}

/* Whether the kernel has begun to take the thread away: before that, nobody who joins it comes back. */
static int is_exiting(const char *thread) {
    enum { PF_EXITING = 4 };
    char path[64], stat[512];
    unsigned flags = 0;
    snprintf(path, sizeof path, "/proc/self/task/%.20s/stat", thread);
    FILE *file = fopen(path, "r");
    /* Gone since it was listed. */
    if (file == NULL) return 1;
    stat[fread(stat, 1, sizeof stat - 1, file)] = 0;
    fclose(file);
    /* After the name, which may hold anything: state, five numbers, flags. */
    const char *name_end = strrchr(stat, ')');
    if (name_end == NULL) return 1;
    CHECK_EQ(sscanf(name_end + 1, " %*c %*d %*d %*d %*d %*d %u", &flags), 1);
    return (flags & PF_EXITING) != 0;
}

int threads_now(void) {
    int count = 0;
    DIR *listing = opendir("/proc/self/task");
    CHECK(listing != NULL);
    for (struct dirent *entry; (entry = readdir(listing)) != NULL;) count += entry->d_name[0] != '.' && !is_exiting(entry->d_name);
    closedir(listing);
    return count;
}

int files_now(void) {
    int count = -1; /* the listing itself */
    DIR *listing = opendir("/proc/self/fd");
    CHECK(listing != NULL);
    for (struct dirent *entry; (entry = readdir(listing)) != NULL;) count += entry->d_name[0] != '.';
    closedir(listing);
    return count;
}

/* For scripts: a port that is kept until standard input ends. */
static int hold_port(void) {
    char line[64];
    printf("%d\n", reserve_port());
    fflush(stdout);
    while (fgets(line, sizeof line, stdin) != NULL) continue;
    return 0;
}

/* `program case` runs one case; `program --peer …` is a client for another process; without arguments lists the cases. */
int main(int argument_count, char **arguments) {
    if (argument_count > 1 && strcmp(arguments[1], "--peer") == 0) return peer_main(argument_count - 2, arguments + 2);
    if (argument_count == 2 && strcmp(arguments[1], "--hold-port") == 0) return hold_port();
    if (argument_count != 2) {
        for (size_t i = 0; i < case_count; i++) printf("%-40s %s\n", cases[i].name, cases[i].sentence);
        return 2;
    }
    for (size_t i = 0; i < case_count; i++) {
        if (strcmp(cases[i].name, arguments[1]) != 0) continue;
        printf("%s: %s\n", cases[i].name, cases[i].sentence);
        fflush(stdout);
        cases[i].run();
        server_remove_all();
        printf("ok\n");
        fflush(stdout);
        /* Threads of clients that a case left alive do not matter to it. */
        _exit(0);
    }
    fprintf(stderr, "no case %s\n", arguments[1]);
    return 2;
}
