/* A client with all its listeners: callbacks copy what they are told into a list, under one lock for all clients. */
#include "runner.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { CLIENTS_MAX = 16, USERS_MAX = 1024 };

typedef struct Mark {
    char *user;
    uint64_t version;
} Mark;

struct Client {
    const char *name;
    TimClient handle;
    Event *first; /* the oldest */
    Result *result;
    Mark marks[USERS_MAX];
    size_t mark_count;
};

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t something_came = PTHREAD_COND_INITIALIZER;
static Client clients[CLIENTS_MAX];
static size_t client_count;

/* ---- copies ---- */

static void *allocated(size_t bytes) {
    void *memory = calloc(1, bytes == 0 ? 1 : bytes);
    if (memory == NULL) broken("no memory");
    return memory;
}

static char *text_copy(const char *text) { return strcpy(allocated(strlen(text) + 1), text); }

static char **texts_copy(const char *const *texts, size_t count) {
    char **copies = allocated(count * sizeof *copies);
    for (size_t i = 0; i < count; i++) copies[i] = text_copy(texts[i]);
    return copies;
}

static User user_copy(const TimUserStatus *from) {
    return (User){.id = text_copy(from->user_id), .custom = text_copy(from->custom_status), .code = from->code,
                  .status = from->status, .reason = from->reason, .platforms = from->platforms, .version = from->version};
}

static void user_free(User *user) {
    free(user->id);
    free(user->custom);
}

static void texts_free(char **texts, size_t count) {
    for (size_t i = 0; i < count; i++) free(texts[i]);
    free(texts);
}

void result_free(Result *result) {
    for (size_t i = 0; i < result->item_count; i++) user_free(&result->items[i]);
    free(result->items);
    texts_free(result->evicted, result->evicted_count);
    free(result);
}

void event_free(Event *event) {
    if (event->kind == EVENT_STATUS) user_free(&event->user);
    texts_free(event->evicted, event->evicted_count);
    free(event);
}

/* ---- callbacks, on the client's own thread ---- */

static void append(Client *client, Event *event) {
    pthread_mutex_lock(&mutex);
    Event **end = &client->first;
    while (*end != NULL) end = &(*end)->next;
    *end = event;
    pthread_cond_broadcast(&something_came);
    pthread_mutex_unlock(&mutex);
}

static Event *new_event(EventKind kind) {
    Event *event = allocated(sizeof *event);
    event->kind = kind;
    return event;
}

static void on_status(const TimUserStatus *const *changes, size_t count, void *client) {
    for (size_t i = 0; i < count; i++) {
        Event *event = new_event(EVENT_STATUS);
        event->user = user_copy(changes[i]);
        append(client, event);
    }
}

static void on_connection(int32_t state, int32_t code, const char *message, void *client) {
    (void)code, (void)message;
    Event *event = new_event(EVENT_CONNECTION);
    event->code = state;
    append(client, event);
}

static void on_kicked(int32_t code, const char *message, void *client) {
    (void)message;
    Event *event = new_event(EVENT_KICKED);
    event->code = code;
    append(client, event);
}

static void on_evicted(const char *const *user_ids, size_t count, void *client) {
    Event *event = new_event(EVENT_EVICTED);
    event->evicted = texts_copy(user_ids, count);
    event->evicted_count = count;
    append(client, event);
}

void on_result(const TimResult *from, void *user_data) {
    Client *client = user_data;
    Result *result = allocated(sizeof *result);
    result->code = from->code;
    result->retry_after_ms = from->retry_after_ms;
    result->items = allocated(from->item_count * sizeof *result->items);
    result->item_count = from->item_count;
    for (size_t i = 0; i < from->item_count; i++) result->items[i] = user_copy(from->items[i]);
    result->evicted = texts_copy(from->evicted, from->evicted_count);
    result->evicted_count = from->evicted_count;
    pthread_mutex_lock(&mutex);
    client->result = result;
    pthread_cond_broadcast(&something_came);
    pthread_mutex_unlock(&mutex);
}

/* ---- clients ---- */

static void accepted(int32_t code, const char *what) {
    if (code != TIM_OK) broken("%s: %s", what, timErrorName(code));
}

Client *client_create(const char *name, const char *server, const char *app_id, const char *platform) {
    char options[512];
    if (client_count == CLIENTS_MAX) broken("more than %d clients", CLIENTS_MAX);
    Client *client = &clients[client_count++];
    client->name = text_copy(name);
    snprintf(options, sizeof options,
             "{\"server\": \"%s\", \"sdk_app_id\": %s, \"platform\": \"%s\", \"backoff_base_ms\": 20, \"backoff_max_ms\": 200,"
             " \"disconnected_wait_ms\": 1000}",
             server, app_id, platform);
    accepted(timClientCreate(options, &client->handle), "timClientCreate");
    accepted(timSetUserStatusChangedCallback(client->handle, on_status, client, NULL), "timSetUserStatusChangedCallback");
    accepted(timSetConnectionStateCallback(client->handle, on_connection, client, NULL), "timSetConnectionStateCallback");
    accepted(timSetKickedOfflineCallback(client->handle, on_kicked, client, NULL), "timSetKickedOfflineCallback");
    accepted(timSetSubscriptionEvictedCallback(client->handle, on_evicted, client, NULL), "timSetSubscriptionEvictedCallback");
    return client;
}

Client *client_named(const char *name) {
    for (size_t i = 0; i < client_count; i++)
        if (strcmp(clients[i].name, name) == 0) return &clients[i];
    broken("there is no client %s", name);
}

TimClient handle_of(const Client *client) { return client->handle; }

void client_close(Client *client) { accepted(timClientDestroy(client->handle, DEADLINE_MS), "timClientDestroy"); }

const char *seen(Client *client, const User *user) {
    for (size_t i = 0; i < client->mark_count; i++) {
        Mark *mark = &client->marks[i];
        if (strcmp(mark->user, user->id) != 0) continue;
        if (user->version < mark->version) return "older";
        if (user->version == mark->version) return "same";
        mark->version = user->version;
        return "newer";
    }
    if (client->mark_count == USERS_MAX) broken("more than %d users", USERS_MAX);
    client->marks[client->mark_count++] = (Mark){text_copy(user->id), user->version};
    return "newer";
}

/* ---- waiting ---- */

static struct timespec deadline(void) {
    struct timespec time;
    clock_gettime(CLOCK_REALTIME, &time);
    time.tv_sec += DEADLINE_MS / 1000;
    return time;
}

Result *result_of(Client *client, int32_t accepted_code) {
    if (accepted_code != TIM_OK) {
        Result *refused = allocated(sizeof *refused);
        refused->code = accepted_code;
        return refused;
    }
    struct timespec until = deadline();
    pthread_mutex_lock(&mutex);
    while (client->result == NULL && pthread_cond_timedwait(&something_came, &mutex, &until) != ETIMEDOUT) continue;
    Result *result = client->result;
    client->result = NULL;
    pthread_mutex_unlock(&mutex);
    if (result == NULL) broken("no result came within %d ms", DEADLINE_MS);
    return result;
}

/* Takes the first event that is wanted. With the lock held. */
static Event *take(Client *client, int (*wanted)(const Event *, const void *), const void *what) {
    for (Event **place = &client->first; *place != NULL; place = &(*place)->next) {
        Event *event = *place;
        if (!wanted(event, what)) continue;
        *place = event->next;
        return event;
    }
    return NULL;
}

Event *client_await(Client *client, int (*wanted)(const Event *, const void *), const void *what) {
    struct timespec until = deadline();
    pthread_mutex_lock(&mutex);
    Event *event = take(client, wanted, what);
    while (event == NULL && pthread_cond_timedwait(&something_came, &mutex, &until) != ETIMEDOUT) event = take(client, wanted, what);
    pthread_mutex_unlock(&mutex);
    return event;
}

static int not_connection(const Event *event, const void *what) {
    (void)what;
    return event->kind != EVENT_CONNECTION;
}

Event *client_next(Client *client) {
    pthread_mutex_lock(&mutex);
    Event *event = take(client, not_connection, NULL);
    pthread_mutex_unlock(&mutex);
    return event;
}
