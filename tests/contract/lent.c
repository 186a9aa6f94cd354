/* What callbacks are given and what calls take: texts, lists, structs, logs (docs/C_API.md, "Shape"; "Callbacks", 5; "Lifetime"). */
#include <pthread.h>
#include <stdlib.h>
#include <unistd.h>

#include "contract.h"

/* Fails unless `text` is UTF-8 that ends with NUL, and not NULL. */
static void check_text(const char *text, const char *what) {
    if (text == NULL) FAIL("%s is NULL", what);
    const unsigned char *at = (const unsigned char *)text;
    while (*at != 0) {
        int more = *at < 0x80 ? 0 : *at >= 0xc2 && *at < 0xe0 ? 1 : *at >= 0xe0 && *at < 0xf0 ? 2 : *at >= 0xf0 && *at < 0xf5 ? 3 : -1;
        if (more < 0) FAIL("%s is not UTF-8", what);
        for (at++; more > 0; more--, at++)
            if (*at < 0x80 || *at > 0xbf) FAIL("%s is not UTF-8", what);
    }
}

static void check_user(const TimUserStatus *user) {
    CHECK(user != NULL);
    CHECK_EQ(user->struct_size, sizeof *user);
    CHECK_EQ(user->reserved, 0);
    check_text(user->user_id, "user_id");
    check_text(user->custom_status, "custom_status");
    CHECK(user->version < (1ULL << 53));
}

/* ---- results of every call, good and bad ---- */

typedef struct Seen {
    Signal results, changes, connections, kicks, evictions, lines;
    int32_t code;
} Seen;

static void look_at_result(const TimResult *result, void *user_data) {
    Seen *seen = user_data;
    CHECK(result != NULL);
    CHECK_EQ(result->struct_size, sizeof *result);
    CHECK_EQ(result->reserved, 0);
    check_text(result->message, "message");
    CHECK(result->message[0] != 0);
    CHECK((result->items == NULL) == (result->item_count == 0));
    CHECK((result->evicted == NULL) == (result->evicted_count == 0));
    if (result->code != TIM_ERR_RATE_LIMITED && result->code != TIM_ERR_TOO_MANY_FAILURES) CHECK_EQ(result->retry_after_ms, 0);
    for (size_t i = 0; i < result->item_count; i++) check_user(result->items[i]);
    for (size_t i = 0; i < result->evicted_count; i++) check_text(result->evicted[i], "evicted");
    seen->code = result->code;
    post(&seen->results);
}
static void look_at_changes(const TimUserStatus *const *changes, size_t count, void *user_data) {
    CHECK(changes != NULL && count > 0);
    for (size_t i = 0; i < count; i++) check_user(changes[i]);
    post(&((Seen *)user_data)->changes);
}
static void look_at_connection(int32_t state, int32_t code, const char *message, void *user_data) {
    CHECK(state >= TIM_CONNECTION_DISCONNECTED && state <= TIM_CONNECTION_CONNECTED);
    (void)code;
    check_text(message, "message");
    post(&((Seen *)user_data)->connections);
}
static void look_at_kick(int32_t code, const char *message, void *user_data) {
    CHECK_EQ(code, TIM_ERR_KICKED_OFFLINE);
    check_text(message, "message");
    CHECK(message[0] != 0);
    post(&((Seen *)user_data)->kicks);
}
static void look_at_evicted(const char *const *ids, size_t count, void *user_data) {
    CHECK(ids != NULL && count > 0);
    for (size_t i = 0; i < count; i++) check_text(ids[i], "an evicted id");
    post(&((Seen *)user_data)->evictions);
}
static void look_at_line(int32_t level, const char *message, void *user_data) {
    CHECK(level >= TIM_LOG_TRACE && level <= TIM_LOG_ERROR);
    check_text(message, "a line of the log");
    CHECK(strchr(message, '\n') == NULL);
    post(&((Seen *)user_data)->lines);
}

static int expect(Seen *seen, int results, int32_t code) {
    await_posts(&seen->results, results, "a result");
    if (seen->code != code) FAIL("result %d is %s, not %s", results, timErrorName(seen->code), timErrorName(code));
    return results + 1;
}

CASE(what_callbacks_are_given_is_whole, "no NULL text, UTF-8, struct_size, NULL lists only when empty: every callback, good and bad results") {
    static const char *const ids[] = {"bob", "carol", "nobody \xc3\xa4"};
    Seen seen = {.code = 0};
    Home home = home_start("\"subscriptions_max\":1,\"rate_calls\":3,\"friends\":{\"alice\":[\"bob\"]},\"sdk_app_id\":1400000001");
    TimClient alice = raw_client(home.address, "");
    ACCEPTED(timSetUserStatusChangedCallback(alice, look_at_changes, &seen, NULL));
    ACCEPTED(timSetConnectionStateCallback(alice, look_at_connection, &seen, NULL));
    ACCEPTED(timSetKickedOfflineCallback(alice, look_at_kick, &seen, NULL));
    ACCEPTED(timSetSubscriptionEvictedCallback(alice, look_at_evicted, &seen, NULL));
    ACCEPTED(timSetLogCallback(alice, TIM_LOG_TRACE, look_at_line, &seen, NULL));
    int next = 1;
    ACCEPTED(timSetSelfStatus(alice, "x", look_at_result, &seen));
    next = expect(&seen, next, TIM_ERR_NOT_LOGGED_IN);
    ACCEPTED(timLogin(alice, "alice", "nonsense", look_at_result, &seen));
    await_posts(&seen.results, next++, "the refused login");
    ACCEPTED(timLogin(alice, "alice", home_user_sig(&home, "alice", 3600), look_at_result, &seen));
    next = expect(&seen, next, TIM_OK);
    ACCEPTED(timSetSelfStatus(alice, "\xe5\xbf\x99 \xf0\x9f\x99\x82", look_at_result, &seen));
    next = expect(&seen, next, TIM_OK);
    ACCEPTED(timSubscribeUserStatus(alice, ids, 2, look_at_result, &seen));
    next = expect(&seen, next, TIM_OK);
    ACCEPTED(timGetUserStatus(alice, ids, 3, look_at_result, &seen));
    next = expect(&seen, next, TIM_OK);
    ACCEPTED(timGetSubscriptions(alice, look_at_result, &seen));
    next = expect(&seen, next, TIM_OK);
    ACCEPTED(timGetFriends(alice, look_at_result, &seen));
    next = expect(&seen, next, TIM_OK);
    ACCEPTED(timGetUserStatus(alice, NULL, 0, look_at_result, &seen));
    next = expect(&seen, next, TIM_ERR_INVALID_PARAMETERS);
    for (int i = 0; i < 2; i++) {
        ACCEPTED(timGetUserStatus(alice, ids, 1, look_at_result, &seen));
        next = expect(&seen, next, TIM_OK);
    }
    ACCEPTED(timGetUserStatus(alice, ids, 1, look_at_result, &seen));
    next = expect(&seen, next, TIM_ERR_RATE_LIMITED);
    ACCEPTED(timUnsubscribeUserStatus(alice, NULL, 0, look_at_result, &seen));
    next = expect(&seen, next, TIM_OK);
    TimClient again = raw_client(home.address, "");
    raw_login(again, "alice", home_user_sig(&home, "alice", 3600));
    await_posts(&seen.kicks, 1, "the kick");
    await_posts(&seen.changes, 1, "changes"); /* one or two: they may come together (R6.3) */
    await_posts(&seen.connections, 2, "connection states");
    await_posts(&seen.evictions, 1, "an eviction");
    await_posts(&seen.lines, 5, "lines of the log");
    raw_destroy(alice), raw_destroy(again);
    home_stop(&home);
}

/* ---- what is passed in is copied ---- */

CASE(what_is_passed_in_is_copied, "every text and list may be overwritten as soon as the call returned") {
    Home home = home_start("");
    Seen seen = {.code = 0};
    TimClient silent = raw_client(silent_address(), ""), alice;
    char options[128], user[8] = "alice", sig[1024], custom[8] = "busy", ids_text[2][8] = {"bob", "carol"};
    const char *ids[2] = {ids_text[0], ids_text[1]};
    snprintf(options, sizeof options, "{\"server\":\"%s\",\"sdk_app_id\":%d}", home.address, APP_ID);
    ACCEPTED(timClientCreate(options, &alice));
    memset(options, '#', sizeof options - 1);
    snprintf(sig, sizeof sig, "%s", home_user_sig(&home, "alice", 3600));
    ACCEPTED(timLogin(alice, user, sig, look_at_result, &seen));
    memset(user, '#', sizeof user - 1);
    memset(sig, '#', sizeof sig - 1);
    expect(&seen, 1, TIM_OK);
    char name[64];
    ACCEPTED(timGetLoginUser(alice, name, sizeof name, NULL));
    CHECK_STR(name, "alice");
    ACCEPTED(timSetSelfStatus(alice, custom, look_at_result, &seen));
    memset(custom, '#', sizeof custom - 1);
    ACCEPTED(timSubscribeUserStatus(alice, ids, 2, look_at_result, &seen));
    memset(ids_text, '#', sizeof ids_text);
    ids[0] = ids[1] = NULL;
    await_posts(&seen.results, 3, "results");
    /* The server knows what was meant. */
    Server there = {.port = 0};
    snprintf(there.address, sizeof there.address, "%s", home.address);
    Client *bob = client_new(&there, "");
    CHECK_EQ(login(bob, "bob", home_user_sig(&home, "bob", 3600))->code, 0);
    CHECK_STR(item_of(query(bob, IDS("alice")), "alice")->custom, "busy");
    raw_destroy(alice), raw_destroy(silent);
    home_stop(&home);
}

/* ---- logs ---- */

typedef struct Lines {
    Signal lines;
    int32_t least;
    const char *never[4];
} Lines;

static void search_line(int32_t level, const char *message, void *user_data) {
    Lines *lines = user_data;
    if (level < lines->least) FAIL("a line of level %d, below the one asked for: %s", (int)level, message);
    for (size_t i = 0; i < 4 && lines->never[i] != NULL; i++)
        if (strstr(message, lines->never[i]) != NULL) FAIL("level %d has \"%s\": %s", (int)level, lines->never[i], message);
    post(&lines->lines);
}

/* A session with everything in it, logged at `least`. */
static void logged_session(int32_t least, int with_content) {
    static const char *const ids[] = {"confidential-friend"};
    Home home = home_start("\"secret_key\":\"the-key-of-this-test\"");
    const char *sig = home_user_sig(&home, "alice", 3600);
    Lines lines = {.least = least, .never = {sig, "the-key-of-this-test", with_content ? NULL : "confidential-status", with_content ? NULL : "confidential-friend"}};
    Signal results = {0};
    TimClient alice = raw_client(home.address, "\"backoff_base_ms\":1,\"logout_timeout_ms\":100");
    ACCEPTED(timSetLogCallback(alice, least, search_line, &lines, NULL));
    raw_login(alice, "alice", sig);
    ACCEPTED(timSetSelfStatus(alice, "confidential-status", post_result, &results));
    ACCEPTED(timSubscribeUserStatus(alice, ids, 1, post_result, &results));
    ACCEPTED(timGetUserStatus(alice, ids, 1, post_result, &results));
    ACCEPTED(timRenewUserSig(alice, sig, post_result, &results));
    await_posts(&results, 4, "results");
    ACCEPTED(timLogin(alice, "alice", "confidential-nonsense", post_result, &results));
    home_stop(&home);
    await_posts(&results, 5, "results");
    ACCEPTED(timLogout(alice, post_result, &results));
    await_posts(&results, 6, "the logout");
    raw_destroy(alice);
    if (least == TIM_LOG_TRACE) CHECK(posts_of(&lines.lines) > 0);
}

CASE(no_secret_is_ever_logged, "no level has a UserSig or a key") { logged_session(TIM_LOG_TRACE, 1); }
CASE(no_user_content_above_debug, "from info on no custom status and no other user's name") { logged_session(TIM_LOG_INFO, 0); }
CASE(no_line_below_the_level, "what was not asked for does not come") {
    logged_session(TIM_LOG_DEBUG, 1);
    logged_session(TIM_LOG_WARN, 0);
    logged_session(TIM_LOG_ERROR, 0);
}

/* ---- the text of the last refusal ---- */

static void *other_thread(void *argument) {
    char text[512];
    ACCEPTED(timLastErrorMessage(text, sizeof text, NULL));
    CHECK_STR(text, "");
    CHECK_EQ(timCheckAbi(TIM_ABI_MAJOR + 1, 0), TIM_ERR_ABI_MISMATCH);
    ACCEPTED(timLastErrorMessage(text, sizeof text, NULL));
    CHECK(text[0] != 0 && strcmp(text, argument) != 0);
    return NULL;
}

CASE(the_last_text_is_the_threads, "\"\" where nothing was wrong; a success and reading leave it; other threads have their own") {
    char first[512], again[512];
    pthread_t thread;
    ACCEPTED(timLastErrorMessage(first, sizeof first, NULL));
    CHECK_STR(first, "");
    CHECK_EQ(timSetSelfStatus(0, "busy", NULL, NULL), TIM_ERR_INVALID_HANDLE);
    ACCEPTED(timLastErrorMessage(first, sizeof first, NULL));
    CHECK(strstr(first, "client") != NULL);
    CHECK_EQ(pthread_create(&thread, NULL, other_thread, first), 0);
    pthread_join(thread, NULL);
    ACCEPTED(timCheckAbi(TIM_ABI_MAJOR, 0));
    ACCEPTED(timLastErrorMessage(again, sizeof again, NULL));
    CHECK_STR(again, first);
}
