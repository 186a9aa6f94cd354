/* tims://, from C: an authority of one's own, a pinned key as curl takes it, and whom a client does not trust. The certificates
 * are made with openssl, as people make theirs. */
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
