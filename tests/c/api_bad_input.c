/* Arguments that are refused at once: NULL, not UTF-8, wrong handles, wrong options (docs/C_API.md, "Shape"). A refused call never calls
 * back: the callback of these calls ends the test. */
#include <stdlib.h>

#include "support.h"

static void never(const TimResult *result, void *user_data) {
    FAIL("a refused call called back: %s, code %d", (const char *)user_data, (int)result->code);
}
static void never_status(const TimUserStatus *const *changes, size_t count, void *user_data) {
    (void)changes, (void)count, (void)user_data;
}
static void never_connection(int32_t state, int32_t code, const char *message, void *user_data) {
    (void)state, (void)code, (void)message, (void)user_data;
}
static void never_kicked(int32_t code, const char *message, void *user_data) { (void)code, (void)message, (void)user_data; }
static void never_plain(void *user_data) { (void)user_data; }
static void never_evicted(const char *const *ids, size_t count, void *user_data) { (void)ids, (void)count, (void)user_data; }
static void never_log(int32_t level, const char *message, void *user_data) { (void)level, (void)message, (void)user_data; }
static void never_freed(void *user_data) { FAIL("free_user_data of a refused setter was called for %s", (const char *)user_data); }

static TimClient new_client(const char *options) {
    TimClient client = 0;
    ACCEPTED(timClientCreate(options, &client));
    return client;
}

#define GOOD_OPTIONS "{\"server\":\"tim://127.0.0.1:1\",\"sdk_app_id\":1400000001}"
#define NOT_UTF8_TEXT "\xff\xfe"

/* Every function that takes a handle answers TIM_ERR_INVALID_HANDLE, and does nothing. */
static void check_wrong_handle(uint64_t wrong) {
    static const char *const ids[] = {"bob"};
    char buffer[64];
    int32_t number = 77;
    int64_t time_ms = 77;
    size_t handled = 77;
    REFUSED(timClientDestroy(wrong, 100), TIM_ERR_INVALID_HANDLE);
    REFUSED(timClientDestroyAsync(wrong, never_plain, "destroy async"), TIM_ERR_INVALID_HANDLE);
    REFUSED(timSetUserStatusChangedCallback(wrong, never_status, "status", never_freed), TIM_ERR_INVALID_HANDLE);
    REFUSED(timSetConnectionStateCallback(wrong, never_connection, "connection", never_freed), TIM_ERR_INVALID_HANDLE);
    REFUSED(timSetKickedOfflineCallback(wrong, never_kicked, "kicked", never_freed), TIM_ERR_INVALID_HANDLE);
    REFUSED(timSetUserSigExpiredCallback(wrong, never_plain, "expired", never_freed), TIM_ERR_INVALID_HANDLE);
    REFUSED(timSetSubscriptionEvictedCallback(wrong, never_evicted, "evicted", never_freed), TIM_ERR_INVALID_HANDLE);
    REFUSED(timSetLogCallback(wrong, TIM_LOG_INFO, never_log, "log", never_freed), TIM_ERR_INVALID_HANDLE);
    REFUSED(timSetThreadHooks(wrong, never_plain, never_plain, "hooks", never_freed), TIM_ERR_INVALID_HANDLE);
    REFUSED(timLogin(wrong, "bob", "sig", never, "login"), TIM_ERR_INVALID_HANDLE);
    REFUSED(timLogout(wrong, never, "logout"), TIM_ERR_INVALID_HANDLE);
    REFUSED(timRenewUserSig(wrong, "sig", never, "renew"), TIM_ERR_INVALID_HANDLE);
    REFUSED(timGetLoginState(wrong, &number), TIM_ERR_INVALID_HANDLE);
    REFUSED(timGetLoginUser(wrong, buffer, sizeof buffer, NULL), TIM_ERR_INVALID_HANDLE);
    REFUSED(timGetServerTime(wrong, &time_ms), TIM_ERR_INVALID_HANDLE);
    REFUSED(timNotifyNetworkChanged(wrong), TIM_ERR_INVALID_HANDLE);
    REFUSED(timSetSelfStatus(wrong, "busy", never, "set"), TIM_ERR_INVALID_HANDLE);
    REFUSED(timGetUserStatus(wrong, ids, 1, never, "query"), TIM_ERR_INVALID_HANDLE);
    REFUSED(timSubscribeUserStatus(wrong, ids, 1, never, "subscribe"), TIM_ERR_INVALID_HANDLE);
    REFUSED(timUnsubscribeUserStatus(wrong, ids, 1, never, "unsubscribe"), TIM_ERR_INVALID_HANDLE);
    REFUSED(timGetSubscriptions(wrong, never, "list"), TIM_ERR_INVALID_HANDLE);
    REFUSED(timGetFriends(wrong, never, "friends"), TIM_ERR_INVALID_HANDLE);
    REFUSED(timPoll(wrong, 1, 0, &handled), TIM_ERR_INVALID_HANDLE);
    REFUSED(timGetWakeFd(wrong, &number), TIM_ERR_INVALID_HANDLE);
    REFUSED(timSetWakeCallback(wrong, never_plain, "wake", never_freed), TIM_ERR_INVALID_HANDLE);
    CHECK_EQ(number, 77);
    CHECK_EQ(time_ms, 77);
    CHECK_EQ(handled, 77);
}

/* The same for the embedded server's functions. */
static void check_wrong_server(uint64_t wrong) {
    char buffer[1024];
    REFUSED(timServerAddress(wrong, buffer, sizeof buffer, NULL), TIM_ERR_INVALID_HANDLE);
    REFUSED(timServerIssueUserSig(wrong, "bob", 60, buffer, sizeof buffer, NULL), TIM_ERR_INVALID_HANDLE);
    REFUSED(timServerStop(wrong, 100), TIM_ERR_INVALID_HANDLE);
}

CASE(zero_and_made_up_handles, "every function refuses them") {
    check_wrong_handle(0);
    check_wrong_handle(1);
    check_wrong_handle(UINT64_MAX);
    check_wrong_handle(0x0123456789abcdef);
    check_wrong_server(0);
    check_wrong_server(UINT64_MAX);
}

CASE(stale_handles, "a destroyed client's handle is refused for ever, also when its place is taken") {
    TimClient old = new_client(GOOD_OPTIONS);
    ACCEPTED(timClientDestroy(old, DEADLINE_MS));
    check_wrong_handle(old);
    TimClient next = new_client(GOOD_OPTIONS);
    CHECK(next != old);
    check_wrong_handle(old);
    ACCEPTED(timClientDestroy(next, DEADLINE_MS));
}

CASE(handles_of_another_kind, "a server is no client and a client is no server") {
    TimServer server = 0;
    ACCEPTED(timServerStart(NULL, &server));
    TimClient client = new_client(GOOD_OPTIONS);
    check_wrong_handle(server);
    check_wrong_server(client);
    ACCEPTED(timServerStop(server, DEADLINE_MS));
    check_wrong_server(server);
    ACCEPTED(timClientDestroy(client, DEADLINE_MS));
}

CASE(null_pointers, "each is named in the text; outputs stay as they were") {
    static const char *const ids[] = {"bob", NULL, "carol"};
    TimClient client = new_client(GOOD_OPTIONS), untouched = 77;
    const TimErrorDesc *const *table = NULL;
    size_t count = 0;
    REFUSED(timClientCreate(NULL, &untouched), TIM_ERR_NULL_POINTER);
    CHECK_EQ(untouched, 77);
    REFUSED(timClientCreate(GOOD_OPTIONS, NULL), TIM_ERR_NULL_POINTER);
    REFUSED(timLogin(client, NULL, "sig", never, "user"), TIM_ERR_NULL_POINTER);
    CHECK(strstr(last_error(), "user_id") != NULL);
    REFUSED(timLogin(client, "bob", NULL, never, "sig"), TIM_ERR_NULL_POINTER);
    CHECK(strstr(last_error(), "user_sig") != NULL);
    REFUSED(timRenewUserSig(client, NULL, never, "renew"), TIM_ERR_NULL_POINTER);
    REFUSED(timSetSelfStatus(client, NULL, never, "set"), TIM_ERR_NULL_POINTER);
    CHECK(strstr(last_error(), "custom_status") != NULL);
    REFUSED(timGetUserStatus(client, NULL, 1, never, "query"), TIM_ERR_NULL_POINTER);
    REFUSED(timGetUserStatus(client, ids, 3, never, "query"), TIM_ERR_NULL_POINTER);
    CHECK(strstr(last_error(), "[1]") != NULL);
    REFUSED(timSubscribeUserStatus(client, ids, 3, never, "subscribe"), TIM_ERR_NULL_POINTER);
    REFUSED(timUnsubscribeUserStatus(client, ids, 3, never, "unsubscribe"), TIM_ERR_NULL_POINTER);
    REFUSED(timUnsubscribeUserStatus(client, NULL, 1, never, "unsubscribe"), TIM_ERR_NULL_POINTER);
    REFUSED(timGetLoginState(client, NULL), TIM_ERR_NULL_POINTER);
    REFUSED(timGetServerTime(client, NULL), TIM_ERR_NULL_POINTER);
    REFUSED(timGetLoginUser(client, NULL, 0, NULL), TIM_ERR_NULL_POINTER);
    REFUSED(timErrorTable(NULL, &count), TIM_ERR_NULL_POINTER);
    REFUSED(timErrorTable(&table, NULL), TIM_ERR_NULL_POINTER);
    REFUSED(timServerStart(NULL, NULL), TIM_ERR_NULL_POINTER);
    ACCEPTED(timClientDestroy(client, DEADLINE_MS));
}

CASE(a_user_data_without_a_function, "is refused, and stays the caller's") {
    TimClient client = new_client(GOOD_OPTIONS);
    REFUSED(timSetSelfStatus(client, "busy", NULL, "set"), TIM_ERR_INVALID_ARGUMENT);
    REFUSED(timLogout(client, NULL, "logout"), TIM_ERR_INVALID_ARGUMENT);
    REFUSED(timSetUserStatusChangedCallback(client, NULL, "status", never_freed), TIM_ERR_INVALID_ARGUMENT);
    ACCEPTED(timSetSelfStatus(client, "busy", NULL, NULL));
    ACCEPTED(timClientDestroy(client, DEADLINE_MS));
}

CASE(strings_that_are_not_utf8, "each is named") {
    static const char *const ids[] = {"bob", NOT_UTF8_TEXT};
    TimClient client = new_client(GOOD_OPTIONS), untouched = 77;
    TimServer server = 77;
    REFUSED(timClientCreate("{\"server\":\"" NOT_UTF8_TEXT "\"}", &untouched), TIM_ERR_NOT_UTF8);
    CHECK_EQ(untouched, 77);
    REFUSED(timLogin(client, NOT_UTF8_TEXT, "sig", never, "user"), TIM_ERR_NOT_UTF8);
    CHECK(strstr(last_error(), "user_id") != NULL);
    REFUSED(timLogin(client, "bob", NOT_UTF8_TEXT, never, "sig"), TIM_ERR_NOT_UTF8);
    REFUSED(timRenewUserSig(client, NOT_UTF8_TEXT, never, "renew"), TIM_ERR_NOT_UTF8);
    /* Overlong, a lone surrogate, cut in the middle, past U+10FFFF. */
    static const char *const malformed[] = {"\xc0\x80", "\xed\xa0\x80", "a\xe2\x98", "\xf4\x90\x80\x80"};
    for (int i = 0; i < 4; i++) REFUSED(timSetSelfStatus(client, malformed[i], never, "set"), TIM_ERR_NOT_UTF8);
    REFUSED(timGetUserStatus(client, ids, 2, never, "query"), TIM_ERR_NOT_UTF8);
    CHECK(strstr(last_error(), "[1]") != NULL);
    REFUSED(timSubscribeUserStatus(client, ids, 2, never, "subscribe"), TIM_ERR_NOT_UTF8);
    REFUSED(timUnsubscribeUserStatus(client, ids, 2, never, "unsubscribe"), TIM_ERR_NOT_UTF8);
    REFUSED(timServerStart("{\"listen\":\"" NOT_UTF8_TEXT "\"}", &server), TIM_ERR_NOT_UTF8);
    ACCEPTED(timClientDestroy(client, DEADLINE_MS));
}

/* Options that are refused, with a word that the text must have. */
static const struct {
    const char *options, *named;
} wrong_options[] = {
    {"", "JSON"},
    {"[]", "object"},
    {"{\"server\":\"tim://127.0.0.1:1\"", "JSON"},
    {"{}", "server"},
    {"{\"server\":\"tim://127.0.0.1:1\"}", "sdk_app_id"},
    {"{\"server\":\"tim://127.0.0.1:1\",\"sdk_app_id\":1,\"colour\":1}", "colour"},
    {"{\"server\":\"tim://127.0.0.1:1\",\"sdk_app_id\":0}", "sdk_app_id"},
    {"{\"server\":\"tim://127.0.0.1:1\",\"sdk_app_id\":-1}", "sdk_app_id"},
    {"{\"server\":\"tim://127.0.0.1:1\",\"sdk_app_id\":\"1\"}", "sdk_app_id"},
    {"{\"server\":7,\"sdk_app_id\":1}", "server"},
    {"{\"server\":\"http://127.0.0.1:1\",\"sdk_app_id\":1}", "server"},
    {"{\"server\":\"tim://127.0.0.1:99999\",\"sdk_app_id\":1}", "server"},
    {"{\"server\":\"tim://127.0.0.1:1\",\"sdk_app_id\":1,\"delivery\":\"pigeon\"}", "delivery"},
    {"{\"server\":\"tim://127.0.0.1:1\",\"sdk_app_id\":1,\"queue_max\":0}", "queue_max"},
    {"{\"server\":\"tim://127.0.0.1:1\",\"sdk_app_id\":1,\"restore_subscriptions\":1}", "restore_subscriptions"},
};

CASE(options_that_are_wrong, "the key is named, the handle is not written") {
    for (size_t i = 0; i < sizeof wrong_options / sizeof wrong_options[0]; i++) {
        TimClient client = 77;
        int32_t code = timClientCreate(wrong_options[i].options, &client);
        if (code != TIM_ERR_INVALID_OPTIONS) FAIL("%s: %s", wrong_options[i].options, timErrorName(code));
        if (strstr(last_error(), wrong_options[i].named) == NULL)
            FAIL("%s: the text \"%s\" does not name %s", wrong_options[i].options, last_error(), wrong_options[i].named);
        CHECK_EQ(client, 77);
    }
}

CASE(options_of_the_embedded_server_that_are_wrong, "the same") {
    TimServer server = 77;
    REFUSED(timServerStart("{\"colour\":1}", &server), TIM_ERR_INVALID_OPTIONS);
    CHECK(strstr(last_error(), "colour") != NULL);
    REFUSED(timServerStart("{\"sdk_app_id\":\"x\"}", &server), TIM_ERR_INVALID_OPTIONS);
    REFUSED(timServerStart("{\"heartbeat_timeout_ms\":-1}", &server), TIM_ERR_INVALID_OPTIONS);
    CHECK(strstr(last_error(), "heartbeat_timeout_ms") != NULL);
    CHECK_EQ(server, 77);
}

CASE(numbers_out_of_range, "log levels, poll delivery that is not") {
    TimClient client = new_client(GOOD_OPTIONS);
    int32_t fd = 77;
    REFUSED(timSetLogCallback(client, 0, never_log, "log", never_freed), TIM_ERR_INVALID_ARGUMENT);
    REFUSED(timSetLogCallback(client, 6, never_log, "log", never_freed), TIM_ERR_INVALID_ARGUMENT);
    REFUSED(timPoll(client, 1, 0, NULL), TIM_ERR_UNSUPPORTED);
    REFUSED(timGetWakeFd(client, &fd), TIM_ERR_UNSUPPORTED);
    CHECK_EQ(fd, 77);
    static const char *const none[] = {"bob"};
    REFUSED(timUnsubscribeUserStatus(client, none, 0, never, "unsubscribe"), TIM_ERR_INVALID_ARGUMENT);
    ACCEPTED(timClientDestroy(client, DEADLINE_MS));
}

CASE(buffers_that_are_too_small, "needed says what suffices, nothing else is written") {
    TimServer server = 0;
    char small[4] = "abc", large[64];
    size_t needed = 0;
    ACCEPTED(timServerStart(NULL, &server));
    CHECK_EQ(timServerAddress(server, small, sizeof small, &needed), TIM_ERR_BUFFER_TOO_SMALL);
    CHECK_STR(small, "abc");
    CHECK(needed > sizeof small && needed <= sizeof large);
    CHECK_EQ(timServerAddress(server, NULL, 0, &needed), TIM_ERR_BUFFER_TOO_SMALL);
    ACCEPTED(timServerAddress(server, large, needed, NULL));
    CHECK_EQ(strlen(large) + 1, needed);
    REFUSED(timServerIssueUserSig(server, "", 60, large, sizeof large, NULL), TIM_ERR_INVALID_ARGUMENT);
    REFUSED(timServerIssueUserSig(server, "bob", 0, large, sizeof large, NULL), TIM_ERR_INVALID_ARGUMENT);
    ACCEPTED(timServerStop(server, DEADLINE_MS));
}

CASE(an_address_that_is_taken, "ADDRESS_IN_USE") {
    TimServer first = 0, second = 77;
    char address[64], options[128];
    ACCEPTED(timServerStart(NULL, &first));
    ACCEPTED(timServerAddress(first, address, sizeof address, NULL));
    snprintf(options, sizeof options, "{\"listen\":\"%s\"}", address + strlen("tim://"));
    REFUSED(timServerStart(options, &second), TIM_ERR_ADDRESS_IN_USE);
    CHECK_EQ(second, 77);
    ACCEPTED(timServerStop(first, DEADLINE_MS));
}
