/* Real clients and the real server with a proxy between them that holds, cuts and resets. */
#include <stdlib.h>

#include "faults.h"
#include "support_internal.h"

#define QUICK "\"backoff_base_ms\":1,\"backoff_max_ms\":20,\"request_timeout_ms\":2000"

/* alice, through the proxy, watches bob, who is not behind it. */
typedef struct Pair {
    Server *server;
    Proxy *proxy;
    Client *alice, *bob;
} Pair;

static Pair watching(void) {
    Pair pair = {.server = server_start("", "")};
    pair.proxy = proxy_start(pair.server);
    pair.bob = online(pair.server, "bob");
    pair.alice = client_at(proxy_address(pair.proxy), QUICK);
    CHECK_EQ(login(pair.alice, "alice", user_sig("alice", 3600))->code, 0);
    CHECK_EQ(subscribe(pair.alice, IDS("bob"))->code, 0);
    fence(pair.alice);
    skip_events(pair.alice);
    return pair;
}

/* What bob does while alice is cut off is told once, in its final form. */
static void told_once_after(void (*misdeed)(Proxy *)) {
    Pair pair = watching();
    proxy_refuse(pair.proxy, 1);
    misdeed(pair.proxy);
    await_event(pair.alice, EVENT_CONNECTION, TIM_CONNECTION_DISCONNECTED);
    CHECK_EQ(set_status(pair.bob, "one")->code, 0);
    CHECK_EQ(set_status(pair.bob, "two")->code, 0);
    CHECK_EQ(events_of(pair.alice, EVENT_STATUS, ANY), 0); /* R6.8 */
    proxy_refuse(pair.proxy, 0);
    ACCEPTED(timNotifyNetworkChanged(handle_of(pair.alice)));
    CHECK_STR(await_status(pair.alice, "bob", ANY, ANY, NULL).user.custom, "two");
    check_silence(pair.alice, "bob");
}

CASE(cut_and_healed, "R6.6: with FIN: what was missed is told once") { told_once_after(proxy_cut); }
CASE(reset_and_healed, "R6.6: with RST: the same") { told_once_after(proxy_reset); }

CASE(held_for_a_while, "shorter than any time-out: late, but nothing is lost and nothing reconnects") {
    Pair pair = watching();
    proxy_hold(pair.proxy);
    CHECK_EQ(set_status(pair.bob, "one")->code, 0);
    CHECK_EQ(set_status(pair.bob, "two")->code, 0);
    Call *ask = start_query(pair.alice, IDS("bob"));
    CHECK_EQ(events_of(pair.alice, EVENT_STATUS, ANY), 0);
    proxy_release(pair.proxy);
    CHECK_STR(item_of(finish(ask), "bob")->custom, "two");
    await_status(pair.alice, "bob", ANY, ANY, "two");
    CHECK_EQ(proxy_connections(pair.proxy), 1);
}

CASE(held_for_good, "R8.6, R2.7: a call notices after request_timeout_ms; the new connection takes over, and nobody sees the user go") {
    Pair pair = watching();
    CHECK_EQ(subscribe(pair.bob, IDS("alice"))->code, 0);
    fence(pair.alice);
    fence(pair.bob);
    await_status(pair.alice, "bob", ANY, ANY, NULL);
    proxy_hold(pair.proxy);
    CHECK_EQ(set_status(pair.bob, "one")->code, 0);
    Call *ask = start_query(pair.alice, IDS("bob"));
    CHECK_STR(item_of(finish(ask), "bob")->custom, "one");
    CHECK_STR(await_status(pair.alice, "bob", ANY, ANY, NULL).user.custom, "one");
    CHECK_EQ(proxy_connections(pair.proxy), 2);
    /* The old connection's bytes, at last, reach nobody; what bob hears of alice next is what she does next. */
    proxy_release(pair.proxy);
    CHECK_EQ(set_status(pair.alice, "still here")->code, 0);
    CHECK_STR(await_status(pair.bob, "alice", ANY, ANY, NULL).user.custom, "still here");
}

/* One conversation in which the first connection is cut after some bytes. */
static void converse(Server *server, Proxy *proxy, const char *sig, int direction, size_t bytes, size_t round) {
    char custom[32];
    (void)server;
    snprintf(custom, sizeof custom, "round %zu", round);
    proxy_cut_next_after(proxy, direction, bytes);
    Client *alice = client_at(proxy_address(proxy), QUICK);
    CHECK_EQ(login(alice, "alice", sig)->code, 0);
    int32_t subscribed = subscribe(alice, IDS("bob"))->code;
    int32_t set = set_status(alice, custom)->code;
    Result *self = query(alice, IDS("alice"));
    Result *list = list_of(alice);
    /* R8.6: what changes something may be in doubt, and then either may be true; the rest must succeed. */
    CHECK(subscribed == 0 || subscribed == TIM_ERR_DISCONNECTED);
    CHECK(set == 0 || set == TIM_ERR_DISCONNECTED);
    CHECK_EQ(self->code, 0);
    CHECK_EQ(list->code, 0);
    int is_set = strcmp(item_of(self, "alice")->custom, custom) == 0;
    if (!is_set && set == 0) FAIL("cut after %zu bytes: the set succeeded, and the custom status is \"%s\"", bytes, item_of(self, "alice")->custom);
    if (list->item_count == 0 && subscribed == 0) FAIL("cut after %zu bytes: the subscribe succeeded, and the list is empty", bytes);
    CHECK_EQ(events_of(alice, EVENT_KICKED, ANY) + events_of(alice, EVENT_EXPIRED, ANY), 0);
    int32_t cleared = unsubscribe(alice, NULL, 0)->code;
    CHECK(cleared == 0 || cleared == TIM_ERR_DISCONNECTED);
    destroy(alice);
}

/* Every place of the conversation there is. */
static void cut_everywhere(int direction) {
    Server *server = server_start("", "accounts = [\"bob\"]\nrate_calls = 100000\noffline_grace_ms = 60000");
    Proxy *proxy = proxy_start(server);
    const char *sig = user_sig("alice", 3600);
    size_t round = 0, connections = 0;
    /* Until a conversation is over before its connection is cut. */
    for (size_t bytes = 0; proxy_connections(proxy) != connections + 1; bytes++) {
        connections = proxy_connections(proxy);
        converse(server, proxy, sig, direction, bytes, round++);
        if (round > 3000) FAIL("after %zu bytes the conversation is not over", bytes);
    }
    CHECK(round > 100);
    printf("cut after each of %zu bytes\n", round - 1);
}

CASE(cut_after_each_byte_up, "R8.6: of what the client sends, wherever: done, or in doubt and said so, never wrong") { cut_everywhere(PROXY_UP); }
CASE(cut_after_each_byte_down, "R8.6: of what the server sends, wherever: the same") { cut_everywhere(PROXY_DOWN); }
