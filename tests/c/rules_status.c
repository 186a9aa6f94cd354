/* R1 and R2: who exists, and what is ONLINE, OFFLINE and UNLOGINED. */
#include <signal.h>

#include "wire.h"

static int32_t status_of(Client *client, const char *user) {
    Result *result = query(client, IDS(user));
    CHECK_EQ(result->code, 0);
    return item_of(result, user)->status;
}

CASE(an_account_exists_from_import_or_login, "R1.2, R4.3: 70107 before its first login, which registers it") {
    Server *server = server_start("", "accounts = [\"imported\"]");
    Client *alice = online(server, "alice");
    Result *result = query(alice, IDS("imported", "bob"));
    CHECK_EQ(item_of(result, "imported")->code, 0);
    CHECK_EQ(item_of(result, "bob")->code, TIM_ERR_ACCOUNT_NOT_FOUND);
    online(server, "bob");
    CHECK_EQ(status_of(alice, "bob"), TIM_STATUS_ONLINE);
}

CASE(a_mention_registers_when_the_app_says_so, "R1.2: auto_register_on_mention") {
    Server *server = server_start("", "auto_register_on_mention = true");
    Client *alice = online(server, "alice");
    Result *result = subscribe(alice, IDS("bob"));
    CHECK_EQ(result->code, 0);
    CHECK_EQ(item_of(result, "bob")->status, TIM_STATUS_UNLOGINED);
}

CASE(imported_and_never_logged_in_is_unlogined, "R2.3") {
    Server *server = server_start("", "accounts = [\"carol\"]");
    Client *alice = online(server, "alice");
    CHECK_EQ(status_of(alice, "carol"), TIM_STATUS_UNLOGINED);
}

CASE(a_login_makes_online, "R2.1, R6.7: reason LOGIN, at a time the server says") {
    Server *server = server_start("", "accounts = [\"bob\"]");
    Client *alice = online(server, "alice");
    CHECK_EQ(subscribe(alice, IDS("bob"))->code, 0);
    online(server, "bob");
    Event told = await_status(alice, "bob", TIM_STATUS_ONLINE, TIM_REASON_LOGIN, "");
    int64_t server_ms = 0;
    ACCEPTED(timGetServerTime(handle_of(alice), &server_ms));
    CHECK(told.user.since_ms > server_ms - 60000 && told.user.since_ms < server_ms + 60000);
}

CASE(a_logout_makes_unlogined, "R2.3, R6.7: reason LOGOUT") {
    Server *server = server_start("", "accounts = [\"bob\"]");
    Client *alice = online(server, "alice");
    CHECK_EQ(subscribe(alice, IDS("bob"))->code, 0);
    Client *bob = online(server, "bob");
    CHECK_EQ(logout_of(bob)->code, 0);
    await_status(alice, "bob", TIM_STATUS_UNLOGINED, TIM_REASON_LOGOUT, "");
    CHECK_EQ(status_of(alice, "bob"), TIM_STATUS_UNLOGINED);
}

CASE(a_killed_process_makes_offline_at_once, "R2.2, R2.6: reason LINK_CLOSED, long before any timeout") {
    Server *server = server_start("", "accounts = [\"bob\"]");
    Client *alice = online(server, "alice");
    CHECK_EQ(subscribe(alice, IDS("bob"))->code, 0);
    Peer *bob = peer_online(server, "bob", "");
    peer_signal(bob, SIGKILL);
    await_status(alice, "bob", TIM_STATUS_OFFLINE, TIM_REASON_LINK_CLOSED, "");
}

CASE(silence_makes_offline_after_the_heartbeat_timeout, "R2.6: reason TIMEOUT, not before its time") {
    Server *server = server_start(SHORT_SILENCE, "accounts = [\"bob\"]");
    Client *alice = online(server, "alice");
    CHECK_EQ(subscribe(alice, IDS("bob"))->code, 0);
    Wire *bob = wire_online(server, "bob", "Linux", "an-instance", NULL);
    await_status(alice, "bob", TIM_STATUS_ONLINE, ANY, NULL);
    /* The last byte that bob ever sends comes after this. */
    int64_t before_ms = now_ms();
    wire_send(bob, "\0", 1);
    Event told = await_status(alice, "bob", TIM_STATUS_OFFLINE, TIM_REASON_TIMEOUT, "");
    CHECK(told.at_ms - before_ms >= SHORT_SILENCE_MS - 5);
}

CASE(heartbeats_keep_an_idle_client_online, "R2.6: three timeouts long nothing is called, and it is still ONLINE") {
    Server *server = server_start(SHORT_SILENCE, "auto_register_on_mention = true");
    Client *alice = online(server, "alice");
    CHECK_EQ(subscribe(alice, IDS("bob", "one", "two", "three"))->code, 0);
    online(server, "bob");
    await_status(alice, "bob", TIM_STATUS_ONLINE, ANY, NULL);
    /* The clock of this test: three processes that fall silent one after the other. */
    const char *clocks[] = {"one", "two", "three"};
    for (int i = 0; i < 3; i++) {
        Peer *peer = peer_online(server, clocks[i], "");
        peer_signal(peer, SIGSTOP);
        await_status(alice, clocks[i], TIM_STATUS_OFFLINE, TIM_REASON_TIMEOUT, NULL);
    }
    check_silence(alice, "bob");
    CHECK_EQ(status_of(alice, "bob"), TIM_STATUS_ONLINE);
    CHECK_EQ(status_of(alice, "alice"), TIM_STATUS_ONLINE);
}

CASE(one_live_device_is_enough, "R2.1, R1.4: a lost device of several is no change, only the platforms differ") {
    Server *server = server_start("", "accounts = [\"bob\"]");
    Client *alice = online(server, "alice");
    CHECK_EQ(subscribe(alice, IDS("bob"))->code, 0);
    Client *phone = online_on(server, "bob", "iOS");
    Event first = await_status(alice, "bob", TIM_STATUS_ONLINE, ANY, NULL);
    Peer *desktop = peer_online(server, "bob", "\"platform\":\"Linux\"");
    User *both = item_of(query(alice, IDS("bob")), "bob");
    uint32_t platforms_of_both = both->platforms;
    CHECK_EQ(both->version, first.user.version);
    peer_signal(desktop, SIGKILL);
    /* Until the server knows that the desktop is gone. */
    User *one = both;
    while (one->platforms == platforms_of_both) one = item_of(query(alice, IDS("bob")), "bob");
    CHECK_EQ(one->status, TIM_STATUS_ONLINE);
    CHECK_EQ(one->version, first.user.version);
    CHECK(one->platforms != 0 && (one->platforms & ~platforms_of_both) == 0);
    check_silence(alice, "bob");
    check_silence(phone, "bob");
}

CASE(a_lost_device_outweighs_a_logout, "R2.4: one device lost and the other logged out is OFFLINE") {
    Server *server = server_start("", "accounts = [\"bob\"]");
    Client *alice = online(server, "alice");
    CHECK_EQ(subscribe(alice, IDS("bob"))->code, 0);
    Client *phone = online_on(server, "bob", "iOS");
    Peer *desktop = peer_online(server, "bob", "\"platform\":\"Linux\"");
    uint32_t platforms = item_of(query(alice, IDS("bob")), "bob")->platforms;
    peer_signal(desktop, SIGKILL);
    while (item_of(query(alice, IDS("bob")), "bob")->platforms == platforms) continue;
    CHECK_EQ(logout_of(phone)->code, 0);
    await_status(alice, "bob", TIM_STATUS_OFFLINE, ANY, "");
}

CASE(a_new_login_forgets_the_lost_device_it_replaces, "R2.4: then one logout gives UNLOGINED") {
    Server *server = server_start("", "accounts = [\"bob\"]");
    Client *alice = online(server, "alice");
    CHECK_EQ(subscribe(alice, IDS("bob"))->code, 0);
    Peer *first = peer_online(server, "bob", "\"platform\":\"Linux\"");
    peer_signal(first, SIGKILL);
    await_status(alice, "bob", TIM_STATUS_OFFLINE, TIM_REASON_LINK_CLOSED, NULL);
    Client *second = online_on(server, "bob", "Linux");
    CHECK_EQ(logout_of(second)->code, 0);
    await_status(alice, "bob", TIM_STATUS_UNLOGINED, TIM_REASON_LOGOUT, NULL);
}

CASE(a_lost_device_is_forgotten_and_the_status_stays, "R2.4: after lost_device_retention nothing is recomputed") {
    Server *server = server_start(SHORT_SILENCE, "lost_device_retention_ms = 300\nauto_register_on_mention = true");
    Client *alice = online(server, "alice");
    CHECK_EQ(subscribe(alice, IDS("bob", "clock"))->code, 0);
    Peer *bob = peer_online(server, "bob", "");
    peer_signal(bob, SIGKILL);
    await_status(alice, "bob", TIM_STATUS_OFFLINE, TIM_REASON_LINK_CLOSED, NULL);
    peer_signal(peer_online(server, "clock", ""), SIGSTOP);
    await_status(alice, "clock", TIM_STATUS_OFFLINE, TIM_REASON_TIMEOUT, NULL);
    check_silence(alice, "bob");
    CHECK_EQ(status_of(alice, "bob"), TIM_STATUS_OFFLINE);
}

CASE(the_same_device_again_replaces_its_connection_silently, "R2.7: the old connection is closed, nobody is told") {
    Server *server = server_start("", "accounts = [\"bob\"]");
    Client *alice = online(server, "alice");
    CHECK_EQ(subscribe(alice, IDS("bob"))->code, 0);
    Wire *old = wire_online(server, "bob", "Linux", "the-same-instance", NULL);
    await_status(alice, "bob", TIM_STATUS_ONLINE, ANY, NULL);
    wire_online(server, "bob", "Linux", "the-same-instance", NULL);
    wire_await_close(old);
    check_silence(alice, "bob");
    CHECK_EQ(status_of(alice, "bob"), TIM_STATUS_ONLINE);
}

CASE(offline_is_announced_when_the_grace_ends, "R2.8: until then queries say ONLINE and the custom status stays") {
    Server *server = server_start("", "accounts = [\"bob\"]\noffline_grace_ms = 3000");
    Client *alice = online(server, "alice");
    CHECK_EQ(subscribe(alice, IDS("bob"))->code, 0);
    Peer *bob = peer_online(server, "bob", "");
    peer_tell(bob, "set away for a moment");
    peer_await(bob, "result 0");
    int64_t killed_ms = now_ms();
    peer_signal(bob, SIGKILL);
    User *in_grace = item_of(query(alice, IDS("bob")), "bob");
    CHECK_EQ(in_grace->status, TIM_STATUS_ONLINE);
    CHECK_STR(in_grace->custom, "away for a moment");
    Event told = await_status(alice, "bob", TIM_STATUS_OFFLINE, TIM_REASON_LINK_CLOSED, "");
    CHECK(told.at_ms - killed_ms >= 3000 - 5);
}

CASE(a_return_within_the_grace_is_no_change, "R2.8: nobody is told of the loss or of the return") {
    Server *server = server_start("", "accounts = [\"bob\"]\noffline_grace_ms = 60000");
    Client *alice = online(server, "alice");
    CHECK_EQ(subscribe(alice, IDS("bob"))->code, 0);
    uint64_t session = 0;
    wire_close(wire_online(server, "bob", "Linux", "the-same-instance", &session));
    await_status(alice, "bob", TIM_STATUS_ONLINE, ANY, NULL);
    wire_online(server, "bob", "Linux", "the-same-instance", &session);
    check_silence(alice, "bob");
}

CASE(a_logout_has_no_grace, "R2.8: UNLOGINED at once however long the grace") {
    Server *server = server_start("", "accounts = [\"bob\"]\noffline_grace_ms = 60000");
    Client *alice = online(server, "alice");
    CHECK_EQ(subscribe(alice, IDS("bob"))->code, 0);
    Client *bob = online(server, "bob");
    CHECK_EQ(logout_of(bob)->code, 0);
    await_status(alice, "bob", TIM_STATUS_UNLOGINED, TIM_REASON_LOGOUT, NULL);
}
