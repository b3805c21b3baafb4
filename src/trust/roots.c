/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "trust/roots.h"

#include <string.h>

#include "trust/cert.h"

static bool is_among(const struct cert *c, const struct cert *list, size_t count)
{
	struct hash mine = cert_fingerprint(c);
	for (size_t i = 0; i < count; i++) {
		struct hash other = cert_fingerprint(&list[i]);
		if (memcmp(&mine, &other, sizeof mine) == 0)
			return true;
	}
	return false;
}

/*
 * Does a link certificate among `chain`, good under the old roots, carry the new root's key?
 * cert_check says of an authority that holds that its purpose is wrong: it is no leaf.
 */
static bool is_vouched_for(const struct cert_trust *old, const struct cert *root,
			   const struct cert *chain, size_t count, int64_t now_ms)
{
	struct cert links[CERT_CHAIN_MAX];
	for (size_t i = 0; i < count; i++) {
		if (!chain[i].is_authority ||
		    memcmp(&chain[i].key, &root->key, sizeof root->key) != 0)
			continue;
		/* The link first, the others after it. */
		memcpy(links, chain, count * sizeof *chain);
		links[0] = chain[i];
		links[i] = chain[0];
		if (cert_check(old, links, count, now_ms, false, S("")) == CERT_WRONG_PURPOSE)
			return true;
	}
	return false;
}

MUST int roots_follow(struct str old_pem, struct str fresh_pem, struct str chain_pem,
		      int64_t now_ms, struct arena *a, struct str *out, size_t *refused,
		      struct err *e)
{
	struct cert *old, *fresh, *chain;
	size_t old_n, fresh_n, chain_n;
	struct cert_trust *trust CLEAN(cert_trust_freep) = NULL;
	struct buf b CLEAN(buf_fini) = BUF_INIT(ROOTS_PEM_MAX);
	if (cert_chain_read(old_pem, a, &old, &old_n, e) < 0 ||
	    cert_chain_read(fresh_pem, a, &fresh, &fresh_n, e) < 0 ||
	    cert_chain_read(chain_pem, a, &chain, &chain_n, e) < 0 ||
	    cert_trust_new(old_pem, &trust, e) < 0)
		return -1;
	*refused = 0;
	for (size_t i = 0; i < fresh_n; i++) {
		if (is_among(&fresh[i], old, old_n) ||
		    is_vouched_for(trust, &fresh[i], chain, chain_n, now_ms))
			buf_add(&b, cert_pem(fresh[i].der, a));
		else
			(*refused)++;
	}
	if (buf_check(&b, e) < 0)
		return -1;
	*out = arena_dup(a, b.n ? buf_str(&b) : old_pem);
	return arena_check(a, e);
}
