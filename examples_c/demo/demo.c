/* The demo: one server and five users, each a process of its own, who come, change their status, and go away in three ways.
 *
 *     demo PATH_OF_TIM_PRESENCE_SERVER
 *
 * alice and bob watch each other and everybody else. The transcript shows what happens, who is told of it, with which reason,
 * and how long after. Exits with 1, naming it, if one notification does not come. */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "process.h"
#include "tim_presence.h"

enum {
    HEARTBEAT_TIMEOUT_MS = 2000, /* 400 s by default; short, so that the demo is */
    PATIENCE_MS = 10000
};
#define APP_ID "1400000001"
#define APP_KEY "the-demo-s-secret-key"

typedef struct User {
    const char *name;
    const char *watches[4];
    Process process;
} User;

static User alice = {.name = "alice", .watches = {"bob", "carol", "dave", "erin"}};
static User bob = {.name = "bob", .watches = {"alice", "carol", "dave", "erin"}};
static User carol = {.name = "carol"}, dave = {.name = "dave"}, erin = {.name = "erin"};

static char directory[] = "/tmp/tim-demo-XXXXXX", address[64], user_program[4096];
static const char *server_program;
static Process server;
static int64_t started_us;
static int in_color;

static void remove_files(void) {
    char path[64];
    snprintf(path, sizeof path, "%s/server.toml", directory);
    unlink(path);
    snprintf(path, sizeof path, "%s/server.log", directory);
    unlink(path);
    rmdir(directory);
}

static _Noreturn void give_up(const char *what) {
    printf("\n%sFAILED: %s%s\n", in_color ? "\033[31m" : "", what, in_color ? "\033[0m" : "");
    printf("What the server logged is in %s/server.log\n", directory);
    fflush(stdout);
    _exit(1);
}

/* ---- words ---- */

static const char *status_name(int status) {
    switch (status) {
    case TIM_STATUS_ONLINE: return "ONLINE";
    case TIM_STATUS_OFFLINE: return "OFFLINE";
    case TIM_STATUS_UNLOGINED: return "UNLOGINED";
    default: return "UNKNOWN";
    }
}

static const char *reason_name(int reason) {
    switch (reason) {
    case TIM_REASON_LOGIN: return "LOGIN";
    case TIM_REASON_LOGOUT: return "LOGOUT";
    case TIM_REASON_LINK_CLOSED: return "LINK_CLOSED";
    case TIM_REASON_TIMEOUT: return "TIMEOUT";
    case TIM_REASON_CUSTOM_STATUS: return "CUSTOM_STATUS";
    default: return "another reason";
    }
}

static const char *color_of(int status) {
    if (!in_color) return "";
    return status == TIM_STATUS_ONLINE ? "\033[32m" : status == TIM_STATUS_OFFLINE ? "\033[31m" : "\033[33m";
}

/* ---- what happens, and who must be told ---- */

/* Prints what is about to happen; the time from which delays count. */
static int64_t happens(const char *format, const char *who, const char *text) {
    printf("\n%7.3f s  ", (double)(monotonic_us() - started_us) / 1e6);
    printf(format, who, text);
    printf("\n");
    fflush(stdout);
    return monotonic_us();
}

/* Awaits that `watcher` is told of `user` as described, and prints it. */
static void told(User *watcher, const User *user, int status, int reason, const char *custom, int64_t since_us) {
    char line[512], wanted[256];
    snprintf(wanted, sizeof wanted, " %s %d %d %s", user->name, status, reason, custom);
    for (;;) {
        long long at_us = 0;
        int position = 0;
        if (process_read_line(&watcher->process, PATIENCE_MS, line, sizeof line) != 1) {
            snprintf(line, sizeof line, "%s was not told that %s is %s \"%s\", reason %s", watcher->name, user->name, status_name(status),
                     custom, reason_name(reason));
            give_up(line);
        }
        if (sscanf(line, "told %lld%n", &at_us, &position) != 1 || strcmp(line + position, wanted) != 0) continue;
        printf("             %-5s is told: %-5s %s%-9s%s %-16s %-13s after %8.1f ms\n", watcher->name, user->name, color_of(status),
               status_name(status), in_color ? "\033[0m" : "", custom, reason_name(reason), (double)(at_us - since_us) / 1e3);
        fflush(stdout);
        return;
    }
}

static void both_told(const User *user, int status, int reason, const char *custom, int64_t since_us) {
    if (user != &alice) told(&alice, user, status, reason, custom, since_us);
    if (user != &bob) told(&bob, user, status, reason, custom, since_us);
}

static void await_word(User *user, const char *word) {
    char line[512], what[600];
    do {
        if (process_read_line(&user->process, PATIENCE_MS, line, sizeof line) == 1) continue;
        snprintf(what, sizeof what, "%s did not answer \"%s\"", user->name, word);
        give_up(what);
    } while (strcmp(line, word) != 0);
}

static void tell(User *user, const char *command, const char *text) {
    if (dprintf(user->process.to, "%s%s\n", command, text) < 0) give_up("a user's process is gone");
}

/* A UserSig, as an application's backend would make it. */
static void make_sig(const User *user, char *sig, size_t capacity) {
    char *arguments[] = {(char *)server_program, "sign", "--app", APP_ID, "--key", APP_KEY, "--user", (char *)user->name, NULL};
    Process sign;
    int status = 0;
    if (process_start(&sign, arguments, NULL) != 0 || process_read_line(&sign, PATIENCE_MS, sig, capacity) != 1 ||
        !process_await_end(&sign, PATIENCE_MS, &status) || status != 0)
        give_up("tim-presence-server sign printed no UserSig");
}

static void logs_in(User *user) {
    char sig[1024];
    char *arguments[] = {user_program,           address, APP_ID, (char *)user->name, sig, (char *)user->watches[0], (char *)user->watches[1],
                         (char *)user->watches[2], (char *)user->watches[3], NULL};
    make_sig(user, sig, sizeof sig);
    int64_t since = happens(user->watches[0] != NULL ? "%s logs in, and watches the others" : "%s logs in", user->name, "");
    if (process_start(&user->process, arguments, NULL) != 0) give_up("a user's process did not start");
    /* When alice comes, nobody is there to be told. */
    if (user != &alice) both_told(user, TIM_STATUS_ONLINE, TIM_REASON_LOGIN, "", since);
    await_word(user, "ready");
}

static void sets(User *user, const char *custom) {
    int64_t since = happens(custom[0] != 0 ? "%s sets the custom status \"%s\"" : "%s clears the custom status%s", user->name, custom);
    tell(user, "set ", custom);
    both_told(user, TIM_STATUS_ONLINE, TIM_REASON_CUSTOM_STATUS, custom, since);
}

static void start_server(void) {
    char config[64], log[64], line[256];
    char *arguments[] = {(char *)server_program, "--config", config, NULL};
    if (mkdtemp(directory) == NULL) give_up("no temporary directory");
    snprintf(config, sizeof config, "%s/server.toml", directory);
    snprintf(log, sizeof log, "%s/server.log", directory);
    FILE *file = fopen(config, "w");
    if (file == NULL) give_up("the server's configuration cannot be written");
    fprintf(file,
            "listen = [\"127.0.0.1:0\"]\nheartbeat_interval_ms = 500\nheartbeat_timeout_ms = %d\n"
            "[[apps]]\nid = " APP_ID "\nsecret_key = \"" APP_KEY "\"\nauto_register_on_mention = true\n",
            HEARTBEAT_TIMEOUT_MS);
    fclose(file);
    if (process_start(&server, arguments, log) != 0 || process_read_line(&server, PATIENCE_MS, line, sizeof line) != 1 ||
        sscanf(line, "listening on %63s", address) != 1)
        give_up("the server did not say where it listens");
    printf("The server listens on %s (process %d); a silent connection is given up after %d ms.\n", address, (int)server.pid,
           HEARTBEAT_TIMEOUT_MS);
}

int main(int argument_count, char **arguments) {
    int status = 0;
    int64_t since;
    if (argument_count != 2) {
        fprintf(stderr, "usage: %s PATH_OF_TIM_PRESENCE_SERVER\n", arguments[0]);
        return 2;
    }
    server_program = arguments[1];
    ssize_t length = readlink("/proc/self/exe", user_program, sizeof user_program - 16);
    if (length < 0) return 2;
    user_program[length] = 0;
    strcpy(strrchr(user_program, '/'), "/demo_user");
    in_color = isatty(1);
    signal(SIGPIPE, SIG_IGN);
    started_us = monotonic_us();

    start_server();
    logs_in(&alice);
    logs_in(&bob);
    sets(&alice, "at my desk");
    sets(&bob, "in a call");
    sets(&bob, "");
    sets(&alice, "");

    logs_in(&carol);
    sets(&carol, "on the train");
    since = happens("%s's process is killed (SIGKILL)%s", "carol", "");
    kill(carol.process.pid, SIGKILL);
    both_told(&carol, TIM_STATUS_OFFLINE, TIM_REASON_LINK_CLOSED, "", since);

    logs_in(&dave);
    sets(&dave, "having lunch");
    since = happens("%s's process is stopped (SIGSTOP): no more heartbeats%s", "dave", "");
    kill(dave.process.pid, SIGSTOP);
    both_told(&dave, TIM_STATUS_OFFLINE, TIM_REASON_TIMEOUT, "", since);

    logs_in(&erin);
    sets(&erin, "back soon");
    since = happens("%s logs out%s", "erin", "");
    tell(&erin, "logout", "");
    both_told(&erin, TIM_STATUS_UNLOGINED, TIM_REASON_LOGOUT, "", since);

    kill(server.pid, SIGTERM);
    if (!process_await_end(&server, PATIENCE_MS, &status) || status != 0) give_up("the server did not end well on SIGTERM");
    remove_files();
    printf("\n%7.3f s  All were told. The server has ended.\n", (double)(monotonic_us() - started_us) / 1e6);
    return 0;
}
