// SPDX-License-Identifier: Apache-2.0
#include "capture/adopt.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "util/cleanup.h"

#include "fixingahole.skel.h"

/* Threads told of in one read. */
#define THREADS_AT_ONCE 128

int adopt_mark(struct fixingahole_bpf *s, int pidfd, uint32_t *space)
{
	_cleanup_free_ void *value = calloc(1, bpf_map__value_size(s->maps.procs));
	struct proc_mark mark = { .attach_space = __sync_add_and_fetch(&s->bss->last_space, 1) };
	int err;

	if (!value)
		return -ENOMEM;
	memcpy(value, &mark, sizeof(mark));
	/* one that was marked before, or that a target has forked, stays as it is */
	err = bpf_map_update_elem(bpf_map__fd(s->maps.procs), &pidfd, value, BPF_NOEXIST);
	if (!err)
		*space = mark.attach_space;
	return err;
}

/* All that the iterator has to tell. */
static int read_all(int fd, thread_sink sink, void *context)
{
	struct attach_thread threads[THREADS_AT_ONCE];
	size_t held = 0;

	for (;;) {
		ssize_t n = read(fd, (char *)threads + held, sizeof(threads) - held);
		size_t whole;

		if (n < 0 && (errno == EINTR || errno == EAGAIN))
			continue;
		if (n < 0)
			return -errno;
		if (!n)
			return 0;
		held += n;
		whole = held / sizeof(*threads);
		for (size_t i = 0; sink && i < whole; i++)
			sink(context, &threads[i]);
		held -= whole * sizeof(*threads);
		memmove(threads, threads + whole, held);
	}
}

int adopt_step(struct fixingahole_bpf *s, enum attach_step step, thread_sink sink, void *context)
{
	_cleanup_close_ int fd = -1;

	if (!s->links.attach_tasks) {
		s->links.attach_tasks = bpf_program__attach_iter(s->progs.attach_tasks, NULL);
		if (!s->links.attach_tasks)
			return -errno;
	}
	fd = bpf_iter_create(bpf_link__fd(s->links.attach_tasks));
	if (fd < 0)
		return -errno;
	__atomic_store_n(&s->bss->attach_step, step, __ATOMIC_SEQ_CST);
	return read_all(fd, sink, context);
}

int adopt_place(struct fixingahole_bpf *s, const struct attach_thread *thread, uint64_t stack_id)
{
	struct attach_place place = { .run_ns = thread->run_ns, .stack_id = stack_id };

	return bpf_map_update_elem(bpf_map__fd(s->maps.places), &thread->tid, &place, BPF_ANY);
}
