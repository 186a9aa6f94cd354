/* Preloaded: moves the wall clock, CLOCK_REALTIME, of a process by a number of seconds that a test sets; the monotonic
 * clock stays true, as it does when an administrator or NTP moves the time. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

/* The test sets this one in its own process … */
int64_t clock_shim_seconds;
/* … and this one, in a file, in the servers that it starts. */
static int64_t *shared_seconds;

static int (*true_clock_gettime)(clockid_t, struct timespec *);

__attribute__((constructor)) static void begin(void) {
    true_clock_gettime = (int (*)(clockid_t, struct timespec *))(uintptr_t)dlsym(RTLD_NEXT, "clock_gettime");
    const char *path = getenv("CLOCK_SHIM_FILE");
    int fd = path == NULL ? -1 : open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) return;
    void *mapped = mmap(NULL, sizeof(int64_t), PROT_READ, MAP_SHARED, fd, 0);
    if (mapped != MAP_FAILED) shared_seconds = mapped;
    close(fd);
}

static int64_t shift(void) {
    int64_t own = __atomic_load_n(&clock_shim_seconds, __ATOMIC_ACQUIRE);
    return own + (shared_seconds == NULL ? 0 : __atomic_load_n(shared_seconds, __ATOMIC_ACQUIRE));
}

int clock_gettime(clockid_t clock, struct timespec *at) {
    if (true_clock_gettime == NULL) begin();
    int result = true_clock_gettime(clock, at);
    if (result == 0 && clock == CLOCK_REALTIME) at->tv_sec += shift();
    return result;
}

int gettimeofday(struct timeval *restrict at, void *restrict zone) {
    struct timespec now;
    (void)zone;
    if (clock_gettime(CLOCK_REALTIME, &now) != 0) return -1;
    at->tv_sec = now.tv_sec;
    at->tv_usec = now.tv_nsec / 1000;
    return 0;
}

time_t time(time_t *at) {
    struct timespec now;
    if (clock_gettime(CLOCK_REALTIME, &now) != 0) return (time_t)-1;
    if (at != NULL) *at = now.tv_sec;
    return now.tv_sec;
}
