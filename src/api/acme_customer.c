/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * What a customer does so that his software may have an account: a key for an external account
 * binding, shown once and never stored, or leave for an account key.
 */
#include "api/access.h"
#include "api/acme.h"
#include "api/session.h"
#include "store/customer.h"
#include "trust/wipe.h"

enum { THUMBPRINT_TEXT = 43 };

/* clang-format off */
struct eab_out { struct str kid, hmac_key, directory; };
static const struct json_field eab_fields[] = {
	JSON_STR(struct eab_out, kid, "kid", 0, INT64_MAX, 0, "Names the key; binds one account."),
	JSON_STR(struct eab_out, hmac_key, "hmac_key", 0, INT64_MAX, JSON_SECRET, "The key, base64url; told this once."),
	JSON_STR(struct eab_out, directory, "directory", 0, INT64_MAX, 0, "Where clients begin."),
};
const struct json_desc acme_eab_out = JSON_DESC(struct eab_out, eab_fields, "AcmeBinding", "A key for an external account binding.");
struct key_out { struct str thumbprint, customer; };
static const struct json_field key_fields[] = {
	JSON_STR(struct key_out, thumbprint, "thumbprint", 0, INT64_MAX, 0, "Of the account key (RFC 7638), base64url."),
	JSON_STR(struct key_out, customer, "customer", 0, INT64_MAX, 0, "Whose accounts it makes."),
};
const struct json_desc acme_key_out = JSON_DESC(struct key_out, key_fields, "AcmeKey", "An account key that needs no binding.");
/* clang-format on */

static struct str key_text(struct api_call *c, struct str kid)
{
	struct hash key = acme_eab_key(c, kid);
	struct str text = base64url(str_of((const char *)key.bytes, sizeof key.bytes), c->a);
	trust_wipe(&key, sizeof key);
	return text;
}

/* Neither the kid nor its key begins with a hyphen: both stand on command lines of clients, which
 * would take them for options. */
static struct str new_kid(struct api_call *c)
{
	struct str kid;
	do
		kid = acme_name_new(c->a);
	while (str_starts(kid, S("-")) || str_starts(key_text(c, kid), S("-")));
	return kid;
}

MUST int acme_eab_post(struct api_call *c, struct err *e)
{
	struct customer r;
	if (session_need_key(c, e) < 0 || acme_check_master(c, e) < 0 ||
	    access_customer(c, c->params[0], &r, e) < 0)
		return -1;
	const struct acme_eab x = {
		.kid = new_kid(c), .customer_id = r.id, .created_at_ms = c->now_ms};
	if (store_acme_eab_add(c->tx, &x, e) < 0)
		return -1;
	call_event_str(c, EVENT_ACME_KEY, r.name, "kid", x.kid);
	const struct eab_out v = {
		.kid = x.kid,
		.hmac_key = key_text(c, x.kid),
		.directory = arena_fmt(c->a, "%s://%" STR_F "/acme/directory",
				       c->req->is_tls ? "https" : "http", STR_A(c->req->host)),
	};
	acme_header(c, "Cache-Control", S("no-store"));
	return call_answer(c, 201, &acme_eab_out, &v, e);
}

MUST static int check_thumbprint(struct api_call *c, struct str text, struct err *e)
{
	struct str bytes;
	if (text.n != THUMBPRINT_TEXT || base64url_read(text, c->a, &bytes, e) < 0)
		return err_field(e, "thumbprint",
				 "is not the %d characters of a key's thumbprint (RFC 7638)",
				 THUMBPRINT_TEXT);
	return 0;
}

MUST int acme_key_put(struct api_call *c, struct err *e)
{
	struct customer r;
	struct str thumbprint = c->params[1];
	int64_t owner = 0;
	if (session_need_key(c, e) < 0 || acme_check_master(c, e) < 0 ||
	    access_customer(c, c->params[0], &r, e) < 0 ||
	    check_thumbprint(c, thumbprint, e) < 0)
		return -1;
	int rc = store_acme_key_allow(c->tx, thumbprint, r.id, c->now_ms, e);
	if (rc < 0 || store_acme_key_customer(c->tx, thumbprint, &owner, e) < 0)
		return -1;
	if (owner != r.id)
		return err_fail(e, ERR_CONFLICT, "another customer has allowed that key");
	if (rc > 0)
		call_event_str(c, EVENT_ACME_KEY, r.name, "allowed", thumbprint);
	const struct key_out v = {thumbprint, r.name};
	return call_answer(c, 200, &acme_key_out, &v, e);
}

MUST int acme_key_delete(struct api_call *c, struct err *e)
{
	struct customer r;
	struct str thumbprint = c->params[1];
	if (acme_check_master(c, e) < 0 || access_customer(c, c->params[0], &r, e) < 0)
		return -1;
	int rc = store_acme_key_forbid(c->tx, thumbprint, r.id, e);
	if (rc < 0)
		return -1;
	if (rc == 0)
		return err_fail(e, ERR_NOT_FOUND, "no such key is allowed");
	call_event_str(c, EVENT_ACME_KEY, r.name, "forbidden", thumbprint);
	const struct key_out v = {thumbprint, r.name};
	return call_answer(c, 200, &acme_key_out, &v, e);
}
