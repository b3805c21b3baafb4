/* SPDX-License-Identifier: AGPL-3.0-or-later */
#pragma once
/*
 * Shamir's secret sharing over GF(256), polynomial of AES (x⁸ + x⁴ + x³ + x + 1), byte by byte.
 *
 * Share number x (1 … 255) is the value at x of random polynomials of degree need - 1 whose values
 * at 0 are the secret. Pure but for the randomness. Time does not depend on any secret: no tables,
 * no branches.
 */
#include "base/defs.h"

enum { SHARE_BYTES = 32, SHARE_MAX = 20 };

struct share {
	uint8_t index; /* not 0 */
	uint8_t bytes[SHARE_BYTES];
};

/* `n` shares of `secret`, indexes 1 … n; 2 ≤ need ≤ n ≤ SHARE_MAX. */
void share_split(const uint8_t secret[static SHARE_BYTES], unsigned need, unsigned n,
		 struct share *out);
/* The value at 0 of the polynomial through `count` shares with different indexes. */
void share_join(const struct share *shares, unsigned count, uint8_t out[static SHARE_BYTES]);
