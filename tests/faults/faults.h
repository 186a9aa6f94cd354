/* What the fault tests add to the support library: more ways for a scripted server to go wrong, a proxy that cuts, holds
 * and resets, and a wall clock that jumps. */
#ifndef FAULTS_H
#define FAULTS_H

#include "wire.h"

/* ---- a scripted server ---- */

/* A client that comes back at once; and one that gives up a silent server soon enough for a test that waits for it, and late
 * enough for a test that must answer in time on a busy machine. */
#define QUICK_RETURN "\"backoff_base_ms\":1,\"backoff_max_ms\":20"
#define SHORT_REQUESTS_MS 2500
#define SHORT_REQUESTS "\"request_timeout_ms\":2500," QUICK_RETURN

/* A field of the body of the next login that arrives, as a text; its request id. */
uint64_t expect_login_as(Wire *wire, const char *user);
/* Accepts the next connection, reads its login and answers it well. */
Wire *accept_and_welcome(FakeServer *server);
/* Closes with an RST, so that the peer gets an error instead of an end. */
void wire_reset(Wire *wire);
/* Sends `body` as the body `field` of a ServerFrame. */
void fake_send(Wire *wire, uint32_t field, const Bytes *body);
/* Appends a UserStatus as field `field` of `to`. */
void put_status(Bytes *to, uint32_t field, const char *user, int32_t status, const char *custom, uint64_t version);
/* A good reply with one user in it. */
void fake_reply_with(Wire *wire, uint64_t request_id, const char *user, int32_t status, const char *custom, uint64_t version);
/* A change is still told: the connection, the session and the delivery live. */
void check_told(Wire *wire, Client *client, const char *user, uint64_t version);

/* ---- a proxy between real clients and a real server ---- */

typedef struct Proxy Proxy;
enum { PROXY_UP, PROXY_DOWN }; /* from the client, to the client */

Proxy *proxy_start(const Server *server);
const char *proxy_address(const Proxy *proxy);
/* No more bytes of the connections there are now, in either direction, until proxy_release; new connections pass. */
void proxy_hold(Proxy *proxy);
void proxy_release(Proxy *proxy);
/* Ends all connections there are, with FIN or with RST, on both sides. */
void proxy_cut(Proxy *proxy);
void proxy_reset(Proxy *proxy);
/* New connections are accepted and closed at once, until told otherwise. */
void proxy_refuse(Proxy *proxy, int refuse);
/* The next connection passes `bytes` in one direction and is then cut. Others are not. */
void proxy_cut_next_after(Proxy *proxy, int direction, size_t bytes);
/* Bytes that the connection before the last passed in a direction. */
size_t proxy_passed(Proxy *proxy, int direction);
/* Connections so far. */
size_t proxy_connections(Proxy *proxy);

/* ---- the wall clock (clock_shim.c, preloaded) ---- */

/* Moves this process's CLOCK_REALTIME by so many seconds from the true time. */
void clock_move(int64_t seconds);
/* Servers started from now on have a clock that clock_move_servers moves. */
void clock_for_servers(void);
void clock_move_servers(int64_t seconds);

#endif
