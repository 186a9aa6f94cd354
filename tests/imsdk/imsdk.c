/* See imsdk.h. */
#include "imsdk.h"

#include <arpa/inet.h>
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { EVENTS_MAX = 4096 };

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t changed = PTHREAD_COND_INITIALIZER;
static unsigned long order;
static Told_event events[EVENTS_MAX];
static size_t event_count, event_seen;

unsigned long this_thread(void) { return (unsigned long)pthread_self(); }

Told *told_new(void) {
    Told *told = calloc(1, sizeof *told);
    CHECK(told != NULL);
    return told;
}

/* Waits for a change of anything; 0 when the time is over. */
static int await_change(int64_t deadline_ms) {
    struct timespec until;
    int64_t left = deadline_ms - now_ms();
    if (left <= 0) return 0;
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += left / 1000 + 1;
    return pthread_cond_timedwait(&changed, &lock, &until) != ETIMEDOUT || now_ms() < deadline_ms;
}

void on_told(int32_t code, const char *desc, const char *json, const void *user_data) {
    Told *told = (Told *)(uintptr_t)user_data;
    CHECK(told != NULL && desc != NULL && json != NULL);
    if (code == 0) CHECK_STR(desc, "");
    else if (desc[0] == 0) FAIL("the code %d has no text", (int)code);
    pthread_mutex_lock(&lock);
    if (told->times++ > 0) FAIL("told twice: %d %s", (int)code, desc);
    told->code = code;
    snprintf(told->desc, sizeof told->desc, "%s", desc);
    told->json = strdup(json);
    CHECK(told->json != NULL);
    told->thread = this_thread();
    told->order = ++order;
    pthread_cond_broadcast(&changed);
    pthread_mutex_unlock(&lock);
}

Told *told(Told *told) {
    int64_t deadline = now_ms() + 2 * DEADLINE_MS;
    pthread_mutex_lock(&lock);
    while (told->times == 0)
        if (!await_change(deadline)) FAIL("no result came");
    pthread_mutex_unlock(&lock);
    return told;
}

int was_told(Told *told) {
    pthread_mutex_lock(&lock);
    int times = told->times;
    pthread_mutex_unlock(&lock);
    return times > 0;
}

static void append(const char *text, const char *desc) {
    pthread_mutex_lock(&lock);
    if (event_count == EVENTS_MAX) FAIL("more than %d events", EVENTS_MAX);
    Told_event *event = &events[event_count++];
    snprintf(event->text, sizeof event->text, "%s", text);
    snprintf(event->desc, sizeof event->desc, "%s", desc);
    event->thread = this_thread();
    event->order = ++order;
    pthread_cond_broadcast(&changed);
    pthread_mutex_unlock(&lock);
}

static void on_network(enum TIMNetworkStatus status, int32_t code, const char *desc, const void *user_data) {
    char text[64];
    CHECK(desc != NULL && user_data == (void *)1);
    snprintf(text, sizeof text, "network %d %d", (int)status, (int)code);
    append(text, desc);
}

static void on_kicked(const void *user_data) {
    CHECK(user_data == (void *)2);
    append("kicked", "");
}

static void on_expired(const void *user_data) {
    CHECK(user_data == (void *)3);
    append("expired", "");
}

/* An array of flat objects: one event each. */
static void on_status(const char *json, const void *user_data) {
    char text[1024];
    CHECK(json != NULL && json[0] == '[' && user_data == (void *)4);
    for (const char *at = strchr(json, '{'); at != NULL; at = strchr(at, '{')) {
        const char *end = strchr(at, '}');
        CHECK(end != NULL);
        snprintf(text, sizeof text, "status %.*s", (int)(end - at + 1), at);
        append(text, "");
        at = end;
    }
}

static void on_log(enum TIMLogLevel level, const char *log, const void *user_data) {
    char text[64];
    CHECK(log != NULL && user_data == (void *)5);
    snprintf(text, sizeof text, "log %d", (int)level);
    append(text, log);
}

void listen_to_all(void) {
    TIMSetNetworkStatusListenerCallback(on_network, (void *)1);
    TIMSetKickedOfflineCallback(on_kicked, (void *)2);
    TIMSetUserSigExpiredCallback(on_expired, (void *)3);
    TIMSetUserStatusChangedCallback(on_status, (void *)4);
    TIMSetLogCallback(on_log, (void *)5);
}

static int begins(const char *whole, const char *with) { return strncmp(whole, with, strlen(with)) == 0; }

Told_event await_told(const char *text) {
    int64_t deadline = now_ms() + 2 * DEADLINE_MS;
    pthread_mutex_lock(&lock);
    for (;;) {
        while (event_seen < event_count) {
            Told_event event = events[event_seen++];
            if (!begins(event.text, text)) continue;
            pthread_mutex_unlock(&lock);
            return event;
        }
        if (!await_change(deadline)) {
            for (size_t i = 0; i < event_count; i++) fprintf(stderr, "told: %s (%s)\n", events[i].text, events[i].desc);
            FAIL("nobody was told \"%s\"", text);
        }
    }
}

size_t told_so_far(const char *text) {
    size_t count = 0;
    pthread_mutex_lock(&lock);
    for (size_t i = event_seen; i < event_count; i++) count += (size_t)begins(events[i].text, text);
    pthread_mutex_unlock(&lock);
    return count;
}

void init_at(const char *address) {
    CHECK_EQ(setenv("TIM_PRESENCE_SERVER", address, 1), 0);
    CHECK_EQ(TIMInit(APP_ID, "{}"), 0);
}

void online_as(const Server *server, const char *user) {
    init_at(server->address);
    ASKED(TIMLogin(user, user_sig(user, 3600), TO(it)), 0, "");
}

/* A socket bound to a free port of the loopback; listening or not. */
static const char *bound_address(int listening) {
    static char text[64];
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
    socklen_t length = sizeof address;
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    CHECK(fd >= 0);
    CHECK_EQ(bind(fd, (struct sockaddr *)&address, sizeof address), 0);
    if (listening) CHECK_EQ(listen(fd, 16), 0);
    CHECK_EQ(getsockname(fd, (struct sockaddr *)&address, &length), 0);
    snprintf(text, sizeof text, "tim://127.0.0.1:%d", ntohs(address.sin_port));
    return text;
}

const char *silent_address(void) { return bound_address(1); }
const char *nobodys_address(void) { return bound_address(0); }
