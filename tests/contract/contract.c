/* See contract.h. */
#include "contract.h"

#include <errno.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

/* ---- awaiting ---- */

/* One lock for all signals: tests are small. */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t posted = PTHREAD_COND_INITIALIZER;

void post(Signal *signal) {
    pthread_mutex_lock(&lock);
    signal->posts++;
    pthread_cond_broadcast(&posted);
    pthread_mutex_unlock(&lock);
}

void await_posts(Signal *signal, int posts, const char *what) {
    struct timespec deadline;
    clock_gettime(CLOCK_REALTIME, &deadline);
    deadline.tv_sec += DEADLINE_MS / 1000;
    pthread_mutex_lock(&lock);
    while (signal->posts < posts)
        if (pthread_cond_timedwait(&posted, &lock, &deadline) == ETIMEDOUT && signal->posts < posts)
            FAIL("%s: %d of %d within %d ms", what, signal->posts, posts, DEADLINE_MS);
    pthread_mutex_unlock(&lock);
}

int posts_of(Signal *signal) {
    pthread_mutex_lock(&lock);
    int posts = signal->posts;
    pthread_mutex_unlock(&lock);
    return posts;
}

void post_result(const TimResult *result, void *user_data) {
    (void)result;
    post(user_data);
}

void post_plain(void *user_data) { post(user_data); }

/* ---- a callback that does not return until it may ---- */

static void hold_here(const TimResult *result, void *user_data) {
    (void)result;
    Hold *hold = user_data;
    post(&hold->entered);
    pthread_mutex_lock(&lock);
    while (hold->may_leave.posts == 0) pthread_cond_wait(&posted, &lock);
    pthread_mutex_unlock(&lock);
}

void hold_callbacks(TimClient client, Hold *hold) {
    memset(hold, 0, sizeof *hold);
    ACCEPTED(timGetSubscriptions(client, hold_here, hold));
    await_posts(&hold->entered, 1, "the callback that holds");
}

void let_go(Hold *hold) { post(&hold->may_leave); }

/* ---- clients and servers ---- */

Home home_start(const char *options) {
    char json[512];
    Home home;
    snprintf(json, sizeof json, "{%s}", options);
    ACCEPTED(timServerStart(json, &home.server));
    ACCEPTED(timServerAddress(home.server, home.address, sizeof home.address, NULL));
    return home;
}

void home_stop(Home *home) { ACCEPTED(timServerStop(home->server, DEADLINE_MS)); }

const char *home_user_sig(const Home *home, const char *user, uint32_t valid_s) {
    char *sig = malloc(1024);
    CHECK(sig != NULL);
    ACCEPTED(timServerIssueUserSig(home->server, user, valid_s, sig, 1024, NULL));
    return sig;
}

TimClient raw_client(const char *address, const char *options) {
    char json[1024];
    TimClient client = 0;
    snprintf(json, sizeof json, "{\"server\":\"%s\",\"sdk_app_id\":%d%s%s}", address, APP_ID, options[0] != 0 ? "," : "", options);
    ACCEPTED(timClientCreate(json, &client));
    return client;
}

static const char *address_of_socket(int listening) {
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t length = sizeof at;
    char *address = malloc(64);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    CHECK(address != NULL && fd >= 0);
    CHECK_EQ(bind(fd, (struct sockaddr *)&at, sizeof at), 0);
    CHECK_EQ(getsockname(fd, (struct sockaddr *)&at, &length), 0);
    /* The kernel completes connections that nobody ever accepts. */
    if (listening) CHECK_EQ(listen(fd, 64), 0);
    snprintf(address, 64, "tim://127.0.0.1:%d", ntohs(at.sin_port));
    return address;
}

const char *nobodys_address(void) { return address_of_socket(0); }
const char *silent_address(void) { return address_of_socket(1); }

typedef struct LoginResult {
    Signal came;
    int32_t code;
} LoginResult;

static void on_login(const TimResult *result, void *user_data) {
    LoginResult *login = user_data;
    login->code = result->code;
    post(&login->came);
}

void raw_login(TimClient client, const char *user, const char *sig) {
    static LoginResult logins[64];
    static int used;
    LoginResult *login = &logins[__atomic_fetch_add(&used, 1, __ATOMIC_SEQ_CST) % 64];
    memset(login, 0, sizeof *login);
    ACCEPTED(timLogin(client, user, sig, on_login, login));
    await_posts(&login->came, 1, "the login's result");
    if (login->code != 0) FAIL("the login of %s: %d %s", user, (int)login->code, timErrorName(login->code));
}

void raw_destroy(TimClient client) { ACCEPTED(timClientDestroy(client, DEADLINE_MS)); }

void poll_until(TimClient client, Signal *signal, int posts, const char *what) {
    int64_t deadline = now_ms() + DEADLINE_MS;
    while (posts_of(signal) < posts) {
        if (now_ms() > deadline) FAIL("%s: %d of %d within %d ms of polling", what, posts_of(signal), posts, DEADLINE_MS);
        int32_t code = timPoll(client, 0, 20, NULL);
        if (code != TIM_OK && posts_of(signal) < posts) FAIL("%s: poll answered %s", what, timErrorName(code));
    }
}

/* ---- children ---- */

void await_child(pid_t pid) {
    Process child = {.pid = pid};
    int status = 0;
    if (!process_await_end(&child, DEADLINE_MS, &status)) FAIL("the child process did not end");
    if (!WIFEXITED(status) || WEXITSTATUS(status) != 0) FAIL("the child process ended with wait status %#x", (unsigned)status);
}

void in_child(void (*body)(void *), void *argument) {
    fflush(NULL);
    pid_t pid = fork();
    CHECK(pid >= 0);
    if (pid == 0) {
        body(argument);
        _exit(0);
    }
    await_child(pid);
}
