/* SPDX-License-Identifier: AGPL-3.0-or-later */
#pragma once
/*
 * Money: an exact decimal with its currency. Plain values, any thread.
 */
#include "base/dec.h"

/* An amount of one currency. */
struct money {
	struct dec amount;
	char currency[4]; /* ISO 4217 code, NUL-terminated */
};

/* Decimals of a currency's smallest coin (EUR 2, JPY 0, KWD 3); -1 if the table has no such
 * code. */
int money_digits(const char *currency);
/* Reads a code of the table. ERR_INVALID. */
MUST int money_currency(struct str code, char out[static 4], struct err *e);
/* ERR_INVALID if the currencies differ, else as dec_add. */
MUST int money_add(struct money a, struct money b, struct money *out, struct err *e);
/* Rounded to the smallest coin. ERR_INVALID for an unknown currency. */
MUST int money_round(struct money a, struct money *out, struct err *e);
