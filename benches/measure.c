/* Clocks, series of figures, and runs in processes of their own. Knows nothing of the library. */
#include "bench.h"

#include <stdarg.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

void fail_at(const char *file, int line, const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    fprintf(stderr, "%s:%d: ", file, line);
    vfprintf(stderr, format, arguments);
    fprintf(stderr, "\n");
    va_end(arguments);
    exit(1);
}

static double clock_ns(clockid_t clock) {
    struct timespec at;
    clock_gettime(clock, &at);
    return (double)at.tv_sec * 1e9 + (double)at.tv_nsec;
}

double now_ns(void) { return clock_ns(CLOCK_MONOTONIC); }

double thread_cpu_ns(void) { return clock_ns(CLOCK_THREAD_CPUTIME_ID); }

void pause_us(unsigned us) {
    struct timespec pause = {us / 1000000, (long)(us % 1000000) * 1000};
    nanosleep(&pause, NULL);
}

/* ---- figures ---- */

void series_add(Series *series, double value) {
    if (series->count == series->capacity) {
        series->capacity = series->capacity == 0 ? 64 : series->capacity * 2;
        series->values = realloc(series->values, series->capacity * sizeof *series->values);
        CHECK(series->values != NULL);
    }
    series->values[series->count++] = value;
}

static int by_value(const void *a, const void *b) {
    double left = *(const double *)a, right = *(const double *)b;
    return (left > right) - (left < right);
}

double series_quantile(Series *series, double quantile) {
    CHECK(series->count > 0);
    qsort(series->values, series->count, sizeof *series->values, by_value);
    double at = quantile * (double)(series->count - 1);
    size_t below = (size_t)at;
    if (below + 1 >= series->count) return series->values[series->count - 1];
    return series->values[below] + (at - (double)below) * (series->values[below + 1] - series->values[below]);
}

void series_clear(Series *series) { series->count = 0; }

static double load_average(void) {
    double load = 0;
    return getloadavg(&load, 1) == 1 ? load : 0;
}

void print_table_head(const char *title) {
    printf("\n| %s | median | least … most | unit | runs | load |\n|---|---:|---:|---|---:|---:|\n", title);
}

static void print_number(double value) { printf(value < 10 ? "%.2f" : value < 100 ? "%.1f" : "%.0f", value); }

void print_row(const char *what, const char *unit, Series *runs) {
    printf("| %s | ", what);
    print_number(series_quantile(runs, 0.5));
    printf(" | ");
    print_number(series_quantile(runs, 0));
    printf(" … ");
    print_number(series_quantile(runs, 1));
    printf(" | %s | %zu | %.1f |\n", unit, runs->count, load_average());
    fflush(stdout);
}

int runs_wanted(void) {
    const char *text = getenv("RUNS");
    int runs = text == NULL ? 10 : atoi(text);
    CHECK(runs > 0);
    return runs;
}

void in_fresh_process(void (*measure)(const void *context, void *figures), const void *context, void *figures, size_t size) {
    int ends[2], status;
    CHECK(pipe(ends) == 0);
    fflush(stdout);
    pid_t pid = fork();
    CHECK(pid >= 0);
    if (pid == 0) {
        measure(context, figures);
        /* A pipe takes this much at once. */
        CHECK(size <= 4096 && write(ends[1], figures, size) == (ssize_t)size);
        _exit(0);
    }
    CHECK(waitpid(pid, &status, 0) == pid);
    if (status != 0) FAIL("a run failed: wait status %#x", (unsigned)status);
    CHECK(read(ends[0], figures, size) == (ssize_t)size);
    close(ends[0]);
    close(ends[1]);
}
