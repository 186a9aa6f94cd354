/* Where callbacks run: a thread of the client, one shared thread, or timPoll (docs/C_API.md, "Callbacks", 1; "Lifetime", poll). */
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <stdlib.h>
#include <unistd.h>

#include "contract.h"

/* ---- who runs it ---- */

typedef struct Place {
    Signal came;
    pthread_t thread;
    char thread_name[16];
} Place;

static void note_place(const TimResult *result, void *user_data) {
    Place *place = user_data;
    (void)result;
    place->thread = pthread_self();
    CHECK_EQ(pthread_getname_np(place->thread, place->thread_name, sizeof place->thread_name), 0);
    post(&place->came);
}

static Place place_of(TimClient client) {
    static Place places[64];
    static int used;
    Place *place = &places[used++];
    CHECK(used < 64);
    ACCEPTED(timGetSubscriptions(client, note_place, place));
    await_posts(&place->came, 1, "the result");
    return *place;
}

CASE(each_client_has_a_thread, "\"thread\", the default: always the same one, another for every client, never the runtime's") {
    TimClient first = raw_client(nobodys_address(), ""), second = raw_client(nobodys_address(), "\"delivery\":\"thread\"");
    Place one = place_of(first), again = place_of(first), two = place_of(second);
    CHECK(pthread_equal(one.thread, again.thread));
    CHECK(!pthread_equal(one.thread, two.thread));
    CHECK(!pthread_equal(one.thread, pthread_self()));
    CHECK_STR(one.thread_name, "tim-callbacks");
    CHECK_EQ(threads_now(), 1 + 1 + 2);
    raw_destroy(first), raw_destroy(second);
    CHECK_EQ(threads_now(), 1);
}

CASE(companions_share_a_thread, "\"shared\": one for all such clients, beside those of other clients") {
    TimClient clients[10], apart = raw_client(nobodys_address(), "");
    for (int i = 0; i < 10; i++) clients[i] = raw_client(nobodys_address(), "\"delivery\":\"shared\"");
    Place first = place_of(clients[0]), other = place_of(apart);
    CHECK(!pthread_equal(first.thread, other.thread));
    CHECK_STR(first.thread_name, "tim-callbacks");
    for (int i = 1; i < 10; i++) CHECK(pthread_equal(place_of(clients[i]).thread, first.thread));
    CHECK_EQ(threads_now(), 1 + 1 + 2);
    for (int i = 0; i < 10; i++) raw_destroy(clients[i]);
    CHECK_EQ(threads_now(), 1 + 1 + 1);
    raw_destroy(apart);
    CHECK_EQ(threads_now(), 1);
}

/* ---- never inside the call ---- */

static pthread_mutex_t held_by_caller = PTHREAD_MUTEX_INITIALIZER;
static void take_callers_lock(const TimResult *result, void *user_data) {
    (void)result;
    /* Would deadlock on the caller's stack: it holds this during the call. */
    int taken = pthread_mutex_trylock(&held_by_caller) == 0;
    CHECK(taken || !pthread_equal(pthread_self(), *(pthread_t *)user_data));
    if (taken) pthread_mutex_unlock(&held_by_caller);
}

CASE(never_on_the_callers_stack, "results that are there at once come later, too: a thousand calls under a lock of the application") {
    pthread_t caller = pthread_self();
    TimClient client = raw_client(nobodys_address(), "");
    pthread_mutexattr_t checking;
    pthread_mutexattr_init(&checking);
    pthread_mutexattr_settype(&checking, PTHREAD_MUTEX_ERRORCHECK);
    pthread_mutex_init(&held_by_caller, &checking);
    for (int i = 0; i < 1000; i++) {
        CHECK_EQ(pthread_mutex_lock(&held_by_caller), 0);
        ACCEPTED(timSetSelfStatus(client, "busy", take_callers_lock, &caller));
        /* Ours still: a callback on this stack would have unlocked it. */
        CHECK_EQ(pthread_mutex_unlock(&held_by_caller), 0);
    }
    raw_destroy(client);
}

/* ---- poll ---- */

#define POLLED "\"delivery\":\"poll\""

static int readable(int fd, int timeout_ms) {
    struct pollfd waiting = {fd, POLLIN, 0};
    int ready = poll(&waiting, 1, timeout_ms);
    CHECK(ready >= 0);
    return ready == 1;
}

static void note_thread(const TimResult *result, void *user_data) {
    Place *place = user_data;
    (void)result;
    place->thread = pthread_self();
    post(&place->came);
}

CASE(poll_runs_callbacks_on_the_thread_that_polls, "and only there; no callback thread exists") {
    Place place = {.came = {0}};
    size_t handled = 77;
    TimClient client = raw_client(nobodys_address(), POLLED);
    CHECK_EQ(threads_now(), 1 + 1);
    for (int i = 0; i < 3; i++) ACCEPTED(timGetSubscriptions(client, note_thread, &place));
    while (posts_of(&place.came) < 3) {
        int before = posts_of(&place.came);
        ACCEPTED(timPoll(client, 1, DEADLINE_MS, &handled));
        CHECK_EQ(handled, 1);
        CHECK_EQ(posts_of(&place.came), before + 1);
        CHECK(pthread_equal(place.thread, pthread_self()));
    }
    ACCEPTED(timPoll(client, 0, 0, &handled));
    CHECK_EQ(handled, 0);
    raw_destroy(client);
}

CASE(poll_runs_at_most_max_events, "0: all that wait") {
    Signal came = {0};
    size_t handled = 0;
    TimClient client = raw_client(nobodys_address(), POLLED);
    int fd = -1;
    ACCEPTED(timGetWakeFd(client, &fd));
    for (int i = 0; i < 10; i++) ACCEPTED(timGetSubscriptions(client, post_result, &came));
    while (posts_of(&came) < 3) {
        ACCEPTED(timPoll(client, 3 - (size_t)posts_of(&came), DEADLINE_MS, &handled));
        CHECK(posts_of(&came) <= 3);
    }
    while (posts_of(&came) < 10) ACCEPTED(timPoll(client, 0, DEADLINE_MS, &handled));
    raw_destroy(client);
}

CASE(the_wake_fd_is_readable_while_callbacks_wait, "level-triggered, the same every time, gone with the client") {
    Signal came = {0};
    int fd = -1, again = -1;
    int files = files_now();
    TimClient client = raw_client(nobodys_address(), POLLED);
    ACCEPTED(timGetWakeFd(client, &fd));
    ACCEPTED(timGetWakeFd(client, &again));
    CHECK_EQ(fd, again);
    CHECK((fcntl(fd, F_GETFD) & FD_CLOEXEC) != 0);
    CHECK(!readable(fd, 0));
    for (int round = 0; round < 100; round++) {
        ACCEPTED(timGetSubscriptions(client, post_result, &came));
        CHECK(readable(fd, DEADLINE_MS));
        CHECK(readable(fd, 0));
        CHECK_EQ(posts_of(&came), round);
        ACCEPTED(timPoll(client, 0, 0, NULL));
        CHECK_EQ(posts_of(&came), round + 1);
        CHECK(!readable(fd, 0));
    }
    raw_destroy(client);
    CHECK_EQ(files_now(), files + 1 /* the socket behind nobodys_address */);
}

CASE(the_wake_fd_asked_for_late, "is readable at once if something waits already") {
    Signal came = {0}, woken = {0};
    int fd = -1;
    TimClient client = raw_client(nobodys_address(), POLLED);
    ACCEPTED(timSetWakeCallback(client, post_plain, &woken, NULL));
    poll_until(client, &woken, 0, "");
    ACCEPTED(timGetSubscriptions(client, post_result, &came));
    await_posts(&woken, 1, "the wake callback");
    ACCEPTED(timGetWakeFd(client, &fd));
    CHECK(readable(fd, DEADLINE_MS));
    raw_destroy(client);
    CHECK_EQ(posts_of(&came), 1);
}

typedef struct Woken {
    Signal wakes, freed;
    pthread_t caller;
    int on_caller, after_free;
} Woken;

static void on_wake(void *user_data) {
    Woken *woken = user_data;
    woken->on_caller |= pthread_equal(pthread_self(), woken->caller) != 0;
    woken->after_free |= posts_of(&woken->freed) > 0;
    post(&woken->wakes);
}
static void on_wake_freed(void *user_data) { post(&((Woken *)user_data)->freed); }

CASE(the_wake_callback_signals_each_time, "on a thread of the library, when the queue stops being empty; a program that polls on it misses nothing") {
    Signal came = {0};
    Woken woken = {.caller = pthread_self()};
    TimClient client = raw_client(nobodys_address(), POLLED);
    ACCEPTED(timSetWakeCallback(client, on_wake, &woken, on_wake_freed));
    int seen = 0;
    for (int round = 0; round < 200; round++) {
        ACCEPTED(timGetSubscriptions(client, post_result, &came));
        while (posts_of(&came) <= round) {
            await_posts(&woken.wakes, seen + 1, "a wake-up");
            seen = posts_of(&woken.wakes);
            size_t handled;
            do ACCEPTED(timPoll(client, 0, 0, &handled));
            while (handled > 0);
        }
    }
    raw_destroy(client);
    CHECK_EQ(woken.on_caller, 0);
    CHECK_EQ(posts_of(&woken.freed), 1);
}

CASE(the_wake_callback_ends_with_destroy, "x 200: not called, and freed, once destroy returned TIM_OK") {
    for (int round = 0; round < 200; round++) {
        Woken woken = {.caller = pthread_self()};
        TimClient client = raw_client(nobodys_address(), POLLED);
        ACCEPTED(timSetWakeCallback(client, on_wake, &woken, on_wake_freed));
        ACCEPTED(timLogin(client, "alice", "not-a-user-sig", NULL, NULL));
        raw_destroy(client);
        int wakes = posts_of(&woken.wakes);
        CHECK_EQ(posts_of(&woken.freed), 1);
        /* Another client's whole life later, on the same kind of thread. */
        raw_destroy(raw_client(nobodys_address(), ""));
        CHECK_EQ(posts_of(&woken.wakes), wakes);
        CHECK_EQ(woken.after_free, 0);
    }
}

/* Breaks the rule that a wake callback only signals. */
typedef struct Breaker {
    TimClient client;
    int32_t poll_code, destroy_code;
    Signal tried;
} Breaker;
static void poll_in_wake(void *user_data) {
    Breaker *breaker = user_data;
    if (posts_of(&breaker->tried) > 0) return;
    breaker->poll_code = timPoll(breaker->client, 0, 0, NULL);
    breaker->destroy_code = timClientDestroy(breaker->client, DEADLINE_MS);
    post(&breaker->tried);
}

CASE(a_wake_callback_may_only_signal, "polling and destroying there would deadlock, and say so") {
    static Breaker breaker;
    breaker.client = raw_client(nobodys_address(), POLLED);
    ACCEPTED(timSetWakeCallback(breaker.client, poll_in_wake, &breaker, NULL));
    ACCEPTED(timSetSelfStatus(breaker.client, "busy", NULL, NULL));
    await_posts(&breaker.tried, 1, "the wake callback");
    CHECK_EQ(breaker.poll_code, TIM_ERR_WOULD_DEADLOCK);
    CHECK_EQ(breaker.destroy_code, TIM_ERR_WOULD_DEADLOCK);
    raw_destroy(breaker.client);
}

/* ---- two polls, and the last ---- */

typedef struct Poller {
    TimClient client;
    int32_t code;
    Signal ended;
} Poller;

static void *poll_for_long(void *argument) {
    Poller *poller = argument;
    /* Busy: the other one was inside; it tries again. */
    do poller->code = timPoll(poller->client, 0, DEADLINE_MS, NULL);
    while (poller->code == TIM_ERR_BUSY);
    post(&poller->ended);
    return NULL;
}

CASE(a_second_poll_is_busy, "while another thread polls") {
    Poller poller = {.client = raw_client(nobodys_address(), POLLED)};
    pthread_t thread;
    Signal came = {0};
    CHECK_EQ(pthread_create(&thread, NULL, poll_for_long, &poller), 0);
    int32_t code;
    int64_t deadline = now_ms() + DEADLINE_MS;
    while ((code = timPoll(poller.client, 0, 0, NULL)) == TIM_OK && now_ms() < deadline) sched_yield();
    CHECK_EQ(code, TIM_ERR_BUSY);
    /* And the first one still works. */
    ACCEPTED(timSetSelfStatus(poller.client, "busy", post_result, &came));
    await_posts(&came, 1, "the result in the first poll");
    await_posts(&poller.ended, 1, "the end of the first poll");
    CHECK_EQ(poller.code, TIM_OK);
    pthread_join(thread, NULL);
    raw_destroy(poller.client);
}

CASE(destroy_ends_a_poll_that_waits, "which answers CLOSED; what remains runs in destroy, on its thread") {
    Poller poller = {.client = raw_client(silent_address(), POLLED)};
    pthread_t thread;
    Place place = {.came = {0}};
    CHECK_EQ(pthread_create(&thread, NULL, poll_for_long, &poller), 0);
    while (timPoll(poller.client, 0, 0, NULL) == TIM_OK) sched_yield();
    ACCEPTED(timLogin(poller.client, "alice", "not-a-user-sig", note_thread, &place));
    raw_destroy(poller.client);
    await_posts(&poller.ended, 1, "the end of the poll");
    CHECK(poller.code == TIM_ERR_CLOSED || poller.code == TIM_ERR_INVALID_HANDLE);
    CHECK_EQ(posts_of(&place.came), 1);
    pthread_join(thread, NULL);
    CHECK_EQ(timPoll(poller.client, 0, 0, NULL), TIM_ERR_INVALID_HANDLE);
}

CASE(the_last_poll_answers_closed, "after everything that waits, `closed` included") {
    Signal came = {0}, closed = {0};
    TimClient client = raw_client(silent_address(), POLLED);
    ACCEPTED(timLogin(client, "alice", "not-a-user-sig", post_result, &came));
    ACCEPTED(timClientDestroyAsync(client, post_plain, &closed));
    int32_t code;
    do code = timPoll(client, 1, DEADLINE_MS, NULL);
    while (code == TIM_OK);
    CHECK_EQ(code, TIM_ERR_CLOSED);
    CHECK_EQ(posts_of(&came), 1);
    CHECK_EQ(posts_of(&closed), 1);
    CHECK_EQ(timPoll(client, 0, 0, NULL), TIM_ERR_INVALID_HANDLE);
}

CASE(a_client_nobody_polls, "delivers nothing, and its calls answer BUSY when the queue is full; destroy delivers all") {
    Signal came = {0};
    TimClient client = raw_client(nobodys_address(), POLLED ",\"queue_max\":8");
    int accepted = 0;
    while (timSetSelfStatus(client, "busy", post_result, &came) == TIM_OK) accepted++;
    CHECK_EQ(accepted, 8);
    CHECK_EQ(posts_of(&came), 0);
    raw_destroy(client);
    CHECK_EQ(posts_of(&came), 8);
}

CASE(other_deliveries_have_nothing_to_poll, "UNSUPPORTED, and the text names the option") {
    static const char *const deliveries[] = {"", "\"delivery\":\"shared\""};
    int fd = 77;
    for (int i = 0; i < 2; i++) {
        TimClient client = raw_client(nobodys_address(), deliveries[i]);
        REFUSED(timPoll(client, 0, 0, NULL), TIM_ERR_UNSUPPORTED);
        CHECK(strstr(last_error(), "delivery") != NULL);
        REFUSED(timGetWakeFd(client, &fd), TIM_ERR_UNSUPPORTED);
        REFUSED(timSetWakeCallback(client, post_plain, NULL, NULL), TIM_ERR_UNSUPPORTED);
        raw_destroy(client);
    }
    CHECK_EQ(fd, 77);
}
