/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Uprobes on functions of one library, in whatever process has it: those of the preload library that tell of the heap.
 *
 * From Linux 6.6 on each is a link of its own kind, for which CAP_BPF and CAP_PERFMON are enough; before, a perf event,
 * for which the kernel wants CAP_SYS_ADMIN.
 */
#ifndef FIXINGAHOLE_LIBRARY_PROBES_H
#define FIXINGAHOLE_LIBRARY_PROBES_H

#include <bpf/libbpf.h>

#define LIBRARY_PROBES_MAX 8

struct library_probe {
	struct bpf_program *program;
	const char *function;
};

struct library_probes {
	int fds[LIBRARY_PROBES_MAX];
	struct bpf_link *links[LIBRARY_PROBES_MAX];
	unsigned int n_fds, n_links;
};

/* The program's type of attachment; before it is loaded. */
void library_probe_prepare(struct bpf_program *program);
/* 0 or -errno; -ENOENT: it has no such function. Release in any case. */
int library_probes__attach(struct library_probes *probes, const char *library, const struct library_probe *list, unsigned int n);
void library_probes__release(struct library_probes *probes);

#endif
