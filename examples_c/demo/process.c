#include "process.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

int64_t monotonic_us(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

int process_start(Process *process, char *const *arguments, const char *log) {
    int input[2], output[2];
    pid_t parent = getpid();
    memset(process, 0, sizeof *process);
    if (pipe2(input, O_CLOEXEC) != 0) return errno;
    if (pipe2(output, O_CLOEXEC) != 0) return errno;
    pid_t pid = fork();
    if (pid < 0) return errno;
    if (pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        if (getppid() != parent) _exit(127);
        dup2(input[0], 0);
        dup2(output[1], 1);
        if (log != NULL) {
            int fd = open(log, O_WRONLY | O_CREAT | O_APPEND, 0600);
            if (fd < 0) _exit(127);
            dup2(fd, 2);
        }
        execv(arguments[0], arguments);
        fprintf(stderr, "%s: %s\n", arguments[0], strerror(errno));
        _exit(127);
    }
    close(input[0]);
    close(output[1]);
    process->pid = pid;
    process->to = input[1];
    process->from = output[0];
    return 0;
}

int process_read_line(Process *process, int timeout_ms, char *line, size_t capacity) {
    int64_t deadline = monotonic_us() + (int64_t)timeout_ms * 1000;
    for (;;) {
        char *end = memchr(process->buffer, '\n', process->buffer_bytes);
        if (end != NULL) {
            snprintf(line, capacity, "%.*s", (int)(end - process->buffer), process->buffer);
            process->buffer_bytes -= (size_t)(end + 1 - process->buffer);
            memmove(process->buffer, end + 1, process->buffer_bytes);
            return 1;
        }
        if (process->buffer_bytes == sizeof process->buffer) return -1;
        struct pollfd readable = {process->from, POLLIN, 0};
        int64_t left_ms = (deadline - monotonic_us()) / 1000;
        if (left_ms <= 0 || poll(&readable, 1, (int)left_ms) == 0) return -1;
        ssize_t count = read(process->from, process->buffer + process->buffer_bytes, sizeof process->buffer - process->buffer_bytes);
        if (count <= 0) return 0;
        process->buffer_bytes += (size_t)count;
    }
}

int process_await_end(Process *process, int timeout_ms, int *wait_status) {
    int64_t deadline = monotonic_us() + (int64_t)timeout_ms * 1000;
    struct timespec between_looks = {0, 2000000};
    for (;;) {
        if (waitpid(process->pid, wait_status, WNOHANG) == process->pid) {
            process->pid = 0;
            return 1;
        }
        if (monotonic_us() > deadline) return 0;
        nanosleep(&between_looks, NULL);
    }
}
