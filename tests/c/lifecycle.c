/* Loading, creating, destroying, forking, exiting: nothing is left, nothing hangs (docs/C_API.md, "Lifetime"). */
#include <dlfcn.h>
#include <semaphore.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "support.h"

/* Ends well when a child process does so within the deadline. */
static void await_child(pid_t pid) {
    Process child = {.pid = pid};
    int status = 0;
    if (!process_await_end(&child, DEADLINE_MS, &status)) FAIL("the child process did not end");
    if (!WIFEXITED(status) || WEXITSTATUS(status) != 0) FAIL("the child process ended with wait status %#x", (unsigned)status);
}

CASE(loading_does_nothing, "no thread, no open file, before the first client") {
    /* This program is linked against the library, so it is loaded. */
    CHECK(timVersion()[0] != 0);
    CHECK_EQ(threads_now(), 1);
}

/* The heap is for lifetime.a_hundred_lives_leave_nothing, which keeps no events: those kept here would hide a leak. */
CASE(a_hundred_clients_leave_nothing, "threads and files are as they were") {
    Server *server = server_start("", "");
    const char *sig = user_sig("alice", 3600);
    int threads = 0, files = 0;
    for (int i = 0; i < 110; i++) {
        Client *client = client_new(server, i % 2 == 0 ? "" : "\"delivery\":\"shared\"");
        CHECK_EQ(login(client, "alice", sig)->code, 0);
        destroy(client);
        /* After a few, everything that is allocated once is there. */
        if (i == 9) threads = threads_now(), files = files_now();
    }
    CHECK_EQ(threads, 1);
    CHECK_EQ(threads_now(), threads);
    CHECK_EQ(files_now(), files);
}

CASE(a_hundred_embedded_servers_leave_nothing, "threads and files") {
    int files = 0;
    for (int i = 0; i < 20; i++) {
        TimServer server = 0;
        ACCEPTED(timServerStart(NULL, &server));
        ACCEPTED(timServerStop(server, DEADLINE_MS));
        if (i == 4) files = files_now();
    }
    CHECK_EQ(threads_now(), 1);
    CHECK_EQ(files_now(), files);
}

CASE(destroy_completes_what_is_pending, "each accepted call once: its result, or SHUTDOWN") {
    enum { CALLS = 300 };
    Server *server = server_start("", "");
    Client *alice = online(server, "alice");
    Call *calls[CALLS];
    for (int i = 0; i < CALLS; i++) calls[i] = start_query(alice, IDS("alice"));
    destroy(alice);
    int done = 0;
    for (int i = 0; i < CALLS; i++) {
        CHECK(finished(calls[i])); /* before destroy returned */
        int32_t code = finish(calls[i])->code;
        CHECK(code == TIM_OK || code == TIM_ERR_SHUTDOWN);
        done += code == TIM_OK;
    }
    printf("%d of %d had their result\n", done, CALLS);
}

CASE(destroy_while_connecting, "a login that waits for a server gets SHUTDOWN at once") {
    Server *server = server_start("", "");
    server_stop(server);
    Client *alice = client_new(server, "");
    Call *login_call = start_login(alice, "alice", user_sig("alice", 3600));
    int64_t started_ms = now_ms();
    destroy(alice);
    CHECK(now_ms() - started_ms < DEADLINE_MS / 2);
    CHECK(finished(login_call));
    CHECK_EQ(finish(login_call)->code, TIM_ERR_SHUTDOWN);
}

/* A callback that does not return until it may. */
static sem_t entered, may_leave;
static void slow_result(const TimResult *result, void *user_data) {
    (void)result, (void)user_data;
    sem_post(&entered);
    while (sem_wait(&may_leave) != 0) continue;
}

CASE(destroy_waits_for_a_running_callback, "TIMEOUT, goes on, and may be called again") {
    Server *server = server_start("", "");
    Client *alice = client_new(server, "");
    sem_init(&entered, 0, 0);
    sem_init(&may_leave, 0, 0);
    ACCEPTED(timGetSubscriptions(handle_of(alice), slow_result, NULL));
    while (sem_wait(&entered) != 0) continue;
    CHECK_EQ(timClientDestroy(handle_of(alice), 0), TIM_ERR_TIMEOUT);
    CHECK_EQ(timSetSelfStatus(handle_of(alice), "busy", NULL, NULL), TIM_ERR_CLOSED);
    CHECK_EQ(timClientDestroy(handle_of(alice), 50), TIM_ERR_TIMEOUT);
    sem_post(&may_leave);
    destroy(alice);
    CHECK_EQ(timClientDestroy(handle_of(alice), 0), TIM_ERR_INVALID_HANDLE);
}

CASE(a_slow_callback_does_not_stop_the_network, "heartbeats go on while it runs: the user stays ONLINE") {
    Server *server = server_start(SHORT_SILENCE, "auto_register_on_mention = true");
    Client *watcher = online(server, "watcher");
    CHECK_EQ(subscribe(watcher, IDS("alice", "clock"))->code, 0);
    Client *alice = online(server, "alice");
    await_status(watcher, "alice", TIM_STATUS_ONLINE, ANY, NULL);
    sem_init(&entered, 0, 0);
    sem_init(&may_leave, 0, 0);
    ACCEPTED(timGetSubscriptions(handle_of(alice), slow_result, NULL));
    while (sem_wait(&entered) != 0) continue;
    /* Two silences long. */
    for (int i = 0; i < 2; i++) {
        peer_signal(peer_online(server, "clock", ""), 19 /* SIGSTOP */);
        await_status(watcher, "clock", TIM_STATUS_OFFLINE, TIM_REASON_TIMEOUT, NULL);
    }
    check_silence(watcher, "alice");
    sem_post(&may_leave);
}

CASE(a_forked_child_has_no_handles, "FORKED; a client created there works and touches nothing inherited") {
    Server *server = server_start("", "");
    Client *alice = online(server, "alice");
    const char *sig = user_sig("bob", 3600);
    fflush(NULL);
    pid_t pid = fork();
    CHECK(pid >= 0);
    if (pid == 0) {
        CHECK_EQ(timSetSelfStatus(handle_of(alice), "busy", NULL, NULL), TIM_ERR_FORKED);
        CHECK_EQ(timClientDestroy(handle_of(alice), 1000), TIM_ERR_FORKED);
        Client *bob = client_new(server, "");
        CHECK_EQ(login(bob, "bob", sig)->code, 0);
        CHECK(handle_of(bob) != handle_of(alice));
        destroy(bob);
        _exit(0);
    }
    await_child(pid);
    /* The parent's client noticed nothing. */
    fence(alice);
    destroy(alice);
}

CASE(a_forked_child_keeps_nobody_online, "R2.2: a destroyed client is gone for the server, though a child has its socket open") {
    Server *server = server_start("", "auto_register_on_mention = true");
    Client *watcher = online(server, "watcher");
    CHECK_EQ(subscribe(watcher, IDS("alice"))->code, 0);
    Client *alice = online(server, "alice");
    await_status(watcher, "alice", TIM_STATUS_ONLINE, ANY, NULL);
    int may_end[2];
    char byte;
    CHECK_EQ(pipe(may_end), 0);
    fflush(NULL);
    pid_t pid = fork();
    CHECK(pid >= 0);
    if (pid == 0) {
        close(may_end[1]);
        (void)!read(may_end[0], &byte, 1); /* until the parent closes its end, or ends */
        _exit(0);
    }
    destroy(alice);
    await_status(watcher, "alice", TIM_STATUS_OFFLINE, TIM_REASON_LINK_CLOSED, NULL);
    close(may_end[1]);
    await_child(pid);
}

static TimClient left_over;
static void destroy_at_exit(void) {
    if (timClientDestroy(left_over, 10000) != TIM_OK) _exit(3);
}

/* Runs `body` in a child that leaves with exit(), 20 times. */
static void exits_well(void (*body)(Server *server, const char *sig)) {
    Server *server = server_start("", "");
    const char *sig = user_sig("alice", 3600);
    for (int i = 0; i < 20; i++) {
        fflush(NULL);
        pid_t pid = fork();
        CHECK(pid >= 0);
        if (pid == 0) {
            body(server, sig);
            exit(0);
        }
        await_child(pid);
    }
}

static void log_in_and_leave(Server *server, const char *sig) {
    Client *alice = client_new(server, "");
    left_over = handle_of(alice);
    CHECK_EQ(login(alice, "alice", sig)->code, 0);
    for (int i = 0; i < 50; i++) start_set(alice, i % 2 == 0 ? "a" : "b");
}

CASE(exit_without_destroy, "with callbacks in flight") { exits_well(log_in_and_leave); }

static void destroy_by_atexit(Server *server, const char *sig) {
    CHECK_EQ(atexit(destroy_at_exit), 0);
    log_in_and_leave(server, sig);
}

CASE(destroy_from_atexit, "waits and succeeds") { exits_well(destroy_by_atexit); }

CASE(dlclose_keeps_the_library, "it is linked with -z nodelete: its functions stay where they are") {
    /* Its own path, as the loader found it. */
    Dl_info where;
    CHECK(dladdr((void *)(uintptr_t)timVersion, &where) != 0);
    void *library = dlopen(where.dli_fname, RTLD_NOW);
    CHECK(library != NULL);
    const char *(*version)(void) = (const char *(*)(void))(uintptr_t)dlsym(library, "timVersion");
    CHECK(version != NULL);
    CHECK_EQ(dlclose(library), 0);
    CHECK_STR(version(), TIM_VERSION_STRING);
}

CASE(many_clients_in_one_process, "fifty, all online, all told") {
    enum { CLIENTS = 50 };
    Server *server = server_start("", "");
    Client *clients[CLIENTS];
    char name[16];
    clients[0] = online(server, "user0");
    for (int i = 1; i < CLIENTS; i++) {
        snprintf(name, sizeof name, "user%d", i);
        clients[i] = online(server, name);
        CHECK_EQ(subscribe(clients[i], IDS("user0"))->code, 0);
    }
    CHECK_EQ(set_status(clients[0], "hello everybody")->code, 0);
    for (int i = 1; i < CLIENTS; i++) await_status(clients[i], "user0", ANY, TIM_REASON_CUSTOM_STATUS, "hello everybody");
    for (int i = 0; i < CLIENTS; i++) destroy(clients[i]);
    CHECK_EQ(threads_now(), 1);
}
