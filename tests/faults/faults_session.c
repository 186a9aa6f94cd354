/* The network goes wrong under a session: results come once, versions never go back, and the session returns by itself
 * (R8.5, R8.6, R6.5, R6.6). What happens is in docs/C_API.md, "When the network misbehaves". */
#include <semaphore.h>
#include <stdlib.h>
#include <unistd.h>

#include "faults.h"
#include "support_internal.h"

CASE(half_a_frame_and_silence, "R8.6: a server that does not finish is gone after request_timeout_ms") {
    FakeServer *server = fake_listen();
    Client *alice = client_at(server->address, SHORT_REQUESTS);
    Wire *wire = fake_online(server, alice, "alice", 1);
    Call *set = start_set(alice, "busy");
    fake_expect(wire, CLIENT_SET);
    wire_send(wire, "\x06\x0a\x04\x08", 4);
    wire_await_close(wire);
    CHECK_EQ(finish(set)->code, TIM_ERR_DISCONNECTED);
    check_told(accept_and_welcome(server), alice, "bob", 1);
}

CASE(reset_with_calls_under_way, "R8.6: what changes something is 9508 and not sent again; a query is") {
    FakeServer *server = fake_listen();
    Client *alice = client_at(server->address, QUICK_RETURN);
    Wire *wire = fake_online(server, alice, "alice", 1);
    Call *set = start_set(alice, "busy");
    fake_expect(wire, CLIENT_SET);
    Call *ask = start_query(alice, IDS("bob"));
    fake_expect(wire, CLIENT_QUERY);
    Call *subscribe_call = start_subscribe(alice, IDS("bob"));
    fake_expect(wire, CLIENT_SUBSCRIBE);
    wire_reset(wire);
    Wire *next = accept_and_welcome(server);
    fake_reply_with(next, fake_expect(next, CLIENT_QUERY), "bob", TIM_STATUS_ONLINE, "asked twice", 5);
    CHECK_EQ(finish(set)->code, TIM_ERR_DISCONNECTED);
    CHECK_EQ(finish(subscribe_call)->code, TIM_ERR_DISCONNECTED);
    CHECK_EQ(finish(ask)->code, 0);
    CHECK_STR(item_of(finish(ask), "bob")->custom, "asked twice");
    CHECK(finish(set)->order < finish(ask)->order && finish(ask)->order < finish(subscribe_call)->order);
}

CASE(a_late_answer, "R8.6: the result is 9508 after request_timeout_ms, and stays the only one") {
    FakeServer *server = fake_listen();
    Client *alice = client_at(server->address, SHORT_REQUESTS);
    Wire *wire = fake_online(server, alice, "alice", 1);
    Call *set = start_set(alice, "busy");
    uint64_t id = fake_expect(wire, CLIENT_SET);
    CHECK_EQ(finish(set)->code, TIM_ERR_DISCONNECTED);
    fake_reply(wire, id, 0);
    Wire *next = accept_and_welcome(server);
    /* The same late answer on the new connection is an answer to nothing. A second completion would fail the test by itself. */
    fake_reply(next, id + 1000, 0);
    set = start_set(alice, "again");
    fake_reply(next, fake_expect(next, CLIENT_SET), 0);
    CHECK_EQ(finish(set)->code, 0);
}

CASE(an_answer_twice, "the second is to nothing, also when another call waits") {
    FakeServer *server = fake_listen();
    Client *alice = client_at(server->address, QUICK_RETURN);
    Wire *wire = fake_online(server, alice, "alice", 1);
    Call *first = start_set(alice, "one"), *second = start_set(alice, "two");
    uint64_t first_id = fake_expect(wire, CLIENT_SET), second_id = fake_expect(wire, CLIENT_SET);
    fake_reply(wire, first_id, 0);
    fake_reply(wire, first_id, TIM_ERR_INVALID_PARAMETERS);
    CHECK_EQ(finish(first)->code, 0);
    CHECK_EQ(finished(second), 0);
    fake_reply(wire, second_id, 0);
    CHECK_EQ(finish(second)->code, 0);
    CHECK_EQ(finish(first)->code, 0);
}

CASE(answers_in_the_wrong_order, "each goes to its call, and the results still come in the order of the calls") {
    FakeServer *server = fake_listen();
    Client *alice = client_at(server->address, QUICK_RETURN);
    Wire *wire = fake_online(server, alice, "alice", 1);
    Call *first = start_query(alice, IDS("bob")), *second = start_query(alice, IDS("carol"));
    uint64_t first_id = fake_expect(wire, CLIENT_QUERY), second_id = fake_expect(wire, CLIENT_QUERY);
    fake_reply_with(wire, second_id, "carol", TIM_STATUS_ONLINE, "", 1);
    fake_reply_with(wire, first_id, "bob", TIM_STATUS_ONLINE, "", 1);
    CHECK_STR(item_of(finish(first), "bob")->id, "bob");
    CHECK_STR(item_of(finish(second), "carol")->id, "carol");
    CHECK(finish(first)->order < finish(second)->order);
}

CASE(an_answer_that_names_others, "is handed on: what a query answers is the server's word (R4.5), in the numbers of this version (R2.5)") {
    FakeServer *server = fake_listen();
    Client *alice = client_at(server->address, QUICK_RETURN);
    Wire *wire = fake_online(server, alice, "alice", 1);
    Call *ask = start_query(alice, IDS("bob"));
    fake_reply_with(wire, fake_expect(wire, CLIENT_QUERY), "mallory", 77, "", UINT64_MAX);
    Result *result = finish(ask);
    CHECK_EQ(result->code, 0);
    CHECK_EQ(result->item_count, 1);
    CHECK_EQ(item_of(result, "mallory")->status, TIM_STATUS_UNKNOWN);
    CHECK(item_of(result, "mallory")->version == UINT64_MAX);
    /* And moves no mark (R6.5). */
    check_told(wire, alice, "mallory", 1);
}

CASE(versions_going_back_after_a_reconnect, "R6.5, R6.6: a server that knows less than was told says nothing new") {
    FakeServer *server = fake_listen();
    Client *alice = client_at(server->address, QUICK_RETURN);
    Wire *wire = fake_online(server, alice, "alice", 100);
    fake_push(wire, "bob", TIM_STATUS_ONLINE, "at ten", 10);
    await_status(alice, "bob", ANY, ANY, "at ten");
    wire_close(wire);
    wire = accept_and_welcome(server);
    fake_push(wire, "alice", TIM_STATUS_OFFLINE, "", 99);
    fake_push(wire, "bob", TIM_STATUS_OFFLINE, "at nine", 9);
    fake_push(wire, "bob", TIM_STATUS_OFFLINE, "at ten again", 10);
    fake_push(wire, "bob", TIM_STATUS_ONLINE, "at eleven", 11);
    CHECK_STR(await_status(alice, "bob", ANY, ANY, NULL).user.custom, "at eleven");
}

CASE(a_snapshot_going_back, "R5.6, R6.5: the result says what the server says; what was told before is not told again") {
    FakeServer *server = fake_listen();
    Client *alice = client_at(server->address, QUICK_RETURN);
    Wire *wire = fake_online(server, alice, "alice", 1);
    fake_push(wire, "bob", TIM_STATUS_ONLINE, "at ten", 10);
    await_status(alice, "bob", ANY, ANY, "at ten");
    Call *call = start_subscribe(alice, IDS("bob"));
    fake_reply_with(wire, fake_expect(wire, CLIENT_SUBSCRIBE), "bob", TIM_STATUS_ONLINE, "at five", 5);
    CHECK_EQ(item_of(finish(call), "bob")->version, 5);
    fake_push(wire, "bob", TIM_STATUS_ONLINE, "at seven", 7);
    fake_push(wire, "bob", TIM_STATUS_ONLINE, "at eleven", 11);
    CHECK_STR(await_status(alice, "bob", ANY, ANY, NULL).user.custom, "at eleven");
}

CASE(a_text_that_is_not_utf8, "is no message of this protocol: the connection is given up, nothing of it is told") {
    FakeServer *server = fake_listen();
    Client *alice = client_at(server->address, QUICK_RETURN);
    Wire *wire = fake_online(server, alice, "alice", 1);
    fake_push(wire, "bob", TIM_STATUS_ONLINE, "\xc3\x28", 5);
    wire_await_close(wire);
    wire = accept_and_welcome(server);
    fake_push(wire, "bob", TIM_STATUS_ONLINE, "good", 4);
    CHECK_STR(await_status(alice, "bob", ANY, ANY, NULL).user.custom, "good");
}

CASE(an_ill_formed_user_id, "is not told; the session lives") {
    FakeServer *server = fake_listen();
    Client *alice = client_at(server->address, QUICK_RETURN);
    Wire *wire = fake_online(server, alice, "alice", 1);
    fake_push(wire, "", TIM_STATUS_ONLINE, "", 1);
    fake_push(wire, "a\nb", TIM_STATUS_ONLINE, "", 1);
    fake_push(wire, "an id of more than thirty-two bytes is none", TIM_STATUS_ONLINE, "", 1);
    check_told(wire, alice, "bob", 1);
    CHECK_EQ(events_of(alice, EVENT_STATUS, ANY), 0);
    CHECK_EQ(events_of(alice, EVENT_CONNECTION, TIM_CONNECTION_DISCONNECTED), 0);
}

CASE(a_frame_over_the_limit, "1 MiB: given up when it is announced, not when it has come") {
    FakeServer *server = fake_listen();
    Client *alice = client_at(server->address, QUICK_RETURN);
    Wire *wire = fake_online(server, alice, "alice", 1);
    wire_send(wire, "\x81\x80\x40", 3);
    wire_await_close(wire);
    check_told(accept_and_welcome(server), alice, "bob", 1);
}

CASE(a_server_that_reads_nothing, "BUSY at queue_max; what was sent is 9508, what was not goes out on the next connection") {
    enum { CALLS = 400, UNDER_WAY_MAX = 256 };
    FakeServer *server = fake_listen();
    Client *alice = client_at(server->address, SHORT_REQUESTS ",\"queue_max\":400");
    fake_online(server, alice, "alice", 1);
    Call *calls[CALLS];
    for (int i = 0; i < CALLS; i++) calls[i] = start_set(alice, "busy");
    REFUSED(timSetSelfStatus(handle_of(alice), "one too many", NULL, NULL), TIM_ERR_BUSY);
    Wire *next = accept_and_welcome(server);
    for (int i = UNDER_WAY_MAX; i < CALLS; i++) fake_reply(next, fake_expect(next, CLIENT_SET), 0);
    for (int i = 0; i < CALLS; i++) CHECK_EQ(finish(calls[i])->code, i < UNDER_WAY_MAX ? TIM_ERR_DISCONNECTED : TIM_OK);
}

/* A client of our own, whose status callback stops until it may go on. */
static sem_t entered, may_go_on;
static int flood_calls;
static uint64_t last_version;
static void on_flood(const TimUserStatus *const *changes, size_t count, void *user_data) {
    (void)user_data;
    if (flood_calls++ == 0) {
        sem_post(&entered);
        while (sem_wait(&may_go_on) != 0) continue;
    }
    for (size_t i = 0; i < count; i++)
        if (strcmp(changes[i]->user_id, "bob") == 0) __atomic_store_n(&last_version, changes[i]->version, __ATOMIC_RELEASE);
    if (count > 0 && strcmp(changes[count - 1]->user_id, "end") == 0) sem_post(&entered);
}

CASE(a_flood_of_changes, "R6.3: changes merge while a callback is slow; the last of each user is told") {
    enum { CHANGES = 20000 };
    FakeServer *server = fake_listen();
    Client *alice = client_at(server->address, QUICK_RETURN);
    Wire *wire = fake_online(server, alice, "alice", 1);
    sem_init(&entered, 0, 0);
    sem_init(&may_go_on, 0, 0);
    ACCEPTED(timSetUserStatusChangedCallback(handle_of(alice), on_flood, NULL, NULL));
    /* The listener is in place once a later result has come. */
    Call *set = start_set(alice, "x");
    fake_reply(wire, fake_expect(wire, CLIENT_SET), 0);
    CHECK_EQ(finish(set)->code, 0);
    fake_push(wire, "bob", TIM_STATUS_ONLINE, "", 1);
    while (sem_wait(&entered) != 0) continue;
    for (uint64_t version = 2; version <= CHANGES; version++) fake_push(wire, "bob", TIM_STATUS_ONLINE, "", version);
    fake_push(wire, "end", TIM_STATUS_ONLINE, "", 1);
    /* That the session ended shows at once, without a callback: then the client has read all that came before. */
    Bytes ended = {.length = 0};
    put_number(&ended, 1, TIM_ERR_KICKED_OFFLINE);
    fake_send(wire, SERVER_SESSION_ENDED, &ended);
    int32_t state = TIM_LOGIN_LOGGED_IN;
    for (int64_t deadline = now_ms() + DEADLINE_MS; state != TIM_LOGIN_LOGGED_OUT; nap()) {
        CHECK(now_ms() < deadline);
        ACCEPTED(timGetLoginState(handle_of(alice), &state));
    }
    sem_post(&may_go_on);
    while (sem_wait(&entered) != 0) continue;
    CHECK_EQ(__atomic_load_n(&last_version, __ATOMIC_ACQUIRE), CHANGES);
    /* The one that was slow, and one for all that waited. */
    CHECK_EQ(flood_calls, 2);
}

CASE(asked_to_go, "GoAway: the client finishes what is under way, goes, and returns with its session") {
    FakeServer *server = fake_listen();
    Client *alice = client_at(server->address, QUICK_RETURN);
    Wire *wire = fake_online(server, alice, "alice", 1);
    Call *set = start_set(alice, "busy");
    uint64_t id = fake_expect(wire, CLIENT_SET);
    Bytes go = {.length = 0};
    put_number(&go, 1, 20);
    fake_send(wire, SERVER_GO_AWAY, &go);
    fake_reply(wire, id, 0);
    CHECK_EQ(finish(set)->code, 0);
    wire_await_close(wire);
    Wire *next = fake_accept(server);
    Request request;
    CHECK(fake_read(next, &request));
    CHECK_EQ(request.body, CLIENT_LOGIN);
    CHECK_EQ(request.session, 1);
    fake_login_reply(next, request.id, 120000);
    check_told(next, alice, "bob", 1);
}

CASE(a_link_that_flaps, "cut after each login, many times: the session survives, nothing is told but the connection") {
    FakeServer *server = fake_listen();
    Client *alice = client_at(server->address, QUICK_RETURN);
    Wire *wire = fake_online(server, alice, "alice", 1);
    for (int i = 0; i < 20; i++) {
        if (i % 2 == 0) wire_close(wire);
        else wire_reset(wire);
        wire = accept_and_welcome(server);
    }
    check_told(wire, alice, "bob", 1);
    CHECK_EQ(events_of(alice, EVENT_STATUS, ANY) + events_of(alice, EVENT_KICKED, ANY) + events_of(alice, EVENT_EXPIRED, ANY), 0);
}

CASE(gone_for_good, "R8.6: calls wait disconnected_wait_ms, then 9523; the user stays logged in and may log out") {
    FakeServer *server = fake_listen();
    Client *alice = client_at(server->address, QUICK_RETURN ",\"disconnected_wait_ms\":300,\"logout_timeout_ms\":300");
    Wire *wire = fake_online(server, alice, "alice", 1);
    fake_stop_listening(server);
    wire_close(wire);
    await_event(alice, EVENT_CONNECTION, TIM_CONNECTION_DISCONNECTED);
    Call *set = start_set(alice, "busy"), *ask = start_query(alice, IDS("bob"));
    CHECK_EQ(finish(set)->code, TIM_ERR_NO_CONNECTION);
    CHECK_EQ(finish(ask)->code, TIM_ERR_NO_CONNECTION);
    int32_t state = -1;
    ACCEPTED(timGetLoginState(handle_of(alice), &state));
    CHECK_EQ(state, TIM_LOGIN_LOGGED_IN);
    CHECK_EQ(logout_of(alice)->code, 0);
    CHECK_EQ(events_of(alice, EVENT_STATUS, ANY), 0);
}

CASE(a_session_ended_by_the_server, "6208 and 70052 are the kicked callback, 6206 the expired one; pending calls get 6023, nobody comes back") {
    static const int32_t codes[] = {TIM_ERR_KICKED_OFFLINE, TIM_ERR_USER_SIG_REVOKED, TIM_ERR_USER_SIG_EXPIRED_ONLINE};
    for (int i = 0; i < 3; i++) {
        FakeServer *server = fake_listen();
        Client *alice = client_at(server->address, QUICK_RETURN);
        Wire *wire = fake_online(server, alice, "alice", 1);
        Call *set = start_set(alice, "busy");
        fake_expect(wire, CLIENT_SET);
        Bytes ended = {.length = 0};
        put_number(&ended, 1, (uint64_t)codes[i]);
        fake_send(wire, SERVER_SESSION_ENDED, &ended);
        if (i < 2) await_event(alice, EVENT_KICKED, codes[i]);
        else await_event(alice, EVENT_EXPIRED, ANY);
        CHECK_EQ(finish(set)->code, TIM_ERR_LOGGED_OUT);
        wire_await_close(wire);
        /* The next connection is a new login, which continues nothing. */
        Call *call = start_login(alice, "alice", "sig");
        Wire *next = fake_accept(server);
        Request request;
        CHECK(fake_read(next, &request));
        CHECK_EQ(request.session, 0);
        fake_login_reply(next, request.id, 120000);
        CHECK_EQ(finish(call)->code, 0);
    }
}
