/* SPDX-License-Identifier: AGPL-3.0-or-later */
#pragma once
/*
 * Table event: the chain of everything that was changed.
 *
 *     hash(n) = SHA-256( hash(n-1) as 64 hex digits ‖ field ‖ … )       hash(0) = 64 zeros
 *     fields: sequence, at_ms, subject, kind, body, each as LENGTH ":" BYTES ","
 *
 * Whoever changes, removes or inserts a row breaks the chain from there on. Sequences have no
 * gaps and are in the order of commits.
 */
#include "core/model.h"
#include "store/schema.h"

/* Appends `count` events (subject, kind, body of each are given) at `now_ms`; fills the rest.
 */
MUST int store_event_append(struct db_tx *tx, struct arena *a, struct event *events,
			    size_t count, int64_t now_ms, struct err *e);
/* Sequence of the newest, 0 if none. */
MUST int store_event_last(struct db_tx *tx, int64_t *out, struct err *e);
/* After `since`, in order. */
MUST int store_event_list(struct db_tx *tx, struct arena *a, int64_t since, int64_t limit,
			  struct event **out, size_t *count, struct err *e);
/*
 * Recomputes the chain over the last `rows` events. ERR_CORRUPT names the first sequence that
 * does not fit. *checked gets how many were looked at.
 */
MUST int store_event_verify(struct db_tx *tx, int64_t rows, int64_t *checked, struct err *e);
