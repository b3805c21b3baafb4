/* SPDX-License-Identifier: AGPL-3.0-or-later */
#pragma once
/*
 * Memory of one request, pass or command: allocated piecewise, freed at once.
 *
 * An arena has a byte limit that it never passes. It is sticky: once an allocation failed,
 * every later one fails too, arena_check() tells, and the text functions return the empty str,
 * so that a handler may build its answer first and ask once. One thread at a time.
 */
#include "base/str.h"

struct arena;

/* An arena that hands out at most `limit_bytes`. Owned by the caller: arena_free. */
MUST int arena_new(size_t limit_bytes, struct arena **out, struct err *e);
/* NULL is accepted; returns NULL. */
struct arena *arena_free(struct arena *a);
/* For CLEAN(arena_freep). */
void arena_freep(struct arena **a);
/* Forgets every allocation and a failure; keeps one block for the next user. */
void arena_clear(struct arena *a);

/* `n` zeroed bytes aligned for any type, or NULL (limit or memory). n = 0 gives a valid
 * pointer. */
void *arena_alloc(struct arena *a, size_t n);
/* An array of `count` zeroed items, overflow checked. */
void *arena_array(struct arena *a, size_t count, size_t item_bytes);
#define ARENA_NEW(a, type) ((type *)arena_alloc((a), sizeof(type)))
#define ARENA_ARRAY(a, type, count) ((type *)arena_array((a), (count), sizeof(type)))

/* Copies; a NUL follows the copy, so .p may go to libc if the text holds none itself. */
struct str arena_dup(struct arena *a, struct str s);
/* The copy as a C string; "" after a failure, never NULL. */
const char *arena_cstr(struct arena *a, struct str s);
struct str arena_fmt(struct arena *a, const char *format, ...) PRINTF(2, 3);

/* 0, or -1 with ERR_MEMORY if any allocation since the last clear failed. */
MUST int arena_check(const struct arena *a, struct err *e);
/* Bytes handed out since the last clear. */
size_t arena_used_bytes(const struct arena *a);
