/* How many callbacks and changes a second one client can be told, by lists of 1 and of 64.
 *
 * Lists are kept apart by results: each push follows the answer to a call. So with lists of 1 half of the callbacks are results.
 * Three ways: a queue that is full, emptied (the callback thread alone); calls, answers and pushes in a steady stream (all threads,
 * and the feeder's process beside them); pushes alone, unasked, in lists as they come. On a machine that is busy or has few cores the
 * clock measures the machine, so each figure is also given by the CPU time of a thread. */
#include <pthread.h>
#include <semaphore.h>
#include <string.h>
#include <time.h>

#include "bench.h"

static struct {
    TimClient client;
    Feeder feeder;
    size_t list;               /* changes expected a list; 0: as they come */
    atomic_long calls_to_make; /* made by the callbacks */
    atomic_long lists, changes;
    atomic_int hold;           /* the next result waits for `released` */
    sem_t released;
    long last_list;            /* the one at which `ended` is taken */
    double began, ended, cpu_began, cpu_ended;
    atomic_int known;          /* `callback_clock` is set */
    clockid_t callback_clock;
    uint64_t versions;         /* read, so that a list is looked at as an application would */
} told;

static void on_result(const TimResult *result, void *user_data);

static void make_call(void) { ACCEPTED(timSetSelfStatus(told.client, "x", on_result, NULL)); }

static void on_result(const TimResult *result, void *user_data) {
    (void)user_data;
    if (result->code != TIM_OK) FAIL("a result is %d: %s", result->code, result->message);
    if (atomic_exchange(&told.hold, 0)) {
        sem_wait(&told.released);
        told.began = now_ns();
        told.cpu_began = thread_cpu_ns();
    }
    if (atomic_load(&told.calls_to_make) > 0) {
        atomic_fetch_sub(&told.calls_to_make, 1);
        make_call();
    }
}

static void on_status(const TimUserStatus *const *changes, size_t count, void *user_data) {
    (void)user_data;
    if (told.list > 0 && count != told.list) FAIL("a list has %zu changes, not %zu", count, told.list);
    for (size_t i = 0; i < count; i++) told.versions += changes[i]->version;
    atomic_fetch_add(&told.changes, (long)count);
    if (told.list == 0) atomic_store(&told.feeder.shared->told, atomic_load(&told.changes));
    if (!atomic_load(&told.known)) {
        CHECK(pthread_getcpuclockid(pthread_self(), &told.callback_clock) == 0);
        atomic_store(&told.known, 1);
    }
    if (atomic_load(&told.lists) + 1 == told.last_list) {
        told.ended = now_ns();
        told.cpu_ended = thread_cpu_ns();
    }
    atomic_fetch_add(&told.lists, 1);
}

static void await_count(atomic_long *counter, long least) {
    double deadline = now_ns() + DEADLINE_S * 1e9;
    while (atomic_load(counter) < least) {
        if (now_ns() > deadline) FAIL("%ld came, not %ld", atomic_load(counter), least);
        pause_us(100);
    }
}

static double callback_cpu_ns(void) {
    struct timespec spent = {0, 0};
    if (atomic_load(&told.known)) CHECK(clock_gettime(told.callback_clock, &spent) == 0);
    return (double)spent.tv_sec * 1e9 + (double)spent.tv_nsec;
}

/* `pushed_list`: changes in a push. `list`: in a callback. */
static void begin(size_t pushed_list, size_t list, size_t users, long window) {
    Pending login = {.left = 1};
    memset(&told, 0, sizeof told);
    CHECK(sem_init(&told.released, 0, 0) == 0);
    told.feeder = feed(pushed_list, users, window);
    told.list = list;
    told.client = client_at(told.feeder.address, "");
    ACCEPTED(timSetUserStatusChangedCallback(told.client, on_status, NULL, NULL));
    ACCEPTED(timLogin(told.client, "me", "not-checked", on_counted_result, &login));
    await_all(&login);
}

static void end(void) {
    ACCEPTED(timClientDestroy(told.client, DEADLINE_S * 1000));
    CHECK(told.versions > 0);
    feeder_stop(&told.feeder);
}

/* Things a second, in millions. */
typedef struct Rates {
    Series clock, callback_cpu, runtime_cpu;
} Rates;

/* Fills the queue with `pairs` results and lists while the first result is held, then times how fast it empties. */
static void emptied(size_t list, long pairs, int rounds, double things_a_pair, Rates *rates) {
    double ns = 0, cpu_ns = 0, things = things_a_pair * (double)pairs * rounds;
    begin(list, list, list * (size_t)pairs, 0);
    for (int round = 0; round < rounds; round++) {
        long before = atomic_load(&told.lists);
        told.last_list = before + pairs;
        atomic_store(&told.hold, 1);
        for (long i = 0; i < pairs; i++) make_call();
        await_count(&told.feeder.shared->written, before + pairs);
        await_asleep(&runtime_thread);
        sem_post(&told.released);
        await_count(&told.lists, before + pairs);
        ns += told.ended - told.began;
        cpu_ns += told.cpu_ended - told.cpu_began;
    }
    CHECK(atomic_load(&told.changes) == rounds * pairs * (long)list);
    series_add(&rates->clock, things / ns * 1000);
    series_add(&rates->callback_cpu, things / cpu_ns * 1000);
    end();
}

/* Times what `start` and whatever follows from it brings, until `counter` is at `least`. */
static void timed(void (*start)(void), atomic_long *counter, long least, double things_each, Rates *rates) {
    double runtime_began = named_cpu_ns(&runtime_thread), callback_began = callback_cpu_ns(), began = now_ns();
    long before = atomic_load(counter);
    start();
    await_count(counter, least);
    double things = things_each * (double)(atomic_load(counter) - before);
    series_add(&rates->clock, things / (now_ns() - began) * 1000);
    series_add(&rates->callback_cpu, things / (callback_cpu_ns() - callback_began) * 1000);
    series_add(&rates->runtime_cpu, things / (named_cpu_ns(&runtime_thread) - runtime_began) * 1000);
}

enum { STREAM_WINDOW_1 = 256, STREAM_WINDOW_64 = 8, FLOOD_WINDOW = 1024 };

static void make_first_calls(void) {
    for (int i = 0; i < (told.list == 1 ? STREAM_WINDOW_1 : STREAM_WINDOW_64); i++) make_call();
}

static void streamed(size_t list, long pairs, double things_a_pair, Rates *rates) {
    size_t window = list == 1 ? STREAM_WINDOW_1 : STREAM_WINDOW_64;
    begin(list, list, 4 * list * window, 0);
    atomic_store(&told.calls_to_make, pairs - (long)window);
    timed(make_first_calls, &told.lists, pairs, things_a_pair, rates);
    CHECK(atomic_load(&told.changes) == pairs * (long)list);
    end();
}

/* It runs already. */
static void start_nothing(void) {}

static void flooded(size_t pushed_list, long count, Rates *rates, Series *length) {
    begin(pushed_list, 0, 2 * FLOOD_WINDOW, FLOOD_WINDOW);
    await_count(&told.changes, count / 10);
    timed(start_nothing, &told.changes, count, 1, rates);
    series_add(length, (double)atomic_load(&told.changes) / (double)atomic_load(&told.lists));
    end();
}

static void print_rates(const char *what, Rates *rates) {
    char text[160];
    snprintf(text, sizeof text, "%s, by the clock", what);
    print_row(text, "M/s", &rates->clock);
    print_row("… a second of CPU of the callback thread", "M", &rates->callback_cpu);
    if (rates->runtime_cpu.count > 0) print_row("… a second of CPU of the runtime's thread", "M", &rates->runtime_cpu);
}

int main(void) {
    static Rates empty_1, empty_64, stream_1, stream_64, flood_1, flood_64;
    Series length_1 = {0}, length_64 = {0};
    for (int runs = runs_wanted(); runs > 0; runs--) {
        emptied(1, 1024, 80, 2, &empty_1);
        emptied(64, 16, 200, 64, &empty_64);
        streamed(1, 200000, 2, &stream_1);
        streamed(64, 20000, 64, &stream_64);
        flooded(1, 1000000, &flood_1, &length_1);
        flooded(64, 2000000, &flood_64, &length_64);
    }
    print_table_head("callbacks of one client");
    print_rates("callbacks, a full queue empties, lists of 1", &empty_1);
    print_rates("changes, a full queue empties, lists of 64", &empty_64);
    print_rates("callbacks, stream of calls, results and lists of 1", &stream_1);
    print_rates("changes, stream of calls, results and lists of 64", &stream_64);
    print_rates("changes, flood of pushes of 1", &flood_1);
    print_row("… in lists of", "", &length_1);
    print_rates("changes, flood of pushes of 64", &flood_64);
    print_row("… in lists of", "", &length_64);
    return 0;
}
