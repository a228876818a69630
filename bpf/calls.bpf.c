// SPDX-License-Identifier: (GPL-2.0-only OR BSD-3-Clause)
/*
 * Counts the calls of Python functions in processes that ran before us, by a probe in the interpreter (calls_source.h).
 *
 * At the probe's place the thread holds the interpreter's lock and is about to run the frame: the frame, its code object and
 * that of its caller stand still. Who calls is in the frame up to 3.10, which links it when it makes it; later ones link it only behind
 * our place, so that the thread's current frame still is the caller.
 *
 * Counters are for code objects by address and content (py_code_fingerprint), for addresses are used again. To read the content of
 * two of them at each call would be most of the cost; a thread remembers those of the functions that it called, which call the next ones.
 */
#include "heap_record.h"
#include "calls_source.h"

/* Calls of a thread before they are added to its process's costs; the last one of these is timed. */
#define FLUSH_CALLS 64
#define KNOWN_SLOTS 64
#define FRAME_BYTES_PACKED 80
#define FRAME_BYTES 112
/* Shims between a frame and its caller's. */
#define SHIMS_MAX 3
#define OWNED_BY_GENERATOR 1
/* From 3.11 on. */
#define CODE_FLAGS 48
#define CODE_MAKES_GENERATOR (0x20 | 0x80 | 0x200) /* generators, coroutines, both */

struct calls_known {
	u64 code;
	u32 fingerprint;
	u32 pad;
};

struct calls_thread {
	struct calls_key key;
	struct calls_cost cost; /* not in the process's yet */
	u64 frame[16];          /* bytes of the frame read last */
	u64 code_bytes[PY_CODE_WINDOW_SIZE / 8];
	u64 caller_frame;
	u32 space;              /* of .known */
	u32 pad;
	struct calls_known known[KNOWN_SLOTS];
};

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 4096);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, u32); /* pid */
	__type(value, struct calls_control);
} calls_controls __weak SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 4096);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, u32); /* pid */
	__type(value, struct calls_cost);
} calls_costs __weak SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, CALLS_COUNTS_MAX);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, struct calls_key);
	__type(value, struct calls_count);
} calls_counts __weak SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_TASK_STORAGE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, int);
	__type(value, struct calls_thread);
} calls_threads __weak SEC(".maps");

#define READ_U64(t, offset) WALK_U64((t)->frame, offset)

static __always_inline const struct py_layout *layout_of(struct proc_state *p, struct task_struct *task)
{
	u32 index;

	if (proc_learn(p))
		return 0;
	index = p->python.layout - 1;
	return bpf_map_lookup_elem(&layouts, &index);
}

static __always_inline bool is_packed(const struct py_layout *l)
{
	return l->version >= 0x030b;
}

static __always_inline int read_frame(struct calls_thread *t, const struct py_layout *l, u64 frame)
{
	return READ_USER(t->frame, is_packed(l) ? FRAME_BYTES_PACKED : FRAME_BYTES, frame) ? -1 : 0;
}

/* Of the frame read last; 0: it is none of Python's. */
static __always_inline u64 code_of(struct calls_thread *t, const struct py_layout *l)
{
	u64 code = READ_U64(t, l->frame_code);

	if (l->frame_owner && WALK_U8(t->frame, l->frame_owner) >= l->owner_shim_min)
		return 0;
	if (l->flags & PY_TAGGED)
		return (code & 3) == 3 ? 0 : code & ~3ULL;
	return code;
}

/* What the code object at an address is now, and its bytes into t->code_bytes. 0: it cannot be read. */
__attribute__((noinline)) u32 calls_fingerprint(struct calls_thread *t, const struct py_layout *l, u64 code)
{
	struct py_code_identity id = {};
	struct calls_known *known;

	if (!t || !l || READ_USER(t->code_bytes, PY_CODE_WINDOW_SIZE, code + PY_CODE_WINDOW_START))
		return 0;
	walk_identity(l, t->code_bytes, &id);
	known = &t->known[code >> 5 & (KNOWN_SLOTS - 1)];
	known->code = code;
	known->fingerprint = py_code_fingerprint(&id);
	return known->fingerprint;
}

/* The names of two frames' functions, if they are met for the first time. Where it cannot be done, userspace reads them itself. */
__attribute__((noinline)) int calls_name(u64 frame, u64 caller)
{
	struct task_struct *task = bpf_get_current_task_btf();
	struct thread_state *thread;
	struct proc_state *p = target_proc(task, &thread);
	const struct py_layout *layout = p ? layout_of(p, task) : 0;
	struct walk *w;

	if (!layout)
		return 0;
	w = scratch_take(SCRATCH_CALLS);
	if (!w)
		return 0;
	stack_head(w, EVENT_CODE, task, p, bpf_ktime_get_ns());
	w->layout = *layout;
	w->n_frames = 0;
	w->entry_pending = 0;
	w->window_size = 0;
	w->frame = frame;
	walk_step(w);
	if (caller) {
		w->n_frames = 0;
		w->frame = caller;
		walk_step(w);
	}
	scratch_return(w);
	return 0;
}

/* The thread's current frame. 0: it cannot be found. */
__attribute__((noinline)) u64 calls_current(u32 unused)
{
	struct task_struct *task = bpf_get_current_task_btf();
	struct thread_state *thread;
	struct proc_state *p = target_proc(task, &thread);
	struct walk *w = p ? scratch_take(SCRATCH_CALLS) : 0;
	u64 frame = 0;

	if (!w)
		return 0;
	stack_head(w, EVENT_CODE, task, p, bpf_ktime_get_ns());
	/* it runs Python code, so it has a thread state by now, however often none was found before */
	thread->cache.next_scan_ns = 0;
	if (!stack_begin(w, p, thread))
		frame = w->frame;
	scratch_return(w);
	return frame;
}

/* The frame that runs when the evaluation of another one begins, from 3.11 on. */
static __always_inline u64 running_frame(const struct py_layout *l, u64 tstate)
{
	u64 frame = 0;

	if (READ_USER(&frame, sizeof(frame), tstate + l->tstate_frame) || !frame)
		return 0;
	if ((l->flags & PY_CFRAME) && READ_USER(&frame, sizeof(frame), frame + l->cframe_frame))
		return 0;
	return frame;
}

/* Who calls, into t->key and t->caller_frame; frame: of the caller, or a shim before it. */
__attribute__((noinline)) int calls_caller(struct calls_thread *t, const struct py_layout *l, u64 frame)
{
	struct calls_known *known;
	u64 code = 0;

	if (!t || !l)
		return 0;
	t->key.caller = 0;
	t->key.caller_fingerprint = 0;
	t->caller_frame = 0;
	if (!is_packed(l)) {
		if (!frame || READ_USER(&code, sizeof(code), frame + l->frame_code) || !code)
			return 0;
		/* every function was entered under our eyes, or at worst runs since before */
		known = &t->known[code >> 5 & (KNOWN_SLOTS - 1)];
		t->key.caller_fingerprint = known->code == code ? known->fingerprint : calls_fingerprint(t, l, code);
	} else {
		for (int i = 0; i < SHIMS_MAX && !code; i++) {
			if (!frame || read_frame(t, l, frame))
				return 0;
			code = code_of(t, l);
			t->caller_frame = frame;
			frame = READ_U64(t, l->frame_prev);
		}
		if (code)
			t->key.caller_fingerprint = calls_fingerprint(t, l, code);
	}
	if (!t->key.caller_fingerprint)
		return 0;
	t->key.caller = code;
	if (!is_packed(l))
		t->caller_frame = frame;
	return 0;
}

enum entry { ENTRY_NONE, ENTRY_CALL, ENTRY_RESUMPTION };

/* Of the frame read last, and its code object's bytes. */
static __always_inline enum entry kind_of(struct calls_thread *t, const struct py_layout *l, const struct calls_control *c, bool thrown)
{
	u64 last;
	u8 opcode = 0;

	if (!is_packed(l))
		return (s32)WALK_U32(t->frame, l->frame_instr) >= 0 ? ENTRY_RESUMPTION : thrown ? ENTRY_NONE : ENTRY_CALL;
	if (!(WALK_U32(t->code_bytes, CODE_FLAGS - PY_CODE_WINDOW_START) & CODE_MAKES_GENERATOR))
		return thrown ? ENTRY_NONE : ENTRY_CALL;
	/* the call that makes a generator runs its code up to there; it is called when it is first asked for something */
	if (WALK_U8(t->frame, l->frame_owner) != OWNED_BY_GENERATOR)
		return ENTRY_NONE;
	last = READ_U64(t, l->frame_instr);
	if (l->version >= 0x030d)
		last -= 2; /* it has the next one */
	if (READ_USER(&opcode, sizeof(opcode), last))
		return ENTRY_NONE;
	return opcode != c->return_generator ? ENTRY_RESUMPTION : thrown ? ENTRY_NONE : ENTRY_CALL;
}

/* 0, or -1: it is lost. */
static __always_inline int count(struct calls_thread *t, const struct py_layout *l, const struct calls_control *c, u64 tstate, u64 frame, bool thrown)
{
	u64 scale = c->end_ns ? c->scale_q16 : CALLS_SCALE_ONE, code, above;
	struct calls_count fresh = {}, *n;
	enum entry kind;

	if (read_frame(t, l, frame))
		return -1;
	code = code_of(t, l);
	if (!code)
		return 0;
	above = READ_U64(t, l->frame_prev);
	t->key.code = code;
	t->key.fingerprint = calls_fingerprint(t, l, code);
	if (!t->key.fingerprint)
		return -1;
	kind = kind_of(t, l, c, thrown);
	if (kind == ENTRY_NONE)
		return 0;
	if (tstate && is_packed(l))
		above = running_frame(l, tstate);
	calls_caller(t, l, above);
	n = bpf_map_lookup_elem(&calls_counts, &t->key);
	if (!n) {
		bpf_map_update_elem(&calls_counts, &t->key, &fresh, BPF_NOEXIST);
		n = bpf_map_lookup_elem(&calls_counts, &t->key);
		if (!n)
			return -1;
		calls_name(frame, t->caller_frame);
	}
	__sync_fetch_and_add(kind == ENTRY_CALL ? &n->calls : &n->resumptions, scale);
	return 0;
}

/* A thread's costs go into its process's. */
__attribute__((noinline)) int calls_flush(struct calls_thread *t, u32 pid)
{
	struct calls_cost *cost = bpf_map_lookup_elem(&calls_costs, &pid);

	if (!t || !cost)
		return 0;
	__sync_fetch_and_add(&cost->calls, t->cost.calls);
	__sync_fetch_and_add(&cost->stepped, t->cost.stepped);
	__sync_fetch_and_add(&cost->work_ns, t->cost.work_ns);
	__sync_fetch_and_add(&cost->lost, t->cost.lost);
	t->cost.calls = t->cost.stepped = t->cost.work_ns = t->cost.lost = 0;
	return 0;
}

static __always_inline void enter(struct pt_regs *ctx, u64 cookie)
{
	struct task_struct *task = bpf_get_current_task_btf();
	u32 place = cookie & CALLS_PLACE_MASK, pid;
	u64 frame = 0, tstate = 0, begin_ns = 0;
	const struct py_layout *layout;
	struct calls_control *c;
	struct thread_state *thread;
	struct calls_thread *t;
	struct proc_state *p;
	bool thrown = false;

	if (place == CALLS_PLACE_OTHER || place > CALLS_PLACE_CURRENT)
		return;
	pid = pid_of(task);
	c = bpf_map_lookup_elem(&calls_controls, &pid);
	p = c ? target_proc(task, &thread) : 0;
	if (!p)
		return;
	t = bpf_task_storage_get(&calls_threads, task, 0, BPF_LOCAL_STORAGE_GET_F_CREATE);
	layout = layout_of(p, task);
	if (!t || !layout)
		return;
	t->cost.calls++;
	t->cost.stepped += !!(cookie & CALLS_PLACE_STEPPED);
	if (t->cost.calls >= FLUSH_CALLS || c->end_ns)
		begin_ns = bpf_ktime_get_ns();
	if (!c->end_ns || (begin_ns >= c->begin_ns && begin_ns < c->end_ns)) {
		if (t->space != p->space) {
			__builtin_memset(t->known, 0, sizeof(t->known));
			t->space = p->space;
		}
		t->key.space = p->space;
		if (place == CALLS_PLACE_FRAME) {
			frame = ctx->di;
			thrown = (u32)ctx->si != 0;
		} else if (place == CALLS_PLACE_THREAD_FRAME) {
			tstate = ctx->di;
			frame = ctx->si;
			thrown = (u32)ctx->dx != 0;
		} else {
			frame = calls_current(0);
		}
		if (!frame || count(t, layout, c, tstate, frame, thrown))
			t->cost.lost++;
	}
	if (t->cost.calls >= FLUSH_CALLS)
		t->cost.work_ns += (bpf_ktime_get_ns() - begin_ns) * FLUSH_CALLS;
	if (t->cost.calls >= FLUSH_CALLS || t->cost.lost)
		calls_flush(t, pid);
}

SEC("uprobe")
int calls_enter(struct pt_regs *ctx)
{
	enter(ctx, bpf_get_attach_cookie(ctx));
	return 0;
}

/* A session, to measure with what a probe costs: nothing else gets it (userspace/capture/probe_set.h). */
SEC("uprobe")
int calls_call(struct pt_regs *ctx)
{
	return 1;
}

/* What a thread has not added yet. */
SEC("tp_btf/sched_process_exit")
int BPF_PROG(calls_exit, struct task_struct *task)
{
	struct calls_thread *t = bpf_task_storage_get(&calls_threads, task, 0, 0);

	if (t)
		calls_flush(t, pid_of(task));
	return 0;
}
