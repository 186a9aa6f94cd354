/* Who owns a user_data, when it comes back, and what callbacks are given (docs/C_API.md, "Callbacks", 5 and 7; "Lifetime", logs). */
#include <pthread.h>
#include <stdlib.h>
#include <unistd.h>

#include "contract.h"

/* ---- a user_data that knows what happens to it ---- */

typedef struct Owned {
    Signal freed, called;
    int running;    /* a call is under way */
    int after_free; /* calls that came too late */
} Owned;

static void enter(Owned *owned) {
    if (posts_of(&owned->freed) > 0) owned->after_free++;
    __atomic_add_fetch(&owned->running, 1, __ATOMIC_SEQ_CST);
}
static void leave(Owned *owned) {
    __atomic_sub_fetch(&owned->running, 1, __ATOMIC_SEQ_CST);
    post(&owned->called);
}
static void on_free(void *user_data) {
    Owned *owned = user_data;
    CHECK_EQ(__atomic_load_n(&owned->running, __ATOMIC_SEQ_CST), 0);
    post(&owned->freed);
}

static void owned_status(const TimUserStatus *const *changes, size_t count, void *user_data) {
    (void)changes, (void)count;
    enter(user_data), leave(user_data);
}
static void owned_connection(int32_t state, int32_t code, const char *message, void *user_data) {
    (void)state, (void)code, (void)message;
    enter(user_data), leave(user_data);
}
static void owned_kicked(int32_t code, const char *message, void *user_data) {
    (void)code, (void)message;
    enter(user_data), leave(user_data);
}
static void owned_evicted(const char *const *ids, size_t count, void *user_data) {
    (void)ids, (void)count;
    enter(user_data), leave(user_data);
}
static void owned_log(int32_t level, const char *message, void *user_data) {
    (void)level, (void)message;
    enter(user_data), leave(user_data);
}
static void owned_plain(void *user_data) { enter(user_data), leave(user_data); }

/* ---- every setter ---- */

enum { SETTERS = 8, HOOKS = 6, WAKE = 7 };

/* Sets the listener of a kind, or removes it where `owned` is NULL. */
static int32_t set_listener(int kind, TimClient client, Owned *owned) {
    int on = owned != NULL;
    TimFreeFn free_fn = on ? on_free : NULL;
    switch (kind) {
    case 0: return timSetUserStatusChangedCallback(client, on ? owned_status : NULL, owned, free_fn);
    case 1: return timSetConnectionStateCallback(client, on ? owned_connection : NULL, owned, free_fn);
    case 2: return timSetKickedOfflineCallback(client, on ? owned_kicked : NULL, owned, free_fn);
    case 3: return timSetUserSigExpiredCallback(client, on ? owned_plain : NULL, owned, free_fn);
    case 4: return timSetSubscriptionEvictedCallback(client, on ? owned_evicted : NULL, owned, free_fn);
    case 5: return timSetLogCallback(client, TIM_LOG_TRACE, on ? owned_log : NULL, owned, free_fn);
    case HOOKS: return timSetThreadHooks(client, on ? owned_plain : NULL, on ? owned_plain : NULL, owned, free_fn);
    case WAKE: return timSetWakeCallback(client, on ? owned_plain : NULL, owned, free_fn);
    default: FAIL("no setter %d", kind);
    }
}

static const char *delivery_of(int kind) { return kind == WAKE ? "\"delivery\":\"poll\"" : ""; }

static void await_freed(int kind, TimClient client, Owned *owned, int times) {
    if (kind == WAKE) poll_until(client, &owned->freed, times, "free_user_data");
    await_posts(&owned->freed, times, "free_user_data");
}

static void check_freed_once(const char *how, int kind, Owned *owned) {
    if (posts_of(&owned->freed) != 1) FAIL("setter %d, %s: freed %d times", kind, how, posts_of(&owned->freed));
    if (owned->after_free != 0) FAIL("setter %d, %s: called after it was freed", kind, how);
}

CASE(freed_once_when_replaced, "each setter") {
    for (int kind = 0; kind < SETTERS; kind++) {
        Owned first = {.running = 0}, second = {.running = 0};
        TimClient client = raw_client(nobodys_address(), delivery_of(kind));
        ACCEPTED(set_listener(kind, client, &first));
        ACCEPTED(set_listener(kind, client, &second));
        await_freed(kind, client, &first, 1);
        CHECK_EQ(posts_of(&second.freed), 0);
        raw_destroy(client);
        check_freed_once("replaced", kind, &first);
        check_freed_once("destroyed after replacing", kind, &second);
    }
}

CASE(freed_once_when_removed, "each setter; removing what is not there is fine") {
    for (int kind = 0; kind < SETTERS; kind++) {
        Owned owned = {.running = 0};
        TimClient client = raw_client(nobodys_address(), delivery_of(kind));
        ACCEPTED(set_listener(kind, client, NULL));
        ACCEPTED(set_listener(kind, client, &owned));
        ACCEPTED(set_listener(kind, client, NULL));
        await_freed(kind, client, &owned, 1);
        ACCEPTED(set_listener(kind, client, NULL));
        raw_destroy(client);
        check_freed_once("removed", kind, &owned);
    }
}

CASE(freed_once_before_destroy_returns, "each setter, under each delivery") {
    static const char *const deliveries[] = {"", "\"delivery\":\"shared\"", "\"delivery\":\"poll\""};
    for (int delivery = 0; delivery < 3; delivery++) {
        Owned owned[SETTERS];
        memset(owned, 0, sizeof owned);
        TimClient client = raw_client(nobodys_address(), deliveries[delivery]);
        int last = delivery == 2 ? SETTERS : WAKE;
        for (int kind = 0; kind < last; kind++)
            if (delivery != 2 || kind != HOOKS) ACCEPTED(set_listener(kind, client, &owned[kind]));
        raw_destroy(client);
        for (int kind = 0; kind < last; kind++)
            if (delivery != 2 || kind != HOOKS) check_freed_once("destroyed", kind, &owned[kind]);
    }
}

CASE(freed_once_before_closed, "each setter, timClientDestroyAsync") {
    for (int kind = 0; kind < SETTERS; kind++) {
        Owned owned = {.running = 0};
        Signal closed = {0};
        TimClient client = raw_client(nobodys_address(), delivery_of(kind));
        ACCEPTED(set_listener(kind, client, &owned));
        ACCEPTED(timClientDestroyAsync(client, post_plain, &closed));
        if (kind == WAKE) poll_until(client, &closed, 1, "closed");
        await_posts(&closed, 1, "closed");
        /* on_stop of the hooks alone comes after `closed`, and their free after that. */
        if (kind == HOOKS) await_posts(&owned.freed, 1, "free_user_data");
        check_freed_once("closed", kind, &owned);
    }
}

CASE(never_freed_when_refused, "each setter: a full queue, a closing client, a destroyed one; the user_data stays the caller's") {
    for (int kind = 0; kind < SETTERS; kind++) {
        Owned refused = {.running = 0};
        char options[64];
        Signal results = {0};
        snprintf(options, sizeof options, "\"queue_max\":2%s%s", kind == WAKE ? "," : "", delivery_of(kind));
        TimClient client = raw_client(nobodys_address(), options);
        Hold hold;
        if (kind == WAKE) {
            /* Nobody polls, so nothing is delivered. */
            ACCEPTED(timSetSelfStatus(client, "busy", post_result, &results));
        } else {
            hold_callbacks(client, &hold);
        }
        ACCEPTED(timSetSelfStatus(client, "busy", post_result, &results));
        REFUSED(set_listener(kind, client, &refused), TIM_ERR_BUSY);
        REFUSED(set_listener(kind, client, NULL), TIM_ERR_BUSY);
        ACCEPTED(timClientDestroyAsync(client, NULL, NULL));
        REFUSED(set_listener(kind, client, &refused), TIM_ERR_CLOSED);
        if (kind != WAKE) let_go(&hold);
        int32_t code = timClientDestroy(client, DEADLINE_MS);
        CHECK(code == TIM_OK || code == TIM_ERR_INVALID_HANDLE);
        REFUSED(set_listener(kind, client, &refused), TIM_ERR_INVALID_HANDLE);
        CHECK_EQ(posts_of(&refused.freed), 0);
        CHECK_EQ(posts_of(&refused.called), 0);
    }
}

/* ---- setters never wait, and the free proves the end ---- */

typedef struct Running {
    Owned owned;
    Hold hold;
} Running;

static void stay(const TimUserStatus *const *changes, size_t count, void *user_data) {
    Running *running = user_data;
    (void)changes, (void)count;
    enter(&running->owned);
    post(&running->hold.entered);
    await_posts(&running->hold.may_leave, 1, "leave to go");
    leave(&running->owned);
}

CASE(a_setter_does_not_wait_for_a_running_listener, "it returns while the old one runs, which is freed after its last call") {
    static Running old;
    Owned next = {.running = 0};
    Home home = home_start("");
    TimClient client = raw_client(home.address, "");
    ACCEPTED(timSetUserStatusChangedCallback(client, stay, &old, on_free));
    raw_login(client, "alice", home_user_sig(&home, "alice", 3600));
    await_posts(&old.hold.entered, 1, "the old listener");
    /* Returns, though the old listener waits for us. */
    ACCEPTED(set_listener(0, client, &next));
    CHECK_EQ(posts_of(&old.owned.freed), 0);
    post(&old.hold.may_leave);
    await_posts(&old.owned.freed, 1, "free of the old listener");
    ACCEPTED(timSetSelfStatus(client, "busy", NULL, NULL));
    await_posts(&next.called, 1, "the new listener");
    raw_destroy(client);
    check_freed_once("replaced while running", 0, &old.owned);
    home_stop(&home);
}

/* ---- replacing at full speed ---- */

typedef struct Replacer {
    TimClient client;
    Owned *owned;
    int count;
} Replacer;

static void *replace_all_the_time(void *argument) {
    Replacer *replacer = argument;
    for (int i = 0; i < replacer->count; i++) {
        int32_t code;
        while ((code = set_listener(0, replacer->client, &replacer->owned[i])) == TIM_ERR_BUSY) sched_yield();
        CHECK_EQ(code, TIM_OK);
    }
    return NULL;
}

CASE(listeners_replaced_while_they_are_called, "two threads replace, changes arrive, then destroy: each of 1 000 is freed once, none is called late") {
    enum { EACH = 500 };
    static Owned owned[2][EACH];
    Home home = home_start("");
    TimClient client = raw_client(home.address, "");
    raw_login(client, "alice", home_user_sig(&home, "alice", 3600));
    pthread_t threads[2];
    Replacer replacers[2];
    for (int i = 0; i < 2; i++) {
        replacers[i] = (Replacer){client, owned[i], EACH};
        CHECK_EQ(pthread_create(&threads[i], NULL, replace_all_the_time, &replacers[i]), 0);
    }
    Signal set = {0};
    for (int i = 0; i < 300; i++) ACCEPTED(timSetSelfStatus(client, i % 2 == 0 ? "a" : "b", post_result, &set));
    for (int i = 0; i < 2; i++) pthread_join(threads[i], NULL);
    raw_destroy(client);
    for (int i = 0; i < 2; i++)
        for (int j = 0; j < EACH; j++) check_freed_once("replaced at speed", 0, &owned[i][j]);
    home_stop(&home);
}

/* ---- hooks of the callback thread ---- */

typedef struct Hooked {
    Signal started, stopped, freed;
    pthread_t started_on, stopped_on, called_on;
    int called_before_start;
} Hooked;

static void on_start(void *user_data) {
    Hooked *hooked = user_data;
    hooked->started_on = pthread_self();
    post(&hooked->started);
}
static void on_stop(void *user_data) {
    Hooked *hooked = user_data;
    hooked->stopped_on = pthread_self();
    post(&hooked->stopped);
}
static void on_hooks_freed(void *user_data) { post(&((Hooked *)user_data)->freed); }
static void called_after_start(const TimResult *result, void *user_data) {
    Hooked *hooked = user_data;
    (void)result;
    hooked->called_before_start = posts_of(&hooked->started) == 0;
    hooked->called_on = pthread_self();
}

CASE(hooks_run_on_the_callback_thread, "on_start before the next callback, on_stop as the last thing, each once, on the thread of the callbacks") {
    static const char *const deliveries[] = {"", "\"delivery\":\"shared\""};
    for (int i = 0; i < 2; i++) {
        Hooked hooked = {.called_before_start = 1};
        TimClient client = raw_client(nobodys_address(), deliveries[i]);
        ACCEPTED(timSetThreadHooks(client, on_start, on_stop, &hooked, on_hooks_freed));
        ACCEPTED(timGetSubscriptions(client, called_after_start, &hooked));
        raw_destroy(client);
        CHECK_EQ(hooked.called_before_start, 0);
        CHECK_EQ(posts_of(&hooked.started), 1);
        CHECK_EQ(posts_of(&hooked.stopped), 1);
        CHECK_EQ(posts_of(&hooked.freed), 1);
        CHECK(pthread_equal(hooked.started_on, hooked.called_on) && pthread_equal(hooked.stopped_on, hooked.called_on));
        CHECK(!pthread_equal(hooked.called_on, pthread_self()));
    }
}

CASE(hooks_that_are_replaced_stop, "the old on_stop runs where its on_start ran, then the new on_start") {
    Hooked first = {.called_before_start = 0}, second = {.called_before_start = 0};
    TimClient client = raw_client(nobodys_address(), "");
    ACCEPTED(timSetThreadHooks(client, on_start, on_stop, &first, on_hooks_freed));
    ACCEPTED(timSetThreadHooks(client, on_start, on_stop, &second, on_hooks_freed));
    await_posts(&second.started, 1, "the new on_start");
    CHECK_EQ(posts_of(&first.stopped), 1);
    CHECK_EQ(posts_of(&second.stopped), 0);
    raw_destroy(client);
    CHECK_EQ(posts_of(&first.stopped) + posts_of(&first.freed) + posts_of(&second.stopped) + posts_of(&second.freed), 4);
}
