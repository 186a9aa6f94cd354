/* What programs do in their callbacks: log in again, change the user, end and begin anew, need much of the stack, and leave. */
#include <pthread.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "imsdk.h"

static Server *server;

/* ---- the user changes, each call made in the callback of the one before ---- */

static Told *steps[4];

static void logged_in_as_the_next(int32_t code, const char *desc, const char *json, const void *user_data) {
    on_told(code, desc, json, user_data);
}

static void logged_out(int32_t code, const char *desc, const char *json, const void *user_data) {
    on_told(code, desc, json, user_data);
    CHECK_EQ(TIMGetLoginStatus(), kTIMLoginStatus_UnLogined);
    CHECK_EQ(TIMLogin("bob", user_sig("bob", 3600), logged_in_as_the_next, steps[2]), 0);
}

static void logged_in(int32_t code, const char *desc, const char *json, const void *user_data) {
    on_told(code, desc, json, user_data);
    CHECK_EQ(TIMGetLoginStatus(), kTIMLoginStatus_Logined);
    CHECK_EQ(TIMLogout(logged_out, steps[1]), 0);
}

CASE(the_user_changes_in_callbacks, "login, logout in its callback, another login in that one's") {
    char user[128];
    server = server_start("", "");
    for (int i = 0; i < 3; i++) steps[i] = told_new();
    init_at(server->address);
    CHECK_EQ(TIMLogin("alice", user_sig("alice", 3600), logged_in, steps[0]), 0);
    for (int i = 0; i < 3; i++) CHECK_EQ(told(steps[i])->code, 0);
    CHECK_EQ(TIMGetLoginUserID(user), 0);
    CHECK_STR(user, "bob");
}

CASE(a_login_right_after_a_logout_waits_for_it, "nobody has to wait for the logout's callback") {
    char user[128];
    server = server_start("", "");
    online_as(server, "alice");
    Told *out = told_new(), *in = told_new();
    CHECK_EQ(TIMLogout(TO(out)), 0);
    CHECK_EQ(TIMLogin("bob", user_sig("bob", 3600), TO(in)), 0);
    CHECK_EQ(told(out)->code, 0);
    CHECK_EQ(told(in)->code, 0);
    CHECK(out->order < in->order);
    CHECK_EQ(TIMGetLoginUserID(user), 0);
    CHECK_STR(user, "bob");
}

/* ---- kicked, and back ---- */

static Told *back;

static void come_back(const void *user_data) {
    CHECK(user_data == NULL);
    CHECK_EQ(TIMGetLoginStatus(), kTIMLoginStatus_UnLogined);
    CHECK_EQ(TIMLogin("alice", user_sig("alice", 3600), TO(back)), 0);
}

CASE(who_is_kicked_logs_in_again_at_once, "in the callback that says so (R8.3)") {
    server = server_start("", "");
    back = told_new();
    TIMSetKickedOfflineCallback(come_back, NULL);
    online_as(server, "alice");
    Client *other = online(server, "alice");
    CHECK_EQ(told(back)->code, 0);
    ASKED(TIMSetSelfStatus("{\"user_status_custom_status\":\"back\"}", TO(it)), 0, "");
    destroy(other);
}

/* ---- ended and begun anew in an event ---- */

static char config[256];
static Told *anew;

static void begin_anew(const char *json, const void *user_data) {
    CHECK(json != NULL && user_data == NULL);
    if (was_told(anew) || TIMGetLoginStatus() != kTIMLoginStatus_Logined) return;
    TIMSetUserStatusChangedCallback(NULL, NULL);
    CHECK_EQ(TIMUninit(), 0);
    CHECK_EQ(TIMInit(APP_ID, config), 0);
    CHECK_EQ(TIMLogin("alice", user_sig("alice", 3600), TO(anew)), 0);
}

CASE(the_sdk_is_ended_and_begun_anew_in_an_event, "with a folder; the new one is online") {
    char folder[] = "/tmp/tim-test-XXXXXX", command[128];
    server = server_start("", "");
    CHECK(mkdtemp(folder) != NULL);
    setenv("TIM_PRESENCE_SERVER", server->address, 1);
    snprintf(config, sizeof config, "{\"sdk_config_config_file_path\":\"%s\"}", folder);
    anew = told_new();
    TIMSetUserStatusChangedCallback(begin_anew, NULL);
    CHECK_EQ(TIMInit(APP_ID, config), 0);
    ASKED(TIMLogin("alice", user_sig("alice", 3600), TO(it)), 0, "");
    CHECK_EQ(told(anew)->code, 0);
    ASKED(TIMSetSelfStatus("{\"user_status_custom_status\":\"anew\"}", TO(it)), 0, "");
    CHECK_EQ(TIMUninit(), 0);
    snprintf(command, sizeof command, "rm -r '%s'", folder);
    CHECK_EQ(system(command), 0);
}

CASE(a_folder_is_free_again_when_uninit_returned, "so that the next TIMInit is the same device") {
    char folder[] = "/tmp/tim-test-XXXXXX", command[128];
    server = server_start("", "");
    CHECK(mkdtemp(folder) != NULL);
    setenv("TIM_PRESENCE_SERVER", server->address, 1);
    snprintf(config, sizeof config, "{\"sdk_config_config_file_path\":\"%s\"}", folder);
    listen_to_all();
    int gave_up = 0;
    for (int round = 0; round < 50; round++) {
        CHECK_EQ(TIMInit(APP_ID, config), 0);
        if (round % 2 == 0) ASKED(TIMLogin("alice", user_sig("alice", 3600), TO(it)), 0, "");
        int64_t began_ms = now_ms();
        CHECK_EQ(TIMUninit(), 0);
        /* It waits for a second; on a machine that stood still so long, no more is owed. */
        gave_up |= now_ms() - began_ms >= 1000;
    }
    ASKED(TIMLogout(TO(it)), 6013, "");
    if (!gave_up) CHECK_EQ(told_so_far("log 5"), 0);
    snprintf(command, sizeof command, "rm -r '%s'", folder);
    CHECK_EQ(system(command), 0);
}

/* ---- resources ---- */

enum { MUCH = 6 << 20 };

static void use_much_stack(int32_t code, const char *desc, const char *json, const void *user_data) {
    volatile char much[MUCH];
    for (size_t i = 0; i < MUCH; i += 4096) much[i] = 1;
    CHECK_EQ(much[MUCH - 4096], 1);
    on_told(code, desc, json, user_data);
}

CASE(a_callback_has_the_stack_of_a_c_thread, "six of the usual eight megabytes") {
    Told *it = told_new();
    CHECK_EQ(TIMLogout(use_much_stack, it), 0);
    CHECK_EQ(told(it)->code, 6013);
}

/* ---- leaving ---- */

static void leave(int32_t code, const char *desc, const char *json, const void *user_data) {
    (void)code, (void)desc, (void)json, (void)user_data;
    exit(7);
}

CASE(a_program_may_leave_at_any_time, "exit() in a callback, and while callbacks run, without TIMUninit") {
    server = server_start("", "");
    for (int round = 0; round < 30; round++) {
        fflush(NULL);
        pid_t child = fork();
        CHECK(child >= 0);
        if (child == 0) {
            online_as(server, "alice");
            for (int i = 0; i < 200; i++) TIMSetSelfStatus(i % 2 ? "{\"user_status_custom_status\":\"a\"}" : "{\"user_status_custom_status\":\"b\"}", NULL, NULL);
            if (round % 2 == 0) exit(7);
            CHECK_EQ(TIMLogout(leave, NULL), 0);
            for (;;) pause();
        }
        int status = 0;
        CHECK_EQ(waitpid(child, &status, 0), child);
        if (!WIFEXITED(status) || WEXITSTATUS(status) != 7) FAIL("round %d ended with %x", round, (unsigned)status);
    }
}
