/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * The only callers of malloc. The countdown below is process-wide state by necessity: it stands
 * for the one heap that the process has. It is atomic, and off unless a fault test arms it.
 */
#include "base/mem.h"

#include <stdatomic.h>

static atomic_ulong fail_countdown;
static atomic_ulong taken;

unsigned long mem_fail_after(unsigned long n)
{
	atomic_store(&fail_countdown, n);
	return atomic_exchange(&taken, 0);
}

/* Counts this allocation; true if it is the one that has to fail. */
static bool must_fail(void)
{
	atomic_fetch_add_explicit(&taken, 1, memory_order_relaxed);
	unsigned long left = atomic_load_explicit(&fail_countdown, memory_order_relaxed);
	while (left > 0)
		if (atomic_compare_exchange_weak(&fail_countdown, &left, left - 1))
			return left == 1;
	return false;
}

void *mem_new(size_t n, struct err *e)
{
	void *p = must_fail() ? NULL : calloc(1, n ? n : 1);
	if (!p)
		(void)err_fail(e, ERR_MEMORY, "out of memory for %zu bytes", n);
	return p;
}

void *mem_grow(void *old, size_t count, size_t item_bytes, struct err *e)
{
	void *p = must_fail() ? NULL : reallocarray(old, count ? count : 1, item_bytes);
	if (!p)
		(void)err_fail(e, ERR_MEMORY, "out of memory for %zu × %zu bytes", count,
			       item_bytes);
	return p;
}

char *mem_dup(const char *p, size_t n, struct err *e)
{
	char *copy = mem_new(n + 1, e);
	if (copy && n)
		memcpy(copy, p, n);
	return copy;
}

void mem_free(void *p)
{
	free(p);
}
