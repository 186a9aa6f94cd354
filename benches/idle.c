/* A thousand clients in one process, by delivery: time to create, log in and destroy them, and what they hold when idle. Each run is
 * a process of its own, so that no run finds memory that an earlier one left behind. */
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "bench.h"

enum { CLIENTS = 1000, SUBSCRIPTIONS = 10 };

/* What a run measures; all but the counts are per client. */
typedef struct Figures {
    double create_us, login_us, destroy_us;
    double rss_created, heap_created, rss_idle, heap_idle;
    double threads, fds, threads_after, fds_after;
} Figures;

static int polled; /* the delivery is "poll" */

static void await_results(TimClient *clients, Pending *pending) {
    double deadline = now_ns() + DEADLINE_S * 1e9;
    while (polled && atomic_load(&pending->left) > 0) {
        size_t handled, all = 0;
        for (size_t i = 0; i <= CLIENTS; i++) {
            ACCEPTED(timPoll(clients[i], 100, 0, &handled));
            all += handled;
        }
        if (all == 0) pause_us(200);
        if (now_ns() > deadline) FAIL("%ld results did not come", atomic_load(&pending->left));
    }
    await_all(pending);
}

static void log_in(const Served *served, TimClient *clients, size_t from, size_t count) {
    Pending logins = {.left = (long)count};
    char name[16];
    for (size_t i = from; i < from + count; i++) {
        user_name(i, name);
        ACCEPTED(timLogin(clients[i], name, served->user_sigs[i], on_counted_result, &logins));
    }
    await_results(clients, &logins);
}

/* To the ten users after it. */
static void subscribe(TimClient *clients, size_t from, size_t count) {
    Pending subscribes = {.left = (long)count};
    char names[SUBSCRIPTIONS][16];
    const char *users[SUBSCRIPTIONS];
    for (size_t i = from; i < from + count; i++) {
        for (size_t j = 0; j < SUBSCRIPTIONS; j++) {
            user_name((i + j + 1) % (CLIENTS + 1), names[j]);
            users[j] = names[j];
        }
        ACCEPTED(timSubscribeUserStatus(clients[i], users, SUBSCRIPTIONS, on_counted_result, &subscribes));
    }
    await_results(clients, &subscribes);
}

/* Whatever still comes has come and was told. */
static void settle(TimClient *clients) {
    size_t handled;
    for (int i = 0; i < 20; i++) {
        for (size_t j = 0; polled && j <= CLIENTS; j++) ACCEPTED(timPoll(clients[j], 1000, 0, &handled));
        pause_us(20000);
    }
    await_asleep(&runtime_thread);
}

/* What a run is about. */
typedef struct Plan {
    const Served *served;
    const char *delivery;
} Plan;

static void run(const void *plan_, void *figures_) {
    static TimClient clients[CLIENTS + 1];
    const Plan *plan = plan_;
    const Served *served = plan->served;
    Figures figures;
    char more[64];
    snprintf(more, sizeof more, ", \"delivery\": \"%s\"", plan->delivery);

    /* All at once but for the last, which stays alone first: what the first client of a process costs is not counted. */
    Footprint none = footprint_now();
    for (size_t i = 0; i <= CLIENTS; i++) clients[i] = 0;
    clients[CLIENTS] = client_at(served->address, more);
    Footprint one = footprint_now();
    double at = now_ns();
    for (size_t i = 0; i < CLIENTS; i++) clients[i] = client_at(served->address, more);
    figures.create_us = (now_ns() - at) / 1000 / CLIENTS;
    await_asleep(&runtime_thread);
    Footprint created = footprint_now();
    at = now_ns();
    log_in(served, clients, 0, CLIENTS + 1);
    figures.login_us = (now_ns() - at) / 1000 / (CLIENTS + 1);
    subscribe(clients, 0, CLIENTS + 1);
    settle(clients);
    Footprint idle = footprint_now();
    at = now_ns();
    for (size_t i = 0; i <= CLIENTS; i++) ACCEPTED(timClientDestroy(clients[i], DEADLINE_S * 1000));
    figures.destroy_us = (now_ns() - at) / 1000 / (CLIENTS + 1);
    Footprint after = footprint_now();

    figures.rss_created = (created.rss_bytes - one.rss_bytes) / CLIENTS / 1024;
    figures.heap_created = (created.heap_bytes - one.heap_bytes) / CLIENTS / 1024;
    figures.rss_idle = (idle.rss_bytes - one.rss_bytes) / CLIENTS / 1024;
    figures.heap_idle = (idle.heap_bytes - one.heap_bytes) / CLIENTS / 1024;
    figures.threads = idle.threads;
    figures.fds = idle.fds - none.fds;
    figures.threads_after = after.threads;
    figures.fds_after = after.fds - none.fds;
    *(Figures *)figures_ = figures;
}

int main(int argc, char **argv) {
    static const char *const deliveries[] = {"thread", "shared", "poll"};
    static const struct {
        const char *what, *unit;
        size_t at;
    } rows[] = {
        {"create, each", "µs", offsetof(Figures, create_us)},
        {"log in, all at once, each", "µs", offsetof(Figures, login_us)},
        {"destroy, one by one, each", "µs", offsetof(Figures, destroy_us)},
        {"created, not logged in: resident, each", "KiB", offsetof(Figures, rss_created)},
        {"created, not logged in: heap, each", "KiB", offsetof(Figures, heap_created)},
        {"logged in, 10 subscriptions: resident, each", "KiB", offsetof(Figures, rss_idle)},
        {"logged in, 10 subscriptions: heap, each", "KiB", offsetof(Figures, heap_idle)},
        {"threads of the process", "", offsetof(Figures, threads)},
        {"descriptors of the library", "", offsetof(Figures, fds)},
        {"threads after the last destroy", "", offsetof(Figures, threads_after)},
        {"descriptors after the last destroy", "", offsetof(Figures, fds_after)},
    };
    struct rlimit descriptors;
    CHECK(getrlimit(RLIMIT_NOFILE, &descriptors) == 0);
    descriptors.rlim_cur = descriptors.rlim_max;
    CHECK(setrlimit(RLIMIT_NOFILE, &descriptors) == 0);
    Served served = serve(CLIENTS + 1);
    for (size_t i = 0; i < sizeof deliveries / sizeof *deliveries; i++) {
        if (argc > 1 && strcmp(argv[1], deliveries[i]) != 0) continue;
        Series series[sizeof rows / sizeof *rows] = {0};
        polled = strcmp(deliveries[i], "poll") == 0;
        for (int n = runs_wanted(); n > 0; n--) {
            Figures figures;
            in_fresh_process(run, &(Plan){&served, deliveries[i]}, &figures, sizeof figures);
            for (size_t j = 0; j < sizeof rows / sizeof *rows; j++) series_add(&series[j], *(double *)((char *)&figures + rows[j].at));
        }
        char title[64];
        snprintf(title, sizeof title, "%d clients, delivery \"%s\"", CLIENTS, deliveries[i]);
        print_table_head(title);
        for (size_t j = 0; j < sizeof rows / sizeof *rows; j++) print_row(rows[j].what, rows[j].unit, &series[j]);
    }
    served_stop(&served);
    return 0;
}
