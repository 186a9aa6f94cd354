/* A scripted server that misbehaves towards the real client: what is wrong is dropped or the connection is given up and made anew, and
 * nothing ever reaches the application that should not. */
#include <stdlib.h>

#include "wire.h"

/* The client gives up `wire` and comes back; the next connection. */
static Wire *comes_back(FakeServer *server, Wire *wire) {
    wire_await_close(wire);
    Wire *next = fake_accept(server);
    fake_login_reply(next, fake_expect(next, CLIENT_LOGIN), 120000);
    return next;
}

/* After the nonsense, an ordinary change is still told. */
static void check_alive(Wire *wire, Client *client, const char *user, uint64_t version) {
    fake_push(wire, user, TIM_STATUS_ONLINE, "still here", version);
    await_status(client, user, TIM_STATUS_ONLINE, ANY, "still here");
}

CASE(a_version_going_back, "R6.5: is not told, nor is one twice") {
    FakeServer *server = fake_listen();
    Client *alice = client_at(server->address, "");
    Wire *wire = fake_online(server, alice, "alice", 100);
    fake_push(wire, "bob", TIM_STATUS_ONLINE, "new", 10);
    await_status(alice, "bob", ANY, ANY, "new");
    fake_push(wire, "bob", TIM_STATUS_OFFLINE, "", 9);
    fake_push(wire, "bob", TIM_STATUS_OFFLINE, "", 10);
    fake_push(wire, "alice", TIM_STATUS_OFFLINE, "", 99);
    fake_push(wire, "bob", TIM_STATUS_ONLINE, "newer", 11);
    Event next = await_status(alice, "bob", ANY, ANY, NULL);
    CHECK_STR(next.user.custom, "newer");
    CHECK_EQ(next.user.version, 11);
}

CASE(a_reply_to_nothing, "is dropped; the connection lives") {
    FakeServer *server = fake_listen();
    Client *alice = client_at(server->address, "");
    Wire *wire = fake_online(server, alice, "alice", 1);
    fake_reply(wire, 987654321, 0);
    check_alive(wire, alice, "bob", 1);
    Call *set = start_set(alice, "busy");
    uint64_t request_id = fake_expect(wire, CLIENT_SET);
    fake_reply(wire, request_id, 0);
    CHECK_EQ(finish(set)->code, 0);
    /* The same answer again. */
    fake_reply(wire, request_id, 0);
    check_alive(wire, alice, "bob", 2);
}

CASE(a_frame_of_tomorrow, "an unknown body is skipped, an unknown status reads as UNKNOWN (R2.5)") {
    FakeServer *server = fake_listen();
    Client *alice = client_at(server->address, "");
    Wire *wire = fake_online(server, alice, "alice", 1);
    Bytes body = {.length = 0}, frame = {.length = 0}, out = {.length = 0};
    put_text(&body, 1, "whatever");
    put_message(&frame, 900, &body);
    put_frame(&out, &frame);
    wire_send(wire, out.data, out.length);
    check_alive(wire, alice, "bob", 1);
    fake_push(wire, "carol", 77, "", 1);
    await_status(alice, "carol", TIM_STATUS_UNKNOWN, ANY, NULL);
}

CASE(garbage, "the connection is given up and made anew") {
    FakeServer *server = fake_listen();
    Client *alice = client_at(server->address, "");
    Wire *wire = fake_online(server, alice, "alice", 1);
    wire_send(wire, "\x05\xff\xff\xff\xff\xff", 6);
    wire = comes_back(server, wire);
    check_alive(wire, alice, "bob", 1);
}

CASE(a_frame_without_end, "a length over every limit: the same") {
    FakeServer *server = fake_listen();
    Client *alice = client_at(server->address, "");
    Wire *wire = fake_online(server, alice, "alice", 1);
    wire_send(wire, "\xff\xff\xff\xff\xff\xff", 6);
    wire = comes_back(server, wire);
    check_alive(wire, alice, "bob", 1);
}

CASE(half_an_answer, "and the end of the connection: the set is 9508, the client comes back") {
    FakeServer *server = fake_listen();
    Client *alice = client_at(server->address, "");
    Wire *wire = fake_online(server, alice, "alice", 1);
    Call *set = start_set(alice, "busy");
    fake_expect(wire, CLIENT_SET);
    wire_send(wire, "\x20\x0a\x04\x08", 4);
    wire_close(wire);
    CHECK_EQ(finish(set)->code, TIM_ERR_DISCONNECTED);
    Wire *next = fake_accept(server);
    fake_login_reply(next, fake_expect(next, CLIENT_LOGIN), 120000);
    check_alive(next, alice, "bob", 1);
}

CASE(a_server_that_answers_no_login, "the login gives up within its time") {
    FakeServer *server = fake_listen();
    Client *alice = client_at(server->address, "\"login_timeout_ms\":500,\"request_timeout_ms\":300");
    Call *call = start_login(alice, "alice", "sig");
    Wire *wire = fake_accept(server);
    fake_expect(wire, CLIENT_LOGIN);
    int32_t code = finish(call)->code;
    if (code != TIM_ERR_NO_CONNECTION && code != TIM_ERR_TIMEOUT) FAIL("the login answered %d", (int)code);
}

CASE(a_server_that_closes_at_once, "the login tries again until its time is over") {
    FakeServer *server = fake_listen();
    Client *alice = client_at(server->address, "\"backoff_max_ms\":100");
    Call *call = start_login(alice, "alice", "sig");
    wire_close(fake_accept(server));
    Wire *wire = fake_accept(server);
    fake_login_reply(wire, fake_expect(wire, CLIENT_LOGIN), 120000);
    CHECK_EQ(finish(call)->code, 0);
}

CASE(a_login_refused_on_the_way_back, "R8.4: 70001 is the expired callback, and no retry") {
    FakeServer *server = fake_listen();
    Client *alice = client_at(server->address, "");
    wire_close(fake_online(server, alice, "alice", 1));
    Wire *wire = fake_accept(server);
    fake_reply(wire, fake_expect(wire, CLIENT_LOGIN), TIM_ERR_USER_SIG_EXPIRED);
    await_event(alice, EVENT_EXPIRED, ANY);
    wire_await_close(wire);
}

CASE(a_revoked_user_sig_on_the_way_back, "R8.4: 70052 is the kicked callback, and no retry") {
    FakeServer *server = fake_listen();
    Client *alice = client_at(server->address, "");
    wire_close(fake_online(server, alice, "alice", 1));
    Wire *wire = fake_accept(server);
    fake_reply(wire, fake_expect(wire, CLIENT_LOGIN), TIM_ERR_USER_SIG_REVOKED);
    await_event(alice, EVENT_KICKED, ANY);
    wire_await_close(wire);
    CHECK_EQ(set_status(alice, "busy")->code, TIM_ERR_NOT_LOGGED_IN);
}

CASE(heartbeats_come_in_the_servers_interval, "R2.6: told at login; any other frame counts as one") {
    FakeServer *server = fake_listen();
    Client *alice = client_at(server->address, "");
    Call *call = start_login(alice, "alice", "sig");
    Wire *wire = fake_accept(server);
    fake_login_reply(wire, fake_expect(wire, CLIENT_LOGIN), 100);
    CHECK_EQ(finish(call)->code, 0);
    Frame frame;
    for (int i = 0; i < 5; i++) {
        CHECK(wire_read(wire, &frame));
        CHECK_EQ(frame.length, 0);
        wire_send(wire, "\0", 1);
    }
}

CASE(heartbeats_without_an_echo, "R8.6: the server counts as gone after request_timeout, and the client comes back") {
    FakeServer *server = fake_listen();
    Client *alice = client_at(server->address, "\"request_timeout_ms\":2000");
    Call *call = start_login(alice, "alice", "sig");
    Wire *wire = fake_accept(server);
    fake_login_reply(wire, fake_expect(wire, CLIENT_LOGIN), 100);
    CHECK_EQ(finish(call)->code, 0);
    Wire *next = comes_back(server, wire);
    check_alive(next, alice, "bob", 1);
}

/* ---- what a data directory keeps ---- */

static char data_dir[] = "/tmp/tim-test-data-XXXXXX";
static char data_dir_option[64];

static void make_data_dir(void) {
    CHECK(mkdtemp(data_dir) != NULL);
    snprintf(data_dir_option, sizeof data_dir_option, "\"data_dir\":\"%s\"", data_dir);
}

static void remove_data_dir(void) {
    char command[64];
    snprintf(command, sizeof command, "rm -rf %s", data_dir);
    CHECK_EQ(system(command), 0);
}

/* Accepts a client, answers its login, and hands out what it said. */
static Wire *accept_login(FakeServer *server, Request *request) {
    Wire *wire = fake_accept(server);
    CHECK(fake_read(wire, request));
    CHECK_EQ(request->body, CLIENT_LOGIN);
    fake_login_reply(wire, request->id, 120000);
    return wire;
}

CASE(a_device_survives_its_process, "R1.3: the same instance with a data directory, another while that is in use, and another without") {
    make_data_dir();
    FakeServer *server = fake_listen();
    Request first, second, in_use, without;
    Client *alice = client_at(server->address, data_dir_option);
    Call *call = start_login(alice, "alice", "sig");
    accept_login(server, &first);
    CHECK_EQ(finish(call)->code, 0);
    Client *other = client_at(server->address, data_dir_option);
    call = start_login(other, "alice", "sig");
    accept_login(server, &in_use);
    CHECK_EQ(finish(call)->code, 0);
    CHECK(strcmp(first.instance, in_use.instance) != 0);
    destroy(other);
    destroy(alice);
    Client *again = client_at(server->address, data_dir_option);
    call = start_login(again, "alice", "sig");
    accept_login(server, &second);
    CHECK_EQ(finish(call)->code, 0);
    CHECK_STR(second.instance, first.instance);
    Client *homeless = client_at(server->address, "");
    call = start_login(homeless, "alice", "sig");
    accept_login(server, &without);
    CHECK_EQ(finish(call)->code, 0);
    CHECK(strcmp(first.instance, without.instance) != 0);
    destroy(again);
    remove_data_dir();
}

CASE(a_logout_without_a_connection_is_said_later, "R8.8: at the next chance, by whoever has the data directory") {
    make_data_dir();
    FakeServer *server = fake_listen();
    Client *alice = client_at(server->address, data_dir_option);
    wire_close(fake_online(server, alice, "alice", 1));
    await_event(alice, EVENT_CONNECTION, TIM_CONNECTION_DISCONNECTED);
    CHECK_EQ(logout_of(alice)->code, 0);
    destroy(alice);
    /* A later process of the same device; nobody logs in. Connections that the first gave up may be in the server's queue. */
    Client *later = client_at(server->address, data_dir_option);
    for (;;) {
        Request request;
        Wire *wire = fake_accept_any(server);
        if (wire == NULL || !fake_read(wire, &request)) continue;
        CHECK_EQ(request.body, CLIENT_LOGIN);
        CHECK_EQ(request.session, 1);
        fake_login_reply(wire, request.id, 120000);
        if (!fake_read(wire, &request)) continue;
        CHECK_EQ(request.body, CLIENT_LOGOUT);
        fake_reply(wire, request.id, 0);
        break;
    }
    destroy(later);
    remove_data_dir();
}

CASE(a_data_directory_that_cannot_be, "DATA_DIR, at once") {
    TimClient client = 77;
    char options[160];
    snprintf(options, sizeof options, "{\"server\":\"tim://127.0.0.1:1\",\"sdk_app_id\":1,\"data_dir\":\"/proc/no/such/place\"}");
    REFUSED(timClientCreate(options, &client), TIM_ERR_DATA_DIR);
    CHECK_EQ(client, 77);
}
