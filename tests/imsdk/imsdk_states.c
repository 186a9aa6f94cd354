/* What the functions return and call back in each state and for each bad argument, without a server: the situations that
 * docs/MIGRATING.md lists. */
#include <pthread.h>
#include <stdlib.h>
#include <time.h>

#include "imsdk.h"

static const char *bad_json[] = {"{bad", "null", "5", "\"x\"", "{}", "[1,2]", "[]", "[\"a\",\"a\"]", "[\"\"]"};
enum { BAD_JSON = sizeof bad_json / sizeof bad_json[0] };

CASE(before_init_calls_are_accepted_and_told_6013, "6013 \"not initialized\"; [] for the query") {
    Told *answer = ASK(TIMGetUserStatus("[\"a\"]", TO(it)));
    CHECK_EQ(answer->code, 6013);
    CHECK_STR(answer->desc, "not initialized");
    CHECK_STR(answer->json, "[]");
    CHECK(answer->thread != this_thread());
    ASKED(TIMSetSelfStatus("{\"user_status_custom_status\":\"x\"}", TO(it)), 6013, "");
    ASKED(TIMSubscribeUserStatus("[\"a\"]", TO(it)), 6013, "");
    ASKED(TIMUnsubscribeUserStatus(NULL, TO(it)), 6013, "");
    ASKED(TIMLogin("a", "sig", TO(it)), 6013, "");
    ASKED(TIMLogout(TO(it)), 6013, "");
    ASKED(TIMFriendshipGetFriendProfileList(TO(it)), 6013, "");
    ASKED(TIMFriendshipGetFriendsInfo("[\"a\"]", TO(it)), 6013, "");
}

CASE(before_init_everything_can_be_asked_and_set, "status, id, time, version, configuration, listeners: in any order, NULL or not") {
    char user[128] = "?";
    for (int i = 0; i < 2; i++) {
        CHECK_EQ(TIMGetLoginStatus(), kTIMLoginStatus_UnLogined);
        CHECK_EQ(TIMGetLoginUserID(user), 0);
        CHECK_STR(user, "");
        int64_t difference = (int64_t)TIMGetServerTime() - (int64_t)time(NULL);
        CHECK(difference >= -5 && difference <= 5);
        CHECK(TIMGetSDKVersion() != NULL && TIMGetSDKVersion()[0] != 0);
        listen_to_all();
        TIMSetNetworkStatusListenerCallback(NULL, NULL);
        TIMSetUserStatusChangedCallback(NULL, NULL);
        TIMSetLogCallback(NULL, NULL);
        TIMSetSelfInfoUpdatedCallback(NULL, NULL);
        TIMAddRecvNewMsgCallback(NULL, NULL);
        TIMRemoveRecvNewMsgCallback(NULL);
        CHECK_EQ(TIMUninit(), 0);
        CHECK_EQ(TIMUninit(), 0);
    }
    CHECK_EQ(TIMGetLoginUserID(NULL), TIM_ERR_PARAM);
}

CASE(init_checks_its_arguments, "-4 for no app, NULL and \"\"; -3 for what is no JSON object; twice is fine") {
    CHECK_EQ(TIMInit(0, "{}"), TIM_ERR_PARAM);
    CHECK_EQ(TIMInit(APP_ID, NULL), TIM_ERR_PARAM);
    CHECK_EQ(TIMInit(APP_ID, ""), TIM_ERR_PARAM);
    CHECK_EQ(TIMInit(APP_ID, "{bad"), TIM_ERR_JSON);
    CHECK_EQ(TIMInit(APP_ID, "[]"), TIM_ERR_JSON);
    ASKED(TIMLogout(TO(it)), 6013, "");
    init_at(silent_address());
    CHECK_EQ(TIMInit(APP_ID, "{}"), 0);
    CHECK_EQ(TIMInit(5, "{\"sdk_config_log_file_path\":\"/\"}"), 0);
    ASKED(TIMLogout(TO(it)), 0, "");
    CHECK_EQ(TIMUninit(), 0);
    ASKED(TIMLogout(TO(it)), 6013, "");
}

CASE(without_a_login_calls_are_told_6014, "\"not login\", whatever the JSON; NULL and \"\" are refused but for unsubscribe") {
    init_at(silent_address());
    for (size_t i = 0; i < BAD_JSON; i++) {
        ASKED(TIMGetUserStatus(bad_json[i], TO(it)), 6014, "[]");
        ASKED(TIMSetSelfStatus(bad_json[i], TO(it)), 6014, "");
        ASKED(TIMSubscribeUserStatus(bad_json[i], TO(it)), 6014, "");
        ASKED(TIMUnsubscribeUserStatus(bad_json[i], TO(it)), 6014, "");
    }
    CHECK_STR(ASK(TIMSetSelfStatus("{}", TO(it)))->desc, "not login");
    ASKED(TIMFriendshipGetFriendProfileList(TO(it)), 6014, "");
    const char *nothing[] = {NULL, ""};
    for (int i = 0; i < 2; i++) {
        CHECK_EQ(TIMGetUserStatus(nothing[i], on_told, NULL), TIM_ERR_PARAM);
        CHECK_EQ(TIMSetSelfStatus(nothing[i], on_told, NULL), TIM_ERR_PARAM);
        CHECK_EQ(TIMSubscribeUserStatus(nothing[i], on_told, NULL), TIM_ERR_PARAM);
        CHECK_EQ(TIMFriendshipGetFriendsInfo(nothing[i], on_told, NULL), TIM_ERR_PARAM);
        CHECK_EQ(TIMLogin(nothing[i], "sig", on_told, NULL), TIM_ERR_PARAM);
        CHECK_EQ(TIMLogin("a", nothing[i], on_told, NULL), TIM_ERR_PARAM);
        ASKED(TIMUnsubscribeUserStatus(nothing[i], TO(it)), 6014, "");
    }
    /* A NULL callback is fine. */
    CHECK_EQ(TIMGetUserStatus("[\"a\"]", NULL, NULL), 0);
    CHECK_EQ(TIMLogout(NULL, NULL), 0);
    ASKED(TIMLogout(TO(it)), 0, "");
}

CASE(refusals_come_in_the_order_of_the_calls_on_one_thread, "also across functions, and after TIMUninit and TIMInit") {
    Told *all[200];
    unsigned long thread = ASK(TIMLogout(TO(it)))->thread;
    init_at(silent_address());
    for (int i = 0; i < 200; i += 2) {
        all[i] = told_new();
        all[i + 1] = told_new();
        CHECK_EQ(TIMGetUserStatus("[\"a\"]", TO(all[i])), 0);
        CHECK_EQ(TIMMsgBatchSend("{}", TO(all[i + 1])), 0);
    }
    for (int i = 0; i < 200; i++) {
        CHECK_EQ(told(all[i])->thread, thread);
        if (i > 0) CHECK(all[i]->order > all[i - 1]->order);
    }
    CHECK_EQ(TIMUninit(), 0);
    init_at(silent_address());
    CHECK_EQ(ASK(TIMGetUserStatus("[\"a\"]", TO(it)))->thread, thread);
}

CASE(set_config_calls_back_at_once, "on the caller's thread, with the same object") {
    Told *it = told_new();
    CHECK_EQ(TIMSetConfig("{\"set_config_log_level\":4}", TO(it)), 0);
    CHECK(was_told(it));
    CHECK_EQ(it->thread, this_thread());
    CHECK_STR(it->json, "{\"set_config_log_level\":4}");
    ASKED(TIMSetConfig("{}", TO(it)), 0, "{}");
    CHECK_EQ(TIMSetConfig("{bad", on_told, NULL), TIM_ERR_JSON);
    CHECK_EQ(TIMSetConfig("[]", on_told, NULL), TIM_ERR_JSON);
    CHECK_EQ(TIMSetConfig(NULL, on_told, NULL), TIM_ERR_PARAM);
    CHECK_EQ(TIMSetConfig("{}", NULL, NULL), 0);
}

#define OPERATION(name) "{\"request_internal_operation\":\"internal_operation_" name "\"}"

CASE(experimental_operations, "the knob, what is accepted and not called back, 7013 for what there is not, -3 for what nobody knows") {
    CHECK_EQ(callExperimentalAPI(NULL, on_told, NULL), TIM_ERR_PARAM);
    CHECK_EQ(callExperimentalAPI("{bad", on_told, NULL), TIM_ERR_JSON);
    CHECK_EQ(callExperimentalAPI("{}", on_told, NULL), TIM_ERR_JSON);
    CHECK_EQ(callExperimentalAPI(OPERATION("make_coffee"), on_told, NULL), TIM_ERR_JSON);
    CHECK_EQ(callExperimentalAPI(OPERATION("set_custom_server_info"), on_told, NULL), TIM_ERR_JSON);
    CHECK_EQ(callExperimentalAPI(OPERATION("set_ui_platform"), on_told, NULL), 0);
    CHECK_EQ(callExperimentalAPI(OPERATION("write_log"), on_told, NULL), 0);
    Told *answer = ASK(callExperimentalAPI(OPERATION("set_sm4_gcm_callback"), TO(it)));
    CHECK_EQ(answer->code, 7013);
    CHECK(strstr(answer->desc, "set_sm4_gcm_callback") != NULL);
    ASKED(callExperimentalAPI("{\"request_internal_operation\":\"internal_operation_set_ignore_repeat_login\","
                              "\"request_set_ignore_repeat_login_param\":true}", TO(it)), 0, "");
    /* Those that are not called back were given a user_data that the callback would have failed on. */
}

CASE(what_there_is_not_says_so, "7013 with the name, in every state; ids are made empty; no callback is told a success") {
    for (int state = 0; state < 2; state++) {
        char id[128] = "id";
        Told *answer = ASK(TIMMsgSendMessage("bob", kTIMConv_C2C, "{}", id, TO(it)));
        CHECK_EQ(answer->code, 7013);
        CHECK(strstr(answer->desc, "TIMMsgSendMessage") != NULL);
        CHECK_STR(id, "");
        strcpy(id, "id");
        CHECK_EQ(ASK(TIMSignalingInvite("bob", "data", false, NULL, 30, id, TO(it)))->code, 7013);
        CHECK_STR(id, "");
        CHECK_EQ(ASK(TIMFriendshipAddFriend("{}", TO(it)))->code, 7013);
        CHECK_EQ(ASK(TIMGroupIncreaseGroupCounter(NULL, NULL, -1, TO(it)))->code, 7013);
        CHECK_EQ(ASK(TIMMsgSetAllReceiveMessageOpt(kTIMRecvMsgOpt_Receive, 1, 2, 3, 4, TO(it)))->code, 7013);
        Told *it = told_new();
        CHECK_EQ(TIMMsgSendNewMsgEx("bob", kTIMConv_C2C, "{}", NULL, TO(it)), 0);
        CHECK_EQ(told(it)->code, 7013);
        CHECK_EQ(TIMConvSetDraft("bob", kTIMConv_C2C, "{}"), TIM_ERR_CONV);
        CHECK_EQ(TIMMsgGetGroupMessageReadMemberList("{}", 0, 0, 0, NULL, NULL), TIM_ERR_GROUP);
        init_at(silent_address());
    }
}

CASE(while_logging_in, "status 2, no id yet, 6014, and a second login that waits; a logout ends both with 6023") {
    char user[128];
    init_at(silent_address());
    Told *first = told_new(), *second = told_new(), *out = told_new();
    CHECK_EQ(TIMLogin("alice", "sig", TO(first)), 0);
    CHECK_EQ(TIMGetLoginStatus(), kTIMLoginStatus_Logining);
    CHECK_EQ(TIMGetLoginUserID(user), 0);
    CHECK_STR(user, "");
    ASKED(TIMGetUserStatus("[\"a\"]", TO(it)), 6014, "[]");
    ASKED(TIMSetSelfStatus("{\"user_status_custom_status\":\"x\"}", TO(it)), 6014, "");
    ASKED(TIMSubscribeUserStatus("[]", TO(it)), 6014, "");
    ASKED(TIMUnsubscribeUserStatus("", TO(it)), 6014, "");
    CHECK_EQ(TIMLogin("bob", "sig", TO(second)), 0);
    CHECK(!was_told(first) && !was_told(second));
    CHECK_EQ(TIMLogout(TO(out)), 0);
    CHECK_EQ(told(first)->code, 6023);
    CHECK_EQ(told(second)->code, 6023);
    CHECK_EQ(told(out)->code, 0);
    CHECK(first->order < second->order);
    CHECK_EQ(TIMGetLoginStatus(), kTIMLoginStatus_UnLogined);
}

CASE(logins_wait_in_a_queue_with_an_end, "the eighteenth is told 7501") {
    Told *all[18];
    init_at(silent_address());
    for (int i = 0; i < 18; i++) {
        all[i] = told_new();
        CHECK_EQ(TIMLogin("alice", "sig", TO(all[i])), 0);
    }
    CHECK_EQ(told(all[17])->code, 7501);
    CHECK(!was_told(all[0]));
    CHECK_EQ(TIMUninit(), 0);
    for (int i = 0; i < 17; i++) CHECK_EQ(told(all[i])->code, 7009);
}

CASE(uninit_completes_what_waits, "7009, once each, in order, before it returns; then 6013") {
    Told *all[3];
    init_at(silent_address());
    for (int i = 0; i < 3; i++) {
        all[i] = told_new();
        CHECK_EQ(TIMLogin("alice", "sig", TO(all[i])), 0);
    }
    CHECK_EQ(TIMUninit(), 0);
    for (int i = 0; i < 3; i++) {
        /* Awaited, should a loaded machine need more than TIMUninit's second. */
        CHECK_EQ(told(all[i])->code, 7009);
        if (i > 0) CHECK(all[i]->order > all[i - 1]->order);
    }
    CHECK_EQ(TIMGetLoginStatus(), kTIMLoginStatus_UnLogined);
    ASKED(TIMGetUserStatus("[\"a\"]", TO(it)), 6013, "[]");
}

/* ---- inside a callback ---- */

static Told *inner[4];

static void call_everything(int32_t code, const char *desc, const char *json, const void *user_data) {
    on_told(code, desc, json, user_data);
    CHECK_EQ(TIMGetLoginStatus(), kTIMLoginStatus_UnLogined);
    CHECK_EQ(TIMGetUserStatus("[\"a\"]", TO(inner[0])), 0);
    CHECK_EQ(TIMUninit(), 0);
    CHECK_EQ(TIMUninit(), 0);
    CHECK_EQ(TIMSetSelfStatus("{}", TO(inner[1])), 0);
    CHECK_EQ(TIMInit(APP_ID, "{}"), 0);
    CHECK_EQ(TIMLogin("alice", "sig", TO(inner[2])), 0);
    CHECK_EQ(TIMUninit(), 0);
    CHECK_EQ(TIMLogout(TO(inner[3])), 0);
}

CASE(everything_may_be_called_in_a_callback, "also TIMUninit, which does not wait there, and TIMInit after it") {
    init_at(silent_address());
    Told *outer = told_new();
    for (int i = 0; i < 4; i++) inner[i] = told_new();
    CHECK_EQ(TIMGetUserStatus("[\"a\"]", call_everything, outer), 0);
    CHECK_EQ(told(outer)->code, 6014);
    int32_t expected[] = {6014, 6013, 7009, 6013};
    for (int i = 0; i < 4; i++) {
        CHECK_EQ(told(inner[i])->code, expected[i]);
        CHECK_EQ(inner[i]->thread, outer->thread);
    }
}

static pthread_mutex_t held = PTHREAD_MUTEX_INITIALIZER;

static void take_the_lock(int32_t code, const char *desc, const char *json, const void *user_data) {
    pthread_mutex_lock(&held);
    pthread_mutex_unlock(&held);
    on_told(code, desc, json, user_data);
}

CASE(uninit_under_a_lock_that_a_callback_takes, "does not hang: the callback comes when it can") {
    init_at(silent_address());
    Told *pending = told_new();
    CHECK_EQ(TIMLogin("alice", "sig", take_the_lock, pending), 0);
    pthread_mutex_lock(&held);
    CHECK_EQ(TIMUninit(), 0);
    pthread_mutex_unlock(&held);
    CHECK_EQ(told(pending)->code, 7009);
}

/* ---- where the server is ---- */

CASE(without_an_address_the_network_status_and_the_login_say_so, "a text that names what to set") {
    listen_to_all();
    CHECK_EQ(TIMInit(APP_ID, "{}"), 0);
    Told_event event = await_told("network 3 9523");
    CHECK(strstr(event.desc, "TIM_PRESENCE_SERVER") != NULL);
    Told *answer = ASK(TIMLogin("alice", "sig", TO(it)));
    CHECK_EQ(answer->code, 9523);
    CHECK(strstr(answer->desc, "TIM_PRESENCE_SERVER") != NULL);
    CHECK_EQ(TIMGetLoginStatus(), kTIMLoginStatus_UnLogined);
    ASKED(TIMGetUserStatus("[\"a\"]", TO(it)), 6014, "[]");
    ASKED(TIMLogout(TO(it)), 0, "");
}

CASE(a_wrong_address_is_said_too, "with the client's text") {
    listen_to_all();
    init_at("http://example.org");
    CHECK(strstr(await_told("network 3 9523").desc, "server") != NULL);
    CHECK_EQ(ASK(TIMLogin("alice", "sig", TO(it)))->code, 9523);
}

CASE(init_tries_the_server_and_says_how_that_went, "connecting, then refused (9511)") {
    listen_to_all();
    init_at(nobodys_address());
    await_told("network 2 0");
    Told_event refused = await_told("network 3 9511");
    CHECK(refused.desc[0] != 0);
}

CASE(init_says_that_the_server_is_there, "before anybody logs in") {
    listen_to_all();
    init_at(silent_address());
    Told_event connecting = await_told("network 2 0"), connected = await_told("network 0 0");
    CHECK_STR(connecting.desc, "");
    CHECK_STR(connected.desc, "");
}

CASE(a_logout_ends_a_login_that_hangs_and_not_the_network, "connected is told again, not connecting for ever") {
    Told *in = told_new();
    setenv("TIM_PRESENCE_OPTIONS", "{\"logout_timeout_ms\":200}", 1);
    listen_to_all();
    init_at(silent_address());
    await_told("network 0 0");
    CHECK_EQ(TIMLogin("alice", "sig", TO(in)), 0);
    await_told("network 2 0");
    ASKED(TIMLogout(TO(it)), 0, "");
    CHECK_EQ(told(in)->code, 6023);
    await_told("network 0 0");
}

CASE(the_originals_knob_names_the_server, "before TIMInit; what runs the program has the last word") {
    char knob[512];
    int port = atoi(strrchr(nobodys_address(), ':') + 1);
    snprintf(knob, sizeof knob,
             "{\"request_internal_operation\":\"internal_operation_set_custom_server_info\",\"request_set_custom_server_info_param\":{"
             "\"longconnection_address_array\":[{\"server_address_ip\":\"127.0.0.1\",\"server_address_port\":%d,"
             "\"server_address_is_ipv6\":false,\"server_address_is_quic\":false}],\"shortconnection_address_array\":[],"
             "\"server_public_key\":\"x\"}}", port);
    CHECK_EQ(callExperimentalAPI(knob, on_told, NULL), 0);
    listen_to_all();
    CHECK_EQ(TIMInit(APP_ID, "{\"sdk_config_server\":\"tim://127.0.0.1:1\"}"), 0);
    await_told("network 2 0");
    await_told("network 3 9511");
    CHECK_EQ(TIMUninit(), 0);
    init_at(silent_address());
    await_told("network 2 0");
    await_told("network 0 0");
}

CASE(the_configuration_names_the_server, "sdk_config_server, and other options of the client") {
    char config[256];
    listen_to_all();
    snprintf(config, sizeof config, "{\"sdk_config_server\":\"%s\",\"sdk_config_options\":{\"connect_timeout_ms\":5000}}", silent_address());
    CHECK_EQ(TIMInit(APP_ID, config), 0);
    await_told("network 0 0");
    CHECK_EQ(TIMUninit(), 0);
    CHECK_EQ(TIMInit(APP_ID, "{\"sdk_config_server\":\"tim://x\",\"sdk_config_options\":{\"conect_timeout_ms\":5000}}"), 0);
    CHECK(strstr(await_told("network 3 9523").desc, "conect_timeout_ms") != NULL);
}
