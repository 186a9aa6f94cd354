/* 05 a hard day: a program that keeps its user's status, looks at a colleague's, and copes with all that goes wrong.
 *
 *     05_hard_day SERVER APP_ID USER COLLEAGUE SIGN_COMMAND
 *
 * SIGN_COMMAND stands for your backend: it prints a UserSig of USER. What happens, and what is the right answer to it:
 *
 *   too many calls (7008)            wait as long as the result says, then ask again
 *   user status switched off (72001) it is the app's setting: look again now and then
 *   connection lost                  nothing: the library reconnects. A call that was never sent (9523) may be made again; of
 *                                    one whose answer was lost (9508) nobody knows: again, if to do it twice does no harm
 *   the server forgot my status      the notification of my own status says so: set it again
 *   UserSig expired                  get another one from the backend, and log in with it
 *   logged in elsewhere (6208)       the user's wish: stop. To log in again by itself would be a fight of two machines
 *
 * One thread: the delivery "poll", and a loop with three things that become due. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "tim_presence.h"

#define MY_STATUS "at work"

enum { ASK_EVERY_MS = 50, LOOK_AGAIN_MS = 500, NEVER = -1 };

typedef struct Day {
    TimClient client;
    const char *user, *colleague, *sign_command;
    int64_t login_due, ask_due, set_due; /* when, by now_ms; NEVER: not now */
    int32_t last_refusal;                /* of asking; 0: it works */
    int32_t colleague_status;
    int over; /* exit status + 1 */
} Day;

static int64_t now_ms(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* ---- asking for the colleague's status ---- */

static void on_asked(const TimResult *result, void *user_data) {
    Day *day = user_data;
    if (result->code == TIM_OK) {
        if (day->last_refusal != 0) printf("asking works again\n");
        if (result->items[0]->status != day->colleague_status) {
            day->colleague_status = result->items[0]->status;
            printf("%s has status %d\n", day->colleague, (int)day->colleague_status);
        }
        day->last_refusal = 0;
        day->ask_due = now_ms() + ASK_EVERY_MS;
        return;
    }
    int news = result->code != day->last_refusal;
    day->last_refusal = result->code;
    day->ask_due = now_ms() + LOOK_AGAIN_MS;
    switch (result->code) {
    case TIM_ERR_RATE_LIMITED:
        day->ask_due = now_ms() + result->retry_after_ms;
        printf("too many calls: waiting %u ms\n", (unsigned)result->retry_after_ms);
        break;
    case TIM_ERR_STATUS_DISABLED:
        if (news) printf("user status is switched off: looking again now and then\n");
        break;
    case TIM_ERR_ACCOUNT_NOT_FOUND: /* has never logged in, and may yet */
        if (news) printf("nobody knows %s so far: looking again now and then\n", day->colleague);
        break;
    case TIM_ERR_NO_CONNECTION: /* never sent */
    case TIM_ERR_DISCONNECTED:  /* only asked, so to ask again does no harm */
        if (news) printf("no answer: asking again\n");
        break;
    case TIM_ERR_NOT_LOGGED_IN:
    case TIM_ERR_LOGGED_OUT: break; /* asked before the next login was done, whose result may have come already */
    default:
        /* The flags tell what a code that this program does not know is like. */
        if (timErrorFlags(result->code) & TIM_ERROR_FLAG_RETRIABLE) break;
        printf("cannot ask: %s (%d)\n", result->message, (int)result->code);
        day->ask_due = NEVER;
    }
}

static void ask(Day *day) {
    const char *const ids[] = {day->colleague};
    day->ask_due = NEVER;
    int32_t code = timGetUserStatus(day->client, ids, 1, on_asked, day);
    /* BUSY: as many calls wait as the queue holds. */
    if (code != TIM_OK) day->ask_due = now_ms() + LOOK_AGAIN_MS;
}

/* ---- keeping one's own status ---- */

static void on_set(const TimResult *result, void *user_data) {
    Day *day = user_data;
    if (result->code == TIM_OK) printf("my status is \"%s\"\n", MY_STATUS);
    /* 9508: done or not. To set what is set already changes nothing; that it was not set, nobody may come to tell. */
    else if (result->code == TIM_ERR_NO_CONNECTION || result->code == TIM_ERR_DISCONNECTED) day->set_due = now_ms();
    /* Everything else ends with the session. */
}

static void set_status(Day *day) {
    day->set_due = NEVER;
    if (timSetSelfStatus(day->client, MY_STATUS, on_set, day) == TIM_ERR_BUSY) day->set_due = now_ms() + LOOK_AGAIN_MS;
}

static void on_status(const TimUserStatus *const *changes, size_t count, void *user_data) {
    Day *day = user_data;
    for (size_t i = 0; i < count; i++) {
        int me = strcmp(changes[i]->user_id, day->user) == 0;
        if (me && changes[i]->status == TIM_STATUS_ONLINE && strcmp(changes[i]->custom_status, MY_STATUS) != 0) day->set_due = now_ms();
    }
}

/* ---- the session ---- */

static void on_login(const TimResult *result, void *user_data) {
    Day *day = user_data;
    if (result->code == TIM_OK) {
        printf("logged in\n");
        day->ask_due = now_ms();
    } else if (result->code == TIM_ERR_NO_CONNECTION || result->code == TIM_ERR_TOO_MANY_FAILURES) {
        printf("cannot log in now: %s\n", result->message);
        day->login_due = now_ms() + LOOK_AGAIN_MS + result->retry_after_ms;
    } else {
        printf("cannot log in: %s (%d)\n", result->message, (int)result->code);
        day->over = 1 + 1;
    }
}

/* Gets a UserSig from the backend and logs in with it. */
static void log_in(Day *day) {
    char sig[1024] = "";
    day->login_due = NEVER;
    FILE *backend = popen(day->sign_command, "r");
    if (backend != NULL && fgets(sig, sizeof sig, backend) == NULL) sig[0] = 0;
    if (backend != NULL) pclose(backend);
    sig[strcspn(sig, "\n")] = 0;
    if (sig[0] == 0 || timLogin(day->client, day->user, sig, on_login, day) != TIM_OK) day->login_due = now_ms() + LOOK_AGAIN_MS;
}

static void on_expired(void *user_data) {
    Day *day = user_data;
    printf("the UserSig expired: getting another one\n");
    day->login_due = now_ms();
}

static void on_kicked(int32_t code, const char *message, void *user_data) {
    Day *day = user_data;
    printf("logged out by the server: %s (%d)\n", message, (int)code);
    day->over = 1 + 3;
}

static void on_connection(int32_t state, int32_t code, const char *message, void *user_data) {
    (void)code, (void)user_data;
    if (state == TIM_CONNECTION_DISCONNECTED) printf("disconnected: %s\n", message);
    if (state == TIM_CONNECTION_CONNECTED) printf("connected\n");
}

static int is_due(int64_t due) { return due != NEVER && due <= now_ms(); }

int main(int argument_count, char **arguments) {
    if (argument_count != 6) {
        fprintf(stderr, "usage: %s SERVER APP_ID USER COLLEAGUE SIGN_COMMAND\n", arguments[0]);
        return 2;
    }
    Day day = {.user = arguments[3], .colleague = arguments[4], .sign_command = arguments[5], .ask_due = NEVER, .set_due = NEVER};
    char options[512];
    setvbuf(stdout, NULL, _IOLBF, 0);
    /* Calls do not wait long for a connection here, so that this program can say what it does. */
    snprintf(options, sizeof options, "{\"server\": \"%s\", \"sdk_app_id\": %llu, \"delivery\": \"poll\", \"disconnected_wait_ms\": 300}",
             arguments[1], strtoull(arguments[2], NULL, 10));
    if (timClientCreate(options, &day.client) != TIM_OK) {
        timLastErrorMessage(options, sizeof options, NULL);
        fprintf(stderr, "%s\n", options);
        return 2;
    }
    timSetUserStatusChangedCallback(day.client, on_status, &day, NULL);
    timSetConnectionStateCallback(day.client, on_connection, &day, NULL);
    timSetUserSigExpiredCallback(day.client, on_expired, &day, NULL);
    timSetKickedOfflineCallback(day.client, on_kicked, &day, NULL);
    while (!day.over) {
        if (is_due(day.login_due)) log_in(&day);
        if (is_due(day.set_due)) set_status(&day);
        if (is_due(day.ask_due)) ask(&day);
        if (timPoll(day.client, 0, 20, NULL) != TIM_OK) break;
    }
    timClientDestroy(day.client, 5000);
    return day.over == 0 ? 1 : day.over - 1;
}
