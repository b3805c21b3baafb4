/* SPDX-License-Identifier: AGPL-3.0-or-later */
#pragma once
/*
 * Tables log_leaf, log_node, log_head, log_witness: the transparency log of this cloud.
 *
 * What is told to everybody stands in it for ever: certificates, changes of keys, releases. It is
 * a tree of hashes (trust/merkle.h) over the texts of its entries (core/audit.h), so whoever
 * remembers a head (size and root) can be shown, in O(log n) hashes, that an entry is in the log
 * and that a later head continues the earlier one. Positions begin at 0 and have no gaps. A head
 * or proof reads its hashes in one statement.
 */
#include "core/model.h"
#include "store/schema.h"
#include "trust/merkle.h"

enum { STORE_LOG_TEXT_MAX = 512, STORE_LOG_BODY_MAX = 2 << 10 };

struct log_entry {
	int64_t position, at_ms;
	struct str kind, subject, body_json;
	struct str hash;     /* of the leaf, hex */
	int64_t customer_id; /* whose certificate it is; 0: nobody's, or another kind of entry */
};

/*
 * Appends an entry (kind, subject, body_json, at_ms are given) and fills position and hash.
 * ERR_INVALID: a line end in kind or subject. ERR_TOO_LARGE: a field beyond its maximum.
 */
MUST int store_log_append(struct db_tx *tx, struct arena *a, struct log_entry *entry,
			  struct err *e);
/* How many entries there are. */
MUST int store_log_size(struct db_tx *tx, int64_t *out, struct err *e);
/* From position `from` on, in order; `subject` "": all, else only those about it. */
MUST int store_log_list(struct db_tx *tx, struct arena *a, int64_t from, struct str subject,
			int64_t limit, struct log_entry **out, size_t *count, struct err *e);
/* The first entry with that leaf hash (hex): 1 and its position, or 0. */
MUST int store_log_find(struct db_tx *tx, struct str hash, int64_t *position, struct err *e);

/* The root of the first `size` entries. ERR_INVALID (field "size"): there are not so many. */
MUST int store_log_root(struct db_tx *tx, struct arena *a, int64_t size, struct hash *out,
			struct err *e);
/* That the entry at `position` is among the first `size`. ERR_INVALID as above, or position ≥ size. */
MUST int store_log_prove(struct db_tx *tx, struct arena *a, int64_t position, int64_t size,
			 struct merkle_proof *out, struct err *e);
/* That the first `size` entries continue the first `old_size`. ERR_INVALID: not old ≤ new ≤ all. */
MUST int store_log_prove_consistency(struct db_tx *tx, struct arena *a, int64_t old_size,
				     int64_t size, struct merkle_proof *out, struct err *e);

/* A head, signed by a master. */
struct log_head {
	int64_t size, at_ms;
	struct str root, key_name, signature; /* hex, hex, base64url */
};
/* Adds one; the one before goes if it is of the same hour as the one before that. */
MUST int store_log_head_add(struct db_tx *tx, struct arena *a, const struct log_head *head,
			    struct err *e);
/* The newest: 1, or 0 if there is none. */
MUST int store_log_head_last(struct db_tx *tx, struct arena *a, struct log_head *out,
			     struct err *e);
/* Of more than `since` entries, in order. */
MUST int store_log_head_list(struct db_tx *tx, struct arena *a, int64_t since, int64_t limit,
			     struct log_head **out, size_t *count, struct err *e);

/* What somebody has seen of the log, signed by his key. */
struct log_witness {
	struct str witness; /* "person:NAME", "node:NAME" */
	struct str key_name, public, root,
		signature; /* hex, base64url of DER, hex, base64url */
	int64_t size, at_ms;
};
/* Keeps the word of this witness instead of his earlier one. */
MUST int store_log_witness_put(struct db_tx *tx, const struct log_witness *w, struct err *e);
/* What is kept of a witness: 1, or 0 if nothing. */
MUST int store_log_witness_find(struct db_tx *tx, struct arena *a, struct str witness,
				struct log_witness *out, struct err *e);
/* Largest size first. */
MUST int store_log_witness_list(struct db_tx *tx, struct arena *a, int64_t limit,
				struct log_witness **out, size_t *count, struct err *e);
