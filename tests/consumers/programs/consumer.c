/* A program of somebody else's, with nothing but the installed library: logs a user in, sets its status, asks the server
 * for it, logs out.  consumer_c ADDRESS APP USER USERSIG; prints what the server said, and answers 0 if all went well. */
#include <stdio.h>
#include <string.h>
#include <tim_presence.h>

static int finished, failed;

static TimClient client;

/* The result of one call is the beginning of the next. */
static void said(const TimResult *result, void *step) {
    if (result->code != TIM_OK) {
        fprintf(stderr, "%s: %d %s\n", (const char *)step, (int)result->code, result->message);
        failed = finished = 1;
        return;
    }
    if (strcmp(step, "login") == 0) {
        timSetSelfStatus(client, "linked", said, "set");
    } else if (strcmp(step, "set") == 0) {
        char user[33];
        const char *users[1];
        timGetLoginUser(client, user, sizeof user, NULL);
        users[0] = user;
        timGetUserStatus(client, users, 1, said, "query");
    } else if (strcmp(step, "query") == 0) {
        printf("C: %s is %d \"%s\"\n", result->items[0]->user_id, (int)result->items[0]->status, result->items[0]->custom_status);
        timLogout(client, said, "logout");
    } else {
        finished = 1;
    }
}

int main(int argc, char **argv) {
    char options[256];
    if (argc != 5) return 2;
    if (timCheckAbi(TIM_ABI_MAJOR, TIM_ABI_MINOR) != TIM_OK || strcmp(timVersion(), TIM_VERSION_STRING) != 0) return 3;
    snprintf(options, sizeof options, "{\"server\": \"%s\", \"sdk_app_id\": %s, \"delivery\": \"poll\"}", argv[1], argv[2]);
    if (timClientCreate(options, &client) != TIM_OK) return 4;
    if (timLogin(client, argv[3], argv[4], said, "login") != TIM_OK) return 5;
    while (!finished && timPoll(client, 0, 1000, NULL) == TIM_OK) continue;
    if (timClientDestroy(client, 5000) != TIM_OK) return 6;
    return failed;
}
