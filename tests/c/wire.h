/* The wire protocol by hand, as little of it as the tests need (crates/protocol/proto/presence.proto), for clients that misbehave
 * towards the real server and servers that misbehave towards the real client. */
#ifndef WIRE_H
#define WIRE_H

#include <stddef.h>
#include <stdint.h>

#include "support.h"

/* Numbers of the fields of ClientFrame's and ServerFrame's bodies. */
enum { CLIENT_LOGIN = 2, CLIENT_LOGOUT = 3, CLIENT_SET = 5, CLIENT_QUERY = 6, CLIENT_SUBSCRIBE = 7, CLIENT_LIST = 9, CLIENT_RESTORE = 11 };
enum { SERVER_REPLY = 1, SERVER_PUSH = 2, SERVER_SESSION_ENDED = 4, SERVER_GO_AWAY = 5 };

/* ---- encoding ---- */

typedef struct Bytes {
    uint8_t data[8192];
    size_t length;
} Bytes;

void put_varint(Bytes *to, uint64_t value);
void put_number(Bytes *to, uint32_t field, uint64_t value);
void put_text(Bytes *to, uint32_t field, const char *text);
void put_message(Bytes *to, uint32_t field, const Bytes *message);
/* Appends `message` as a frame: its length, then it. */
void put_frame(Bytes *to, const Bytes *message);

/* ---- decoding ---- */

/* A field's value in a message; 0 and empty if it is not there. */
typedef struct Field {
    int present;
    uint64_t number;
    const uint8_t *bytes;
    size_t length;
} Field;
Field field_of(const uint8_t *message, size_t length, uint32_t field);

/* ---- a socket that frames come from ---- */

typedef struct Wire {
    int fd;
    uint8_t buffer[256 * 1024];
    size_t filled, taken;
} Wire;

/* One frame received; its bytes are valid until the next read. */
typedef struct Frame {
    const uint8_t *bytes;
    size_t length; /* 0: a heartbeat */
} Frame;

void wire_send(Wire *wire, const void *bytes, size_t length);
/* Reads the next frame; 0 if the peer closed the connection. */
int wire_read(Wire *wire, Frame *frame);
/* Awaits that the peer closes, whatever it sends before. */
void wire_await_close(Wire *wire);
void wire_close(Wire *wire);

/* ---- a raw client of the real server ---- */

/* Connects without sending anything. */
Wire *wire_connect(const Server *server);
/* Sends preface and login of a device; `session` 0: a new login. */
void wire_send_login(Wire *wire, const char *user, const char *platform, const char *instance, uint64_t session);
/* The two above, and the reply, which must be 0. Returns the session number. */
Wire *wire_online(const Server *server, const char *user, const char *platform, const char *instance, uint64_t *session);
/* Sends a request whose body is `body`, and returns the code of its reply. */
int32_t wire_request(Wire *wire, uint64_t request_id, uint32_t body_field, const Bytes *body);

/* ---- a scripted server for the real client ---- */

typedef struct FakeServer {
    int fd;
    char address[64];
} FakeServer;

/* A request as a fake server sees it. */
typedef struct Request {
    uint64_t id;
    uint32_t body; /* CLIENT_… */
    /* Of a login: */
    char instance[65];
    uint64_t session;
} Request;

FakeServer *fake_listen(void);
/* Refuses connections from now on. */
void fake_stop_listening(FakeServer *server);
/* Awaits a client and reads its preface. */
Wire *fake_accept(FakeServer *server);
/* The same; NULL for a connection that its client gave up before it was accepted. */
Wire *fake_accept_any(FakeServer *server);
/* Reads the next request, skipping heartbeats; 0 when the client closed. */
int fake_read(Wire *wire, Request *request);
/* Awaits a request with this body; its id. */
uint64_t fake_expect(Wire *wire, uint32_t body);
void fake_reply(Wire *wire, uint64_t request_id, int32_t code);
/* A good login reply, with these intervals. */
void fake_login_reply(Wire *wire, uint64_t request_id, uint32_t heartbeat_interval_ms);
void fake_push(Wire *wire, const char *user, int32_t status, const char *custom, uint64_t version);
/* The client logs in: accepts it and answers well, and tells it its own ONLINE at `version`. */
Wire *fake_online(FakeServer *server, Client *client, const char *user, uint64_t version);

#endif
