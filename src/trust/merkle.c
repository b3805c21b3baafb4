/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * RFC 9162, section 2.1, without recursion.
 *
 * A tree of n leaves is cut along the bits of n: each bit l that is set stands for one complete
 * subtree of 1 << l leaves, the largest at the left. The right edge, where subtrees are not
 * complete, is made of these again:
 *
 *     n = 7 = 111b      level 2: [0..3]   level 1: [4..5]   level 0: [6]
 *     root = node(L2[0], node(L1[2], L0[6]))
 */
#include "trust/merkle.h"

enum { LEVELS = 63 };

static struct str bytes_of(const struct hash *h)
{
	return str_of((const char *)h->bytes, HASH_BYTES);
}

struct hash merkle_leaf(struct str entry)
{
	struct hasher h;
	hasher_init(&h);
	hasher_add(&h, str_of("\0", 1));
	hasher_add(&h, entry);
	return hasher_end(&h);
}

struct hash merkle_node(const struct hash *left, const struct hash *right)
{
	struct hasher h;
	hasher_init(&h);
	hasher_add(&h, str_of("\1", 1));
	hasher_add(&h, bytes_of(left));
	hasher_add(&h, bytes_of(right));
	return hasher_end(&h);
}

struct hash merkle_empty(void)
{
	return hash_of(S(""));
}

MUST static int check_size(uint64_t size, struct err *e)
{
	if (size >> LEVELS)
		return err_field(e, "size", "is beyond what a log can hold");
	return 0;
}

MUST int merkle_append(uint64_t size, const struct hash *leaf, merkle_read_fn *read,
		       merkle_write_fn *write, void *user, struct err *e)
{
	struct hash h = *leaf, left;
	unsigned level = 0;
	if (check_size(size + 1, e) < 0 || write(user, 0, size, &h, e) < 0)
		return -1;
	for (; size >> level & 1; level++) {
		if (read(user, level, (size >> level) - 1, &left, e) < 0)
			return -1;
		h = merkle_node(&left, &h);
		if (write(user, level + 1, size >> (level + 1), &h, e) < 0)
			return -1;
	}
	return 0;
}

/* The hash over the leaves from (index << level) on, at most 1 << level of them, of `size`. */
MUST static int subtree(unsigned level, uint64_t index, uint64_t size, merkle_read_fn *read,
			void *user, struct hash *out, struct err *e)
{
	struct hash left;
	bool is_begun = false;
	if ((index + 1) << level <= size)
		return read(user, level, index, out, e);
	for (unsigned l = 0; l < level; l++) {
		if (!(size >> l & 1))
			continue;
		if (read(user, l, (size >> l) - 1, &left, e) < 0)
			return -1;
		*out = is_begun ? merkle_node(&left, out) : left;
		is_begun = true;
	}
	ASSERT(is_begun);
	return 0;
}

MUST int merkle_root(uint64_t size, merkle_read_fn *read, void *user, struct hash *out,
		     struct err *e)
{
	struct hash root;
	unsigned level = 0;
	if (check_size(size, e) < 0)
		return -1;
	if (size == 0) {
		*out = merkle_empty();
		return 0;
	}
	while ((size - 1) >> level)
		level++;
	if (subtree(level, 0, size, read, user, &root, e) < 0)
		return -1;
	*out = root;
	return 0;
}

/* A walk from one node of the tree to its root, which collects what stands beside the way. */
struct walk {
	merkle_read_fn *read;
	void *user;
	uint64_t size, node, last; /* `last`: the rightmost node of this level */
	unsigned level;
	struct merkle_proof proof;
};

MUST static int take(struct walk *w, uint64_t index, struct err *e)
{
	ASSERT(w->proof.count < MERKLE_PROOF_MAX);
	return subtree(w->level, index, w->size, w->read, w->user,
		       &w->proof.hashes[w->proof.count++], e);
}

static void rise(struct walk *w)
{
	w->node >>= 1;
	w->last >>= 1;
	w->level++;
}

MUST static int to_root(struct walk *w, struct err *e)
{
	for (; w->last; rise(w)) {
		if (w->node & 1 ? take(w, w->node - 1, e) < 0
				: w->node < w->last && take(w, w->node + 1, e) < 0)
			return -1;
	}
	return 0;
}

MUST int merkle_prove(uint64_t index, uint64_t size, merkle_read_fn *read, void *user,
		      struct merkle_proof *out, struct err *e)
{
	if (check_size(size, e) < 0)
		return -1;
	if (index >= size)
		return err_field(e, "size", "the log of that size does not hold the entry");
	struct walk w = {
		.read = read, .user = user, .size = size, .node = index, .last = size - 1};
	if (to_root(&w, e) < 0)
		return -1;
	*out = w.proof;
	return 0;
}

MUST int merkle_prove_consistency(uint64_t old_size, uint64_t size, merkle_read_fn *read,
				  void *user, struct merkle_proof *out, struct err *e)
{
	if (check_size(size, e) < 0)
		return -1;
	if (old_size > size)
		return err_field(e, "first", "is larger than the second size");
	out->count = 0;
	if (old_size == 0 || old_size == size)
		return 0; /* nothing to show */
	struct walk w = {.read = read,
			 .user = user,
			 .size = size,
			 .node = old_size - 1,
			 .last = size - 1};
	while (w.node & 1)
		rise(&w);
	/* A complete old tree is itself the first hash, which the verifier has. */
	if ((w.node && take(&w, w.node, e) < 0) || to_root(&w, e) < 0)
		return -1;
	*out = w.proof;
	return 0;
}

/* ---- the verifier -------------------------------------------------------------------------- */

bool merkle_is_included(const struct hash *leaf, uint64_t index, uint64_t size,
			const struct merkle_proof *p, const struct hash *root)
{
	if (index >= size || p->count > MERKLE_PROOF_MAX)
		return false;
	uint64_t node = index, last = size - 1;
	struct hash h = *leaf;
	for (size_t i = 0; i < p->count; i++) {
		if (last == 0)
			return false;
		if (!(node & 1) && node != last) {
			h = merkle_node(&h, &p->hashes[i]);
		} else {
			h = merkle_node(&p->hashes[i], &h);
			while (!(node & 1) && node) {
				node >>= 1;
				last >>= 1;
			}
		}
		node >>= 1;
		last >>= 1;
	}
	return last == 0 && hash_eq(&h, root);
}

/* Both roots from the hashes beside the way of the old tree's last leaf; 2.1.4.2. */
static bool roots_fit(uint64_t node, uint64_t last, const struct hash *first,
		      const struct hash *rest, size_t count, const struct hash *old_root,
		      const struct hash *root)
{
	struct hash was = *first, is = *first;
	for (size_t i = 0; i < count; i++) {
		if (last == 0)
			return false;
		if (node & 1 || node == last) {
			was = merkle_node(&rest[i], &was);
			is = merkle_node(&rest[i], &is);
			while (!(node & 1) && node) {
				node >>= 1;
				last >>= 1;
			}
		} else {
			is = merkle_node(&is, &rest[i]);
		}
		node >>= 1;
		last >>= 1;
	}
	return last == 0 && hash_eq(&was, old_root) && hash_eq(&is, root);
}

bool merkle_is_consistent(uint64_t old_size, const struct hash *old_root, uint64_t size,
			  const struct hash *root, const struct merkle_proof *p)
{
	if (old_size > size || p->count > MERKLE_PROOF_MAX)
		return false;
	if (old_size == size)
		return p->count == 0 && hash_eq(old_root, root);
	if (old_size == 0) {
		struct hash nothing = merkle_empty();
		return p->count == 0 && hash_eq(old_root, &nothing);
	}
	uint64_t node = old_size - 1, last = size - 1;
	for (; node & 1; node >>= 1)
		last >>= 1;
	if (node == 0) /* the old size is a power of two: its root is the first hash */
		return roots_fit(node, last, old_root, p->hashes, p->count, old_root, root);
	if (p->count == 0)
		return false;
	return roots_fit(node, last, &p->hashes[0], p->hashes + 1, p->count - 1, old_root,
			 root);
}
