/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* rooms: trust */
/*
 * Certificates a second of one thread, for bench/run:
 *
 *     certs KIND DIR SECONDS
 *
 * Makes an authority of KIND (p256, ed25519) in DIR, which must not exist, and prints one line of
 * JSON: leaves signed, bare signatures of GnuTLS, leaves read and checked up to the root, keys made, each a second of processor
 * time, as `openssl speed` counts.
 */
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "trust/ca.h"

struct bench {
	const struct clock *clock;
	struct ca *ca;
	struct key *key;
	struct cert_trust *trust;
	struct str leaf;
	enum key_kind kind;
};

typedef int bench_fn(struct bench *b, struct arena *a, struct err *e);

static int sign_one(struct bench *b, struct arena *a, struct err *e)
{
	char serial[CERT_SERIAL_SIZE];
	struct ca_leaf leaf = {.kind = CERT_NODE,
			       .name = S("n1"),
			       .public = key_public(b->key),
			       .now_ms = clock_now_ms(b->clock)};
	return ca_sign(b->ca, &leaf, a, &b->leaf, serial, e);
}

static int check_one(struct bench *b, struct arena *a, struct err *e)
{
	struct cert chain;
	if (cert_read(b->leaf, a, &chain, e) < 0)
		return -1;
	enum cert_fault f =
		cert_check(b->trust, &chain, 1, clock_now_ms(b->clock), false, S(""));
	return f == CERT_GOOD ? 0 : err_fail(e, ERR_BROKEN, "a leaf is %s", cert_fault_word(f));
}

static int bare_one(struct bench *b, struct arena *a, struct err *e)
{
	struct str signature;
	return key_sign(b->key, b->leaf, a, &signature, e);
}

static int make_one(struct bench *b, struct arena *a UNUSED, struct err *e)
{
	struct key *k CLEAN(key_freep) = NULL;
	return key_make(b->kind, &k, e);
}

/* How often a second of processor time `fn` works. */
static int rate(bench_fn *fn, struct bench *b, int64_t seconds, double *out, struct err *e)
{
	struct arena *a CLEAN(arena_freep) = NULL;
	clock_t begin = clock(), now = begin;
	int64_t n = 0;
	if (arena_new((size_t)1 << 20, &a, e) < 0)
		return -1;
	while (now - begin < seconds * CLOCKS_PER_SEC) {
		arena_clear(a);
		if (fn(b, a, e) < 0)
			return -1;
		n++;
		now = clock();
	}
	*out = (double)n * CLOCKS_PER_SEC / (double)(now - begin);
	return 0;
}

static int measure(struct bench *b, int64_t seconds, struct err *e)
{
	struct arena *a CLEAN(arena_freep) = NULL;
	double signs, bare, checks, keys;
	if (rate(sign_one, b, seconds, &signs, e) < 0 ||
	    arena_new((size_t)1 << 20, &a, e) < 0 || sign_one(b, a, e) < 0 ||
	    cert_trust_new(arena_fmt(a, "%" STR_F "%" STR_F, STR_A(ca_roots(b->ca)),
				     STR_A(ca_chain(b->ca))),
			   &b->trust, e) < 0 ||
	    rate(bare_one, b, seconds, &bare, e) < 0 ||
	    rate(check_one, b, seconds, &checks, e) < 0 ||
	    rate(make_one, b, seconds, &keys, e) < 0)
		return -1;
	printf("{\"signed\": %.0f, \"bare\": %.0f, \"checked\": %.0f, \"keys\": %.0f}\n", signs,
	       bare, checks, keys);
	return 0;
}

static int run(int argc, char **argv, struct bench *b, struct err *e)
{
	int64_t seconds;
	if (argc != 4)
		return err_fail(e, ERR_USAGE, "certs KIND DIR SECONDS");
	if (key_kind_read(str_from(argv[1]), &b->kind, e) < 0 ||
	    str_to_i64(str_from(argv[3]), 1, 60, &seconds, e) < 0)
		return -1;
	struct ca_make m = {.dir = argv[2],
			    .kind = CA_USERS,
			    .cloud = S("bench"),
			    .key_kind = b->kind,
			    .now_ms = clock_now_ms(b->clock)};
	if (ca_make(&m, e) < 0 || ca_open(m.dir, S(""), &b->ca, e) < 0 ||
	    key_make(b->kind, &b->key, e) < 0)
		return -1;
	return measure(b, seconds, e);
}

int main(int argc, char **argv)
{
	struct err e = ERR_INIT;
	struct bench b = {.clock = clock_system()};
	int rc = run(argc, argv, &b, &e);
	(void)cert_trust_free(b.trust);
	(void)ca_free(b.ca);
	(void)key_free(b.key);
	if (rc >= 0)
		return 0;
	(void)fprintf(stderr, "certs: %s\n", e.text);
	return err_kind_info(e.kind)->exit_code;
}
