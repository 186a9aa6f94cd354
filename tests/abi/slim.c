/* A build without the embedded server and without TLS has its functions too: they answer TIM_ERR_UNSUPPORTED, once their arguments are
 * right, and everything else works. slim LIBRARY */
#include <dlfcn.h>
#include <stdio.h>
#include <string.h>

#include "tim_presence.h"

static void *library;

static void *function(const char *name) {
    void *address = dlsym(library, name);
    if (address == NULL) fprintf(stderr, "no %s\n", name);
    return address;
}

#define EXPECT(call, code)                                                                                             \
    do {                                                                                                               \
        int32_t answer = (call);                                                                                       \
        if (answer != (code)) {                                                                                        \
            fprintf(stderr, "%s answered %d, not %s\n", #call, (int)answer, #code);                                     \
            return 1;                                                                                                  \
        }                                                                                                              \
    } while (0)

int main(int argc, char **argv) {
    if (argc != 2 || (library = dlopen(argv[1], RTLD_NOW)) == NULL) {
        fprintf(stderr, "slim LIBRARY: %s\n", dlerror());
        return 1;
    }
    int32_t (*start)(const char *, TimServer *), (*address)(TimServer, char *, size_t, size_t *), (*stop)(TimServer, uint32_t);
    int32_t (*issue)(TimServer, const char *, uint32_t, char *, size_t, size_t *);
    int32_t (*create)(const char *, TimClient *), (*destroy)(TimClient, uint32_t), (*last_error)(char *, size_t, size_t *);
    *(void **)&start = function("timServerStart");
    *(void **)&address = function("timServerAddress");
    *(void **)&issue = function("timServerIssueUserSig");
    *(void **)&stop = function("timServerStop");
    *(void **)&create = function("timClientCreate");
    *(void **)&destroy = function("timClientDestroy");
    *(void **)&last_error = function("timLastErrorMessage");
    if (!start || !address || !issue || !stop || !create || !destroy || !last_error) return 1;

    char buffer[1024] = "untouched";
    size_t needed = 7;
    TimServer server = 5;
    EXPECT(start("{}", &server), TIM_ERR_UNSUPPORTED);
    if (server != 5) return fprintf(stderr, "an output was written on failure\n"), 1;
    EXPECT(last_error(buffer, sizeof buffer, NULL), TIM_OK);
    if (buffer[0] == 0) return fprintf(stderr, "no text says why\n"), 1;
    strcpy(buffer, "untouched");
    EXPECT(address(1, buffer, sizeof buffer, &needed), TIM_ERR_UNSUPPORTED);
    EXPECT(issue(1, "alice", 60, buffer, sizeof buffer, &needed), TIM_ERR_UNSUPPORTED);
    EXPECT(stop(1, 0), TIM_ERR_UNSUPPORTED);
    if (strcmp(buffer, "untouched") != 0) return fprintf(stderr, "an output was written on failure\n"), 1;

    TimClient client = 0;
    EXPECT(create("{\"server\": \"tims://127.0.0.1:1\", \"sdk_app_id\": 1}", &client), TIM_ERR_UNSUPPORTED);
    if (client != 0) return fprintf(stderr, "an output was written on failure\n"), 1;
    EXPECT(create("{\"server\": \"tim://127.0.0.1:1\", \"sdk_app_id\": 1}", &client), TIM_OK);
    EXPECT(destroy(client, 20000), TIM_OK);
    return 0;
}
