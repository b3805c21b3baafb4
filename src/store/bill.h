/* SPDX-License-Identifier: AGPL-3.0-or-later */
#pragma once
/*
 * Tables price, invoice_counter and invoice.
 *
 * A number is taken from the counter in the transaction that stores its invoice, so numbers
 * have no gaps; an invoice is unique by (customer, period, price list), so a period is never
 * billed twice. A stored invoice never changes.
 */
#include "store/schema.h"

struct price_row {
	struct str name, body_json;
	int64_t changed_at_ms;
};
/* Stores the list of that name, new or not. */
MUST int store_price_save(struct db_tx *tx, const struct price_row *p, struct err *e);
/* The list of that name. */
MUST int store_price_find(struct db_tx *tx, struct arena *a, struct str name,
			  struct price_row *out, struct err *e);
/* By name. */
MUST int store_price_list(struct db_tx *tx, struct arena *a, int64_t limit,
			  struct price_row **out, size_t *count, struct err *e);

/* The last number of a series: year and count, both 0 if none. */
MUST int store_invoice_last(struct db_tx *tx, struct str series, int64_t *year, int64_t *number,
			    struct err *e);
MUST int store_invoice_count(struct db_tx *tx, struct str series, int64_t year, int64_t number,
			     struct err *e);

struct invoice_row {
	int64_t id;
	struct str number;
	int64_t customer_id;
	struct str customer; /* joined when read */
	int64_t from_ms, to_ms;
	struct str price_list, currency, gross, body_json, page;
	int64_t issued_at_ms, due_at_ms;
};
MUST int store_invoice_add(struct db_tx *tx, const struct invoice_row *i, struct err *e);
MUST int store_invoice_find(struct db_tx *tx, struct arena *a, struct str number,
			    struct invoice_row *out, struct err *e);
/* The one for this customer, period and price list. */
MUST int store_invoice_of(struct db_tx *tx, struct arena *a, int64_t customer_id,
			  int64_t from_ms, int64_t to_ms, struct str price_list,
			  struct invoice_row *out, struct err *e);
/* Of another period that overlaps [from, to): 1 or 0. */
MUST int store_invoice_overlaps(struct db_tx *tx, struct arena *a, int64_t customer_id,
				int64_t from_ms, int64_t to_ms, struct str price_list,
				struct invoice_row *out, struct err *e);
/* Of one customer (0: of all), newest first; bodies and pages are left out. */
MUST int store_invoice_list(struct db_tx *tx, struct arena *a, int64_t customer_id,
			    int64_t limit, struct invoice_row **out, size_t *count,
			    struct err *e);
