/* Every function of the header called wrongly in every way the header allows: the cases come from it and from rules.txt
 * (generate.awk); this is what they do. The last lines include them. */
#include <netinet/in.h>
#include <semaphore.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "arguments.h"

/* `call_NAME` and every_function. */
#include "generated_functions.inc"

enum { NO_RESULT = INT32_MIN };

static const Function *function_named(const char *name) {
    for (size_t i = 0; i < sizeof every_function / sizeof every_function[0]; i++)
        if (strcmp(every_function[i].name, name) == 0) return &every_function[i];
    FAIL("%s is not in the table", name);
}

/* ---- something to call it on ---- */

/* A port that refuses connections, or one that accepts and never answers. */
static int port_of_socket(int listening) {
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t length = sizeof address;
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    CHECK(fd >= 0 && bind(fd, (struct sockaddr *)&address, sizeof address) == 0);
    CHECK(getsockname(fd, (struct sockaddr *)&address, &length) == 0);
    if (listening) CHECK(listen(fd, 8) == 0);
    return ntohs(address.sin_port);
}

static int32_t make_client(Needs needs, int listening, TimClient *client) {
    char options[256];
    snprintf(options, sizeof options,
             "{\"server\":\"tim://127.0.0.1:%d\",\"sdk_app_id\":1,\"login_timeout_ms\":200,\"delivery\":\"%s\"}",
             port_of_socket(listening), needs == NEEDS_poll ? "poll" : "thread");
    return timClientCreate(options, client);
}

typedef struct Subject {
    TimClient client;
    TimServer server;
} Subject;

static Subject make_subject(Needs needs, int listening) {
    Subject subject = {0, 0};
    if (needs == NEEDS_thread || needs == NEEDS_poll) ACCEPTED(make_client(needs, listening, &subject.client));
    if (needs == NEEDS_server) ACCEPTED(timServerStart(NULL, &subject.server));
    return subject;
}

/* The case may have ended it already. */
static void end_subject(Subject subject) {
    if (subject.client != 0) {
        int32_t code = timClientDestroy(subject.client, DEADLINE_MS);
        CHECK(code == TIM_OK || code == TIM_ERR_INVALID_HANDLE);
    }
    if (subject.server != 0) {
        int32_t code = timServerStop(subject.server, DEADLINE_MS);
        CHECK(code == TIM_OK || code == TIM_ERR_INVALID_HANDLE);
    }
}

/* ---- what must hold of any call ---- */

static void check_answer(const char *what, int32_t answer, int32_t expected, const Arguments *a) {
    if (answer != expected) FAIL("%s answered %d %s, not %d %s (%s)", what, (int)answer, timErrorName(answer), (int)expected,
                                 timErrorName(expected), last_error());
    if (answer >= 0) return;
    check_untouched(a, what);
    /* The one that reads the text leaves it as it is, whatever it answers. */
    if (strncmp(what, "timLastErrorMessage", strlen("timLastErrorMessage")) == 0) return;
    if (last_error()[0] == 0) FAIL("%s was refused without a text", what);
    if (answer == TIM_ERR_BUFFER_TOO_SMALL && !(a->needed_told > 0 && a->needed_told < BUFFER_BYTES))
        FAIL("%s says that %zu bytes suffice", what, a->needed_told);
}

/* After the client is gone: exactly once what was promised, never what was not. */
static void check_called_back(const char *what, const Function *function, const Arguments *a, int accepted) {
    int results = accepted ? results_due(a, function) : 0, frees = accepted ? frees_due(a, function) : 0,
        closes = accepted ? closes_due(a, function) : 0;
    if (a->results != results) FAIL("%s: %d results, not %d", what, a->results, results);
    if (a->frees != frees) FAIL("%s: free_user_data was called %d times, not %d", what, a->frees, frees);
    if (a->closes != closes) FAIL("%s: closed was called %d times, not %d", what, a->closes, closes);
}

/* ---- NULL and malformed texts ---- */

/* Overlong, a lone surrogate, cut in the middle, past U+10FFFF, a byte that never is. */
static const char *const malformed_texts[] = {"\xc0\x80", "\xed\xa0\x80", "a\xe2\x98", "\xf4\x90\x80\x80", "a\xff"};

#define VARY(function_, parameter_, change_, expected_)                                                                \
    do {                                                                                                               \
        const Function *function = function_named(#function_);                                                         \
        Subject subject = make_subject(function->needs, 0);                                                            \
        Arguments a;                                                                                                   \
        good_arguments(&a, function, subject.client, subject.server);                                                  \
        change_;                                                                                                       \
        int32_t answer = function->call(&a);                                                                           \
        check_answer(#function_ " with " #change_, answer, expected_, &a);                                             \
        if (answer < 0 && answer != TIM_ERR_BUFFER_TOO_SMALL && last_error()[0] != 0 &&                                \
            strstr(last_error(), #parameter_) == NULL)                                                                 \
            FAIL(#function_ " with " #change_ ": the text \"%s\" does not name " #parameter_, last_error());           \
        drop_made(&a);                                                                                                 \
        end_subject(subject);                                                                                          \
        check_called_back(#function_ " with " #change_, function, &a, answer == TIM_OK);                               \
    } while (0)

#define VARY_UTF8(function_, parameter_, change_, expected_)                                                           \
    do {                                                                                                               \
        for (size_t text = 0; text < sizeof malformed_texts / sizeof malformed_texts[0]; text++) {                     \
            const char *malformed = malformed_texts[text];                                                             \
            VARY(function_, parameter_, change_, expected_);                                                           \
        }                                                                                                              \
    } while (0)

/* ---- handles ---- */

static void check_handle(const Function *function, uint64_t handle, const char *kind) {
    char what[128];
    Arguments a;
    snprintf(what, sizeof what, "%s on %s (%#llx)", function->name, kind, (unsigned long long)handle);
    good_arguments(&a, function, handle, handle);
    check_answer(what, function->call(&a), TIM_ERR_INVALID_HANDLE, &a);
    check_called_back(what, function, &a, 0);
}

static void check_handles(const Function *function, int is_client) {
    Subject client = make_subject(NEEDS_thread, 0), server = make_subject(NEEDS_server, 0);
    uint64_t live = is_client ? client.client : server.server, foreign = is_client ? server.server : client.client;
    check_handle(function, 0, "zero");
    check_handle(function, 1, "a made-up handle");
    check_handle(function, UINT64_MAX, "a made-up handle");
    check_handle(function, 0x0123456789abcdefULL, "a made-up handle");
    check_handle(function, live + 1, "a handle of the next generation");
    check_handle(function, live + (1ULL << 32), "a handle of the next slot");
    check_handle(function, live ^ (1ULL << 63), "a handle of no kind");
    check_handle(function, foreign, "a handle of the other kind");
    end_subject(client);
    end_subject(server);
    check_handle(function, live, "a stale handle");
    /* Its slot is taken again, by another generation. */
    Subject next_client = make_subject(NEEDS_thread, 0), next_server = make_subject(NEEDS_server, 0);
    check_handle(function, live, "a stale handle whose slot is taken");
    end_subject(next_client);
    end_subject(next_server);
}

#define HANDLES(function_, parameter_) check_handles(function_named(#function_), strcmp(#parameter_, "client") == 0)

/* A child of fork() inherited the handle. */
static void check_inherited(const Function *function) {
    Subject subject = make_subject(function->needs, 0);
    fflush(NULL);
    pid_t pid = fork();
    CHECK(pid >= 0);
    if (pid == 0) {
        Arguments a;
        good_arguments(&a, function, subject.client, subject.server);
        check_answer(function->name, function->call(&a), TIM_ERR_FORKED, &a);
        check_called_back(function->name, function, &a, 0);
        _exit(0);
    }
    int status = 0;
    Process child = {.pid = pid};
    if (!process_await_end(&child, DEADLINE_MS, &status)) FAIL("%s hangs in a forked child", function->name);
    if (!WIFEXITED(status) || WEXITSTATUS(status) != 0) FAIL("the forked child ended with wait status %#x", (unsigned)status);
    end_subject(subject);
}

#define INHERITED(function_) check_inherited(function_named(#function_))

/* ---- states ---- */

static void check_state(const Function *function, Subject subject, const char *state, int32_t expected, int32_t expected_result) {
    char what[128];
    Arguments a;
    snprintf(what, sizeof what, "%s %s", function->name, state);
    good_arguments(&a, function, subject.client, subject.server);
    check_answer(what, function->call(&a), expected, &a);
    if (expected_result != NO_RESULT) {
        int32_t code = await_result(&a, what);
        if (code != expected_result)
            FAIL("%s: the result is %d %s, not %d %s", what, (int)code, timErrorName(code), (int)expected_result, timErrorName(expected_result));
    }
    drop_made(&a);
    end_subject(subject);
    check_called_back(what, function, &a, expected == TIM_OK);
}

#define STATE_NEW(function_, expected_, result_)                                                                       \
    check_state(function_named(#function_), make_subject(function_named(#function_)->needs, 0), "before a login", expected_, result_)

static void check_logging_in(const Function *function, int32_t expected, int32_t expected_result) {
    Subject subject = make_subject(function->needs, 1);
    ACCEPTED(timLogin(subject.client, "alice", "not-a-user-sig", NULL, NULL));
    check_state(function, subject, "during a login", expected, expected_result);
}

#define STATE_LOGGING_IN(function_, expected_, result_) check_logging_in(function_named(#function_), expected_, result_)

/* Holds the callback thread, so that the end cannot come. */
static sem_t entered, may_leave;
static void hold(const TimResult *result, void *user_data) {
    (void)result, (void)user_data;
    sem_post(&entered);
    while (sem_wait(&may_leave) != 0) continue;
}

static void check_closing(const Function *function, int32_t expected) {
    Subject subject = make_subject(function->needs, 0);
    char what[128];
    Arguments a;
    snprintf(what, sizeof what, "%s while the client closes", function->name);
    good_arguments(&a, function, subject.client, 0);
    a.timeout_ms = 50;
    if (function->needs == NEEDS_poll) {
        a.timeout_ms = DEADLINE_MS;
        ACCEPTED(timClientDestroyAsync(subject.client, NULL, NULL));
        check_answer(what, function->call(&a), expected, &a);
    } else {
        sem_init(&entered, 0, 0);
        sem_init(&may_leave, 0, 0);
        ACCEPTED(timGetSubscriptions(subject.client, hold, NULL));
        while (sem_wait(&entered) != 0) continue;
        CHECK_EQ(timClientDestroy(subject.client, 0), TIM_ERR_TIMEOUT);
        check_answer(what, function->call(&a), expected, &a);
        sem_post(&may_leave);
    }
    end_subject(subject);
    check_called_back(what, function, &a, 0);
}

#define STATE_CLOSING(function_, expected_) check_closing(function_named(#function_), expected_)

#include "generated_cases.inc"
