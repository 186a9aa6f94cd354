/* Child processes whose standard output is read line by line. Used by the demo and by the tests. */
#ifndef PROCESS_H
#define PROCESS_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

typedef struct Process {
    pid_t pid; /* 0: not running */
    int to;    /* its standard input */
    int from;  /* its standard output */
    char buffer[4096];
    size_t buffer_bytes; /* read from it and not yet a line */
} Process;

/* Starts `arguments[0]`. Its standard error is appended to the file `log`, or is ours if that is NULL. It is killed when we die.
 * 0, or an errno. */
int process_start(Process *process, char *const *arguments, const char *log);

/* Reads one line without its end. 1: here it is; 0: the stream ended; -1: none came within timeout_ms, or it is too long. */
int process_read_line(Process *process, int timeout_ms, char *line, size_t capacity);

/* Awaits the end of the process, which something else must have caused. 1: its wait status is stored; 0: it goes on after timeout_ms. */
int process_await_end(Process *process, int timeout_ms, int *wait_status);

/* Monotonic time in microseconds, the same clock in every process. */
int64_t monotonic_us(void);

#endif
