/* SPDX-License-Identifier: AGPL-3.0-or-later */
#pragma once
/*
 * Allocation: which node a new instance goes to, and if to none, why not.
 *
 * Pure and repeatable: the same nodes and the same filter give the same answer. A node fits if
 * the filter lets it through, it is in contact, the release is supplied there and did not fail
 * to build, and a partition is free. Among those that fit: one where the release is already
 * available before one where it is still being built, then the one with most free partitions,
 * then the first by name. On the node it is the lowest free partition in the order of its
 * format. An instance never moves afterwards.
 */
#include "core/model.h"

enum { ALLOC_CAPABILITIES_MAX = 16, ALLOC_REFUSALS_MAX = 20, ALLOC_RETENTION_DAYS_MAX = 3650 };

/*
 * A filter ("where"). Keys, and their names in the v0 calls:
 *     node          computer_guid   on that node
 *     region        region          on a node of that region
 *     network       network_guid    on a node of that network
 *     capability                    the node has capability K, or K=V with that value; several:
 *                                   separated by commas
 *     instance      instance_guid   (shared only) hosted by that instance
 *     retention_delay               days between the wish and the deed of destruction (e.5)
 */
struct alloc_where {
	struct str node, region, network, instance;
	struct pair capabilities[ALLOC_CAPABILITIES_MAX]; /* value.p NULL: any */
	size_t capability_count;
	int64_t retention_days;
};
/*
 * Adds one key. `value` as text, borrowed. ERR_INVALID with field `where.KEY`: unknown key,
 * value empty or too long, too many capabilities.
 */
MUST int alloc_where_add(struct alloc_where *w, struct str key, struct str value,
			 struct err *e);

/* What allocation knows about a node, for one release. */
struct alloc_node {
	int64_t id;
	struct str name, region, network;
	const struct pair *capabilities;
	size_t capability_count;
	int64_t total, free;
	bool is_supplied; /* the release is wanted there */
	enum supply_report build;
	struct str build_message;
	enum promise_state liveness;
	int64_t silent_since_ms; /* if liveness is broken */
};

enum alloc_verdict {
	ALLOC_FITS,
	ALLOC_OTHER_NODE,
	ALLOC_REGION,
	ALLOC_NETWORK,
	ALLOC_CAPABILITY,
	ALLOC_LOST,
	ALLOC_NOT_SUPPLIED,
	ALLOC_NOT_BUILT,
	ALLOC_FULL,
	ALLOC_VERDICTS
};
/* The first reason why the node does not fit, in the order of the enum; ALLOC_FITS if none. */
enum alloc_verdict alloc_judge(const struct alloc_where *w, const struct alloc_node *n);
/* The sentence of a refusal: "node n1: no free partition (8 of 8 busy)". Nothing for
 * ALLOC_FITS. */
void alloc_explain(const struct alloc_where *w, const struct alloc_node *n, struct buf *out);
/* Index of the best of `count` nodes, or `count` if none fits. */
size_t alloc_choose(const struct alloc_where *w, const struct alloc_node *nodes, size_t count);
