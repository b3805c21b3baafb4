/* SPDX-License-Identifier: AGPL-3.0-or-later */
#pragma once
/*
 * The customer's promise to pay an invoice, as facts for the promise table (kind "payment",
 * name = the invoice's number):
 *     kept      paid in full, since the payment that completed it
 *     unknown   not paid and not due yet, since it was issued
 *     broken    not paid and overdue (now > due), since it was due
 */
#include "trade/invoice.h"

enum payment_state { PAYMENT_KEPT, PAYMENT_BROKEN, PAYMENT_UNKNOWN, PAYMENT_STATES };
enum { PAYMENT_MESSAGE_SIZE = 160 };

struct payment_paid {
	struct dec amount; /* sum of the payments so far; 0: none */
	int64_t at_ms;	   /* of the last one */
};

struct payment_promise {
	enum payment_state state;
	int64_t since_ms;
	struct dec open; /* still owed, 0 if kept */
	char name[INVOICE_NUMBER_SIZE];
	char message[PAYMENT_MESSAGE_SIZE]; /* "EUR 12.30 due 2026-12-05" */
};

/* "kept", "broken", "unknown" */
const char *payment_state_name(enum payment_state s);
/* ERR_CONFLICT for a draft: it promises nothing. ERR_TOO_LARGE. */
MUST int invoice_promise(const struct invoice *inv, struct payment_paid paid, int64_t now_ms,
			 struct payment_promise *out, struct err *e);
