/* SPDX-License-Identifier: AGPL-3.0-or-later */
#pragma once
/* Table installation: which release is wanted on which node, and what the node made of it. */
#include "core/model.h"
#include "store/schema.h"

/* The release on the node, with both names. */
MUST int store_installation_find(struct db_tx *tx, struct arena *a, int64_t node_id,
				 int64_t release_id, struct installation *out, struct err *e);
/* Inserts; the node has to be there. */
MUST int store_installation_add(struct db_tx *tx, const struct installation *s, struct err *e);
/* Stores everything but the key. */
MUST int store_installation_save(struct db_tx *tx, const struct installation *s, struct err *e);
MUST int store_installation_delete(struct db_tx *tx, int64_t node_id, int64_t release_id,
				   struct err *e);
/* Of one node, by URI; node_id 0: of all. */
MUST int store_installation_list(struct db_tx *tx, struct arena *a, int64_t node_id,
				 int64_t limit, struct installation **out, size_t *count,
				 struct err *e);
/* Notes on the node that its installations changed at `feed`. */
MUST int store_installation_feed(struct db_tx *tx, int64_t node_id, int64_t feed,
				 struct err *e);
/* How many live instances of the release are on the node, counted up to `limit`. */
MUST int store_installation_users(struct db_tx *tx, int64_t node_id, int64_t release_id,
				  int64_t limit, int64_t *out, struct err *e);
struct room {
	struct node node;
	enum supply_report reported; /* the release there */
};
/*
 * Nodes with ids above `after` where the release is wanted and a partition is free, at most
 * `limit`, rising.
 */
MUST int store_installation_rooms(struct db_tx *tx, struct arena *a, int64_t release_id,
				  int64_t after, size_t limit, struct room *out, size_t *count,
				  struct err *e);
