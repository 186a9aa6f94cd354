/* A client in a process of its own: both ends of the conversation over its pipes. */
#include "support_internal.h"

#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <unistd.h>

/* ---- the peer ---- */

/* One write a line: callbacks come from another thread than results of commands. */
static void print_line(const char *format, ...) __attribute__((format(printf, 1, 2)));
static void print_line(const char *format, ...) {
    char line[1024];
    va_list arguments;
    va_start(arguments, format);
    int length = vsnprintf(line, sizeof line - 1, format, arguments);
    va_end(arguments);
    line[length] = '\n';
    if (write(1, line, (size_t)length + 1) < 0) _exit(1);
}

static void peer_status(const TimUserStatus *const *changes, size_t count, void *user_data) {
    (void)user_data;
    for (size_t i = 0; i < count; i++)
        print_line("status %s %d %d %s", changes[i]->user_id, (int)changes[i]->status, (int)changes[i]->reason, changes[i]->custom_status);
}

static void peer_connection(int32_t state, int32_t code, const char *message, void *user_data) {
    (void)code, (void)message, (void)user_data;
    print_line("connection %d", (int)state);
}

static void peer_kicked(int32_t code, const char *message, void *user_data) {
    (void)message, (void)user_data;
    print_line("kicked %d", (int)code);
}

static void peer_expired(void *user_data) {
    (void)user_data;
    print_line("expired");
}

/* user_data is the word that begins the line. */
static void peer_result(const TimResult *result, void *user_data) { print_line("%s %d", (const char *)user_data, (int)result->code); }

/* ADDRESS USER SIG OPTIONS */
int peer_main(int argument_count, char **arguments) {
    char json[1024], line[512];
    TimClient client = 0;
    if (argument_count != 4) return 2;
    snprintf(json, sizeof json, "{\"server\":\"%s\",\"sdk_app_id\":%d%s%s}", arguments[0], APP_ID, arguments[3][0] != 0 ? "," : "",
             arguments[3]);
    ACCEPTED(timClientCreate(json, &client));
    ACCEPTED(timSetUserStatusChangedCallback(client, peer_status, NULL, NULL));
    ACCEPTED(timSetConnectionStateCallback(client, peer_connection, NULL, NULL));
    ACCEPTED(timSetKickedOfflineCallback(client, peer_kicked, NULL, NULL));
    ACCEPTED(timSetUserSigExpiredCallback(client, peer_expired, NULL, NULL));
    ACCEPTED(timLogin(client, arguments[1], arguments[2], peer_result, "login"));
    while (fgets(line, sizeof line, stdin) != NULL) {
        line[strcspn(line, "\n")] = 0;
        if (strncmp(line, "set ", 4) == 0) {
            ACCEPTED(timSetSelfStatus(client, line + 4, peer_result, "result"));
        } else if (strcmp(line, "logout") == 0) {
            ACCEPTED(timLogout(client, peer_result, "result"));
        } else if (strcmp(line, "destroy") == 0) {
            ACCEPTED(timClientDestroy(client, DEADLINE_MS));
            print_line("destroyed");
        } else {
            FAIL("a peer does not know \"%s\"", line);
        }
    }
    return 0;
}

/* ---- the test's end ---- */

Peer *peer_start(const Server *server, const char *user, const char *options) {
    Peer *peer = calloc(1, sizeof *peer);
    CHECK(peer != NULL);
    snprintf(peer->user, sizeof peer->user, "%s", user);
    char *arguments[] = {"/proc/self/exe", "--peer", (char *)server->address, (char *)user, (char *)user_sig(user, 3600), (char *)options, NULL};
    start(&peer->process, arguments, NULL);
    return peer;
}

Peer *peer_online(const Server *server, const char *user, const char *options) {
    Peer *peer = peer_start(server, user, options);
    peer_await(peer, "login 0");
    return peer;
}

void peer_tell(Peer *peer, const char *command) {
    if (dprintf(peer->process.to, "%s\n", command) < 0) FAIL("the process of %s is gone", peer->user);
}

void peer_await(Peer *peer, const char *text) {
    char line[1024];
    for (;;) {
        if (!read_line(&peer->process, line, sizeof line))
            FAIL("the process of %s ended before it printed \"%s\"", peer->user, text);
        if (strncmp(line, text, strlen(text)) == 0) return;
    }
}

void peer_signal(Peer *peer, int signal_number) {
    CHECK_EQ(kill(peer->process.pid, signal_number), 0);
    if (signal_number == SIGKILL) await_end(&peer->process);
}
