/* SPDX-License-Identifier: AGPL-3.0-or-later */
#pragma once
/* Shared inside room store only: arrays that grow while rows come, and rows that others join. */
#include <string.h>

#include "base/arena.h"
#include "core/model.h"
#include "db/db.h"

/* A node's columns, the first of a row, in the order that node_row reads. */
#define NODE_COLUMNS \
	"id, name, title, region, network, capabilities, partitions_total, partitions_free," \
	" last_contact_at, feed, supply_feed, liveness, liveness_since, created_at"
enum { NODE_COLUMN_COUNT = 14 };
void node_row(struct db_stmt *q, struct arena *a, struct node *out);

/*
 * Room for item `n` of an array that has space for *cap: the array itself, or a copy twice as
 * large. NULL after the arena failed.
 */
static inline void *rows_room(struct arena *a, void *items, size_t n, size_t *cap, size_t bytes)
{
	if (n < *cap)
		return items;
	size_t more = *cap ? *cap * 2 : 8;
	void *grown = arena_array(a, more, bytes);
	if (grown && n)
		memcpy(grown, items, n * bytes);
	*cap = more;
	return grown;
}
/* Reads all rows of `q` with row(q, a, &item) into *out. */
#define ROWS_READ(q, a, type, row, out, out_count, e) \
	({ \
		type *items_ = NULL; \
		size_t n_ = 0, cap_ = 0; \
		int rc_; \
		while ((rc_ = db_step((q), (e))) > 0) { \
			items_ = rows_room((a), items_, n_, &cap_, sizeof *items_); \
			if (!items_) \
				break; \
			row((q), (a), &items_[n_++]); \
		} \
		if (rc_ >= 0) \
			rc_ = arena_check((a), (e)); \
		if (rc_ == 0) { \
			*(out) = items_; \
			*(out_count) = n_; \
		} \
		rc_; \
	})
/* The one row of `q`, if any: 1, 0 or -1. */
#define ROW_READ(q, a, row, out, e) \
	({ \
		int rc_ = db_step((q), (e)); \
		if (rc_ > 0) { \
			row((q), (a), (out)); \
			if (arena_check((a), (e)) < 0) \
				rc_ = -1; \
		} \
		rc_; \
	})
/* Ends a statement that changes rows: 0 or -1. */
static inline MUST int rows_done(int64_t rc)
{
	return rc < 0 ? -1 : 0;
}
