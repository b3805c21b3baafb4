/* SPDX-License-Identifier: AGPL-3.0-or-later */
#pragma once
/*
 * Exact decimals, for quantities and (base/money.h) money.
 *
 * A value is coefficient × 10^-scale with at most 36 digits and at most 18 decimals. 64 bits
 * would not do: the byte-seconds of a 10 TiB disk in a month pass 2^64. The scale travels with
 * the value, because a price list that says "12.00" must print "12.00", and because products of
 * quantities and prices are exact instead of being cut at one fixed scale.
 *
 * No result is ever silently inexact or wrapped: what does not fit is ERR_TOO_LARGE. Only
 * dec_round and dec_mul_ratio round, both in the one way of commerce: half away from zero
 * (1.005 → 1.01, -1.005 → -1.01), and both once. There is no other division.
 *
 * The text form is unique: [-]digits[.digits] without '+', exponent, leading zeros or "-0"; so
 * parse and print undo each other exactly. A zeroed struct dec is 0. Plain values, any thread.
 */
#include "base/str.h"

enum { DEC_DIGITS_MAX = 36, DEC_SCALE_MAX = 18, DEC_TEXT_SIZE = 40 };

struct dec {
	__int128 coefficient; /* within ±(10^36 - 1) */
	uint8_t scale;	      /* decimals, 0 … 18 */
};

/* v as a decimal without decimals. */
struct dec dec_i64(int64_t v);
/* The whole of `s` in the text form; ERR_INVALID if malformed, ERR_TOO_LARGE beyond the digits.
 */
MUST int dec_parse(struct str s, struct dec *out, struct err *e);
/* The text form with exactly `scale` decimals. */
void dec_text(struct dec d, char out[static DEC_TEXT_SIZE]);
/* Appends the text form. */
void dec_add_text(struct buf *b, struct dec d);

/* Exact; the larger scale of both. ERR_TOO_LARGE. */
MUST int dec_add(struct dec a, struct dec b, struct dec *out, struct err *e);
MUST int dec_sub(struct dec a, struct dec b, struct dec *out, struct err *e);
/* Exact; the sum of both scales, trailing zeros dropped only as far as needed to fit.
 * ERR_TOO_LARGE. */
MUST int dec_mul(struct dec a, struct dec b, struct dec *out, struct err *e);
struct dec dec_neg(struct dec a);
/* < 0, 0, > 0; 1.5 equals 1.50. */
int dec_cmp(struct dec a, struct dec b);
/* -1, 0 or 1. */
int dec_sign(struct dec a);
/* The same value without trailing zeros behind the point, but with at least `digits_min`
 * decimals if it had them. */
struct dec dec_trim(struct dec a, uint8_t digits_min);

/*
 * THE rounding function: `a` with exactly `digits` decimals (0 … 18), half away from zero;
 * zeros are added if it has fewer. ERR_TOO_LARGE.
 */
MUST int dec_round(struct dec a, uint8_t digits, struct dec *out, struct err *e);
/*
 * Pro-rata: amount × part / whole, exact in between however long, rounded once as dec_round
 * does. ERR_INVALID if whole is 0, ERR_TOO_LARGE if the result does not fit.
 */
MUST int dec_mul_ratio(struct dec amount, struct dec part, struct dec whole, uint8_t digits,
		       struct dec *out, struct err *e);
