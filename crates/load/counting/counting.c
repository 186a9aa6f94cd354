/* Counts what a server asks of the C library: preloaded into it by `tim-presence-load --count` (see docs/PERFORMANCE.md).
 *
 *     cc -shared -fPIC -O2 -fno-builtin -fno-tree-loop-distribute-patterns -o counting.so counting.c
 *
 * The counts are in a file that the tool has mapped, at TIM_PRESENCE_LOAD_COUNTERS: six 64-bit numbers, in the order below;
 * src/served/counting.rs reads them. It sees calls through dynamic symbols: not what a compiler put in place of a short
 * copy, nor what a program that brings its own allocator or makes its system calls itself does. It makes a server slower:
 * no times are to be read from such a run. glibc on Linux. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

enum { WRITES, READS, WAITS, OTHER_CALLS, ALLOCATIONS, COPIED_BYTES, COUNTERS };

/* Until the file is mapped, and if there is none, the counts are nobody's. */
static uint64_t nobodys[COUNTERS];
static uint64_t *counters = nobodys;

static void count(int which, uint64_t by) {
    __atomic_fetch_add(&counters[which], by, __ATOMIC_RELAXED);
}

extern void *__libc_malloc(size_t size);
extern void *__libc_calloc(size_t count, size_t size);
extern void *__libc_realloc(void *old, size_t size);

static ssize_t (*next_send)(int, const void *, size_t, int);
static ssize_t (*next_recv)(int, void *, size_t, int);
static ssize_t (*next_read)(int, void *, size_t);
static ssize_t (*next_write)(int, const void *, size_t);
static ssize_t (*next_writev)(int, const struct iovec *, int);
static int (*next_epoll_wait)(int, struct epoll_event *, int, int);
static long (*next_syscall)(long, ...);

/* Also called by whichever function comes before the constructor. */
__attribute__((constructor)) static void begin(void) {
    next_send = (ssize_t (*)(int, const void *, size_t, int))dlsym(RTLD_NEXT, "send");
    next_recv = (ssize_t (*)(int, void *, size_t, int))dlsym(RTLD_NEXT, "recv");
    next_read = (ssize_t (*)(int, void *, size_t))dlsym(RTLD_NEXT, "read");
    next_write = (ssize_t (*)(int, const void *, size_t))dlsym(RTLD_NEXT, "write");
    next_writev = (ssize_t (*)(int, const struct iovec *, int))dlsym(RTLD_NEXT, "writev");
    next_epoll_wait = (int (*)(int, struct epoll_event *, int, int))dlsym(RTLD_NEXT, "epoll_wait");
    next_syscall = (long (*)(long, ...))dlsym(RTLD_NEXT, "syscall");
    const char *path = getenv("TIM_PRESENCE_LOAD_COUNTERS");
    int file = path == NULL ? -1 : open(path, O_RDWR | O_CLOEXEC);
    if (file < 0) {
        return;
    }
    void *mapped = mmap(NULL, sizeof nobodys, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
    close(file);
    if (mapped != MAP_FAILED) {
        counters = mapped;
    }
}

#define NEXT(name) (next_##name == NULL ? (begin(), next_##name) : next_##name)

ssize_t send(int socket, const void *bytes, size_t size, int flags) {
    count(WRITES, 1);
    return NEXT(send)(socket, bytes, size, flags);
}

ssize_t write(int file, const void *bytes, size_t size) {
    count(WRITES, 1);
    return NEXT(write)(file, bytes, size);
}

ssize_t writev(int file, const struct iovec *parts, int size) {
    count(WRITES, 1);
    return NEXT(writev)(file, parts, size);
}

ssize_t recv(int socket, void *bytes, size_t size, int flags) {
    count(READS, 1);
    return NEXT(recv)(socket, bytes, size, flags);
}

ssize_t read(int file, void *bytes, size_t size) {
    count(READS, 1);
    return NEXT(read)(file, bytes, size);
}

int epoll_wait(int file, struct epoll_event *events, int size, int timeout_ms) {
    count(WAITS, 1);
    return NEXT(epoll_wait)(file, events, size, timeout_ms);
}

/* Futexes, for one. No call has more than six arguments; those not given are not looked at. */
long syscall(long number, ...) {
    __builtin_va_list arguments;
    __builtin_va_start(arguments, number);
    long a[6];
    for (int i = 0; i < 6; i++) {
        a[i] = __builtin_va_arg(arguments, long);
    }
    __builtin_va_end(arguments);
    count(OTHER_CALLS, 1);
    return NEXT(syscall)(number, a[0], a[1], a[2], a[3], a[4], a[5]);
}

void *malloc(size_t size) {
    count(ALLOCATIONS, 1);
    return __libc_malloc(size);
}

void *calloc(size_t items, size_t size) {
    count(ALLOCATIONS, 1);
    return __libc_calloc(items, size);
}

void *realloc(void *old, size_t size) {
    count(ALLOCATIONS, 1);
    return __libc_realloc(old, size);
}

void *memcpy(void *restrict to, const void *restrict from, size_t size) {
    count(COPIED_BYTES, size);
    unsigned char *target = to;
    const unsigned char *source = from;
    for (size_t i = 0; i < size; i++) {
        target[i] = source[i];
    }
    return to;
}

void *memmove(void *to, const void *from, size_t size) {
    count(COPIED_BYTES, size);
    unsigned char *target = to;
    const unsigned char *source = from;
    if ((uintptr_t)to <= (uintptr_t)from) {
        for (size_t i = 0; i < size; i++) {
            target[i] = source[i];
        }
    } else {
        for (size_t i = size; i > 0; i--) {
            target[i - 1] = source[i - 1];
        }
    }
    return to;
}
