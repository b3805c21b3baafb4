/* SPDX-License-Identifier: AGPL-3.0-or-later */
#pragma once
/* Roots that change: whom a party goes on to believe. Pure. */
#include "base/arena.h"

enum { ROOTS_PEM_MAX = 1 << 20 };

/*
 * A party that trusts `old_pem` is told `fresh_pem`, together with its own new chain. It believes
 * those that it trusted already, and those for whose key a link certificate in the chain vouches
 * that is good under the old roots: their PEM in *out, how many it does not believe in *refused.
 * If that leaves none, *out is `old_pem`. ERR_INVALID: not PEM of certificates.
 */
MUST int roots_follow(struct str old_pem, struct str fresh_pem, struct str chain_pem,
		      int64_t now_ms, struct arena *a, struct str *out, size_t *refused,
		      struct err *e);
