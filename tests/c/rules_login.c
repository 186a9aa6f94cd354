/* R8.1 to R8.4, R8.8, R8.9: logging in and out, several devices, UserSigs. */
#include <signal.h>

#include "wire.h"

CASE(a_login_needs_a_good_user_sig, "R8.1: each kind of wrong has its code") {
    Server *server = server_start("login_failures_max = 1000", "");
    Client *client = client_new(server, "");
    CHECK_EQ(login(client, "alice", user_sig("bob", 3600))->code, TIM_ERR_USER_SIG_OTHER_USER);
    CHECK_EQ(login(client, "alice", user_sig_with_key("alice", 3600, "another-key-0123456789abcdef"))->code, TIM_ERR_USER_SIG_WRONG_KEY);
    CHECK_EQ(login(client, "alice", "garbage")->code, TIM_ERR_USER_SIG_INVALID);
    CHECK_EQ(login(client, "alice", "")->code, TIM_ERR_USER_SIG_EMPTY);
    CHECK_EQ(login(client, "t\xc3\xa4st", user_sig("alice", 3600))->code, TIM_ERR_INVALID_USER_ID);
    CHECK_EQ(login(client, "alice", user_sig("alice", 3600))->code, 0);
}

CASE(an_expired_user_sig_is_70001, "R8.1") {
    Server *server = server_start("login_failures_max = 1000000", "");
    const char *sig = user_sig("alice", 1);
    int64_t deadline = now_ms() + DEADLINE_MS;
    for (;;) {
        Client *client = client_new(server, "");
        int32_t code = login(client, "alice", sig)->code;
        destroy(client);
        if (code == TIM_ERR_USER_SIG_EXPIRED) return;
        CHECK_EQ(code, 0);
        CHECK(now_ms() < deadline);
    }
}

CASE(another_app_is_refused, "R1.1, R8.1: 70014 or no such app") {
    Server *server = server_start("", "");
    TimClient client = 0;
    char options[128];
    snprintf(options, sizeof options, "{\"server\":\"%s\",\"sdk_app_id\":5}", server->address);
    ACCEPTED(timClientCreate(options, &client));
    /* Through the support library's call: the handle alone is another's. */
    Wire *wire = wire_connect(server);
    Bytes login = {.length = 0}, frame = {.length = 0}, out = {.length = 0};
    put_number(&login, 1, 5);
    put_text(&login, 2, "alice");
    put_text(&login, 3, user_sig("alice", 3600));
    put_text(&login, 4, "Linux");
    put_text(&login, 5, "instance");
    put_number(&frame, 1, 9);
    put_message(&frame, CLIENT_LOGIN, &login);
    put_frame(&out, &frame);
    wire_send(wire, "TIMP\x01", 5);
    wire_send(wire, out.data, out.length);
    Frame reply;
    CHECK(wire_read(wire, &reply));
    Field body = field_of(reply.bytes, reply.length, SERVER_REPLY);
    CHECK(body.present);
    CHECK_EQ(field_of(body.bytes, body.length, 2).number, TIM_ERR_APP_NOT_FOUND);
    wire_await_close(wire);
}

CASE(the_result_comes_then_ones_own_status, "R8.2: one notification") {
    Server *server = server_start("", "");
    Client *alice = client_new(server, "");
    Result *result = login(alice, "alice", user_sig("alice", 3600));
    CHECK_EQ(result->code, 0);
    Event told = await_status(alice, "alice", TIM_STATUS_ONLINE, TIM_REASON_LOGIN, "");
    CHECK(result->order < told.order);
    check_silence(alice, "alice");
}

CASE(until_the_login_calls_answer_6014, "R8.2") {
    Server *server = server_start("", "");
    Client *alice = client_new(server, "");
    CHECK_EQ(set_status(alice, "busy")->code, TIM_ERR_NOT_LOGGED_IN);
    CHECK_EQ(query(alice, IDS("alice"))->code, TIM_ERR_NOT_LOGGED_IN);
    CHECK_EQ(subscribe(alice, IDS("bob"))->code, TIM_ERR_NOT_LOGGED_IN);
    CHECK_EQ(unsubscribe(alice, NULL, 0)->code, TIM_ERR_NOT_LOGGED_IN);
    CHECK_EQ(list_of(alice)->code, TIM_ERR_NOT_LOGGED_IN);
    CHECK_EQ(finish(start_friends(alice))->code, TIM_ERR_NOT_LOGGED_IN);
    CHECK_EQ(finish(start_renew(alice, user_sig("alice", 3600)))->code, TIM_ERR_NOT_LOGGED_IN);
}

CASE(calls_during_a_login, "R8.2: 7501 for another login, 6014 for everything else, in the order of the calls") {
    /* A scripted server that does not answer, so that the login is going on until its time is over. */
    FakeServer *server = fake_listen();
    Client *alice = client_at(server->address, "\"login_timeout_ms\":5000");
    Call *first = start_login(alice, "alice", "sig");
    fake_expect(fake_accept(server), CLIENT_LOGIN);
    int32_t state = 0;
    ACCEPTED(timGetLoginState(handle_of(alice), &state));
    CHECK_EQ(state, TIM_LOGIN_LOGGING_IN);
    Call *second = start_login(alice, "alice", "sig");
    Call *early = start_set(alice, "busy");
    CHECK_EQ(finish(first)->code, TIM_ERR_NO_CONNECTION);
    CHECK_EQ(finish(second)->code, TIM_ERR_LOGIN_IN_PROGRESS);
    CHECK_EQ(finish(early)->code, TIM_ERR_NOT_LOGGED_IN);
    CHECK(finish(first)->order < finish(second)->order && finish(second)->order < finish(early)->order);
}

CASE(a_login_while_logged_in, "R8.2: 0 as the same user, 7014 as another") {
    Server *server = server_start("", "");
    Client *alice = online(server, "alice");
    CHECK_EQ(login(alice, "alice", user_sig("alice", 3600))->code, 0);
    CHECK_EQ(login(alice, "bob", user_sig("bob", 3600))->code, TIM_ERR_INVALID_OPERATION);
    int32_t state = 0;
    char user[64];
    ACCEPTED(timGetLoginState(handle_of(alice), &state));
    CHECK_EQ(state, TIM_LOGIN_LOGGED_IN);
    ACCEPTED(timGetLoginUser(handle_of(alice), user, sizeof user, NULL));
    CHECK_STR(user, "alice");
}

CASE(a_device_of_the_same_platform_kicks_the_older, "R8.3: 6208, between two processes; no change of the user's status") {
    Server *server = server_start("", "");
    Client *watcher = online(server, "watcher");
    Peer *older = peer_online(server, "bob", "\"platform\":\"Linux\"");
    CHECK_EQ(subscribe(watcher, IDS("bob"))->code, 0);
    peer_tell(older, "set busy");
    await_status(watcher, "bob", ANY, ANY, "busy");
    Peer *newer = peer_online(server, "bob", "\"platform\":\"Linux\"");
    peer_await(older, "kicked 6208");
    check_silence(watcher, "bob");
    User *bob = item_of(query(watcher, IDS("bob")), "bob");
    CHECK_EQ(bob->status, TIM_STATUS_ONLINE);
    CHECK_STR(bob->custom, "busy");
    /* It is logged out and does not reconnect. */
    peer_tell(older, "set again");
    peer_await(older, "result 6014");
    peer_tell(newer, "set newer");
    await_status(watcher, "bob", ANY, ANY, "newer");
}

CASE(devices_of_different_platforms_live_together, "R8.3: per_platform, and ten of Web") {
    Server *server = server_start("", "web_devices_max = 2");
    Client *phone = online_on(server, "bob", "iOS");
    Client *desktop = online_on(server, "bob", "Linux");
    Client *web[3];
    for (int i = 0; i < 3; i++) web[i] = online_on(server, "bob", "Web");
    await_event(web[0], EVENT_KICKED, TIM_ERR_KICKED_OFFLINE);
    Client *alive[] = {phone, desktop, web[1], web[2]};
    for (int i = 0; i < 4; i++) fence(alive[i]);
}

CASE(a_single_device_may_be_the_rule, "R8.3: multi_login single") {
    Server *server = server_start("", "multi_login = \"single\"");
    Client *phone = online_on(server, "bob", "iOS");
    Client *desktop = online_on(server, "bob", "Linux");
    await_event(phone, EVENT_KICKED, TIM_ERR_KICKED_OFFLINE);
    fence(desktop);
}

CASE(any_number_may_be_the_rule, "R8.3: multi_login unlimited") {
    Server *server = server_start("", "multi_login = \"unlimited\"");
    Client *devices[5];
    for (int i = 0; i < 5; i++) devices[i] = online_on(server, "bob", "Linux");
    for (int i = 0; i < 5; i++) fence(devices[i]);
}

CASE(a_returning_device_that_was_displaced_gets_6208, "R8.3: and displaces nobody") {
    Server *server = server_start("", "");
    uint64_t session = 0;
    wire_close(wire_online(server, "bob", "Linux", "older-instance", &session));
    Client *newer = online_on(server, "bob", "Linux");
    Wire *returning = wire_connect(server);
    wire_send_login(returning, "bob", "Linux", "older-instance", session);
    Frame frame;
    CHECK(wire_read(returning, &frame));
    Field reply = field_of(frame.bytes, frame.length, SERVER_REPLY);
    CHECK(reply.present);
    CHECK_EQ(field_of(reply.bytes, reply.length, 2).number, TIM_ERR_KICKED_OFFLINE);
    wire_await_close(returning);
    fence(newer);
}

CASE(a_user_sig_that_expires_online_ends_the_connection, "R8.4, R2.2: the expired callback, OFFLINE with reason EXPIRED") {
    Server *server = server_start("", "accounts = [\"bob\"]");
    Client *alice = online(server, "alice");
    CHECK_EQ(subscribe(alice, IDS("bob"))->code, 0);
    Client *bob = client_new(server, "");
    login_to_expire(bob, "bob");
    await_event(bob, EVENT_EXPIRED, ANY);
    await_status(alice, "bob", TIM_STATUS_OFFLINE, TIM_REASON_EXPIRED, NULL);
    CHECK_EQ(set_status(bob, "busy")->code, TIM_ERR_NOT_LOGGED_IN);
    /* It waits for a new login. */
    CHECK_EQ(login(bob, "bob", user_sig("bob", 3600))->code, 0);
    await_status(alice, "bob", TIM_STATUS_ONLINE, TIM_REASON_LOGIN, NULL);
}

CASE(a_renewed_user_sig_keeps_the_session, "R8.4: the old one's end is not noticed") {
    Server *server = server_start("", "accounts = [\"clock\"]");
    Client *alice = online(server, "alice");
    CHECK_EQ(subscribe(alice, IDS("clock"))->code, 0);
    Client *bob = client_new(server, "");
    Client *clock = client_new(server, "");
    const char *another = user_sig("alice", 3600), *renewed = user_sig("bob", 3600);
    CHECK_EQ(login(bob, "bob", user_sig("bob", 5))->code, 0);
    CHECK_EQ(finish(start_renew(bob, another))->code, TIM_ERR_USER_SIG_OTHER_USER);
    CHECK_EQ(finish(start_renew(bob, renewed))->code, 0);
    /* Made later and good for longer, so that it ends later. */
    CHECK_EQ(login(clock, "clock", user_sig("clock", 6))->code, 0);
    await_event(clock, EVENT_EXPIRED, ANY);
    fence(bob);
}

CASE(a_logout_is_followed_by_nothing, "R8.8: pending calls complete with 6023 or their result, no status callback comes after it") {
    Server *server = server_start("", "");
    Client *bob = online(server, "bob");
    Client *alice = online(server, "alice");
    CHECK_EQ(subscribe(alice, IDS("bob"))->code, 0);
    Call *sets[20];
    char text[16];
    for (int i = 0; i < 20; i++) {
        snprintf(text, sizeof text, "%d", i);
        sets[i] = start_set(alice, text);
    }
    Result *logged_out = logout_of(alice);
    CHECK_EQ(logged_out->code, 0);
    skip_events(alice);
    for (int i = 0; i < 20; i++) {
        Result *result = finish(sets[i]);
        CHECK(result->code == 0 || result->code == TIM_ERR_LOGGED_OUT);
        CHECK(result->order < logged_out->order);
    }
    CHECK_EQ(set_status(bob, "busy")->code, 0);
    fence(bob);
    int32_t state = 0;
    ACCEPTED(timGetLoginState(handle_of(alice), &state));
    CHECK_EQ(state, TIM_LOGIN_LOGGED_OUT);
    /* Logged in again as another user, the first thing told is that user. */
    CHECK_EQ(login(alice, "carol", user_sig("carol", 3600))->code, 0);
    CHECK_EQ(unseen(alice, "bob"), 0);
}

CASE(too_many_failed_logins_close_the_account_for_a_while, "R8.9: 70050 with the time to wait, even with a good UserSig") {
    Server *server = server_start("login_failures_max = 3\nlogin_failures_window_ms = 600000", "");
    Client *client = client_new(server, "");
    for (int i = 0; i < 3; i++) CHECK_EQ(login(client, "alice", "garbage")->code, TIM_ERR_USER_SIG_INVALID);
    Result *refused = login(client, "alice", user_sig("alice", 3600));
    CHECK_EQ(refused->code, TIM_ERR_TOO_MANY_FAILURES);
    CHECK(refused->retry_after_ms > 0);
    CHECK_EQ(login(client, "bob", user_sig("bob", 3600))->code, 0);
}
