/* The network goes wrong before there is a session: a first login gives up after its time and never pretends (R8.5). */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "faults.h"

/* Nobody is logged in, and nobody was told that a session had ended: there was none. */
static void check_no_session(Client *client) {
    int32_t state = -1;
    ACCEPTED(timGetLoginState(handle_of(client), &state));
    CHECK_EQ(state, TIM_LOGIN_LOGGED_OUT);
    CHECK_EQ(events_of(client, EVENT_KICKED, ANY) + events_of(client, EVENT_EXPIRED, ANY), 0);
    CHECK_EQ(set_status(client, "busy")->code, TIM_ERR_NOT_LOGGED_IN);
}

/* A login, and what `misdeed` does to its first connection; the second is a good one. */
static void second_try_succeeds_with(const char *options, void (*misdeed)(FakeServer *server, Wire *wire)) {
    FakeServer *server = fake_listen();
    Client *alice = client_at(server->address, options);
    Call *call = start_login(alice, "alice", "sig");
    misdeed(server, fake_accept(server));
    Wire *wire = accept_and_welcome(server);
    CHECK_EQ(finish(call)->code, 0);
    check_told(wire, alice, "bob", 1);
    CHECK_EQ(events_of(alice, EVENT_KICKED, ANY) + events_of(alice, EVENT_EXPIRED, ANY), 0);
}

static void second_try_succeeds(void (*misdeed)(FakeServer *server, Wire *wire)) { second_try_succeeds_with(QUICK_RETURN, misdeed); }
/* The same where the client has to find out that nothing more will come. */
static void found_out_in_time(void (*misdeed)(FakeServer *server, Wire *wire)) { second_try_succeeds_with(SHORT_REQUESTS, misdeed); }

CASE(nobody_listens, "9523 when its time is over; the connection state says so meanwhile") {
    char address[64];
    snprintf(address, sizeof address, "tim://127.0.0.1:%d", reserve_port());
    Client *alice = client_at(address, "\"login_timeout_ms\":500,\"backoff_base_ms\":1");
    Call *call = start_login(alice, "alice", "sig");
    await_event(alice, EVENT_CONNECTION, TIM_CONNECTION_CONNECTING);
    await_event(alice, EVENT_CONNECTION, TIM_CONNECTION_DISCONNECTED);
    CHECK_EQ(finish(call)->code, TIM_ERR_NO_CONNECTION);
    check_no_session(alice);
}

CASE(a_host_that_swallows_packets, "9523: no attempt to connect takes longer than connect_timeout_ms, no login longer than login_timeout_ms") {
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t length = sizeof at;
    char address[64];
    int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    CHECK_EQ(bind(listener, (struct sockaddr *)&at, sizeof at), 0);
    CHECK_EQ(listen(listener, 0), 0);
    CHECK_EQ(getsockname(listener, (struct sockaddr *)&at, &length), 0);
    /* Whoever fills the queue makes the kernel drop what comes after. */
    for (int i = 0; i < 4; i++) {
        int filler = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
        (void)connect(filler, (struct sockaddr *)&at, sizeof at);
    }
    snprintf(address, sizeof address, "tim://127.0.0.1:%d", ntohs(at.sin_port));
    Client *alice = client_at(address, "\"login_timeout_ms\":800,\"connect_timeout_ms\":200,\"backoff_base_ms\":1");
    CHECK_EQ(login(alice, "alice", "sig")->code, TIM_ERR_NO_CONNECTION);
    check_no_session(alice);
}

CASE(a_server_that_says_nothing, "9523: each connection is given up after request_timeout_ms, the login after login_timeout_ms") {
    FakeServer *server = fake_listen();
    Client *alice = client_at(server->address, "\"login_timeout_ms\":5000,\"request_timeout_ms\":300,\"backoff_base_ms\":1");
    Call *call = start_login(alice, "alice", "sig");
    Wire *wire = fake_accept(server);
    fake_expect(wire, CLIENT_LOGIN);
    wire_await_close(wire);
    fake_expect(fake_accept(server), CLIENT_LOGIN);
    CHECK_EQ(finish(call)->code, TIM_ERR_NO_CONNECTION);
    check_no_session(alice);
}

CASE(a_server_that_refuses, "the login's result is the server's code, at once, and nothing is tried again") {
    static const int32_t codes[] = {TIM_ERR_USER_SIG_EXPIRED, TIM_ERR_USER_SIG_INVALID, TIM_ERR_USER_SIG_WRONG_KEY, TIM_ERR_USER_SIG_REVOKED,
                                    TIM_ERR_INTERFACE_NOT_SUPPORTED, 79999 /* of a newer server */};
    FakeServer *server = fake_listen();
    Client *alice = client_at(server->address, QUICK_RETURN);
    for (size_t i = 0; i < sizeof codes / sizeof codes[0]; i++) {
        char user[16];
        snprintf(user, sizeof user, "user%zu", i);
        Call *call = start_login(alice, user, "sig");
        /* Connections come in order: were the one before tried again, its user would stand here. */
        Wire *wire = fake_accept(server);
        fake_reply(wire, expect_login_as(wire, user), codes[i]);
        CHECK_EQ(finish(call)->code, codes[i]);
        wire_await_close(wire);
        check_no_session(alice);
    }
}

static void close_it(FakeServer *server, Wire *wire) {
    (void)server;
    fake_expect(wire, CLIENT_LOGIN);
    wire_close(wire);
}
CASE(closed_mid_login, "by FIN between login and answer: tried again") { second_try_succeeds(close_it); }

static void reset_it(FakeServer *server, Wire *wire) {
    (void)server;
    fake_expect(wire, CLIENT_LOGIN);
    wire_reset(wire);
}
CASE(reset_mid_login, "by RST: the same") { second_try_succeeds(reset_it); }

static void half_and_close(FakeServer *server, Wire *wire) {
    (void)server;
    fake_expect(wire, CLIENT_LOGIN);
    wire_send(wire, "\x20\x0a\x1e\x08\x01\x3a", 6);
    wire_close(wire);
}
CASE(half_a_login_answer, "and the end: the half is nothing, tried again") { second_try_succeeds(half_and_close); }

static void half_and_silence(FakeServer *server, Wire *wire) {
    (void)server;
    fake_expect(wire, CLIENT_LOGIN);
    wire_send(wire, "\x20\x0a\x1e\x08\x01\x3a", 6);
    wire_await_close(wire);
}
CASE(half_a_login_answer_and_silence, "given up after request_timeout_ms, tried again") { found_out_in_time(half_and_silence); }

static void answer_garbage(FakeServer *server, Wire *wire) {
    (void)server;
    fake_expect(wire, CLIENT_LOGIN);
    wire_send(wire, "HTTP/1.1 400 Bad Request\r\n\r\n", 28);
    wire_await_close(wire);
}
CASE(another_protocol, "an answer that is no frame of ours: the connection is given up, tried again") { second_try_succeeds(answer_garbage); }

static void answer_late(FakeServer *server, Wire *wire) {
    (void)server;
    uint64_t id = fake_expect(wire, CLIENT_LOGIN);
    wire_await_close(wire); /* after request_timeout_ms */
    fake_login_reply(wire, id, 120000);
}
CASE(a_late_login_answer, "on a connection that was given up: nobody hears it") { found_out_in_time(answer_late); }

static void answer_another_request(FakeServer *server, Wire *wire) {
    (void)server;
    fake_login_reply(wire, fake_expect(wire, CLIENT_LOGIN) + 7, 120000);
    wire_await_close(wire);
}
CASE(a_login_answer_for_the_wrong_request, "is no answer: given up after request_timeout_ms, tried again") { found_out_in_time(answer_another_request); }

static void answer_without_contents(FakeServer *server, Wire *wire) {
    (void)server;
    fake_reply(wire, fake_expect(wire, CLIENT_LOGIN), 0);
    wire_await_close(wire);
}
CASE(an_empty_login_answer, "success without what a login brings: given up, tried again") { second_try_succeeds(answer_without_contents); }

static void tell_before_the_answer(FakeServer *server, Wire *wire) {
    (void)server;
    fake_expect(wire, CLIENT_LOGIN);
    fake_push(wire, "bob", TIM_STATUS_ONLINE, "too early", 1);
    wire_await_close(wire);
}
CASE(told_before_the_login_answer, "R8.2: first the result. The connection is given up, nothing is told, tried again") {
    second_try_succeeds(tell_before_the_answer);
}

static void ask_to_go(FakeServer *server, Wire *wire) {
    (void)server;
    Bytes go = {.length = 0};
    fake_expect(wire, CLIENT_LOGIN);
    put_number(&go, 1, 1);
    fake_send(wire, SERVER_GO_AWAY, &go);
    wire_await_close(wire);
}
CASE(asked_to_go_mid_login, "the client goes, and comes back") { second_try_succeeds(ask_to_go); }

CASE(a_login_answered_twice, "the second answer is to nothing") {
    FakeServer *server = fake_listen();
    Client *alice = client_at(server->address, QUICK_RETURN);
    Call *call = start_login(alice, "alice", "sig");
    Wire *wire = fake_accept(server);
    uint64_t id = fake_expect(wire, CLIENT_LOGIN);
    fake_login_reply(wire, id, 120000);
    fake_login_reply(wire, id, 120000);
    CHECK_EQ(finish(call)->code, 0);
    check_told(wire, alice, "bob", 1);
    CHECK_EQ(events_of(alice, EVENT_CONNECTION, TIM_CONNECTION_DISCONNECTED), 0);
}

CASE(a_session_that_ends_before_it_began, "is the login's result") {
    FakeServer *server = fake_listen();
    Client *alice = client_at(server->address, QUICK_RETURN);
    Call *call = start_login(alice, "alice", "sig");
    Wire *wire = fake_accept(server);
    Bytes ended = {.length = 0};
    fake_expect(wire, CLIENT_LOGIN);
    put_number(&ended, 1, TIM_ERR_USER_SIG_REVOKED);
    fake_send(wire, SERVER_SESSION_ENDED, &ended);
    CHECK_EQ(finish(call)->code, TIM_ERR_USER_SIG_REVOKED);
    check_no_session(alice);
}

CASE(absurd_numbers_in_the_login_answer, "are brought within reason: no flood of heartbeats, calls still fit") {
    FakeServer *server = fake_listen();
    Client *alice = client_at(server->address, QUICK_RETURN);
    Call *call = start_login(alice, "alice", "sig");
    Wire *wire = fake_accept(server);
    Bytes reply = {.length = 0}, contents = {.length = 0}, list = {.length = 0};
    put_number(&contents, 1, 1);
    put_number(&contents, 2, (uint64_t)INT64_MIN); /* server_time_ms; intervals and the largest frame are 0 */
    put_message(&contents, 6, &list);
    put_number(&reply, 1, fake_expect(wire, CLIENT_LOGIN));
    put_message(&reply, 7, &contents);
    int64_t started_ms = now_ms();
    fake_send(wire, SERVER_REPLY, &reply);
    CHECK_EQ(finish(call)->code, 0);
    Frame frame;
    for (int beats = 0; beats < 30; beats++) {
        CHECK(wire_read(wire, &frame));
        CHECK_EQ(frame.length, 0);
        wire_send(wire, "\0", 1);
    }
    /* Ten milliseconds apart at the least. */
    CHECK(now_ms() - started_ms >= 250);
    Call *set = start_set(alice, "busy");
    fake_reply(wire, fake_expect(wire, CLIENT_SET), 0);
    CHECK_EQ(finish(set)->code, 0);
    /* The way back works, too. */
    wire_close(wire);
    check_told(accept_and_welcome(server), alice, "bob", 1);
    CHECK_EQ(events_of(alice, EVENT_KICKED, ANY), 0);
}
