/* SPDX-License-Identifier: AGPL-3.0-or-later */
#pragma once
/* Making an invoice: what the store knows, rated by room trade, stored under its number. */
#include "api/call.h"
#include "store/bill.h"
#include "trade/invoice.h"

enum {
	BILL_INSTANCES_MAX = 5000, /* of one customer in one invoice */
	BILL_USAGE_PAGE = 2000,
	BILL_DUE_DAYS = 14,
};
#define BILL_SERIES "HOC"

/* What one instance used of one metric within a period, in base units. */
struct bill_total {
	struct str guid, title, release;
	enum metric metric;
	struct dec quantity;
};
/* The totals of a customer's instances in [from, to), by instance and metric. */
MUST int bill_totals(struct api_call *c, const struct customer *owner, int64_t from_ms,
		     int64_t to_ms, struct bill_total **out, size_t *count, struct err *e);
/* A draft for [from, to). ERR_INVALID, ERR_TOO_LARGE, ERR_MEMORY as room trade. */
MUST int bill_make(struct api_call *c, const struct customer *owner,
		   const struct price_list *prices, int64_t from_ms, int64_t to_ms,
		   struct invoice *out, struct err *e);
/* Takes the next number, makes the draft final and stores it; *row is what was stored. */
MUST int bill_store(struct api_call *c, const struct customer *owner, struct str prices,
		    struct invoice *inv, struct invoice_row *row, struct err *e);
/* Assesses the customer's promise to pay; it is made if it is not there. */
MUST int bill_promise(struct api_call *c, struct str customer, const struct invoice *inv,
		      struct err *e);
/* The same for a stored invoice. */
MUST int bill_assess(struct api_call *c, struct str number_text, struct err *e);
