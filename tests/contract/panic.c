/* What becomes of a panic (docs/C_API.md, "Lifetime"). Runs against a library built with the feature test-panic, in which two
 * custom statuses panic, and without the embedded server, whose functions are there all the same. */
#include <stdlib.h>
#include <unistd.h>

#include "arguments.h"
#include "contract.h"

#include "generated_functions.inc"

enum { FUNCTIONS = sizeof every_function / sizeof every_function[0] };

#define PANIC_IN_CALL "panic in the call"
#define PANIC_IN_SESSION "panic in the session"

/* Every function of a client that failed answers FAILED; destroy works and every promise is kept. */
static void check_failed(TimClient client, Needs needs, Signal *pending, int pending_count, Signal *freed) {
    static Arguments calls[FUNCTIONS];
    for (size_t i = 0; i < FUNCTIONS; i++) {
        const Function *function = &every_function[i];
        if (function->needs != NEEDS_thread && function->needs != NEEDS_poll) continue;
        int ends_it = strncmp(function->name, "timClientDestroy", strlen("timClientDestroy")) == 0;
        if (ends_it || strcmp(function->name, "timPoll") == 0) continue;
        good_arguments(&calls[i], function, client, 0);
        int32_t answer = function->call(&calls[i]);
        if (answer != TIM_ERR_FAILED) FAIL("%s of a failed client answered %s", function->name, timErrorName(answer));
        CHECK(last_error()[0] != 0);
        check_untouched(&calls[i], function->name);
    }
    if (needs == NEEDS_poll) poll_until(client, pending, pending_count, "what was pending");
    raw_destroy(client);
    CHECK_EQ(posts_of(pending), pending_count);
    CHECK_EQ(posts_of(freed), 1);
    for (size_t i = 0; i < FUNCTIONS; i++) CHECK_EQ(calls[i].results + calls[i].frees, 0);
    REFUSED(timClientDestroy(client, 0), TIM_ERR_INVALID_HANDLE);
    CHECK_EQ(threads_now(), 1);
}

typedef struct Fate {
    Signal came;
    int32_t code;
} Fate;
static void on_fate(const TimResult *result, void *user_data) {
    Fate *fate = user_data;
    CHECK(result->message[0] != 0);
    fate->code = result->code;
    post(&fate->came);
}
static void on_plain(void *user_data) { (void)user_data; }

static const char *const deliveries[] = {"", "\"delivery\":\"shared\"", "\"delivery\":\"poll\""};

CASE(in_a_call, "TIM_ERR_PANIC with a text, no callback; the client is FAILED, what was pending comes to its end, destroy works") {
    for (int i = 0; i < 3; i++) {
        Signal pending = {0}, freed = {0};
        Fate fate = {.code = 77};
        TimClient client = raw_client(silent_address(), deliveries[i]);
        ACCEPTED(timSetUserSigExpiredCallback(client, on_plain, &freed, post_plain));
        ACCEPTED(timLogin(client, "alice", "not-a-user-sig", post_result, &pending));
        CHECK_EQ(timSetSelfStatus(client, PANIC_IN_CALL, on_fate, &fate), TIM_ERR_PANIC);
        CHECK(strstr(last_error(), PANIC_IN_CALL) != NULL);
        CHECK_EQ(timSetSelfStatus(client, "busy", on_fate, &fate), TIM_ERR_FAILED);
        Signal *nothing_yet = &pending;
        if (i == 2) {
            /* Still goes on until it is destroyed: a login that nobody answers. */
            raw_destroy(client);
            CHECK_EQ(posts_of(nothing_yet), 1);
            CHECK_EQ(posts_of(&freed), 1);
        } else {
            check_failed(client, NEEDS_thread, &pending, 1, &freed);
        }
        CHECK_EQ(posts_of(&fate.came), 0);
    }
}

CASE(in_the_session, "everything pending is completed with TIM_ERR_PANIC; the client is FAILED, getters too; destroy works") {
    enum { BEFORE = 5 };
    for (int i = 0; i < 3; i++) {
        Signal before = {0}, freed = {0};
        Fate fate = {.code = 77};
        TimClient client = raw_client(silent_address(), deliveries[i]);
        ACCEPTED(timSetUserSigExpiredCallback(client, on_plain, &freed, post_plain));
        ACCEPTED(timLogin(client, "alice", "not-a-user-sig", post_result, &before));
        for (int call = 1; call < BEFORE; call++) ACCEPTED(timGetSubscriptions(client, post_result, &before));
        ACCEPTED(timSetSelfStatus(client, PANIC_IN_SESSION, on_fate, &fate));
        if (i == 2) poll_until(client, &fate.came, 1, "the result of the call that panicked");
        await_posts(&fate.came, 1, "the result of the call that panicked");
        CHECK_EQ(fate.code, TIM_ERR_PANIC);
        check_failed(client, i == 2 ? NEEDS_poll : NEEDS_thread, &before, BEFORE, &freed);
    }
}

CASE(of_one_client, "is no matter of another one's, though they share the network thread") {
    Server *server = server_start("", "");
    Client *alice = online(server, "alice");
    Fate fate = {.code = 77};
    TimClient failing = raw_client(server->address, "");
    ACCEPTED(timSetSelfStatus(failing, PANIC_IN_SESSION, on_fate, &fate));
    await_posts(&fate.came, 1, "the result of the call that panicked");
    CHECK_EQ(timSetSelfStatus(failing, PANIC_IN_CALL, NULL, NULL), TIM_ERR_FAILED);
    fence(alice);
    raw_destroy(failing);
    fence(alice);
    destroy(alice);
    CHECK_EQ(threads_now(), 1);
}

CASE(is_never_printed, "neither in the call nor in the session: both standard streams stay empty") {
    char path[] = "/tmp/tim-test-output-XXXXXX";
    int fd = mkstemp(path), out = dup(1), err = dup(2);
    Fate fate = {.code = 77};
    CHECK(fd >= 0 && out >= 0 && err >= 0);
    unlink(path);
    fflush(NULL);
    dup2(fd, 1), dup2(fd, 2);
    TimClient first = raw_client(nobodys_address(), ""), second = raw_client(nobodys_address(), "");
    int32_t code = timSetSelfStatus(first, PANIC_IN_CALL, NULL, NULL);
    ACCEPTED(timSetSelfStatus(second, PANIC_IN_SESSION, on_fate, &fate));
    await_posts(&fate.came, 1, "the result of the call that panicked");
    raw_destroy(first), raw_destroy(second);
    fflush(NULL);
    dup2(out, 1), dup2(err, 2);
    CHECK_EQ(code, TIM_ERR_PANIC);
    CHECK_EQ(fate.code, TIM_ERR_PANIC);
    CHECK_EQ(lseek(fd, 0, SEEK_END), 0);
}

CASE(without_the_embedded_server, "its functions are there and answer UNSUPPORTED, whatever they are given") {
    TimServer server = 77;
    char buffer[64] = "untouched";
    size_t needed = 77;
    REFUSED(timServerStart(NULL, &server), TIM_ERR_UNSUPPORTED);
    REFUSED(timServerStart("{}", NULL), TIM_ERR_UNSUPPORTED);
    REFUSED(timServerAddress(1, buffer, sizeof buffer, &needed), TIM_ERR_UNSUPPORTED);
    REFUSED(timServerIssueUserSig(1, "bob", 60, buffer, sizeof buffer, &needed), TIM_ERR_UNSUPPORTED);
    REFUSED(timServerStop(1, 0), TIM_ERR_UNSUPPORTED);
    CHECK_EQ(server, 77);
    CHECK_STR(buffer, "untouched");
}
