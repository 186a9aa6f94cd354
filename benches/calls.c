/* What a call costs the thread that makes it: in a burst, refused by the rules (6014), and with the runtime asleep. */
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

static void singles(TimClient client, int32_t code, Series *half, Series *most) {
    static Series calls;
    Pending pending = {.code_expected = code};
    series_clear(&calls);
    for (int i = 0; i < SINGLE_CALLS; i++) {
        await_runtime_asleep();
        atomic_store(&pending.left, 1);
        double began = now_ns();
        one_call(client, &pending);
        series_add(&calls, (now_ns() - began) / 1000);
        await_all(&pending);
    }
    series_add(half, series_quantile(&calls, 0.5));
    series_add(most, series_quantile(&calls, 0.99));
}

static void getters(TimClient client, Series *wall) {
    int32_t state;
    double began = now_ns();
    for (int i = 0; i < BURSTS * BURST_CALLS; i++) ACCEPTED(timGetLoginState(client, &state));
    series_add(wall, (now_ns() - began) / BURSTS / BURST_CALLS);
}

int main(void) {
    Served served = serve(1);
    int runs = runs_wanted();
    Series wall[2] = {0}, cpu[2] = {0}, half = {0}, most = {0}, getter = {0};
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
        singles(online, TIM_OK, &half, &most);
        getters(online, &getter);
    }
    print_table_head("a call");
    print_row("burst of 1 000, logged in, by the clock", "ns", &wall[0]);
    print_row("the same, CPU of the calling thread", "ns", &cpu[0]);
    print_row("burst of 1 000, refused with 6014, by the clock", "ns", &wall[1]);
    print_row("the same, CPU of the calling thread", "ns", &cpu[1]);
    print_row("runtime asleep, p50 of 400", "µs", &half);
    print_row("runtime asleep, p99 of 400", "µs", &most);
    print_row("timGetLoginState", "ns", &getter);
    ACCEPTED(timClientDestroy(online, DEADLINE_S * 1000));
    ACCEPTED(timClientDestroy(offline, DEADLINE_S * 1000));
    served_stop(&served);
    return 0;
}
