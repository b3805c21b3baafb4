/* SPDX-License-Identifier: AGPL-3.0-or-later */
#pragma once
/*
 * The tree of RFC 9162 (section 2.1): a log that can be checked by anyone who remembers one hash.
 *
 *     leaf  = SHA-256(0x00 ‖ entry)        node = SHA-256(0x01 ‖ left ‖ right)
 *
 * Pure. The builder reads hashes of complete subtrees by (level, index) through a function, so a
 * store of n leaves needs O(log n) reads for a head or a proof.
 */
#include "base/arena.h"
#include "trust/hash.h"

enum { MERKLE_PROOF_MAX = 64 };

/* The hash of an entry. */
struct hash merkle_leaf(struct str entry);
/* The hash over two subtrees side by side. */
struct hash merkle_node(const struct hash *left, const struct hash *right);
/* SHA-256 of nothing: the head of an empty log. */
struct hash merkle_empty(void);

/* Hash of the complete subtree over leaves [index << level, (index + 1) << level). */
typedef int merkle_read_fn(void *user, unsigned level, uint64_t index, struct hash *out,
			   struct err *e);
/* A leaf was appended at index `size`: which complete subtrees exist now that did not before?
 * Calls `write` for each, lowest level first (level 0 is the leaf itself). */
typedef int merkle_write_fn(void *user, unsigned level, uint64_t index, const struct hash *h,
			    struct err *e);
MUST int merkle_append(uint64_t size, const struct hash *leaf, merkle_read_fn *read,
		       merkle_write_fn *write, void *user, struct err *e);
/* The head of the first `size` leaves. */
MUST int merkle_root(uint64_t size, merkle_read_fn *read, void *user, struct hash *out,
		     struct err *e);

struct merkle_proof {
	struct hash hashes[MERKLE_PROOF_MAX];
	size_t count;
};
/* That leaf `index` is in the log of `size` (2.1.3). ERR_INVALID: index ≥ size. */
MUST int merkle_prove(uint64_t index, uint64_t size, merkle_read_fn *read, void *user,
		      struct merkle_proof *out, struct err *e);
/* That the log of `size` continues the one of `old_size` (2.1.4). */
MUST int merkle_prove_consistency(uint64_t old_size, uint64_t size, merkle_read_fn *read,
				  void *user, struct merkle_proof *out, struct err *e);
/* The verifier's side: pure, for clients. */
bool merkle_is_included(const struct hash *leaf, uint64_t index, uint64_t size,
			const struct merkle_proof *p, const struct hash *root);
bool merkle_is_consistent(uint64_t old_size, const struct hash *old_root, uint64_t size,
			  const struct hash *root, const struct merkle_proof *p);
