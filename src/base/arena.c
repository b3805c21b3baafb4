/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * A chain of blocks, newest first; allocation moves a cursor in the newest one. Blocks double
 * from 4 KiB to 256 KiB; larger requests get a block of their own size.
 *
 * Invariants: used_bytes <= limit_bytes; every block is zero beyond its cursor.
 */
#include "base/arena.h"

#include <stdalign.h>
#include <stdarg.h>

#include "base/mem.h"

enum { BLOCK_MIN = 4096, BLOCK_MAX = 262144 };

struct block {
	struct block *older;
	size_t size, used;
	alignas(max_align_t) char bytes[];
};

struct arena {
	struct block *newest;
	size_t limit_bytes, used_bytes;
	size_t next_block;
	bool has_failed;
};

MUST int arena_new(size_t limit_bytes, struct arena **out, struct err *e)
{
	struct arena *a = MEM_NEW(struct arena, e);
	if (!a)
		return -1;
	a->limit_bytes = limit_bytes;
	a->next_block = BLOCK_MIN;
	*out = a;
	return 0;
}

struct arena *arena_free(struct arena *a)
{
	while (a && a->newest) {
		struct block *b = a->newest;
		a->newest = b->older;
		mem_free(b);
	}
	mem_free(a);
	return NULL;
}

void arena_freep(struct arena **a)
{
	*a = arena_free(*a);
}

void arena_clear(struct arena *a)
{
	while (a->newest && a->newest->older) {
		struct block *b = a->newest;
		a->newest = b->older;
		mem_free(b);
	}
	if (a->newest) {
		memset(a->newest->bytes, 0, a->newest->used);
		a->newest->used = 0;
	}
	a->used_bytes = 0;
	a->has_failed = false;
	a->next_block = BLOCK_MIN;
}

static struct block *add_block(struct arena *a, size_t n)
{
	size_t size = MAX_OF(n, a->next_block);
	struct err ignored;
	struct block *b = mem_new(sizeof *b + size, &ignored);
	if (!b)
		return NULL;
	b->size = size;
	b->older = a->newest;
	a->newest = b;
	a->next_block = MIN_OF(a->next_block * 2, (size_t)BLOCK_MAX);
	return b;
}

void *arena_alloc(struct arena *a, size_t n)
{
	const size_t align = alignof(max_align_t);
	size_t room = (n + align - 1) / align * align;
	if (a->has_failed || room < n || room > a->limit_bytes - a->used_bytes) {
		a->has_failed = true;
		return NULL;
	}
	struct block *b = a->newest;
	if (!b || b->size - b->used < room) {
		b = add_block(a, room);
		if (!b) {
			a->has_failed = true;
			return NULL;
		}
	}
	void *p = b->bytes + b->used;
	b->used += room;
	a->used_bytes += room;
	return p;
}

void *arena_array(struct arena *a, size_t count, size_t item_bytes)
{
	size_t n;
	if (__builtin_mul_overflow(count, item_bytes, &n)) {
		a->has_failed = true;
		return NULL;
	}
	return arena_alloc(a, n);
}

struct str arena_dup(struct arena *a, struct str s)
{
	char *p = arena_alloc(a, s.n + 1);
	if (!p)
		return S("");
	if (s.n)
		memcpy(p, s.p, s.n);
	return str_of(p, s.n);
}

const char *arena_cstr(struct arena *a, struct str s)
{
	return arena_dup(a, s).p;
}

struct str arena_fmt(struct arena *a, const char *format, ...)
{
	va_list args, again;
	va_start(args, format);
	va_copy(again, args);
	int n = vsnprintf(NULL, 0, format, args);
	char *p = n < 0 ? NULL : arena_alloc(a, (size_t)n + 1);
	if (p)
		(void)vsnprintf(p, (size_t)n + 1, format, again);
	va_end(again);
	va_end(args);
	return p ? str_of(p, (size_t)n) : S("");
}

MUST int arena_check(const struct arena *a, struct err *e)
{
	if (!a->has_failed)
		return 0;
	return err_fail(e, ERR_MEMORY, "more than the %zu bytes that one request may use",
			a->limit_bytes);
}

size_t arena_used_bytes(const struct arena *a)
{
	return a->used_bytes;
}
