/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* rooms: api */
/*
 * Tokens and names of strangers. A token that is read has a secret of its own text; a damaged one
 * is never quoted. A DNS name that is taken is one with its labels, below what it is below.
 */
#include <string.h>

#include "api/trust_names.h"
#include "trust/join.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static void token(struct str s)
{
	struct join_token t;
	struct err e = ERR_INIT;
	if (join_token_read(s, &t, &e) == 0) {
		ASSERT(t.secret.n == JOIN_SECRET_CHARS);
		ASSERT(t.secret.p >= s.p && t.secret.p + t.secret.n <= s.p + s.n);
		return;
	}
	ASSERT(e.kind == ERR_INVALID && strcmp(e.field, "token") == 0);
}

static void dns(struct str s)
{
	struct err e = ERR_INIT;
	char address[64], again[64];
	if (trust_dns_name(s, true, "names", &e) == 0) {
		ASSERT(s.n <= DNS_NAME_MAX && !trust_is_address(s, address));
		size_t dot = str_find_char(s, '.');
		ASSERT(dot > 0 && dot < s.n);
		struct str above = str_sub(s, dot + 1, s.n);
		ASSERT(trust_is_below(s, s) && trust_is_below(s, above));
		ASSERT(!trust_is_below(above, s));
	}
	if (trust_is_address(s, address))
		ASSERT(trust_is_address(str_from(address), again) &&
		       strcmp(address, again) == 0);
	if (trust_name(s, "name", &e) == 0)
		ASSERT(s.n && s.n <= TRUST_NAME_MAX);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct str s = str_of((const char *)data, n);
	token(s);
	dns(s);
	return 0;
}
