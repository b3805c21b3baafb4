/* SPDX-License-Identifier: AGPL-3.0-or-later */
#pragma once
/*
 * Tables node and partition.
 *
 * Invariants: node.partitions_free is the number of its partitions that are neither taken nor
 * gone, partitions_total of those not gone; installation.has_room of every installation on the
 * node says whether that is above 0. Only the functions here write these columns.
 */
#include "core/model.h"
#include "store/schema.h"

/* The node of that name. */
MUST int store_node_find(struct db_tx *tx, struct arena *a, struct str name, struct node *out,
			 struct err *e);
/* The node with that row number. */
MUST int store_node_by_id(struct db_tx *tx, struct arena *a, int64_t id, struct node *out,
			  struct err *e);
/* Inserts; sets n->id. */
MUST int store_node_add(struct db_tx *tx, struct node *n, struct err *e);
/* Stores title, region, network, capabilities. */
MUST int store_node_save(struct db_tx *tx, const struct node *n, struct err *e);
/* By name, after `after` ("" from the start). */
MUST int store_node_list(struct db_tx *tx, struct arena *a, struct str after, int64_t limit,
			 struct node **out, size_t *count, struct err *e);
/* Records contact. */
MUST int store_node_contact(struct db_tx *tx, int64_t id, int64_t now_ms, struct err *e);
MUST int store_node_liveness(struct db_tx *tx, int64_t id, enum promise_state state,
			     int64_t since_ms, struct err *e);
/* Nodes whose liveness is kept though nothing was heard of them since `before_ms`. */
MUST int store_node_silent(struct db_tx *tx, struct arena *a, int64_t before_ms, int64_t limit,
			   struct node **out, size_t *count, struct err *e);
/* The next timestamp on the node (core/stamp.h). */
MUST int store_node_stamp(struct db_tx *tx, int64_t id, int64_t now_ms, int64_t *out,
			  struct err *e);

/* The partition of that name, gone or not. */
MUST int store_partition_find(struct db_tx *tx, struct arena *a, int64_t node_id,
			      struct str name, struct partition *out, struct err *e);
/* In the order of the format. */
MUST int store_partition_list(struct db_tx *tx, struct arena *a, int64_t node_id,
			      struct partition **out, size_t *count, struct err *e);
/* The lowest free one: 1, or 0 if none. */
MUST int store_partition_lowest(struct db_tx *tx, struct arena *a, int64_t node_id,
				struct partition *out, struct err *e);
/* Gives a free partition to an instance. ERR_CONFLICT if it is not free. */
MUST int store_partition_take(struct db_tx *tx, int64_t node_id, int64_t partition_id,
			      int64_t instance_id, struct err *e);
/* Frees it again; one that is gone is deleted. */
MUST int store_partition_free(struct db_tx *tx, int64_t node_id, int64_t partition_id,
			      struct err *e);
MUST int store_partition_add(struct db_tx *tx, const struct partition *p, struct err *e);
/* Stores position, addresses and is_gone; deletes a gone one that is free. */
MUST int store_partition_save(struct db_tx *tx, const struct partition *p, struct err *e);
/* Counts the node's partitions anew, after a format. */
MUST int store_node_recount(struct db_tx *tx, int64_t id, struct err *e);
