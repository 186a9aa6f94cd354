/* What every test program shares: cases, checks, a server process, clients whose events can be awaited.
 *
 * A case is a function that returns when all is well and exits the process with a text when not. Each runs in a process
 * of its own (ctest names it `program.case`), so nothing here is ever freed: the end of the process does that. Waiting
 * is always for an event, with a deadline of DEADLINE_MS. */
#ifndef SUPPORT_H
#define SUPPORT_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/types.h>

#include "process.h"
#include "tim_presence.h"

/* ---- cases and checks ------------------------------------------------------------------------------------------- */

/* Defines a case. `sentence` says what it proves, and names the rule. */
#define CASE(name, sentence)                                                                                           \
    static void case_##name(void);                                                                                     \
    __attribute__((constructor)) static void register_##name(void) { register_case(#name, sentence, case_##name); }    \
    static void case_##name(void)

void register_case(const char *name, const char *sentence, void (*run)(void));

/* Prints the text with its place, and what the server logged, and ends the process. */
_Noreturn void fail_at(const char *file, int line, const char *format, ...) __attribute__((format(printf, 3, 4)));

#define FAIL(...) fail_at(__FILE__, __LINE__, __VA_ARGS__)
#define CHECK(condition)                                                                                               \
    do {                                                                                                               \
        if (!(condition)) FAIL("not true: %s", #condition);                                                            \
    } while (0)
#define CHECK_EQ(actual, expected)                                                                                     \
    do {                                                                                                               \
        long long actual_ = (long long)(actual), expected_ = (long long)(expected);                                    \
        if (actual_ != expected_) FAIL("%s is %lld, not %lld (%s)", #actual, actual_, expected_, #expected);           \
    } while (0)
#define CHECK_STR(actual, expected)                                                                                    \
    do {                                                                                                               \
        const char *actual_ = (actual), *expected_ = (expected);                                                       \
        if (strcmp(actual_, expected_) != 0) FAIL("%s is \"%s\", not \"%s\"", #actual, actual_, expected_);            \
    } while (0)
/* A call that must be accepted; the text of a refusal is shown. */
#define ACCEPTED(call)                                                                                                 \
    do {                                                                                                               \
        int32_t code_ = (call);                                                                                        \
        if (code_ != TIM_OK) FAIL("%s was refused: %s: %s", #call, timErrorName(code_), last_error());                 \
    } while (0)
/* A call that must be refused with `code`, and say why. */
#define REFUSED(call, code)                                                                                            \
    do {                                                                                                               \
        int32_t code_ = (call);                                                                                        \
        if (code_ != (code)) FAIL("%s answered %d %s, not %s", #call, (int)code_, timErrorName(code_), #code);         \
        if (last_error()[0] == 0) FAIL("%s gave no text for %s", #call, #code);                                        \
    } while (0)

/* How long anything may take that must happen. Generous: a passing test never waits for it. */
#define DEADLINE_MS 20000

/* The text of the last refusal on this thread. */
const char *last_error(void);

/* Monotonic milliseconds, comparable between processes. */
int64_t now_ms(void);

/* Takes a free port of 127.0.0.1 for this process until it ends. Nobody is given it meanwhile, and connections are refused;
 * whoever sets SO_REUSEADDR and names it, as servers do, may listen on it, and listen again. */
int reserve_port(void);

/* Threads of this process, this one included. A thread that was joined may stand in /proc a moment longer and is not counted. */
int threads_now(void);
/* Its open files. */
int files_now(void);

/* ---- the server, as a process of its own ------------------------------------------------------------------------ */

#define APP_ID 1400000001
#define APP_KEY "a-secret-key-for-tests-only-0123456789abcdef"

typedef struct Server {
    Process process;
    char address[64]; /* tim://127.0.0.1:port */
    int port;         /* kept while the server is down, so that no other test's server gets it */
    char directory[64]; /* holds server.toml and server.log, removed at the end */
} Server;

/* Settings of a node whose clients say something each 300 ms and are given up after 2.5 s: soon enough for a test that waits for
 * it, late enough for a machine that stands still for two seconds. */
#define SHORT_SILENCE_MS 2500
#define SHORT_SILENCE "heartbeat_interval_ms = 300\nheartbeat_timeout_ms = 2500\n"

/* Starts tim-presence-server with one app. Both texts are TOML and may be "": settings of the node, and of the app. */
Server *server_start(const char *node_settings, const char *app_settings);

/* Rewrites the configuration and sends SIGHUP (R7.6). */
void server_reload(Server *server, const char *node_settings, const char *app_settings);

/* Ends it with SIGTERM and checks that it ended well. */
void server_stop(Server *server);

/* Ends it with SIGKILL. */
void server_kill(Server *server);

/* Starts it again on the same port after server_stop or server_kill. */
void server_start_again(Server *server);

/* Whether a line of its log holds `text`. */
int server_logged(const Server *server, const char *text);

/* Awaits one. */
void server_await_log(Server *server, const char *text);

/* A UserSig made by `tim-presence-server sign`. One that is to expire soon may have done so before it is used, on a machine that
 * is busy: see login_to_expire. */
const char *user_sig(const char *user, int valid_seconds);
const char *user_sig_with_key(const char *user, int valid_seconds, const char *key);

/* ---- results and events ----------------------------------------------------------------------------------------- */

/* A copy of a TimUserStatus. */
typedef struct User {
    char id[64];
    int32_t code, status, reason;
    uint32_t platforms;
    uint64_t version;
    int64_t since_ms;
    char custom[256];
} User;

/* A copy of a TimResult. */
typedef struct Result {
    int32_t code;
    char message[512];
    uint32_t retry_after_ms;
    User *items;
    size_t item_count;
    char (*evicted)[64];
    size_t evicted_count;
    int64_t at_ms;
    uint64_t order; /* its place among the results and events of the client */
} Result;

typedef enum EventKind { EVENT_STATUS = 1, EVENT_CONNECTION, EVENT_KICKED, EVENT_EXPIRED, EVENT_EVICTED } EventKind;

typedef struct Event {
    EventKind kind;
    User user;    /* EVENT_STATUS; EVENT_EVICTED has its id */
    int32_t code; /* EVENT_CONNECTION: the state; EVENT_KICKED: 6208 or 70052 */
    int64_t at_ms;
    uint64_t order;
    uint64_t callback; /* which call of the callback brought it */
} Event;

typedef struct Client Client;
typedef struct Call Call;

/* ---- clients ---------------------------------------------------------------------------------------------------- */

/* A client of `server`, not logged in, with every listener set. `options` is more JSON members ("\"a\":1,\"b\":2") or "". Its
 * status listener checks R6.5 for every test: a user's version never repeats or goes back within a login. */
Client *client_new(const Server *server, const char *options);
/* The same for any address, for example of a scripted server. */
Client *client_at(const char *address, const char *options);
TimClient handle_of(const Client *client);

/* client_new and a login that must succeed, on a platform; the event of one's own ONLINE is awaited. */
Client *online(const Server *server, const char *user);
Client *online_on(const Server *server, const char *user, const char *platform);

/* An array of ids and its length, as two arguments. */
#define IDS(...) (const char *[]){__VA_ARGS__}, sizeof((const char *[]){__VA_ARGS__}) / sizeof(const char *)

/* `count` different ids: user0, user1, … */
const char **many_ids(size_t count);

/* Starts a call, which must be accepted. */
Call *start_login(Client *client, const char *user, const char *sig);
Call *start_logout(Client *client);
Call *start_renew(Client *client, const char *sig);
Call *start_set(Client *client, const char *custom);
Call *start_query(Client *client, const char *const *ids, size_t count);
Call *start_subscribe(Client *client, const char *const *ids, size_t count);
Call *start_unsubscribe(Client *client, const char *const *ids, size_t count);
Call *start_list(Client *client);
Call *start_friends(Client *client);
/* Awaits its result; checks that it came once. */
Result *finish(Call *call);
int finished(Call *call);

/* Start and finish in one. */
Result *login(Client *client, const char *user, const char *sig);
/* Logs in with a UserSig that expires soon, and was good when the server looked. For how many seconds it is valid. */
int login_to_expire(Client *client, const char *user);
Result *logout_of(Client *client);
Result *set_status(Client *client, const char *custom);
Result *query(Client *client, const char *const *ids, size_t count);
Result *subscribe(Client *client, const char *const *ids, size_t count);
Result *unsubscribe(Client *client, const char *const *ids, size_t count);
Result *list_of(Client *client);
void destroy(Client *client);

/* The entry of a result for `user`; fails if there is none. */
User *item_of(Result *result, const char *user);

/* ---- awaiting events -------------------------------------------------------------------------------------------- */

#define ANY (-1)

/* Awaits the next event of `user` that has this status, reason and custom status (ANY, ANY, NULL: whatever). Earlier events are skipped,
 * so later calls see only what came after it. */
Event await_status(Client *client, const char *user, int32_t status, int32_t reason, const char *custom);
/* Awaits the next event of a kind; with a code other than ANY, of that code. */
Event await_event(Client *client, EventKind kind, int32_t code);
/* A round trip through the server: all that it sent before has arrived. Changes the client's own custom status. */
void fence(Client *client);
/* Nothing was told about `user` since the last awaited event. Does a fence first. */
void check_silence(Client *client, const char *user);
/* How many status events of `user` are still unseen, after a fence. */
size_t unseen(Client *client, const char *user);
/* How many events of a kind and code (ANY: of the kind) are unseen, as things stand. */
size_t events_of(Client *client, EventKind kind, int32_t code);
/* Skips everything told until now. */
void skip_events(Client *client);

/* ---- a client in a process of its own --------------------------------------------------------------------------- */

/* This same program, run again as a client that obeys lines on its standard input and prints what it is told. */
typedef struct Peer {
    Process process;
    char user[64];
} Peer;

/* Starts it and awaits its login. `options` as for client_new. */
Peer *peer_online(const Server *server, const char *user, const char *options);
/* The same, without awaiting the login. */
Peer *peer_start(const Server *server, const char *user, const char *options);
/* Sends "set TEXT", "logout" or "destroy"; the answer is awaited with peer_await. */
void peer_tell(Peer *peer, const char *command);
/* Awaits a line that begins with `text`: "login 0", "result 0", "kicked 6208", "status USER STATUS REASON CUSTOM". */
void peer_await(Peer *peer, const char *text);
/* SIGKILL, SIGSTOP, SIGCONT. */
void peer_signal(Peer *peer, int signal_number);

#endif
