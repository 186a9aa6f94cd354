/* The runner in C, in three files: main.c interprets the steps, client.c keeps what clients are told, story.c reads
 * words. Every function here ends the process with a text on the standard error if something is wrong with the story. */
#ifndef RUNNER_H
#define RUNNER_H

#include <stddef.h>
#include <stdint.h>

#include "tim_presence.h"

/* How long anything may take that the story waits for. */
enum { DEADLINE_MS = 30000 };

_Noreturn void broken(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* ---- story.c: a line is words; README.md says how quotes and braces are read ---- */

enum { WORDS_MAX = 512 };

typedef struct Words {
    size_t count;
    char *word[WORDS_MAX]; /* each of its own */
} Words;

void words_of(const char *line, Words *words);
void words_free(Words *words);

/* ---- client.c: a client, and what it was told and nobody printed yet ---- */

typedef enum EventKind { EVENT_STATUS, EVENT_CONNECTION, EVENT_KICKED, EVENT_EVICTED } EventKind;

typedef struct User {
    char *id, *custom;
    int32_t code, status, reason;
    uint32_t platforms;
    uint64_t version;
} User;

typedef struct Event {
    EventKind kind;
    User user;        /* EVENT_STATUS */
    int32_t code;     /* EVENT_CONNECTION: the state; EVENT_KICKED: why */
    char **evicted;   /* EVENT_EVICTED */
    size_t evicted_count;
    struct Event *next;
} Event;

/* A copy of a TimResult. */
typedef struct Result {
    int32_t code;
    uint32_t retry_after_ms;
    User *items;
    size_t item_count;
    char **evicted;
    size_t evicted_count;
} Result;

typedef struct Client Client;

Client *client_create(const char *name, const char *server, const char *app_id, const char *platform);
Client *client_named(const char *name);
TimClient handle_of(const Client *client);
void client_close(Client *client);

/* Awaits the result of a call: `accepted` is what the call returned. A call that was not accepted has that as its code. Hand
 * `on_result` and `client` to the call. One call at a time. */
void on_result(const TimResult *result, void *client);
Result *result_of(Client *client, int32_t accepted);
void result_free(Result *result);

/* Takes the first event for which `wanted` says yes, waiting for it; NULL if none came in time. */
Event *client_await(Client *client, int (*wanted)(const Event *event, const void *what), const void *what);
/* Takes the first event that is there, of any kind but EVENT_CONNECTION; NULL if there is none. */
Event *client_next(Client *client);
void event_free(Event *event);

/* "newer", "same" or "older" than what this client saw of the user so far; and now it saw this. */
const char *seen(Client *client, const User *user);

#endif
