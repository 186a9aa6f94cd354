/* What the library holds of this process, its results, and a real server to talk to. */
#include <dirent.h>
#include <malloc.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "bench.h"

/* ---- this process ---- */

static double count_entries(const char *path) {
    DIR *directory = opendir(path);
    CHECK(directory != NULL);
    double count = 0;
    for (struct dirent *entry; (entry = readdir(directory)) != NULL;) count += entry->d_name[0] != '.';
    closedir(directory);
    return count;
}

Footprint footprint_now(void) {
    Footprint now = {.threads = count_entries("/proc/self/task"), .fds = count_entries("/proc/self/fd") - 1};
    FILE *file = fopen("/proc/self/smaps_rollup", "r");
    CHECK(file != NULL);
    char line[256];
    long kib;
    while (fgets(line, sizeof line, file) != NULL)
        if (sscanf(line, "Rss: %ld", &kib) == 1) now.rss_bytes = (double)kib * 1024;
    fclose(file);
    CHECK(now.rss_bytes > 0);
    struct mallinfo2 heap = mallinfo2();
    now.heap_bytes = (double)(heap.uordblks + heap.hblkhd);
    return now;
}

/* 0 if there is none of that name: the runtime's thread is another one after the last client's end. */
static pid_t find(NamedThread *thread) {
    char path[300], name[32] = "";
    DIR *tasks = NULL;
    for (pid_t candidate = thread->known;;) {
        snprintf(path, sizeof path, "/proc/self/task/%d/comm", (int)candidate);
        FILE *file = candidate == 0 ? NULL : fopen(path, "r");
        int found = file != NULL && fgets(name, sizeof name, file) != NULL;
        if (file != NULL) fclose(file);
        name[strcspn(name, "\n")] = '\0';
        found = found && strcmp(name, thread->name) == 0;
        if (tasks == NULL && !found) tasks = opendir("/proc/self/task");
        struct dirent *entry = found || tasks == NULL ? NULL : readdir(tasks);
        if (entry == NULL) {
            if (tasks != NULL) closedir(tasks);
            return thread->known = found ? candidate : 0;
        }
        candidate = (pid_t)atoi(entry->d_name);
    }
}

void await_asleep(NamedThread *thread) {
    double deadline = now_ns() + DEADLINE_S * 1e9;
    /* Three looks in a row, so that a nap between two turns does not count. */
    for (int asleep = 0; asleep < 3;) {
        char path[64], line[512] = "";
        snprintf(path, sizeof path, "/proc/self/task/%d/stat", (int)find(thread));
        FILE *file = fopen(path, "r");
        char *end = file == NULL || fgets(line, sizeof line, file) == NULL ? NULL : strrchr(line, ')');
        if (file != NULL) fclose(file);
        asleep = end != NULL && end[1] == ' ' && end[2] == 'S' ? asleep + 1 : 0;
        if (now_ns() > deadline) FAIL("thread %s does not come to rest", thread->name);
        pause_us(200);
    }
}

NamedThread runtime_thread = {.name = "tim-runtime"};

double named_cpu_ns(NamedThread *thread) {
    struct timespec spent;
    /* How Linux numbers the CPU clock of a thread of this process (pthread_getcpuclockid does the same). */
    clockid_t clock = (clockid_t)(~(unsigned)find(thread) << 3 | 6);
    if (clock_gettime(clock, &spent) != 0) FAIL("the system does not say what thread %s has spent", thread->name);
    return (double)spent.tv_sec * 1e9 + (double)spent.tv_nsec;
}

/* ---- results ---- */

void on_counted_result(const TimResult *result, void *user_data) {
    Pending *pending = user_data;
    if (result->code != pending->code_expected) FAIL("a result is %d: %s", result->code, result->message);
    atomic_fetch_sub(&pending->left, 1);
}

void await_all(Pending *pending) {
    double deadline = now_ns() + DEADLINE_S * 1e9;
    while (atomic_load(&pending->left) > 0) {
        if (now_ns() > deadline) FAIL("%ld results did not come", atomic_load(&pending->left));
        pause_us(100);
    }
}

/* ---- a real server ---- */

void user_name(size_t index, char name[16]) { snprintf(name, 16, "user%05u", (unsigned)index % 100000); }

static void write_all(int fd, const void *bytes, size_t length) {
    for (size_t done = 0; done < length;) {
        ssize_t count = write(fd, (const char *)bytes + done, length - done);
        CHECK(count > 0);
        done += (size_t)count;
    }
}

static void read_all(int fd, void *bytes, size_t length) {
    for (size_t done = 0; done < length;) {
        ssize_t count = read(fd, (char *)bytes + done, length - done);
        if (count <= 0) FAIL("a process of this bench ended early");
        done += (size_t)count;
    }
}

/* The server's process: says where it listens and who may log in, then serves until told to end. */
static void be_server(size_t users, int to_parent, int from_parent) {
    TimServer server = 0;
    char address[64] = "", user_sig[512], name[16], end;
    ACCEPTED(timServerStart("{\"sdk_app_id\": 1400000001}", &server));
    ACCEPTED(timServerAddress(server, address, sizeof address, NULL));
    write_all(to_parent, address, sizeof address);
    for (size_t i = 0; i < users; i++) {
        user_name(i, name);
        memset(user_sig, 0, sizeof user_sig);
        ACCEPTED(timServerIssueUserSig(server, name, 86400, user_sig, sizeof user_sig, NULL));
        write_all(to_parent, user_sig, sizeof user_sig);
    }
    while (read(from_parent, &end, 1) > 0) {}
    ACCEPTED(timServerStop(server, DEADLINE_S * 1000));
}

Served serve(size_t users) {
    Served served = {.user_sigs = malloc(users * sizeof *served.user_sigs)};
    int told[2], kept[2];
    CHECK(served.user_sigs != NULL && pipe(told) == 0 && pipe(kept) == 0);
    fflush(stdout);
    served.pid = fork();
    CHECK(served.pid >= 0);
    if (served.pid == 0) {
        close(told[0]);
        close(kept[1]);
        be_server(users, told[1], kept[0]);
        _exit(0);
    }
    close(told[1]);
    close(kept[0]);
    read_all(told[0], served.address, sizeof served.address);
    read_all(told[0], served.user_sigs, users * sizeof *served.user_sigs);
    close(told[0]);
    served.keep_alive = kept[1];
    return served;
}

void served_stop(Served *served) {
    int status;
    close(served->keep_alive);
    CHECK(waitpid(served->pid, &status, 0) == served->pid && status == 0);
    free(served->user_sigs);
}

TimClient client_at(const char *address, const char *more) {
    TimClient client = 0;
    char options[256];
    snprintf(options, sizeof options, "{\"server\": \"%s\", \"sdk_app_id\": %d%s}", address, APP_ID, more);
    ACCEPTED(timClientCreate(options, &client));
    return client;
}
