/* SPDX-License-Identifier: AGPL-3.0-or-later */
#pragma once
/*
 * How often somebody may ask.
 *
 * Each caller has a bucket of `burst` tokens that fills by `per_minute`; a request takes one, and
 * without one the caller is told how long to wait. A bucket is one moment: when it will be full
 * again (the generic cell rate algorithm of ITU-T I.371). Classes do not share buckets:
 *
 *     RATE_IDENTITY  requests of a person or node that showed a good certificate
 *     RATE_ADDRESS   requests of everybody else, by address
 *     RATE_LOGIN     tries to become somebody (enrolment, renewal, sessions, ACME accounts), by
 *                    address, besides one of the classes above
 *
 * The table has RATE_BUCKETS places and never grows. Where many callers want the same places the
 * bucket that is nearest to full gives way: who is being held back stays held back. Places are
 * found by a keyed hash that strangers cannot predict. Any number of threads.
 */
#include "base/str.h"

enum rate_class { RATE_IDENTITY, RATE_ADDRESS, RATE_LOGIN, RATE_CLASSES };

enum { RATE_BUCKETS = 1 << 16, RATE_WAYS = 8, RATE_KEY_SIZE = 64 };

struct rate_limit {
	int64_t per_minute; /* 0: no limit */
	int64_t burst;
};
struct rate_limits {
	struct rate_limit of[RATE_CLASSES];
};

struct rate;

/* `limits` is copied. ERR_MEMORY. */
MUST int rate_new(const struct rate_limits *limits, struct rate **out, struct err *e);
/* NULL is accepted; returns NULL. */
struct rate *rate_free(struct rate *r);

/* Takes a token of `who` at the (monotonic) moment: 0, or the milliseconds until there is one. */
int64_t rate_take(struct rate *r, enum rate_class class, struct str who, int64_t now_ms);

/*
 * What stands for an address: an IPv4 address (also one mapped into IPv6) itself, of an IPv6
 * address its /64, since that is what one subscriber has; anything else ("unix") as it is.
 * `out` has RATE_KEY_SIZE bytes.
 */
struct str rate_address(struct str address, char *out);
