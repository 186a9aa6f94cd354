/* What the tests of libImSDK share: the answers of its calls, and what its listeners were told. The SDK of a test is the one
 * of its process, used by the original's names alone; other users, where a test needs some, are clients of tests/c/support.h. */
#ifndef IMSDK_TEST_H
#define IMSDK_TEST_H

#include "imsdk/TIMCloud.h"
#include "support.h"

/* A call whose result is awaited. */
typedef struct Told {
    int times;
    int32_t code;
    char desc[1024];
    char *json;
    unsigned long thread;
    unsigned long order; /* its place among all results and events */
} Told;

/* A new one, for `on_told` as its user_data. */
Told *told_new(void);
/* The result callback of every call: checks that it comes once, and with texts. */
void on_told(int32_t code, const char *desc, const char *json, const void *told);
/* Two last arguments of a call. */
#define TO(told) on_told, told
/* Awaits it. */
Told *told(Told *told);
int was_told(Told *told);

/* Awaits the result of a call that must be accepted; `call` mentions `it`, as in ASK(TIMLogout(TO(it))). */
#define ASK(call)                                                                                                      \
    __extension__({                                                                                                    \
        Told *it = told_new();                                                                                         \
        int accepted_ = (call);                                                                                        \
        if (accepted_ != 0) FAIL("%s returned %d", #call, accepted_);                                                  \
        told(it);                                                                                                      \
    })
/* The same, with a code and JSON expected. */
#define ASKED(call, expected_code, expected_json)                                                                      \
    do {                                                                                                               \
        Told *answer_ = ASK(call);                                                                                     \
        if (answer_->code != (expected_code) || strcmp(answer_->json, expected_json) != 0)                             \
            FAIL("%s was told %d \"%s\" %s, not %d %s", #call, (int)answer_->code, answer_->desc, answer_->json,       \
                 (int)(expected_code), expected_json);                                                                 \
    } while (0)

/* Sets every listener, which remember what they are told. */
void listen_to_all(void);

/* Kinds of events and their text: "network 3 9511", "kicked", "expired", "status {…}", one a user, "log 4". */
typedef struct Told_event {
    char text[1024];
    char desc[512]; /* of "network" and "log" */
    unsigned long thread;
    unsigned long order;
} Told_event;

/* Awaits the next event that begins with `text`, skipping others. */
Told_event await_told(const char *text);
/* How many events from now on begin with it, as things stand. */
size_t told_so_far(const char *text);

/* TIMInit for an app at a server: by the environment variable. */
void init_at(const char *address);
/* TIMInit and TIMLogin as a user of a server, which must succeed. */
void online_as(const Server *server, const char *user);
/* Called by calls that run inside the callback thread. */
unsigned long this_thread(void);

/* A listening socket that takes connections and says nothing. */
const char *silent_address(void);
/* An address where nobody listens. */
const char *nobodys_address(void);

#endif
