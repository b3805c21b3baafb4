/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* The directory, nonces, and the addresses and headers that all operations share. */
#include "api/acme.h"

#define BASE_F "%s://%" STR_F
#define BASE_A(c) (c)->req->is_tls ? "https" : "http", STR_A((c)->req->host)

void acme_header(struct api_call *c, const char *name, struct str value)
{
	ASSERT(c->out->header_count < API_HEADERS_MAX);
	c->out->headers[c->out->header_count++] = (struct api_header){name, value};
}

void acme_headers(struct api_call *c)
{
	acme_header(c, "Replay-Nonce", acme_nonce_new(c, c->now_ms));
	acme_header(c, "Cache-Control", S("no-store"));
	acme_header(c, "Link",
		    arena_fmt(c->a, "<" BASE_F "/acme/directory>;rel=\"index\"", BASE_A(c)));
}

struct str acme_url(struct api_call *c, const char *kind, struct str name, const char *sub)
{
	return arena_fmt(c->a, BASE_F "/acme/%s/%" STR_F "%s", BASE_A(c), kind, STR_A(name),
			 sub);
}

struct str acme_here(struct api_call *c)
{
	return arena_fmt(c->a, BASE_F "%" STR_F, BASE_A(c), STR_A(c->target.path));
}

struct str acme_url_name(struct api_call *c, const char *kind, struct str url)
{
	struct str head = acme_url(c, kind, S(""), "");
	if (!str_starts(url, head))
		return S("");
	struct str name = str_sub(url, head.n, url.n);
	return str_find_char(name, '/') < name.n ? S("") : name;
}

MUST int acme_check_master(const struct api_call *c, struct err *e)
{
	const struct api_options *o = &c->api->options;
	if (!o->services || !o->eab_key.n)
		return err_fail(e, ERR_UNSUPPORTED,
				"this master is local: it has no authority that signs");
	return 0;
}

/* clang-format off */
struct meta { bool needs_account; };
static const struct json_field meta_fields[] = {
	JSON_BOOL(struct meta, needs_account, "externalAccountRequired", 0, "An account is bound to a customer."),
};
static const struct json_desc meta_desc = JSON_DESC(struct meta, meta_fields, "AcmeMeta", "Of the server.");
struct directory { struct str nonce, account, order, revoke, change, renewal; struct meta meta; };
static const struct json_field directory_fields[] = {
	JSON_STR(struct directory, nonce, "newNonce", 0, INT64_MAX, 0, "Gives a nonce."),
	JSON_STR(struct directory, account, "newAccount", 0, INT64_MAX, 0, "Makes or finds an account."),
	JSON_STR(struct directory, order, "newOrder", 0, INT64_MAX, 0, "Orders a certificate."),
	JSON_STR(struct directory, revoke, "revokeCert", 0, INT64_MAX, 0, "Revokes one."),
	JSON_STR(struct directory, change, "keyChange", 0, INT64_MAX, 0, "Changes an account's key."),
	JSON_STR(struct directory, renewal, "renewalInfo", 0, INT64_MAX, 0, "When to renew."),
	JSON_STRUCT(struct directory, meta, struct meta, "meta", &meta_desc, 0, "Of the server."),
};
const struct json_desc acme_directory_out = JSON_DESC(struct directory, directory_fields, "AcmeDirectory", "Where is what.");
/* clang-format on */

static struct str at(struct api_call *c, const char *name)
{
	return arena_fmt(c->a, BASE_F "/acme/%s", BASE_A(c), name);
}

MUST int acme_directory(struct api_call *c, struct err *e)
{
	if (acme_check_master(c, e) < 0)
		return -1;
	const struct directory v = {
		.nonce = at(c, "new-nonce"),
		.account = at(c, "new-account"),
		.order = at(c, "new-order"),
		.revoke = at(c, "revoke-cert"),
		.change = at(c, "key-change"),
		.renewal = at(c, "renewal-info"),
		.meta = {.needs_account = true},
	};
	acme_header(c, "Replay-Nonce", acme_nonce_new(c, c->now_ms));
	acme_header(c, "Cache-Control", S("no-store"));
	return call_answer(c, 200, &acme_directory_out, &v, e);
}

MUST int acme_new_nonce(struct api_call *c, struct err *e)
{
	if (acme_check_master(c, e) < 0)
		return -1;
	acme_headers(c);
	/* RFC 8555 7.2: 200 to HEAD, 204 to GET. */
	return call_answer_text(c, str_is(c->req->method, "HEAD") ? 200 : 204,
				"application/json", S(""), e);
}
