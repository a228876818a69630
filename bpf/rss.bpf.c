// SPDX-License-Identifier: (GPL-2.0-only OR BSD-3-Clause)
/*
 * Physical memory. The kernel announces each change of a process's page counters
 * (kmem:rss_stat); growth is added up, and the thread whose page made a batch full
 * is walked: its line is charged with the batch. That is a part in 2048 of what the process has grown
 * by so far, and more for one that gives back and takes again all the time, so that it pays little. Of a whole machine the least batch is
 * larger, and a new process begins somewhere in its first one, so that what many alike grow by is charged without a bias.
 *
 * The counters are per-CPU since 6.2, so what is read here lags by up to 32 pages
 * per CPU, and catches up: no page is lost or counted twice.
 */
#include "stack.h"

__u32 rss_batch_pages = 32; /* the least; a power of two */
/* A batch as a part, in powers of two, of all growth. Userspace has both coarser where samples are few. */
__u32 rss_grown_shift = 11;
#define PAGES_BATCH_MAX 1024
#define SWAP_ENTRIES 2
/* The same, of what was given back of it. */
#define TURNED_OVER_SHIFT 7

/*
 * What this CPU saw last: nearly all events change nothing yet, and must cost next to nothing. Good for one
 * epoch, so that neither a new process whose mm lies where another's did, nor a new target, is mistaken for it.
 */
extern __u64 rss_epoch; /* process.bpf.c */
struct rss_look {
	u64 mm;
	u64 epoch;
	s64 pages[4];
};
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, u32);
	__type(value, struct rss_look);
} rss_looks SEC(".maps");

static __always_inline s64 mm_pages(struct mm_struct *mm, u32 member)
{
	const struct mm_struct___old *old;
	s64 pages = 0;

	/* a question about the type's mere existence would make libbpf search all modules, which needs more privileges */
	if (bpf_core_field_exists(((struct mm_struct___old *)0)->rss_stat.count)) {
		old = (const void *)mm;
		bpf_probe_read_kernel(&pages, sizeof(pages), &old->rss_stat.count[member & 3]);
		return pages;
	}
	/* constant offsets, so that these are plain loads */
	switch (member) {
	case 0:
		return mm->rss_stat[0].count;
	case 1:
		return mm->rss_stat[1].count;
	case 3:
		return mm->rss_stat[3].count;
	}
	return 0;
}

static __always_inline s64 batch_of(const struct proc_state *p)
{
	s64 turned_over = p->rss_shrunk < p->rss_grown ? p->rss_shrunk : p->rss_grown;
	s64 batch = p->rss_grown >> (rss_grown_shift & 63);

	if (batch < turned_over >> TURNED_OVER_SHIFT)
		batch = turned_over >> TURNED_OVER_SHIFT;
	return batch < rss_batch_pages ? rss_batch_pages : batch > PAGES_BATCH_MAX ? PAGES_BATCH_MAX : batch;
}

static __always_inline void look_note(struct rss_look *look, u64 mm, u32 which, s64 pages)
{
	if (look->mm != mm || look->epoch != rss_epoch) {
		look->mm = mm;
		look->epoch = rss_epoch;
		for (int i = 0; i < 4; i++)
			look->pages[i] = -1;
	}
	look->pages[which] = pages;
}

SEC("tp_btf/rss_stat")
int BPF_PROG(on_rss_stat, struct mm_struct *mm, int member)
{
	struct task_struct *task;
	struct thread_state *t;
	struct proc_state *p;
	s64 pages, grown;
	u32 which, zero = 0;
	struct rss_look *look = bpf_map_lookup_elem(&rss_looks, &zero);
	struct walk *w;
	u16 why;

	if (!look || member < 0 || member > 3 || member == SWAP_ENTRIES)
		return 0;
	/* the compiler knows the range already and would drop the mask that the verifier needs */
	which = member;
	barrier_var(which);
	which &= 3;
	pages = mm_pages(mm, which);
	if (pages < 0)
		pages = 0;
	if (look->pages[which] == pages && look->mm == (u64)mm && look->epoch == rss_epoch)
		return 0;
	task = bpf_get_current_task_btf();
	if (task->mm != mm)
		return 0;
	look_note(look, (u64)mm, which, pages);
	t = bpf_task_storage_get(&threads, task, 0, 0);
	p = t ? proc_of(task) : 0;
	if (!p || !p->space)
		return 0;
	if (!(p->rss_known & (1 << which))) {
		/* a forked child starts with what its parent had */
		p->rss_known |= 1 << which;
		p->rss_last[which] = pages;
		return 0;
	}
	grown = pages - p->rss_last[which];
	if (!grown)
		return 0;
	p->rss_last[which] = pages;
	if (grown < 0) {
		p->rss_shrunk -= grown;
		return 0;
	}
	p->rss_pending += grown;
	p->rss_grown += grown;
	if (p->rss_pending < batch_of(p))
		return 0;
	w = stack_walk(SCRATCH_RSS, EVENT_RSS, task, p, t, (u64)p->rss_pending << 12, &why);
	if (!w)
		return 0;
	p->rss_pending = 0;
	stack_send(w, why);
	scratch_return(w);
	return 0;
}
