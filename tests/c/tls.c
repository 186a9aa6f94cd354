/* tims://, from C: an authority of one's own, a pinned key as curl takes it, and whom a client does not trust. The certificates
 * are made with openssl, as people make theirs. */
#include <poll.h>
#include <semaphore.h>
#include <signal.h>

#include "certificates.h"
#include "support.h"

static int32_t login_code(const char *address, const char *options) {
    Client *client = client_at(address, options);
    Result *result = login(client, "alice", user_sig("alice", 600));
    destroy(client);
    return result->code;
}

CASE(an_authority_of_ones_own, "ca_file is whom the client trusts, and over TLS everything is as without it") {
    const char *folder = certificates();
    char address[64], options[256];
    TimServer server = tls_server(folder, address, sizeof address);
    CHECK(strncmp(address, "tims://", 7) == 0);
    snprintf(options, sizeof options, "\"ca_file\":\"%s/ca.pem\"", folder);
    Client *alice = client_at(address, options), *bob = client_at(address, options);
    CHECK_EQ(login(alice, "alice", user_sig("alice", 600))->code, TIM_OK);
    CHECK_EQ(login(bob, "bob", user_sig("bob", 600))->code, TIM_OK);
    CHECK_EQ(subscribe(alice, IDS("bob"))->code, TIM_OK);
    CHECK_EQ(set_status(bob, "encrypted")->code, TIM_OK);
    await_status(alice, "bob", TIM_STATUS_ONLINE, ANY, "encrypted");
    CHECK_EQ(logout_of(bob)->code, TIM_OK);
    await_status(alice, "bob", TIM_STATUS_UNLOGINED, ANY, NULL);
    destroy(alice);
    destroy(bob);
    ACCEPTED(timServerStop(server, DEADLINE_MS));
    remove_folder(folder);
}

CASE(a_pinned_key, "pinned_public_key takes what curl takes") {
    const char *folder = certificates();
    char address[64], options[256], path[128], pin[64] = "";
    TimServer server = tls_server(folder, address, sizeof address);
    snprintf(path, sizeof path, "%s/pin.txt", folder);
    FILE *file = fopen(path, "r");
    CHECK(file != NULL && fscanf(file, "%63s", pin) == 1);
    fclose(file);
    snprintf(options, sizeof options, "\"pinned_public_key\":\"sha256//%s\"", pin);
    CHECK_EQ(login_code(address, options), TIM_OK);
    CHECK_EQ(login_code(address, "\"pinned_public_key\":\"sha256//AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\""),
             TIM_ERR_SERVER_NOT_TRUSTED);
    ACCEPTED(timServerStop(server, DEADLINE_MS));
    remove_folder(folder);
}

CASE(another_authority, "a server of another authority ends the login at once, with a text that says so") {
    const char *folder = certificates();
    char address[64], options[256];
    TimServer server = tls_server(folder, address, sizeof address);
    snprintf(options, sizeof options, "\"ca_file\":\"%s/other.pem\"", folder);
    Client *client = client_at(address, options);
    Result *result = login(client, "alice", user_sig("alice", 600));
    CHECK_EQ(result->code, TIM_ERR_SERVER_NOT_TRUSTED);
    CHECK(strstr(result->message, "not trusted here") != NULL);
    destroy(client);
    ACCEPTED(timServerStop(server, DEADLINE_MS));
    remove_folder(folder);
}

CASE(in_websocket, "tims+ws:// and tim+ws:// are the same inside WebSocket") {
    const char *folder = certificates();
    char address[64], in_websocket[80], options[256];
    TimServer encrypted = tls_server(folder, address, sizeof address);
    snprintf(in_websocket, sizeof in_websocket, "tims+ws%s/presence", address + strlen("tims"));
    snprintf(options, sizeof options, "\"ca_file\":\"%s/ca.pem\"", folder);
    Client *alice = client_at(in_websocket, options), *bob = client_at(address, options);
    CHECK_EQ(login(alice, "alice", user_sig("alice", 600))->code, TIM_OK);
    CHECK_EQ(login(bob, "bob", user_sig("bob", 600))->code, TIM_OK);
    CHECK_EQ(subscribe(alice, IDS("bob"))->code, TIM_OK);
    CHECK_EQ(set_status(bob, "seen through WebSocket")->code, TIM_OK);
    await_status(alice, "bob", TIM_STATUS_ONLINE, ANY, "seen through WebSocket");
    destroy(alice);
    destroy(bob);
    ACCEPTED(timServerStop(encrypted, DEADLINE_MS));
    remove_folder(folder);

    Server *plain = server_start("", "");
    snprintf(in_websocket, sizeof in_websocket, "tim+ws%s", plain->address + strlen("tim"));
    CHECK_EQ(login_code(in_websocket, ""), TIM_OK);
    server_stop(plain);
}

/* Holds the library's thread once, which no application should do. */
static sem_t held, may_go_on;
static void hold(void *user_data) {
    static int was_called; /* by one thread */
    (void)user_data;
    if (was_called++ > 0) return;
    sem_post(&held);
    while (sem_wait(&may_go_on) != 0) continue;
}

static void note_code(const TimResult *result, void *user_data) { *(int32_t *)user_data = result->code; }

static void poll_until_set(TimClient client, const int32_t *code) {
    int64_t give_up = now_ms() + DEADLINE_MS;
    while (*code == ANY) {
        if (now_ms() > give_up) FAIL("no result came");
        ACCEPTED(timPoll(client, 1, 100, NULL));
    }
}

CASE(a_server_that_goes_while_it_is_written_to, "no SIGPIPE: a program need not know that the library writes to sockets") {
    enum { CALLS = 250, USERS = 100 };
    CHECK(signal(SIGPIPE, SIG_DFL) != SIG_ERR);
    const char *folder = certificates();
    char address[64], options[512], ids[USERS][33];
    const char *pointers[USERS];
    TimServer server = tls_server(folder, address, sizeof address);
    snprintf(options, sizeof options,
             "{\"server\":\"%s\",\"sdk_app_id\":%d,\"ca_file\":\"%s/ca.pem\",\"delivery\":\"poll\",\"disconnected_wait_ms\":0}",
             address, APP_ID, folder);
    TimClient client = 0;
    int32_t logged_in = ANY, again = ANY, codes[CALLS];
    int fd = -1;
    ACCEPTED(timClientCreate(options, &client));
    ACCEPTED(timGetWakeFd(client, &fd));
    ACCEPTED(timLogin(client, "alice", user_sig("alice", 600), note_code, &logged_in));
    poll_until_set(client, &logged_in);
    CHECK_EQ(logged_in, TIM_OK);

    /* Something waits to be told, so a wake callback is called as soon as it is set: between that and the calls that follow
     * the client does not look at its connection. */
    ACCEPTED(timLogin(client, "alice", "", note_code, &again));
    struct pollfd readable = {.fd = fd, .events = POLLIN};
    CHECK_EQ(poll(&readable, 1, DEADLINE_MS), 1);
    sem_init(&held, 0, 0);
    sem_init(&may_go_on, 0, 0);
    ACCEPTED(timSetWakeCallback(client, hold, NULL, NULL));
    while (sem_wait(&held) != 0) continue;
    ACCEPTED(timServerStop(server, DEADLINE_MS));
    /* More than goes into one write: the first is answered with RST, and the next is what raises SIGPIPE. */
    for (size_t i = 0; i < USERS; i++) {
        snprintf(ids[i], sizeof ids[i], "a user id that is as long as %03d", (int)i);
        pointers[i] = ids[i];
    }
    for (int i = 0; i < CALLS; i++) {
        codes[i] = ANY;
        ACCEPTED(timUnsubscribeUserStatus(client, pointers, USERS, note_code, &codes[i]));
    }
    sem_post(&may_go_on);
    for (int i = 0; i < CALLS; i++) {
        poll_until_set(client, &codes[i]);
        CHECK(codes[i] == TIM_ERR_DISCONNECTED || codes[i] == TIM_ERR_NO_CONNECTION);
    }
    CHECK_EQ(codes[0], TIM_ERR_DISCONNECTED); /* it was written */
    ACCEPTED(timClientDestroy(client, DEADLINE_MS));
    remove_folder(folder);
}

CASE(options_that_are_wrong, "what cannot be is refused by the name of its key") {
    static const char *const wrong[][2] = {
        {"\"server\":\"tim://a\",\"ca_file\":\"ca.pem\"", "ca_file"},
        {"\"server\":\"tims://a\",\"ca_file\":\"/nowhere/ca.pem\"", "ca_file"},
        {"\"server\":\"tims://a\",\"pinned_public_key\":\"sha1//AAAA\"", "pinned_public_key"},
        {"\"server\":\"tims://a\",\"http_proxy\":\"proxy\"", "http_proxy"},
    };
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        char options[256];
        TimClient client = 77;
        snprintf(options, sizeof options, "{%s,\"sdk_app_id\":1}", wrong[i][0]);
        REFUSED(timClientCreate(options, &client), TIM_ERR_INVALID_OPTIONS);
        CHECK(strstr(last_error(), wrong[i][1]) != NULL);
        CHECK_EQ(client, 77);
    }
}
