/* SPDX-License-Identifier: AGPL-3.0-or-later */
#pragma once
/*
 * When a certificate is made anew: the one rule of all who hold one. Pure.
 *
 *     from ─────────────────────── due ─────────── to ───────────────── to + grace
 *      │ RENEWAL_FRESH              │ RENEWAL_DUE   │ RENEWAL_LATE        │ RENEWAL_OVER
 *
 * A leaf is due after two thirds of its life: of 30 days, 10 are left to get another. Whoever
 * was away until it ended gets one all the same, for the time of grace; later he has to be let in
 * by an operator again.
 *
 * An issuer is due while whatever it signs can still live as long as it should, and half as long
 * again: a node whose issuer is delegated can be without a master for that half, and never sign
 * a certificate that is cut short; and there is time for somebody to fetch an offline root.
 */
#include "base/str.h"

enum { RENEWAL_GRACE_DAYS = 30 };

enum renewal_state { RENEWAL_FRESH, RENEWAL_DUE, RENEWAL_LATE, RENEWAL_OVER };

/* When a leaf with this life is due. */
int64_t renewal_due_ms(int64_t from_ms, int64_t to_ms);
/* The same, and up to a twentieth of the life later, as the serial decides: not all at once. */
int64_t renewal_spread_due_ms(int64_t from_ms, int64_t to_ms, struct str serial);
/* What is to be done with a leaf. */
enum renewal_state renewal_of(int64_t from_ms, int64_t to_ms, int64_t now_ms);
/* When an issuer that ends then is due, if what it signs lives for `below_days`. */
int64_t renewal_issuer_due_ms(int64_t to_ms, int64_t below_days);
