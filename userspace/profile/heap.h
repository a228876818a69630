/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The heap while records come in: which sampled blocks live, and what each place holds, held, and held at the peak.
 *
 * WEIGHTS. A sampled block stands for a stride's bytes: that is right for what was allocated, and for what is held once the thread
 * has gone on by a stride. But a loop that makes and frees one block again and again never held a stride, which may be many MB while a program
 * allocates fast. So a block that stands for more than itself and for more than HEAP_LIVE_AT_ONCE counts as live with its own size only, until its
 * thread has sent two more samples of its line of strides; from then on with its weight. What is left out meanwhile is at most the last
 * two strides of each line. When the program comes to its end, what lives counts with its weight: at a moment that has nothing to do with
 * the samples that is without a bias, of such a loop, too.
 *
 * ACCOUNTS. A place that memory is charged to is an account: a line, a function, and two that always exist, the
 * whole and what no reported line is charged with. A record is charged to the whole, to its line (or HEAP_OUTSIDE) and to its
 * function (or none), so the lines and HEAP_OUTSIDE add up to the whole at any moment. A call stack has a
 * smaller account (struct heap_hold). An account's number stays valid; a pointer to it only until the next one is made.
 *
 * AT PEAK. What each account held when the footprint was highest is not copied at every new maximum, of which there are
 * millions: a new maximum only counts up heap.maxima. An account that is about to change sees that the count has moved
 * since it was last touched, and that what it still holds is what it held at the latest maximum.
 *
 * FOOTPRINT. The sum over all processes of what they asked for. A forked child has what its parent had, without having
 * asked for it: such a block counts once, for the place that allocated it, until the last process that has it has freed it or
 * ended. Exec and the end of a process let go of all its blocks; they count as held to the end.
 *
 * ERRORS. Of a stride of S bytes, a place that asked for the part p has its point with probability p, so that its
 * estimate scatters by S sqrt(p(1-p)) per stride, independently of the others. p is not known; so strides are taken in
 * pairs of neighbours on a thread's line of strides (collapsed strata), and the variance of a pair's sum is estimated by (x1 - x2)^2, where
 * x is the weight of the stride's sample if that is of the place in question (and, for what is live, still lives), and else 0.
 * That is never too small on average. A line that alone allocates has no error, as it should be. Of a mean over time the
 * standard error is bounded by the mean of the standard errors. Exactly counted blocks have none.
 *
 * LEAKS. Time since the run's start is cut into up to 64 intervals, and each account knows how much was born in each, and how
 * much of that the program itself freed (not the interpreter that clears up at its end). What is left of each interval at
 * the end is what it left behind. A place *grows to the end* if
 *   - at least LEAK_BYTES are left, over at least LEAK_INTERVALS intervals from its first allocation on;
 *   - all intervals but one of eight left something, that is at least an eighth of the average;
 *   - so did the last sixteenth of the run. The very last interval does not count: its blocks are just young.
 * The run ends here when the interpreter (of several, the last) begins to clear up.
 * A cache that is filled once leaves nothing later, one that is bounded has freed what is old, what a function gives back
 * when it returns is not left, and a result that is used for a while stops growing.
 *
 * Likelihood is (g + 1) / (n + 2), g of n intervals having left something, times 0.9 if nothing shows that the memory is lost
 * rather than needed: if the process ended before the interpreter could clear up, or if it was that which freed it (a
 * list that is the program's result looks so). It is taken for lost when the interpreter has cleared up and still did not
 * free it, and in a process that runs on when watching ends. Reports speak of a leak from LEAK_LIKELY on. Velocity is what is
 * left, by the time since the place's first allocation.
 */
#ifndef FIXINGAHOLE_HEAP_H
#define FIXINGAHOLE_HEAP_H

#include "capture/sample.h"
#include "profile/profile.h"
#include "profile/timeline.h"
#include "util/map64.h"

#define HEAP_NONE UINT32_MAX
#define HEAP_WHOLE 0   /* account of everything */
#define HEAP_OUTSIDE 1 /* account of what is in no reported line */

/* Freed by the thread that allocated it, before its so-many-th allocation after that: temporary. */
#define HEAP_TEMPORARY 8

/* A smaller weight is live at once: it cannot distort a peak much. (As in preload/heap_probe.h.) */
#define HEAP_LIVE_AT_ONCE (1U << 20)

#define LEAK_INTERVALS 16
#define LEAK_BYTES (1 << 20)
#define COHORTS 64

/* Blocks copied for forked children, at most; a child beyond that has nothing inherited. */
#define HEAP_COPIES_MAX (1U << 19)

/* Births and deaths by interval; see LEAKS. */
struct cohorts {
	uint64_t born[COHORTS], gone[COHORTS]; /* bytes; gone: of those born in the interval */
	uint64_t width_ns;
};

struct account {
	uint64_t live, peak, at_peak, touched; /* touched: heap.maxima at that time */
	double live_var, peak_var, at_peak_var;
	uint64_t peak_ns;
	uint64_t ended, survived; /* held when their processes ended; of these, by ones whose interpreter had cleared up */
	double ended_var;
	uint64_t allocated, allocated_of[HEAP_KIND_COUNT], exact, temporary, copied;
	uint64_t count, temporary_count; /* times HEAP_COUNT_ONE */
	uint64_t samples;
	double allocated_var, count_var;
	double integral, error_integral; /* byte nanoseconds */
	uint64_t last_ns;
	struct timeline timeline;
	struct cohorts *cohorts;
};

/* Bytes that a call stack or a kind of allocator holds. */
struct heap_hold {
	uint64_t live, at_peak, touched, allocated;
};

/*
 * What blocks of one Python type hold. A type is learned some time after the block was told of, maybe after the footprint's
 * maximum: then what the block held there moves with it (block.peak_held). Number 0 is for Python's blocks of no known type.
 */
struct heap_type {
	const char *name; /* the caller's; NULL: number 0 */
	struct heap_hold bytes, buffers, blocks; /* buffers: of bytes, what is not the objects themselves; blocks: how many sampled ones */
	uint64_t ended_bytes, ended_buffers, ended_blocks; /* lived when the interpreter began to clear up, or the process ended */
};

/* Where a record is charged. */
struct heap_place {
	uint32_t line;     /* account; HEAP_OUTSIDE: no reported line */
	uint32_t function; /* account or HEAP_NONE */
	uint32_t stack;    /* index into heap.stacks, given out by the caller from 0 on; or HEAP_NONE */
};

/* A sampled block that lives. */
struct block {
	uint64_t weight, count, birth_ns, mark;
	uint64_t held;      /* of weight: what counts as live now */
	uint64_t serial;    /* never used twice; 0: a free entry */
	struct heap_place place;
	uint32_t tid;
	uint32_t holders;   /* spaces that have it */
	uint32_t partner;   /* the block of the neighbouring stride while both live, or HEAP_NONE */
	uint32_t type;      /* number, of Python's blocks */
	uint64_t peak_held, touched; /* held at the footprint's maximum; heap.maxima at that time */
	uint8_t kind;       /* enum heap_kind */
	bool buffer;        /* no object itself */
	bool exact;
	bool grown;         /* held == weight for good */
	bool ending;
};

struct heap_space {
	uint32_t id;
	struct map64 blocks; /* address -> heap.blocks */
	uint64_t live, peak; /* with what it has by fork */
	uint32_t copied;     /* blocks that it got by fork */
	bool finalizing;
	uint32_t fork_of;    /* index of the parent whose blocks are still to be copied, or HEAP_NONE */
	uint32_t first_fork, next_fork; /* list of such children */
	struct event_heap_totals totals;
	bool has_totals;
};

#define HEAP_LINES 16384 /* lines of strides of which something is remembered; power of 2 */
#define HEAP_THREADS 1024 /* threads, likewise */

/* A thread's line of strides. */
struct heap_line {
	uint32_t space, tid, stratum;
	bool open;          /* the last stride waits for its neighbour */
	struct { uint32_t block; uint64_t serial; } last[2]; /* its samples' blocks, the latest first, if they still have the serial; 0: none */
	struct heap_place place; /* of the last stride */
	uint64_t weight, count;
};

struct heap_thread {
	uint32_t space, tid;
	uint64_t freed_address; /* by a realloc, which may be taken back; 0: none */
	struct block freed;
};

struct heap {
	uint64_t start_ns;  /* of the run; times before count as it */
	uint64_t now_ns;    /* since the start */
	struct account *accounts;
	uint32_t n_accounts, cap_accounts;
	struct heap_hold *stacks;
	uint32_t n_stacks, cap_stacks;
	struct heap_hold kinds[HEAP_KIND_COUNT];
	struct heap_type *types;
	uint32_t n_types, cap_types;
	struct map64 type_index; /* name's address -> number */
	uint64_t maxima;    /* new maxima of the footprint so far */
	struct heap_place peak_place; /* what brought the footprint to the latest */
	double time_integral; /* of footprint x time, for the growth rate: byte ns^2 */
	uint64_t cohort_ns; /* width of an interval */
	bool clearing;      /* an interpreter has begun to clear up; when the latest did */
	uint64_t clearing_ns;
	uint64_t program_ns; /* the latest record of a space whose interpreter has not */
	struct block *blocks;
	uint32_t n_blocks, cap_blocks, free_block; /* free ones are linked by .partner */
	uint64_t serial;
	struct map64 space_index;
	struct heap_space *spaces;
	uint32_t n_spaces, cap_spaces;
	uint32_t copies;
	struct heap_line *lines;
	struct heap_thread *threads;
	uint64_t samples, unknown_frees, lost_frees, forks_not_copied;
	uint64_t failed_count, failed_bytes; /* bytes: of the largest */
	uint64_t failed_limit;  /* which it would have exceeded; 0: not known */
	uint32_t failed_flags;  /* HEAP_LIMIT_ADDRESSES or HEAP_LIMIT_DATA: what is limited */
	struct heap_place failed_place;
};

/* NULL: out of memory. */
struct heap *heap__new(uint64_t start_ns);
void heap__free(struct heap *heap);

/* A new account; HEAP_OUTSIDE when out of memory. */
uint32_t heap__account(struct heap *heap);

/* Records, in order; the place is the caller's to find. */
void heap__alloc(struct heap *heap, const struct event_heap *event, const struct heap_place *place);
void heap__dealloc(struct heap *heap, const struct event_heap_free *event);
void heap__moved(struct heap *heap, const struct event_heap_moved *event);
/* name: as the event has it, interned. */
void heap__type(struct heap *heap, const struct event_heap_type *event, const char *name);
void heap__copy(struct heap *heap, const struct event_stack *event, const struct heap_place *place);
void heap__totals(struct heap *heap, const struct event_heap_totals *event);
void heap__fork(struct heap *heap, uint64_t time_ns, uint32_t parent, uint32_t child);
/* A space ends, by exec or with its process. */
void heap__end(struct heap *heap, uint64_t time_ns, uint32_t space);

/* What an account comes to when the run ends at end_ns (CLOCK_MONOTONIC). The timeline is the caller's to take. */
void heap_measure(const struct heap *heap, uint32_t account, uint64_t end_ns, struct heap_measures *out);
/* Bytes held at the footprint's maximum. */
uint64_t heap_at_peak(const struct heap *heap, const struct heap_hold *hold);
/*
 * Percent: the rise of the straight line that fits the footprint best (least squares over the run's time), from the start of the run to its
 * end, by the peak; at least 0 and at most 100.
 */
double heap_growth_rate(const struct heap *heap, uint64_t end_ns);

/* ---- between the files of the model ---- */

/* account.c. Call touch before a change of .live, and changed after it. */
void account_touch(struct heap *heap, struct account *account);
void account_changed(struct heap *heap, struct account *account);
void cohorts_born(struct heap *heap, struct account *account, uint64_t birth_ns, uint64_t bytes);
void cohorts_gone(struct heap *heap, struct account *account, uint64_t birth_ns, uint64_t bytes);

/* heap_block.c */
#define HEAP_LEVELS 3 /* accounts that a record is charged to: the whole, a line, a function */
static inline uint32_t place_account(const struct heap_place *place, int level)
{
	return level == 0 ? HEAP_WHOLE : level == 1 ? place->line : place->function;
}
/* What x adds to a variance when its neighbour y is of the same account (ERRORS), or is not. */
static inline double pair_variance(double x, double y, bool same)
{
	return same ? (x - y) * (x - y) - y * y : x * x;
}
/* The account of a level, settled up to now; NULL: none. */
struct account *heap_charged(struct heap *heap, const struct heap_place *place, int level);

/* Bytes more or less in an account's or another's books. */
void hold_change(struct heap *heap, struct heap_hold *hold, uint64_t change);

/* heap_type.c. A block of Python's holds so much from now on; before .held changes. */
void type_change(struct heap *heap, struct block *block, uint64_t held);
/* It ends now, not freed by the program. */
void type_ended(struct heap *heap, const struct block *block);

enum block_end { BLOCK_FREED, BLOCK_CLEARED, BLOCK_HELD, BLOCK_SURVIVED }; /* by the program, by the interpreter that clears up, never, not even by that */

/* A live block from this description (.partner a live block or HEAP_NONE); HEAP_NONE when out of memory. */
uint32_t block_new(struct heap *heap, const struct block *description);
/* It counts as live with its whole weight, or with another weight. Returns the change of .held. */
uint64_t block_grow(struct heap *heap, uint32_t block);
void block_resize(struct heap *heap, uint32_t block, uint64_t weight);
void block_end(struct heap *heap, uint32_t block, enum block_end how);

/* heap.c. The program of a space is at its end: whatever lives of it counts in full (WEIGHTS). */
void lines_end(struct heap *heap, uint32_t space_id);

/* heap_space.c. HEAP_NONE when out of memory, or when there is none and none is to be made. */
uint32_t space_get(struct heap *heap, uint32_t id, bool make);
/* Before a space changes: what it inherited is copied, and what its children inherit. */
void space_settle(struct heap *heap, uint32_t space);
/* An address is given out again, or moved to: the free of a block there was lost. */
void space_evict(struct heap *heap, uint32_t space, uint64_t address);
/* A record of the space, finalizing: of an interpreter that clears up. */
void space_note(struct heap *heap, uint32_t space, bool finalizing);
/* The space gets a block that no space has, at an address where it has none; the block ends when there is no memory. false: no memory, or no block. */
bool space_put(struct heap *heap, uint32_t space, uint64_t address, uint32_t block);
/* The space no longer has a block, which ends if none does. */
void space_drop(struct heap *heap, uint32_t space, uint32_t block, enum block_end how);
/* Records of different CPUs may overtake each other a little. */
void heap_advance(struct heap *heap, uint64_t time_ns);

#endif
