/* 07 original names: user status by the original's C functions, with libImSDK.
 *
 *     TIM_PRESENCE_SERVER=SERVER 07_original_names APP_ID USER USERSIG WATCHED
 *
 * logs USER in, sets a custom status, says what WATCHED's status is, and then each change of it until the standard input
 * ends. Nothing here is tim-presence's but the header: a program written for the original looks the same, and needs only
 * the library file and the address of the server replaced (docs/MIGRATING.md). For a UserSig:
 *
 *     tim-presence-server sign --app APP_ID --key KEY --user USER */
#include <semaphore.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "imsdk/TIMCloud.h"

/* The result of one call, handed from the callback thread to main. */
typedef struct Waiting {
    sem_t came;
    int32_t code;
} Waiting;

static void on_result(int32_t code, const char *desc, const char *json_params, const void *user_data) {
    Waiting *waiting = (Waiting *)(uintptr_t)user_data;
    waiting->code = code;
    if (code != 0) fprintf(stderr, "refused: %s (%d)\n", desc, (int)code);
    else if (json_params[0] != 0) printf("%s\n", json_params);
    sem_post(&waiting->came);
}

/* Waits for the result of a call that returned `accepted`. 1: it was accepted and succeeded. */
static int succeeded(int accepted, Waiting *waiting) {
    if (accepted != TIM_SUCC) {
        fprintf(stderr, "not accepted (%d)\n", accepted);
        return 0;
    }
    sem_wait(&waiting->came);
    return waiting->code == 0;
}

/* A real program would read the JSON; its keys are in the header. */
static void on_status(const char *json_user_status_array, const void *user_data) {
    (void)user_data;
    printf("changed: %s\n", json_user_status_array);
}

static void on_network(enum TIMNetworkStatus status, int32_t code, const char *desc, const void *user_data) {
    (void)user_data;
    if (status == kTIMConnectFailed || status == kTIMDisconnected) fprintf(stderr, "no connection: %s (%d)\n", desc, (int)code);
}

static void on_kicked(const void *user_data) {
    (void)user_data;
    fprintf(stderr, "logged out by another login or the server\n");
    exit(3);
}

int main(int argument_count, char **arguments) {
    if (argument_count != 5) {
        fprintf(stderr, "usage: TIM_PRESENCE_SERVER=SERVER %s APP_ID USER USERSIG WATCHED\n", arguments[0]);
        return 2;
    }
    setvbuf(stdout, NULL, _IOLBF, 0);
    const char *user = arguments[2], *sig = arguments[3];
    char watched[128];
    snprintf(watched, sizeof watched, "[\"%s\"]", arguments[4]);

    Waiting waiting = {.code = 0};
    sem_init(&waiting.came, 0, 0);
    TIMSetUserStatusChangedCallback(on_status, NULL);
    TIMSetNetworkStatusListenerCallback(on_network, NULL);
    TIMSetKickedOfflineCallback(on_kicked, NULL);
    if (TIMInit(strtoull(arguments[1], NULL, 10), "{}") != TIM_SUCC) {
        fprintf(stderr, "no app: %s\n", arguments[1]);
        return 2;
    }

    int ok = succeeded(TIMLogin(user, sig, on_result, &waiting), &waiting);
    if (ok) {
        ok = succeeded(TIMSetSelfStatus("{\"user_status_custom_status\":\"hello\"}", on_result, &waiting), &waiting) &&
             succeeded(TIMGetUserStatus(watched, on_result, &waiting), &waiting) &&
             succeeded(TIMSubscribeUserStatus(watched, on_result, &waiting), &waiting);
        while (ok && getchar() != EOF) continue;
        ok = succeeded(TIMLogout(on_result, &waiting), &waiting) && ok;
    }
    TIMUninit();
    return ok ? 0 : 1;
}
