/* What the tests of the contract share beyond tests/c/support.h: things to await, clients by their handle alone, and what
 * the process holds. */
#ifndef CONTRACT_H
#define CONTRACT_H

#include <semaphore.h>

#include "support.h"

/* ---- awaiting ---- */

/* Posts that can be awaited and counted. Zeroed memory is one. */
typedef struct Signal {
    int posts;
} Signal;

void post(Signal *signal);
/* Awaits that it was posted `posts` times in all, within DEADLINE_MS. `what` says so when it was not. */
void await_posts(Signal *signal, int posts, const char *what);
/* How often it was posted. */
int posts_of(Signal *signal);
/* A result callback that posts its user_data, a Signal. */
void post_result(const TimResult *result, void *user_data);
/* A TimFreeFn, TimClosedFn, TimWakeFn or TimThreadFn that posts its user_data. */
void post_plain(void *user_data);

/* ---- a callback that does not return until it may ---- */

typedef struct Hold {
    Signal entered, may_leave;
} Hold;

/* Makes the callback thread of the client enter `hold`, and awaits that it did. */
void hold_callbacks(TimClient client, Hold *hold);
void let_go(Hold *hold);

/* ---- clients by their handle, servers in this process ---- */

typedef struct Home {
    TimServer server;
    char address[64];
} Home;

/* An embedded server; `options` are JSON members or "". */
Home home_start(const char *options);
void home_stop(Home *home);
/* A UserSig of it, in memory that is never freed. */
const char *home_user_sig(const Home *home, const char *user, uint32_t valid_s);

/* A client of an address; `options` are more JSON members or "". */
TimClient raw_client(const char *address, const char *options);
/* An address where nobody listens. */
const char *nobodys_address(void);
/* An address that accepts connections and never says anything. */
const char *silent_address(void);
/* Logs in on a client whose callbacks run by themselves; the result must be TIM_OK. */
void raw_login(TimClient client, const char *user, const char *sig);
void raw_destroy(TimClient client);

/* Polls until `signal` was posted `posts` times, waiting for the library, not for time. */
void poll_until(TimClient client, Signal *signal, int posts, const char *what);

/* ---- children ---- */

/* Awaits the end of a child that must end with exit status 0. */
void await_child(pid_t pid);
/* Runs `body` in a child that leaves with _exit(0) after it, and awaits it. */
void in_child(void (*body)(void *), void *argument);

#endif
