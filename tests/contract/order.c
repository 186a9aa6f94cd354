/* Exactly once, in order, one at a time, and what a full queue does (docs/C_API.md, "Callbacks", 2, 3, 6, 8). */
#include <pthread.h>
#include <stdlib.h>
#include <unistd.h>

#include "contract.h"

static const char *const deliveries[] = {"\"delivery\":\"thread\"", "\"delivery\":\"shared\"", "\"delivery\":\"poll\""};
enum { DELIVERIES = 3, POLL = 2 };

/* ---- calls whose completions are counted ---- */

typedef struct Counted {
    struct Tally *tally;
    int times;
    int32_t code;
    int place; /* among all completions of the tally, from 1 */
} Counted;

typedef struct Tally {
    Signal completed;
    int places;
    Counted *calls;
} Tally;

static Tally *tally_of(size_t calls) {
    Tally *tally = calloc(1, sizeof *tally);
    CHECK(tally != NULL);
    tally->calls = calloc(calls, sizeof *tally->calls);
    CHECK(tally->calls != NULL);
    for (size_t i = 0; i < calls; i++) tally->calls[i].tally = tally;
    return tally;
}

/* Callbacks of one client are serial, so nothing here needs a lock of its own. */
static void on_counted(const TimResult *result, void *user_data) {
    Counted *call = user_data;
    call->times++;
    call->code = result->code;
    call->place = ++call->tally->places;
    post(&call->tally->completed);
}

/* ---- exactly once ---- */

enum { PENDING = 1000 };

/* A client with PENDING calls that no server will ever answer. */
static TimClient client_with_pending(const char *options, Tally *tally) {
    Home home = home_start("\"loops\":1");
    TimClient client = raw_client(home.address, options);
    const char *sig = home_user_sig(&home, "alice", 3600);
    if (strstr(options, "poll") != NULL) {
        Signal logged_in = {0};
        ACCEPTED(timLogin(client, "alice", sig, post_result, &logged_in));
        poll_until(client, &logged_in, 1, "the login");
    } else {
        raw_login(client, "alice", sig);
    }
    home_stop(&home);
    for (int i = 0; i < PENDING; i++) {
        const char *const ids[] = {"bob"};
        /* Those that change something and those that ask wait differently. */
        if (i % 2 == 0) ACCEPTED(timSetSelfStatus(client, "busy", on_counted, &tally->calls[i]));
        else ACCEPTED(timGetUserStatus(client, ids, 1, on_counted, &tally->calls[i]));
    }
    return client;
}

static void check_each_once(const Tally *tally, size_t calls) {
    for (size_t i = 0; i < calls; i++) {
        const Counted *call = &tally->calls[i];
        if (call->times != 1) FAIL("call %zu was completed %d times", i, call->times);
        if (call->code != TIM_ERR_SHUTDOWN && call->code != TIM_ERR_DISCONNECTED)
            FAIL("call %zu ended with %s", i, timErrorName(call->code));
        if (call->place != (int)i + 1) FAIL("call %zu was completed as number %d", i, call->place);
    }
}

CASE(a_thousand_pending_at_destroy, "a thousand callbacks, in order, before destroy returns, under each delivery") {
    for (int i = 0; i < DELIVERIES; i++) {
        Tally *tally = tally_of(PENDING);
        raw_destroy(client_with_pending(deliveries[i], tally));
        check_each_once(tally, PENDING);
    }
}

CASE(a_thousand_pending_at_an_asynchronous_destroy, "a thousand callbacks before `closed`") {
    for (int i = 0; i < DELIVERIES; i++) {
        Tally *tally = tally_of(PENDING);
        Signal closed = {0};
        TimClient client = client_with_pending(deliveries[i], tally);
        ACCEPTED(timClientDestroyAsync(client, post_plain, &closed));
        if (i == POLL) poll_until(client, &closed, 1, "closed");
        await_posts(&closed, 1, "closed");
        check_each_once(tally, PENDING);
    }
}

CASE(without_a_callback, "a call without one is accepted, takes its room and gives it back") {
    TimClient client = raw_client(nobodys_address(), "\"queue_max\":4");
    for (int round = 0; round < 100; round++) {
        Signal came = {0};
        int32_t code;
        /* Each must find room again once the one before it is done. */
        ACCEPTED(timSetSelfStatus(client, "busy", NULL, NULL));
        while ((code = timGetSubscriptions(client, post_result, &came)) == TIM_ERR_BUSY) sched_yield();
        CHECK_EQ(code, TIM_OK);
        await_posts(&came, 1, "the result after it");
    }
    raw_destroy(client);
}

/* ---- in order, from several threads ---- */

enum { CALLERS = 4, CALLS_EACH = 250 };

typedef struct Caller {
    TimClient client;
    Tally *tally;
    int first;
} Caller;

static void *call_in_order(void *argument) {
    Caller *caller = argument;
    for (int i = 0; i < CALLS_EACH; i++) {
        Counted *call = &caller->tally->calls[caller->first + i];
        /* A logged-out client: half of the results are there at once, half wait for the login. */
        if (i % 3 == 0) ACCEPTED(timGetFriends(caller->client, on_counted, call));
        else ACCEPTED(timSetSelfStatus(caller->client, "busy", on_counted, call));
    }
    return NULL;
}

CASE(each_threads_results_come_in_its_order, "calls of four threads at once, some refused locally, some answered by the server") {
    Home home = home_start("");
    TimClient client = raw_client(home.address, "");
    raw_login(client, "alice", home_user_sig(&home, "alice", 3600));
    Tally *tally = tally_of(CALLERS * CALLS_EACH);
    Caller callers[CALLERS];
    pthread_t threads[CALLERS];
    for (int i = 0; i < CALLERS; i++) {
        callers[i] = (Caller){client, tally, i * CALLS_EACH};
        CHECK_EQ(pthread_create(&threads[i], NULL, call_in_order, &callers[i]), 0);
    }
    for (int i = 0; i < CALLERS; i++) pthread_join(threads[i], NULL);
    await_posts(&tally->completed, CALLERS * CALLS_EACH, "results");
    for (int i = 0; i < CALLERS * CALLS_EACH; i++) {
        const Counted *call = &tally->calls[i];
        CHECK_EQ(call->times, 1);
        CHECK_EQ(call->code, TIM_OK);
        if (i % CALLS_EACH > 0) CHECK(call->place > tally->calls[i - 1].place);
    }
    raw_destroy(client);
    home_stop(&home);
}

/* ---- one at a time ---- */

static int inside, callbacks;
static void enter_and_leave(void) {
    CHECK_EQ(__atomic_add_fetch(&inside, 1, __ATOMIC_SEQ_CST), 1);
    /* Gives a second one every chance to come in. */
    sched_yield();
    callbacks++;
    CHECK_EQ(__atomic_sub_fetch(&inside, 1, __ATOMIC_SEQ_CST), 0);
}
static void serial_result(const TimResult *result, void *user_data) {
    (void)result;
    enter_and_leave();
    post(user_data);
}
static void serial_status(const TimUserStatus *const *changes, size_t count, void *user_data) {
    (void)changes, (void)count, (void)user_data;
    enter_and_leave();
}
static void serial_connection(int32_t state, int32_t code, const char *message, void *user_data) {
    (void)state, (void)code, (void)message, (void)user_data;
    enter_and_leave();
}
static void serial_log(int32_t level, const char *message, void *user_data) {
    (void)level, (void)message, (void)user_data;
    enter_and_leave();
}
static void serial_plain(void *user_data) {
    (void)user_data;
    enter_and_leave();
}

CASE(callbacks_of_a_client_run_one_at_a_time, "results, listeners, logs, hooks and frees, under each delivery") {
    enum { ROUNDS = 200 };
    for (int i = 0; i < 2; i++) {
        Home home = home_start("");
        TimClient client = raw_client(home.address, deliveries[i]);
        Signal results = {0};
        callbacks = 0;
        ACCEPTED(timSetThreadHooks(client, serial_plain, serial_plain, NULL, serial_plain));
        ACCEPTED(timSetConnectionStateCallback(client, serial_connection, NULL, serial_plain));
        ACCEPTED(timSetLogCallback(client, TIM_LOG_TRACE, serial_log, NULL, serial_plain));
        raw_login(client, "alice", home_user_sig(&home, "alice", 3600));
        for (int round = 0; round < ROUNDS; round++) {
            ACCEPTED(timSetUserStatusChangedCallback(client, serial_status, NULL, serial_plain));
            ACCEPTED(timSetSelfStatus(client, round % 2 == 0 ? "a" : "b", serial_result, &results));
        }
        await_posts(&results, ROUNDS, "results");
        raw_destroy(client);
        CHECK(callbacks > 2 * ROUNDS);
        home_stop(&home);
    }
}

/* ---- the result before the change ---- */

typedef struct Story {
    Signal results, last_change;
    char last_set[32]; /* of the last result */
    const char *last;  /* the text that ends it */
} Story;

typedef struct Setting {
    Story *story;
    char text[32];
} Setting;

static void on_set(const TimResult *result, void *user_data) {
    Setting *setting = user_data;
    CHECK_EQ(result->code, TIM_OK);
    memcpy(setting->story->last_set, setting->text, sizeof setting->text);
    post(&setting->story->results);
}

static void on_own_change(const TimUserStatus *const *changes, size_t count, void *user_data) {
    Story *story = user_data;
    for (size_t i = 0; i < count; i++) {
        if (changes[i]->reason != TIM_REASON_CUSTOM_STATUS) continue;
        /* Not before its result: the last result is at least as new. Texts have one length, so they compare as numbers. */
        if (strcmp(changes[i]->custom_status, story->last_set) > 0)
            FAIL("told of \"%s\" while the last result was that of \"%s\"", changes[i]->custom_status, story->last_set);
        if (strcmp(changes[i]->custom_status, story->last) == 0) post(&story->last_change);
    }
}

CASE(the_result_comes_before_the_event, "R6.4: always, whether the changes are merged or not") {
    enum { SETS = 100 };
    static Story story;
    static Setting settings[SETS];
    Home home = home_start("");
    TimClient alice = raw_client(home.address, "");
    story.last = "00000099";
    ACCEPTED(timSetUserStatusChangedCallback(alice, on_own_change, &story, NULL));
    raw_login(alice, "alice", home_user_sig(&home, "alice", 3600));
    for (int i = 0; i < SETS; i++) {
        /* Half of them while the callback thread is held, so that results and merged changes pile up. */
        static Hold hold;
        if (i == SETS / 2) hold_callbacks(alice, &hold);
        settings[i].story = &story;
        snprintf(settings[i].text, sizeof settings[i].text, "%08d", i);
        ACCEPTED(timSetSelfStatus(alice, settings[i].text, on_set, &settings[i]));
        if (i == SETS - 1) let_go(&hold);
    }
    await_posts(&story.results, SETS, "results");
    await_posts(&story.last_change, 1, "the last change");
    raw_destroy(alice);
    home_stop(&home);
}

/* ---- a full queue ---- */

CASE(a_full_queue_is_busy, "queue_max results may be outstanding; setters count too; login, logout and destroy have their own room") {
    enum { ROOM = 8, SESSION_ROOM = 16 };
    Hold hold;
    Signal came = {0}, freed = {0}, sessions = {0};
    TimClient client = raw_client(nobodys_address(), "\"queue_max\":8,\"login_timeout_ms\":200");
    hold_callbacks(client, &hold);
    int accepted = 1; /* the one that holds is outstanding until it returns */
    while (timSetSelfStatus(client, "busy", post_result, &came) == TIM_OK) accepted++;
    CHECK_EQ(accepted, ROOM);
    REFUSED(timGetFriends(client, post_result, &came), TIM_ERR_BUSY);
    REFUSED(timSetKickedOfflineCallback(client, (TimKickedFn)NULL, NULL, NULL), TIM_ERR_BUSY);
    REFUSED(timSetUserSigExpiredCallback(client, post_plain, &freed, post_plain), TIM_ERR_BUSY);
    int logins = 0;
    while (logins < 100 && timLogin(client, "alice", "not-a-user-sig", post_result, &sessions) == TIM_OK) logins++;
    CHECK_EQ(logins, SESSION_ROOM);
    CHECK_EQ(timLogout(client, post_result, &sessions), TIM_ERR_BUSY);
    CHECK_EQ(timClientDestroy(client, 0), TIM_ERR_TIMEOUT);
    let_go(&hold);
    raw_destroy(client);
    CHECK_EQ(posts_of(&came), ROOM - 1);
    CHECK_EQ(posts_of(&sessions), SESSION_ROOM);
    CHECK_EQ(posts_of(&freed), 0);
}

CASE(a_full_queue_has_room_again, "when results have been delivered") {
    Hold hold;
    Signal came = {0};
    TimClient client = raw_client(nobodys_address(), "\"queue_max\":4");
    hold_callbacks(client, &hold);
    int accepted = 0;
    while (timSetSelfStatus(client, "busy", post_result, &came) == TIM_OK) accepted++;
    let_go(&hold);
    await_posts(&came, accepted, "results");
    /* The last one's room comes back as its callback returns. */
    Signal more = {0};
    for (int i = 0; i < 3; i++) {
        int32_t code;
        while ((code = timSetSelfStatus(client, "busy", post_result, &more)) == TIM_ERR_BUSY) sched_yield();
        CHECK_EQ(code, TIM_OK);
    }
    await_posts(&more, 3, "results");
    raw_destroy(client);
}

/* ---- merging ---- */

typedef struct Heard {
    Signal last_of_bob, carol;
    int of_bob;
    uint64_t bob_version;
} Heard;

static void on_heard(const TimUserStatus *const *changes, size_t count, void *user_data) {
    Heard *heard = user_data;
    for (size_t i = 0; i < count; i++) {
        for (size_t j = 0; j < i; j++) CHECK(strcmp(changes[i]->user_id, changes[j]->user_id) != 0);
        if (strcmp(changes[i]->user_id, "bob") == 0) {
            heard->of_bob++;
            CHECK(changes[i]->version > heard->bob_version);
            heard->bob_version = changes[i]->version;
            if (strcmp(changes[i]->custom_status, "499") == 0) post(&heard->last_of_bob);
        }
        if (strcmp(changes[i]->user_id, "carol") == 0) post(&heard->carol);
    }
}

CASE(changes_of_a_user_merge_while_a_callback_is_slow, "R6.3: the last wins, nobody else's change is lost, no result is") {
    enum { CHANGES = 500 };
    static Heard heard;
    static const char *const both[] = {"bob", "carol"};
    Hold hold;
    Signal results = {0};
    Home home = home_start("");
    TimClient alice = raw_client(home.address, ""), bob = raw_client(home.address, ""), carol = raw_client(home.address, "");
    raw_login(bob, "bob", home_user_sig(&home, "bob", 3600));
    raw_login(alice, "alice", home_user_sig(&home, "alice", 3600));
    ACCEPTED(timSubscribeUserStatus(alice, both, 2, post_result, &results));
    await_posts(&results, 1, "the subscription");
    ACCEPTED(timSetUserStatusChangedCallback(alice, on_heard, &heard, NULL));
    hold_callbacks(alice, &hold);
    Signal set = {0};
    for (int i = 0; i < CHANGES; i++) {
        char text[32];
        snprintf(text, sizeof text, "%d", i);
        ACCEPTED(timSetSelfStatus(bob, text, post_result, &set));
    }
    await_posts(&set, CHANGES, "bob's results");
    raw_login(carol, "carol", home_user_sig(&home, "carol", 3600));
    /* Answered after all that, so it has arrived before. */
    ACCEPTED(timGetUserStatus(alice, both, 2, post_result, &results));
    ACCEPTED(timGetSubscriptions(alice, post_result, &results));
    Signal asked = {0};
    TimClient fence = raw_client(home.address, "\"platform\":\"Web\"");
    raw_login(fence, "alice", home_user_sig(&home, "alice", 3600));
    ACCEPTED(timSetSelfStatus(fence, "fence", post_result, &asked));
    await_posts(&asked, 1, "the fence");
    let_go(&hold);
    await_posts(&results, 3, "results");
    await_posts(&heard.last_of_bob, 1, "bob's last change");
    await_posts(&heard.carol, 1, "carol's change");
    /* Five hundred changes of one user were not five hundred calls. */
    CHECK(heard.of_bob < CHANGES / 2);
    CHECK_EQ(posts_of(&heard.carol), 1);
    raw_destroy(alice), raw_destroy(bob), raw_destroy(carol), raw_destroy(fence);
    home_stop(&home);
}

/* ---- a slow callback ---- */

CASE(a_slow_callback_delays_nobody_elses, "clients with threads of their own go on; companions under \"shared\" wait") {
    Hold hold;
    Signal own = {0}, companion = {0};
    TimClient slow = raw_client(nobodys_address(), ""), other = raw_client(nobodys_address(), "");
    hold_callbacks(slow, &hold);
    ACCEPTED(timGetSubscriptions(other, post_result, &own));
    await_posts(&own, 1, "the other client's result");
    let_go(&hold);
    raw_destroy(slow), raw_destroy(other);

    TimClient first = raw_client(nobodys_address(), deliveries[1]), second = raw_client(nobodys_address(), deliveries[1]);
    TimClient apart = raw_client(nobodys_address(), "");
    hold_callbacks(first, &hold);
    ACCEPTED(timGetSubscriptions(second, post_result, &companion));
    /* A whole round of another client later it has not come. */
    ACCEPTED(timGetSubscriptions(apart, post_result, &own));
    await_posts(&own, 2, "the result of a client apart");
    CHECK_EQ(posts_of(&companion), 0);
    let_go(&hold);
    await_posts(&companion, 1, "the companion's result");
    raw_destroy(first), raw_destroy(second), raw_destroy(apart);
}

/* Hears when the connection is gone or back. */
typedef struct Link {
    Signal lost;
} Link;
static void on_link(int32_t state, int32_t code, const char *message, void *user_data) {
    (void)code, (void)message;
    if (state == TIM_CONNECTION_DISCONNECTED) post(&((Link *)user_data)->lost);
}

CASE(a_held_callback_does_not_stop_heartbeats, "under each delivery, three timeouts long: the server still has the user ONLINE") {
    static const char *const users[DELIVERIES] = {"alice", "bob", "carol"};
    static Hold holds[DELIVERIES];
    Link links[DELIVERIES] = {{.lost = {0}}};
    TimClient clients[DELIVERIES];
    Server *server = server_start(SHORT_SILENCE, "auto_register_on_mention = true");
    Client *watcher = online(server, "watcher");
    CHECK_EQ(subscribe(watcher, IDS("alice", "bob", "carol", "clock"))->code, 0);
    for (int i = 0; i < DELIVERIES; i++) {
        Signal logged_in = {0};
        clients[i] = raw_client(server->address, deliveries[i]);
        ACCEPTED(timSetConnectionStateCallback(clients[i], on_link, &links[i], NULL));
        ACCEPTED(timLogin(clients[i], users[i], user_sig(users[i], 3600), post_result, &logged_in));
        if (i == POLL) {
            /* Nobody polls from here on: the slowest callback there can be. */
            poll_until(clients[i], &logged_in, 1, "the login");
        } else {
            await_posts(&logged_in, 1, "the login");
            hold_callbacks(clients[i], &holds[i]);
        }
        await_status(watcher, users[i], TIM_STATUS_ONLINE, ANY, NULL);
    }
    /* Time passes, as seen on a device that falls silent: its process is stopped. */
    for (int silence = 0; silence < 3; silence++) {
        Peer *clock = peer_online(server, "clock", "");
        peer_signal(clock, 19 /* SIGSTOP */);
        await_status(watcher, "clock", TIM_STATUS_OFFLINE, TIM_REASON_TIMEOUT, NULL);
        peer_signal(clock, 9 /* SIGKILL */);
    }
    for (int i = 0; i < DELIVERIES; i++) {
        check_silence(watcher, users[i]);
        if (i != POLL) let_go(&holds[i]);
        CHECK_EQ(posts_of(&links[i].lost), 0);
        raw_destroy(clients[i]);
        await_status(watcher, users[i], TIM_STATUS_OFFLINE, TIM_REASON_LINK_CLOSED, NULL);
    }
}
