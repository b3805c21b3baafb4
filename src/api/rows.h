/* SPDX-License-Identifier: AGPL-3.0-or-later */
#pragma once
/* Inside room api: an array that grows in an arena. */
#include <string.h>

#include "base/arena.h"

/*
 * Room for item `n` of an array that has space for *cap: the array itself, or a copy twice as
 * large. NULL after the arena failed.
 */
static inline void *rows_room(struct arena *a, void *items, size_t n, size_t *cap, size_t bytes)
{
	if (n < *cap)
		return items;
	size_t more = *cap ? *cap * 2 : 4;
	void *grown = arena_array(a, more, bytes);
	if (grown && n)
		memcpy(grown, items, n * bytes);
	*cap = more;
	return grown;
}
