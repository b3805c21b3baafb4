/* SPDX-License-Identifier: AGPL-3.0-or-later */
#pragma once
/* Table node_guard: the numbers of a node's reports that were seen (core/guard.h). */
#include "core/guard.h"
#include "store/schema.h"

/* The window of a node; all zero if it never reported. ERR_CORRUPT. */
MUST int store_guard_load(struct db_tx *tx, struct arena *a, int64_t node_id, struct guard *out,
			  struct err *e);
/* Stores it. */
MUST int store_guard_save(struct db_tx *tx, int64_t node_id, const struct guard *g,
			  struct err *e);
