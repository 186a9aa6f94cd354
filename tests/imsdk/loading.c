/* Loaded and let go of as plug-ins are: loading LIBRARY. Nothing is linked; every name is looked up when it is needed, and
 * the library is closed while its thread lives and listeners are set. */
#include <dlfcn.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#include "imsdk/TIMCloud.h"

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t came = PTHREAD_COND_INITIALIZER;
static int results;

static void on_result(int32_t code, const char *desc, const char *json, const void *user_data) {
    (void)desc, (void)json, (void)user_data;
    pthread_mutex_lock(&lock);
    if (code == 7009) results++;
    pthread_cond_signal(&came);
    pthread_mutex_unlock(&lock);
}

static void on_network(enum TIMNetworkStatus status, int32_t code, const char *desc, const void *user_data) {
    (void)status, (void)code, (void)desc, (void)user_data;
}

static void *find(void *library, const char *name) {
    void *found = dlsym(library, name);
    if (found == NULL) {
        fprintf(stderr, "%s\n", dlerror());
        exit(1);
    }
    return found;
}

int main(int argument_count, char **arguments) {
    enum { ROUNDS = 20 };
    if (argument_count != 2) return 2;
    setenv("TIM_PRESENCE_SERVER", "tim://127.0.0.1:1", 1);
    for (int round = 0; round < ROUNDS; round++) {
        void *library = dlopen(arguments[1], RTLD_LAZY | RTLD_LOCAL);
        if (library == NULL) {
            fprintf(stderr, "%s\n", dlerror());
            return 1;
        }
        __extension__ void (*listen)(TIMNetworkStatusListenerCallback, const void *) = (void (*)(TIMNetworkStatusListenerCallback, const void *))find(library, "TIMSetNetworkStatusListenerCallback");
        __extension__ int (*init)(uint64_t, const char *) = (int (*)(uint64_t, const char *))find(library, "TIMInit");
        __extension__ int (*login)(const char *, const char *, TIMCommCallback, const void *) =
            (int (*)(const char *, const char *, TIMCommCallback, const void *))find(library, "TIMLogin");
        __extension__ int (*uninit)(void) = (int (*)(void))find(library, "TIMUninit");
        listen(on_network, NULL);
        if (init(1400000000, "{}") != 0 || login("alice", "sig", on_result, NULL) != 0) return 1;
        /* Closed with a login under way; opened again, it is the same. */
        if (round % 2 == 1 && uninit() != 0) return 1;
        dlclose(library);
    }
    /* A login of each odd round, and the one of the round before it, which waited. */
    pthread_mutex_lock(&lock);
    while (results < ROUNDS) pthread_cond_wait(&came, &lock);
    pthread_mutex_unlock(&lock);
    return 0;
}
