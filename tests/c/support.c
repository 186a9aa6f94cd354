/* Cases, checks, time, and main(). */
#include "support_internal.h"

#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
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

/* `program case` runs one case; `program --peer …` is a client for another process; without arguments lists the cases. */
int main(int argument_count, char **arguments) {
    if (argument_count > 1 && strcmp(arguments[1], "--peer") == 0) return peer_main(argument_count - 2, arguments + 2);
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
