/* A proxy on a thread: forwards bytes between clients and a server until told to do something worse. */
#include "faults.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

enum { PAIRS_MAX = 64, UNLIMITED = -1 };

/* A client's connection and its continuation to the server. */
typedef struct Pair {
    int side[2]; /* [PROXY_UP]: from the client; [PROXY_DOWN]: from the server. -1: none */
    int held;
    long left[2]; /* bytes that may still pass, or UNLIMITED */
    size_t passed[2];
} Pair;

struct Proxy {
    int listener, bell[2], server_port;
    char address[64];
    pthread_mutex_t lock; /* of everything below */
    Pair pairs[PAIRS_MAX];
    size_t connections, last_passed[2];
    int refuse;
    long next_left[2];
};

static void linger_zero(int fd) {
    struct linger at_once = {1, 0};
    setsockopt(fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
}

static void end_pair(Proxy *proxy, Pair *pair, int with_reset) {
    for (int i = 0; i < 2; i++) {
        if (with_reset) linger_zero(pair->side[i]);
        close(pair->side[i]);
        pair->side[i] = -1;
        proxy->last_passed[i] = pair->passed[i];
    }
}

static void accept_one(Proxy *proxy) {
    int client = accept4(proxy->listener, NULL, NULL, SOCK_CLOEXEC);
    if (client < 0) return;
    proxy->connections++;
    if (proxy->refuse) {
        close(client);
        return;
    }
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons((uint16_t)proxy->server_port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int server = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), on = 1;
    if (server < 0 || connect(server, (struct sockaddr *)&to, sizeof to) != 0) {
        close(server);
        close(client);
        return;
    }
    setsockopt(client, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    setsockopt(server, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    Pair *pair = proxy->pairs;
    while (pair->side[0] >= 0) pair++;
    CHECK(pair < proxy->pairs + PAIRS_MAX);
    *pair = (Pair){.side = {client, server}, .left = {proxy->next_left[0], proxy->next_left[1]}};
    proxy->next_left[0] = proxy->next_left[1] = UNLIMITED;
}

/* Passes what came from one side on to the other; 0 when the pair ended. */
static int pass_on(Proxy *proxy, Pair *pair, int direction) {
    char buffer[16 * 1024];
    size_t most = sizeof buffer;
    if (pair->left[direction] != UNLIMITED && (size_t)pair->left[direction] < most) most = (size_t)pair->left[direction];
    if (most > 0) {
        ssize_t count = recv(pair->side[direction], buffer, most, 0);
        if (count <= 0) {
            end_pair(proxy, pair, count < 0);
            return 0;
        }
        /* Blocking: what tests send fits into the kernel's buffers. */
        if (send(pair->side[!direction], buffer, (size_t)count, MSG_NOSIGNAL) != count) {
            end_pair(proxy, pair, 0);
            return 0;
        }
        pair->passed[direction] += (size_t)count;
        if (pair->left[direction] != UNLIMITED) pair->left[direction] -= count;
    }
    if (pair->left[direction] == 0) {
        end_pair(proxy, pair, 0);
        return 0;
    }
    return 1;
}

static void *run(void *argument) {
    Proxy *proxy = argument;
    for (;;) {
        struct pollfd polled[2 + 2 * PAIRS_MAX];
        Pair *whose[2 + 2 * PAIRS_MAX];
        nfds_t count = 2;
        polled[0] = (struct pollfd){proxy->listener, POLLIN, 0};
        polled[1] = (struct pollfd){proxy->bell[0], POLLIN, 0};
        pthread_mutex_lock(&proxy->lock);
        for (Pair *pair = proxy->pairs; pair < proxy->pairs + PAIRS_MAX; pair++) {
            for (int i = 0; i < 2 && pair->side[0] >= 0 && !pair->held; i++) {
                whose[count] = pair;
                polled[count++] = (struct pollfd){pair->side[i], POLLIN, 0};
            }
        }
        pthread_mutex_unlock(&proxy->lock);
        if (poll(polled, count, -1) < 0 && errno != EINTR) FAIL("poll: %s", strerror(errno));
        pthread_mutex_lock(&proxy->lock);
        char rung[64];
        if (polled[1].revents != 0 && read(proxy->bell[0], rung, sizeof rung) < 0) FAIL("the proxy's bell: %s", strerror(errno));
        for (nfds_t i = 2; i < count; i++) {
            Pair *pair = whose[i];
            /* It may have been ended or held since. */
            for (int direction = 0; direction < 2 && polled[i].revents != 0; direction++)
                if (pair->side[direction] == polled[i].fd && !pair->held && !pass_on(proxy, pair, direction)) break;
        }
        if (polled[0].revents != 0) accept_one(proxy);
        pthread_mutex_unlock(&proxy->lock);
    }
    return NULL;
}

Proxy *proxy_start(const Server *server) {
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t length = sizeof at;
    pthread_t thread;
    Proxy *proxy = calloc(1, sizeof *proxy);
    CHECK(proxy != NULL);
    proxy->server_port = server->port;
    proxy->next_left[0] = proxy->next_left[1] = UNLIMITED;
    for (int i = 0; i < PAIRS_MAX; i++) proxy->pairs[i].side[0] = proxy->pairs[i].side[1] = -1;
    pthread_mutex_init(&proxy->lock, NULL);
    proxy->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    CHECK(proxy->listener >= 0);
    CHECK_EQ(bind(proxy->listener, (struct sockaddr *)&at, sizeof at), 0);
    CHECK_EQ(listen(proxy->listener, 64), 0);
    CHECK_EQ(getsockname(proxy->listener, (struct sockaddr *)&at, &length), 0);
    snprintf(proxy->address, sizeof proxy->address, "tim://127.0.0.1:%d", ntohs(at.sin_port));
    CHECK_EQ(pipe(proxy->bell), 0);
    CHECK_EQ(pthread_create(&thread, NULL, run, proxy), 0);
    return proxy;
}

const char *proxy_address(const Proxy *proxy) { return proxy->address; }

static void ring(Proxy *proxy) {
    pthread_mutex_unlock(&proxy->lock);
    CHECK_EQ(write(proxy->bell[1], "", 1), 1);
}

static void for_each(Proxy *proxy, void (*what)(Proxy *, Pair *, int), int argument) {
    pthread_mutex_lock(&proxy->lock);
    for (Pair *pair = proxy->pairs; pair < proxy->pairs + PAIRS_MAX; pair++)
        if (pair->side[0] >= 0) what(proxy, pair, argument);
    ring(proxy);
}

static void set_held(Proxy *proxy, Pair *pair, int held) {
    (void)proxy;
    pair->held = held;
}

void proxy_hold(Proxy *proxy) { for_each(proxy, set_held, 1); }
void proxy_release(Proxy *proxy) { for_each(proxy, set_held, 0); }
void proxy_cut(Proxy *proxy) { for_each(proxy, end_pair, 0); }
void proxy_reset(Proxy *proxy) { for_each(proxy, end_pair, 1); }

void proxy_refuse(Proxy *proxy, int refuse) {
    pthread_mutex_lock(&proxy->lock);
    proxy->refuse = refuse;
    ring(proxy);
}

void proxy_cut_next_after(Proxy *proxy, int direction, size_t bytes) {
    pthread_mutex_lock(&proxy->lock);
    proxy->next_left[direction] = (long)bytes;
    ring(proxy);
}

size_t proxy_passed(Proxy *proxy, int direction) {
    pthread_mutex_lock(&proxy->lock);
    size_t passed = proxy->last_passed[direction];
    pthread_mutex_unlock(&proxy->lock);
    return passed;
}

size_t proxy_connections(Proxy *proxy) {
    pthread_mutex_lock(&proxy->lock);
    size_t connections = proxy->connections;
    pthread_mutex_unlock(&proxy->lock);
    return connections;
}
