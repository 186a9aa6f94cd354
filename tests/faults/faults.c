/* A scripted server's further misdeeds, and the levers of the moved clock. */
#include "faults.h"

#include <dlfcn.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

uint64_t expect_login_as(Wire *wire, const char *user) {
    Frame frame;
    CHECK(wire_read(wire, &frame));
    Field login = field_of(frame.bytes, frame.length, CLIENT_LOGIN);
    CHECK(login.present);
    Field user_id = field_of(login.bytes, login.length, 2);
    if (user_id.length != strlen(user) || memcmp(user_id.bytes, user, user_id.length) != 0)
        FAIL("%.*s logs in, not %s", (int)user_id.length, (const char *)user_id.bytes, user);
    return field_of(frame.bytes, frame.length, 1).number;
}

Wire *accept_and_welcome(FakeServer *server) {
    Wire *wire = fake_accept(server);
    fake_login_reply(wire, fake_expect(wire, CLIENT_LOGIN), 120000);
    return wire;
}

void wire_reset(Wire *wire) {
    struct linger at_once = {1, 0};
    CHECK_EQ(setsockopt(wire->fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once), 0);
    close(wire->fd);
}

void fake_send(Wire *wire, uint32_t field, const Bytes *body) {
    Bytes frame = {.length = 0}, out = {.length = 0};
    put_message(&frame, field, body);
    put_frame(&out, &frame);
    wire_send(wire, out.data, out.length);
}

void put_status(Bytes *to, uint32_t field, const char *user, int32_t status, const char *custom, uint64_t version) {
    Bytes entry = {.length = 0};
    put_text(&entry, 1, user);
    put_number(&entry, 3, (uint64_t)status);
    put_text(&entry, 4, custom);
    put_number(&entry, 5, version);
    put_message(to, field, &entry);
}

void fake_reply_with(Wire *wire, uint64_t request_id, const char *user, int32_t status, const char *custom, uint64_t version) {
    Bytes reply = {.length = 0};
    put_number(&reply, 1, request_id);
    put_status(&reply, 5, user, status, custom, version);
    fake_send(wire, SERVER_REPLY, &reply);
}

void check_told(Wire *wire, Client *client, const char *user, uint64_t version) {
    fake_push(wire, user, TIM_STATUS_ONLINE, "still here", version);
    await_status(client, user, TIM_STATUS_ONLINE, ANY, "still here");
}

/* ---- clocks ---- */

void clock_move(int64_t seconds) {
    int64_t *shift = dlsym(RTLD_DEFAULT, "clock_shim_seconds");
    if (shift == NULL) FAIL("this test needs clock_shim.so preloaded: run it through ctest");
    __atomic_store_n(shift, seconds, __ATOMIC_RELEASE);
}

static int64_t *servers_shift;

void clock_for_servers(void) {
    char path[] = "/tmp/tim-test-clock-XXXXXX";
    int fd = mkstemp(path);
    CHECK(fd >= 0);
    CHECK_EQ(ftruncate(fd, sizeof(int64_t)), 0);
    servers_shift = mmap(NULL, sizeof(int64_t), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    CHECK(servers_shift != MAP_FAILED);
    /* Servers open what we have open, so the file needs no name that somebody would have to remove. */
    char by_number[64];
    snprintf(by_number, sizeof by_number, "/proc/%d/fd/%d", (int)getpid(), fd);
    CHECK_EQ(setenv("CLOCK_SHIM_FILE", by_number, 1), 0);
    CHECK_EQ(unlink(path), 0);
}

void clock_move_servers(int64_t seconds) { __atomic_store_n(servers_shift, seconds, __ATOMIC_RELEASE); }
