/* 03 watch: a live table of the users it subscribes to.
 *
 *     03_watch [--seconds N] SERVER APP_ID USER USERSIG WATCHED...
 *
 * On a terminal the table is drawn anew at each change; else each change is a line. Ends on Ctrl-C, or after N
 * seconds. Uses the delivery "poll": every callback runs inside timPoll, on this thread, so there is nothing to lock. */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "tim_presence.h"

enum { ROWS_MAX = 200 }; /* as many as a user may subscribe to */

typedef struct Row {
    char user[33], custom[101];
    int32_t status;
} Row;

static Row rows[ROWS_MAX];
static size_t row_count;
static TimClient client;
static int on_terminal, failed;
static volatile sig_atomic_t interrupted;

static const char *status_name(int32_t status) {
    switch (status) {
    case TIM_STATUS_ONLINE: return "online";
    case TIM_STATUS_OFFLINE: return "offline";
    case TIM_STATUS_UNLOGINED: return "not logged in";
    default: return "unknown";
    }
}

/* Takes one user's status into the table, and prints it unless the whole table will be drawn. */
static void take(const TimUserStatus *user) {
    for (size_t i = 0; i < row_count; i++) {
        if (strcmp(rows[i].user, user->user_id) != 0) continue;
        rows[i].status = user->status;
        snprintf(rows[i].custom, sizeof rows[i].custom, "%s", user->custom_status);
        if (!on_terminal) printf("%s: %s \"%s\"\n", user->user_id, status_name(user->status), user->custom_status);
    }
}

static void draw(void) {
    if (!on_terminal) return;
    printf("\033[H\033[J\033[1m%-20s %-14s %s\033[0m\n", "user", "status", "custom status");
    for (size_t i = 0; i < row_count; i++)
        printf("%-20s %s%-14s\033[0m %s\n", rows[i].user, rows[i].status == TIM_STATUS_ONLINE ? "\033[32m" : "\033[2m",
               status_name(rows[i].status), rows[i].custom);
}

static void on_status(const TimUserStatus *const *changes, size_t count, void *user_data) {
    (void)user_data;
    for (size_t i = 0; i < count; i++) take(changes[i]);
    draw();
}

static void report(const char *what, const TimResult *result) {
    if (result->code == TIM_OK) return;
    fprintf(stderr, "%s: %s (%d)\n", what, result->message, (int)result->code);
    failed = 1;
}

/* Brings the status of each user as it is now; whatever happens later comes by on_status. */
static void on_subscribed(const TimResult *result, void *user_data) {
    (void)user_data;
    report("subscribe", result);
    for (size_t i = 0; i < result->item_count; i++) {
        if (result->items[i]->code == TIM_OK) take(result->items[i]);
        else fprintf(stderr, "%s: %s\n", result->items[i]->user_id, timErrorMessage(result->items[i]->code));
    }
    draw();
}

/* From inside a callback every function may be called. */
static void on_login(const TimResult *result, void *user_data) {
    report("login", result);
    if (!failed) failed = timSubscribeUserStatus(client, user_data, row_count, on_subscribed, NULL) != TIM_OK;
}

static void on_interrupt(int signal_number) { interrupted = signal_number; }

int main(int argument_count, char **arguments) {
    int first = 1;
    time_t end = 0;
    if (argument_count > 2 && strcmp(arguments[1], "--seconds") == 0) {
        end = time(NULL) + atoi(arguments[2]);
        first = 3;
    }
    if (argument_count - first < 5 || argument_count - first - 4 > ROWS_MAX) {
        fprintf(stderr, "usage: %s [--seconds N] SERVER APP_ID USER USERSIG WATCHED...\n", arguments[0]);
        return 2;
    }
    char **given = arguments + first, options[512];
    /* given: server, app id, user, UserSig, and then whom to watch */
    for (row_count = 0; row_count < (size_t)(argument_count - first - 4); row_count++)
        snprintf(rows[row_count].user, sizeof rows[0].user, "%s", given[4 + row_count]);
    setvbuf(stdout, NULL, _IOLBF, 0);
    on_terminal = isatty(1);
    signal(SIGINT, on_interrupt);

    snprintf(options, sizeof options, "{\"server\": \"%s\", \"sdk_app_id\": %llu, \"delivery\": \"poll\"}", given[0],
             strtoull(given[1], NULL, 10));
    failed = timClientCreate(options, &client) != TIM_OK ||
             timSetUserStatusChangedCallback(client, on_status, NULL, NULL) != TIM_OK ||
             timLogin(client, given[2], given[3], on_login, given + 4) != TIM_OK;
    while (!failed && !interrupted && (end == 0 || time(NULL) < end))
        if (timPoll(client, 64, 200, NULL) != TIM_OK) break;
    timClientDestroy(client, 5000);
    return failed;
}
