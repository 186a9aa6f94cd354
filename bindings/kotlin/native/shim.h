/*
 * The parts of the JNI shim, which is all there is between Native.kt and libtim_presence:
 *
 *   events.c   the callbacks: each writes what it is told into a buffer of the thread that polls
 *   ready.c    which clients have something to poll, and the wait for that
 *   calls.c    the functions of Native.kt: arguments to C, codes back
 *
 * The Java virtual machine is never called: events leave as bytes, the value of Native.poll. So no thread of the library is ever
 * attached to it, no reference to an object is kept in C, and a text is real UTF-8, not what JNI calls UTF-8.
 */
#ifndef TIM_PRESENCE_SHIM_H
#define TIM_PRESENCE_SHIM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <tim_presence.h>

/* ---- events.c ---- */

/* Bytes that callbacks write to. Owned by whoever polls, on the stack. */
typedef struct Buffer {
  unsigned char *bytes;
  size_t length, capacity;
  bool failed; /* there was no memory: bytes is what came before */
} Buffer;

/* Sets every listener of a new client. They have no user data, so nothing is to be freed. TIM_OK, or the code that refused. */
int32_t events_listen(TimClient client);
/* Whether to set a listener of a new client once more, after an attempt, counted from 0, that was answered with `code`; then it has waited. */
bool events_room(TimClient client, int32_t code, int attempt);
/* Sets (level above 0) or removes (0) the listener of the log. */
int32_t events_log(TimClient client, int32_t level);
/* Runs at most max_events callbacks, writing to buffer, and answers what timPoll answered. Does not wait. */
int32_t events_poll(TimClient client, size_t max_events, Buffer *buffer, size_t *handled);
/* For calls whose result is wanted: user_data is the number of the call, events_tag(number). */
void events_on_result(const TimResult *result, void *user_data);
void *events_tag(int32_t number);
/* For timClientDestroyAsync. */
void events_on_closed(void *user_data);

/* ---- ready.c ---- */

/* From now on ready_next names the client whenever it has something to poll. TIM_OK, or the code that refused. */
int32_t ready_watch(TimClient client);
/* Waits up to timeout_ms, negative for ever, for a client that has something to poll; 0 when the time ran out. */
TimClient ready_next(int64_t timeout_ms);

#endif
