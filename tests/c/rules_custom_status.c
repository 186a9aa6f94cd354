/* R3: the custom status. */
#include <signal.h>

#include "support.h"

/* A text of `length` bytes. */
static const char *text_of(size_t length) {
    static char text[512];
    memset(text, 'x', length);
    text[length] = 0;
    return text;
}

CASE(is_seen_by_watchers_and_by_queries, "R3.1, R6.1: reason CUSTOM_STATUS") {
    Server *server = server_start("", "");
    Client *bob = online(server, "bob");
    Client *alice = online(server, "alice");
    CHECK_EQ(subscribe(alice, IDS("bob"))->code, 0);
    CHECK_EQ(set_status(bob, "in a call \xe2\x98\x8e")->code, 0);
    await_status(alice, "bob", TIM_STATUS_ONLINE, TIM_REASON_CUSTOM_STATUS, "in a call \xe2\x98\x8e");
    CHECK_STR(item_of(query(alice, IDS("bob")), "bob")->custom, "in a call \xe2\x98\x8e");
}

CASE(may_have_a_hundred_bytes_and_no_more, "R3.1: 101 bytes are 6017 and change nothing") {
    Server *server = server_start("", "");
    Client *bob = online(server, "bob");
    CHECK_EQ(set_status(bob, text_of(100))->code, 0);
    await_status(bob, "bob", TIM_STATUS_ONLINE, TIM_REASON_CUSTOM_STATUS, text_of(100));
    CHECK_EQ(set_status(bob, text_of(101))->code, TIM_ERR_INVALID_PARAMETERS);
    CHECK_STR(item_of(query(bob, IDS("bob")), "bob")->custom, text_of(100));
    check_silence(bob, "bob");
}

CASE(the_limit_is_the_apps, "R3.1: max_custom_status_bytes counts bytes, not characters") {
    Server *server = server_start("", "custom_status_bytes_max = 4");
    Client *bob = online(server, "bob");
    CHECK_EQ(set_status(bob, "\xc3\xa4\xc3\xa4")->code, 0);
    CHECK_EQ(set_status(bob, "\xc3\xa4\xc3\xa4z")->code, TIM_ERR_INVALID_PARAMETERS);
}

CASE(empty_clears_it, "R3.2") {
    Server *server = server_start("", "");
    Client *bob = online(server, "bob");
    CHECK_EQ(set_status(bob, "busy")->code, 0);
    CHECK_EQ(set_status(bob, "")->code, 0);
    await_status(bob, "bob", TIM_STATUS_ONLINE, TIM_REASON_CUSTOM_STATUS, "");
}

CASE(the_same_again_is_no_change, "R3.2: it succeeds, no version, no notification") {
    Server *server = server_start("", "");
    Client *bob = online(server, "bob");
    CHECK_EQ(set_status(bob, "busy")->code, 0);
    Event told = await_status(bob, "bob", ANY, ANY, "busy");
    CHECK_EQ(set_status(bob, "busy")->code, 0);
    CHECK_EQ(item_of(query(bob, IDS("bob")), "bob")->version, told.user.version);
    check_silence(bob, "bob");
}

CASE(going_away_clears_it_in_the_same_change, "R3.3: one notification, not two") {
    Server *server = server_start("", "accounts = [\"bob\"]");
    Client *alice = online(server, "alice");
    CHECK_EQ(subscribe(alice, IDS("bob"))->code, 0);
    Peer *bob = peer_online(server, "bob", "");
    peer_tell(bob, "set busy");
    await_status(alice, "bob", TIM_STATUS_ONLINE, TIM_REASON_CUSTOM_STATUS, "busy");
    peer_signal(bob, SIGKILL);
    /* The very next thing told about bob is the one change. */
    Event next = await_status(alice, "bob", ANY, ANY, NULL);
    CHECK_EQ(next.user.status, TIM_STATUS_OFFLINE);
    CHECK_STR(next.user.custom, "");
    check_silence(alice, "bob");
    online(server, "bob");
    await_status(alice, "bob", TIM_STATUS_ONLINE, TIM_REASON_LOGIN, "");
}

CASE(any_device_sets_it_and_the_last_wins, "R3.4, R6.1: all of one's devices are told") {
    Server *server = server_start("", "");
    Client *phone = online_on(server, "bob", "iOS");
    Client *desktop = online_on(server, "bob", "Linux");
    CHECK_EQ(set_status(phone, "from the phone")->code, 0);
    await_status(desktop, "bob", ANY, TIM_REASON_CUSTOM_STATUS, "from the phone");
    CHECK_EQ(set_status(desktop, "from the desktop")->code, 0);
    await_status(phone, "bob", ANY, TIM_REASON_CUSTOM_STATUS, "from the desktop");
    CHECK_STR(item_of(query(phone, IDS("bob")), "bob")->custom, "from the desktop");
}

CASE(needs_no_plan_and_no_switch_and_has_no_rate, "R3.4") {
    Server *server = server_start("", "plan = \"basic\"\nuser_status = false");
    Client *bob = online(server, "bob");
    char text[32];
    for (int i = 0; i < 100; i++) {
        snprintf(text, sizeof text, "number %d", i);
        CHECK_EQ(set_status(bob, text)->code, 0);
    }
    await_status(bob, "bob", TIM_STATUS_ONLINE, TIM_REASON_CUSTOM_STATUS, "number 99");
}
