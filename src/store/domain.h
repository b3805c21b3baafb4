/* SPDX-License-Identifier: AGPL-3.0-or-later */
#pragma once
/*
 * Table domain: names that belong to customers.
 *
 * A domain is a suffix: who has example.com has every name below it. Suffixes of two customers
 * never lie within each other, so a name has one owner at most. Names are lower case, without
 * a point at the end, as trust_dns_name (api/trust_names.h) takes them.
 */
#include "core/model.h"
#include "store/schema.h"

struct domain {
	struct str name;
	int64_t customer_id;
	struct str customer; /* its name, joined */
	int64_t created_at_ms;
};

/* Gives the domain to a customer: 1, or 0 if it was his already. ERR_CONFLICT: it, something
 * above it or something below it belongs to another customer. */
MUST int store_domain_add(struct db_tx *tx, struct arena *a, struct str name,
			  int64_t customer_id, int64_t now_ms, struct err *e);
/* Takes it away: 1, or 0 if that customer has no such row. */
MUST int store_domain_remove(struct db_tx *tx, struct str name, int64_t customer_id,
			     struct err *e);
/* The domain that `name` is, or is below: 1, or 0 if it is nobody's. */
MUST int store_domain_owner(struct db_tx *tx, struct arena *a, struct str name,
			    struct domain *out, struct err *e);
/* A customer's, by name. */
MUST int store_domain_list(struct db_tx *tx, struct arena *a, int64_t customer_id,
			   struct domain **out, size_t *count, struct err *e);
/* Of every customer with a live instance on the node, by name; each once. */
MUST int store_domain_on_node(struct db_tx *tx, struct arena *a, int64_t node_id,
			      struct domain **out, size_t *count, struct err *e);
/* The customers with a live instance on the node: only customer_id and customer are filled. */
MUST int store_domain_customers_on_node(struct db_tx *tx, struct arena *a, int64_t node_id,
					struct domain **out, size_t *count, struct err *e);
