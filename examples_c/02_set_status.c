/* 02 set status: logs in to a server and sets the user's custom status.
 *
 *     02_set_status SERVER APP_ID USER USERSIG [STATUS]
 *
 * sets STATUS, then each line of the standard input as it comes ("" clears it), and logs out at its end. While this
 * program waits for input the user is online; kill it, and whoever watches the user is told OFFLINE. For a UserSig:
 *
 *     tim-presence-server sign --app APP_ID --key KEY --user USER */
#include <semaphore.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tim_presence.h"

/* The result of one call, handed from the callback thread to main. */
typedef struct Waiting {
    sem_t came;
    int32_t code;
} Waiting;

static void on_result(const TimResult *result, void *user_data) {
    Waiting *waiting = user_data;
    waiting->code = result->code;
    if (result->code != TIM_OK) fprintf(stderr, "refused: %s (%d)\n", result->message, (int)result->code);
    sem_post(&waiting->came);
}

/* Waits for the result of a call that answered `accepted`. 1: it was accepted and succeeded. */
static int succeeded(int32_t accepted, Waiting *waiting) {
    if (accepted != TIM_OK) {
        fprintf(stderr, "not accepted: %s\n", timErrorMessage(accepted));
        return 0;
    }
    sem_wait(&waiting->came);
    return waiting->code == TIM_OK;
}

static void on_kicked(int32_t code, const char *message, void *user_data) {
    (void)user_data;
    fprintf(stderr, "logged out by the server: %s (%d)\n", message, (int)code);
    exit(3);
}

/* The connection is the library's business: it reconnects by itself. This is only for the user to see. */
static void on_connection(int32_t state, int32_t code, const char *message, void *user_data) {
    (void)code, (void)user_data;
    if (state == TIM_CONNECTION_DISCONNECTED) fprintf(stderr, "disconnected: %s\n", message);
}

static int set_status(TimClient client, Waiting *waiting, const char *status) {
    if (!succeeded(timSetSelfStatus(client, status, on_result, waiting), waiting)) return 0;
    printf(status[0] != 0 ? "status: %s\n" : "status cleared%s\n", status);
    return 1;
}

int main(int argument_count, char **arguments) {
    if (argument_count < 5 || argument_count > 6) {
        fprintf(stderr, "usage: %s SERVER APP_ID USER USERSIG [STATUS]\n", arguments[0]);
        return 2;
    }
    setvbuf(stdout, NULL, _IOLBF, 0);
    const char *user = arguments[3], *sig = arguments[4];
    char options[512], line[256];
    snprintf(options, sizeof options, "{\"server\": \"%s\", \"sdk_app_id\": %llu}", arguments[1], strtoull(arguments[2], NULL, 10));

    TimClient client = 0;
    Waiting waiting = {.code = TIM_OK};
    sem_init(&waiting.came, 0, 0);
    if (timClientCreate(options, &client) != TIM_OK) {
        timLastErrorMessage(line, sizeof line, NULL);
        fprintf(stderr, "%s\n", line);
        return 2;
    }
    timSetKickedOfflineCallback(client, on_kicked, NULL, NULL);
    timSetConnectionStateCallback(client, on_connection, NULL, NULL);

    int ok = succeeded(timLogin(client, user, sig, on_result, &waiting), &waiting);
    if (ok) {
        printf("%s is online\n", user);
        if (argument_count == 6) ok = set_status(client, &waiting, arguments[5]);
        /* A status that is refused (too long, say) is no reason to leave. */
        while (fgets(line, sizeof line, stdin) != NULL) {
            line[strcspn(line, "\n")] = 0;
            set_status(client, &waiting, line);
        }
        ok = succeeded(timLogout(client, on_result, &waiting), &waiting) && ok;
        if (ok) printf("%s has logged out\n", user);
    }
    timClientDestroy(client, 5000);
    return ok ? 0 : 1;
}
