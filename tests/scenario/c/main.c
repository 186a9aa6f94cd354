/* The runner in C: main STORY ADDRESS APP_ID. See ../README.md. */
#include "runner.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *server_address, *app_id;
static const char *current_step = "";

void broken(const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    fprintf(stderr, "at \"%s\": ", current_step);
    vfprintf(stderr, format, arguments);
    fputc('\n', stderr);
    va_end(arguments);
    exit(2);
}

/* ---- the driver: a line that begins with ! asks, and a line on the standard input answers ---- */

static const char *ask(const char *request, const char *argument, const char *more) {
    static char answer[2048];
    printf("!%s %s%s\n", request, argument, more);
    if (fgets(answer, sizeof answer, stdin) == NULL || strncmp(answer, "ok ", 3) != 0) broken("the driver does not answer");
    answer[strcspn(answer, "\n")] = 0;
    return answer + 3;
}

/* ---- printing ---- */

static const char *status_name(int32_t status) {
    static const char *const names[] = {"UNKNOWN", "ONLINE", "OFFLINE", "UNLOGINED"};
    return status >= 0 && status < 4 ? names[status] : "?";
}

static const char *reason_name(int32_t reason) {
    static const char *const names[] = {"UNKNOWN", "LOGIN",  "LOGOUT",  "LINK_CLOSED", "TIMEOUT", "CUSTOM_STATUS",
                                        "KICKED",  "EXPIRED", "SERVER"};
    return reason >= 0 && reason < 9 ? names[reason] : "?";
}

static const char *platform_names(uint32_t platforms) {
    static const char *const names[] = {"Other", "iOS", "Android", "Web", "Windows", "Mac", "Linux", "iPad"};
    static char text[128];
    text[0] = 0;
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (platforms & (1u << i)) snprintf(text + strlen(text), sizeof text - strlen(text), "%s%s", text[0] == 0 ? "" : "+", names[i]);
    return text[0] == 0 ? "nowhere" : text;
}

static const char *id_text(const char *id) { return id[0] == 0 ? "\"\"" : id; }

static void print_error(int32_t code, uint32_t retry_after_ms) {
    printf("error %d %s%s\n", (int)code, timErrorName(code), retry_after_ms > 0 ? ", retry later" : "");
}

static void print_event(Client *client, Event *event) {
    switch (event->kind) {
    case EVENT_STATUS:
        printf("%s %s \"%s\" %s %s\n", event->user.id, status_name(event->user.status), event->user.custom,
               reason_name(event->user.reason), seen(client, &event->user));
        break;
    case EVENT_CONNECTION:
        printf("%s\n", event->code == TIM_CONNECTION_CONNECTED ? "connected" : "disconnected");
        break;
    case EVENT_KICKED:
        printf("kicked %d %s\n", (int)event->code, timErrorName(event->code));
        break;
    case EVENT_EVICTED:
        printf("evicted");
        for (size_t i = 0; i < event->evicted_count; i++) printf(" %s", event->evicted[i]);
        printf("\n");
        break;
    }
    event_free(event);
}

static void print_item(Client *client, const User *user, int only_ids) {
    if (user->code != TIM_OK) printf("  %s %d %s\n", id_text(user->id), (int)user->code, timErrorName(user->code));
    else if (only_ids) printf("  %s\n", user->id);
    else
        printf("  %s %s \"%s\" %s %s %s\n", user->id, status_name(user->status), user->custom, reason_name(user->reason),
               platform_names(user->platforms), seen(client, user));
}

/* Of more than ITEMS_SHOWN users only the first, the last and the number are printed. */
enum { ITEMS_SHOWN = 5 };

static void print_result(Client *client, Result *result, int only_ids) {
    if (result->code != TIM_OK) {
        print_error(result->code, result->retry_after_ms);
    } else if (result->item_count > ITEMS_SHOWN) {
        printf("ok, %zu users\n", result->item_count);
        print_item(client, &result->items[0], only_ids);
        print_item(client, &result->items[result->item_count - 1], only_ids);
    } else {
        printf("ok\n");
        for (size_t i = 0; i < result->item_count; i++) print_item(client, &result->items[i], only_ids);
    }
    for (size_t i = 0; i < result->evicted_count; i++) printf("  evicted %s\n", result->evicted[i]);
    result_free(result);
}

/* ---- steps: `words` are those after the client's name ---- */

typedef struct Arguments {
    char **word;
    size_t count;
} Arguments;

static const char *argument(Arguments arguments, size_t index) {
    if (index >= arguments.count) broken("a word is missing");
    return arguments.word[index];
}

static void step_login(Client *client, Arguments arguments) {
    const char *user = argument(arguments, 0), *how = arguments.count > 1 ? arguments.word[1] : "", *user_sig;
    if (strcmp(how, "") == 0) user_sig = ask("sig", user, "");
    else if (strcmp(how, "with") == 0) user_sig = argument(arguments, 2);
    else if (strcmp(how, "signed-for") == 0) user_sig = ask("sig", argument(arguments, 2), "");
    else if (strcmp(how, "signed-with-another-key") == 0) user_sig = ask("sig", user, " another-key");
    else broken("a login %s", how);
    print_result(client, result_of(client, timLogin(handle_of(client), user, user_sig, on_result, client)), 0);
}

static void step_logout(Client *client, Arguments arguments) {
    (void)arguments;
    print_result(client, result_of(client, timLogout(handle_of(client), on_result, client)), 0);
}

static void step_set(Client *client, Arguments arguments) {
    print_result(client, result_of(client, timSetSelfStatus(handle_of(client), argument(arguments, 0), on_result, client)), 0);
}

typedef int32_t UsersCall(TimClient, const char *const *, size_t, TimResultFn, void *);

static Result *call_with_users(Client *client, Arguments arguments, UsersCall *call) {
    const char *const *users = (const char *const *)arguments.word;
    return result_of(client, call(handle_of(client), users, arguments.count, on_result, client));
}

static void step_get(Client *client, Arguments arguments) {
    print_result(client, call_with_users(client, arguments, timGetUserStatus), 0);
}

static void step_subscribe(Client *client, Arguments arguments) {
    print_result(client, call_with_users(client, arguments, timSubscribeUserStatus), 0);
}

static void step_unsubscribe(Client *client, Arguments arguments) {
    print_result(client, call_with_users(client, arguments, timUnsubscribeUserStatus), 1);
}

static void step_unsubscribe_all(Client *client, Arguments arguments) {
    (void)arguments;
    print_result(client, result_of(client, timUnsubscribeUserStatus(handle_of(client), NULL, 0, on_result, client)), 0);
}

static void step_subscriptions(Client *client, Arguments arguments) {
    (void)arguments;
    print_result(client, result_of(client, timGetSubscriptions(handle_of(client), on_result, client)), 1);
}

static void step_friends(Client *client, Arguments arguments) {
    (void)arguments;
    print_result(client, result_of(client, timGetFriends(handle_of(client), on_result, client)), 1);
}

/* Asks for a user again and again, until that is refused. */
static void step_burst(Client *client, Arguments arguments) {
    const char *const users[] = {argument(arguments, 1)};
    int times = atoi(argument(arguments, 0)), succeeded = 0;
    while (succeeded < times) {
        Result *result = result_of(client, timGetUserStatus(handle_of(client), users, 1, on_result, client));
        if (result->code != TIM_OK) {
            printf("ok %d times, then ", succeeded);
            print_result(client, result, 0);
            return;
        }
        result_free(result);
        succeeded++;
    }
    printf("ok %d times\n", succeeded);
}

static void step_state(Client *client, Arguments arguments) {
    (void)arguments;
    char user[64] = "";
    int32_t state = 0;
    if (timGetLoginState(handle_of(client), &state) != TIM_OK || timGetLoginUser(handle_of(client), user, sizeof user, NULL) != TIM_OK)
        broken("no state");
    if (state == TIM_LOGIN_LOGGED_IN) printf("logged in as %s\n", user);
    else printf("logged out\n");
}

static int is_status(const Event *event, const void *user) {
    return event->kind == EVENT_STATUS && strcmp(event->user.id, user) == 0;
}
static int is_connection(const Event *event, const void *what) { return (void)what, event->kind == EVENT_CONNECTION; }
static int is_kicked(const Event *event, const void *what) { return (void)what, event->kind == EVENT_KICKED; }
static int is_evicted(const Event *event, const void *what) { return (void)what, event->kind == EVENT_EVICTED; }

static void step_await(Client *client, Arguments arguments) {
    const char *kind = argument(arguments, 0);
    Event *event;
    if (strcmp(kind, "status") == 0) {
        event = client_await(client, is_status, argument(arguments, 1));
    } else if (strcmp(kind, "connection") == 0) {
        int32_t state = strcmp(argument(arguments, 1), "connected") == 0 ? TIM_CONNECTION_CONNECTED : TIM_CONNECTION_DISCONNECTED;
        event = client_await(client, is_connection, NULL);
        while (event != NULL && event->code != state) {
            event_free(event);
            event = client_await(client, is_connection, NULL);
        }
    } else if (strcmp(kind, "kicked") == 0) {
        event = client_await(client, is_kicked, NULL);
    } else if (strcmp(kind, "evicted") == 0) {
        event = client_await(client, is_evicted, NULL);
    } else {
        broken("awaiting %s", kind);
    }
    if (event == NULL) printf("nothing came\n");
    else print_event(client, event);
}

/* Skips what is told of a user until it has this custom status. */
static void step_until(Client *client, Arguments arguments) {
    const char *user = argument(arguments, 0), *custom = argument(arguments, 1);
    for (;;) {
        Event *event = client_await(client, is_status, user);
        if (event == NULL) {
            printf("nothing came\n");
            return;
        }
        if (strcmp(event->user.custom, custom) == 0) {
            print_event(client, event);
            return;
        }
        seen(client, &event->user);
        event_free(event);
    }
}

/* A round trip of a client that is logged in: what the server sent before has arrived then. */
static void round_trip(Client *client) {
    char user[64] = "";
    const char *const users[] = {user};
    if (timGetLoginUser(handle_of(client), user, sizeof user, NULL) == TIM_OK && user[0] != 0)
        result_free(result_of(client, timGetUserStatus(handle_of(client), users, 1, on_result, client)));
}

/* Says what came and nobody awaited. */
static void step_quiet(Client *client, Arguments arguments) {
    (void)arguments;
    Event *event;
    int count = 0;
    round_trip(client);
    for (; (event = client_next(client)) != NULL; count++) print_event(client, event);
    if (count == 0) printf("nothing\n");
}

/* Drops what came and nobody awaited. */
static void step_skip(Client *client, Arguments arguments) {
    (void)arguments;
    Event *event;
    round_trip(client);
    while ((event = client_next(client)) != NULL) {
        if (event->kind == EVENT_STATUS) seen(client, &event->user);
        event_free(event);
    }
    printf("ok\n");
}

static void step_close(Client *client, Arguments arguments) {
    (void)arguments;
    client_close(client);
    printf("ok\n");
}

static const struct {
    const char *name;
    void (*run)(Client *client, Arguments arguments);
} steps[] = {
    {"login", step_login},
    {"logout", step_logout},
    {"set", step_set},
    {"get", step_get},
    {"subscribe", step_subscribe},
    {"unsubscribe", step_unsubscribe},
    {"unsubscribe-all", step_unsubscribe_all},
    {"subscriptions", step_subscriptions},
    {"friends", step_friends},
    {"burst", step_burst},
    {"state", step_state},
    {"await", step_await},
    {"until", step_until},
    {"quiet", step_quiet},
    {"skip", step_skip},
    {"close", step_close},
};

static void run(Words *words) {
    if (words->count < 2) broken("too few words");
    const char *name = words->word[0];
    Arguments rest = {words->word + 2, words->count - 2};
    if (strcmp(name, "client") == 0) {
        client_create(words->word[1], server_address, app_id, argument(rest, 0));
        printf("ok\n");
        return;
    }
    if (strcmp(name, "server") == 0 || strcmp(name, "kick") == 0) {
        ask(name, words->word[1], "");
        printf("ok\n");
        return;
    }
    for (size_t i = 0; i < sizeof steps / sizeof *steps; i++) {
        if (strcmp(steps[i].name, name) != 0) continue;
        steps[i].run(client_named(words->word[1]), rest);
        return;
    }
    broken("no such step");
}

int main(int count, char **arguments) {
    char line[1024];
    Words words;
    if (count != 4) {
        fprintf(stderr, "usage: %s STORY ADDRESS APP_ID\n", arguments[0]);
        return 2;
    }
    server_address = arguments[2];
    app_id = arguments[3];
    setvbuf(stdout, NULL, _IOLBF, 0);
    FILE *story = fopen(arguments[1], "r");
    if (story == NULL) broken("cannot read %s", arguments[1]);
    while (fgets(line, sizeof line, story) != NULL) {
        line[strcspn(line, "\n")] = 0;
        current_step = line;
        if (strncmp(line, "##", 2) == 0) printf("%s\n", line);
        if (line[0] == '#' || line[0] == 0) continue;
        printf("> %s\n", line);
        words_of(line, &words);
        run(&words);
        words_free(&words);
    }
    fclose(story);
    return 0;
}
