/* SPDX-License-Identifier: AGPL-3.0-or-later */
#pragma once
/*
 * Tables promise and promise_history. The history of a promise is a ring of PROMISE_HISTORY_MAX
 * lines, one for each move.
 */
#include "core/promise.h"
#include "store/schema.h"

/* The promise with that key. */
MUST int store_promise_find(struct db_tx *tx, struct arena *a, struct str promiser,
			    enum promise_kind kind, struct str name, struct promise *out,
			    struct err *e);
/* Inserts with its first line of history; sets p->id. */
MUST int store_promise_add(struct db_tx *tx, struct promise *p, struct err *e);
/* Stores state, since, checked, message, wake; a move also adds a line to the history. */
MUST int store_promise_save(struct db_tx *tx, const struct promise *p, bool is_move,
			    struct err *e);
MUST int store_promise_delete(struct db_tx *tx, int64_t id, struct err *e);
/* All of one kind that a promiser made. */
MUST int store_promise_delete_all(struct db_tx *tx, struct str promiser, enum promise_kind kind,
				  struct err *e);
/* Of one promiser ("" : of all), of one kind or of all (kind PROMISE_KINDS), after id. */
MUST int store_promise_list(struct db_tx *tx, struct arena *a, struct str promiser,
			    enum promise_kind kind, int64_t after, int64_t limit,
			    struct promise **out, size_t *count, struct err *e);
/* What a customer is told: the health of its instances, and its own payments; as the list above. */
MUST int store_promise_of_customer(struct db_tx *tx, struct arena *a, struct str customer,
				   enum promise_kind kind, int64_t limit, struct promise **out,
				   size_t *count, struct err *e);
/* Those whose moment of reassessment (wake_at_ms) has come. */
MUST int store_promise_due(struct db_tx *tx, struct arena *a, int64_t now_ms, int64_t limit,
			   struct promise **out, size_t *count, struct err *e);
struct promise_line {
	int64_t at_ms;
	enum promise_state state;
	struct str message;
};
/* Oldest first. */
MUST int store_promise_history(struct db_tx *tx, struct arena *a, int64_t promise_id,
			       struct promise_line **out, size_t *count, struct err *e);
