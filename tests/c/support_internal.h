/* What the parts of the support library share with each other and not with the tests. */
#ifndef SUPPORT_INTERNAL_H
#define SUPPORT_INTERNAL_H

#include "support.h"

/* Prints what the servers of this process logged. */
void server_show_logs(void);
/* Ends the servers that a case left running and removes their directories. */
void server_remove_all(void);
/* The main program of a peer. */
int peer_main(int argument_count, char **arguments);
/* A pause of two milliseconds between two looks at something that cannot be awaited otherwise (a file, a process). */
void nap(void);

/* Starts a process that must start; its standard error goes to `log` (NULL: ours). */
void start(Process *process, char *const *arguments, const char *log);
/* Reads a line within DEADLINE_MS; 0 at the end of the stream. */
int read_line(Process *process, char *line, size_t capacity);
/* Awaits its end; its wait status. */
int await_end(Process *process);

#endif
