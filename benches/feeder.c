/* A server that is never the bottleneck: it counts requests instead of reading them, and its answers are bytes made beforehand in
 * which only request id and versions are filled in. */
#include "bench.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

/* Versions from here on take six bytes on the wire, for longer than any bench runs. */
#define VERSION_FIRST (UINT64_C(1) << 36)
enum { VERSION_BYTES = 6, OUT_BYTES = 256 * 1024, REPLY_BYTES_MAX = 16 };

typedef struct Buffer {
    uint8_t *bytes;
    size_t length;
} Buffer;

static void put(Buffer *to, uint8_t byte) { to->bytes[to->length++] = byte; }

static void put_varint(Buffer *to, uint64_t value) {
    for (; value > 0x7f; value >>= 7) put(to, (uint8_t)(value | 0x80));
    put(to, (uint8_t)value);
}

static void put_number(Buffer *to, uint32_t field, uint64_t value) {
    put(to, (uint8_t)(field << 3));
    put_varint(to, value);
}

static void put_bytes(Buffer *to, uint32_t field, const void *bytes, size_t length) {
    put(to, (uint8_t)(field << 3 | 2));
    put_varint(to, length);
    memcpy(to->bytes + to->length, bytes, length);
    to->length += length;
}

/* Frames of pushes, one after the other, and where their versions stand. */
typedef struct Pushes {
    size_t list, count;     /* changes in a push; different pushes */
    uint8_t *bytes;         /* count frames of frame_bytes each */
    size_t frame_bytes;
    size_t *version_at;     /* in a frame, list of them */
    size_t next;
    uint64_t version;
} Pushes;

static Pushes make_pushes(size_t list, size_t users) {
    Pushes pushes = {.list = list, .count = users / list, .version = VERSION_FIRST};
    CHECK(pushes.count > 0 && users % list == 0 && users <= 100000);
    size_t room = list * 64 + 16;
    pushes.version_at = calloc(list, sizeof *pushes.version_at);
    pushes.bytes = calloc(pushes.count, room);
    Buffer push = {malloc(room), 0}, body = {malloc(room), 0};
    CHECK(pushes.version_at != NULL && pushes.bytes != NULL && push.bytes != NULL && body.bytes != NULL);
    for (size_t i = 0; i < pushes.count; i++) {
        size_t version_in_push[1024];
        CHECK(list <= 1024);
        push.length = body.length = 0;
        for (size_t j = 0; j < list; j++) {
            uint8_t bytes[64];
            char name[16];
            Buffer change = {bytes, 0};
            user_name(i * list + j, name);
            put_bytes(&change, 1, name, strlen(name));
            put_number(&change, 3, TIM_STATUS_ONLINE);
            put_bytes(&change, 4, "in a call", 9);
            size_t version = change.length + 1;
            put_number(&change, 5, VERSION_FIRST);
            put_number(&change, 6, 1700000000000);
            put_number(&change, 7, TIM_REASON_CUSTOM_STATUS);
            put_bytes(&push, 1, change.bytes, change.length);
            version_in_push[j] = push.length - change.length + version;
        }
        put_bytes(&body, 2, push.bytes, push.length);
        Buffer frame = {pushes.bytes + i * pushes.frame_bytes, 0};
        put_varint(&frame, body.length);
        memcpy(frame.bytes + frame.length, body.bytes, body.length);
        frame.length += body.length;
        /* User names have one length, so the frames have too. */
        CHECK(i == 0 || frame.length == pushes.frame_bytes);
        pushes.frame_bytes = frame.length;
        for (size_t j = 0; j < list; j++) pushes.version_at[j] = frame.length - push.length + version_in_push[j];
    }
    free(push.bytes);
    free(body.bytes);
    return pushes;
}

static void put_push(Buffer *out, Pushes *pushes) {
    uint8_t *frame = out->bytes + out->length;
    memcpy(frame, pushes->bytes + pushes->next * pushes->frame_bytes, pushes->frame_bytes);
    pushes->version++;
    for (size_t j = 0; j < pushes->list; j++) {
        Buffer at = {frame + pushes->version_at[j], 0};
        put_varint(&at, pushes->version);
        CHECK(at.length == VERSION_BYTES);
    }
    out->length += pushes->frame_bytes;
    pushes->next = (pushes->next + 1) % pushes->count;
}

static void put_reply(Buffer *out, uint64_t request_id) {
    uint8_t bytes[2 * REPLY_BYTES_MAX];
    Buffer reply = {bytes, 0};
    put_number(&reply, 1, request_id);
    put_varint(out, reply.length + 2);
    put_bytes(out, 1, reply.bytes, reply.length);
}

static void put_login_reply(Buffer *out) {
    uint8_t bytes[3][128];
    Buffer list = {bytes[0], 0}, login = {bytes[1], 0}, reply = {bytes[2], 0};
    put_number(&list, 1, 1);
    put_number(&list, 3, 1);
    put_number(&login, 1, 1);
    put_number(&login, 2, 1700000000000);
    put_number(&login, 3, 600000);
    put_number(&login, 4, 1800000);
    put_number(&login, 5, 4000000000000);
    put_bytes(&login, 6, list.bytes, list.length);
    put_number(&login, 7, 128 * 1024);
    put_number(&reply, 1, 1);
    put_bytes(&reply, 7, login.bytes, login.length);
    put_varint(out, reply.length + 2);
    put_bytes(out, 1, reply.bytes, reply.length);
}

static void send_all(int fd, Buffer *out) {
    for (size_t done = 0; done < out->length;) {
        ssize_t count = send(fd, out->bytes + done, out->length - done, MSG_NOSIGNAL);
        if (count <= 0) _exit(0);
        done += (size_t)count;
    }
    out->length = 0;
}

/* Counts whole frames in a stream of bytes. */
typedef struct Counter {
    uint64_t length, shift;
    uint64_t body_left;
} Counter;

static size_t count_frames(Counter *counter, const uint8_t *bytes, size_t length) {
    size_t frames = 0;
    for (size_t i = 0; i < length;) {
        if (counter->body_left > 0) {
            size_t skipped = counter->body_left < length - i ? (size_t)counter->body_left : length - i;
            counter->body_left -= skipped;
            i += skipped;
            frames += counter->body_left == 0;
            continue;
        }
        uint8_t byte = bytes[i++];
        counter->length |= (uint64_t)(byte & 0x7f) << counter->shift;
        counter->shift += 7;
        if ((byte & 0x80) != 0) continue;
        counter->body_left = counter->length;
        counter->length = counter->shift = 0;
    }
    return frames;
}

static void be_feeder(int listener, Pushes *pushes, long window, FeederShared *shared) {
    static uint8_t in[64 * 1024];
    Buffer out = {malloc(OUT_BYTES + 2 * pushes->frame_bytes + REPLY_BYTES_MAX), 0};
    Counter counter = {0, 0, 0};
    int one = 1, fd = accept(listener, NULL, NULL);
    CHECK(out.bytes != NULL && fd >= 0 && setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one) == 0);
    CHECK(recv(fd, in, 5, MSG_WAITALL) == 5 && memcmp(in, "TIMP\x01", 5) == 0);
    uint64_t request_id = 1;
    long pushed = 0, changes = 0;
    for (;;) {
        struct pollfd readable = {fd, POLLIN, 0};
        int unasked = window > 0 && request_id > 1;
        if (!unasked || poll(&readable, 1, 0) > 0) {
            ssize_t count = recv(fd, in, sizeof in, 0);
            if (count <= 0) _exit(0);
            for (size_t frames = count_frames(&counter, in, (size_t)count); frames > 0; frames--, request_id++) {
                if (request_id == 1) {
                    put_login_reply(&out);
                    continue;
                }
                put_reply(&out, request_id);
                put_push(&out, pushes);
                pushed++;
                if (out.length >= OUT_BYTES) send_all(fd, &out);
            }
        }
        while (unasked && out.length < OUT_BYTES && changes - atomic_load(&shared->told) < window) {
            put_push(&out, pushes);
            changes += (long)pushes->list;
        }
        if (out.length == 0) pause_us(1);
        send_all(fd, &out);
        atomic_store(&shared->written, pushed);
    }
}

Feeder feed(size_t list, size_t users, long window) {
    Feeder feeder = {.shared = mmap(NULL, sizeof *feeder.shared, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0)};
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t length = sizeof at;
    int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    CHECK(feeder.shared != MAP_FAILED && listener >= 0 && bind(listener, (struct sockaddr *)&at, sizeof at) == 0);
    CHECK(listen(listener, 1) == 0 && getsockname(listener, (struct sockaddr *)&at, &length) == 0);
    snprintf(feeder.address, sizeof feeder.address, "tim://127.0.0.1:%d", ntohs(at.sin_port));
    Pushes pushes = make_pushes(list, users);
    fflush(stdout);
    feeder.pid = fork();
    CHECK(feeder.pid >= 0);
    if (feeder.pid == 0) {
        be_feeder(listener, &pushes, window, feeder.shared);
        _exit(0);
    }
    close(listener);
    free(pushes.bytes);
    free(pushes.version_at);
    return feeder;
}

void feeder_stop(Feeder *feeder) {
    int status;
    /* Its client is gone, so it has ended or is about to. */
    CHECK(waitpid(feeder->pid, &status, 0) == feeder->pid && status == 0);
    munmap(feeder->shared, sizeof *feeder->shared);
}
