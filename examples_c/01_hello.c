/* 01 hello: a presence server and two clients, all in this process.
 *
 * alice subscribes to bob. bob logs in and sets his custom status to "in a call". alice is told of both, and the
 * program ends. Nothing needs to run beforehand; a real application leaves the server part out and logs in with a
 * UserSig that its backend made. */
#include <semaphore.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tim_presence.h"

static sem_t result_came;  /* posted by on_result */
static sem_t bob_in_a_call; /* posted by on_status when alice has seen it */

/* A call that was not accepted ends the example; an application would handle it. */
static void check(int32_t code, const char *what) {
    if (code == TIM_OK) return;
    fprintf(stderr, "%s: %s\n", what, timErrorMessage(code));
    exit(1);
}

/* Called once for each accepted call, on the client's callback thread. */
static void on_result(const TimResult *result, void *user_data) {
    const char *what = user_data;
    printf("%-22s %s\n", what, result->message);
    if (result->code != TIM_OK) exit(1);
    sem_post(&result_came);
}

static const char *status_name(int32_t status) {
    switch (status) {
    case TIM_STATUS_ONLINE: return "online";
    case TIM_STATUS_OFFLINE: return "offline";
    case TIM_STATUS_UNLOGINED: return "not logged in";
    default: return "unknown";
    }
}

/* Called whenever somebody whom this client watches changes; the pointers are valid only in here. */
static void on_status(const TimUserStatus *const *changes, size_t count, void *user_data) {
    const char *watcher = user_data;
    for (size_t i = 0; i < count; i++) {
        printf("%s is told:        %s is %s \"%s\"\n", watcher, changes[i]->user_id, status_name(changes[i]->status),
               changes[i]->custom_status);
        if (strcmp(changes[i]->user_id, "bob") == 0 && strcmp(changes[i]->custom_status, "in a call") == 0)
            sem_post(&bob_in_a_call);
    }
}

/* Creates a client of the server and logs it in. */
static TimClient log_in(TimServer server, const char *user) {
    char address[64], sig[1024], options[128];
    TimClient client = 0;
    check(timServerAddress(server, address, sizeof address, NULL), "timServerAddress");
    check(timServerIssueUserSig(server, user, 3600, sig, sizeof sig, NULL), "timServerIssueUserSig");
    snprintf(options, sizeof options, "{\"server\": \"%s\", \"sdk_app_id\": 1400000001}", address);
    check(timClientCreate(options, &client), "timClientCreate");
    check(timLogin(client, user, sig, on_result, "login"), "timLogin");
    sem_wait(&result_came);
    return client;
}

int main(void) {
    sem_init(&result_came, 0, 0);
    sem_init(&bob_in_a_call, 0, 0);
    setvbuf(stdout, NULL, _IOLBF, 0);

    TimServer server = 0;
    check(timServerStart("{\"sdk_app_id\": 1400000001}", &server), "timServerStart");

    TimClient alice = log_in(server, "alice");
    check(timSetUserStatusChangedCallback(alice, on_status, "alice", NULL), "timSetUserStatusChangedCallback");
    const char *whom[] = {"bob"};
    check(timSubscribeUserStatus(alice, whom, 1, on_result, "subscribe to bob"), "timSubscribeUserStatus");
    sem_wait(&result_came);

    TimClient bob = log_in(server, "bob");
    check(timSetSelfStatus(bob, "in a call", on_result, "set status"), "timSetSelfStatus");
    sem_wait(&result_came);
    sem_wait(&bob_in_a_call);

    check(timLogout(bob, on_result, "logout"), "timLogout");
    sem_wait(&result_came);

    /* After these return 0, no callback runs any more and nothing is left of the clients. */
    check(timClientDestroy(bob, 5000), "timClientDestroy");
    check(timClientDestroy(alice, 5000), "timClientDestroy");
    check(timServerStop(server, 5000), "timServerStop");
    return 0;
}
