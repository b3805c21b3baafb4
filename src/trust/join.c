/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "trust/join.h"

#include <string.h>

#include "trust/jose.h"
#include "trust/wipe.h"

enum { ROOT_CHARS = 43 };

static bool is_base64url(struct str s)
{
	for (size_t i = 0; i < s.n; i++) {
		char c = s.p[i];
		bool is_letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
		if (!is_letter && !(c >= '0' && c <= '9') && c != '-' && c != '_')
			return false;
	}
	return true;
}

MUST static int read_root(struct str text, struct hash *out, struct err *e)
{
	struct arena *a CLEAN(arena_freep) = NULL;
	struct str bytes = S("");
	if (arena_new(4096, &a, e) < 0)
		return -1;
	int rc = text.n == ROOT_CHARS ? base64url_read(text, a, &bytes, e) : 1;
	if (rc < 0 && e->kind != ERR_INVALID)
		return -1;
	if (rc != 0 || bytes.n != sizeof out->bytes)
		return err_field(e, "token", "is damaged: its fingerprint is");
	memcpy(out->bytes, bytes.p, bytes.n);
	return 0;
}

MUST int join_token_read(struct str text, struct join_token *out, struct err *e)
{
	struct str rest = str_trim(text), part[4];
	struct hash root;
	size_t n = 0;
	if (rest.n > JOIN_TOKEN_MAX)
		return err_field(e, "token", "is no token: too long");
	if (!rest.n)
		return err_field(e, "token", "is empty");
	while (n < ARRAY_LEN(part) && str_split(&rest, '.', &part[n]))
		n++;
	if (n < ARRAY_LEN(part) || rest.p || !str_is(part[0], "hoc1"))
		return err_field(e, "token",
				 "is no token: it begins with hoc1 and has four parts");
	if (!str_is(part[1], "p") && !str_is(part[1], "n"))
		return err_field(e, "token", "is for neither a person nor a node");
	if (part[3].n != JOIN_SECRET_CHARS || !is_base64url(part[3]))
		return err_field(e, "token", "is cut or damaged");
	if (read_root(part[2], &root, e) < 0)
		return -1;
	*out = (struct join_token){
		.is_node = str_is(part[1], "n"), .root = root, .secret = part[3]};
	return 0;
}

MUST int join_token_make(bool is_node, const struct hash *root, struct arena *a,
			 struct str *out, struct err *e)
{
	char secret[JOIN_SECRET_CHARS + 4];
	struct str root64 = base64url(str_of((const char *)root->bytes, sizeof root->bytes), a);
	trust_random_text(JOIN_SECRET_BYTES, secret, sizeof secret);
	*out = arena_fmt(a, "hoc1.%c.%" STR_F ".%s", is_node ? 'n' : 'p', STR_A(root64),
			 secret);
	trust_wipe(secret, sizeof secret);
	return arena_check(a, e);
}

struct hash join_token_name(const struct join_token *t)
{
	return hash_of(t->secret);
}

struct str join_statement(struct str kind, struct str owner, struct str recipient,
			  struct arena *a)
{
	return arena_fmt(a, "hoc-seal-key-v1\n%" STR_F "\n%" STR_F "\n%" STR_F "\n",
			 STR_A(kind), STR_A(owner), STR_A(recipient));
}
