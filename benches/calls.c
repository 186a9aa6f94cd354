/* What a call costs the thread that makes it: in a burst, refused by the rules (6014), and with the runtime asleep. Beside the last
 * stands its floor: one write to the eventfd that a thread asleep in epoll_wait watches, which is what waking anybody takes. */
#include <pthread.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "bench.h"

enum { BURST_CALLS = 1000, BURSTS = 50, SINGLE_CALLS = 400 };

/* A call of the kind to be measured. */
static void one_call(TimClient client, Pending *pending) {
    ACCEPTED(timSetSelfStatus(client, "in a call", on_counted_result, pending));
}

/* Nanoseconds a call, of the clock and of the calling thread, each burst after the results of the one before. */
static void bursts(TimClient client, int32_t code, Series *wall, Series *cpu) {
    Pending pending = {.code_expected = code};
    double wall_ns = 0, cpu_ns = 0;
    for (int i = 0; i < BURSTS; i++) {
        atomic_store(&pending.left, BURST_CALLS);
        double cpu_began = thread_cpu_ns(), began = now_ns();
        for (int j = 0; j < BURST_CALLS; j++) one_call(client, &pending);
        wall_ns += now_ns() - began;
        cpu_ns += thread_cpu_ns() - cpu_began;
        await_all(&pending);
    }
    series_add(wall, wall_ns / BURSTS / BURST_CALLS);
    series_add(cpu, cpu_ns / BURSTS / BURST_CALLS);
}

static void singles(TimClient client, int32_t code, Series *half, Series *most, Series *cpu_half) {
    static Series calls, cpu;
    Pending pending = {.code_expected = code};
    series_clear(&calls);
    series_clear(&cpu);
    for (int i = 0; i < SINGLE_CALLS; i++) {
        await_runtime_asleep();
        atomic_store(&pending.left, 1);
        double cpu_began = thread_cpu_ns(), began = now_ns();
        one_call(client, &pending);
        series_add(&calls, (now_ns() - began) / 1000);
        series_add(&cpu, (thread_cpu_ns() - cpu_began) / 1000);
        await_all(&pending);
    }
    series_add(half, series_quantile(&calls, 0.5));
    series_add(most, series_quantile(&calls, 0.99));
    series_add(cpu_half, series_quantile(&cpu, 0.5));
}

static struct {
    int fd, epoll;
    atomic_long woken;
} sleeper;

static void *sleep_and_wake(void *unused) {
    for (;;) {
        struct epoll_event event;
        uint64_t count;
        if (epoll_wait(sleeper.epoll, &event, 1, -1) != 1) continue;
        CHECK(read(sleeper.fd, &count, sizeof count) == sizeof count);
        atomic_fetch_add(&sleeper.woken, 1);
    }
    return unused;
}

static void start_sleeper(void) {
    struct epoll_event event = {.events = EPOLLIN | EPOLLET};
    pthread_t thread;
    sleeper.fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    sleeper.epoll = epoll_create1(EPOLL_CLOEXEC);
    CHECK(sleeper.fd >= 0 && sleeper.epoll >= 0);
    CHECK(epoll_ctl(sleeper.epoll, EPOLL_CTL_ADD, sleeper.fd, &event) == 0);
    CHECK(pthread_create(&thread, NULL, sleep_and_wake, NULL) == 0 && pthread_detach(thread) == 0);
}

static void floors(Series *half, Series *most) {
    static Series writes;
    series_clear(&writes);
    for (int i = 0; i < SINGLE_CALLS; i++) {
        long woken = atomic_load(&sleeper.woken);
        uint64_t one = 1;
        /* As long as await_runtime_asleep takes at least. */
        for (int j = 0; j < 3; j++) pause_us(200);
        double began = now_ns();
        CHECK(write(sleeper.fd, &one, sizeof one) == sizeof one);
        series_add(&writes, (now_ns() - began) / 1000);
        while (atomic_load(&sleeper.woken) == woken) pause_us(100);
    }
    series_add(half, series_quantile(&writes, 0.5));
    series_add(most, series_quantile(&writes, 0.99));
}

static void getters(TimClient client, Series *wall) {
    int32_t state;
    double began = now_ns();
    for (int i = 0; i < BURSTS * BURST_CALLS; i++) ACCEPTED(timGetLoginState(client, &state));
    series_add(wall, (now_ns() - began) / BURSTS / BURST_CALLS);
}

int main(void) {
    Served served = serve(1);
    start_sleeper();
    int runs = runs_wanted();
    Series wall[2] = {0}, cpu[2] = {0}, half = {0}, most = {0}, cpu_half = {0}, floor_half = {0}, floor_most = {0}, getter = {0};
    char name[16];
    user_name(0, name);
    TimClient online = client_at(served.address, ""), offline = client_at(served.address, "");
    Pending login = {.left = 1};
    ACCEPTED(timLogin(online, name, served.user_sigs[0], on_counted_result, &login));
    await_all(&login);
    /* Warm. */
    bursts(online, TIM_OK, &wall[0], &cpu[0]);
    bursts(offline, TIM_ERR_NOT_LOGGED_IN, &wall[0], &cpu[0]);
    series_clear(&wall[0]);
    series_clear(&cpu[0]);
    for (int run = 0; run < runs; run++) {
        bursts(online, TIM_OK, &wall[0], &cpu[0]);
        bursts(offline, TIM_ERR_NOT_LOGGED_IN, &wall[1], &cpu[1]);
        singles(online, TIM_OK, &half, &most, &cpu_half);
        floors(&floor_half, &floor_most);
        getters(online, &getter);
    }
    print_table_head("a call");
    print_row("burst of 1 000, logged in, by the clock", "ns", &wall[0]);
    print_row("the same, CPU of the calling thread", "ns", &cpu[0]);
    print_row("burst of 1 000, refused with 6014, by the clock", "ns", &wall[1]);
    print_row("the same, CPU of the calling thread", "ns", &cpu[1]);
    print_row("runtime asleep, p50 of 400", "µs", &half);
    print_row("runtime asleep, p99 of 400", "µs", &most);
    print_row("runtime asleep, CPU of the calling thread, p50 of 400", "µs", &cpu_half);
    print_row("floor: an eventfd's write that wakes a thread, p50 of 400", "µs", &floor_half);
    print_row("the same, p99 of 400", "µs", &floor_most);
    print_row("timGetLoginState", "ns", &getter);
    ACCEPTED(timClientDestroy(online, DEADLINE_S * 1000));
    ACCEPTED(timClientDestroy(offline, DEADLINE_S * 1000));
    served_stop(&served);
    return 0;
}
