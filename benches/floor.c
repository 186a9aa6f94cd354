/* The floor of a call with the runtime asleep: the threads and processes of a call, making the system calls that a call makes, with
 * as many bytes, and nothing else. The caller writes to an eventfd; the thread asleep in epoll_wait lets the caller go on if it was
 * given its CPU, sends a request to another process, sleeps, receives its reply and wakes a third thread. Beside it the first step
 * alone, with nothing behind it. */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sched.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "bench.h"

/* Bytes of timSetSelfStatus("in a call") on the wire, and of its reply. */
enum { REQUEST_BYTES = 18, REPLY_BYTES = 7 };

static void be_server(int fd) {
    struct epoll_event event = {.events = EPOLLIN | EPOLLOUT | EPOLLET};
    char bytes[1024] = {0};
    int epoll = epoll_create1(EPOLL_CLOEXEC);
    CHECK(epoll >= 0 && epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event) == 0);
    for (;;) {
        if (epoll_wait(epoll, &event, 1, -1) != 1 || (event.events & EPOLLIN) == 0) continue;
        ssize_t count = recv(fd, bytes, sizeof bytes, MSG_DONTWAIT);
        if (count <= 0) return;
        CHECK(count == REQUEST_BYTES && send(fd, bytes, REPLY_BYTES, MSG_NOSIGNAL) == REPLY_BYTES);
    }
}

/* The thread that is told of results. */
static void *be_told(void *at) {
    Floor *floor = at;
    long told = 0;
    pthread_mutex_lock(&floor->mutex);
    for (;;) {
        while (floor->replies == told) pthread_cond_wait(&floor->replied, &floor->mutex);
        told = floor->replies;
        atomic_store(&floor->done, told);
    }
    return NULL;
}

/* As the library does: whoever made the wake goes first, if the woken thread was given its CPU. */
static void let_caller_go_on(Floor *floor) {
    int caller = atomic_exchange(&floor->caller_cpu, 0);
    if (caller != 0 && caller == sched_getcpu() + 1) sched_yield();
}

/* The thread that is woken by a call. */
static void *be_runtime(void *at) {
    Floor *floor = at;
    char bytes[1024] = {0};
    CHECK(pthread_setname_np(pthread_self(), floor->runtime.name) == 0);
    for (;;) {
        struct epoll_event event;
        if (epoll_wait(floor->epoll, &event, 1, -1) != 1) continue;
        let_caller_go_on(floor);
        if (event.data.fd == floor->wake) {
            /* Edge-triggered, so the count need not be read: no more than the library does. */
            if (floor->socket < 0)
                atomic_fetch_add(&floor->done, 1);
            else
                CHECK(send(floor->socket, bytes, REQUEST_BYTES, MSG_NOSIGNAL) == REQUEST_BYTES);
        } else if ((event.events & EPOLLIN) != 0 && recv(floor->socket, bytes, sizeof bytes, MSG_DONTWAIT) > 0) {
            pthread_mutex_lock(&floor->mutex);
            floor->replies++;
            pthread_mutex_unlock(&floor->mutex);
            pthread_cond_signal(&floor->replied);
        }
    }
    return NULL;
}

static void watch(Floor *floor, int fd, uint32_t events) {
    struct epoll_event event = {.events = events | EPOLLET, .data.fd = fd};
    CHECK(fd >= 0 && epoll_ctl(floor->epoll, EPOLL_CTL_ADD, fd, &event) == 0);
}

static void start(void *(*be)(void *), Floor *floor) {
    pthread_t started;
    CHECK(pthread_create(&started, NULL, be, floor) == 0 && pthread_detach(started) == 0);
}

void floor_start(Floor *floor, const char *name, int server) {
    *floor = (Floor){.socket = server, .runtime = {.name = name}, .wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)};
    floor->epoll = epoll_create1(EPOLL_CLOEXEC);
    CHECK(floor->epoll >= 0 && pthread_mutex_init(&floor->mutex, NULL) == 0 && pthread_cond_init(&floor->replied, NULL) == 0);
    watch(floor, floor->wake, EPOLLIN);
    if (server >= 0) {
        watch(floor, server, EPOLLIN | EPOLLOUT);
        start(be_told, floor);
    }
    start(be_runtime, floor);
}

void floor_wake(Floor *floor) {
    uint64_t one = 1;
    atomic_store(&floor->caller_cpu, sched_getcpu() + 1);
    CHECK(write(floor->wake, &one, sizeof one) == sizeof one);
}

void floor_await(Floor *floor, long done) {
    double deadline = now_ns() + DEADLINE_S * 1e9;
    while (atomic_load(&floor->done) != done) {
        if (now_ns() > deadline) FAIL("the floor did not answer");
        pause_us(100);
    }
}

/* Both ends of a TCP connection on loopback. */
static void loopback_pair(int *here, int *there) {
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t length = sizeof at;
    int one = 1, listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    *here = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    CHECK(listener >= 0 && *here >= 0 && bind(listener, (struct sockaddr *)&at, sizeof at) == 0 && listen(listener, 1) == 0);
    CHECK(getsockname(listener, (struct sockaddr *)&at, &length) == 0);
    CHECK(connect(*here, (struct sockaddr *)&at, sizeof at) == 0);
    *there = accept(listener, NULL, NULL);
    CHECK(*there >= 0 && setsockopt(*here, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one) == 0);
    CHECK(setsockopt(*there, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one) == 0);
    close(listener);
}

int floor_server(pid_t *pid) {
    int here, there;
    loopback_pair(&here, &there);
    fflush(stdout);
    *pid = fork();
    CHECK(*pid >= 0);
    if (*pid == 0) {
        close(here);
        be_server(there);
        _exit(0);
    }
    close(there);
    return here;
}

void floor_server_stop(int server, pid_t pid) {
    int status;
    CHECK(shutdown(server, SHUT_RDWR) == 0);
    CHECK(waitpid(pid, &status, 0) == pid && status == 0);
}
