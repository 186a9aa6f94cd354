/* 04 event loop: an application that has a loop of its own, on poll(2), and no other thread.
 *
 *     04_event_loop SERVER APP_ID USER USERSIG
 *
 * Its loop waits for three things: lines on the standard input, the wake descriptor of the client, and a clock. With the
 * delivery "poll" every callback runs inside timPoll, on this thread: nothing to lock, nothing happens behind the loop's
 * back. The lines it obeys: "set TEXT", "watch USER", "quit". */
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tim_presence.h"

enum { TICK_MS = 1000 }; /* for whatever else the application does from time to time */

static TimClient client;
static int logged_in, quitting, failed;

/* ---- callbacks, all on the loop's thread ---- */

static void on_status(const TimUserStatus *const *changes, size_t count, void *user_data) {
    (void)user_data;
    for (size_t i = 0; i < count; i++)
        printf("%s: status %d \"%s\"\n", changes[i]->user_id, (int)changes[i]->status, changes[i]->custom_status);
}

static void on_connection(int32_t state, int32_t code, const char *message, void *user_data) {
    (void)code, (void)user_data;
    if (state == TIM_CONNECTION_DISCONNECTED && logged_in && !quitting) printf("disconnected: %s\n", message);
}

static void on_done(const TimResult *result, void *user_data) {
    printf("%s: %s\n", (const char *)user_data, result->message);
}

static void on_login(const TimResult *result, void *user_data) {
    on_done(result, user_data);
    logged_in = result->code == TIM_OK;
    failed = !logged_in;
}

static void on_logout(const TimResult *result, void *user_data) {
    on_done(result, user_data);
    quitting = 2;
}

/* ---- what the loop does when something is there ---- */

/* A call that is not accepted says so at once; its callback does not come. */
static void accepted(int32_t code, const char *what) {
    if (code == TIM_OK) return;
    char text[512];
    timLastErrorMessage(text, sizeof text, NULL);
    printf("%s: not accepted: %s\n", what, text);
}

static void quit(void) {
    if (quitting) return;
    quitting = 1;
    accepted(timLogout(client, on_logout, "logout"), "logout");
}

static void obey(const char *line) {
    const char *const whom[] = {line + strlen("watch ")};
    if (strncmp(line, "set ", 4) == 0) accepted(timSetSelfStatus(client, line + 4, on_done, "set"), "set");
    else if (strncmp(line, "watch ", 6) == 0) accepted(timSubscribeUserStatus(client, whom, 1, on_done, "watch"), "watch");
    else if (strcmp(line, "quit") == 0) quit();
    else printf("unknown: %s\n", line);
}

/* Reads what is there, without waiting for the rest of a line. */
static void read_input(void) {
    static char line[256];
    static size_t length;
    char bytes[128];
    ssize_t count = read(STDIN_FILENO, bytes, sizeof bytes);
    if (count <= 0) quit();
    for (ssize_t i = 0; i < count; i++) {
        if (bytes[i] != '\n') {
            if (length + 1 < sizeof line) line[length++] = bytes[i];
            continue;
        }
        line[length] = 0;
        length = 0;
        obey(line);
    }
}

/* One call of timPoll runs what waits now; what comes meanwhile makes the descriptor readable again. */
static void run_callbacks(void) {
    int32_t code = timPoll(client, 0, 0, NULL);
    if (code != TIM_OK) failed = 1;
}

int main(int argument_count, char **arguments) {
    char options[512];
    int32_t wake_fd = -1;
    if (argument_count != 5) {
        fprintf(stderr, "usage: %s SERVER APP_ID USER USERSIG\n", arguments[0]);
        return 2;
    }
    setvbuf(stdout, NULL, _IOLBF, 0);
    snprintf(options, sizeof options, "{\"server\": \"%s\", \"sdk_app_id\": %llu, \"delivery\": \"poll\"}", arguments[1],
             strtoull(arguments[2], NULL, 10));
    failed = timClientCreate(options, &client) != TIM_OK || timGetWakeFd(client, &wake_fd) != TIM_OK ||
             timSetUserStatusChangedCallback(client, on_status, NULL, NULL) != TIM_OK ||
             timSetConnectionStateCallback(client, on_connection, NULL, NULL) != TIM_OK ||
             timLogin(client, arguments[3], arguments[4], on_login, "login") != TIM_OK;

    while (!failed && quitting < 2) {
        /* Until the login's result there is nobody to obey for; poll() skips a negative descriptor. */
        struct pollfd waiting[] = {{wake_fd, POLLIN, 0}, {logged_in && !quitting ? STDIN_FILENO : -1, POLLIN, 0}};
        int ready = poll(waiting, 2, TICK_MS);
        if (ready < 0) break;
        if (ready == 0) continue; /* a tick */
        if (waiting[0].revents != 0) run_callbacks();
        if (waiting[1].revents != 0) read_input();
    }
    timClientDestroy(client, 5000);
    return failed;
}
