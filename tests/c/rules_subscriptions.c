/* R5: subscription lists. */
#include <signal.h>

#include "wire.h"


/* The list of `client` is exactly these, oldest first. */
static void check_list(Client *client, const char *const *ids, size_t count) {
    Result *list = list_of(client);
    CHECK_EQ(list->code, 0);
    CHECK_EQ(list->item_count, count);
    for (size_t i = 0; i < count; i++) CHECK_STR(list->items[i].id, ids[i]);
}

CASE(a_call_takes_a_hundred_ids_and_no_more, "R5.1: 0 and 101 are 6017") {
    Server *server = server_start("", "auto_register_on_mention = true");
    Client *alice = online(server, "alice");
    const char **ids = many_ids(101);
    CHECK_EQ(subscribe(alice, ids, 101)->code, TIM_ERR_INVALID_PARAMETERS);
    CHECK_EQ(subscribe(alice, NULL, 0)->code, TIM_ERR_INVALID_PARAMETERS);
    CHECK_EQ(list_of(alice)->item_count, 0);
    CHECK_EQ(subscribe(alice, ids, 100)->code, 0);
    CHECK_EQ(list_of(alice)->item_count, 100);
    CHECK_EQ(unsubscribe(alice, ids, 101)->code, TIM_ERR_INVALID_PARAMETERS);
}

CASE(the_oldest_fall_off_a_full_list, "R5.2: the result and an event on every device name them") {
    Server *server = server_start("", "auto_register_on_mention = true\nsubscriptions_max = 3");
    Client *phone = online_on(server, "alice", "iOS");
    Client *desktop = online_on(server, "alice", "Linux");
    CHECK_EQ(subscribe(phone, IDS("one", "two", "three"))->code, 0);
    Result *result = subscribe(phone, IDS("four", "five"));
    CHECK_EQ(result->code, 0);
    CHECK_EQ(result->evicted_count, 2);
    CHECK_STR(result->evicted[0], "one");
    CHECK_STR(result->evicted[1], "two");
    CHECK_STR(await_event(phone, EVENT_EVICTED, ANY).user.id, "one");
    CHECK_STR(await_event(phone, EVENT_EVICTED, ANY).user.id, "two");
    CHECK_STR(await_event(desktop, EVENT_EVICTED, ANY).user.id, "one");
    check_list(phone, IDS("three", "four", "five"));
}

CASE(an_evicted_user_is_not_told_of_any_more, "R5.2") {
    Server *server = server_start("", "auto_register_on_mention = true\nsubscriptions_max = 1");
    Client *bob = online(server, "bob");
    Client *alice = online(server, "alice");
    CHECK_EQ(subscribe(alice, IDS("bob"))->code, 0);
    CHECK_EQ(subscribe(alice, IDS("carol"))->code, 0);
    CHECK_EQ(set_status(bob, "busy")->code, 0);
    check_silence(alice, "bob");
}

CASE(subscribing_again_makes_it_the_newest, "R5.2, R5.9: the list is oldest first") {
    Server *server = server_start("", "auto_register_on_mention = true\nsubscriptions_max = 3");
    Client *alice = online(server, "alice");
    CHECK_EQ(subscribe(alice, IDS("one", "two", "three"))->code, 0);
    CHECK_EQ(subscribe(alice, IDS("one"))->evicted_count, 0);
    check_list(alice, IDS("two", "three", "one"));
    Result *result = subscribe(alice, IDS("four"));
    CHECK_EQ(result->evicted_count, 1);
    CHECK_STR(result->evicted[0], "two");
}

CASE(belong_to_the_user_not_the_device, "R5.3: the other device hears the changes and lists the list") {
    Server *server = server_start("", "");
    Client *bob = online(server, "bob");
    Client *phone = online_on(server, "alice", "iOS");
    Client *desktop = online_on(server, "alice", "Linux");
    CHECK_EQ(subscribe(phone, IDS("bob"))->code, 0);
    check_list(desktop, IDS("bob"));
    CHECK_EQ(set_status(bob, "busy")->code, 0);
    await_status(phone, "bob", ANY, ANY, "busy");
    await_status(desktop, "bob", ANY, ANY, "busy");
}

CASE(oneself_is_refused, "R5.4: 6017 for that id, for the call if nothing else is left") {
    Server *server = server_start("", "accounts = [\"bob\"]");
    Client *alice = online(server, "alice");
    Result *mixed = subscribe(alice, IDS("alice", "bob"));
    CHECK_EQ(mixed->code, 0);
    CHECK_EQ(item_of(mixed, "alice")->code, TIM_ERR_INVALID_PARAMETERS);
    CHECK_EQ(item_of(mixed, "bob")->code, 0);
    CHECK_EQ(subscribe(alice, IDS("alice"))->code, TIM_ERR_INVALID_PARAMETERS);
    check_list(alice, IDS("bob"));
}

CASE(an_unknown_account_is_70107, "R5.5: per id, and nothing is subscribed") {
    Server *server = server_start("", "accounts = [\"bob\"]");
    Client *alice = online(server, "alice");
    Result *mixed = subscribe(alice, IDS("nobody", "bob"));
    CHECK_EQ(mixed->code, 0);
    CHECK_EQ(item_of(mixed, "nobody")->code, TIM_ERR_ACCOUNT_NOT_FOUND);
    CHECK_EQ(subscribe(alice, IDS("nobody"))->code, TIM_ERR_ACCOUNT_NOT_FOUND);
    check_list(alice, IDS("bob"));
}

CASE(the_result_is_a_snapshot_that_notifications_continue, "R5.6: nothing lost, nothing told twice, while the user changes all the time") {
    Server *server = server_start("", "rate_calls = 0");
    Client *bob = online(server, "bob");
    Client *alice = online(server, "alice");
    char text[16];
    for (int i = 0; i < 200; i++) {
        snprintf(text, sizeof text, "%d", i);
        Call *set = start_set(bob, text);
        Result *result = subscribe(alice, IDS("bob"));
        CHECK_EQ(result->code, 0);
        CHECK_EQ(finish(set)->code, 0);
        /* Either the snapshot has it, and nothing more comes; or it does not, and the notification does. */
        User *snapshot = item_of(result, "bob");
        if (strcmp(snapshot->custom, text) == 0) {
            check_silence(alice, "bob");
        } else {
            Event told = await_status(alice, "bob", ANY, ANY, text);
            CHECK(told.user.version > snapshot->version);
        }
        CHECK_EQ(unsubscribe(alice, IDS("bob"))->code, 0);
        skip_events(alice);
    }
}

CASE(unsubscribing_ends_the_notifications, "R5.7: someone not subscribed is a success") {
    Server *server = server_start("", "accounts = [\"carol\"]");
    Client *bob = online(server, "bob");
    Client *alice = online(server, "alice");
    CHECK_EQ(subscribe(alice, IDS("bob"))->code, 0);
    Result *result = unsubscribe(alice, IDS("bob", "carol"));
    CHECK_EQ(result->code, 0);
    CHECK_EQ(set_status(bob, "busy")->code, 0);
    check_silence(alice, "bob");
    check_list(alice, NULL, 0);
}

CASE(unsubscribing_from_nobody_clears_the_list, "R5.7") {
    Server *server = server_start("", "auto_register_on_mention = true");
    Client *alice = online(server, "alice");
    CHECK_EQ(subscribe(alice, IDS("one", "two", "three"))->code, 0);
    CHECK_EQ(unsubscribe(alice, NULL, 0)->code, 0);
    check_list(alice, NULL, 0);
}

CASE(a_list_lingers_while_its_user_is_away, "R5.8: logging in again within subscription_linger finds it") {
    Server *server = server_start("", "auto_register_on_mention = true\nsubscription_linger_ms = 60000");
    Client *alice = online(server, "alice");
    CHECK_EQ(subscribe(alice, IDS("bob", "carol"))->code, 0);
    CHECK_EQ(logout_of(alice)->code, 0);
    Client *again = online(server, "alice");
    check_list(again, IDS("bob", "carol"));
    online(server, "bob");
    await_status(again, "bob", TIM_STATUS_ONLINE, TIM_REASON_LOGIN, NULL);
}

CASE(a_list_is_cleared_when_the_linger_ends, "R5.8: after a logout there is nothing to restore") {
    Server *server = server_start(SHORT_SILENCE, "auto_register_on_mention = true\nsubscription_linger_ms = 200");
    Client *watcher = online(server, "watcher");
    CHECK_EQ(subscribe(watcher, IDS("clock"))->code, 0);
    Client *alice = online(server, "alice");
    CHECK_EQ(subscribe(alice, IDS("bob"))->code, 0);
    CHECK_EQ(logout_of(alice)->code, 0);
    /* The clock: a process that falls silent takes longer than the linger to be given up. */
    peer_signal(peer_online(server, "clock", ""), SIGSTOP);
    await_status(watcher, "clock", TIM_STATUS_OFFLINE, TIM_REASON_TIMEOUT, NULL);
    CHECK_EQ(login(alice, "alice", user_sig("alice", 3600))->code, 0);
    check_list(alice, NULL, 0);
}

CASE(a_client_restores_its_cleared_list, "R5.8: after a restart of the server, oldest first, outside R7.5") {
    Server *server = server_start("", "auto_register_on_mention = true\nrate_calls = 1\nrate_window_ms = 600000");
    Client *alice = online(server, "alice");
    CHECK_EQ(subscribe(alice, IDS("one", "two", "three"))->code, 0);
    server_kill(server);
    await_event(alice, EVENT_CONNECTION, TIM_CONNECTION_DISCONNECTED);
    server_start_again(server);
    await_event(alice, EVENT_CONNECTION, TIM_CONNECTION_CONNECTED);
    online(server, "two");
    await_status(alice, "two", TIM_STATUS_ONLINE, TIM_REASON_LOGIN, NULL);
    check_list(alice, IDS("one", "two", "three"));
}

CASE(restoring_can_be_switched_off, "R5.8: option restore_subscriptions") {
    Server *server = server_start("", "auto_register_on_mention = true");
    Client *alice = client_new(server, "\"restore_subscriptions\":false");
    CHECK_EQ(login(alice, "alice", user_sig("alice", 3600))->code, 0);
    CHECK_EQ(subscribe(alice, IDS("one"))->code, 0);
    server_kill(server);
    await_event(alice, EVENT_CONNECTION, TIM_CONNECTION_DISCONNECTED);
    server_start_again(server);
    await_event(alice, EVENT_CONNECTION, TIM_CONNECTION_CONNECTED);
    check_list(alice, NULL, 0);
}
