// SPDX-License-Identifier: Apache-2.0
#include "preload/lock.h"

#include <sched.h>

#define SPINS 64

static int held;
static __thread bool mine;
static __thread bool forking;

bool lock_enter(void)
{
	if (mine)
		return false;
	/* before taking it: a handler that comes in between must not wait for us */
	mine = true;
	__atomic_signal_fence(__ATOMIC_SEQ_CST);
	for (int i = 0; __atomic_exchange_n(&held, 1, __ATOMIC_ACQUIRE); i++) {
		if (i < SPINS)
			__builtin_ia32_pause();
		else
			sched_yield();
	}
	return true;
}

void lock_leave(void)
{
	__atomic_store_n(&held, 0, __ATOMIC_RELEASE);
	__atomic_signal_fence(__ATOMIC_SEQ_CST);
	mine = false;
}

void lock_before_fork(void)
{
	forking = lock_enter();
}

void lock_after_fork(void)
{
	if (forking)
		lock_leave();
	forking = false;
}
