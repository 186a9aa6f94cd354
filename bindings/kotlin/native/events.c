/*
 * The callbacks of the library, as bytes for Events.kt, which has the same list of kinds and the same order of fields.
 *
 * All run inside events_poll, on the thread that called it. A number is big-endian; a text is its length in bytes (32 bits) and
 * UTF-8; a list is its length (32 bits) and its elements.
 */
#include <stdlib.h>
#include <string.h>

#include "shim.h"

/* The kinds of events: compare Events.kt. */
enum { EVENT_RESULT = 1, EVENT_CHANGES, EVENT_CONNECTION, EVENT_KICKED, EVENT_EXPIRED, EVENT_EVICTED, EVENT_LOG, EVENT_CLOSED };

/* How often and how long a new client waits for room for one more listener: five seconds in all. */
enum { ROOM_POLLS = 500, ROOM_POLL_MS = 10 };

/* Where the callbacks of the poll that this thread is in write to. */
static __thread Buffer *current;

static unsigned char *room(size_t bytes) {
  Buffer *buffer = current;
  if (!buffer || buffer->failed) return NULL;
  if (buffer->capacity - buffer->length < bytes) {
    size_t capacity = buffer->capacity ? buffer->capacity : 1024;
    while (capacity - buffer->length < bytes) capacity *= 2;
    unsigned char *grown = realloc(buffer->bytes, capacity);
    if (!grown) {
      buffer->failed = true;
      return NULL;
    }
    buffer->bytes = grown;
    buffer->capacity = capacity;
  }
  unsigned char *at = buffer->bytes + buffer->length;
  buffer->length += bytes;
  return at;
}

static void put(uint64_t value, size_t bytes) {
  unsigned char *at = room(bytes);
  if (!at) return;
  for (size_t i = bytes; i-- > 0; value >>= 8) at[i] = (unsigned char)value;
}

static void put_i32(int32_t value) { put((uint32_t)value, 4); }

static void put_text(const char *text) {
  size_t length = strlen(text);
  put(length, 4);
  unsigned char *at = room(length);
  if (at) memcpy(at, text, length);
}

static void put_statuses(const TimUserStatus *const *items, size_t count) {
  put(count, 4);
  for (size_t i = 0; i < count; i++) {
    const TimUserStatus *item = items[i];
    put_i32(item->code);
    put_i32(item->status);
    put_i32(item->reason);
    put(item->platforms, 4);
    put(item->version, 8);
    put((uint64_t)item->since_ms, 8);
    put_text(item->user_id);
    put_text(item->custom_status);
  }
}

static void put_texts(const char *const *texts, size_t count) {
  put(count, 4);
  for (size_t i = 0; i < count; i++) put_text(texts[i]);
}

void *events_tag(int32_t number) { return (void *)(intptr_t)number; }

void events_on_result(const TimResult *result, void *user_data) {
  put(EVENT_RESULT, 1);
  put_i32((int32_t)(intptr_t)user_data);
  put_i32(result->code);
  put_text(result->message);
  put(result->retry_after_ms, 4);
  put_statuses(result->items, result->item_count);
  put_texts(result->evicted, result->evicted_count);
}

static void on_changed(const TimUserStatus *const *changes, size_t count, void *user_data) {
  (void)user_data;
  put(EVENT_CHANGES, 1);
  put_statuses(changes, count);
}

static void on_connection(int32_t state, int32_t code, const char *message, void *user_data) {
  (void)user_data;
  put(EVENT_CONNECTION, 1);
  put_i32(state);
  put_i32(code);
  put_text(message);
}

static void on_kicked(int32_t code, const char *message, void *user_data) {
  (void)user_data;
  put(EVENT_KICKED, 1);
  put_i32(code);
  put_text(message);
}

static void on_expired(void *user_data) {
  (void)user_data;
  put(EVENT_EXPIRED, 1);
}

static void on_evicted(const char *const *user_ids, size_t count, void *user_data) {
  (void)user_data;
  put(EVENT_EVICTED, 1);
  put_texts(user_ids, count);
}

static void on_log(int32_t level, const char *message, void *user_data) {
  (void)user_data;
  put(EVENT_LOG, 1);
  put_i32(level);
  put_text(message);
}

void events_on_closed(void *user_data) {
  (void)user_data;
  put(EVENT_CLOSED, 1);
}

/*
 * With an option queue_max below six there may be no room for one more setter: each takes a place among the calls that wait until the
 * library's thread has it and it is polled, which is a matter of microseconds. There is nothing to hear of yet.
 */
bool events_room(TimClient client, int32_t code, int attempt) {
  if (code != TIM_ERR_BUSY || attempt >= ROOM_POLLS) return false;
  timPoll(client, 0, ROOM_POLL_MS, NULL);
  return true;
}

#define SET(call) \
  do { \
    for (int attempt = 0; events_room(client, code = (call), attempt); attempt++) continue; \
    if (code != TIM_OK) return code; \
  } while (0)

int32_t events_listen(TimClient client) {
  int32_t code;
  SET(timSetUserStatusChangedCallback(client, on_changed, NULL, NULL));
  SET(timSetConnectionStateCallback(client, on_connection, NULL, NULL));
  SET(timSetKickedOfflineCallback(client, on_kicked, NULL, NULL));
  SET(timSetUserSigExpiredCallback(client, on_expired, NULL, NULL));
  SET(timSetSubscriptionEvictedCallback(client, on_evicted, NULL, NULL));
  return TIM_OK;
}

int32_t events_log(TimClient client, int32_t level) {
  return level == 0 ? timSetLogCallback(client, 0, NULL, NULL, NULL) : timSetLogCallback(client, level, on_log, NULL, NULL);
}

int32_t events_poll(TimClient client, size_t max_events, Buffer *buffer, size_t *handled) {
  current = buffer;
  int32_t code = timPoll(client, max_events, 0, handled);
  current = NULL;
  return code;
}
