/* A user of libImSDK at the real server: what the rules are is tested elsewhere; here, how they look by the original's names. */
#include <pthread.h>
#include <stdlib.h>

#include "imsdk.h"
#include "support_internal.h"

/* An object of TIMUserStatus as far as its devices, which is where texts differ least. */
#define STATUS(user, type, custom) "{\"user_status_identifier\":\"" user "\",\"user_status_status_type\":" #type ",\"user_status_custom_status\":\"" custom "\",\"user_status_online_devices\":["
#define LINUX "\"Linux\"]}"

CASE(logged_in, "0, status 1 by then, the user's id, the server's time, one's own status once") {
    Server *server = server_start("", "");
    char user[128];
    listen_to_all();
    online_as(server, "alice");
    CHECK_EQ(TIMGetLoginStatus(), kTIMLoginStatus_Logined);
    CHECK_EQ(TIMGetLoginUserID(user), 0);
    CHECK_STR(user, "alice");
    CHECK(TIMGetServerTime() > 1600000000);
    await_told("status " STATUS("alice", 1, ""));
    /* Again as the same user, and as another. */
    ASKED(TIMLogin("alice", "whatever", TO(it)), 0, "");
    CHECK_EQ(ASK(TIMLogin("bob", "whatever", TO(it)))->code, 7014);
    ASKED(TIMLogout(TO(it)), 0, "");
    CHECK_EQ(TIMGetLoginStatus(), kTIMLoginStatus_UnLogined);
    CHECK_EQ(TIMGetLoginUserID(user), 0);
    CHECK_STR(user, "");
    CHECK_EQ(told_so_far("status"), 0);
    ASKED(TIMLogin("bob", user_sig("bob", 3600), TO(it)), 0, "");
}

CASE(refused_logins, "the server's codes; the network is there all the same") {
    Server *server = server_start("", "");
    listen_to_all();
    init_at(server->address);
    CHECK_EQ(ASK(TIMLogin("alice", "garbage", TO(it)))->code, 70003);
    CHECK_EQ(TIMGetLoginStatus(), kTIMLoginStatus_UnLogined);
    CHECK_EQ(ASK(TIMLogin("alice", user_sig("bob", 3600), TO(it)))->code, 70013);
    CHECK_EQ(ASK(TIMLogin("a-name-of-thirty-three-bytes-----", "sig", TO(it)))->code, 7003);
    CHECK_EQ(ASK(TIMLogin("\xe7\x94\xb2", "sig", TO(it)))->code, 7003);
    CHECK_EQ(ASK(TIMLogin("a\xff", "sig", TO(it)))->code, 7003);
    await_told("network 0 0");
    CHECK_EQ(told_so_far("network 3"), 0);
    CHECK_EQ(told_so_far("network 1"), 0);
}

CASE(the_second_of_two_logins_waits_for_the_first, "both succeed, as with the original") {
    Server *server = server_start("", "");
    init_at(server->address);
    Told *first = told_new(), *second = told_new();
    CHECK_EQ(TIMLogin("alice", user_sig("alice", 3600), TO(first)), 0);
    CHECK_EQ(TIMLogin("alice", "whatever", TO(second)), 0);
    CHECK_EQ(told(first)->code, 0);
    CHECK_EQ(told(second)->code, 0);
    CHECK(first->order < second->order);
}

CASE(the_smallest_queue_is_enough, "of the client's option queue_max: listeners need no more") {
    Server *server = server_start("", "");
    setenv("TIM_PRESENCE_OPTIONS", "{\"queue_max\":1}", 1);
    listen_to_all();
    init_at(server->address);
    await_told("network 0 0");
    ASKED(TIMLogin("alice", user_sig("alice", 3600), TO(it)), 0, "");
    await_told("status " STATUS("alice", 1, ""));
    ASKED(TIMGetUserStatus("[\"alice\"]", TO(it)), 0, "[" STATUS("alice", 1, "") LINUX "]");
}

static pthread_mutex_t gate = PTHREAD_MUTEX_INITIALIZER;

static void pass_the_gate(int32_t code, const char *desc, const char *json, const void *user_data) {
    pthread_mutex_lock(&gate);
    pthread_mutex_unlock(&gate);
    on_told(code, desc, json, user_data);
}

static void await_logged_out(void) {
    int64_t deadline = now_ms() + DEADLINE_MS;
    while (TIMGetLoginStatus() != kTIMLoginStatus_UnLogined) {
        if (now_ms() > deadline) FAIL("the login status stays %d", (int)TIMGetLoginStatus());
        nap();
    }
}

CASE(a_logout_is_told_after_the_login_that_failed_before_it, "also when nobody is logged in any more and the login's result still waits") {
    Server *server = server_start("", "");
    Told *first = told_new(), *in = told_new(), *out = told_new();
    online_as(server, "alice");
    /* More results than the callback thread takes from the client in one turn wait behind one callback. */
    pthread_mutex_lock(&gate);
    CHECK_EQ(TIMSetSelfStatus("{\"user_status_custom_status\":\"a\"}", pass_the_gate, first), 0);
    for (int i = 0; i < 400; i++) CHECK_EQ(TIMSetSelfStatus("{\"user_status_custom_status\":\"b\"}", NULL, NULL), 0);
    Client *other = online(server, "alice");
    await_logged_out();
    CHECK_EQ(TIMLogin("alice", "garbage", TO(in)), 0);
    await_logged_out();
    CHECK_EQ(TIMLogout(TO(out)), 0);
    pthread_mutex_unlock(&gate);
    CHECK_EQ(told(out)->code, 0);
    CHECK_EQ(told(in)->code, 70003);
    CHECK(first->order < in->order && in->order < out->order);
    destroy(other);
}

CASE(ones_own_status, "set, asked for, told after the result, cleared") {
    Server *server = server_start("", "");
    listen_to_all();
    online_as(server, "alice");
    await_told("status " STATUS("alice", 1, ""));
    Told *set = ASK(TIMSetSelfStatus("{\"user_status_custom_status\":\"in \\\"a\\\" call\"}", TO(it)));
    CHECK_EQ(set->code, 0);
    CHECK_STR(set->json, "");
    Told_event event = await_told("status " STATUS("alice", 1, "in \\\"a\\\" call"));
    CHECK(event.order > set->order);
    CHECK_EQ(event.thread, set->thread);
    ASKED(TIMGetUserStatus("[\"alice\"]", TO(it)), 0, "[" STATUS("alice", 1, "in \\\"a\\\" call") LINUX "]");
    ASKED(TIMSetSelfStatus("{\"user_status_custom_status\":\"\"}", TO(it)), 0, "");
    await_told("status " STATUS("alice", 1, ""));
}

CASE(bad_arguments_of_a_user, "6027 for what is not JSON, 6017 for what is not what the call takes; nothing changes") {
    Server *server = server_start("", "accounts = [\"bob\"]");
    char long_status[256] = "{\"user_status_custom_status\":\"", ids[16384] = "[";
    online_as(server, "alice");
    CHECK_EQ(ASK(TIMGetUserStatus("{bad", TO(it)))->code, 6027);
    CHECK_EQ(ASK(TIMSetSelfStatus("{bad", TO(it)))->code, 6027);
    CHECK_EQ(ASK(TIMSubscribeUserStatus("{bad", TO(it)))->code, 6027);
    CHECK_EQ(ASK(TIMUnsubscribeUserStatus("{bad", TO(it)))->code, 6027);
    const char *wrong[] = {"null", "5", "\"x\"", "{}", "[1,2]"};
    for (int i = 0; i < 5; i++) {
        ASKED(TIMGetUserStatus(wrong[i], TO(it)), 6017, "[]");
        ASKED(TIMSetSelfStatus(wrong[i], TO(it)), 6017, "");
        ASKED(TIMSubscribeUserStatus(wrong[i], TO(it)), 6017, "");
        ASKED(TIMUnsubscribeUserStatus(wrong[i], TO(it)), 6017, "");
    }
    ASKED(TIMGetUserStatus("[]", TO(it)), 6017, "[]");
    ASKED(TIMSubscribeUserStatus("[]", TO(it)), 6017, "");
    ASKED(TIMSetSelfStatus("{\"user_status_custom_status\":\"t\xff\"}", TO(it)), 6017, "");
    memset(long_status + strlen(long_status), 'x', 101);
    strcat(long_status, "\"}");
    ASKED(TIMSetSelfStatus(long_status, TO(it)), 6017, "");
    for (int i = 0; i <= 500; i++) sprintf(ids + strlen(ids), "%s\"user%d\"", i == 0 ? "" : ",", i);
    strcat(ids, "]");
    ASKED(TIMGetUserStatus(ids, TO(it)), 6017, "[]");
    ASKED(TIMSubscribeUserStatus(ids, TO(it)), 6017, "");
    ASKED(TIMGetUserStatus("[\"alice\"]", TO(it)), 0, "[" STATUS("alice", 1, "") LINUX "]");
}

CASE(users_who_do_not_exist_are_left_out, "70107 if none does (R4.3)") {
    Server *server = server_start("", "accounts = [\"bob\"]");
    online_as(server, "alice");
    ASKED(TIMGetUserStatus("[\"nobody\",\"bob\",\"bob\"]", TO(it)), 0, "[" STATUS("bob", 3, "") "]}]");
    ASKED(TIMGetUserStatus("[\"nobody\"]", TO(it)), 70107, "[]");
    ASKED(TIMSubscribeUserStatus("[\"nobody\",\"bob\"]", TO(it)), 0, "");
    ASKED(TIMSubscribeUserStatus("[\"nobody\"]", TO(it)), 70107, "");
    /* Oneself cannot be subscribed to (R5.4). */
    ASKED(TIMSubscribeUserStatus("[\"alice\"]", TO(it)), 6017, "");
}

CASE(others_are_watched_until_unsubscribed, "NULL, \"\" and [] clear the list") {
    const char *all[] = {NULL, "", "[]"};
    Server *server = server_start("", "accounts = [\"bob\"]");
    listen_to_all();
    online_as(server, "alice");
    ASKED(TIMSubscribeUserStatus("[\"bob\"]", TO(it)), 0, "");
    Client *bob = online(server, "bob");
    await_told("status " STATUS("bob", 1, ""));
    CHECK_EQ(set_status(bob, "busy")->code, 0);
    await_told("status " STATUS("bob", 1, "busy"));
    ASKED(TIMUnsubscribeUserStatus("[\"bob\"]", TO(it)), 0, "");
    for (int i = 0; i < 3; i++) {
        ASKED(TIMSubscribeUserStatus("[\"bob\"]", TO(it)), 0, "");
        ASKED(TIMUnsubscribeUserStatus(all[i], TO(it)), 0, "");
        set_status(bob, i % 2 == 0 ? "away" : "busy");
    }
    /* A round trip: whatever the server had for us has come. */
    ASKED(TIMSetSelfStatus("{\"user_status_custom_status\":\"fence\"}", TO(it)), 0, "");
    await_told("status " STATUS("alice", 1, "fence"));
    CHECK_EQ(told_so_far("status " STATUS("bob", 1, "")), 0);
    destroy(bob);
}

CASE(plan_switch_and_rate, "7013, 72001 and 7008") {
    Server *server = server_start("", "accounts = [\"bob\"]\nrate_calls = 1\nrate_window_ms = 600000");
    online_as(server, "alice");
    ASKED(TIMGetUserStatus("[\"bob\"]", TO(it)), 0, "[" STATUS("bob", 3, "") "]}]");
    ASKED(TIMGetUserStatus("[\"bob\"]", TO(it)), 7008, "[]");
    CHECK_EQ(TIMUninit(), 0);
    server_stop(server);
    server = server_start("", "plan = \"basic\"");
    online_as(server, "alice");
    ASKED(TIMGetUserStatus("[\"bob\"]", TO(it)), 7013, "[]");
    ASKED(TIMSubscribeUserStatus("[\"bob\"]", TO(it)), 7013, "");
    ASKED(TIMUnsubscribeUserStatus(NULL, TO(it)), 7013, "");
    ASKED(TIMGetUserStatus("[\"alice\"]", TO(it)), 0, "[" STATUS("alice", 1, "") LINUX "]");
    CHECK_EQ(TIMUninit(), 0);
    server_stop(server);
    server = server_start("", "user_status = false");
    online_as(server, "alice");
    ASKED(TIMGetUserStatus("[\"bob\"]", TO(it)), 72001, "[]");
}

CASE(kicked_by_another_device, "R8.3: the callback, logged out, 6014; logging in again succeeds") {
    Server *server = server_start("", "");
    char user[128];
    listen_to_all();
    online_as(server, "alice");
    Client *other = online(server, "alice");
    await_told("kicked");
    CHECK_EQ(TIMGetLoginStatus(), kTIMLoginStatus_UnLogined);
    CHECK_EQ(TIMGetLoginUserID(user), 0);
    CHECK_STR(user, "");
    ASKED(TIMGetUserStatus("[\"alice\"]", TO(it)), 6014, "[]");
    CHECK_EQ(told_so_far("network 1"), 0);
    ASKED(TIMLogin("alice", user_sig("alice", 3600), TO(it)), 0, "");
    await_event(other, EVENT_KICKED, 6208);
}

CASE(a_user_sig_that_expires, "R8.4: the callback; logging in with it is 70001, with a new one 0") {
    Server *server = server_start("", "");
    listen_to_all();
    init_at(server->address);
    const char *sig = user_sig("alice", 3);
    int32_t code = ASK(TIMLogin("alice", sig, TO(it)))->code;
    if (code == 0) {
        await_told("expired");
        CHECK_EQ(TIMGetLoginStatus(), kTIMLoginStatus_UnLogined);
        code = ASK(TIMLogin("alice", sig, TO(it)))->code;
    }
    CHECK_EQ(code, 70001);
    ASKED(TIMLogin("alice", user_sig("alice", 3600), TO(it)), 0, "");
}

CASE(a_lost_connection_comes_back_by_itself, "R8.5: disconnected, connecting, connected; the user stays logged in; what was missed is told") {
    Server *server = server_start("", "accounts = [\"bob\"]");
    listen_to_all();
    online_as(server, "alice");
    ASKED(TIMSubscribeUserStatus("[\"bob\"]", TO(it)), 0, "");
    await_told("network 0 0");
    server_kill(server);
    Told_event lost = await_told("network 1 ");
    CHECK(lost.desc[0] != 0);
    CHECK_EQ(TIMGetLoginStatus(), kTIMLoginStatus_Logined);
    server_start_again(server);
    await_told("network 2 0");
    await_told("network 0 0");
    ASKED(TIMSetSelfStatus("{\"user_status_custom_status\":\"back\"}", TO(it)), 0, "");
    Client *bob = online(server, "bob");
    await_told("status " STATUS("bob", 1, ""));
    destroy(bob);
}

CASE(a_server_that_comes_later_is_found, "tried every ten seconds from TIMInit on") {
    Server *server = server_start("", "");
    listen_to_all();
    server_kill(server);
    init_at(server->address);
    await_told("network 3 9511");
    server_start_again(server);
    await_told("network 0 0");
    ASKED(TIMLogin("alice", user_sig("alice", 3600), TO(it)), 0, "");
}

CASE(uninit_is_a_lost_connection_to_others, "OFFLINE, as with the original; after a logout it is UNLOGINED") {
    Server *server = server_start("", "auto_register_on_mention = true");
    Client *bob = online(server, "bob");
    CHECK_EQ(subscribe(bob, IDS("alice"))->code, 0);
    online_as(server, "alice");
    await_status(bob, "alice", TIM_STATUS_ONLINE, TIM_REASON_LOGIN, "");
    CHECK_EQ(TIMUninit(), 0);
    await_status(bob, "alice", TIM_STATUS_OFFLINE, TIM_REASON_LINK_CLOSED, "");
    online_as(server, "alice");
    await_status(bob, "alice", TIM_STATUS_ONLINE, ANY, "");
    ASKED(TIMLogout(TO(it)), 0, "");
    await_status(bob, "alice", TIM_STATUS_UNLOGINED, TIM_REASON_LOGOUT, "");
}

CASE(friends_are_read_and_not_written, "an array, the relation of each id, 7013 for writing (R9.1)") {
    Server *server = server_start("", "accounts = [\"bob\"]\nfriend_status_notify = true\n[apps.friends]\nalice = [\"bob\"]");
    listen_to_all();
    online_as(server, "carol");
    ASKED(TIMFriendshipGetFriendProfileList(TO(it)), 0, "[]");
    ASKED(TIMLogout(TO(it)), 0, "");
    ASKED(TIMLogin("alice", user_sig("alice", 3600), TO(it)), 0, "");
    Told *answer = ASK(TIMFriendshipGetFriendProfileList(TO(it)));
    CHECK_EQ(answer->code, 0);
    CHECK(strstr(answer->json, "[{\"friend_profile_identifier\":\"bob\",") == answer->json);
    answer = ASK(TIMFriendshipGetFriendsInfo("[\"dave\",\"bob\"]", TO(it)));
    CHECK_EQ(answer->code, 0);
    const char *dave = strstr(answer->json, "\"friendship_friend_info_get_result_identifier\":\"dave\""), *bob = strstr(answer->json, "result_userid\":\"bob\"");
    const char *none = strstr(answer->json, "relation_type\":0"), *mine = strstr(answer->json, "relation_type\":1");
    CHECK(dave != NULL && none > dave && bob > none && mine > bob);
    /* R6.1: friends' changes come without a subscription. */
    Client *friend = online(server, "bob");
    await_told("status " STATUS("bob", 1, ""));
    destroy(friend);
    answer = ASK(TIMFriendshipCheckFriendType("{\"friendship_check_friendtype_param_check_type\":0,"
                                              "\"friendship_check_friendtype_param_identifier_array\":[\"bob\"]}", TO(it)));
    CHECK(strstr(answer->json, "\"friendship_check_friendtype_result_relation\":1") != NULL);
    CHECK_EQ(ASK(TIMFriendshipCheckFriendType("{\"friendship_check_friendtype_param_check_type\":1,"
                                              "\"friendship_check_friendtype_param_identifier_array\":[\"bob\"]}", TO(it)))->code, 7013);
    CHECK_EQ(ASK(TIMFriendshipAddFriend("{\"friendship_add_friend_param_identifier\":\"bob\"}", TO(it)))->code, 7013);
    CHECK_EQ(ASK(TIMFriendshipDeleteFriend("{}", TO(it)))->code, 7013);
}

CASE(log_records, "from Info on unless asked otherwise, without secrets; the program's own by write_log") {
    Server *server = server_start("", "");
    listen_to_all();
    online_as(server, "alice");
    await_told("log 4");
    CHECK_EQ(told_so_far("log 3"), 0);
    CHECK_EQ(callExperimentalAPI("{\"request_internal_operation\":\"internal_operation_write_log\",\"request_write_log_log_level_param\":5,"
                                 "\"request_write_log_log_content_param\":\"mine\"}", NULL, NULL), 0);
    CHECK_STR(await_told("log 5").desc, "mine");
    CHECK_EQ(TIMSetConfig("{\"set_config_callback_log_level\":3}", NULL, NULL), 0);
    ASKED(TIMLogout(TO(it)), 0, "");
    const char *sig = user_sig("alice", 3600);
    ASKED(TIMLogin("alice", sig, TO(it)), 0, "");
    for (;;) {
        Told_event record = await_told("log ");
        CHECK(strstr(record.desc, sig) == NULL);
        if (strcmp(record.text, "log 3") == 0) break;
    }
    TIMSetLogCallback(NULL, NULL);
}

CASE(calls_that_wait_at_the_end, "7009 for each, and the server goes on") {
    Server *server = server_start("", "accounts = [\"bob\"]");
    Told *all[100];
    online_as(server, "alice");
    for (int i = 0; i < 100; i++) {
        all[i] = told_new();
        CHECK_EQ(TIMSetSelfStatus(i % 2 == 0 ? "{\"user_status_custom_status\":\"a\"}" : "{\"user_status_custom_status\":\"b\"}", TO(all[i])), 0);
    }
    CHECK_EQ(TIMUninit(), 0);
    for (int i = 0; i < 100; i++) {
        int32_t code = told(all[i])->code;
        CHECK(code == 0 || code == 7009);
        if (i > 0) CHECK(all[i]->order > all[i - 1]->order);
    }
    online_as(server, "alice");
}
