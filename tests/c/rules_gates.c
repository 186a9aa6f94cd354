/* R7: plan, switches, rate, and their order; changes at run time by SIGHUP. */
#include "support.h"

/* Asks until the answer has this code: a reload takes effect from the next call after the server has read the file. */
static void await_query_code(Client *client, const char *user, int32_t code) {
    int64_t deadline = now_ms() + DEADLINE_MS;
    int32_t last;
    do {
        last = query(client, IDS(user))->code;
        if (last == code) return;
    } while (now_ms() < deadline);
    FAIL("the query still answers %d, not %d", (int)last, (int)code);
}

CASE(the_basic_plan_has_no_queries_and_no_subscriptions, "R7.2: 7013") {
    Server *server = server_start("", "plan = \"basic\"\naccounts = [\"bob\"]");
    Client *alice = online(server, "alice");
    CHECK_EQ(query(alice, IDS("bob"))->code, TIM_ERR_INTERFACE_NOT_SUPPORTED);
    CHECK_EQ(subscribe(alice, IDS("bob"))->code, TIM_ERR_INTERFACE_NOT_SUPPORTED);
    CHECK_EQ(unsubscribe(alice, IDS("bob"))->code, TIM_ERR_INTERFACE_NOT_SUPPORTED);
}

CASE(the_switch_off_answers_72001, "R7.3") {
    Server *server = server_start("", "user_status = false\naccounts = [\"bob\"]");
    Client *alice = online(server, "alice");
    CHECK_EQ(query(alice, IDS("bob"))->code, TIM_ERR_STATUS_DISABLED);
    CHECK_EQ(subscribe(alice, IDS("bob"))->code, TIM_ERR_STATUS_DISABLED);
    CHECK_EQ(unsubscribe(alice, NULL, 0)->code, TIM_ERR_STATUS_DISABLED);
}

CASE(refusals_come_in_order, "R7.1: plan, switch, size, rate, each id; a refused call does not count") {
    Server *server = server_start("", "plan = \"basic\"\nuser_status = false\nrate_calls = 1\nrate_window_ms = 600000");
    Client *alice = client_new(server, "");
    CHECK_EQ(query(alice, IDS("nobody"))->code, TIM_ERR_NOT_LOGGED_IN);
    CHECK_EQ(login(alice, "alice", user_sig("alice", 3600))->code, 0);
    CHECK_EQ(query(alice, NULL, 0)->code, TIM_ERR_INTERFACE_NOT_SUPPORTED);
    server_reload(server, "", "user_status = false\nrate_calls = 1\nrate_window_ms = 600000");
    await_query_code(alice, "nobody", TIM_ERR_STATUS_DISABLED);
    CHECK_EQ(query(alice, NULL, 0)->code, TIM_ERR_STATUS_DISABLED);
    server_reload(server, "", "rate_calls = 1\nrate_window_ms = 600000");
    /* The first that is not refused by the switch counts; nobody has no account. */
    await_query_code(alice, "nobody", TIM_ERR_ACCOUNT_NOT_FOUND);
    CHECK_EQ(query(alice, NULL, 0)->code, TIM_ERR_INVALID_PARAMETERS);
    CHECK_EQ(query(alice, IDS("nobody"))->code, TIM_ERR_RATE_LIMITED);
}

CASE(the_twenty_first_call_is_refused, "R7.5: 7008 with the time to wait, in the text too") {
    Server *server = server_start("", "accounts = [\"bob\"]\nrate_window_ms = 600000");
    Client *alice = online(server, "alice");
    for (int i = 0; i < 20; i++) CHECK_EQ(query(alice, IDS("bob"))->code, 0);
    Result *refused = query(alice, IDS("bob"));
    CHECK_EQ(refused->code, TIM_ERR_RATE_LIMITED);
    CHECK(refused->retry_after_ms > 0 && refused->retry_after_ms <= 600000);
    CHECK(strpbrk(refused->message, "0123456789") != NULL);
    CHECK_EQ(refused->item_count, 0);
}

CASE(each_kind_has_its_own_allowance, "R7.5: query, subscribe, unsubscribe") {
    Server *server = server_start("", "accounts = [\"bob\"]\nrate_calls = 2\nrate_window_ms = 600000");
    Client *alice = online(server, "alice");
    for (int i = 0; i < 3; i++) {
        int32_t expected = i < 2 ? 0 : TIM_ERR_RATE_LIMITED;
        CHECK_EQ(query(alice, IDS("bob"))->code, expected);
        CHECK_EQ(subscribe(alice, IDS("bob"))->code, expected);
        CHECK_EQ(unsubscribe(alice, IDS("bob"))->code, expected);
    }
}

CASE(the_allowance_is_the_users_not_the_devices, "R7.5") {
    Server *server = server_start("", "accounts = [\"bob\"]\nrate_calls = 2\nrate_window_ms = 600000");
    Client *phone = online_on(server, "alice", "iOS");
    Client *desktop = online_on(server, "alice", "Linux");
    CHECK_EQ(query(phone, IDS("bob"))->code, 0);
    CHECK_EQ(query(desktop, IDS("bob"))->code, 0);
    CHECK_EQ(query(phone, IDS("bob"))->code, TIM_ERR_RATE_LIMITED);
    CHECK_EQ(query(desktop, IDS("bob"))->code, TIM_ERR_RATE_LIMITED);
    CHECK_EQ(query(online(server, "carol"), IDS("bob"))->code, 0);
}

CASE(the_allowance_comes_back, "R7.5: after the time that the refusal told") {
    Server *server = server_start("", "accounts = [\"bob\"]\nrate_calls = 1\nrate_window_ms = 300");
    Client *alice = online(server, "alice");
    int64_t first_ms = now_ms();
    CHECK_EQ(query(alice, IDS("bob"))->code, 0);
    Result *refused = query(alice, IDS("bob"));
    /* On a machine so slow that the window is over, it is not refused at all. */
    if (refused->at_ms - first_ms < 300) CHECK_EQ(refused->code, TIM_ERR_RATE_LIMITED);
    await_query_code(alice, "bob", 0);
    /* Both sides count whole milliseconds, each from its own beginning. */
    CHECK(now_ms() - first_ms >= 300 - 5);
}

CASE(nothing_is_pushed_while_the_switch_is_off, "R7.3: lists stay; on again, subscribers catch up") {
    Server *server = server_start("", "rate_calls = 0");
    Client *bob = online(server, "bob");
    Client *alice = online(server, "alice");
    CHECK_EQ(subscribe(alice, IDS("bob"))->code, 0);
    server_reload(server, "", "rate_calls = 0\nuser_status = false");
    await_query_code(alice, "bob", TIM_ERR_STATUS_DISABLED);
    CHECK_EQ(set_status(bob, "unseen")->code, 0);
    await_status(bob, "bob", ANY, ANY, "unseen");
    check_silence(alice, "bob");
    server_reload(server, "", "rate_calls = 0");
    await_status(alice, "bob", TIM_STATUS_ONLINE, ANY, "unseen");
    CHECK_EQ(set_status(bob, "seen")->code, 0);
    await_status(alice, "bob", TIM_STATUS_ONLINE, ANY, "seen");
}

CASE(losing_the_plan_stops_pushes_too, "R7.2, R7.6: with effect from the next change") {
    Server *server = server_start("", "rate_calls = 0");
    Client *bob = online(server, "bob");
    Client *alice = online(server, "alice");
    CHECK_EQ(subscribe(alice, IDS("bob"))->code, 0);
    server_reload(server, "", "rate_calls = 0\nplan = \"basic\"");
    await_query_code(alice, "bob", TIM_ERR_INTERFACE_NOT_SUPPORTED);
    CHECK_EQ(set_status(bob, "unseen")->code, 0);
    check_silence(alice, "bob");
    server_reload(server, "", "rate_calls = 0");
    await_status(alice, "bob", TIM_STATUS_ONLINE, ANY, "unseen");
}

CASE(the_status_switch_does_not_touch_friends, "R7.3, R7.4") {
    Server *server = server_start("", "user_status = false\nfriend_status_notify = true\n[apps.friends]\nalice = [\"bob\"]");
    Client *alice = online(server, "alice");
    Client *bob = online(server, "bob");
    CHECK_EQ(set_status(bob, "busy")->code, 0);
    await_status(alice, "bob", TIM_STATUS_ONLINE, ANY, "busy");
    await_status(bob, "bob", TIM_STATUS_ONLINE, ANY, "busy");
}

CASE(limits_change_at_run_time, "R7.6: a broken file changes nothing") {
    Server *server = server_start("", "accounts = [\"bob\"]\nrate_calls = 0");
    Client *alice = online(server, "alice");
    CHECK_EQ(query(alice, IDS("bob"))->code, 0);
    server_reload(server, "", "no_such_setting = 1");
    server_await_log(server, "no_such_setting");
    CHECK_EQ(query(alice, IDS("bob"))->code, 0);
    server_reload(server, "", "rate_calls = 0\nquery_batch_max = 1");
    int64_t deadline = now_ms() + DEADLINE_MS;
    while (query(alice, IDS("alice", "bob"))->code != TIM_ERR_INVALID_PARAMETERS) CHECK(now_ms() < deadline);
    CHECK_EQ(query(alice, IDS("bob"))->code, 0);
}
