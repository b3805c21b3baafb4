/* SPDX-License-Identifier: AGPL-3.0-or-later */
#pragma once
/*
 * What is a node's: instances on it, those that ended there, and their trees. A list here holds
 * what a caller owns, where room api may not show more.
 */
#include "store/schema.h"

/* Is, or was, an instance of the tree on the node (`instance_id` itself included)? 1 or 0. */
MUST int store_own_tree(struct db_tx *tx, int64_t node_id, int64_t instance_id, int64_t tree_id,
			struct err *e);
/* Was the instance, which is on no node now, on that one when it ended? 1 or 0. */
MUST int store_own_past(struct db_tx *tx, int64_t node_id, int64_t instance_id, struct err *e);
