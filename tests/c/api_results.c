/* The contract of results and listeners: exactly once, in order, with texts (docs/C_API.md, "Callbacks"). */
#include <pthread.h>
#include <semaphore.h>
#include <stdlib.h>
#include <unistd.h>

#include "support.h"

CASE(the_library_fits_the_header, "versions and ABI") {
    CHECK_STR(timVersion(), TIM_VERSION_STRING);
    CHECK_EQ(timAbiVersion(), TIM_ABI_VERSION);
    ACCEPTED(timCheckAbi(TIM_ABI_MAJOR, TIM_ABI_MINOR));
    ACCEPTED(timCheckAbi(TIM_ABI_MAJOR, 0));
    REFUSED(timCheckAbi(TIM_ABI_MAJOR + 1, 0), TIM_ERR_ABI_MISMATCH);
    REFUSED(timCheckAbi(TIM_ABI_MAJOR, TIM_ABI_MINOR + 1), TIM_ERR_ABI_MISMATCH);
}

CASE(the_table_of_errors, "codes are unique, every one has a name and texts, and the functions agree") {
    const TimErrorDesc *const *table = NULL;
    size_t count = 0;
    ACCEPTED(timErrorTable(&table, &count));
    CHECK(count > 40);
    for (size_t i = 0; i < count; i++) {
        CHECK(table[i]->struct_size >= sizeof(TimErrorDesc));
        CHECK(table[i]->message[0] != 0 && table[i]->details[0] != 0);
        CHECK_STR(timErrorName(table[i]->code), table[i]->name);
        CHECK_STR(timErrorMessage(table[i]->code), table[i]->message);
        CHECK_EQ(timErrorFlags(table[i]->code), table[i]->flags);
        for (size_t j = 0; j < i; j++) CHECK(table[i]->code != table[j]->code && strcmp(table[i]->name, table[j]->name) != 0);
    }
    CHECK(timErrorName(123456)[0] != 0 && timErrorMessage(123456)[0] != 0);
    CHECK_EQ(timErrorFlags(123456), 0);
}

CASE(the_last_error_is_the_threads, "a success leaves it, another thread has its own") {
    TimClient client = 0;
    REFUSED(timClientCreate(NULL, &client), TIM_ERR_NULL_POINTER);
    char before[512], after[512], small[2];
    size_t needed = 0;
    snprintf(before, sizeof before, "%s", last_error());
    ACCEPTED(timCheckAbi(TIM_ABI_MAJOR, TIM_ABI_MINOR));
    snprintf(after, sizeof after, "%s", last_error());
    CHECK_STR(after, before);
    CHECK_EQ(timLastErrorMessage(small, sizeof small, &needed), TIM_ERR_BUFFER_TOO_SMALL);
    CHECK_EQ(needed, strlen(before) + 1);
}

CASE(results_come_in_the_order_of_the_calls, "and once each, five hundred in flight") {
    enum { CALLS = 500 };
    Server *server = server_start("", "");
    Client *alice = online(server, "alice");
    Call *calls[CALLS];
    for (int i = 0; i < CALLS; i++) calls[i] = i % 2 == 0 ? start_query(alice, IDS("alice")) : start_set(alice, i % 4 == 1 ? "a" : "b");
    uint64_t order = 0;
    for (int i = 0; i < CALLS; i++) {
        Result *result = finish(calls[i]);
        CHECK_EQ(result->code, 0);
        CHECK(result->order > order);
        order = result->order;
    }
}

CASE(calls_past_the_queue_are_refused, "BUSY, and every accepted one still has its result") {
    Server *server = server_start("", "");
    server_stop(server);
    Client *alice = client_new(server, "\"queue_max\":16,\"login_timeout_ms\":3000");
    Call *login_call = start_login(alice, "alice", user_sig("alice", 3600));
    int32_t code = TIM_OK;
    int accepted = 0;
    while (code == TIM_OK && accepted < 100000) {
        code = timGetSubscriptions(handle_of(alice), NULL, NULL);
        accepted += code == TIM_OK;
    }
    CHECK_EQ(code, TIM_ERR_BUSY);
    CHECK(accepted >= 1);
    CHECK_EQ(finish(login_call)->code, TIM_ERR_NO_CONNECTION);
    destroy(alice);
}

CASE(strings_and_lists_of_any_length, "what is too long is a result with 6017 or 7003, never a lost connection") {
    enum { LONG = 4 * 1024 * 1024 };
    Server *server = server_start("", "");
    char *text = malloc(LONG + 1);
    CHECK(text != NULL);
    memset(text, 'x', LONG);
    text[LONG] = 0;
    Client *alice = client_new(server, "");
    CHECK_EQ(login(alice, text, user_sig("alice", 3600))->code, TIM_ERR_INVALID_USER_ID);
    int32_t code = login(alice, "alice", text)->code;
    if (code != TIM_ERR_USER_SIG_INVALID && code != TIM_ERR_INVALID_PARAMETERS) FAIL("a UserSig of 4 MiB: %d", (int)code);
    CHECK_EQ(login(alice, "alice", user_sig("alice", 3600))->code, 0);
    CHECK_EQ(set_status(alice, text)->code, TIM_ERR_INVALID_PARAMETERS);
    Result *one_long_id = query(alice, IDS(text));
    if (one_long_id->code != TIM_ERR_INVALID_USER_ID && one_long_id->code != TIM_ERR_INVALID_PARAMETERS)
        FAIL("an id of 4 MiB: %d", (int)one_long_id->code);
    const char **ids = many_ids(100000);
    CHECK_EQ(query(alice, ids, 100000)->code, TIM_ERR_INVALID_PARAMETERS);
    CHECK_EQ(subscribe(alice, ids, 100000)->code, TIM_ERR_INVALID_PARAMETERS);
    CHECK_EQ(unsubscribe(alice, ids, 100000)->code, TIM_ERR_INVALID_PARAMETERS);
    /* Through all of it, one connection. */
    await_event(alice, EVENT_CONNECTION, TIM_CONNECTION_CONNECTED);
    fence(alice);
    CHECK_EQ(events_of(alice, EVENT_CONNECTION, TIM_CONNECTION_DISCONNECTED), 0);
}

/* ---- listeners ---- */

static sem_t freed, told;
static void count_free(void *user_data) { (void)user_data, sem_post(&freed); }
static void count_told(const TimUserStatus *const *changes, size_t count, void *user_data) {
    (void)changes, (void)count, (void)user_data;
    sem_post(&told);
}

static void await_post(sem_t *semaphore, const char *what) {
    struct timespec deadline;
    clock_gettime(CLOCK_REALTIME, &deadline);
    deadline.tv_sec += DEADLINE_MS / 1000;
    if (sem_timedwait(semaphore, &deadline) != 0) FAIL("no %s within %d ms", what, DEADLINE_MS);
}

CASE(a_listener_is_freed_once_when_replaced_or_removed, "free_user_data proves that it ended") {
    Server *server = server_start("", "");
    Client *alice = client_new(server, "");
    sem_init(&freed, 0, 0);
    sem_init(&told, 0, 0);
    ACCEPTED(timSetUserStatusChangedCallback(handle_of(alice), count_told, "first", count_free));
    CHECK_EQ(login(alice, "alice", user_sig("alice", 3600))->code, 0);
    await_post(&told, "change");
    ACCEPTED(timSetUserStatusChangedCallback(handle_of(alice), count_told, "second", count_free));
    await_post(&freed, "free of the first listener");
    ACCEPTED(timSetUserStatusChangedCallback(handle_of(alice), NULL, NULL, NULL));
    await_post(&freed, "free of the second listener");
    ACCEPTED(timSetUserStatusChangedCallback(handle_of(alice), count_told, "third", count_free));
    destroy(alice);
    CHECK_EQ(sem_trywait(&freed), 0);
    CHECK_EQ(sem_trywait(&freed), -1);
}

/* ---- from inside a callback ---- */

static TimClient inside_client;
static int32_t inside_destroy, inside_set;
static void on_result_inside(const TimResult *result, void *user_data) {
    (void)result, (void)user_data;
    inside_destroy = timClientDestroy(inside_client, 1000);
    inside_set = timSetSelfStatus(inside_client, "from inside", NULL, NULL);
    sem_post(&told);
}

CASE(every_function_may_be_called_from_a_callback, "only the one that would wait for itself answers WOULD_DEADLOCK") {
    Server *server = server_start("", "");
    Client *alice = online(server, "alice");
    inside_client = handle_of(alice);
    sem_init(&told, 0, 0);
    ACCEPTED(timSetSelfStatus(inside_client, "busy", on_result_inside, NULL));
    await_post(&told, "result");
    CHECK_EQ(inside_destroy, TIM_ERR_WOULD_DEADLOCK);
    CHECK_EQ(inside_set, TIM_OK);
    await_status(alice, "alice", ANY, ANY, "from inside");
}

static void on_closed(void *user_data) { sem_post((sem_t *)user_data); }
static sem_t closed;
static void on_result_destroys(const TimResult *result, void *user_data) {
    (void)result, (void)user_data;
    CHECK_EQ(timClientDestroyAsync(inside_client, on_closed, &closed), TIM_OK);
}

CASE(a_client_may_end_itself, "timClientDestroyAsync from a callback; afterwards the handle is stale") {
    Server *server = server_start("", "");
    Client *alice = online(server, "alice");
    inside_client = handle_of(alice);
    sem_init(&closed, 0, 0);
    ACCEPTED(timSetSelfStatus(inside_client, "busy", on_result_destroys, NULL));
    await_post(&closed, "closed");
    CHECK_EQ(timNotifyNetworkChanged(inside_client), TIM_ERR_INVALID_HANDLE);
}

/* ---- thread of callbacks ---- */

static pthread_t main_thread;
static int same_thread;
static void compare_thread(const TimResult *result, void *user_data) {
    (void)result, (void)user_data;
    same_thread = pthread_equal(pthread_self(), main_thread) != 0;
    sem_post(&told);
}

CASE(callbacks_run_on_a_thread_of_the_library, "delivery \"thread\" and \"shared\"; never inside the call") {
    Server *server = server_start("", "");
    const char *deliveries[] = {"\"delivery\":\"thread\"", "\"delivery\":\"shared\""};
    main_thread = pthread_self();
    sem_init(&told, 0, 0);
    for (int i = 0; i < 2; i++) {
        Client *alice = client_new(server, deliveries[i]);
        ACCEPTED(timGetSubscriptions(handle_of(alice), compare_thread, NULL));
        await_post(&told, "result");
        CHECK_EQ(same_thread, 0);
        destroy(alice);
    }
}

/* ---- poll delivery ---- */

static int polled_results;
static void on_polled(const TimResult *result, void *user_data) {
    (void)user_data;
    CHECK_EQ(result->code, TIM_OK);
    polled_results++;
}

static void on_wake(void *user_data) { sem_post((sem_t *)user_data); }

CASE(poll_delivery_runs_callbacks_inside_poll, "woken by the descriptor or the wake callback; CLOSED at the end") {
    Server *server = server_start("", "");
    char options[160];
    TimClient client = 0;
    int32_t fd = -1;
    size_t handled = 0;
    snprintf(options, sizeof options, "{\"server\":\"%s\",\"sdk_app_id\":%d,\"delivery\":\"poll\"}", server->address, APP_ID);
    ACCEPTED(timClientCreate(options, &client));
    sem_init(&told, 0, 0);
    ACCEPTED(timGetWakeFd(client, &fd));
    CHECK(fd >= 0);
    ACCEPTED(timSetWakeCallback(client, on_wake, &told, NULL));
    ACCEPTED(timLogin(client, "alice", user_sig("alice", 3600), on_polled, NULL));
    await_post(&told, "wake");
    CHECK_EQ(polled_results, 0);
    int64_t deadline = now_ms() + DEADLINE_MS;
    while (polled_results == 0) {
        ACCEPTED(timPoll(client, 1, 1000, &handled));
        CHECK(handled <= 1 && now_ms() < deadline);
    }
    CHECK_EQ(polled_results, 1);
    ACCEPTED(timClientDestroyAsync(client, NULL, NULL));
    int32_t code;
    do code = timPoll(client, 0, 1000, NULL);
    while (code == TIM_OK && now_ms() < deadline);
    CHECK_EQ(code, TIM_ERR_CLOSED);
}

/* ---- logs ---- */

static const char *secret;
static int log_lines;
static void on_log(int32_t level, const char *message, void *user_data) {
    (void)user_data;
    CHECK(level >= TIM_LOG_TRACE && level <= TIM_LOG_ERROR);
    if (strstr(message, secret) != NULL) FAIL("the UserSig is in the log: %s", message);
    if (strchr(message, '\n') != NULL) FAIL("a line of the log has a line end: %s", message);
    log_lines++;
}

CASE(the_log_never_holds_a_secret, "every level, a whole session, the server's log too") {
    Server *server = server_start("", "");
    secret = user_sig("alice", 3600);
    Client *alice = client_new(server, "");
    ACCEPTED(timSetLogCallback(handle_of(alice), TIM_LOG_TRACE, on_log, NULL, NULL));
    CHECK_EQ(login(alice, "alice", secret)->code, 0);
    CHECK_EQ(set_status(alice, "busy")->code, 0);
    CHECK_EQ(logout_of(alice)->code, 0);
    destroy(alice);
    CHECK(log_lines > 0);
    server_stop(server);
    static char text[1 << 20];
    char path[128];
    snprintf(path, sizeof path, "%s/server.log", server->directory);
    FILE *log = fopen(path, "r");
    CHECK(log != NULL);
    text[fread(text, 1, sizeof text - 1, log)] = 0;
    fclose(log);
    CHECK(strlen(text) > 0);
    CHECK(strstr(text, secret) == NULL && strstr(text, APP_KEY) == NULL);
}

CASE(nothing_is_ever_printed, "no log callback, a whole session with a lost connection: both standard streams stay empty") {
    Server *server = server_start("", "");
    const char *sig = user_sig("alice", 3600);
    char path[] = "/tmp/tim-test-output-XXXXXX";
    int fd = mkstemp(path), out = dup(1), err = dup(2);
    CHECK(fd >= 0 && out >= 0 && err >= 0);
    unlink(path);
    fflush(NULL);
    dup2(fd, 1);
    dup2(fd, 2);
    Client *alice = client_new(server, "");
    login(alice, "alice", sig);
    server_kill(server);
    await_event(alice, EVENT_CONNECTION, TIM_CONNECTION_DISCONNECTED);
    destroy(alice);
    fflush(NULL);
    dup2(out, 1);
    dup2(err, 2);
    CHECK_EQ(lseek(fd, 0, SEEK_END), 0);
}
