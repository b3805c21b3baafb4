/* SPDX-License-Identifier: AGPL-3.0-or-later */
#pragma once
/*
 * Tables instance and span.
 *
 * An instance is live until its partition is freed after destruction; its row stays, as do the
 * spans of its life, because invoices are made from them. `tree_id` of a root is stored as
 * null.
 */
#include "core/model.h"
#include "store/schema.h"

/* One instance, everything joined. */
MUST int store_instance_by_id(struct db_tx *tx, struct arena *a, int64_t id,
			      struct instance *out, struct err *e);
MUST int store_instance_by_guid(struct db_tx *tx, struct arena *a, struct str guid,
				struct instance *out, struct err *e);
/* The live root of a customer. */
MUST int store_instance_root(struct db_tx *tx, struct arena *a, int64_t customer_id,
			     struct str title, struct instance *out, struct err *e);
/* The live member of a tree. */
MUST int store_instance_member(struct db_tx *tx, struct arena *a, int64_t tree_id,
			       struct str title, struct instance *out, struct err *e);
/* Newest first, live or not; tree_id 0: roots of any customer (customer_id 0) or of one. */
MUST int store_instance_titled(struct db_tx *tx, struct arena *a, struct str title,
			       int64_t customer_id, int64_t tree_id, int64_t limit,
			       struct instance **out, size_t *count, struct err *e);
/* What is on a partition: 1 or 0. */
MUST int store_instance_on(struct db_tx *tx, struct arena *a, int64_t node_id,
			   struct str partition, struct instance *out, struct err *e);

enum instance_by {
	INSTANCES_ALL,	       /* live ones of everybody; key unused */
	INSTANCES_OF_CUSTOMER, /* key: customer id; live */
	INSTANCES_ON_NODE,     /* key: node id; live */
	INSTANCES_CHANGED,     /* key: node id; `after` is a timestamp, by timestamp */
	INSTANCES_OF_TREE,     /* key: root's id; live members without the root */
	INSTANCES_REQUESTED,   /* key: requester's id; live */
	INSTANCES_HOSTED,      /* key: host's id; live */
	INSTANCES_WAITING,     /* key: release id; live and nowhere, oldest first */
	INSTANCES_WAITING_ALL, /* the same of every release */
	INSTANCES_BY
};
/* A list by key, in the order of ids, after id `after` (0: from the start). */
MUST int store_instance_list(struct db_tx *tx, struct arena *a, enum instance_by by,
			     int64_t key, int64_t after, int64_t limit, struct instance **out,
			     size_t *count, struct err *e);
/*
 * Live ones whose secrets a person may read: who asked for it, or one of its readers. By id after
 * `after`. A name that LIKE takes for a pattern may give some more.
 */
MUST int store_instance_read_by(struct db_tx *tx, struct arena *a, struct str person,
				int64_t after, int64_t limit, struct instance **out,
				size_t *count, struct err *e);
/* Live ones that were requested by an instance on the node. By id after `after`. */
MUST int store_instance_asked_from(struct db_tx *tx, struct arena *a, int64_t node_id,
				   int64_t after, int64_t limit, struct instance **out,
				   size_t *count, struct err *e);
/*
 * The best hosts for a shared instance: of that release, type and customer, placed, not being
 * destroyed; the one with fewest shared instances first.
 */
MUST int store_instance_hosts(struct db_tx *tx, struct arena *a, int64_t release_id,
			      struct str type, int64_t customer_id, int64_t limit,
			      struct instance **out, size_t *count, struct err *e);

/* How many members of a tree are live, counted up to `limit`. */
MUST int store_instance_tree_size(struct db_tx *tx, int64_t tree_id, int64_t limit,
				  int64_t *out, struct err *e);
/* Inserts (sets id; tree_id 0 makes it a root: tree_id becomes id). */
MUST int store_instance_add(struct db_tx *tx, struct instance *i, struct err *e);
/* Stores everything that may change and raises `version`. */
MUST int store_instance_save(struct db_tx *tx, struct instance *i, struct err *e);
/* Adds to the number of shared instances that a host has. */
MUST int store_instance_shared_add(struct db_tx *tx, int64_t host_id, int64_t delta,
				   struct err *e);
/* Marks it freed at `now_ms`: no longer live, nowhere. */
MUST int store_instance_free(struct db_tx *tx, struct instance *i, int64_t now_ms,
			     struct err *e);

/* A stretch of its life begins; the caller ended the one before, if there was one. */
MUST int store_span_begin(struct db_tx *tx, int64_t instance_id, int64_t now_ms,
			  bool is_started, struct err *e);
MUST int store_span_end(struct db_tx *tx, int64_t instance_id, int64_t now_ms, struct err *e);
struct span {
	int64_t instance_id, from_ms, to_ms; /* to_ms 0: still going on */
	bool is_started;
};
/* Of one instance, in order, that overlap [from, to). */
MUST int store_span_list(struct db_tx *tx, struct arena *a, int64_t instance_id,
			 int64_t from_ms, int64_t to_ms, struct span **out, size_t *count,
			 struct err *e);

/* An instance as far as billing needs it. */
struct billed {
	int64_t id;
	struct str guid, title, release_name;
};
/* Of a customer, live at some time within [from, to), by id after `after`. */
MUST int store_instance_billed(struct db_tx *tx, struct arena *a, int64_t customer_id,
			       int64_t from_ms, int64_t to_ms, int64_t after, int64_t limit,
			       struct billed **out, size_t *count, struct err *e);
