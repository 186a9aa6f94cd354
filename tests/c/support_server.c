/* The server as a process of its own, and processes in general. */
#include "support_internal.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

enum { SERVERS_MAX = 8 };
static Server *servers[SERVERS_MAX];
static size_t server_count;

void start(Process *process, char *const *arguments, const char *log) {
    int error = process_start(process, arguments, log);
    if (error != 0) FAIL("%s did not start: %s", arguments[0], strerror(error));
}

int read_line(Process *process, char *line, size_t capacity) {
    int count = process_read_line(process, DEADLINE_MS, line, capacity);
    if (count < 0) FAIL("process %d printed no line within %d ms", (int)process->pid, DEADLINE_MS);
    return count;
}

int await_end(Process *process) {
    int status = 0;
    if (!process_await_end(process, DEADLINE_MS, &status)) FAIL("process %d did not end within %d ms", (int)process->pid, DEADLINE_MS);
    return status;
}

static void path_in(const Server *server, const char *name, char *path, size_t capacity) {
    snprintf(path, capacity, "%s/%s", server->directory, name);
}

static void write_config(const Server *server, const char *node_settings, const char *app_settings) {
    char path[128];
    path_in(server, "server.toml", path, sizeof path);
    FILE *file = fopen(path, "w");
    if (file == NULL) FAIL("%s: %s", path, strerror(errno));
    fprintf(file, "listen = [\"127.0.0.1:%d\"]\n%s\n[[apps]]\nid = %d\nsecret_key = \"%s\"\n%s\n", server->port, node_settings, APP_ID,
            APP_KEY, app_settings);
    fclose(file);
}

static void launch(Server *server) {
    char config[128], log[128], line[256] = "";
    char *arguments[] = {TIM_SERVER, "--config", config, "--log-level", "debug", NULL};
    path_in(server, "server.toml", config, sizeof config);
    path_in(server, "server.log", log, sizeof log);
    start(&server->process, arguments, log);
    if (!read_line(&server->process, line, sizeof line)) FAIL("the server ended before it listened");
    if (sscanf(line, "listening on %63s", server->address) != 1) FAIL("the server's first line is \"%s\"", line);
    const char *colon = strrchr(server->address, ':');
    CHECK(colon != NULL);
    CHECK_EQ(atoi(colon + 1), server->port);
}

Server *server_start(const char *node_settings, const char *app_settings) {
    Server *server = calloc(1, sizeof *server);
    CHECK(server != NULL && server_count < SERVERS_MAX);
    snprintf(server->directory, sizeof server->directory, "/tmp/tim-test-XXXXXX");
    if (mkdtemp(server->directory) == NULL) FAIL("mkdtemp: %s", strerror(errno));
    servers[server_count++] = server;
    server->port = reserve_port();
    write_config(server, node_settings, app_settings);
    launch(server);
    return server;
}

void server_reload(Server *server, const char *node_settings, const char *app_settings) {
    write_config(server, node_settings, app_settings);
    CHECK_EQ(kill(server->process.pid, SIGHUP), 0);
}

void server_stop(Server *server) {
    CHECK_EQ(kill(server->process.pid, SIGTERM), 0);
    int status = await_end(&server->process);
    if (!WIFEXITED(status) || WEXITSTATUS(status) != 0) FAIL("the server did not end well on SIGTERM: wait status %#x", (unsigned)status);
}

void server_kill(Server *server) {
    CHECK_EQ(kill(server->process.pid, SIGKILL), 0);
    await_end(&server->process);
}

void server_start_again(Server *server) { launch(server); }

int server_logged(const Server *server, const char *text) {
    char path[128], line[4096];
    int found = 0;
    path_in(server, "server.log", path, sizeof path);
    FILE *file = fopen(path, "r");
    while (file != NULL && !found && fgets(line, sizeof line, file) != NULL) found = strstr(line, text) != NULL;
    if (file != NULL) fclose(file);
    return found;
}

void server_await_log(Server *server, const char *text) {
    int64_t deadline = now_ms() + DEADLINE_MS;
    while (!server_logged(server, text)) {
        if (now_ms() > deadline) FAIL("the server logged no line with \"%s\"", text);
        nap();
    }
}

void server_show_logs(void) {
    char path[128], line[4096];
    for (size_t i = 0; i < server_count; i++) {
        path_in(servers[i], "server.log", path, sizeof path);
        FILE *file = fopen(path, "r");
        if (file == NULL) continue;
        /* The end of a long log; it is what led to the failure. */
        if (fseek(file, -6000, SEEK_END) == 0) (void)!fgets(line, sizeof line, file);
        fprintf(stderr, "---- server %zu logged ----\n", i + 1);
        while (fgets(line, sizeof line, file) != NULL) fputs(line, stderr);
        fclose(file);
    }
}

void server_remove_all(void) {
    char path[128];
    for (size_t i = 0; i < server_count; i++) {
        if (servers[i]->process.pid > 0) server_kill(servers[i]);
        path_in(servers[i], "server.toml", path, sizeof path);
        unlink(path);
        path_in(servers[i], "server.log", path, sizeof path);
        unlink(path);
        rmdir(servers[i]->directory);
    }
}

const char *user_sig_with_key(const char *user, int valid_seconds, const char *key) {
    char app[32], valid[32], *line = malloc(2048);
    Process sign;
    char *arguments[] = {TIM_SERVER, "sign", "--app", app, "--key", (char *)key, "--user", (char *)user, "--valid", valid, NULL};
    CHECK(line != NULL);
    snprintf(app, sizeof app, "%d", APP_ID);
    snprintf(valid, sizeof valid, "%d", valid_seconds);
    start(&sign, arguments, NULL);
    if (!read_line(&sign, line, 2048)) FAIL("sign printed nothing for %s", user);
    CHECK_EQ(await_end(&sign), 0);
    close(sign.from);
    close(sign.to);
    return line;
}

const char *user_sig(const char *user, int valid_seconds) { return user_sig_with_key(user, valid_seconds, APP_KEY); }
