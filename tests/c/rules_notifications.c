/* R6: who is told of a change, once, in order. */
#include <signal.h>

#include "wire.h"

CASE(every_device_of_the_user_and_of_its_subscribers_is_told, "R6.1, R6.2: once each") {
    Server *server = server_start("", "");
    Client *bob_phone = online_on(server, "bob", "iOS");
    Client *bob_desktop = online_on(server, "bob", "Linux");
    Client *alice_phone = online_on(server, "alice", "iOS");
    Client *alice_desktop = online_on(server, "alice", "Linux");
    CHECK_EQ(subscribe(alice_phone, IDS("bob"))->code, 0);
    CHECK_EQ(set_status(bob_phone, "busy")->code, 0);
    Client *all[] = {bob_phone, bob_desktop, alice_phone, alice_desktop};
    for (int i = 0; i < 4; i++) await_status(all[i], "bob", TIM_STATUS_ONLINE, TIM_REASON_CUSTOM_STATUS, "busy");
    check_silence(alice_phone, "bob");
    check_silence(alice_desktop, "bob");
}

CASE(strangers_are_not_told, "R6.1") {
    Server *server = server_start("", "");
    Client *bob = online(server, "bob");
    Client *stranger = online(server, "stranger");
    CHECK_EQ(set_status(bob, "busy")->code, 0);
    check_silence(stranger, "bob");
}

CASE(friends_are_told_while_the_switch_is_on, "R6.1, R7.4, R9.1: without subscribing") {
    Server *server = server_start("", "friend_status_notify = true\n[apps.friends]\nalice = [\"bob\"]");
    Client *alice = online(server, "alice");
    Client *bob = online(server, "bob");
    await_status(alice, "bob", TIM_STATUS_ONLINE, TIM_REASON_LOGIN, NULL);
    CHECK_EQ(set_status(bob, "busy")->code, 0);
    await_status(alice, "bob", TIM_STATUS_ONLINE, TIM_REASON_CUSTOM_STATUS, "busy");
    /* One way only: bob's list does not have alice. */
    CHECK_EQ(set_status(alice, "here")->code, 0);
    check_silence(bob, "alice");
    Result *friends = finish(start_friends(alice));
    CHECK_EQ(friends->code, 0);
    CHECK_EQ(friends->item_count, 1);
    CHECK_STR(friends->items[0].id, "bob");
}

CASE(a_friend_who_is_subscribed_to_is_told_of_once, "R6.2: several reasons, one notification") {
    Server *server = server_start("", "friend_status_notify = true\n[apps.friends]\nalice = [\"bob\"]");
    Client *alice = online(server, "alice");
    Client *bob = online(server, "bob");
    await_status(alice, "bob", TIM_STATUS_ONLINE, ANY, NULL);
    CHECK_EQ(subscribe(alice, IDS("bob"))->code, 0);
    CHECK_EQ(set_status(bob, "busy")->code, 0);
    await_status(alice, "bob", ANY, ANY, "busy");
    check_silence(alice, "bob");
}

CASE(friends_hear_nothing_while_the_switch_is_off, "R7.4, R7.6: the default") {
    Server *server = server_start("", "[apps.friends]\nalice = [\"bob\"]");
    Client *alice = online(server, "alice");
    Client *bob = online(server, "bob");
    CHECK_EQ(set_status(bob, "busy")->code, 0);
    check_silence(alice, "bob");
}

CASE(the_last_of_many_changes_is_always_told, "R6.3: in between they may be merged, never out of order") {
    Server *server = server_start("", "");
    Client *bob = online(server, "bob");
    Client *alice = online(server, "alice");
    CHECK_EQ(subscribe(alice, IDS("bob"))->code, 0);
    Call *last = NULL;
    char text[16];
    for (int i = 0; i < 500; i++) {
        snprintf(text, sizeof text, "%d", i);
        last = start_set(bob, text);
    }
    CHECK_EQ(finish(last)->code, 0);
    await_status(alice, "bob", TIM_STATUS_ONLINE, TIM_REASON_CUSTOM_STATUS, "499");
    await_status(bob, "bob", TIM_STATUS_ONLINE, TIM_REASON_CUSTOM_STATUS, "499");
    check_silence(alice, "bob");
}

CASE(the_result_comes_before_the_notification, "R6.4: on the device that made the change") {
    Server *server = server_start("", "");
    Client *bob = online(server, "bob");
    char text[16];
    for (int i = 0; i < 50; i++) {
        snprintf(text, sizeof text, "%d", i);
        Result *result = set_status(bob, text);
        CHECK_EQ(result->code, 0);
        Event told = await_status(bob, "bob", ANY, TIM_REASON_CUSTOM_STATUS, text);
        CHECK(result->order < told.order);
    }
}

CASE(versions_rise_across_a_crash_of_the_server, "R6.5: whatever the server forgot") {
    Server *server = server_start("", "");
    Client *bob = online(server, "bob");
    CHECK_EQ(set_status(bob, "before")->code, 0);
    Event before = await_status(bob, "bob", ANY, ANY, "before");
    server_kill(server);
    await_event(bob, EVENT_CONNECTION, TIM_CONNECTION_DISCONNECTED);
    server_start_again(server);
    await_event(bob, EVENT_CONNECTION, TIM_CONNECTION_CONNECTED);
    CHECK_EQ(set_status(bob, "after")->code, 0);
    Event after = await_status(bob, "bob", ANY, ANY, "after");
    CHECK(after.user.version > before.user.version);
    CHECK(after.user.version < 1ull << 53);
}

CASE(after_a_reconnect_what_was_missed_is_told_once, "R6.6, R6.8: of everybody watched, oneself included") {
    Server *server = server_start("", "accounts = [\"dave\", \"erin\"]");
    Client *alice = online(server, "alice");
    CHECK_EQ(set_status(alice, "here")->code, 0);
    await_status(alice, "alice", ANY, ANY, "here");
    CHECK_EQ(subscribe(alice, IDS("dave", "erin"))->code, 0);
    server_kill(server);
    await_event(alice, EVENT_CONNECTION, TIM_CONNECTION_DISCONNECTED);
    server_start_again(server);
    /* While disconnected nothing is told about users: the next event is the connection. */
    await_event(alice, EVENT_CONNECTION, TIM_CONNECTION_CONNECTED);
    /* The new server knows alice without her custom status; she is told of herself. */
    await_status(alice, "alice", TIM_STATUS_ONLINE, ANY, "");
    online(server, "dave");
    await_status(alice, "dave", TIM_STATUS_ONLINE, TIM_REASON_LOGIN, NULL);
    check_silence(alice, "dave");
}

CASE(a_reconnect_without_a_change_tells_nothing, "R6.6: a raw device that comes back within the grace, naming what it knows") {
    Server *server = server_start("", "offline_grace_ms = 60000");
    Client *alice = online(server, "alice");
    Client *phone = online_on(server, "bob", "iOS");
    CHECK_EQ(subscribe(alice, IDS("bob"))->code, 0);
    uint64_t session = 0;
    wire_close(wire_online(server, "bob", "Linux", "the-same-instance", &session));
    wire_online(server, "bob", "Linux", "the-same-instance", &session);
    check_silence(alice, "bob");
    check_silence(phone, "bob");
}

CASE(every_way_of_going_has_its_reason, "R6.7: LOGIN, CUSTOM_STATUS, LINK_CLOSED, TIMEOUT, LOGOUT, each with a later since") {
    Server *server = server_start(SHORT_SILENCE, "accounts = [\"bob\"]");
    Client *alice = online(server, "alice");
    CHECK_EQ(subscribe(alice, IDS("bob"))->code, 0);
    Peer *first = peer_online(server, "bob", "");
    Event event = await_status(alice, "bob", TIM_STATUS_ONLINE, TIM_REASON_LOGIN, NULL);
    int64_t since_ms = event.user.since_ms;
    peer_tell(first, "set busy");
    event = await_status(alice, "bob", TIM_STATUS_ONLINE, TIM_REASON_CUSTOM_STATUS, "busy");
    CHECK(event.user.since_ms >= since_ms);
    peer_signal(first, SIGKILL);
    event = await_status(alice, "bob", TIM_STATUS_OFFLINE, TIM_REASON_LINK_CLOSED, "");
    CHECK(event.user.since_ms >= since_ms);
    Peer *second = peer_online(server, "bob", "");
    await_status(alice, "bob", TIM_STATUS_ONLINE, TIM_REASON_LOGIN, NULL);
    peer_signal(second, SIGSTOP);
    await_status(alice, "bob", TIM_STATUS_OFFLINE, TIM_REASON_TIMEOUT, NULL);
    Peer *third = peer_online(server, "bob", "");
    peer_tell(third, "logout");
    event = await_status(alice, "bob", TIM_STATUS_UNLOGINED, TIM_REASON_LOGOUT, NULL);
    CHECK(event.user.since_ms > since_ms);
}
