/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a process was called with: which script, module or command a python runs, by /proc/PID/cmdline.
 */
#ifndef FIXINGAHOLE_PROCESS_COMMAND_H
#define FIXINGAHOLE_PROCESS_COMMAND_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

struct process_command {
	char *text;          /* owned; what the others point into */
	const char *program; /* argv[0]; NULL: the process has wiped it */
	const char *script;  /* as given; NULL: a module, a command, or not a python */
	const char *module;
	bool commanded;      /* a python with neither: its code comes with -c or through its standard input */
	const char *code;    /* what follows -c */
	const char **args;   /* owned; the script's own */
	size_t n_args;
};

/* 0 or -errno; -ESRCH: it is gone. Release after success. */
int process_command__read(struct process_command *command, pid_t pid);
/* The same of words that lie one behind the other, each with its NUL. Takes text. */
int process_command__parse(struct process_command *command, char *text, size_t size);
void process_command__release(struct process_command *command);

#endif
