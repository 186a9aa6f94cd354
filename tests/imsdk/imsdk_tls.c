/* libImSDK at a server that speaks TLS: by the knob that the original's programs have, and what they are told of one that is
 * not trusted. */
#include "certificates.h"
#include "imsdk.h"

#include <stdlib.h>

/* An authority for the client, as whoever runs the program names it. */
static void trust(const char *folder, const char *authority) {
    char options[256];
    snprintf(options, sizeof options, "{\"ca_file\":\"%s/%s\"}", folder, authority);
    CHECK_EQ(setenv("TIM_PRESENCE_OPTIONS", options, 1), 0);
}

CASE(a_server_with_tls, "named by the original's knob, tims:// before its address") {
    const char *folder = certificates();
    char address[64], knob[512];
    TimServer server = tls_server(folder, address, sizeof address);
    CHECK(strncmp(address, "tims://127.0.0.1:", 17) == 0);
    trust(folder, "ca.pem");
    listen_to_all();
    snprintf(knob, sizeof knob,
             "{\"request_internal_operation\":\"internal_operation_set_custom_server_info\",\"request_set_custom_server_info_param\":{"
             "\"longconnection_address_array\":[{\"server_address_ip\":\"tims://127.0.0.1\",\"server_address_port\":%s}]}}",
             address + 17);
    CHECK_EQ(callExperimentalAPI(knob, NULL, NULL), 0);
    CHECK_EQ(TIMInit(APP_ID, "{}"), 0);
    await_told("network 2 0");
    await_told("network 0 0");
    ASKED(TIMLogin("alice", user_sig("alice", 3600), TO(it)), 0, "");
    ASKED(TIMSetSelfStatus("{\"user_status_custom_status\":\"encrypted\"}", TO(it)), 0, "");
    Told *answer = ASK(TIMGetUserStatus("[\"alice\"]", TO(it)));
    CHECK(strstr(answer->json, "\"encrypted\"") != NULL);
    ASKED(TIMLogout(TO(it)), 0, "");
    CHECK_EQ(TIMUninit(), 0);
    ACCEPTED(timServerStop(server, DEADLINE_MS));
    remove_folder(folder);
}

CASE(a_server_that_is_not_trusted, "is no connection (9523), with a text that says why; nobody is told \"connected\"") {
    const char *folder = certificates();
    char address[64];
    TimServer server = tls_server(folder, address, sizeof address);
    trust(folder, "other.pem");
    listen_to_all();
    init_at(address);
    CHECK(strstr(await_told("network 3 9523").desc, "not trusted here") != NULL);
    Told *answer = ASK(TIMLogin("alice", user_sig("alice", 3600), TO(it)));
    CHECK_EQ(answer->code, 9523);
    CHECK(strstr(answer->desc, "not trusted here") != NULL);
    CHECK_EQ(TIMGetLoginStatus(), kTIMLoginStatus_UnLogined);
    ASKED(TIMLogout(TO(it)), 0, "");
    CHECK_EQ(told_so_far("network 0"), 0);
    CHECK_EQ(TIMUninit(), 0);
    ACCEPTED(timServerStop(server, DEADLINE_MS));
    remove_folder(folder);
}
