// SPDX-License-Identifier: Apache-2.0
#include "preload/slots.h"

#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>

#include "preload/lock.h"

#define SPAN_SHIFT 16
#define SPAN_SIZE (1UL << SPAN_SHIFT)
#define COMMIT_SIZE (16 * SPAN_SIZE)
#define RANGE_MIN (1UL << 24)
#define SMALL_MAX 512u
#define SMALL_CLASSES 32u
#define CLASSES (SMALL_CLASSES + 16u) /* 4 per doubling from 512 to 8192 */
#define KEEP_EMPTY 16u

/* At the start of every span. A page of it is never without, so what looks for a header of its own at a page's start finds readable memory. */
struct span {
	struct span *next, *prev; /* of the same class with room left, or empty ones */
	void *free;          /* slots given back */
	uint32_t size;       /* of a slot */
	uint16_t class;
	uint16_t room;       /* slots not in use */
	uint16_t total;
	uint16_t fresh;      /* slots never used begin here */
	uint32_t first;      /* offset of slot 0 */
	uint64_t used[];     /* bit per slot */
};

struct slots_range slots_range;

static struct {
	uintptr_t fresh;     /* spans never used begin here */
	uintptr_t committed; /* end of readable memory */
	struct span *room[CLASSES];
	struct span *empty;
	uint32_t empty_kept; /* of .empty, those whose memory we keep: the first ones */
	void *deferred;      /* freed by handlers that interrupted us; lock-free stack */
} slots;

bool slots_init(uint64_t size)
{
	struct rlimit limit;

	/* a limit on addresses is meant for the program */
	if (!getrlimit(RLIMIT_AS, &limit) && limit.rlim_cur != RLIM_INFINITY && size > limit.rlim_cur / 64)
		size = limit.rlim_cur / 64;
	for (; size >= RANGE_MIN; size /= 4) {
		uintptr_t p = (uintptr_t)mmap(NULL, size + SPAN_SIZE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

		if (p == (uintptr_t)MAP_FAILED)
			continue;
		p = (p + SPAN_SIZE - 1) & ~(SPAN_SIZE - 1);
		madvise((void *)p, size & ~(SPAN_SIZE - 1), MADV_NOHUGEPAGE);
		slots.fresh = slots.committed = p;
		slots_range.size = size & ~(SPAN_SIZE - 1);
		slots_range.base = p;
		return true;
	}
	return false;
}

void slots_trim(void)
{
	uintptr_t end;

	if (!slots_range.size || !lock_enter())
		return;
	/* what lies behind is nobody's block, so who looks at the size meanwhile is right either way */
	end = slots_range.base + slots_range.size;
	__atomic_store_n(&slots_range.size, slots.committed - slots_range.base, __ATOMIC_RELAXED);
	munmap((void *)slots.committed, end - slots.committed);
	lock_leave();
}

static unsigned class_of(size_t size)
{
	unsigned doubling;

	if (size <= SMALL_MAX)
		return size ? (size - 1) / 16 : 0;
	doubling = 63 - __builtin_clzll(size - 1); /* 9 for 513..1024 */
	return SMALL_CLASSES + (doubling - 9) * 4 + ((size - 1) >> (doubling - 2) & 3);
}

static uint32_t class_size(unsigned class)
{
	if (class < SMALL_CLASSES)
		return (class + 1) * 16;
	class -= SMALL_CLASSES;
	return (5u + class % 4) << (class / 4 + 7);
}

static struct span *span_of(const void *p)
{
	return (struct span *)((uintptr_t)p & ~(SPAN_SIZE - 1));
}

static void list_add(struct span **head, struct span *span)
{
	span->prev = NULL;
	span->next = *head;
	if (*head)
		(*head)->prev = span;
	*head = span;
}

static void list_remove(struct span **head, struct span *span)
{
	if (span->prev)
		span->prev->next = span->next;
	else
		*head = span->next;
	if (span->next)
		span->next->prev = span->prev;
}

static struct span *span_fresh(void)
{
	uintptr_t p = slots.fresh;

	if (p + SPAN_SIZE > slots_range.base + slots_range.size)
		return NULL;
	if (p + SPAN_SIZE > slots.committed) {
		uintptr_t end = slots_range.base + slots_range.size - slots.committed;
		size_t size = end < COMMIT_SIZE ? end : COMMIT_SIZE;

		if (mprotect((void *)slots.committed, size, PROT_READ | PROT_WRITE))
			return NULL;
		slots.committed += size;
	}
	slots.fresh += SPAN_SIZE;
	return (struct span *)p;
}

static struct span *span_new(unsigned class)
{
	struct span *span = slots.empty;
	uint32_t size = class_size(class), most = SPAN_SIZE / size;
	uint32_t head = (sizeof(*span) + (most + 63) / 64 * 8 + 63) & ~63u;

	if (span) {
		list_remove(&slots.empty, span);
		if (slots.empty_kept)
			slots.empty_kept--;
	} else {
		span = span_fresh();
		if (!span)
			return NULL;
	}
	memset(span, 0, head);
	span->class = class;
	span->size = size;
	span->first = head;
	span->total = span->room = (SPAN_SIZE - head) / size;
	list_add(&slots.room[class], span);
	return span;
}

/* 0: p is not the start of a slot in use. */
static uint64_t *slot_bit(struct span *span, const void *p, uint64_t *mask)
{
	uint64_t offset = (uintptr_t)p - (uintptr_t)span, index;

	if ((uintptr_t)span >= slots.fresh || !span->size || offset < span->first)
		return NULL;
	index = (offset - span->first) / span->size;
	if (index >= span->total || span->first + index * span->size != offset)
		return NULL;
	*mask = 1ULL << index % 64;
	return span->used[index / 64] & *mask ? &span->used[index / 64] : NULL;
}

/* An empty span: kept for any class, without its memory when there are many. */
static void span_retire(struct span *span)
{
	list_remove(&slots.room[span->class], span);
	if (slots.empty_kept < KEEP_EMPTY) {
		slots.empty_kept++;
		list_add(&slots.empty, span);
		return;
	}
	/* the first page stays: the list runs through it */
	madvise((char *)span + 4096, SPAN_SIZE - 4096, MADV_DONTNEED);
	span->size = 0;
	struct span *last = slots.empty;

	/* behind those that are kept */
	for (uint32_t i = 1; i < slots.empty_kept; i++)
		last = last->next;
	span->prev = last;
	span->next = last->next;
	if (last->next)
		last->next->prev = span;
	last->next = span;
}

static bool slot_release(void *p)
{
	struct span *span = span_of(p);
	uint64_t mask, *bit = slot_bit(span, p, &mask);

	if (!bit)
		return false;
	*bit &= ~mask;
	*(void **)p = span->free;
	span->free = p;
	if (!span->room++)
		list_add(&slots.room[span->class], span);
	if (span->room == span->total && (span->next || span->prev))
		span_retire(span);
	return true;
}

static void deferred_release(void)
{
	void *p = __atomic_exchange_n(&slots.deferred, NULL, __ATOMIC_ACQUIRE), *next;

	for (; p; p = next) {
		next = *(void **)p;
		slot_release(p);
	}
}

static void *slot_take(struct span *span)
{
	uint64_t index;
	char *p = span->free;

	if (p) {
		span->free = *(void **)p;
		index = ((uintptr_t)p - (uintptr_t)span - span->first) / span->size;
	} else {
		index = span->fresh++;
		p = (char *)span + span->first + index * span->size;
	}
	span->used[index / 64] |= 1ULL << index % 64;
	if (!--span->room)
		list_remove(&slots.room[span->class], span);
	return p;
}

void *slots_alloc(size_t size)
{
	struct span *span;
	unsigned class;
	void *p;

	if (size > SLOTS_MAX || !slots_range.size || !lock_enter())
		return NULL;
	if (__atomic_load_n(&slots.deferred, __ATOMIC_RELAXED))
		deferred_release();
	class = class_of(size);
	span = slots.room[class];
	if (!span)
		span = span_new(class);
	p = span ? slot_take(span) : NULL;
	lock_leave();
	return p;
}

size_t slots_size(const void *p)
{
	return span_of(p)->size;
}

bool slots_free(void *p)
{
	bool ok;

	if (lock_enter()) {
		ok = slot_release(p);
		lock_leave();
		return ok;
	}
	void *head = __atomic_load_n(&slots.deferred, __ATOMIC_RELAXED);

	do
		*(void **)p = head;
	while (!__atomic_compare_exchange_n(&slots.deferred, &head, p, true, __ATOMIC_RELEASE, __ATOMIC_RELAXED));
	return true;
}
