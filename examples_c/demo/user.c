/* One user of the demo, in a process of its own. The director (demo.c) starts it and writes commands to its standard input:
 *
 *     demo_user SERVER APP_ID USER USERSIG [WATCHED...]
 *     set TEXT     sets the custom status; "set " clears it
 *     logout       logs out
 *
 * It prints "ready" when it is logged in and watches whom it should, and for each change it is told of
 * "told MICROSECONDS USER STATUS REASON CUSTOM", with the time on the clock that all processes share. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "process.h"
#include "tim_presence.h"

typedef struct Watched {
    TimClient client;
    const char *const *users;
    size_t count;
} Watched;

static void on_status(const TimUserStatus *const *changes, size_t count, void *user_data) {
    (void)user_data;
    for (size_t i = 0; i < count; i++)
        printf("told %lld %s %d %d %s\n", (long long)monotonic_us(), changes[i]->user_id, (int)changes[i]->status, (int)changes[i]->reason,
               changes[i]->custom_status);
    fflush(stdout);
}

/* Nothing in the demo may be refused. user_data is the word to print when it succeeded. */
static void on_result(const TimResult *result, void *user_data) {
    if (result->code != TIM_OK) {
        fprintf(stderr, "demo_user: %s: %s (%d)\n", (const char *)user_data, result->message, (int)result->code);
        exit(1);
    }
    printf("%s\n", (const char *)user_data);
    fflush(stdout);
}

static void on_login(const TimResult *result, void *user_data) {
    const Watched *watched = user_data;
    if (result->code != TIM_OK || watched->count == 0) {
        on_result(result, "ready");
        return;
    }
    if (timSubscribeUserStatus(watched->client, watched->users, watched->count, on_result, "ready") != TIM_OK) exit(1);
}

int main(int argument_count, char **arguments) {
    char options[512], line[256];
    if (argument_count < 5) return 2;
    Watched watched = {0, (const char *const *)arguments + 5, (size_t)argument_count - 5};
    snprintf(options, sizeof options, "{\"server\": \"%s\", \"sdk_app_id\": %llu}", arguments[1], strtoull(arguments[2], NULL, 10));
    if (timClientCreate(options, &watched.client) != TIM_OK) return 1;
    if (timSetUserStatusChangedCallback(watched.client, on_status, NULL, NULL) != TIM_OK) return 1;
    if (timLogin(watched.client, arguments[3], arguments[4], on_login, &watched) != TIM_OK) return 1;

    while (fgets(line, sizeof line, stdin) != NULL) {
        line[strcspn(line, "\n")] = 0;
        int32_t accepted = TIM_ERR_UNSUPPORTED;
        if (strncmp(line, "set ", 4) == 0) accepted = timSetSelfStatus(watched.client, line + 4, on_result, "set");
        if (strcmp(line, "logout") == 0) accepted = timLogout(watched.client, on_result, "logout");
        if (accepted != TIM_OK) {
            fprintf(stderr, "demo_user: %s: %s\n", line, timErrorMessage(accepted));
            return 1;
        }
    }
    return timClientDestroy(watched.client, 5000) == TIM_OK ? 0 : 1;
}
