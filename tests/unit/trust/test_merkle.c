/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * The tree against the published examples of RFC 6962's logs (RFC 9162 has the same tree), and
 * against the RFC's definition, written down again here as it stands there: with recursion over
 * all leaves.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "trust/merkle.h"

enum { SIZES = 130, SMALL = 40, LEVELS = 9 };

/* Complete subtrees by (level, index), and what reading them was worth. */
struct tree {
	struct hash nodes[LEVELS][SIZES + 1];
	bool is_there[LEVELS][SIZES + 1];
	struct hash leaves[SIZES + 1];
	unsigned long reads;
	bool fails;
};

static int read_node(void *user, unsigned level, uint64_t index, struct hash *out,
		     struct err *e)
{
	struct tree *t = user;
	t->reads++;
	if (t->fails)
		return err_fail(e, ERR_IO, "cannot read");
	assert_true(level < LEVELS && index <= SIZES);
	assert_true(t->is_there[level][index]);
	*out = t->nodes[level][index];
	return 0;
}

static int write_node(void *user, unsigned level, uint64_t index, const struct hash *h,
		      struct err *e UNUSED)
{
	struct tree *t = user;
	assert_true(level < LEVELS && index <= SIZES);
	assert_false(t->is_there[level][index]); /* each once */
	t->is_there[level][index] = true;
	t->nodes[level][index] = *h;
	return 0;
}

static void add(struct tree *t, uint64_t size, struct str entry)
{
	struct err e = ERR_INIT;
	t->leaves[size] = merkle_leaf(entry);
	assert_int_equal(merkle_append(size, &t->leaves[size], read_node, write_node, t, &e),
			 0);
}

static struct tree *tree_of(uint64_t size)
{
	struct tree *t = calloc(1, sizeof *t);
	char entry[20];
	assert_non_null(t);
	for (uint64_t i = 0; i < size; i++) {
		int n = snprintf(entry, sizeof entry, "entry %llu", (unsigned long long)i);
		add(t, i, str_of(entry, (size_t)n));
	}
	return t;
}

/* ---- the definition of the RFC ------------------------------------------------------------- */

static size_t split(size_t n)
{
	size_t k = 1;
	while (k * 2 < n)
		k *= 2;
	return k;
}

static struct hash root_of(const struct hash *leaves, size_t n)
{
	if (n == 0)
		return merkle_empty();
	if (n == 1)
		return leaves[0];
	size_t k = split(n);
	struct hash left = root_of(leaves, k), right = root_of(leaves + k, n - k);
	return merkle_node(&left, &right);
}

static void path_of(size_t m, const struct hash *leaves, size_t n, struct merkle_proof *out)
{
	if (n == 1)
		return;
	size_t k = split(n);
	if (m < k) {
		path_of(m, leaves, k, out);
		out->hashes[out->count++] = root_of(leaves + k, n - k);
	} else {
		path_of(m - k, leaves + k, n - k, out);
		out->hashes[out->count++] = root_of(leaves, k);
	}
}

static void subproof_of(size_t m, const struct hash *leaves, size_t n, bool is_whole,
			struct merkle_proof *out)
{
	if (m == n) {
		if (!is_whole)
			out->hashes[out->count++] = root_of(leaves, n);
		return;
	}
	size_t k = split(n);
	if (m <= k) {
		subproof_of(m, leaves, k, is_whole, out);
		out->hashes[out->count++] = root_of(leaves + k, n - k);
	} else {
		subproof_of(m - k, leaves + k, n - k, false, out);
		out->hashes[out->count++] = root_of(leaves, k);
	}
}

static void assert_proof(const struct merkle_proof *got, const struct merkle_proof *want)
{
	assert_int_equal(got->count, want->count);
	assert_memory_equal(got->hashes, want->hashes, want->count * sizeof want->hashes[0]);
}

/* ---- published examples -------------------------------------------------------------------- */

static const struct {
	const char *hex;
	size_t n;
} inputs[] = {{"", 0},
	      {"00", 1},
	      {"10", 1},
	      {"2021", 2},
	      {"3031", 2},
	      {"40414243", 4},
	      {"5051525354555657", 8},
	      {"606162636465666768696a6b6c6d6e6f", 16}};
static const char *const roots[] = {
	"e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
	"6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
	"fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
	"aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
	"d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
	"4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
	"76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
	"ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
	"5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
};
/* first: the entry, or the old size */
static const struct example {
	bool is_inclusion;
	uint64_t first, size;
	const char *hashes[5];
} examples[] = {
	{true, 0, 1, {NULL}},
	{true,
	 0,
	 8,
	 {"96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7",
	  "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
	  "6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4", NULL}},
	{true,
	 5,
	 8,
	 {"bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
	  "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0",
	  "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7", NULL}},
	{true,
	 2,
	 3,
	 {"fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125", NULL}},
	{true,
	 1,
	 5,
	 {"6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
	  "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
	  "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b", NULL}},
	{false, 1, 1, {NULL}},
	{false,
	 1,
	 8,
	 {"96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7",
	  "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
	  "6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4", NULL}},
	{false,
	 6,
	 8,
	 {"0ebc5d3437fbe2db158b9f126a1d118e308181031d0a949f8dededebc558ef6a",
	  "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0",
	  "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7", NULL}},
	{false,
	 2,
	 5,
	 {"5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
	  "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b", NULL}},
};

static void assert_hex(const struct hash *h, const char *hex)
{
	char text[HASH_TEXT_SIZE];
	hash_text(h, text);
	assert_string_equal(text, hex);
}

static struct tree *example_tree(void)
{
	struct err e = ERR_INIT;
	uint8_t bytes[16];
	struct tree *t = tree_of(0);
	for (size_t i = 0; i < ARRAY_LEN(inputs); i++) {
		assert_int_equal(str_unhex(str_from(inputs[i].hex), bytes, inputs[i].n, &e), 0);
		add(t, i, str_of((const char *)bytes, inputs[i].n));
	}
	return t;
}

static void the_published_roots_are_ours(void **state UNUSED)
{
	struct tree *t = example_tree();
	struct err e = ERR_INIT;
	struct hash root;
	for (uint64_t n = 0; n < ARRAY_LEN(roots); n++) {
		assert_int_equal(merkle_root(n, read_node, t, &root, &e), 0);
		assert_hex(&root, roots[n]);
	}
	free(t);
}

static void the_published_proofs_are_ours(void **state UNUSED)
{
	struct tree *t = example_tree();
	struct err e = ERR_INIT;
	for (size_t i = 0; i < ARRAY_LEN(examples); i++) {
		const struct example *x = &examples[i];
		struct merkle_proof p = {.count = 99};
		assert_int_equal(x->is_inclusion
					 ? merkle_prove(x->first, x->size, read_node, t, &p, &e)
					 : merkle_prove_consistency(x->first, x->size,
								    read_node, t, &p, &e),
				 0);
		for (size_t k = 0; k < p.count; k++) {
			assert_non_null(x->hashes[k]);
			assert_hex(&p.hashes[k], x->hashes[k]);
		}
		assert_null(x->hashes[p.count]);
	}
	free(t);
}

/* ---- every size, entry and pair ------------------------------------------------------------ */

static void roots_are_those_of_the_definition(void **state UNUSED)
{
	struct tree *t = tree_of(SIZES);
	struct err e = ERR_INIT;
	for (uint64_t n = 0; n <= SIZES; n++) {
		struct hash root, want = root_of(t->leaves, n);
		t->reads = 0;
		assert_int_equal(merkle_root(n, read_node, t, &root, &e), 0);
		assert_true(hash_eq(&root, &want));
		assert_true(t->reads <= LEVELS); /* one for each bit of the size */
	}
	free(t);
}

/* Bit `k` of a proof's hashes and of the hash at the other end. */
static void flip(struct hash *h, size_t k)
{
	h->bytes[k / 8 % HASH_BYTES] ^= (uint8_t)(1U << k % 8);
}

static void refuse_other_inclusions(const struct tree *t, uint64_t index, uint64_t size,
				    const struct merkle_proof *good, const struct hash *root)
{
	const struct hash *leaf = &t->leaves[index];
	struct merkle_proof p = *good;
	struct hash h = *root;
	size_t k = index * 31 + size * 7;
	for (size_t i = 0; i < p.count; i++) {
		flip(&p.hashes[i], k + 37 * i);
		assert_false(merkle_is_included(leaf, index, size, &p, root));
		p = *good;
	}
	flip(&h, k);
	assert_false(merkle_is_included(leaf, index, size, good, &h));
	h = *leaf;
	flip(&h, k);
	assert_false(merkle_is_included(&h, index, size, good, root));
	p.hashes[p.count++] = *root; /* one hash too many, one too few */
	assert_false(merkle_is_included(leaf, index, size, &p, root));
	if (good->count) {
		p.count = good->count - 1;
		assert_false(merkle_is_included(leaf, index, size, &p, root));
	}
	for (uint64_t other = 0; other < size && size <= SMALL; other++)
		if (other != index)
			assert_false(merkle_is_included(leaf, other, size, good, root));
	assert_false(merkle_is_included(leaf, size, size, good, root));
}

static void every_entry_is_proven_and_nothing_else(void **state UNUSED)
{
	struct tree *t = tree_of(SIZES);
	struct err e = ERR_INIT;
	for (uint64_t size = 1; size <= SIZES; size++) {
		struct hash root = root_of(t->leaves, size);
		for (uint64_t i = 0; i < size; i++) {
			struct merkle_proof p, want = {.count = 0};
			path_of(i, t->leaves, size, &want);
			assert_int_equal(merkle_prove(i, size, read_node, t, &p, &e), 0);
			assert_proof(&p, &want);
			assert_true(merkle_is_included(&t->leaves[i], i, size, &p, &root));
			refuse_other_inclusions(t, i, size, &p, &root);
		}
	}
	free(t);
}

static void refuse_other_pairs(uint64_t old, const struct hash *was, uint64_t size,
			       const struct hash *root, const struct merkle_proof *good)
{
	struct merkle_proof p = *good;
	struct hash h = *root;
	size_t k = old * 13 + size * 5;
	for (size_t i = 0; i < p.count; i++) {
		flip(&p.hashes[i], k + 41 * i);
		assert_false(merkle_is_consistent(old, was, size, root, &p));
		p = *good;
	}
	flip(&h, k);
	if (old)
		assert_false(merkle_is_consistent(old, was, size, &h, good));
	h = *was;
	flip(&h, k);
	assert_false(merkle_is_consistent(old, &h, size, root, good));
	p.hashes[p.count++] = *root;
	assert_false(merkle_is_consistent(old, was, size, root, &p));
	if (good->count) {
		p.count = good->count - 1;
		assert_false(merkle_is_consistent(old, was, size, root, &p));
	}
}

static void every_pair_is_consistent_and_no_other_tree(void **state UNUSED)
{
	struct tree *t = tree_of(SIZES);
	struct err e = ERR_INIT;
	struct hash all[SIZES + 1];
	for (uint64_t size = 0; size <= SIZES; size++) {
		struct hash root = all[size] = root_of(t->leaves, size);
		for (uint64_t old = 0; old <= size; old++) {
			struct hash was = all[old];
			struct merkle_proof p, want = {.count = 0};
			if (old)
				subproof_of(old, t->leaves, size, true, &want);
			assert_int_equal(
				merkle_prove_consistency(old, size, read_node, t, &p, &e), 0);
			assert_proof(&p, &want);
			assert_true(merkle_is_consistent(old, &was, size, &root, &p));
			refuse_other_pairs(old, &was, size, &root, &p);
			if (old < size)
				assert_false(merkle_is_consistent(size, &root, old, &was, &p));
		}
	}
	free(t);
}

static void each_bit_of_a_proof_counts(void **state UNUSED)
{
	static const uint64_t sizes[] = {7, 64, 100};
	struct tree *t = tree_of(SIZES);
	struct err e = ERR_INIT;
	for (size_t s = 0; s < ARRAY_LEN(sizes); s++) {
		struct hash root = root_of(t->leaves, sizes[s]), was = root_of(t->leaves, 5);
		struct merkle_proof in, con;
		assert_int_equal(merkle_prove(4, sizes[s], read_node, t, &in, &e), 0);
		assert_int_equal(merkle_prove_consistency(5, sizes[s], read_node, t, &con, &e),
				 0);
		for (size_t k = 0; k < in.count * 8 * HASH_BYTES; k++) {
			struct merkle_proof p = in;
			flip(&p.hashes[k / (8 * HASH_BYTES)], k);
			assert_false(merkle_is_included(&t->leaves[4], 4, sizes[s], &p, &root));
		}
		for (size_t k = 0; k < con.count * 8 * HASH_BYTES; k++) {
			struct merkle_proof p = con;
			flip(&p.hashes[k / (8 * HASH_BYTES)], k);
			assert_false(merkle_is_consistent(5, &was, sizes[s], &root, &p));
		}
	}
	free(t);
}

static void what_is_not_there_is_not_proven(void **state UNUSED)
{
	struct tree *t = tree_of(5);
	struct err e = ERR_INIT;
	struct merkle_proof p;
	struct hash root = merkle_empty();
	assert_int_equal(merkle_prove(5, 5, read_node, t, &p, &e), -1);
	assert_int_equal(e.kind, ERR_INVALID);
	assert_int_equal(merkle_prove(0, 0, read_node, t, &p, &e), -1);
	assert_int_equal(e.kind, ERR_INVALID);
	assert_int_equal(merkle_prove_consistency(6, 5, read_node, t, &p, &e), -1);
	assert_string_equal(e.field, "first");
	assert_int_equal(merkle_root(UINT64_MAX, read_node, t, &root, &e), -1);
	assert_string_equal(e.field, "size");
	assert_int_equal(merkle_prove(1, UINT64_C(1) << 63, read_node, t, &p, &e), -1);
	/* A proof that claims more hashes than there is room for is not read. */
	p.count = MERKLE_PROOF_MAX + 1;
	assert_false(merkle_is_included(&t->leaves[0], 0, 5, &p, &root));
	assert_false(merkle_is_consistent(1, &root, 5, &root, &p));
	free(t);
}

static void a_failure_to_read_is_handed_on(void **state UNUSED)
{
	struct tree *t = tree_of(7);
	struct err e = ERR_INIT;
	struct merkle_proof p;
	struct hash root;
	t->fails = true;
	assert_int_equal(merkle_root(7, read_node, t, &root, &e), -1);
	assert_int_equal(e.kind, ERR_IO);
	assert_int_equal(merkle_prove(1, 7, read_node, t, &p, &e), -1);
	assert_int_equal(merkle_prove_consistency(3, 7, read_node, t, &p, &e), -1);
	assert_int_equal(merkle_append(7, &t->leaves[0], read_node, write_node, t, &e), -1);
	assert_int_equal(e.kind, ERR_IO);
	free(t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_published_roots_are_ours),
		cmocka_unit_test(the_published_proofs_are_ours),
		cmocka_unit_test(roots_are_those_of_the_definition),
		cmocka_unit_test(every_entry_is_proven_and_nothing_else),
		cmocka_unit_test(every_pair_is_consistent_and_no_other_tree),
		cmocka_unit_test(each_bit_of_a_proof_counts),
		cmocka_unit_test(what_is_not_there_is_not_proven),
		cmocka_unit_test(a_failure_to_read_is_handed_on),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
