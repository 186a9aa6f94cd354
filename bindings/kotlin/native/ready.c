/*
 * Which clients have something to poll: a queue that the library's thread fills and the polling thread empties.
 *
 * A client is in it at most once, so it is no longer than there are clients, and putting one in needs no memory. This is
 * how one thread polls any number of clients without a descriptor of each, on every system that has pthreads.
 */
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <time.h>

#include "shim.h"

/* A client that is watched. Owned by the library as the user data of its wake callback, and freed by free_watched. */
typedef struct Watched {
  TimClient client;
  struct Watched *next;
  bool queued;
} Watched;

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_once_t once = PTHREAD_ONCE_INIT;
static pthread_cond_t changed;
/* Under mutex: the queue. */
static Watched *first, *last;

static void make_condition(void) {
  pthread_condattr_t attributes;
  pthread_condattr_init(&attributes);
  /* Not by the wall clock, which may be set. */
  pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
  pthread_cond_init(&changed, &attributes);
  pthread_condattr_destroy(&attributes);
}

/* Runs on a thread of the library, and only signals. */
static void on_wake(void *user_data) {
  Watched *watched = user_data;
  pthread_mutex_lock(&mutex);
  if (!watched->queued) {
    watched->queued = true;
    watched->next = NULL;
    if (last) last->next = watched;
    else first = watched;
    last = watched;
    pthread_cond_signal(&changed);
  }
  pthread_mutex_unlock(&mutex);
}

/* Runs after the last on_wake of this client returned. */
static void free_watched(void *user_data) {
  Watched *watched = user_data, *before = NULL;
  pthread_mutex_lock(&mutex);
  for (Watched *at = watched->queued ? first : NULL; at; before = at, at = at->next) {
    if (at != watched) continue;
    if (before) before->next = at->next;
    else first = at->next;
    if (last == at) last = before;
    break;
  }
  pthread_mutex_unlock(&mutex);
  free(watched);
}

int32_t ready_watch(TimClient client) {
  pthread_once(&once, make_condition);
  Watched *watched = calloc(1, sizeof *watched);
  if (!watched) return TIM_ERR_NO_MEMORY;
  watched->client = client;
  int32_t code;
  for (int attempt = 0; events_room(client, code = timSetWakeCallback(client, on_wake, watched, free_watched), attempt); attempt++) continue;
  if (code != TIM_OK) free(watched);
  return code;
}

TimClient ready_next(int64_t timeout_ms) {
  pthread_once(&once, make_condition);
  struct timespec deadline;
  clock_gettime(CLOCK_MONOTONIC, &deadline);
  if (timeout_ms > 0) {
    deadline.tv_sec += (time_t)(timeout_ms / 1000);
    deadline.tv_nsec += (long)(timeout_ms % 1000) * 1000000;
    if (deadline.tv_nsec >= 1000000000) {
      deadline.tv_sec++;
      deadline.tv_nsec -= 1000000000;
    }
  }
  TimClient client = 0;
  pthread_mutex_lock(&mutex);
  while (!first && timeout_ms != 0) {
    if (timeout_ms < 0) pthread_cond_wait(&changed, &mutex);
    else if (pthread_cond_timedwait(&changed, &mutex, &deadline) == ETIMEDOUT) break;
  }
  if (first) {
    client = first->client;
    first->queued = false;
    first = first->next;
    if (!first) last = NULL;
  }
  pthread_mutex_unlock(&mutex);
  return client;
}
