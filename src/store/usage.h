/* SPDX-License-Identifier: AGPL-3.0-or-later */
#pragma once
/* Table usage_event: what nodes metered, each event once: its key is (node, id given by the
 * node). */
#include "store/schema.h"

struct usage_row {
	int64_t id;
	int64_t node_id, customer_id, instance_id;
	struct str event_id, instance, metric, quantity; /* instance: guid, joined when read */
	int64_t from_ms, to_ms;
};
/* 1 if it is new and stored, 0 if that node sent that id before (nothing changes). */
MUST int store_usage_add(struct db_tx *tx, const struct usage_row *u, struct err *e);
/*
 * Events of a customer behind id `after`, in the order of their arrival, that came late: one of
 * the customer's invoices with that price list is of the period in which they end, was made
 * before they came, and none made since has them. Those that end within (from, to] are left out.
 */
MUST int store_usage_late(struct db_tx *tx, struct arena *a, int64_t customer_id,
			  struct str price_list, int64_t from_ms, int64_t to_ms, int64_t after,
			  int64_t limit, struct usage_row **out, size_t *count, struct err *e);
/* A place in the order of (to, id); both 0 at the start. */
struct usage_cursor {
	int64_t to_ms, id;
};
/*
 * Events of a customer (of one of its instances, if that is not 0) that end within (from, to] (THE rule of trade/usage.h), in order, behind
 * `at`, which moves along.
 */
MUST int store_usage_list(struct db_tx *tx, struct arena *a, int64_t customer_id,
			  int64_t instance_id, int64_t from_ms, int64_t to_ms,
			  struct usage_cursor *at, int64_t limit, struct usage_row **out,
			  size_t *count, struct err *e);
