/* Good arguments for every function of include/tim_presence.h: one field per parameter that a rule names (rules.txt). A
 * test changes one of them and looks at the answer, at what was written, and at what was called back. */
#ifndef ARGUMENTS_H
#define ARGUMENTS_H

#include "support.h"

enum { BUFFER_BYTES = 2048 };

typedef struct Arguments {
    /* Passed. */
    const char *options_json;
    TimClient client;
    TimClient *client_out;
    TimServer server;
    TimServer *server_out;
    uint32_t timeout_ms;
    TimClosedFn closed;
    TimStatusFn on_changed;
    TimConnectionFn on_state;
    TimKickedFn on_kicked;
    TimExpiredFn on_expired;
    TimEvictedFn on_evicted;
    TimLogFn on_line;
    TimThreadFn on_start, on_stop;
    TimWakeFn on_wake;
    TimFreeFn free_user_data;
    TimResultFn done;
    void *user_data;
    int32_t level;
    const char *user_id, *user_sig, *custom_status;
    const char *const *user_ids;
    size_t count;
    int32_t *state;
    int64_t *ms;
    char *buf;
    size_t capacity;
    size_t *needed;
    size_t max_events;
    size_t *handled;
    int32_t *fd;
    int32_t code;
    const TimErrorDesc *const **table;
    size_t *count_out;
    uint32_t major, minor_min;
    uint32_t valid_s;
    /* What the pointers above point to. */
    const char *ids[2];
    TimClient client_made;
    TimServer server_made;
    int32_t state_told, fd_told;
    int64_t ms_told;
    size_t needed_told, handled_told, count_told;
    const TimErrorDesc *const *table_told;
    char buffer[BUFFER_BYTES];
    /* What was called back. */
    int results, frees, closes;
    int32_t result_code;
} Arguments;

/* What a function works on. */
typedef enum Needs { NEEDS_none, NEEDS_thread, NEEDS_poll, NEEDS_server } Needs;

/* What it calls back when it was accepted. */
enum { GIVES_RESULT = 1, FREES = 2, TELLS_CLOSED = 4 };

typedef struct Function {
    const char *name;
    int32_t (*call)(Arguments *);
    Needs needs;
    int32_t inside; /* its answer in a callback of the client it is called for */
    int gives;
} Function;

/* Good arguments for `function` on `client` (0: none) and `server` (0: none). They must stay where they are until that client is
 * gone: they are their own user_data. */
void good_arguments(Arguments *a, const Function *function, TimClient client, TimServer server);

/* Fails unless a refused call left every output as good_arguments made it, *needed excepted. */
void check_untouched(const Arguments *a, const char *what);

/* How many results, frees and calls of `closed` an accepted call with these arguments must bring. */
int results_due(const Arguments *a, const Function *function);
int frees_due(const Arguments *a, const Function *function);
int closes_due(const Arguments *a, const Function *function);

/* Awaits the result of a call with these arguments; its code. */
int32_t await_result(const Arguments *a, const char *what);

/* Awaits `closed` of a call with these arguments. */
void await_closed(const Arguments *a, const char *what);

/* Awaits the first free_user_data of a call with these arguments. */
void await_freed(const Arguments *a, const char *what);

/* Ends what timClientCreate or timServerStart made. */
void drop_made(Arguments *a);

/* 0 for a text, -1 for NULL and "". */
static inline int32_t is_a_text(const char *text) { return text != NULL && text[0] != 0 ? 0 : -1; }

#endif
