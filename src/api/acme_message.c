/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * Signed requests (RFC 8555 6.2 to 6.5): a flattened JWS whose protected header has alg, url, nonce
 * and exactly one of jwk and kid.
 *
 * Order of checks: shape, algorithm, url, nonce, key or account, signature, and last whether the
 * nonce was used; only then is it used up, so that what nobody signed leaves no row.
 */
#include "api/acme.h"
#include "trust/wipe.h"

enum { MESSAGE_MAX = 128 << 10 };

/* clang-format off */
struct message { struct str protected64, payload64, signature64; };
static const struct json_field message_fields[] = {
	JSON_STR(struct message, protected64, "protected", 1, 16384, JSON_REQUIRED, "The protected header: alg, nonce, url, and kid or jwk; base64url."),
	JSON_STR(struct message, payload64, "payload", 0, 98304, JSON_REQUIRED, "What is asked, base64url; empty: only to read."),
	JSON_STR(struct message, signature64, "signature", 1, 1024, JSON_REQUIRED, "Over both, base64url."),
};
const struct json_desc acme_message_desc =
	JSON_DESC(struct message, message_fields, "Jws", "A flattened JSON web signature (RFC 7515), application/jose+json.");

struct header { struct str alg, nonce, url, kid; struct json *jwk, *crit; };
static const struct json_field header_fields[] = {
	JSON_STR(struct header, alg, "alg", 1, 20, JSON_REQUIRED, "How it is signed."),
	JSON_STR(struct header, nonce, "nonce", 0, 200, 0, "From Replay-Nonce."),
	JSON_STR(struct header, url, "url", 0, 2000, 0, "Where it is sent."),
	JSON_STR(struct header, kid, "kid", 0, 2000, 0, "The account."),
	JSON_TREE_OBJECT(struct header, jwk, "jwk", 0, "The key, before there is an account."),
	JSON_TREE(struct header, crit, "crit", 0, "None is understood."),
};
static const struct json_desc header_desc = {
	.name = "Header", .help = "Protected header.", .bytes = sizeof(struct header),
	.fields = header_fields, .n_fields = ARRAY_LEN(header_fields), .is_open = true};

static const struct json_field jwk_fields[] = {
	JSON_STR(struct jwk, kty, "kty", 1, 10, JSON_REQUIRED, "Kind."),
	JSON_STR(struct jwk, crv, "crv", 0, 20, 0, "Curve.", .initial_text = ""),
	JSON_STR(struct jwk, x, "x", 0, 200, 0, "Coordinate.", .initial_text = ""),
	JSON_STR(struct jwk, y, "y", 0, 200, 0, "Coordinate.", .initial_text = ""),
	JSON_STR(struct jwk, n, "n", 0, 1400, 0, "Modulus.", .initial_text = ""),
	JSON_STR(struct jwk, e, "e", 0, 20, 0, "Exponent.", .initial_text = ""),
};
static const struct json_desc jwk_desc = {
	.name = "Jwk", .help = "A public key.", .bytes = sizeof(struct jwk),
	.fields = jwk_fields, .n_fields = ARRAY_LEN(jwk_fields), .is_open = true};
/* clang-format on */

MUST int acme_jwk_read(struct arena *a, const struct json *tree, struct jwk *out, struct err *e)
{
	return json_read_tree(&jwk_desc, tree, S("jwk"), a, out, e);
}

MUST int acme_key_of(struct arena *a, const struct jwk *k, struct str *der,
		     struct str *thumbprint, struct err *e)
{
	struct hash h;
	if (jwk_public(k, a, der, e) < 0 || jwk_thumbprint(k, a, &h, e) < 0)
		return -1;
	*thumbprint = base64url(str_of((const char *)h.bytes, sizeof h.bytes), a);
	return arena_check(a, e);
}

/* ---- shape --------------------------------------------------------------------------------- */

MUST static int decode(struct arena *a, struct str text64, const char *field, struct str *out,
		       struct err *e)
{
	if (base64url_read(text64, a, out, e) == 0)
		return 0;
	return e->kind == ERR_INVALID ? err_field(e, field, "is not base64url without padding")
				      : -1;
}

MUST static int read_header(struct arena *a, struct str protected64, struct header *out,
			    struct err *e)
{
	struct str text;
	if (decode(a, protected64, "protected", &text, e) < 0)
		return -1;
	if (json_read(&header_desc, text, a, out, e) < 0)
		return e->kind == ERR_INVALID ? err_in(e, "protected header") : -1;
	if (out->crit)
		return err_field(e, "crit", "names extensions; none is understood");
	if (out->jwk && out->kid.p)
		return err_field(e, "kid", "is given beside jwk: exactly one of them is");
	return 0;
}

MUST int acme_inner_read(struct arena *a, const struct json *tree, struct acme_inner *out,
			 struct err *e)
{
	struct message msg;
	struct header h;
	struct acme_inner in = {.alg = JOSE_ALGS};
	if (json_read_tree(&acme_message_desc, tree, S(""), a, &msg, e) < 0 ||
	    read_header(a, msg.protected64, &h, e) < 0 ||
	    jose_alg_read(h.alg, &in.alg, e) < 0 ||
	    decode(a, msg.payload64, "payload", &in.payload, e) < 0 ||
	    decode(a, msg.signature64, "signature", &in.signature, e) < 0)
		return -1;
	if (h.jwk && acme_jwk_read(a, h.jwk, &in.jwk, e) < 0)
		return -1;
	in.protected64 = msg.protected64;
	in.payload64 = msg.payload64;
	in.has_nonce = h.nonce.p;
	in.has_jwk = h.jwk;
	in.url = h.url;
	in.kid = h.kid;
	*out = in;
	return 0;
}

MUST int acme_payload(struct acme *m, const struct json_desc *d, void *out, struct err *e)
{
	if (!m->payload.n)
		return acme_fail(m, e, ACME_MALFORMED, "the payload is empty");
	if (json_read(d, m->payload, m->c->a, out, e) < 0)
		return acme_fail_as(m, ACME_MALFORMED, e);
	return 0;
}

/* ---- before the transaction ---------------------------------------------------------------- */

static bool is_jose(struct str media)
{
	struct str type = str_trim(str_sub(media, 0, str_find_char(media, ';')));
	return type.n == 21 && strncasecmp(type.p, "application/jose+json", 21) == 0;
}

MUST static int read_url(struct acme *m, struct str url, struct err *e)
{
	struct str want = acme_here(m->c);
	if (!url.p)
		return acme_fail(m, e, ACME_MALFORMED, "the protected header lacks url");
	if (!str_eq(url, want))
		return acme_fail(m, e, ACME_UNAUTHORIZED,
				 "url %" STR_F " is not where this was sent: %" STR_F,
				 STR_A(str_sub(url, 0, 200)), STR_A(str_sub(want, 0, 200)));
	return 0;
}

MUST static int read_nonce(struct acme *m, struct str nonce, struct err *e)
{
	if (!nonce.p)
		return acme_fail(m, e, ACME_BAD_NONCE, "the protected header lacks nonce");
	m->nonce = nonce;
	if (!acme_nonce_read(m->c, nonce, m->c->opened_at_ms, &m->nonce_until_ms))
		return acme_fail(m, e, ACME_BAD_NONCE,
				 "the nonce is none of ours, or too old: try again with the "
				 "one of this answer");
	return 0;
}

/* The key came along: it is taken, and the signature is checked at once. */
MUST static int read_key(struct acme *m, const struct header *h, struct err *e)
{
	if (acme_jwk_read(m->c->a, h->jwk, &m->jwk, e) < 0)
		return acme_fail_as(m, ACME_MALFORMED, e);
	if (acme_key_of(m->c->a, &m->jwk, &m->key, &m->thumbprint, e) < 0)
		return acme_fail_as(m, ACME_BAD_PUBLIC_KEY, e);
	if (!jws_is_good(m->alg, m->key, m->protected64, m->payload64, m->signature))
		return acme_fail(m, e, ACME_MALFORMED, "the signature is not good");
	return 0;
}

MUST static int read_signer(struct acme *m, const struct header *h, enum acme_signer want,
			    struct err *e)
{
	if (!h->jwk && !h->kid.p)
		return acme_fail(m, e, ACME_MALFORMED,
				 "the protected header lacks kid (or jwk)");
	m->signer = h->jwk ? ACME_BY_KEY : ACME_BY_ACCOUNT;
	if (want != ACME_BY_EITHER && m->signer != want)
		return acme_fail(m, e, ACME_MALFORMED, "this is signed with %s",
				 want == ACME_BY_KEY ? "jwk, not kid" : "kid, not jwk");
	if (h->jwk)
		return read_key(m, h, e);
	m->account_name = acme_url_name(m->c, "account", h->kid);
	if (!m->account_name.n)
		return acme_fail(m, e, ACME_ACCOUNT_DOES_NOT_EXIST,
				 "kid is no account of this server");
	return 0;
}

MUST static int read_message(struct acme *m, enum acme_signer want, struct err *e)
{
	struct api_call *c = m->c;
	struct message msg;
	struct header h;
	if (!is_jose(c->req->content_type))
		return acme_fail(m, e, ACME_TYPE, "the body has to be application/jose+json");
	if (c->req->body.n > MESSAGE_MAX)
		return acme_fail(m, e, ACME_MALFORMED, "the message is longer than %d bytes",
				 MESSAGE_MAX);
	if (json_read(&acme_message_desc, c->req->body, c->a, &msg, e) < 0 ||
	    read_header(c->a, msg.protected64, &h, e) < 0)
		return acme_fail_as(m, ACME_MALFORMED, e);
	if (jose_alg_read(h.alg, &m->alg, e) < 0)
		return acme_fail_as(m, ACME_BAD_SIGNATURE_ALGORITHM, e);
	if (m->alg == JOSE_HS256)
		return acme_fail(m, e, ACME_BAD_SIGNATURE_ALGORITHM,
				 "HS256 is for external account bindings only");
	if (decode(c->a, msg.payload64, "payload", &m->payload, e) < 0 ||
	    decode(c->a, msg.signature64, "signature", &m->signature, e) < 0)
		return acme_fail_as(m, ACME_MALFORMED, e);
	m->protected64 = msg.protected64;
	m->payload64 = msg.payload64;
	if (read_url(m, h.url, e) < 0 || read_nonce(m, h.nonce, e) < 0)
		return -1;
	return read_signer(m, &h, want, e);
}

MUST static int prepare(struct api_call *c, enum acme_signer want, struct err *e)
{
	struct acme *m = ARENA_NEW(c->a, struct acme);
	if (!m)
		return arena_check(c->a, e);
	if (acme_check_master(c, e) < 0)
		return -1;
	m->c = c;
	c->prepared = m;
	int rc = read_message(m, want, e);
	if (rc < 0 && !m->problem.error)
		return -1;
	m->early = m->problem;
	return arena_check(c->a, e);
}

MUST int acme_prepare_account(struct api_call *c, struct err *e)
{
	return prepare(c, ACME_BY_ACCOUNT, e);
}

MUST int acme_prepare_key(struct api_call *c, struct err *e)
{
	return prepare(c, ACME_BY_KEY, e);
}

MUST int acme_prepare_either(struct api_call *c, struct err *e)
{
	return prepare(c, ACME_BY_EITHER, e);
}

/* ---- in the transaction -------------------------------------------------------------------- */

MUST static int check_account(struct acme *m, struct err *e)
{
	struct api_call *c = m->c;
	struct str der;
	int rc = store_acme_account_find(c->tx, c->a, m->account_name, &m->account, e);
	if (rc < 0)
		return -1;
	if (rc == 0)
		return acme_fail(m, e, ACME_ACCOUNT_DOES_NOT_EXIST, "there is no such account");
	if (base64url_read(m->account.public64, c->a, &der, e) < 0)
		return err_fail(e, ERR_CORRUPT, "the account's key cannot be read");
	if (!jws_is_good(m->alg, der, m->protected64, m->payload64, m->signature))
		return acme_fail(m, e, ACME_UNAUTHORIZED, "the signature is not the account's");
	if (m->account.status != ACME_VALID)
		return acme_fail(m, e, ACME_UNAUTHORIZED, "the account is deactivated");
	return 0;
}

MUST static int run(struct acme *m, acme_fn *fn, struct err *e)
{
	struct api_call *c = m->c;
	m->problem = m->early;
	if (m->problem.error)
		return -1;
	if (m->signer == ACME_BY_ACCOUNT && check_account(m, e) < 0)
		return -1;
	int rc = store_acme_nonce_use(c->tx, m->nonce, m->nonce_until_ms, e);
	if (rc < 0)
		return -1;
	if (rc == 0)
		return acme_fail(m, e, ACME_BAD_NONCE, "the nonce was used before");
	return fn(m, e);
}

MUST int acme_serve(struct api_call *c, acme_fn *fn, struct err *e)
{
	struct acme *m = c->prepared;
	acme_headers(c);
	int rc = run(m, fn, e);
	if (rc < 0 && m->problem.error)
		return acme_answer_problem(c, &m->problem, e);
	return rc;
}
