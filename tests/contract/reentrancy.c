/* Every function of the header, called from every kind of callback, under each delivery (docs/C_API.md, "Callbacks", 4).
 * None waits, each answers what rules.txt says; at last the client ends itself, and everything accepted comes to its end. */
#include <pthread.h>
#include <stdlib.h>

#include "arguments.h"
#include "contract.h"

#include "generated_functions.inc"

enum { FUNCTIONS = sizeof every_function / sizeof every_function[0] };

typedef enum Delivery { DELIVERY_THREAD, DELIVERY_SHARED, DELIVERY_POLL } Delivery;
static const char *const delivery_names[] = {"thread", "shared", "poll"};

/* One kind of callback of one client. */
typedef struct Scene {
    const char *where;
    Delivery delivery;
    Home home;
    TimClient client;
    int is_gone; /* the handle is no longer valid where the callback runs */
    int ran;
    Signal done;
    Arguments calls[FUNCTIONS];
    int32_t answers[FUNCTIONS];
} Scene;

static int32_t expected_of(const Scene *scene, const Function *function) {
    int on_client = function->needs == NEEDS_thread || function->needs == NEEDS_poll;
    if (on_client && scene->is_gone) return TIM_ERR_INVALID_HANDLE;
    if (function->needs == NEEDS_poll && scene->delivery != DELIVERY_POLL) return TIM_ERR_UNSUPPORTED;
    if (scene->delivery == DELIVERY_POLL && strcmp(function->name, "timSetThreadHooks") == 0) return TIM_ERR_UNSUPPORTED;
    return function->inside;
}

static void call_one(Scene *scene, size_t index) {
    const Function *function = &every_function[index];
    TimServer server = 0;
    if (function->needs == NEEDS_server) ACCEPTED(timServerStart("{\"loops\":1}", &server));
    Arguments *a = &scene->calls[index];
    good_arguments(a, function, scene->client, server);
    int32_t answer = scene->answers[index] = function->call(a), expected = expected_of(scene, function);
    if (answer != expected)
        FAIL("%s in %s with delivery %s answered %s, not %s (%s)", function->name, scene->where, delivery_names[scene->delivery],
             timErrorName(answer), timErrorName(expected), last_error());
    drop_made(a);
    if (server != 0) timServerStop(server, DEADLINE_MS);
}

/* Runs in the callback. */
static void call_every_function(Scene *scene) {
    if (scene->ran++ > 0) return;
    size_t ends_it = FUNCTIONS;
    for (size_t i = 0; i < FUNCTIONS; i++) {
        if (strcmp(every_function[i].name, "timClientDestroyAsync") == 0) ends_it = i;
        else call_one(scene, i);
    }
    CHECK(ends_it < FUNCTIONS);
    call_one(scene, ends_it);
    post(&scene->done);
}

/* ---- the callbacks ---- */

static void in_result(const TimResult *result, void *user_data) {
    (void)result;
    call_every_function(user_data);
}
static void in_status(const TimUserStatus *const *changes, size_t count, void *user_data) {
    (void)changes, (void)count;
    call_every_function(user_data);
}
static void in_connection(int32_t state, int32_t code, const char *message, void *user_data) {
    (void)state, (void)code, (void)message;
    call_every_function(user_data);
}
static void in_kicked(int32_t code, const char *message, void *user_data) {
    (void)code, (void)message;
    call_every_function(user_data);
}
static void in_evicted(const char *const *ids, size_t count, void *user_data) {
    (void)ids, (void)count;
    call_every_function(user_data);
}
static void in_log(int32_t level, const char *message, void *user_data) {
    (void)level, (void)message;
    call_every_function(user_data);
}
static void in_plain(void *user_data) { call_every_function(user_data); }
static void status_nothing(const TimUserStatus *const *changes, size_t count, void *user_data) {
    (void)changes, (void)count, (void)user_data;
}

/* ---- how each comes to be called ---- */

static void log_in(Scene *scene) {
    ACCEPTED(timLogin(scene->client, "alice", home_user_sig(&scene->home, "alice", 3600), NULL, NULL));
}

static void cause_result(Scene *scene) { ACCEPTED(timGetSubscriptions(scene->client, in_result, scene)); }
static void cause_status(Scene *scene) {
    ACCEPTED(timSetUserStatusChangedCallback(scene->client, in_status, scene, NULL));
    log_in(scene);
}
static void cause_connection(Scene *scene) {
    ACCEPTED(timSetConnectionStateCallback(scene->client, in_connection, scene, NULL));
    log_in(scene);
}

/* Another device of the platform logs in once this one has. */
static void kick(const TimResult *result, void *user_data) {
    Scene *scene = user_data;
    CHECK_EQ(result->code, 0);
    TimClient other = raw_client(scene->home.address, "");
    ACCEPTED(timLogin(other, "alice", home_user_sig(&scene->home, "alice", 3600), NULL, NULL));
}
static void cause_kicked(Scene *scene) {
    ACCEPTED(timSetKickedOfflineCallback(scene->client, in_kicked, scene, NULL));
    ACCEPTED(timLogin(scene->client, "alice", home_user_sig(&scene->home, "alice", 3600), kick, scene));
}
/* A UserSig that is over before the server sees it, as on a busy machine, is a refused login and no expiry. */
static void log_in_for_longer(const TimResult *result, void *user_data) {
    static uint32_t valid_s;
    Scene *scene = user_data;
    if (result == NULL) valid_s = 2;
    else if (result->code == TIM_ERR_USER_SIG_EXPIRED) valid_s *= 2;
    else return;
    CHECK(valid_s < DEADLINE_MS / 1000);
    ACCEPTED(timLogin(scene->client, "alice", home_user_sig(&scene->home, "alice", valid_s), log_in_for_longer, scene));
}
static void cause_expired(Scene *scene) {
    ACCEPTED(timSetUserSigExpiredCallback(scene->client, in_plain, scene, NULL));
    log_in_for_longer(NULL, scene);
}

static void subscribe_to_two(const TimResult *result, void *user_data) {
    static const char *const ids[] = {"bob", "carol"};
    CHECK_EQ(result->code, 0);
    ACCEPTED(timSubscribeUserStatus(((Scene *)user_data)->client, ids, 2, NULL, NULL));
}
static void cause_evicted(Scene *scene) {
    ACCEPTED(timSetSubscriptionEvictedCallback(scene->client, in_evicted, scene, NULL));
    ACCEPTED(timLogin(scene->client, "alice", home_user_sig(&scene->home, "alice", 3600), subscribe_to_two, scene));
}
static void cause_log(Scene *scene) {
    ACCEPTED(timSetLogCallback(scene->client, TIM_LOG_TRACE, in_log, scene, NULL));
    log_in(scene);
}
static void cause_freed(Scene *scene) {
    ACCEPTED(timSetUserStatusChangedCallback(scene->client, status_nothing, scene, in_plain));
    ACCEPTED(timSetUserStatusChangedCallback(scene->client, NULL, NULL, NULL));
}
static void cause_start(Scene *scene) { ACCEPTED(timSetThreadHooks(scene->client, in_plain, NULL, scene, NULL)); }
static void cause_stop(Scene *scene) {
    ACCEPTED(timSetThreadHooks(scene->client, NULL, in_plain, scene, NULL));
    ACCEPTED(timSetThreadHooks(scene->client, NULL, NULL, NULL, NULL));
}
static void cause_closed(Scene *scene) {
    scene->is_gone = 1;
    ACCEPTED(timClientDestroyAsync(scene->client, in_plain, scene));
}

/* ---- what happens then ---- */

static void play(const char *where, Delivery delivery, void (*cause)(Scene *)) {
    static Scene scene;
    char options[64];
    memset(&scene, 0, sizeof scene);
    scene.where = where;
    scene.delivery = delivery;
    scene.home = home_start("\"subscriptions_max\":1,\"loops\":1");
    snprintf(options, sizeof options, "\"delivery\":\"%s\"", delivery_names[delivery]);
    scene.client = raw_client(scene.home.address, options);
    cause(&scene);
    if (delivery == DELIVERY_POLL) poll_until(scene.client, &scene.done, 1, where);
    await_posts(&scene.done, 1, where);
    /* It ended itself; whoever waits for that may. */
    int32_t code = timClientDestroy(scene.client, DEADLINE_MS);
    CHECK(code == TIM_OK || code == TIM_ERR_INVALID_HANDLE);
    CHECK_EQ(timNotifyNetworkChanged(scene.client), TIM_ERR_INVALID_HANDLE);
    for (size_t i = 0; i < FUNCTIONS; i++) {
        const Function *function = &every_function[i];
        const Arguments *a = &scene.calls[i];
        if (scene.answers[i] != TIM_OK) continue;
        /* The handle goes just before `closed` is called; after that only the thread's hooks end and are freed. */
        if (closes_due(a, function)) await_closed(a, where);
        if (frees_due(a, function)) await_freed(a, where);
    }
    for (size_t i = 0; i < FUNCTIONS; i++) {
        const Function *function = &every_function[i];
        const Arguments *a = &scene.calls[i];
        int accepted = scene.answers[i] == TIM_OK;
        if (a->results != (accepted ? results_due(a, function) : 0)) FAIL("%s in %s: %d results", function->name, where, a->results);
        if (a->frees != (accepted ? frees_due(a, function) : 0)) FAIL("%s in %s: freed %d times", function->name, where, a->frees);
        if (a->closes != (accepted ? closes_due(a, function) : 0)) FAIL("%s in %s: closed %d times", function->name, where, a->closes);
    }
    home_stop(&scene.home);
}

static void play_everywhere(const char *where, void (*cause)(Scene *)) {
    for (Delivery delivery = DELIVERY_THREAD; delivery <= DELIVERY_POLL; delivery++) play(where, delivery, cause);
}

/* Poll delivery has no threads of ours to hook. */
static void play_on_threads(const char *where, void (*cause)(Scene *)) {
    play(where, DELIVERY_THREAD, cause);
    play(where, DELIVERY_SHARED, cause);
}

CASE(from_a_result, "every function; timClientDestroy would deadlock, its asynchronous form ends the client") {
    play_everywhere("a result", cause_result);
}
CASE(from_the_status_listener, "every function") { play_everywhere("the status listener", cause_status); }
CASE(from_the_connection_listener, "every function") { play_everywhere("the connection listener", cause_connection); }
CASE(from_the_kicked_listener, "every function") { play_everywhere("the kicked listener", cause_kicked); }
CASE(from_the_expired_listener, "every function") { play_everywhere("the expired listener", cause_expired); }
CASE(from_the_evicted_listener, "every function") { play_everywhere("the evicted listener", cause_evicted); }
CASE(from_the_log, "every function") { play_everywhere("the log", cause_log); }
CASE(from_a_free, "every function") { play_everywhere("free_user_data", cause_freed); }
CASE(from_on_start, "every function") { play_on_threads("on_start", cause_start); }
CASE(from_on_stop, "every function") { play_on_threads("on_stop", cause_stop); }
CASE(from_closed, "every function; the handle is no longer valid there") { play_everywhere("closed", cause_closed); }

/* ---- companions ---- */

typedef struct Pair {
    TimClient own, other;
    int32_t destroyed_other;
    Signal done;
} Pair;

static void destroy_the_other(const TimResult *result, void *user_data) {
    (void)result;
    Pair *pair = user_data;
    pair->destroyed_other = timClientDestroy(pair->other, DEADLINE_MS);
    post(&pair->done);
}

static int32_t destroy_another_inside(const char *own_options, const char *other_options) {
    Pair pair = {.own = raw_client(nobodys_address(), own_options), .other = raw_client(nobodys_address(), other_options)};
    ACCEPTED(timGetSubscriptions(pair.own, destroy_the_other, &pair));
    await_posts(&pair.done, 1, "the result");
    raw_destroy(pair.own);
    if (pair.destroyed_other != TIM_OK) raw_destroy(pair.other);
    return pair.destroyed_other;
}

CASE(of_another_client, "destroying another client waits; with \"shared\" delivery of both it would deadlock") {
    CHECK_EQ(destroy_another_inside("", ""), TIM_OK);
    CHECK_EQ(destroy_another_inside("", "\"delivery\":\"shared\""), TIM_OK);
    CHECK_EQ(destroy_another_inside("\"delivery\":\"shared\"", ""), TIM_OK);
    CHECK_EQ(destroy_another_inside("\"delivery\":\"shared\"", "\"delivery\":\"shared\""), TIM_ERR_WOULD_DEADLOCK);
}
