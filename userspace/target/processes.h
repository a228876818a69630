/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which processes there are, by /proc: to attach to some of them.
 */
#ifndef FIXINGAHOLE_PROCESSES_H
#define FIXINGAHOLE_PROCESSES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct process_stat {
	pid_t pid, parent;
	char state;           /* 'R', 'S', 'Z' … of the main thread */
	bool kernel;          /* a thread of the kernel's own */
	char name[64];        /* comm */
	uint64_t utime_ns, stime_ns;
	uint64_t start_ns;    /* CLOCK_BOOTTIME */
};

/* 0, -ESRCH: no such process, or -errno. A thread's id that is no process's is taken, too. */
int process_stat(pid_t pid, struct process_stat *out);
/* Bytes of a line of /proc/PID/status such as "VmRSS"; 0: not there. */
uint64_t process_status_bytes(pid_t pid, const char *key);

/* Ascending in order of discovery; no pid twice. */
struct pid_list { pid_t *pids; size_t n, capacity; };
int pid_list_add(struct pid_list *list, pid_t pid); /* 1: added; 0: it was there; -ENOMEM */
void pid_list_release(struct pid_list *list);

/* Appends the ids of a process's threads. -ESRCH: it is gone. */
int process_threads(pid_t pid, struct pid_list *list);
/*
 * May all users' processes be looked at? A program that was given capabilities by its file (setcap) has them whoever runs it, so it looks at its
 * caller's own only; root, and who was given them himself (a service manager's ambient ones), may look at all.
 */
bool process_all_allowed(void);
/* CPU time of all of the machine since its start, idle time left out; 0: not known. */
uint64_t machine_cpu_ns(void);
/* Appends every process that is no thread of the kernel's, but us. */
int processes_all(struct pid_list *list);
/* Appends all children, their children and so on, of the processes of the list. */
int processes_add_descendants(struct pid_list *list);

/* Can, and may, this process be attached to? 0, or -errno and one line in problem. */
int process_check(pid_t pid, char problem[512]);

/*
 * Processes whose name, or the base name of whose script, or whose module matches a shell pattern; and those of a
 * cgroup and the ones below it, a path from the cgroup file system's top or /sys/fs/cgroup. We ourselves, threads of the kernel and processes that
 * may not be attached to are left out. -ENOENT and one line in problem: there are none.
 */
int processes_by_name(const char *pattern, struct pid_list *list, char problem[512]);
int processes_by_cgroup(const char *path, struct pid_list *list, char problem[512]);

#endif
