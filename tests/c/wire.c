/* Encoding and decoding, and a raw client. */
#include "wire.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

void put_varint(Bytes *to, uint64_t value) {
    do {
        CHECK(to->length < sizeof to->data);
        to->data[to->length++] = (uint8_t)((value & 0x7f) | (value > 0x7f ? 0x80 : 0));
        value >>= 7;
    } while (value != 0);
}

void put_number(Bytes *to, uint32_t field, uint64_t value) {
    put_varint(to, field << 3);
    put_varint(to, value);
}

static void put_bytes(Bytes *to, const void *bytes, size_t length) {
    CHECK(to->length + length <= sizeof to->data);
    memcpy(to->data + to->length, bytes, length);
    to->length += length;
}

void put_text(Bytes *to, uint32_t field, const char *text) {
    put_varint(to, field << 3 | 2);
    put_varint(to, strlen(text));
    put_bytes(to, text, strlen(text));
}

void put_message(Bytes *to, uint32_t field, const Bytes *message) {
    put_varint(to, field << 3 | 2);
    put_frame(to, message);
}

void put_frame(Bytes *to, const Bytes *message) {
    put_varint(to, message->length);
    put_bytes(to, message->data, message->length);
}

/* Takes a varint from the front; 0 if it is not whole. */
static int take_varint(const uint8_t **at, const uint8_t *end, uint64_t *value) {
    *value = 0;
    for (int shift = 0; *at < end && shift < 64; shift += 7) {
        uint8_t byte = *(*at)++;
        *value |= (uint64_t)(byte & 0x7f) << shift;
        if ((byte & 0x80) == 0) return 1;
    }
    return 0;
}

Field field_of(const uint8_t *message, size_t length, uint32_t field) {
    const uint8_t *at = message, *end = message + length;
    Field found = {0, 0, NULL, 0};
    uint64_t key, value;
    while (at < end) {
        CHECK(take_varint(&at, end, &key) && take_varint(&at, end, &value));
        Field here = {1, value, NULL, 0};
        if ((key & 7) == 2) {
            CHECK(value <= (uint64_t)(end - at));
            here = (Field){1, 0, at, (size_t)value};
            at += value;
        } else {
            CHECK_EQ(key & 7, 0); /* the protocol has numbers and bytes only */
        }
        if (key >> 3 == field) found = here;
    }
    return found;
}

void wire_send(Wire *wire, const void *bytes, size_t length) {
    /* A peer that closed already is for the test to find by reading. */
    (void)!send(wire->fd, bytes, length, MSG_NOSIGNAL);
}

/* Reads more; 0 at the end or on a reset. */
static int fill(Wire *wire) {
    struct pollfd readable = {wire->fd, POLLIN, 0};
    memmove(wire->buffer, wire->buffer + wire->taken, wire->filled - wire->taken);
    wire->filled -= wire->taken;
    wire->taken = 0;
    if (poll(&readable, 1, DEADLINE_MS) == 0) FAIL("the peer neither sent nor closed within %d ms", DEADLINE_MS);
    ssize_t count = recv(wire->fd, wire->buffer + wire->filled, sizeof wire->buffer - wire->filled, 0);
    if (count <= 0) return 0;
    wire->filled += (size_t)count;
    return 1;
}

int wire_read(Wire *wire, Frame *frame) {
    for (;;) {
        const uint8_t *start = wire->buffer + wire->taken, *end = wire->buffer + wire->filled, *at = start;
        uint64_t length;
        if (take_varint(&at, end, &length) && length <= (uint64_t)(end - at)) {
            *frame = (Frame){at, (size_t)length};
            wire->taken += (size_t)(at - start) + (size_t)length;
            return 1;
        }
        if (!fill(wire)) return 0;
    }
}

void wire_await_close(Wire *wire) {
    while (fill(wire)) wire->taken = wire->filled;
}

void wire_close(Wire *wire) { close(wire->fd); }

static Wire *wire_of(int fd) {
    Wire *wire = calloc(1, sizeof *wire);
    CHECK(wire != NULL && fd >= 0);
    wire->fd = fd;
    return wire;
}

/* ---- a raw client ---- */

Wire *wire_connect(const Server *server) {
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons((uint16_t)server->port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    Wire *wire = wire_of(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    /* So that one that does not read is soon full. */
    int few_bytes = 8 * 1024;
    CHECK_EQ(setsockopt(wire->fd, SOL_SOCKET, SO_RCVBUF, &few_bytes, sizeof few_bytes), 0);
    if (connect(wire->fd, (struct sockaddr *)&to, sizeof to) != 0) FAIL("connect to %s: %s", server->address, strerror(errno));
    return wire;
}

void wire_send_login(Wire *wire, const char *user, const char *platform, const char *instance, uint64_t session) {
    Bytes login = {.length = 0}, frame = {.length = 0}, out = {.length = 0};
    put_number(&login, 1, APP_ID);
    put_text(&login, 2, user);
    put_text(&login, 3, user_sig(user, 3600));
    put_text(&login, 4, platform);
    put_text(&login, 5, instance);
    if (session != 0) put_number(&login, 6, session);
    put_number(&frame, 1, 1);
    put_message(&frame, CLIENT_LOGIN, &login);
    put_bytes(&out, "TIMP\x01", 5);
    put_frame(&out, &frame);
    wire_send(wire, out.data, out.length);
}

/* Reads until the reply to `request_id`. */
static Field await_reply(Wire *wire, uint64_t request_id) {
    Frame frame;
    for (;;) {
        if (!wire_read(wire, &frame)) FAIL("the server closed before it replied to request %llu", (unsigned long long)request_id);
        Field reply = field_of(frame.bytes, frame.length, SERVER_REPLY);
        if (reply.present && field_of(reply.bytes, reply.length, 1).number == request_id) return reply;
    }
}

Wire *wire_online(const Server *server, const char *user, const char *platform, const char *instance, uint64_t *session) {
    Wire *wire = wire_connect(server);
    wire_send_login(wire, user, platform, instance, session == NULL ? 0 : *session);
    Field reply = await_reply(wire, 1);
    CHECK_EQ(field_of(reply.bytes, reply.length, 2).number, 0);
    Field login = field_of(reply.bytes, reply.length, 7);
    CHECK(login.present);
    if (session != NULL) *session = field_of(login.bytes, login.length, 1).number;
    return wire;
}

int32_t wire_request(Wire *wire, uint64_t request_id, uint32_t body_field, const Bytes *body) {
    Bytes frame = {.length = 0}, out = {.length = 0};
    put_number(&frame, 1, request_id);
    put_message(&frame, body_field, body);
    put_frame(&out, &frame);
    wire_send(wire, out.data, out.length);
    Field reply = await_reply(wire, request_id);
    return (int32_t)field_of(reply.bytes, reply.length, 2).number;
}
