/* R8.5, R8.6, R8.8 and R2.9: losing the connection, and coming back. */
#include <signal.h>

#include "wire.h"

/* A port on which nobody listens: that of a server which has ended. */
static Server *absent_server(void) {
    Server *server = server_start("", "");
    server_stop(server);
    return server;
}

CASE(a_first_login_without_a_server_gives_up, "R8.5: 9523 within login_timeout, and nothing happens afterwards") {
    Client *alice = client_new(absent_server(), "\"login_timeout_ms\":400");
    Result *result = login(alice, "alice", user_sig("alice", 3600));
    CHECK_EQ(result->code, TIM_ERR_NO_CONNECTION);
    int32_t state = 0;
    ACCEPTED(timGetLoginState(handle_of(alice), &state));
    CHECK_EQ(state, TIM_LOGIN_LOGGED_OUT);
}

CASE(a_lost_connection_is_restored, "R8.5: without the application's help; calls work again") {
    Server *server = server_start("", "");
    Client *alice = online(server, "alice");
    server_kill(server);
    await_event(alice, EVENT_CONNECTION, TIM_CONNECTION_DISCONNECTED);
    server_start_again(server);
    await_event(alice, EVENT_CONNECTION, TIM_CONNECTION_CONNECTED);
    CHECK_EQ(set_status(alice, "back")->code, 0);
    await_status(alice, "alice", ANY, ANY, "back");
}

CASE(a_changed_network_reconnects_at_once, "R8.5: timNotifyNetworkChanged does not wait for the backoff") {
    Server *server = server_start("", "");
    Client *alice = online(server, "alice");
    server_kill(server);
    await_event(alice, EVENT_CONNECTION, TIM_CONNECTION_DISCONNECTED);
    server_start_again(server);
    ACCEPTED(timNotifyNetworkChanged(handle_of(alice)));
    await_event(alice, EVENT_CONNECTION, TIM_CONNECTION_CONNECTED);
}

CASE(a_call_while_disconnected_waits_and_then_9523, "R8.6: never sent, so nothing changed") {
    Server *server = server_start("", "");
    Client *alice = client_new(server, "\"disconnected_wait_ms\":300");
    CHECK_EQ(login(alice, "alice", user_sig("alice", 3600))->code, 0);
    server_kill(server);
    await_event(alice, EVENT_CONNECTION, TIM_CONNECTION_DISCONNECTED);
    int64_t started_ms = now_ms();
    Result *result = set_status(alice, "busy");
    CHECK_EQ(result->code, TIM_ERR_NO_CONNECTION);
    CHECK(result->at_ms - started_ms >= 290);
}

CASE(a_call_while_disconnected_is_sent_when_connected, "R8.6") {
    Server *server = server_start("", "");
    Client *alice = online(server, "alice");
    server_kill(server);
    await_event(alice, EVENT_CONNECTION, TIM_CONNECTION_DISCONNECTED);
    Call *set = start_set(alice, "said while away");
    server_start_again(server);
    CHECK_EQ(finish(set)->code, 0);
    await_status(alice, "alice", TIM_STATUS_ONLINE, ANY, "said while away");
}

CASE(a_change_whose_answer_was_lost_is_9508, "R8.6: outcome unknown, never sent again; a query is") {
    FakeServer *server = fake_listen();
    Client *alice = client_at(server->address, "");
    Wire *first = fake_online(server, alice, "alice", 1);
    Call *query_call = start_query(alice, IDS("bob"));
    Call *set = start_set(alice, "busy");
    fake_expect(first, CLIENT_QUERY);
    fake_expect(first, CLIENT_SET);
    wire_close(first);
    Wire *second = fake_accept(server);
    fake_login_reply(second, fake_expect(second, CLIENT_LOGIN), 120000);
    /* Results come in the order of the calls, so that of the set waits for that of the query. */
    fake_reply(second, fake_expect(second, CLIENT_QUERY), 0);
    CHECK_EQ(finish(query_call)->code, 0);
    CHECK_EQ(finish(set)->code, TIM_ERR_DISCONNECTED);
    /* The next request on the new connection is a new one: the set was not sent again. */
    Call *list = start_list(alice);
    fake_reply(second, fake_expect(second, CLIENT_LIST), 0);
    CHECK_EQ(finish(list)->code, 0);
}

CASE(a_server_that_answers_no_request_is_given_up, "R8.6: after request_timeout the client reconnects") {
    FakeServer *server = fake_listen();
    Client *alice = client_at(server->address, "\"request_timeout_ms\":2000");
    Wire *first = fake_online(server, alice, "alice", 1);
    Call *set = start_set(alice, "busy");
    fake_expect(first, CLIENT_SET);
    CHECK_EQ(finish(set)->code, TIM_ERR_DISCONNECTED);
    wire_await_close(first);
    Wire *second = fake_accept(server);
    fake_login_reply(second, fake_expect(second, CLIENT_LOGIN), 120000);
    await_event(alice, EVENT_CONNECTION, TIM_CONNECTION_CONNECTED);
}

CASE(a_stopped_server_is_noticed_by_its_heartbeats, "R8.6: SIGSTOP, no call is made, the client disconnects") {
    Server *server = server_start("heartbeat_interval_ms = 100\nheartbeat_timeout_ms = 60000", "");
    Client *alice = client_new(server, "\"request_timeout_ms\":2000");
    CHECK_EQ(login(alice, "alice", user_sig("alice", 3600))->code, 0);
    CHECK_EQ(kill(server->process.pid, SIGSTOP), 0);
    await_event(alice, EVENT_CONNECTION, TIM_CONNECTION_DISCONNECTED);
    CHECK_EQ(kill(server->process.pid, SIGCONT), 0);
    await_event(alice, EVENT_CONNECTION, TIM_CONNECTION_CONNECTED);
}

CASE(a_logout_without_a_connection_completes, "R8.8: with 0, after at most 3 s") {
    Server *server = server_start("", "");
    Client *alice = online(server, "alice");
    server_kill(server);
    await_event(alice, EVENT_CONNECTION, TIM_CONNECTION_DISCONNECTED);
    int64_t started_ms = now_ms();
    Result *result = logout_of(alice);
    CHECK_EQ(result->code, 0);
    /* Not when a connection would have been there again, or a request's time had been over. */
    CHECK(result->at_ms - started_ms < DEADLINE_MS / 2);
}

CASE(while_disconnected_nothing_is_told_about_users, "R6.8: only the connection's state") {
    Server *server = server_start("", "");
    Client *bob = online(server, "bob");
    Client *alice = online(server, "alice");
    CHECK_EQ(subscribe(alice, IDS("bob"))->code, 0);
    fence(alice);
    skip_events(alice);
    server_kill(server);
    Event lost = await_event(alice, EVENT_CONNECTION, TIM_CONNECTION_DISCONNECTED);
    (void)bob;
    /* Its own OFFLINE, and bob's, come only by the reconnect. */
    server_start_again(server);
    Event found = await_event(alice, EVENT_CONNECTION, TIM_CONNECTION_CONNECTED);
    Event first_told = await_status(alice, "alice", ANY, ANY, NULL);
    CHECK(lost.order < found.order && found.order < first_told.order);
}

CASE(an_orderly_stop_of_the_server_is_a_lost_connection, "R8.5: clients come back to the next one") {
    Server *server = server_start("", "");
    Client *alice = online(server, "alice");
    server_stop(server);
    await_event(alice, EVENT_CONNECTION, TIM_CONNECTION_DISCONNECTED);
    server_start_again(server);
    await_event(alice, EVENT_CONNECTION, TIM_CONNECTION_CONNECTED);
    fence(alice);
}
