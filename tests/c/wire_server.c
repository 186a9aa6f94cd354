/* Clients that misbehave towards the real server: each connection is closed, with a reason in the server's log, and everybody else is
 * served on. */
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "support_internal.h"
#include "wire.h"

/* An ordinary client is still served. */
static void check_alive(Server *server) {
    Client *alice = online(server, "alice");
    fence(alice);
    destroy(alice);
}

/* Sends `bytes` first thing; the server must close and log `reason`. */
static void closed_after(const void *bytes, size_t length, const char *reason) {
    Server *server = server_start("login_deadline_ms = 60000", "");
    Wire *wire = wire_connect(server);
    wire_send(wire, bytes, length);
    wire_await_close(wire);
    server_await_log(server, reason);
    check_alive(server);
}

CASE(a_wrong_preface, "another protocol") { closed_after("SSH-2.0-OpenSSH\r\n", 17, "preface"); }

CASE(a_request_that_is_not_for_websocket, "an HTTP request of somebody who only looks") {
    closed_after("GET / HTTP/1.1\r\nHost: localhost\r\n\r\n", 35, "does not ask for WebSocket");
}

CASE(a_preface_of_another_version, "TIMP and 2") { closed_after("TIMP\x02", 5, "preface"); }

CASE(zeros, "five of them") { closed_after("\0\0\0\0\0", 5, "preface"); }

CASE(garbage_of_every_kind, "200 connections of random bytes, from a fixed seed") {
    Server *server = server_start("login_deadline_ms = 300", "");
    uint32_t state = 12345;
    for (int i = 0; i < 200; i++) {
        unsigned char bytes[512];
        size_t length = 1 + state % sizeof bytes;
        for (size_t j = 0; j < length; j++) {
            state = state * 1664525 + 1013904223;
            bytes[j] = (unsigned char)(state >> 24);
        }
        Wire *wire = wire_connect(server);
        /* Every other time it begins well. */
        if (i % 2 == 0) wire_send(wire, "TIMP\x01", 5);
        wire_send(wire, bytes, length);
        if (i % 10 == 0) wire_await_close(wire);
        wire_close(wire);
        free(wire);
    }
    check_alive(server);
}

CASE(garbage_after_a_good_login, "a frame that is no message; the user is OFFLINE then") {
    Server *server = server_start("", "accounts = [\"bob\"]");
    Client *alice = online(server, "alice");
    CHECK_EQ(subscribe(alice, IDS("bob"))->code, 0);
    Wire *bob = wire_online(server, "bob", "Linux", "an-instance", NULL);
    await_status(alice, "bob", TIM_STATUS_ONLINE, ANY, NULL);
    wire_send(bob, "\x05\xff\xff\xff\xff\xff", 6);
    wire_await_close(bob);
    await_status(alice, "bob", TIM_STATUS_OFFLINE, ANY, NULL);
}

CASE(a_frame_over_the_limit, "announced, never sent: closed at once") {
    Server *server = server_start("login_deadline_ms = 60000\nframe_bytes_max = 70000", "");
    Wire *wire = wire_connect(server);
    wire_send(wire, "TIMP\x01\xff\xff\xff\x7f", 9);
    wire_await_close(wire);
    server_await_log(server, "larger");
    /* Also after the login. */
    Wire *bob = wire_online(server, "bob", "Linux", "an-instance", NULL);
    wire_send(bob, "\xff\xff\xff\x7f", 4);
    wire_await_close(bob);
    check_alive(server);
}

CASE(a_length_that_never_ends, "five bytes with the high bit set") { closed_after("TIMP\x01\xff\xff\xff\xff\xff", 10, "length"); }

CASE(half_a_frame, "and the end of the connection: no harm") {
    Server *server = server_start("", "");
    Bytes login = {.length = 0};
    put_number(&login, 1, 1);
    for (size_t cut = 1; cut < 20; cut++) {
        Wire *wire = wire_connect(server);
        wire_send(wire, "TIMP\x01\x40""abcdefghijklmnop", cut);
        wire_close(wire);
        free(wire);
    }
    check_alive(server);
}

CASE(one_byte_at_a_time, "a slow sender is understood") {
    Server *server = server_start("", "");
    Wire *wire = wire_connect(server);
    Bytes set = {.length = 0}, frame = {.length = 0}, out = {.length = 0};
    wire_send_login(wire, "bob", "Linux", "an-instance", 0);
    put_text(&set, 1, "slowly");
    put_number(&frame, 1, 2);
    put_message(&frame, CLIENT_SET, &set);
    put_frame(&out, &frame);
    for (size_t i = 0; i < out.length; i++) wire_send(wire, out.data + i, 1);
    Frame got;
    uint64_t replies = 0;
    while (replies < 2 && wire_read(wire, &got)) {
        Field reply = field_of(got.bytes, got.length, SERVER_REPLY);
        if (!reply.present) continue;
        CHECK_EQ(field_of(reply.bytes, reply.length, 2).number, 0);
        replies++;
    }
    CHECK_EQ(replies, 2);
}

CASE(a_login_that_never_comes, "closed after login_deadline, with the reason logged") {
    Server *server = server_start("login_deadline_ms = 200", "");
    Wire *silent = wire_connect(server);
    Wire *polite = wire_connect(server);
    wire_send(polite, "TIMP\x01", 5);
    wire_await_close(silent);
    wire_await_close(polite);
    server_await_log(server, "log in in time");
    check_alive(server);
}

CASE(a_request_before_the_login, "6014, and the deadline still runs") {
    Server *server = server_start("login_deadline_ms = 300", "");
    Wire *wire = wire_connect(server);
    Bytes set = {.length = 0};
    put_text(&set, 1, "busy");
    wire_send(wire, "TIMP\x01", 5);
    CHECK_EQ(wire_request(wire, 1, CLIENT_SET, &set), TIM_ERR_NOT_LOGGED_IN);
    wire_await_close(wire);
}

CASE(a_request_that_the_server_does_not_know, "7013: a newer client's call") {
    Server *server = server_start("", "");
    Wire *wire = wire_online(server, "bob", "Linux", "an-instance", NULL);
    Bytes body = {.length = 0};
    CHECK_EQ(wire_request(wire, 2, 500, &body), TIM_ERR_INTERFACE_NOT_SUPPORTED);
    put_text(&body, 1, "busy");
    put_text(&body, 90, "a field of tomorrow");
    CHECK_EQ(wire_request(wire, 3, CLIENT_SET, &body), 0);
}

CASE(a_custom_status_with_a_nul, "R3.1: 6017; only on the wire, C strings cannot say it") {
    Server *server = server_start("", "");
    Wire *wire = wire_online(server, "bob", "Linux", "an-instance", NULL);
    Bytes set = {.length = 0};
    put_varint(&set, 1 << 3 | 2);
    put_varint(&set, 3);
    put_varint(&set, 'a');
    put_varint(&set, 0);
    put_varint(&set, 'b');
    CHECK_EQ(wire_request(wire, 2, CLIENT_SET, &set), TIM_ERR_INVALID_PARAMETERS);
}

CASE(a_device_without_a_name, "6017: the instance id has 1 to 64 bytes") {
    Server *server = server_start("", "");
    Wire *wire = wire_connect(server);
    wire_send_login(wire, "bob", "Linux", "", 0);
    Frame frame;
    CHECK(wire_read(wire, &frame));
    Field reply = field_of(frame.bytes, frame.length, SERVER_REPLY);
    CHECK(reply.present);
    CHECK_EQ(field_of(reply.bytes, reply.length, 2).number, TIM_ERR_INVALID_PARAMETERS);
}

CASE(heartbeats_are_echoed, "a byte of zero for a byte of zero") {
    Server *server = server_start("", "");
    Wire *wire = wire_online(server, "bob", "Linux", "an-instance", NULL);
    wire_send(wire, "\0\0\0", 3);
    int echoes = 0;
    Frame frame;
    while (echoes < 3 && wire_read(wire, &frame)) echoes += frame.length == 0;
    CHECK_EQ(echoes, 3);
}

CASE(more_connections_than_allowed, "connections_max: the one too many is closed, the others live") {
    Server *server = server_start("connections_max = 2", "");
    Client *alice = online(server, "alice");
    Wire *second = wire_connect(server);
    /* Echoed by the loop that has it, before the next one may come to another loop. */
    Frame echo;
    wire_send(second, "TIMP\x01\0", 6);
    CHECK(wire_read(second, &echo));
    Wire *third = wire_connect(server);
    wire_await_close(third);
    wire_close(second);
    fence(alice);
}

CASE(a_reader_that_never_reads_is_cut, "R8.10: with its outbox full for slow_receiver_timeout; then it has 10 s of grace") {
    enum { IDS_ASKED = 400 };
    Server *server = server_start("slow_receiver_timeout_ms = 300\noutbox_bytes_max = 4096", "accounts = [\"bob\"]\nrate_calls = 0");
    Client *alice = online(server, "alice");
    CHECK_EQ(subscribe(alice, IDS("bob"))->code, 0);
    Wire *bob = wire_online(server, "bob", "Linux", "an-instance", NULL);
    await_status(alice, "bob", TIM_STATUS_ONLINE, ANY, NULL);
    /* bob reads no more, and asks: a large answer each time, until the kernel's buffers and the server's outbox are full and its
     * patience is over. Then sending fails, and this goes on at once. */
    const char **ids = many_ids(IDS_ASKED);
    Bytes ask = {.length = 0}, frame = {.length = 0}, out = {.length = 0};
    for (size_t i = 0; i < IDS_ASKED; i++) put_text(&ask, 1, ids[i]);
    put_number(&frame, 1, 2);
    put_message(&frame, CLIENT_QUERY, &ask);
    put_frame(&out, &frame);
    int64_t deadline = now_ms() + DEADLINE_MS;
    while (!server_logged(server, "did not read what it was sent")) {
        CHECK(now_ms() < deadline);
        for (int i = 0; i < 100; i++) wire_send(bob, out.data, out.length);
        nap();
    }
    CHECK_EQ(item_of(query(alice, IDS("bob")), "bob")->status, TIM_STATUS_ONLINE);
    await_status(alice, "bob", TIM_STATUS_OFFLINE, ANY, NULL);
}
