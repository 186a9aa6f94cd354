/* Clients whose results and events are copied into lists that a test can await. */
#include "support_internal.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <time.h>

enum { WATCHED_MAX = 2048 };

struct Client {
    TimClient handle;
    char user[64];
    pthread_mutex_t lock;
    pthread_cond_t changed;
    Event *events; /* in the order they came */
    size_t event_count, event_capacity;
    size_t next;         /* the first event that no await has passed */
    uint64_t order;      /* counts results and events */
    uint64_t callbacks;  /* counts calls of the status callback */
    uint64_t fences;
    struct {
        char id[64];
        uint64_t version;
    } told[WATCHED_MAX]; /* R6.5, for this login */
    size_t told_count;
};

struct Call {
    Client *client;
    const char *what;
    int times; /* how often the callback was called */
    Result result;
};

static void copy_text(char *to, size_t capacity, const char *from) {
    if (from == NULL) FAIL("a string of a callback is NULL");
    snprintf(to, capacity, "%s", from);
}

static void copy_user(User *to, const TimUserStatus *from) {
    CHECK(from != NULL);
    CHECK(from->struct_size >= sizeof(TimUserStatus));
    copy_text(to->id, sizeof to->id, from->user_id);
    copy_text(to->custom, sizeof to->custom, from->custom_status);
    to->code = from->code;
    to->status = from->status;
    to->reason = from->reason;
    to->platforms = from->platforms;
    to->version = from->version;
    to->since_ms = from->since_ms;
}

/* ---- callbacks, on the client's thread ---- */

/* Appends an event; the lock is held. */
static Event *append(Client *client, EventKind kind) {
    if (client->event_count == client->event_capacity) {
        client->event_capacity = client->event_capacity == 0 ? 64 : 2 * client->event_capacity;
        client->events = realloc(client->events, client->event_capacity * sizeof(Event));
        CHECK(client->events != NULL);
    }
    Event *event = &client->events[client->event_count++];
    memset(event, 0, sizeof *event);
    event->kind = kind;
    event->at_ms = now_ms();
    event->order = ++client->order;
    event->callback = client->callbacks;
    return event;
}

/* R6.5: never a version twice, never one that goes back. */
static void check_version(Client *client, const User *user) {
    size_t i = 0;
    while (i < client->told_count && strcmp(client->told[i].id, user->id) != 0) i++;
    if (i == client->told_count) {
        CHECK(client->told_count < WATCHED_MAX);
        copy_text(client->told[client->told_count++].id, sizeof client->told[i].id, user->id);
    } else if (user->version <= client->told[i].version) {
        FAIL("R6.5: %s was told of %s at version %llu after version %llu", client->user, user->id, (unsigned long long)user->version,
             (unsigned long long)client->told[i].version);
    }
    client->told[i].version = user->version;
}

static void on_status(const TimUserStatus *const *changes, size_t count, void *user_data) {
    Client *client = user_data;
    CHECK(count > 0 && changes != NULL);
    pthread_mutex_lock(&client->lock);
    client->callbacks++;
    for (size_t i = 0; i < count; i++) {
        Event *event = append(client, EVENT_STATUS);
        copy_user(&event->user, changes[i]);
        check_version(client, &event->user);
    }
    pthread_cond_broadcast(&client->changed);
    pthread_mutex_unlock(&client->lock);
}

static void simple_event(Client *client, EventKind kind, int32_t code) {
    pthread_mutex_lock(&client->lock);
    append(client, kind)->code = code;
    pthread_cond_broadcast(&client->changed);
    pthread_mutex_unlock(&client->lock);
}

static void on_connection(int32_t state, int32_t code, const char *message, void *user_data) {
    CHECK(message != NULL);
    (void)code;
    simple_event(user_data, EVENT_CONNECTION, state);
}

static void on_kicked(int32_t code, const char *message, void *user_data) {
    CHECK(message != NULL);
    simple_event(user_data, EVENT_KICKED, code);
}

static void on_expired(void *user_data) { simple_event(user_data, EVENT_EXPIRED, 0); }

static void on_evicted(const char *const *user_ids, size_t count, void *user_data) {
    Client *client = user_data;
    pthread_mutex_lock(&client->lock);
    for (size_t i = 0; i < count; i++) copy_text(append(client, EVENT_EVICTED)->user.id, sizeof client->user, user_ids[i]);
    pthread_cond_broadcast(&client->changed);
    pthread_mutex_unlock(&client->lock);
}

static void on_result(const TimResult *from, void *user_data) {
    Call *call = user_data;
    Client *client = call->client;
    CHECK(from != NULL && from->struct_size >= sizeof(TimResult));
    if (from->message == NULL || from->message[0] == 0) FAIL("the result %d of %s has no text", (int)from->code, call->what);
    pthread_mutex_lock(&client->lock);
    if (call->times++ > 0) FAIL("%s was completed twice", call->what);
    Result *to = &call->result;
    to->code = from->code;
    copy_text(to->message, sizeof to->message, from->message);
    to->retry_after_ms = from->retry_after_ms;
    to->item_count = from->item_count;
    to->items = calloc(from->item_count + 1, sizeof *to->items);
    to->evicted_count = from->evicted_count;
    to->evicted = calloc(from->evicted_count + 1, sizeof *to->evicted);
    CHECK(to->items != NULL && to->evicted != NULL);
    for (size_t i = 0; i < from->item_count; i++) copy_user(&to->items[i], from->items[i]);
    for (size_t i = 0; i < from->evicted_count; i++) copy_text(to->evicted[i], sizeof to->evicted[i], from->evicted[i]);
    to->at_ms = now_ms();
    to->order = ++client->order;
    pthread_cond_broadcast(&client->changed);
    pthread_mutex_unlock(&client->lock);
}

/* ---- clients ---- */

Client *client_at(const char *address, const char *options) {
    char json[1024];
    pthread_condattr_t monotonic;
    Client *client = calloc(1, sizeof *client);
    CHECK(client != NULL);
    pthread_mutex_init(&client->lock, NULL);
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_cond_init(&client->changed, &monotonic);
    snprintf(json, sizeof json, "{\"server\":\"%s\",\"sdk_app_id\":%d%s%s}", address, APP_ID, options[0] != 0 ? "," : "", options);
    ACCEPTED(timClientCreate(json, &client->handle));
    ACCEPTED(timSetUserStatusChangedCallback(client->handle, on_status, client, NULL));
    ACCEPTED(timSetConnectionStateCallback(client->handle, on_connection, client, NULL));
    ACCEPTED(timSetKickedOfflineCallback(client->handle, on_kicked, client, NULL));
    ACCEPTED(timSetUserSigExpiredCallback(client->handle, on_expired, client, NULL));
    ACCEPTED(timSetSubscriptionEvictedCallback(client->handle, on_evicted, client, NULL));
    return client;
}

Client *client_new(const Server *server, const char *options) { return client_at(server->address, options); }

TimClient handle_of(const Client *client) { return client->handle; }

Client *online_on(const Server *server, const char *user, const char *platform) {
    char options[64];
    snprintf(options, sizeof options, "\"platform\":\"%s\"", platform);
    Client *client = client_new(server, options);
    Result *result = login(client, user, user_sig(user, 3600));
    if (result->code != 0) FAIL("the login of %s: %d %s", user, (int)result->code, result->message);
    await_status(client, user, TIM_STATUS_ONLINE, ANY, NULL);
    return client;
}

Client *online(const Server *server, const char *user) { return online_on(server, user, "Linux"); }

void destroy(Client *client) { ACCEPTED(timClientDestroy(client->handle, DEADLINE_MS)); }

/* ---- calls ---- */

static Call *new_call(Client *client, const char *what) {
    Call *call = calloc(1, sizeof *call);
    CHECK(call != NULL);
    call->client = client;
    call->what = what;
    return call;
}

Call *start_login(Client *client, const char *user, const char *sig) {
    Call *call = new_call(client, "login");
    pthread_mutex_lock(&client->lock);
    copy_text(client->user, sizeof client->user, user);
    client->told_count = 0;
    pthread_mutex_unlock(&client->lock);
    ACCEPTED(timLogin(client->handle, user, sig, on_result, call));
    return call;
}

Call *start_logout(Client *client) {
    Call *call = new_call(client, "logout");
    ACCEPTED(timLogout(client->handle, on_result, call));
    return call;
}

Call *start_renew(Client *client, const char *sig) {
    Call *call = new_call(client, "renew");
    ACCEPTED(timRenewUserSig(client->handle, sig, on_result, call));
    return call;
}

Call *start_set(Client *client, const char *custom) {
    Call *call = new_call(client, "set");
    ACCEPTED(timSetSelfStatus(client->handle, custom, on_result, call));
    return call;
}

Call *start_query(Client *client, const char *const *ids, size_t count) {
    Call *call = new_call(client, "query");
    ACCEPTED(timGetUserStatus(client->handle, ids, count, on_result, call));
    return call;
}

Call *start_subscribe(Client *client, const char *const *ids, size_t count) {
    Call *call = new_call(client, "subscribe");
    ACCEPTED(timSubscribeUserStatus(client->handle, ids, count, on_result, call));
    return call;
}

Call *start_unsubscribe(Client *client, const char *const *ids, size_t count) {
    Call *call = new_call(client, "unsubscribe");
    ACCEPTED(timUnsubscribeUserStatus(client->handle, ids, count, on_result, call));
    return call;
}

Call *start_list(Client *client) {
    Call *call = new_call(client, "list");
    ACCEPTED(timGetSubscriptions(client->handle, on_result, call));
    return call;
}

Call *start_friends(Client *client) {
    Call *call = new_call(client, "friends");
    ACCEPTED(timGetFriends(client->handle, on_result, call));
    return call;
}

const char **many_ids(size_t count) {
    const char **ids = calloc(count, sizeof *ids);
    CHECK(ids != NULL);
    for (size_t i = 0; i < count; i++) {
        char *id = malloc(32);
        CHECK(id != NULL);
        snprintf(id, 32, "user%zu", i);
        ids[i] = id;
    }
    return ids;
}

static struct timespec deadline_from_now(void) {
    struct timespec at;
    clock_gettime(CLOCK_MONOTONIC, &at);
    at.tv_sec += DEADLINE_MS / 1000;
    return at;
}

Result *finish(Call *call) {
    struct timespec deadline = deadline_from_now();
    pthread_mutex_lock(&call->client->lock);
    while (call->times == 0) {
        if (pthread_cond_timedwait(&call->client->changed, &call->client->lock, &deadline) == ETIMEDOUT && call->times == 0)
            FAIL("no result of %s of %s within %d ms", call->what, call->client->user, DEADLINE_MS);
    }
    pthread_mutex_unlock(&call->client->lock);
    return &call->result;
}

int finished(Call *call) {
    pthread_mutex_lock(&call->client->lock);
    int times = call->times;
    pthread_mutex_unlock(&call->client->lock);
    return times > 0;
}

Result *login(Client *client, const char *user, const char *sig) { return finish(start_login(client, user, sig)); }
int login_to_expire(Client *client, const char *user) {
    for (int valid_seconds = 2;; valid_seconds *= 2) {
        Result *result = login(client, user, user_sig(user, valid_seconds));
        if (result->code == 0) return valid_seconds;
        /* It took longer than that to come here. */
        CHECK_EQ(result->code, TIM_ERR_USER_SIG_EXPIRED);
        CHECK(valid_seconds < DEADLINE_MS / 1000 / 2);
    }
}
Result *logout_of(Client *client) { return finish(start_logout(client)); }
Result *set_status(Client *client, const char *custom) { return finish(start_set(client, custom)); }
Result *query(Client *client, const char *const *ids, size_t count) { return finish(start_query(client, ids, count)); }
Result *subscribe(Client *client, const char *const *ids, size_t count) { return finish(start_subscribe(client, ids, count)); }
Result *unsubscribe(Client *client, const char *const *ids, size_t count) { return finish(start_unsubscribe(client, ids, count)); }
Result *list_of(Client *client) { return finish(start_list(client)); }

User *item_of(Result *result, const char *user) {
    for (size_t i = 0; i < result->item_count; i++)
        if (strcmp(result->items[i].id, user) == 0) return &result->items[i];
    FAIL("the result (%d %s) has no entry for %s", (int)result->code, result->message, user);
}

/* ---- awaiting ---- */

static void describe(const Event *event) {
    switch (event->kind) {
    case EVENT_STATUS:
        fprintf(stderr, "  told: %s status %d reason %d custom \"%s\" version %llu\n", event->user.id, (int)event->user.status,
                (int)event->user.reason, event->user.custom, (unsigned long long)event->user.version);
        break;
    case EVENT_CONNECTION: fprintf(stderr, "  connection state %d\n", (int)event->code); break;
    case EVENT_KICKED: fprintf(stderr, "  kicked %d\n", (int)event->code); break;
    case EVENT_EXPIRED: fprintf(stderr, "  expired\n"); break;
    case EVENT_EVICTED: fprintf(stderr, "  evicted %s\n", event->user.id); break;
    }
}

/* What an await looks for. */
typedef struct Wanted {
    EventKind kind;
    const char *user, *custom;
    int32_t status, reason, code;
} Wanted;

static int fits(const Event *event, const Wanted *wanted) {
    if (event->kind != wanted->kind) return 0;
    if (wanted->kind != EVENT_STATUS) return wanted->code == ANY || event->code == wanted->code;
    return strcmp(event->user.id, wanted->user) == 0 && (wanted->status == ANY || event->user.status == wanted->status) &&
           (wanted->reason == ANY || event->user.reason == wanted->reason) &&
           (wanted->custom == NULL || strcmp(event->user.custom, wanted->custom) == 0);
}

static Event await(Client *client, Wanted wanted) {
    struct timespec deadline = deadline_from_now();
    pthread_mutex_lock(&client->lock);
    for (size_t at = client->next;; at++) {
        while (at == client->event_count) {
            if (pthread_cond_timedwait(&client->changed, &client->lock, &deadline) != ETIMEDOUT || at < client->event_count) continue;
            fprintf(stderr, "what %s was told since the last awaited event:\n", client->user);
            for (size_t i = client->next; i < client->event_count; i++) describe(&client->events[i]);
            if (wanted.kind == EVENT_STATUS)
                FAIL("%s was not told within %d ms: %s status %d reason %d custom %s", client->user, DEADLINE_MS, wanted.user,
                     (int)wanted.status, (int)wanted.reason, wanted.custom == NULL ? "(any)" : wanted.custom);
            FAIL("%s had no event of kind %d, code %d within %d ms", client->user, (int)wanted.kind, (int)wanted.code, DEADLINE_MS);
        }
        if (!fits(&client->events[at], &wanted)) continue;
        Event found = client->events[at];
        client->next = at + 1;
        pthread_mutex_unlock(&client->lock);
        return found;
    }
}

Event await_status(Client *client, const char *user, int32_t status, int32_t reason, const char *custom) {
    return await(client, (Wanted){EVENT_STATUS, user, custom, status, reason, ANY});
}

Event await_event(Client *client, EventKind kind, int32_t code) {
    return await(client, (Wanted){kind, NULL, NULL, ANY, ANY, code});
}

size_t unseen(Client *client, const char *user) {
    char custom[32];
    struct timespec deadline = deadline_from_now();
    snprintf(custom, sizeof custom, "fence %llu", (unsigned long long)++client->fences);
    Result *result = set_status(client, custom);
    if (result->code != 0) FAIL("the fence of %s: %d %s", client->user, (int)result->code, result->message);
    /* Own notifications come in order after everything sent before; looking does not consume. */
    size_t count = 0;
    Wanted own = {EVENT_STATUS, client->user, custom, ANY, ANY, ANY};
    pthread_mutex_lock(&client->lock);
    for (size_t at = client->next;; at++) {
        while (at == client->event_count)
            if (pthread_cond_timedwait(&client->changed, &client->lock, &deadline) == ETIMEDOUT && at == client->event_count)
                FAIL("%s was not told of its own custom status \"%s\"", client->user, custom);
        if (fits(&client->events[at], &own)) break;
        count += client->events[at].kind == EVENT_STATUS && strcmp(client->events[at].user.id, user) == 0;
    }
    pthread_mutex_unlock(&client->lock);
    return count;
}

void fence(Client *client) {
    char custom[32];
    unseen(client, client->user);
    snprintf(custom, sizeof custom, "fence %llu", (unsigned long long)client->fences);
    await_status(client, client->user, ANY, ANY, custom);
}

void check_silence(Client *client, const char *user) {
    size_t count = unseen(client, user);
    if (count == 0) return;
    for (size_t i = client->next; i < client->event_count; i++) describe(&client->events[i]);
    FAIL("%s was told %zu times about %s, which it should not have been", client->user, count, user);
}

size_t events_of(Client *client, EventKind kind, int32_t code) {
    size_t count = 0;
    pthread_mutex_lock(&client->lock);
    for (size_t i = client->next; i < client->event_count; i++)
        count += client->events[i].kind == kind && (code == ANY || client->events[i].code == code);
    pthread_mutex_unlock(&client->lock);
    return count;
}

void skip_events(Client *client) {
    pthread_mutex_lock(&client->lock);
    client->next = client->event_count;
    pthread_mutex_unlock(&client->lock);
}
