/* The SDK's life in a process: threads that call everything while it comes and goes, forks, memory, a folder of its own. */
#include <dirent.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "imsdk.h"
#include "support_internal.h"

/* Fewer calls in all than there is room for (10 000), should no callback run before the last. */
enum { CALLERS = 4, ROUNDS = 60, CALLS_A_ROUND = 27 };

static pthread_mutex_t counting = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t counted = PTHREAD_COND_INITIALIZER;
static long accepted, called_back;

static void count(int32_t code, const char *desc, const char *json, const void *user_data) {
    CHECK(desc != NULL && json != NULL && user_data == (void *)7);
    CHECK(code == 0 || desc[0] != 0);
    pthread_mutex_lock(&counting);
    called_back++;
    pthread_cond_broadcast(&counted);
    pthread_mutex_unlock(&counting);
}

static void add(int returned) {
    CHECK_EQ(returned, 0);
    pthread_mutex_lock(&counting);
    accepted++;
    pthread_mutex_unlock(&counting);
}

static void *call_all(void *user) {
    char id[128];
    const char *sig = user_sig(user, 3600);
    for (int round = 0; round < ROUNDS; round++) {
        add(TIMLogin(user, sig, count, (void *)7));
        for (int i = 0; i < 5; i++) {
            add(TIMGetUserStatus("[\"ann\",\"bob\"]", count, (void *)7));
            add(TIMSetSelfStatus("{\"user_status_custom_status\":\"x\"}", count, (void *)7));
            add(TIMSubscribeUserStatus("[\"ann\"]", count, (void *)7));
            add(TIMGroupJoin("group", "hello", count, (void *)7));
            add(TIMUnsubscribeUserStatus(NULL, count, (void *)7));
            TIMGetLoginStatus();
            CHECK_EQ(TIMGetLoginUserID(id), 0);
            TIMGetServerTime();
            listen_to_all();
        }
        add(TIMLogout(count, (void *)7));
    }
    return NULL;
}

CASE(racing_calls_are_each_called_back_once, "threads log in, ask and log out while another initialises and ends") {
    static char *users[CALLERS] = {"ann", "bob", "carol", "dave"};
    pthread_t callers[CALLERS];
    Server *server = server_start("login_failures_max = 100000", "accounts = [\"ann\"]");
    setenv("TIM_PRESENCE_SERVER", server->address, 1);
    const char *sig = user_sig("ann", 3600);
    for (int i = 0; i < CALLERS; i++) CHECK_EQ(pthread_create(&callers[i], NULL, call_all, users[i]), 0);
    for (int rounds = 0, racing = 1; racing; rounds++) {
        CHECK_EQ(TIMInit(APP_ID, "{}"), 0);
        if (rounds < 500) add(TIMLogin("ann", sig, count, (void *)7));
        CHECK_EQ(TIMUninit(), 0);
        pthread_mutex_lock(&counting);
        racing = accepted < CALLERS * ROUNDS * CALLS_A_ROUND;
        pthread_mutex_unlock(&counting);
    }
    for (int i = 0; i < CALLERS; i++) CHECK_EQ(pthread_join(callers[i], NULL), 0);
    CHECK_EQ(TIMUninit(), 0);
    /* Whatever was refused before this one is called back before it. */
    ASKED(TIMLogout(TO(it)), 6013, "");
    struct timespec until;
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += 2 * DEADLINE_MS / 1000;
    pthread_mutex_lock(&counting);
    while (called_back < accepted)
        if (pthread_cond_timedwait(&counted, &counting, &until) != 0) FAIL("%ld accepted, %ld called back", accepted, called_back);
    CHECK_EQ(called_back, accepted);
    pthread_mutex_unlock(&counting);
}

CASE(a_forked_child_begins_anew, "not initialised, and able to be; the parent goes on") {
    Server *server = server_start("", "multi_login = \"unlimited\"");
    online_as(server, "alice");
    fflush(NULL);
    pid_t child = fork();
    CHECK(child >= 0);
    if (child == 0) {
        CHECK_EQ(TIMGetLoginStatus(), kTIMLoginStatus_UnLogined);
        ASKED(TIMGetUserStatus("[\"alice\"]", TO(it)), 6013, "[]");
        CHECK_EQ(TIMUninit(), 0);
        online_as(server, "bob");
        ASKED(TIMLogout(TO(it)), 0, "");
        CHECK_EQ(TIMUninit(), 0);
        _exit(0);
    }
    int status = 0;
    CHECK_EQ(waitpid(child, &status, 0), child);
    CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    CHECK_EQ(TIMGetLoginStatus(), kTIMLoginStatus_Logined);
    ASKED(TIMSetSelfStatus("{\"user_status_custom_status\":\"still here\"}", TO(it)), 0, "");
}

static size_t in_directory(const char *path) {
    size_t entries = 0;
    DIR *directory = opendir(path);
    CHECK(directory != NULL);
    while (readdir(directory) != NULL) entries++;
    closedir(directory);
    return entries - 2;
}

static size_t threads(void) { return in_directory("/proc/self/task"); }
static size_t descriptors(void) { return in_directory("/proc/self/fd"); }

CASE(coming_and_going_leaves_nothing, "two hundred times: as many threads and descriptors as after the first") {
    Server *server = server_start("", "");
    size_t threads_after = 0, descriptors_after = 0;
    for (int round = 0; round < 200; round++) {
        online_as(server, "alice");
        if (round % 2 == 0) ASKED(TIMLogout(TO(it)), 0, "");
        CHECK_EQ(TIMUninit(), 0);
        /* The runtime's thread ends a moment after its last client. */
        int64_t deadline = now_ms() + DEADLINE_MS;
        if (round == 0) threads_after = 2;
        while (threads() > threads_after || (round > 0 && descriptors() > descriptors_after)) {
            if (now_ms() > deadline) FAIL("%zu threads and %zu descriptors after round %d", threads(), descriptors(), round);
            nap();
        }
        if (round == 0) descriptors_after = descriptors();
    }
}

CASE(a_folder_keeps_the_device, "sdk_config_config_file_path; not with storage off; a folder that cannot be used is said and done without") {
    char config[256], path[128], folder[] = "/tmp/tim-test-XXXXXX", ours[64];
    struct stat there;
    Server *server = server_start("", "");
    CHECK(mkdtemp(folder) != NULL);
    setenv("TIM_PRESENCE_SERVER", server->address, 1);
    listen_to_all();
    snprintf(config, sizeof config, "{\"sdk_config_config_file_path\":\"%s\"}", folder);
    snprintf(ours, sizeof ours, "%s/tim-presence", folder);
    ASKED(TIMSetConfig("{\"set_config_user_config\":{\"user_config_is_is_disable_storage\":true}}", TO(it)), 0,
          "{\"set_config_user_config\":{\"user_config_is_is_disable_storage\":true}}");
    CHECK_EQ(TIMInit(APP_ID, config), 0);
    CHECK(stat(ours, &there) != 0);
    CHECK_EQ(TIMUninit(), 0);
    ASKED(TIMSetConfig("{\"set_config_user_config\":{\"user_config_is_is_disable_storage\":false}}", TO(it)), 0,
          "{\"set_config_user_config\":{\"user_config_is_is_disable_storage\":false}}");
    CHECK_EQ(TIMInit(APP_ID, config), 0);
    CHECK(stat(ours, &there) == 0 && S_ISDIR(there.st_mode));
    CHECK_EQ(TIMUninit(), 0);
    snprintf(path, sizeof path, "rm -r '%s'", folder);
    CHECK_EQ(system(path), 0);
    CHECK_EQ(TIMInit(APP_ID, "{\"sdk_config_config_file_path\":\"/proc/none\"}"), 0);
    Told_event said = await_told("log 5");
    if (strstr(said.desc, "/proc/none") == NULL) FAIL("the log says: %s", said.desc);
    ASKED(TIMLogin("alice", user_sig("alice", 3600), TO(it)), 0, "");
}
