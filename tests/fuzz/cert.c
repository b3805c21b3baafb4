/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* rooms: trust */
/*
 * Certificates, chains, requests and revocation lists of strangers. What is read keeps its promises
 * (texts, bounds, fingerprints), and nothing that was not signed by the trusted root is good.
 */
#include <string.h>

#include "trust/cert.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

/* A root that trusts nobody in the corpus; the input is added to it as what may help. */
static const char root[] = "-----BEGIN CERTIFICATE-----\n"
			   "MIIB3TCCAYOgAwIBAgIUZ5478V+iO2L5gLBnjjtRKstRFU4wCgYIKoZIzj0EAwIw\n"
			   "OzENMAsGA1UECgwEZnV6ejEOMAwGA1UECwwFdXNlcnMxGjAYBgNVBAMMEWZ1enog\n"
			   "dXNlcnMgcm9vdCAxMCAXDTI2MTEyMjAwNDI0NFoYDzIxMjYxMDI5MDA0MjQ0WjA7\n"
			   "MQ0wCwYDVQQKDARmdXp6MQ4wDAYDVQQLDAV1c2VyczEaMBgGA1UEAwwRZnV6eiB1\n"
			   "c2VycyByb290IDEwWTATBgcqhkjOPQIBBggqhkjOPQMBBwNCAARVJJxlqz84SMnt\n"
			   "08K2bocjK7/P4tpuzmeLphn5BxqQz6qK3NIfFxQsU54jy/kavdP1c6BIDYDdYQIZ\n"
			   "5mrryrSno2MwYTAdBgNVHQ4EFgQUMcg8rZeRePzx+cPckfnM9tY4ZkAwHwYDVR0j\n"
			   "BBgwFoAUMcg8rZeRePzx+cPckfnM9tY4ZkAwDwYDVR0TAQH/BAUwAwEB/zAOBgNV\n"
			   "HQ8BAf8EBAMCAQYwCgYIKoZIzj0EAwIDSAAwRQIhAJ6JmEk5knC+is4wpKog5u2W\n"
			   "+WEvlx5ZnEfRa+rnzXpzAiBVWWpIWtV4fsfXG6Du5E2shKs3BdRb/7WNRFC6hXBa\n"
			   "Ow==\n"
			   "-----END CERTIFICATE-----\n";

static void check_cert(const struct cert *c)
{
	struct hash h = hash_of(c->public);
	ASSERT(hash_eq(&h, &c->key));
	ASSERT(c->der.n <= CERT_DER_MAX && c->names.count <= CERT_NAMES_MAX);
	ASSERT(strlen(c->serial) > 0 && strlen(c->serial) < CERT_SERIAL_SIZE);
	ASSERT(str_is_utf8(c->name) && str_is_utf8(c->issuer));
	ASSERT(c->kind < CERT_KINDS && (c->kind == CERT_AUTHORITY) == c->is_authority);
	for (size_t i = 0; i < c->names.count; i++)
		ASSERT(c->names.items[i].n &&
		       !memchr(c->names.items[i].p, 0, c->names.items[i].n));
}

/* Reading it again, from both of its forms, gives the same. */
static void read_again(const struct cert *c, struct arena *a)
{
	struct err e = ERR_INIT;
	struct cert again;
	ASSERT(cert_read(c->der, a, &again, &e) == 0 && str_eq(again.der, c->der));
	ASSERT(cert_read(cert_pem(c->der, a), a, &again, &e) == 0);
	ASSERT(str_eq(again.der, c->der) && strcmp(again.serial, c->serial) == 0);
}

static void check_trust(struct str input, const struct cert *chain, size_t count,
			struct arena *a)
{
	struct err e = ERR_INIT;
	struct cert_trust *t CLEAN(cert_trust_freep) = NULL;
	ASSERT(cert_trust_new(str_from(root), &t, &e) == 0);
	ASSERT(cert_trust_add_crl(t, input, &e) < 0);
	if (count)
		ASSERT(cert_check(t, chain, count, 1795219200000, false, S("")) != CERT_GOOD);
	t = cert_trust_free(t);
	if (cert_trust_new(arena_fmt(a, "%s%.*s", root, STR_A(input)), &t, &e) == 0 && count)
		(void)cert_check(t, chain, count, 1795219200000, true, S("a.test"));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct arena *a CLEAN(arena_freep) = NULL;
	struct err e = ERR_INIT;
	struct str s = str_of((const char *)data, n);
	struct cert one, *chain = &one;
	struct cert_request r;
	size_t count = 0;
	ASSERT(arena_new((size_t)64 << 20, &a, &e) == 0);
	if (cert_read(s, a, &one, &e) == 0)
		count = 1;
	else if (cert_chain_read(s, a, &chain, &count, &e) < 0)
		ASSERT(e.kind == ERR_INVALID && e.text[0]);
	for (size_t i = 0; i < count; i++) {
		check_cert(&chain[i]);
		read_again(&chain[i], a);
	}
	if (cert_request_read(s, a, &r, &e) == 0)
		ASSERT(r.public.n && r.names.count <= CERT_NAMES_MAX);
	check_trust(s, chain, count, a);
	return 0;
}
