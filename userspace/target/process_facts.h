/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Who a process is, read from /proc while it is there, or from what the kernel told of it.
 */
#ifndef FIXINGAHOLE_PROCESS_FACTS_H
#define FIXINGAHOLE_PROCESS_FACTS_H

#include <linux/types.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "bpf/events.h"

#define FACTS_TEXT_MAX 256

struct process_facts_text {
	uint32_t uid;
	char user[64];
	char name[64];
	char command[FACTS_TEXT_MAX];
	char cgroup[FACTS_TEXT_MAX];
	char container[128]; /* empty: none */
};

/* 0, -ESRCH: it is gone, or -errno. Texts are made valid UTF-8, without control characters. python: its command line is an interpreter's. */
int process_facts(pid_t pid, bool python, struct process_facts_text *out);

/* The same, but for cgroup and container, as an exec's record tells it: without EXEC_TOLD, as far as it goes. */
void process_facts_told(const struct event_exec *event, bool python, struct process_facts_text *out);

/* The name of a container, pod or service that a cgroup's path stands for: Docker, containerd, CRI-O, podman, systemd. False: none. */
bool cgroup_container(const char *cgroup, char *out, size_t size);

#endif
