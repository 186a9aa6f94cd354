/* What the programs of this folder share: clocks and series of figures (measure.c), what the system says of this process and a real
 * server with its users' UserSigs (clients.c), and a server that answers from memory (feeder.c). Servers are processes of their own,
 * so that nothing of them is measured. A failure ends the program with a text. */
#ifndef BENCH_H
#define BENCH_H

#include <pthread.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/types.h>

#include "tim_presence.h"

_Noreturn void fail_at(const char *file, int line, const char *format, ...) __attribute__((format(printf, 3, 4)));
#define FAIL(...) fail_at(__FILE__, __LINE__, __VA_ARGS__)
#define CHECK(condition)                                                                                               \
    do {                                                                                                               \
        if (!(condition)) FAIL("not true: %s", #condition);                                                            \
    } while (0)
/* A call that must be accepted. */
#define ACCEPTED(call)                                                                                                 \
    do {                                                                                                               \
        int32_t code_ = (call);                                                                                        \
        if (code_ != TIM_OK) FAIL("%s: %s", #call, timErrorName(code_));                                               \
    } while (0)

/* How long anything may take that must happen. */
#define DEADLINE_S 60

/* ---- clocks and figures ---- */

double now_ns(void);        /* monotonic */
double thread_cpu_ns(void); /* spent by the calling thread */
void pause_us(unsigned us);

/* Figures of one kind, one a run or one a call. */
typedef struct Series {
    double *values;
    size_t count, capacity;
} Series;

void series_add(Series *series, double value);
/* 0.5: the median. Sorts the series. */
double series_quantile(Series *series, double quantile);
void series_clear(Series *series);

/* The table's first lines, then a line for each series of runs: median, least and most, how many, the load average now. */
void print_table_head(const char *title);
void print_row(const char *what, const char *unit, Series *runs);

/* Runs as asked for by the environment (RUNS), 10 unless told. */
int runs_wanted(void);

/* Measures in a child of this process and brings back what it put into `figures`. */
void in_fresh_process(void (*measure)(const void *context, void *figures), const void *context, void *figures, size_t size);

/* ---- this process, as the system accounts it ---- */

typedef struct Footprint {
    double rss_bytes;     /* resident, from smaps_rollup */
    double heap_bytes;    /* in use, from mallinfo2 */
    double threads, fds;
} Footprint;

Footprint footprint_now(void);

/* A thread of this process, found by its name. */
typedef struct NamedThread {
    const char *name;
    pid_t known;
} NamedThread;

/* The library's. */
extern NamedThread runtime_thread;

/* Waits until it sleeps in the system. */
void await_asleep(NamedThread *thread);

/* CPU time it has spent. */
double named_cpu_ns(NamedThread *thread);

/* ---- results ---- */

/* Counts what is still to come; await_all waits until nothing is. */
typedef struct Pending {
    atomic_long left;
    int32_t code_expected;
} Pending;

/* A TimResultFn whose user_data is a Pending. */
void on_counted_result(const TimResult *result, void *pending);
void await_all(Pending *pending);

/* ---- a real server in a process of its own ---- */

#define APP_ID 1400000001

typedef struct Served {
    pid_t pid;
    int keep_alive; /* it ends when this closes */
    char address[64];
    char (*user_sigs)[512]; /* of user_name(0), user_name(1), … */
} Served;

/* To be called before this process uses the library. */
Served serve(size_t users);
void served_stop(Served *served);
void user_name(size_t index, char name[16]);

/* A client of an address; `more` is further JSON members, each with a comma before it, or "". */
TimClient client_at(const char *address, const char *more);

/* ---- a server that answers from memory ---- */

/* Shared with the feeder's process. */
typedef struct FeederShared {
    atomic_long written; /* pushes whose bytes were taken by the socket */
    atomic_long told;    /* changes told: the flood stays at most `window` ahead */
} FeederShared;

typedef struct Feeder {
    pid_t pid;
    char address[64];
    FeederShared *shared;
} Feeder;

/* It answers every request with success and, after it, a push of `list` changes; users repeat after `users`, each change at a
 * higher version. With `window` above 0 it also pushes by itself, unasked, as long as fewer than `window` changes are untold. */
Feeder feed(size_t list, size_t users, long window);
void feeder_stop(Feeder *feeder);

/* ---- the floor of a call with the runtime asleep (floor.c) ---- */

typedef struct Floor {
    int wake, epoll, socket; /* socket: -1 if nothing follows the wake */
    atomic_int caller_cpu; /* of the last wake, counted from 1; 0 once the woken thread looked */
    NamedThread runtime;
    pthread_mutex_t mutex;
    pthread_cond_t replied;
    long replies;
    atomic_long done; /* wakes that went all their way */
} Floor;

/* Forks; to be called while this process has one thread. Returns the connection to what answers requests. */
int floor_server(pid_t *pid);
void floor_server_stop(int server, pid_t pid);

/* Starts the floor's threads, which last as long as the process. `server`: of floor_server, or -1 for the wake alone. */
void floor_start(Floor *floor, const char *name, int server);
/* What a call does: it says where it runs, and makes one write. */
void floor_wake(Floor *floor);
/* Waits until so many wakes went all their way. */
void floor_await(Floor *floor, long done);

#endif
