/* How a client ends: destroyed twice, by many, while it works, while the process exits or forks; and what is left of it
 * (docs/C_API.md, "Lifetime"). tests/c/lifecycle.c has the plain cases. */
#include <malloc.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "contract.h"

/* ---- destroyed by many ---- */

typedef struct Destroyer {
    TimClient client;
    Signal *start;
    Signal *results;
    int32_t code;
    int seen; /* results delivered when its destroy returned TIM_OK */
} Destroyer;

static void *destroy_now(void *argument) {
    Destroyer *destroyer = argument;
    await_posts(destroyer->start, 1, "the start");
    destroyer->code = timClientDestroy(destroyer->client, DEADLINE_MS);
    destroyer->seen = posts_of(destroyer->results);
    return NULL;
}

static void destroy_by_many(const char *delivery) {
    enum { THREADS = 4, CALLS = 20 };
    Signal start = {0}, results = {0};
    TimClient client = raw_client(silent_address(), delivery);
    pthread_t threads[THREADS];
    Destroyer destroyers[THREADS];
    ACCEPTED(timLogin(client, "alice", "not-a-user-sig", post_result, &results));
    for (int i = 1; i < CALLS; i++) ACCEPTED(timSetSelfStatus(client, "busy", post_result, &results));
    for (int i = 0; i < THREADS; i++) {
        destroyers[i] = (Destroyer){.client = client, .start = &start, .results = &results};
        CHECK_EQ(pthread_create(&threads[i], NULL, destroy_now, &destroyers[i]), 0);
    }
    post(&start);
    int done = 0;
    for (int i = 0; i < THREADS; i++) {
        pthread_join(threads[i], NULL);
        CHECK(destroyers[i].code == TIM_OK || destroyers[i].code == TIM_ERR_INVALID_HANDLE);
        if (destroyers[i].code == TIM_OK) CHECK_EQ(destroyers[i].seen, CALLS);
        done += destroyers[i].code == TIM_OK;
    }
    CHECK(done >= 1);
    CHECK_EQ(posts_of(&results), CALLS);
    CHECK_EQ(threads_now(), 1);
}

CASE(destroyed_by_four_threads_at_once, "x 50 under each delivery: each TIM_OK means that every result was delivered; the others find no handle") {
    for (int round = 0; round < 50; round++) {
        destroy_by_many("");
        destroy_by_many("\"delivery\":\"shared\"");
        destroy_by_many("\"delivery\":\"poll\"");
    }
}

CASE(destroyed_twice, "the second finds no handle; an asynchronous one while it ends is CLOSED, a waiting one waits") {
    Hold hold;
    Signal closed = {0};
    TimClient client = raw_client(nobodys_address(), "");
    raw_destroy(client);
    REFUSED(timClientDestroy(client, 0), TIM_ERR_INVALID_HANDLE);
    REFUSED(timClientDestroyAsync(client, NULL, NULL), TIM_ERR_INVALID_HANDLE);

    client = raw_client(nobodys_address(), "");
    hold_callbacks(client, &hold);
    ACCEPTED(timClientDestroyAsync(client, post_plain, &closed));
    REFUSED(timClientDestroyAsync(client, post_plain, &closed), TIM_ERR_CLOSED);
    CHECK_EQ(timClientDestroy(client, 10), TIM_ERR_TIMEOUT);
    let_go(&hold);
    int32_t code = timClientDestroy(client, DEADLINE_MS);
    CHECK(code == TIM_OK || code == TIM_ERR_INVALID_HANDLE);
    await_posts(&closed, 1, "closed");
    REFUSED(timClientDestroy(client, 0), TIM_ERR_INVALID_HANDLE);
    CHECK_EQ(posts_of(&closed), 1);
}

typedef struct Blocked {
    TimClient client;
    Signal ended;
} Blocked;
static void *poll_into_a_block(void *argument) {
    Blocked *blocked = argument;
    int32_t code;
    do code = timPoll(blocked->client, 1, DEADLINE_MS, NULL);
    while (code == TIM_OK);
    CHECK(code == TIM_ERR_CLOSED || code == TIM_ERR_INVALID_HANDLE || code == TIM_ERR_BUSY);
    post(&blocked->ended);
    return NULL;
}

CASE(destroyed_while_a_callback_is_blocked, "TIMEOUT as often as it is asked, then TIM_OK: shared and poll delivery too") {
    static const char *const deliveries[] = {"", "\"delivery\":\"shared\"", "\"delivery\":\"poll\""};
    for (int i = 0; i < 3; i++) {
        static Hold hold;
        Blocked blocked = {.client = raw_client(nobodys_address(), deliveries[i])};
        Signal late = {0};
        pthread_t thread;
        if (i == 2) CHECK_EQ(pthread_create(&thread, NULL, poll_into_a_block, &blocked), 0);
        hold_callbacks(blocked.client, &hold);
        ACCEPTED(timSetSelfStatus(blocked.client, "busy", post_result, &late));
        for (int again = 0; again < 3; again++) CHECK_EQ(timClientDestroy(blocked.client, 10), TIM_ERR_TIMEOUT);
        REFUSED(timSetSelfStatus(blocked.client, "busy", NULL, NULL), TIM_ERR_CLOSED);
        CHECK_EQ(posts_of(&late), 0);
        let_go(&hold);
        int32_t code = timClientDestroy(blocked.client, DEADLINE_MS);
        if (i == 2) {
            /* The poll may have been the one to end it. */
            await_posts(&blocked.ended, 1, "the end of the poll");
            pthread_join(thread, NULL);
        }
        CHECK(code == TIM_OK || (i == 2 && code == TIM_ERR_INVALID_HANDLE));
        CHECK_EQ(posts_of(&late), 1);
        CHECK_EQ(threads_now(), 1);
    }
}

/* ---- calls racing with the end ---- */

typedef struct Caller {
    TimClient client;
    Signal started;
    int accepted, completed;
    int stop;
} Caller;

static void on_completed(const TimResult *result, void *user_data) {
    (void)result;
    __atomic_fetch_add(&((Caller *)user_data)->completed, 1, __ATOMIC_SEQ_CST);
}

static void *call_all_the_time(void *argument) {
    Caller *caller = argument;
    static const char *const ids[] = {"bob", "carol"};
    for (unsigned i = 0; !__atomic_load_n(&caller->stop, __ATOMIC_SEQ_CST); i++) {
        int32_t code, state;
        switch (i % 6) {
        case 0: code = timSetSelfStatus(caller->client, "busy", on_completed, caller); break;
        case 1: code = timGetUserStatus(caller->client, ids, 2, on_completed, caller); break;
        case 2: code = timLogin(caller->client, "alice", "not-a-user-sig", on_completed, caller); break;
        case 3: code = timLogout(caller->client, on_completed, caller); break;
        case 4: code = timSubscribeUserStatus(caller->client, ids, 2, on_completed, caller); break;
        default: code = timGetLoginState(caller->client, &state); break;
        }
        if (i % 6 != 5 && code == TIM_OK) caller->accepted++;
        if (i == 12) post(&caller->started);
        if (code == TIM_ERR_BUSY) sched_yield();
        CHECK(code == TIM_OK || code == TIM_ERR_BUSY || code == TIM_ERR_CLOSED || code == TIM_ERR_INVALID_HANDLE);
        if (code == TIM_ERR_CLOSED || code == TIM_ERR_INVALID_HANDLE) break;
    }
    return NULL;
}

CASE(calls_racing_with_destroy, "x 100: each accepted one is completed once before destroy returns, each other is refused") {
    enum { THREADS = 3 };
    for (int round = 0; round < 100; round++) {
        static const char *const deliveries[] = {"", "\"delivery\":\"shared\"", "\"delivery\":\"poll\""};
        TimClient client = raw_client(nobodys_address(), deliveries[round % 3]);
        pthread_t threads[THREADS];
        static Caller callers[THREADS];
        for (int i = 0; i < THREADS; i++) {
            memset(&callers[i], 0, sizeof callers[i]);
            callers[i].client = client;
            CHECK_EQ(pthread_create(&threads[i], NULL, call_all_the_time, &callers[i]), 0);
        }
        for (int i = 0; i < THREADS; i++) await_posts(&callers[i].started, 1, "calls");
        raw_destroy(client);
        int completed[THREADS];
        for (int i = 0; i < THREADS; i++) completed[i] = __atomic_load_n(&callers[i].completed, __ATOMIC_SEQ_CST);
        for (int i = 0; i < THREADS; i++) {
            pthread_join(threads[i], NULL);
            CHECK_EQ(callers[i].accepted, completed[i]);
            CHECK_EQ(__atomic_load_n(&callers[i].completed, __ATOMIC_SEQ_CST), completed[i]);
        }
    }
}

/* ---- exit ---- */

static TimClient at_exit;
static void destroy_at_exit(void) {
    int32_t code = timClientDestroy(at_exit, DEADLINE_MS);
    if (code != TIM_OK && code != TIM_ERR_WOULD_DEADLOCK) _exit(3);
}

static void exit_while_calling(const char *address, int round) {
    static Caller callers[2];
    pthread_t thread;
    TimClient client = raw_client(address, round % 3 == 1 ? "\"delivery\":\"shared\"" : "");
    at_exit = client;
    if (round % 2 == 0) CHECK_EQ(atexit(destroy_at_exit), 0);
    ACCEPTED(timLogin(client, "alice", user_sig("alice", 3600), NULL, NULL));
    for (int i = 0; i < 2; i++) {
        callers[i].client = client;
        CHECK_EQ(pthread_create(&thread, NULL, call_all_the_time, &callers[i]), 0);
    }
    for (int i = 0; i < 2; i++) await_posts(&callers[i].started, 1, "calls");
    exit(0);
}

/* Runs `leave`, which ends the process with exit(0), in a child, `rounds` times. */
static void leaves_well(void (*leave)(const char *address, int round), int rounds) {
    Server *server = server_start("", "");
    for (int round = 0; round < rounds; round++) {
        fflush(NULL);
        pid_t pid = fork();
        CHECK(pid >= 0);
        if (pid == 0) {
            leave(server->address, round);
            _exit(4);
        }
        await_child(pid);
    }
}

CASE(calls_racing_with_exit, "x 100, with and without destroy in atexit: the process ends well, every time") { leaves_well(exit_while_calling, 100); }

static void exit_here(const TimResult *result, void *user_data) {
    (void)result, (void)user_data;
    exit(0);
}
static void exit_in_a_callback(const char *address, int round) {
    TimClient client = raw_client(address, round % 2 == 0 ? "" : "\"delivery\":\"shared\"");
    at_exit = client;
    CHECK_EQ(atexit(destroy_at_exit), 0);
    ACCEPTED(timGetSubscriptions(client, exit_here, NULL));
    Signal never = {0};
    await_posts(&never, 1, "the end of the process");
}
CASE(exit_from_a_callback, "with destroy in atexit, which is told that it would deadlock") { leaves_well(exit_in_a_callback, 20); }

static void exit_with_a_server(const char *address, int round) {
    (void)address, (void)round;
    Home home = home_start("");
    TimClient client = raw_client(home.address, "");
    raw_login(client, "alice", home_user_sig(&home, "alice", 3600));
    exit(0);
}
CASE(exit_with_an_embedded_server, "and a client of it, neither stopped") { leaves_well(exit_with_a_server, 20); }

/* ---- fork ---- */

typedef struct Parent {
    const char *address;
    TimClient client;
    int depth;
} Parent;

static void live_in_the_child(void *argument) {
    Parent *parent = argument;
    Signal came = {0};
    CHECK_EQ(timSetSelfStatus(parent->client, "busy", post_result, &came), TIM_ERR_FORKED);
    CHECK_EQ(timClientDestroy(parent->client, 1000), TIM_ERR_FORKED);
    CHECK_EQ(threads_now(), 1);
    TimClient own = raw_client(parent->address, "");
    CHECK(own != parent->client);
    Signal logged_in = {0};
    ACCEPTED(timLogin(own, "bob", user_sig("bob", 3600), post_result, &logged_in));
    await_posts(&logged_in, 1, "the child's login");
    if (parent->depth < 3) {
        Parent next = {parent->address, own, parent->depth + 1};
        in_child(live_in_the_child, &next);
    }
    raw_destroy(own);
    CHECK_EQ(posts_of(&came), 0);
    CHECK_EQ(threads_now(), 1);
}

CASE(forked_while_it_works, "x 20, with threads calling: the child's new client lives, the parent's goes on; also a child's child") {
    Server *server = server_start("", "");
    TimClient client = raw_client(server->address, "");
    raw_login(client, "alice", user_sig("alice", 3600));
    user_sig("bob", 3600);
    static Caller caller;
    pthread_t thread;
    caller.client = client;
    CHECK_EQ(pthread_create(&thread, NULL, call_all_the_time, &caller), 0);
    await_posts(&caller.started, 1, "calls");
    for (int round = 0; round < 20; round++) {
        Parent parent = {server->address, client, round == 0 ? 0 : 3};
        in_child(live_in_the_child, &parent);
    }
    __atomic_store_n(&caller.stop, 1, __ATOMIC_SEQ_CST);
    pthread_join(thread, NULL);
    raw_destroy(client);
    CHECK_EQ(caller.accepted, caller.completed);
}

typedef struct ForkHere {
    Parent parent;
    Signal done;
} ForkHere;
static void fork_here(const TimResult *result, void *user_data) {
    ForkHere *here = user_data;
    (void)result;
    in_child(live_in_the_child, &here->parent);
    post(&here->done);
}
CASE(forked_in_a_callback, "the child is no callback thread: it may destroy what it created") {
    Server *server = server_start("", "");
    TimClient client = raw_client(server->address, "");
    user_sig("bob", 3600);
    ForkHere here = {.parent = {server->address, client, 3}};
    ACCEPTED(timGetSubscriptions(client, fork_here, &here));
    await_posts(&here.done, 1, "the callback");
    raw_destroy(client);
}

static void serve_in_the_child(void *argument) {
    Home *inherited = argument;
    char address[64];
    CHECK_EQ(timServerAddress(inherited->server, address, sizeof address, NULL), TIM_ERR_FORKED);
    CHECK_EQ(timServerStop(inherited->server, 1000), TIM_ERR_FORKED);
    Home own = home_start("");
    TimClient client = raw_client(own.address, "");
    raw_login(client, "alice", home_user_sig(&own, "alice", 3600));
    raw_destroy(client);
    home_stop(&own);
}
CASE(forked_with_an_embedded_server, "the child's is void there, the parent's goes on") {
    Home home = home_start("");
    in_child(serve_in_the_child, &home);
    TimClient client = raw_client(home.address, "");
    raw_login(client, "alice", home_user_sig(&home, "alice", 3600));
    raw_destroy(client);
    home_stop(&home);
}

/* ---- what is left ---- */

static void one_life(const char *address, const char *delivery, const char *sig) {
    Signal came = {0};
    TimClient client = raw_client(address, delivery);
    ACCEPTED(timLogin(client, "alice", sig, post_result, &came));
    ACCEPTED(timSetSelfStatus(client, "busy", post_result, &came));
    if (strstr(delivery, "poll") != NULL) {
        int32_t fd;
        ACCEPTED(timGetWakeFd(client, &fd));
        poll_until(client, &came, 2, "results");
    } else {
        await_posts(&came, 2, "results");
    }
    raw_destroy(client);
}

CASE(a_hundred_lives_leave_nothing, "create, log in, set, destroy: threads, files and heap are as they were, under each delivery") {
    static const char *const deliveries[] = {"", "\"delivery\":\"shared\"", "\"delivery\":\"poll\""};
    Server *server = server_start("", "");
    const char *sig = user_sig("alice", 3600);
    for (int i = 0; i < 3; i++) {
        /* What is allocated once is there after a few. */
        for (int life = 0; life < 20; life++) one_life(server->address, deliveries[i], sig);
        int threads = threads_now(), files = files_now();
        size_t heap = mallinfo2().uordblks;
        for (int life = 0; life < 100; life++) one_life(server->address, deliveries[i], sig);
        CHECK_EQ(threads, 1);
        CHECK_EQ(threads_now(), threads);
        CHECK_EQ(files_now(), files);
        /* Less than 10 bytes a life, which no leak can be. The test runs without the allocator's caches, which count as used. */
        size_t after = mallinfo2().uordblks;
        if (after > heap + 1000) FAIL("delivery %d: the heap grew from %zu to %zu bytes over 100 clients", i, heap, after);
    }
}

CASE(the_runtime_lives_as_long_as_any_client, "started by the first, stopped with the last") {
    CHECK_EQ(threads_now(), 1);
    TimClient first = raw_client(nobodys_address(), ""), second = raw_client(nobodys_address(), "");
    CHECK_EQ(threads_now(), 1 + 1 + 2);
    raw_destroy(first);
    CHECK_EQ(threads_now(), 1 + 1 + 1);
    raw_destroy(second);
    CHECK_EQ(threads_now(), 1);
    raw_destroy(raw_client(nobodys_address(), ""));
    CHECK_EQ(threads_now(), 1);
}

CASE(a_stopped_server_is_no_handle, "from the call on, whatever stop answers; its clients see a lost connection") {
    char address[64];
    Home home = home_start("");
    int32_t code = timServerStop(home.server, 0);
    CHECK(code == TIM_OK || code == TIM_ERR_TIMEOUT);
    REFUSED(timServerAddress(home.server, address, sizeof address, NULL), TIM_ERR_INVALID_HANDLE);
    REFUSED(timServerStop(home.server, 0), TIM_ERR_INVALID_HANDLE);
}
