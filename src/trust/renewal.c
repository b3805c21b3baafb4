/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "trust/renewal.h"

#include "trust/hash.h"

static const int64_t day_ms = INT64_C(24) * 3600 * 1000;

int64_t renewal_due_ms(int64_t from_ms, int64_t to_ms)
{
	return from_ms + (to_ms - from_ms) / 3 * 2;
}

int64_t renewal_spread_due_ms(int64_t from_ms, int64_t to_ms, struct str serial)
{
	struct hash h = hash_of(serial);
	return renewal_due_ms(from_ms, to_ms) + (to_ms - from_ms) / 20 * h.bytes[0] / 256;
}

enum renewal_state renewal_of(int64_t from_ms, int64_t to_ms, int64_t now_ms)
{
	if (now_ms < renewal_due_ms(from_ms, to_ms))
		return RENEWAL_FRESH;
	if (now_ms < to_ms)
		return RENEWAL_DUE;
	return now_ms <= to_ms + RENEWAL_GRACE_DAYS * day_ms ? RENEWAL_LATE : RENEWAL_OVER;
}

int64_t renewal_issuer_due_ms(int64_t to_ms, int64_t below_days)
{
	return to_ms - below_days * day_ms * 3 / 2;
}
