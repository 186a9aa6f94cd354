/* The wall clock jumps, in the client's process or in the server's: only what is a matter of wall time notices. Run by
 * ctest with clock_shim.so preloaded. */
#include <stdlib.h>
#include <time.h>

#include "faults.h"

enum { DAY_S = 86400, YEAR_S = 365 * DAY_S };

CASE(the_shim_works, "time() follows it: the other cases prove something") {
    time_t before = time(NULL);
    clock_move(YEAR_S);
    CHECK(time(NULL) - before >= YEAR_S);
    clock_move(-YEAR_S);
    CHECK(before - time(NULL) >= YEAR_S - 60);
}

CASE(a_clients_clock_jumps, "heartbeats, the session and the server's time go on as if nothing had happened") {
    static const int64_t jumps[] = {DAY_S, -YEAR_S, 0, 10 * (int64_t)YEAR_S, -DAY_S};
    FakeServer *server = fake_listen();
    Client *alice = client_at(server->address, QUICK_RETURN);
    Call *call = start_login(alice, "alice", "sig");
    Wire *wire = fake_accept(server);
    int64_t first_ms = 0, last_ms = 0, started_ms = now_ms();
    fake_login_reply(wire, fake_expect(wire, CLIENT_LOGIN), 50);
    CHECK_EQ(finish(call)->code, 0);
    ACCEPTED(timGetServerTime(handle_of(alice), &first_ms));
    int beats = 0;
    for (size_t i = 0; i < sizeof jumps / sizeof jumps[0]; i++) {
        clock_move(jumps[i]);
        for (int n = 0; n < 4; n++, beats++) {
            Frame frame;
            CHECK(wire_read(wire, &frame));
            CHECK_EQ(frame.length, 0);
            wire_send(wire, "\0", 1);
        }
    }
    /* Neither skipped nor sent in a burst. */
    CHECK(now_ms() - started_ms >= (beats - 2) * 50);
    ACCEPTED(timGetServerTime(handle_of(alice), &last_ms));
    CHECK(last_ms >= first_ms && last_ms - first_ms <= now_ms() - started_ms + 1);
    CHECK_EQ(events_of(alice, EVENT_CONNECTION, TIM_CONNECTION_DISCONNECTED), 0);
    check_told(wire, alice, "bob", 1);
}

CASE(a_clients_clock_jumps_while_it_waits, "a time-out comes neither at once nor never") {
    for (int forward = 0; forward < 2; forward++) {
        FakeServer *server = fake_listen();
        Client *alice = client_at(server->address, SHORT_REQUESTS);
        Wire *wire = fake_online(server, alice, "alice", 1);
        int64_t started_ms = now_ms();
        Call *set = start_set(alice, "busy");
        fake_expect(wire, CLIENT_SET);
        clock_move(forward ? YEAR_S : -YEAR_S);
        CHECK_EQ(finish(set)->code, TIM_ERR_DISCONNECTED);
        CHECK(now_ms() - started_ms >= SHORT_REQUESTS_MS - 100);
    }
}

CASE(a_servers_clock_jumps_back, "R6.5: versions still rise, watchers are told, and no since_ms goes back") {
    clock_for_servers();
    Server *server = server_start("", "");
    Client *bob = online(server, "bob"), *alice = online(server, "alice");
    CHECK_EQ(subscribe(alice, IDS("bob"))->code, 0);
    CHECK_EQ(set_status(bob, "before")->code, 0);
    Event before = await_status(alice, "bob", ANY, ANY, "before");
    clock_move_servers(-DAY_S);
    CHECK_EQ(set_status(bob, "after")->code, 0);
    Event after = await_status(alice, "bob", ANY, ANY, "after");
    CHECK(after.user.version > before.user.version);
    CHECK_EQ(after.user.since_ms, before.user.since_ms);
}

CASE(a_servers_clock_jumps_forward, "nobody is silent for that long: no time-out of a connection; grace and linger do not run out") {
    clock_for_servers();
    Server *server = server_start("heartbeat_interval_ms = 500\nheartbeat_timeout_ms = 10000", "");
    Client *bob = online(server, "bob"), *alice = online(server, "alice");
    CHECK_EQ(subscribe(alice, IDS("bob"))->code, 0);
    clock_move_servers(1800); /* below the hour that the UserSigs of these tests are valid */
    CHECK_EQ(set_status(bob, "later")->code, 0);
    await_status(alice, "bob", TIM_STATUS_ONLINE, ANY, "later");
    CHECK_EQ(item_of(query(alice, IDS("bob")), "bob")->status, TIM_STATUS_ONLINE);
    CHECK_EQ(events_of(bob, EVENT_CONNECTION, TIM_CONNECTION_DISCONNECTED), 0);
}

CASE(a_servers_clock_passes_the_end_of_a_user_sig, "R8.4: that is wall time: the expired callback, and OFFLINE with reason EXPIRED, within heartbeat_timeout_ms") {
    clock_for_servers();
    Server *server = server_start("login_deadline_ms = 3000\nheartbeat_interval_ms = 200\nheartbeat_timeout_ms = 4000", "");
    Client *alice = client_new(server, ""), *bob = online(server, "bob");
    CHECK_EQ(login(alice, "alice", user_sig("alice", 10 * DAY_S))->code, 0);
    CHECK_EQ(subscribe(alice, IDS("bob"))->code, 0);
    clock_move_servers(DAY_S);
    await_event(bob, EVENT_EXPIRED, ANY);
    await_status(alice, "bob", TIM_STATUS_OFFLINE, TIM_REASON_EXPIRED, NULL);
}

CASE(a_server_restarted_in_the_past, "versions cannot rise without a store: a client that knew more is told nothing wrong, and a query tells the truth") {
    clock_for_servers();
    Server *server = server_start("", "accounts = [\"bob\"]");
    Client *bob = online(server, "bob");
    Client *alice = client_new(server, "\"backoff_base_ms\":1,\"backoff_max_ms\":20");
    CHECK_EQ(login(alice, "alice", user_sig("alice", 3600))->code, 0);
    CHECK_EQ(subscribe(alice, IDS("bob"))->code, 0);
    CHECK_EQ(set_status(bob, "before")->code, 0);
    await_status(alice, "bob", ANY, ANY, "before");
    server_stop(server);
    await_event(alice, EVENT_CONNECTION, TIM_CONNECTION_DISCONNECTED);
    clock_move_servers(-DAY_S);
    server_start_again(server);
    await_event(alice, EVENT_CONNECTION, TIM_CONNECTION_CONNECTED);
    await_event(bob, EVENT_CONNECTION, TIM_CONNECTION_CONNECTED);
    CHECK_EQ(set_status(bob, "after")->code, 0);
    /* The support library's listener fails the test if a version goes back (R6.5). */
    Result *truth = query(alice, IDS("bob"));
    CHECK_STR(item_of(truth, "bob")->custom, "after");
    CHECK_EQ(item_of(truth, "bob")->status, TIM_STATUS_ONLINE);
}
