/* How many callbacks and changes a second one client can be told, by lists of 1 and of 64.
 *
 * Lists are kept apart by results: each push follows the answer to a call. So with lists of 1 half of the callbacks are results.
 * Three ways: a queue that is full, emptied (the callback thread alone); calls, answers and pushes in a steady stream (all three
 * threads and the feeder's process); pushes alone, unasked, in lists as they come. */
#include <semaphore.h>
#include <string.h>

#include "bench.h"

static struct {
    TimClient client;
    size_t list;                 /* changes expected a list; 0: as they come */
    atomic_long calls_to_make;   /* made by the callbacks */
    atomic_long results, lists, changes;
    atomic_int hold;             /* the next result waits for `released` */
    sem_t released;
    uint64_t versions;           /* read, so that a list is looked at as an application would */
    Feeder *feeder;
} told;

static void on_result(const TimResult *result, void *user_data);

static void make_call(void) { ACCEPTED(timSetSelfStatus(told.client, "x", on_result, NULL)); }

static void on_result(const TimResult *result, void *user_data) {
    (void)user_data;
    if (result->code != TIM_OK) FAIL("a result is %d: %s", result->code, result->message);
    if (atomic_exchange(&told.hold, 0)) sem_wait(&told.released);
    if (atomic_load(&told.calls_to_make) > 0) {
        atomic_fetch_sub(&told.calls_to_make, 1);
        make_call();
    }
    atomic_fetch_add(&told.results, 1);
}

static void on_status(const TimUserStatus *const *changes, size_t count, void *user_data) {
    (void)user_data;
    if (told.list > 0 && count != told.list) FAIL("a list has %zu changes, not %zu", count, told.list);
    for (size_t i = 0; i < count; i++) told.versions += changes[i]->version;
    atomic_fetch_add(&told.lists, 1);
    atomic_fetch_add(&told.changes, (long)count);
    if (told.list == 0) atomic_store(&told.feeder->shared->told, atomic_load(&told.changes));
}

static void await_count(atomic_long *counter, long least) {
    double deadline = now_ns() + DEADLINE_S * 1e9;
    while (atomic_load(counter) < least) {
        if (now_ns() > deadline) FAIL("%ld came, not %ld", atomic_load(counter), least);
        pause_us(50);
    }
}

static void begin(Feeder *feeder, size_t list) {
    Pending login = {.left = 1};
    memset(&told, 0, sizeof told);
    CHECK(sem_init(&told.released, 0, 0) == 0);
    told.list = list;
    told.feeder = feeder;
    told.client = client_at(feeder->address, "");
    ACCEPTED(timSetUserStatusChangedCallback(told.client, on_status, NULL, NULL));
    ACCEPTED(timLogin(told.client, "me", "not-checked", on_counted_result, &login));
    await_all(&login);
}

static void end(Feeder *feeder) {
    ACCEPTED(timClientDestroy(told.client, DEADLINE_S * 1000));
    CHECK(told.versions > 0);
    feeder_stop(feeder);
}

/* Fills the queue with `pairs` results and lists while the first result is held, then times how fast it empties. */
static void emptied(size_t list, long pairs, int rounds, Series *calls, Series *changes) {
    Feeder feeder = feed(list, list * (size_t)pairs, 0);
    begin(&feeder, list);
    double ns = 0;
    for (int round = 0; round < rounds; round++) {
        long before = atomic_load(&told.lists);
        atomic_store(&told.hold, 1);
        for (long i = 0; i < pairs; i++) make_call();
        await_count(&feeder.shared->written, before + pairs);
        await_runtime_asleep();
        double began = now_ns();
        sem_post(&told.released);
        /* Awaited by looking, not by sleeping: the end is to be seen at once. */
        while (atomic_load(&told.lists) < before + pairs) {
            if (now_ns() > began + DEADLINE_S * 1e9) FAIL("the queue does not empty");
        }
        ns += now_ns() - began;
    }
    double all = (double)rounds * (double)pairs;
    CHECK(atomic_load(&told.changes) == (long)all * (long)list);
    series_add(calls, 2 * all / ns * 1000);
    series_add(changes, (double)list * all / ns * 1000);
    end(&feeder);
}

static void streamed(size_t list, long window, long pairs, Series *calls, Series *changes) {
    Feeder feeder = feed(list, 4 * list * (size_t)window, 0);
    begin(&feeder, list);
    double began = now_ns();
    atomic_store(&told.calls_to_make, pairs - window);
    for (long i = 0; i < window; i++) make_call();
    await_count(&told.lists, pairs);
    double ns = now_ns() - began;
    CHECK(atomic_load(&told.changes) == pairs * (long)list);
    series_add(calls, 2 * (double)pairs / ns * 1000);
    series_add(changes, (double)list * (double)pairs / ns * 1000);
    end(&feeder);
}

static void flooded(size_t list, long count, Series *changes, Series *length) {
    enum { WINDOW = 1024 };
    Feeder feeder = feed(list, 2 * WINDOW, WINDOW);
    begin(&feeder, 0);
    double began = now_ns();
    long before = atomic_load(&told.changes);
    await_count(&told.changes, before + count);
    long came = atomic_load(&told.changes) - before;
    series_add(changes, (double)came / (now_ns() - began) * 1000);
    series_add(length, (double)atomic_load(&told.changes) / (double)atomic_load(&told.lists));
    end(&feeder);
}

int main(void) {
    int runs = runs_wanted();
    Series calls[4] = {0}, changes[4] = {0}, flood[2] = {0}, length[2] = {0};
    for (int run = 0; run < runs; run++) {
        emptied(1, 1024, 80, &calls[0], &changes[0]);
        emptied(64, 16, 200, &calls[1], &changes[1]);
        streamed(1, 256, 200000, &calls[2], &changes[2]);
        streamed(64, 8, 20000, &calls[3], &changes[3]);
        flooded(1, 1000000, &flood[0], &length[0]);
        flooded(64, 2000000, &flood[1], &length[1]);
    }
    print_table_head("callbacks of one client");
    print_row("a full queue empties, lists of 1: callbacks", "M/s", &calls[0]);
    print_row("a full queue empties, lists of 64: changes", "M/s", &changes[1]);
    print_row("stream of calls, results and lists of 1: callbacks", "M/s", &calls[2]);
    print_row("stream of calls, results and lists of 64: changes", "M/s", &changes[3]);
    print_row("flood of pushes of 1: changes", "M/s", &flood[0]);
    print_row("… changes a callback", "", &length[0]);
    print_row("flood of pushes of 64: changes", "M/s", &flood[1]);
    print_row("… changes a callback", "", &length[1]);
    return 0;
}
