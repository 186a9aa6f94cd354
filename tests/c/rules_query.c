/* R4: queries. */

#include "support.h"

CASE(takes_five_hundred_ids_and_no_more, "R4.1: 0 and 501 are 6017, nothing is answered") {
    Server *server = server_start("", "");
    Client *alice = online(server, "alice");
    const char **ids = many_ids(501);
    ids[0] = "alice";
    Result *most = query(alice, ids, 500);
    CHECK_EQ(most->code, 0);
    CHECK_EQ(most->item_count, 500);
    Result *more = query(alice, ids, 501);
    CHECK_EQ(more->code, TIM_ERR_INVALID_PARAMETERS);
    CHECK_EQ(more->item_count, 0);
    CHECK_EQ(query(alice, NULL, 0)->code, TIM_ERR_INVALID_PARAMETERS);
}

CASE(removes_repeats_and_answers_in_order, "R4.1: repeats do not count toward the limit") {
    Server *server = server_start("", "accounts = [\"bob\", \"carol\"]\nquery_batch_max = 2");
    Client *alice = online(server, "alice");
    Result *result = query(alice, IDS("carol", "bob", "carol", "carol", "bob"));
    CHECK_EQ(result->code, 0);
    CHECK_EQ(result->item_count, 2);
    CHECK_STR(result->items[0].id, "carol");
    CHECK_STR(result->items[1].id, "bob");
    CHECK_EQ(query(alice, IDS("alice", "bob", "carol"))->code, TIM_ERR_INVALID_PARAMETERS);
}

CASE(each_user_has_its_own_code, "R4.3: the call succeeds if one user did") {
    Server *server = server_start("", "accounts = [\"bob\"]");
    Client *alice = online(server, "alice");
    const char *long_id = "an-id-of-thirty-three-characters-";
    Result *result = query(alice, IDS("nobody", "bob", long_id, "t\xc3\xa4st"));
    CHECK_EQ(result->code, 0);
    CHECK_EQ(item_of(result, "nobody")->code, TIM_ERR_ACCOUNT_NOT_FOUND);
    CHECK_EQ(item_of(result, "bob")->code, 0);
    CHECK_EQ(item_of(result, long_id)->code, TIM_ERR_INVALID_USER_ID);
    CHECK_EQ(item_of(result, "t\xc3\xa4st")->code, TIM_ERR_INVALID_USER_ID);
    CHECK_EQ(item_of(result, "nobody")->status, TIM_STATUS_UNKNOWN);
}

CASE(fails_with_the_first_code_if_nobody_succeeded, "R4.3") {
    Server *server = server_start("", "");
    Client *alice = online(server, "alice");
    CHECK_EQ(query(alice, IDS("nobody", "t\xc3\xa4st"))->code, TIM_ERR_ACCOUNT_NOT_FOUND);
    CHECK_EQ(query(alice, IDS("", "nobody"))->code, TIM_ERR_INVALID_USER_ID);
}

CASE(of_oneself_is_free, "R4.2: no plan, no switch, no rate limit") {
    Server *server = server_start("", "plan = \"basic\"\nuser_status = false");
    Client *alice = online(server, "alice");
    for (int i = 0; i < 50; i++) CHECK_EQ(query(alice, IDS("alice", "alice"))->code, 0);
    CHECK_EQ(query(alice, IDS("alice", "bob"))->code, TIM_ERR_INTERFACE_NOT_SUPPORTED);
}

CASE(says_status_version_time_and_platforms, "R4.4, R1.4") {
    Server *server = server_start("", "");
    Client *bob = online_on(server, "bob", "iOS");
    CHECK_EQ(set_status(bob, "busy")->code, 0);
    Event told = await_status(bob, "bob", ANY, TIM_REASON_CUSTOM_STATUS, "busy");
    Client *alice = online(server, "alice");
    User *seen = item_of(query(alice, IDS("bob")), "bob");
    CHECK_EQ(seen->status, TIM_STATUS_ONLINE);
    CHECK_STR(seen->custom, "busy");
    CHECK_EQ(seen->version, told.user.version);
    CHECK_EQ(seen->since_ms, told.user.since_ms);
    CHECK_EQ(seen->platforms, TIM_PLATFORM_IOS);
}

CASE(is_answered_by_the_server_and_moves_no_mark, "R4.5, R6.5: a notification of what a query saw is still told") {
    Server *server = server_start("", "");
    Client *bob = online(server, "bob");
    Client *alice = online(server, "alice");
    CHECK_EQ(subscribe(alice, IDS("bob"))->code, 0);
    for (int i = 0; i < 10; i++) {
        char text[16];
        snprintf(text, sizeof text, "%d", i);
        CHECK_EQ(set_status(bob, text)->code, 0);
        CHECK_STR(item_of(query(alice, IDS("bob")), "bob")->custom, text);
        await_status(alice, "bob", ANY, TIM_REASON_CUSTOM_STATUS, text);
    }
}
