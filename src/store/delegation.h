/* SPDX-License-Identifier: AGPL-3.0-or-later */
#pragma once
/* Table delegation: nodes that may issue certificates of authority services themselves. */
#include "core/model.h"
#include "store/schema.h"

struct delegation {
	struct str names_json; /* ["example.com"]; []: what the tenants on the node have */
	int64_t created_at_ms;
};

/* The node's. */
MUST int store_delegation_find(struct db_tx *tx, struct arena *a, int64_t node_id,
			       struct delegation *out, struct err *e);
/* Makes it, or changes its names. */
MUST int store_delegation_set(struct db_tx *tx, int64_t node_id, struct str names_json,
			      int64_t now_ms, struct err *e);
/* Ends it: 1, or 0 if there was none. */
MUST int store_delegation_remove(struct db_tx *tx, int64_t node_id, struct err *e);
