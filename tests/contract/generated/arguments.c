/* Good arguments, and what is watched of a call. */
#include "arguments.h"

#include <errno.h>
#include <pthread.h>
#include <time.h>

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t counted = PTHREAD_COND_INITIALIZER;

static const char untouched_text[] = "untouched";
enum { UNTOUCHED = 77 };

/* Every callback is given its Arguments as user_data; NULL where the case took it away. */
static void count(int *counter) {
    pthread_mutex_lock(&lock);
    ++*counter;
    pthread_cond_broadcast(&counted);
    pthread_mutex_unlock(&lock);
}
static void on_result(const TimResult *result, void *user_data) {
    Arguments *a = user_data;
    if (a == NULL) return;
    a->result_code = result->code;
    count(&a->results);
}
static void on_freed(void *user_data) {
    if (user_data != NULL) count(&((Arguments *)user_data)->frees);
}
static void on_closed(void *user_data) {
    if (user_data != NULL) count(&((Arguments *)user_data)->closes);
}
static void on_changed(const TimUserStatus *const *changes, size_t how_many, void *user_data) {
    (void)changes, (void)how_many, (void)user_data;
}
static void on_state(int32_t state, int32_t code, const char *message, void *user_data) {
    (void)state, (void)code, (void)message, (void)user_data;
}
static void on_kicked(int32_t code, const char *message, void *user_data) { (void)code, (void)message, (void)user_data; }
static void on_evicted(const char *const *ids, size_t how_many, void *user_data) { (void)ids, (void)how_many, (void)user_data; }
static void on_line(int32_t level, const char *message, void *user_data) { (void)level, (void)message, (void)user_data; }
static void on_nothing(void *user_data) { (void)user_data; }

void good_arguments(Arguments *a, const Function *function, TimClient client, TimServer server) {
    memset(a, 0, sizeof *a);
    a->options_json = strcmp(function->name, "timServerStart") == 0 ? "{}" : "{\"server\":\"tim://127.0.0.1:1\",\"sdk_app_id\":1}";
    a->client = client;
    a->client_out = &a->client_made;
    a->server = server;
    a->server_out = &a->server_made;
    a->timeout_ms = function->needs == NEEDS_poll ? 0 : DEADLINE_MS;
    a->closed = on_closed;
    a->on_changed = on_changed;
    a->on_state = on_state;
    a->on_kicked = on_kicked;
    a->on_expired = on_nothing;
    a->on_evicted = on_evicted;
    a->on_line = on_line;
    a->on_start = on_nothing;
    a->on_stop = on_nothing;
    a->on_wake = on_nothing;
    a->free_user_data = on_freed;
    a->done = on_result;
    a->user_data = a;
    a->level = TIM_LOG_INFO;
    a->user_id = "bob";
    a->user_sig = "not-a-user-sig";
    a->custom_status = "busy";
    a->ids[0] = "carol";
    a->ids[1] = "dave";
    a->user_ids = a->ids;
    a->count = 2;
    a->state = &a->state_told;
    a->ms = &a->ms_told;
    a->buf = a->buffer;
    a->capacity = sizeof a->buffer;
    a->needed = &a->needed_told;
    a->handled = &a->handled_told;
    a->fd = &a->fd_told;
    a->code = TIM_ERR_BUSY;
    a->table = &a->table_told;
    a->count_out = &a->count_told;
    a->major = TIM_ABI_MAJOR;
    a->minor_min = TIM_ABI_MINOR;
    a->valid_s = 60;
    a->client_made = a->server_made = UNTOUCHED;
    a->state_told = a->fd_told = UNTOUCHED;
    a->ms_told = UNTOUCHED;
    a->needed_told = a->handled_told = a->count_told = UNTOUCHED;
    memcpy(a->buffer, untouched_text, sizeof untouched_text);
}

void check_untouched(const Arguments *a, const char *what) {
    if (a->client_made != UNTOUCHED || a->server_made != UNTOUCHED || a->state_told != UNTOUCHED || a->fd_told != UNTOUCHED ||
        a->ms_told != UNTOUCHED || a->handled_told != UNTOUCHED || a->count_told != UNTOUCHED || a->table_told != NULL ||
        strcmp(a->buffer, untouched_text) != 0)
        FAIL("%s was refused and wrote an output", what);
}

/* Whether the listener's function is there: a setter without one removes, and has nothing to free. */
static int sets_a_listener(const Arguments *a) {
    return a->on_changed != NULL && a->on_state != NULL && a->on_kicked != NULL && a->on_expired != NULL && a->on_evicted != NULL &&
           a->on_line != NULL && a->on_wake != NULL && (a->on_start != NULL || a->on_stop != NULL);
}

/* A call with NULL user_data is not counted: it has no Arguments to count in. */
int results_due(const Arguments *a, const Function *function) {
    return (function->gives & GIVES_RESULT) && a->done != NULL && a->user_data != NULL;
}
int frees_due(const Arguments *a, const Function *function) {
    return (function->gives & FREES) && a->free_user_data != NULL && a->user_data != NULL && sets_a_listener(a);
}
int closes_due(const Arguments *a, const Function *function) {
    return (function->gives & TELLS_CLOSED) && a->closed != NULL && a->user_data != NULL;
}

static void await_one(const int *counter, const char *what) {
    struct timespec deadline;
    clock_gettime(CLOCK_REALTIME, &deadline);
    deadline.tv_sec += DEADLINE_MS / 1000;
    pthread_mutex_lock(&lock);
    while (*counter == 0)
        if (pthread_cond_timedwait(&counted, &lock, &deadline) == ETIMEDOUT && *counter == 0) FAIL("%s: not called back", what);
    pthread_mutex_unlock(&lock);
}

int32_t await_result(const Arguments *a, const char *what) {
    await_one(&a->results, what);
    return a->result_code;
}

void await_closed(const Arguments *a, const char *what) { await_one(&a->closes, what); }
void await_freed(const Arguments *a, const char *what) { await_one(&a->frees, what); }

void drop_made(Arguments *a) {
    if (a->client_made != UNTOUCHED) ACCEPTED(timClientDestroy(a->client_made, DEADLINE_MS));
    if (a->server_made != UNTOUCHED) ACCEPTED(timServerStop(a->server_made, DEADLINE_MS));
}
