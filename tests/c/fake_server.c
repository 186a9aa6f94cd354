/* A scripted server: the test itself plays it, line by line, towards a real client. */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "wire.h"

FakeServer *fake_listen(void) {
    int port = reserve_port(), on = 1;
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    FakeServer *server = calloc(1, sizeof *server);
    CHECK(server != NULL);
    server->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    CHECK(server->fd >= 0);
    CHECK_EQ(setsockopt(server->fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on), 0);
    CHECK_EQ(bind(server->fd, (struct sockaddr *)&at, sizeof at), 0);
    CHECK_EQ(listen(server->fd, 16), 0);
    snprintf(server->address, sizeof server->address, "tim://127.0.0.1:%d", port);
    return server;
}

void fake_stop_listening(FakeServer *server) {
    close(server->fd);
    server->fd = -1;
}

Wire *fake_accept_any(FakeServer *server) {
    struct pollfd readable = {server->fd, POLLIN, 0};
    if (poll(&readable, 1, DEADLINE_MS) == 0) FAIL("no client connected within %d ms", DEADLINE_MS);
    Wire *wire = calloc(1, sizeof *wire);
    char preface[5];
    CHECK(wire != NULL);
    wire->fd = accept4(server->fd, NULL, NULL, SOCK_CLOEXEC);
    CHECK(wire->fd >= 0);
    if (recv(wire->fd, preface, sizeof preface, MSG_WAITALL) != sizeof preface) {
        wire_close(wire);
        return NULL;
    }
    CHECK(memcmp(preface, "TIMP\x01", sizeof preface) == 0);
    return wire;
}

Wire *fake_accept(FakeServer *server) {
    Wire *wire = fake_accept_any(server);
    if (wire == NULL) FAIL("the client closed before its preface");
    return wire;
}

int fake_read(Wire *wire, Request *request) {
    static const uint32_t bodies[] = {CLIENT_LOGIN, CLIENT_LOGOUT, CLIENT_SET, CLIENT_QUERY, CLIENT_SUBSCRIBE, CLIENT_LIST, CLIENT_RESTORE};
    Frame frame;
    do {
        if (!wire_read(wire, &frame)) return 0;
    } while (frame.length == 0);
    request->id = field_of(frame.bytes, frame.length, 1).number;
    for (size_t i = 0; i < sizeof bodies / sizeof bodies[0]; i++) {
        Field body = field_of(frame.bytes, frame.length, bodies[i]);
        if (!body.present) continue;
        request->body = bodies[i];
        if (bodies[i] != CLIENT_LOGIN) return 1;
        Field instance = field_of(body.bytes, body.length, 5);
        snprintf(request->instance, sizeof request->instance, "%.*s", (int)instance.length, (const char *)instance.bytes);
        request->session = field_of(body.bytes, body.length, 6).number;
        return 1;
    }
    FAIL("the client sent a request that the test does not know");
}

uint64_t fake_expect(Wire *wire, uint32_t body) {
    Request request;
    if (!fake_read(wire, &request)) FAIL("the client closed before it sent request kind %u", body);
    CHECK_EQ(request.body, body);
    return request.id;
}

static void send_server_frame(Wire *wire, uint32_t body_field, const Bytes *body) {
    Bytes frame = {.length = 0}, out = {.length = 0};
    put_message(&frame, body_field, body);
    put_frame(&out, &frame);
    wire_send(wire, out.data, out.length);
}

void fake_reply(Wire *wire, uint64_t request_id, int32_t code) {
    Bytes reply = {.length = 0};
    put_number(&reply, 1, request_id);
    put_number(&reply, 2, (uint64_t)code);
    send_server_frame(wire, SERVER_REPLY, &reply);
}

void fake_login_reply(Wire *wire, uint64_t request_id, uint32_t heartbeat_interval_ms) {
    Bytes reply = {.length = 0}, login = {.length = 0}, list = {.length = 0};
    put_number(&list, 1, 1);
    put_number(&list, 3, 1);
    put_number(&login, 1, 1);
    put_number(&login, 2, 1700000000000);
    put_number(&login, 3, heartbeat_interval_ms);
    put_number(&login, 4, 3 * (uint64_t)heartbeat_interval_ms);
    put_number(&login, 5, 1900000000000);
    put_message(&login, 6, &list);
    put_number(&login, 7, 128 * 1024);
    put_number(&reply, 1, request_id);
    put_message(&reply, 7, &login);
    send_server_frame(wire, SERVER_REPLY, &reply);
}

void fake_push(Wire *wire, const char *user, int32_t status, const char *custom, uint64_t version) {
    Bytes change = {.length = 0}, push = {.length = 0};
    put_text(&change, 1, user);
    put_number(&change, 3, (uint64_t)status);
    put_text(&change, 4, custom);
    put_number(&change, 5, version);
    put_number(&change, 6, 1700000000000);
    put_number(&change, 7, TIM_REASON_LOGIN);
    put_message(&push, 1, &change);
    send_server_frame(wire, SERVER_PUSH, &push);
}

Wire *fake_online(FakeServer *server, Client *client, const char *user, uint64_t version) {
    Call *call = start_login(client, user, "not-checked-by-this-server");
    Wire *wire = fake_accept(server);
    fake_login_reply(wire, fake_expect(wire, CLIENT_LOGIN), 120000);
    CHECK_EQ(finish(call)->code, 0);
    fake_push(wire, user, TIM_STATUS_ONLINE, "", version);
    await_status(client, user, TIM_STATUS_ONLINE, ANY, NULL);
    return wire;
}
