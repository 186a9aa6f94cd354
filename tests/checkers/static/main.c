/* A program with two libraries written in Rust, both linked whole: ours, and other.rs. Both must work, neither may
 * notice the other. */
#include <semaphore.h>
#include <stdio.h>
#include <stdlib.h>

#include "tim_presence.h"

void other_begin(void);
int other_panic(void);

static sem_t done;
static int32_t code = -1000;

static void on_result(const TimResult *result, void *user_data) {
    (void)user_data;
    code = result->code;
    sem_post(&done);
}

static void check(int32_t actual, const char *what) {
    if (actual == TIM_OK) return;
    fprintf(stderr, "%s: %s\n", what, timErrorName(actual));
    exit(1);
}

int main(void) {
    TimServer server;
    TimClient client;
    char address[64], sig[1024], options[256];
    sem_init(&done, 0, 0);
    other_begin();
    check(timServerStart(NULL, &server), "timServerStart");
    check(timServerAddress(server, address, sizeof address, NULL), "timServerAddress");
    check(timServerIssueUserSig(server, "alice", 60, sig, sizeof sig, NULL), "timServerIssueUserSig");
    snprintf(options, sizeof options, "{\"server\":\"%s\",\"sdk_app_id\":1400000001}", address);
    /* Our first client silences panics: ours only. */
    check(timClientCreate(options, &client), "timClientCreate");
    check(timLogin(client, "alice", sig, on_result, NULL), "timLogin");
    while (sem_wait(&done) != 0) continue;
    check(code, "the login");
    int panics = other_panic();
    if (panics != 2) {
        fprintf(stderr, "the other library's panic hook saw %d panics of 2\n", panics);
        return 1;
    }
    check(timClientDestroy(client, 10000), "timClientDestroy");
    check(timServerStop(server, 10000), "timServerStop");
    printf("both work\n");
    return 0;
}
