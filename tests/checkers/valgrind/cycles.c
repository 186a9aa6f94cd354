/* cycles N: N times a server, and with it a client of each delivery that sets every listener, logs in, does a bit of
 * everything, replaces listeners, and is destroyed with calls pending. Frees all it allocates itself, so that whatever
 * valgrind finds at the end is the library's. Exits with 1 when a callback or a free_user_data is missing. */
#include <pthread.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tim_presence.h"

static atomic_int promised, completed, given, freed;
static sem_t one_done;

static void check(int32_t code, const char *what) {
    char text[512];
    if (code == TIM_OK) return;
    if (timLastErrorMessage(text, sizeof text, NULL) != TIM_OK) strcpy(text, "(no text)");
    fprintf(stderr, "%s: %s: %s\n", what, timErrorName(code), text);
    exit(1);
}
#define OK(call) check((call), #call)
/* A call that completes. */
#define PROMISED(call) (atomic_fetch_add(&promised, 1), OK(call))

/* Memory that only its own free function gives back, once. */
static void *gift(void) {
    atomic_fetch_add(&given, 1);
    return calloc(1, 16);
}
static void take_back(void *user_data) {
    free(user_data);
    atomic_fetch_add(&freed, 1);
}

static void on_result(const TimResult *result, void *user_data) {
    /* Reads all there is, so that valgrind sees whether it is there. */
    size_t length = strlen(result->message);
    for (size_t i = 0; i < result->item_count; i++) length += strlen(result->items[i]->user_id) + strlen(result->items[i]->custom_status);
    for (size_t i = 0; i < result->evicted_count; i++) length += strlen(result->evicted[i]);
    if (length == 0) abort();
    atomic_fetch_add(&completed, 1);
    if (user_data != NULL) sem_post(user_data);
}
static void on_status(const TimUserStatus *const *changes, size_t count, void *user_data) {
    for (size_t i = 0; i < count; i++) ((char *)user_data)[0] ^= (char)strlen(changes[i]->custom_status);
}
static void on_connection(int32_t state, int32_t code, const char *message, void *user_data) {
    ((char *)user_data)[1] ^= (char)(state + code + (int32_t)strlen(message));
}
static void on_kicked(int32_t code, const char *message, void *user_data) { ((char *)user_data)[2] ^= (char)(code + (int32_t)strlen(message)); }
static void on_expired(void *user_data) { ((char *)user_data)[3]++; }
static void on_evicted(const char *const *ids, size_t count, void *user_data) {
    for (size_t i = 0; i < count; i++) ((char *)user_data)[4] ^= ids[i][0];
}
static void on_log(int32_t level, const char *message, void *user_data) { ((char *)user_data)[5] ^= (char)(level + (int32_t)strlen(message)); }
static void on_thread(void *user_data) { ((char *)user_data)[6]++; }
static void on_wake(void *user_data) { ((char *)user_data)[7]++; }
static void on_closed(void *user_data) { sem_post(user_data); }

static void listen_to_all(TimClient client, int polled) {
    OK(timSetUserStatusChangedCallback(client, on_status, gift(), take_back));
    OK(timSetConnectionStateCallback(client, on_connection, gift(), take_back));
    OK(timSetKickedOfflineCallback(client, on_kicked, gift(), take_back));
    OK(timSetUserSigExpiredCallback(client, on_expired, gift(), take_back));
    OK(timSetSubscriptionEvictedCallback(client, on_evicted, gift(), take_back));
    OK(timSetLogCallback(client, TIM_LOG_TRACE, on_log, gift(), take_back));
    if (polled) OK(timSetWakeCallback(client, on_wake, gift(), take_back));
    else OK(timSetThreadHooks(client, on_thread, on_thread, gift(), take_back));
}

/* A thread that polls until the client is closed. */
static void *poll_all(void *argument) {
    TimClient client = *(TimClient *)argument;
    while (timPoll(client, 0, 1000, NULL) == TIM_OK) continue;
    return NULL;
}

static void await_one(void) {
    while (sem_wait(&one_done) != 0) continue;
}

static void one_client(TimServer server, const char *delivery, int asynchronous) {
    static const char *const ids[] = {"bob", "carol", "dave"};
    char address[64], sig[1024], options[256];
    int polled = strcmp(delivery, "poll") == 0;
    pthread_t poller;
    TimClient client;
    OK(timServerAddress(server, address, sizeof address, NULL));
    OK(timServerIssueUserSig(server, "alice", 600, sig, sizeof sig, NULL));
    snprintf(options, sizeof options, "{\"server\":\"%s\",\"sdk_app_id\":1400000001,\"delivery\":\"%s\"}", address, delivery);
    OK(timClientCreate(options, &client));
    if (polled && pthread_create(&poller, NULL, poll_all, &client) != 0) exit(1);
    int32_t fd;
    if (polled) OK(timGetWakeFd(client, &fd));
    listen_to_all(client, polled);
    PROMISED(timLogin(client, "alice", sig, on_result, &one_done));
    await_one();
    PROMISED(timSetSelfStatus(client, "busy", on_result, NULL));
    PROMISED(timSubscribeUserStatus(client, ids, 3, on_result, NULL));
    PROMISED(timGetUserStatus(client, ids, 2, on_result, NULL));
    PROMISED(timGetSubscriptions(client, on_result, NULL));
    PROMISED(timGetFriends(client, on_result, NULL));
    PROMISED(timRenewUserSig(client, sig, on_result, &one_done));
    await_one();
    listen_to_all(client, polled);
    OK(timSetKickedOfflineCallback(client, NULL, NULL, NULL));
    PROMISED(timUnsubscribeUserStatus(client, NULL, 0, on_result, NULL));
    PROMISED(timLogout(client, on_result, &one_done));
    await_one();
    PROMISED(timLogin(client, "alice", sig, on_result, &one_done));
    await_one();
    for (int i = 0; i < 5; i++) PROMISED(timSetSelfStatus(client, i % 2 == 0 ? "a" : "b", on_result, NULL));
    if (asynchronous) {
        OK(timClientDestroyAsync(client, on_closed, &one_done));
        await_one();
    }
    /* After the asynchronous form the handle may be gone already; this then says so. */
    int32_t code = timClientDestroy(client, 60000);
    if (!asynchronous || code != TIM_ERR_INVALID_HANDLE) check(code, "timClientDestroy");
    if (polled && pthread_join(poller, NULL) != 0) exit(1);
}

int main(int count, char **arguments) {
    int cycles = count > 1 ? atoi(arguments[1]) : 1;
    sem_init(&one_done, 0, 0);
    for (int i = 0; i < cycles; i++) {
        TimServer server;
        OK(timServerStart("{\"loops\":2,\"rate_calls\":100000}", &server));
        one_client(server, "thread", i % 2);
        one_client(server, "shared", i % 2);
        one_client(server, "poll", i % 2);
        OK(timServerStop(server, 60000));
    }
    sem_destroy(&one_done);
    printf("%d cycles: %d of %d calls completed, %d of %d gifts taken back\n", cycles, completed, promised, freed, given);
    return completed != promised || freed != given;
}
