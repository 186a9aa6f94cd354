/* What a call costs the thread that makes it: in a burst, refused by the rules (6014), and with the runtime asleep. Beside the last
 * stand its floors (floor.c), in the same run and in turn with it. */
#include "bench.h"

enum { BURST_CALLS = 1000, BURSTS = 50, SINGLE_CALLS = 400, SINGLES_IN_A_ROW = 20 };

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

/* One call, or one wake of a floor, with the thread it wakes asleep: microseconds by the clock and of the calling thread. */
typedef struct Single {
    const char *what;
    Floor *floor;                /* NULL: a call of the library */
    Series wall, cpu;            /* of the calls of one run */
    Series half, most, cpu_half; /* of the runs */
    Series woken_cpu;            /* of the thread that is woken, a call */
} Single;

static NamedThread *woken_by(Single *single) { return single->floor == NULL ? &runtime_thread : &single->floor->runtime; }

static double woken_cpu_ns(Single *single) {
    await_asleep(woken_by(single));
    return named_cpu_ns(woken_by(single));
}

static void single(Single *single, TimClient client) {
    Pending pending = {.left = 1, .code_expected = TIM_OK};
    long done = 0;
    await_asleep(woken_by(single));
    if (single->floor != NULL) done = atomic_load(&single->floor->done);
    double cpu_began = thread_cpu_ns(), began = now_ns();
    if (single->floor == NULL)
        one_call(client, &pending);
    else
        floor_wake(single->floor);
    series_add(&single->wall, (now_ns() - began) / 1000);
    series_add(&single->cpu, (thread_cpu_ns() - cpu_began) / 1000);
    if (single->floor == NULL)
        await_all(&pending);
    else
        floor_await(single->floor, done + 1);
}

/* In turn, so that a moment of the machine meets all of them; a few of each in a row, so that none is measured with what another
 * left in the processor's caches. */
static void singles(Single *kinds, size_t count, TimClient client) {
    double woken_ns[8] = {0};
    CHECK(count <= sizeof woken_ns / sizeof *woken_ns);
    for (int i = 0; i < SINGLE_CALLS / SINGLES_IN_A_ROW; i++) {
        for (size_t j = 0; j < count; j++) {
            woken_ns[j] -= woken_cpu_ns(&kinds[j]);
            for (int k = 0; k < SINGLES_IN_A_ROW; k++) single(&kinds[j], client);
            woken_ns[j] += woken_cpu_ns(&kinds[j]);
        }
    }
    for (size_t j = 0; j < count; j++) {
        series_add(&kinds[j].woken_cpu, woken_ns[j] / SINGLE_CALLS / 1000);
        series_add(&kinds[j].half, series_quantile(&kinds[j].wall, 0.5));
        series_add(&kinds[j].most, series_quantile(&kinds[j].wall, 0.99));
        series_add(&kinds[j].cpu_half, series_quantile(&kinds[j].cpu, 0.5));
        series_clear(&kinds[j].wall);
        series_clear(&kinds[j].cpu);
    }
}

static void print_single(Single *single) {
    char what[160];
    snprintf(what, sizeof what, "%s, p50 of %d", single->what, SINGLE_CALLS);
    print_row(what, "µs", &single->half);
    print_row("the same, p99", "µs", &single->most);
    print_row("the same, CPU of the calling thread, p50", "µs", &single->cpu_half);
    print_row("the same, CPU of the thread that is woken, mean", "µs", &single->woken_cpu);
}

static void getters(TimClient client, Series *wall) {
    int32_t state;
    double began = now_ns();
    for (int i = 0; i < BURSTS * BURST_CALLS; i++) ACCEPTED(timGetLoginState(client, &state));
    series_add(wall, (now_ns() - began) / BURSTS / BURST_CALLS);
}

int main(void) {
    pid_t floor_pid;
    int floor_socket = floor_server(&floor_pid);
    Served served = serve(1);
    static Floor whole, bare;
    floor_start(&whole, "floor-whole", floor_socket);
    floor_start(&bare, "floor-bare", -1);
    Single kinds[] = {
        {.what = "runtime asleep"},
        {.what = "floor: the same system calls and bytes", .floor = &whole},
        {.what = "floor: a wake with nothing behind it", .floor = &bare},
    };
    size_t kinds_count = sizeof kinds / sizeof *kinds;
    int runs = runs_wanted();
    Series wall[2] = {0}, cpu[2] = {0}, getter = {0};
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
        singles(kinds, kinds_count, online);
        getters(online, &getter);
    }
    print_table_head("a call");
    print_row("burst of 1 000, logged in, by the clock", "ns", &wall[0]);
    print_row("the same, CPU of the calling thread", "ns", &cpu[0]);
    print_row("burst of 1 000, refused with 6014, by the clock", "ns", &wall[1]);
    print_row("the same, CPU of the calling thread", "ns", &cpu[1]);
    for (size_t i = 0; i < kinds_count; i++) print_single(&kinds[i]);
    print_row("timGetLoginState", "ns", &getter);
    ACCEPTED(timClientDestroy(online, DEADLINE_S * 1000));
    ACCEPTED(timClientDestroy(offline, DEADLINE_S * 1000));
    served_stop(&served);
    floor_server_stop(floor_socket, floor_pid);
    return 0;
}
