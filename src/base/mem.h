/* SPDX-License-Identifier: AGPL-3.0-or-later */
#pragma once
/*
 * Heap objects with a named owner (a server, a table, a watch). Values of a request or a pass
 * live in an arena instead. Every allocation may fail, and tests/fault makes it fail.
 */
#include "base/err.h"

/* `n` zeroed bytes or NULL with *e filled (ERR_MEMORY). */
void *mem_new(size_t n, struct err *e);
/* Room for `count` items of `item_bytes`, old content kept; on failure NULL and the old block
 * stays. */
void *mem_grow(void *old, size_t count, size_t item_bytes, struct err *e);
/* A NUL-terminated copy of `n` bytes. */
char *mem_dup(const char *p, size_t n, struct err *e);
/* NULL is accepted. */
void mem_free(void *p);
#define MEM_NEW(type, e) ((type *)mem_new(sizeof(type), (e)))

/*
 * Fault tests: the n-th allocation from now on (counted from 1) fails, once; 0 switches it off.
 * Counts for the whole process. Returns how many allocations happened since the last call.
 */
unsigned long mem_fail_after(unsigned long n);
