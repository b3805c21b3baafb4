/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * Accounts (RFC 8555 7.3). A customer stands behind each: by an external account binding (7.3.4),
 * whose MAC key only he was told, or by a key that he allowed by its thumbprint.
 */
#include <inttypes.h>

#include "api/acme.h"
#include "trust/wipe.h"

enum { ORDERS_PAGE = 100, CONTACT_MAX = 300 };

/* clang-format off */
struct account_in { bool terms, is_only_return; struct str *contact; size_t n_contact; struct json *binding; struct str status; };
static const struct json_field account_in_fields[] = {
	JSON_BOOL(struct account_in, terms, "termsOfServiceAgreed", 0, "There are none."),
	JSON_BOOL(struct account_in, is_only_return, "onlyReturnExisting", 0, "Makes no account."),
	JSON_STRS(struct account_in, contact, n_contact, "contact", 0, 100, 0, "Addresses, mailto: only.", .max_bytes = 2000),
	JSON_TREE_OBJECT(struct account_in, binding, "externalAccountBinding", 0, "By whose leave."),
	JSON_STR(struct account_in, status, "status", 0, 40, 0, "deactivated: for ever."),
};
static const struct json_desc account_in_desc = {
	.name = "AcmeAccountIn", .help = "An account.", .bytes = sizeof(struct account_in),
	.fields = account_in_fields, .n_fields = ARRAY_LEN(account_in_fields), .is_open = true};

struct account_out { struct str status, orders; struct json *contact, *binding; };
static const struct json_field account_out_fields[] = {
	JSON_STR(struct account_out, status, "status", 0, INT64_MAX, 0, "valid or deactivated."),
	JSON_TREE(struct account_out, contact, "contact", 0, "Addresses."),
	JSON_STR(struct account_out, orders, "orders", 0, INT64_MAX, 0, "Where its orders are."),
	JSON_TREE_OBJECT(struct account_out, binding, "externalAccountBinding", JSON_OMIT_EMPTY, "As it was shown."),
};
static const struct json_desc account_out_desc = JSON_DESC(struct account_out, account_out_fields, "AcmeAccount", "An account.");

struct orders_out { struct str *orders; size_t n; };
static const struct json_field orders_fields[] = {
	JSON_STRS(struct orders_out, orders, n, "orders", 0, INT64_MAX, 0, "Newest first."),
};
static const struct json_desc orders_desc = JSON_DESC(struct orders_out, orders_fields, "AcmeOrders", "Of an account.");
/* clang-format on */

MUST static int answer_account(struct acme *m, int status, const struct acme_account *x,
			       struct err *e)
{
	struct api_call *c = m->c;
	struct account_out v = {.status = str_from(acme_status_word(x->status)),
				.orders = acme_url(c, "account", x->name, "/orders")};
	if (json_parse(x->contact_json, c->a, &v.contact, e) < 0)
		return -1;
	if (x->binding_json.n && json_parse(x->binding_json, c->a, &v.binding, e) < 0)
		return -1;
	acme_header(c, "Location", acme_url(c, "account", x->name, ""));
	return call_answer(c, status, &account_out_desc, &v, e);
}

/* RFC 8555 7.3: one address each, without header fields. */
MUST static int check_contact(struct acme *m, struct str s, struct err *e)
{
	if (!str_starts(s, S("mailto:")))
		return acme_fail(m, e, ACME_UNSUPPORTED_CONTACT,
				 "contacts are mailto: addresses");
	struct str address = str_sub(s, 7, s.n);
	size_t at = str_find_char(address, '@');
	bool is_bad = s.n > CONTACT_MAX || at == 0 || at + 1 >= address.n;
	for (size_t i = 0; i < address.n && !is_bad; i++)
		is_bad = (unsigned char)address.p[i] <= ' ' || address.p[i] == ',' ||
			 address.p[i] == '?' || (i > at && address.p[i] == '@');
	if (is_bad)
		return acme_fail(m, e, ACME_INVALID_CONTACT, "%" STR_F " is no address",
				 STR_A(str_sub(s, 0, 100)));
	return 0;
}

MUST static int read_contacts(struct acme *m, const struct account_in *in, struct str *out,
			      struct err *e)
{
	struct json *list = json_array_new(m->c->a);
	if (in->n_contact > ACME_CONTACTS_MAX)
		return acme_fail(m, e, ACME_INVALID_CONTACT, "more than %d contacts",
				 ACME_CONTACTS_MAX);
	for (size_t i = 0; i < in->n_contact; i++) {
		if (check_contact(m, in->contact[i], e) < 0)
			return -1;
		json_add_str(m->c->a, list, in->contact[i]);
	}
	*out = json_text(list, m->c->a);
	return arena_check(m->c->a, e);
}

/* ---- by whose leave ------------------------------------------------------------------------ */

struct leave {
	int64_t customer_id;
	struct str kid; /* "": the key was allowed */
	struct str binding_json;
};

/* The binding's own message: HS256 by the kid's key, for this url, over this account's key. */
MUST static int check_binding(struct acme *m, const struct acme_inner *in, struct err *e)
{
	struct json *tree;
	struct jwk k;
	struct str der, thumbprint;
	if (in->alg != JOSE_HS256 || in->has_nonce || in->has_jwk || !in->kid.n)
		return acme_fail(
			m, e, ACME_MALFORMED,
			"externalAccountBinding: alg is HS256, kid is given, nonce and "
			"jwk are not");
	if (!str_eq(in->url, acme_here(m->c)))
		return acme_fail(m, e, ACME_MALFORMED,
				 "externalAccountBinding: url is another one than newAccount");
	if (json_parse(in->payload, m->c->a, &tree, e) < 0 ||
	    acme_jwk_read(m->c->a, tree, &k, e) < 0 ||
	    acme_key_of(m->c->a, &k, &der, &thumbprint, e) < 0)
		return acme_fail_as(m, ACME_MALFORMED, e);
	if (!str_eq(thumbprint, m->thumbprint))
		return acme_fail(m, e, ACME_MALFORMED,
				 "externalAccountBinding: its payload is another key than the "
				 "account's");
	return 0;
}

MUST static int leave_of_binding(struct acme *m, const struct json *tree, struct leave *out,
				 struct err *e)
{
	struct api_call *c = m->c;
	struct acme_inner in;
	struct acme_eab eab;
	if (acme_inner_read(c->a, tree, &in, e) < 0)
		return acme_fail_as(m, ACME_MALFORMED, e);
	if (check_binding(m, &in, e) < 0)
		return -1;
	int rc = store_acme_eab_find(c->tx, c->a, in.kid, &eab, e);
	if (rc < 0)
		return -1;
	struct hash key = acme_eab_key(c, in.kid);
	bool is_good = jws_hmac_is_good(str_of((const char *)key.bytes, sizeof key.bytes),
					in.protected64, in.payload64, in.signature);
	trust_wipe(&key, sizeof key);
	/* The same text for a kid that is not there: nobody learns which there are. */
	if (rc == 0 || !is_good)
		return acme_fail(m, e, ACME_UNAUTHORIZED,
				 "externalAccountBinding: kid and signature do not fit");
	if (eab.account_id)
		return acme_fail(m, e, ACME_UNAUTHORIZED,
				 "externalAccountBinding: that kid has bound its account");
	*out = (struct leave){eab.customer_id, in.kid, json_text(tree, c->a)};
	return 0;
}

MUST static int find_leave(struct acme *m, const struct account_in *in, struct leave *out,
			   struct err *e)
{
	struct leave allowed = {.kid = S(""), .binding_json = S("")};
	if (in->binding)
		return leave_of_binding(m, in->binding, out, e);
	int rc = store_acme_key_customer(m->c->tx, m->thumbprint, &allowed.customer_id, e);
	if (rc < 0)
		return -1;
	if (rc == 0)
		return acme_fail(
			m, e, ACME_EXTERNAL_ACCOUNT_REQUIRED,
			"an account needs a binding: its customer makes one with `hoc "
			"acme key make`, or allows this account key with `hoc acme key "
			"allow --customer CUSTOMER -- %" STR_F "`",
			STR_A(m->thumbprint));
	*out = allowed;
	return 0;
}

/* ---- newAccount ---------------------------------------------------------------------------- */

MUST static int make_account(struct acme *m, const struct account_in *in, struct err *e)
{
	struct api_call *c = m->c;
	struct leave leave = {.kid = S("")};
	struct acme_account x = {.name = acme_name_new(c->a),
				 .thumbprint = m->thumbprint,
				 .public64 = base64url(m->key, c->a),
				 .status = ACME_VALID,
				 .created_at_ms = c->now_ms};
	if (read_contacts(m, in, &x.contact_json, e) < 0 || find_leave(m, in, &leave, e) < 0)
		return -1;
	x.customer_id = leave.customer_id;
	x.binding_json = leave.binding_json;
	if (store_acme_account_add(c->tx, &x, e) < 0)
		return -1;
	if (leave.kid.n && store_acme_eab_bind(c->tx, leave.kid, x.id, e) < 0)
		return -1;
	call_event_str(c, EVENT_ACME_ACCOUNT, x.name, "key", x.thumbprint);
	return answer_account(m, 201, &x, e);
}

MUST static int new_account(struct acme *m, struct err *e)
{
	struct acme_account x;
	struct account_in in;
	if (acme_payload(m, &account_in_desc, &in, e) < 0)
		return -1;
	int rc = store_acme_account_of_key(m->c->tx, m->c->a, m->thumbprint, &x, e);
	if (rc < 0)
		return -1;
	if (rc > 0 && x.status != ACME_VALID)
		return acme_fail(m, e, ACME_UNAUTHORIZED, "the account is deactivated");
	if (rc > 0)
		return answer_account(m, 200, &x, e);
	if (in.is_only_return)
		return acme_fail(m, e, ACME_ACCOUNT_DOES_NOT_EXIST,
				 "there is no account with this key");
	return make_account(m, &in, e);
}

MUST int acme_new_account(struct api_call *c, struct err *e)
{
	return acme_serve(c, new_account, e);
}

/* ---- reading, changing, leaving ------------------------------------------------------------ */

/* The account in the path is the one that signed. */
MUST static int check_own(struct acme *m, struct err *e)
{
	if (!str_eq(m->c->params[0], m->account.name))
		return acme_fail(m, e, ACME_UNAUTHORIZED, "this account is another one");
	return 0;
}

MUST static int change_account(struct acme *m, struct err *e)
{
	struct api_call *c = m->c;
	struct account_in in;
	struct acme_account x = m->account;
	if (acme_payload(m, &account_in_desc, &in, e) < 0)
		return -1;
	if (in.contact && read_contacts(m, &in, &x.contact_json, e) < 0)
		return -1;
	/* A client may send its whole account back. */
	if (in.status.p && !str_is(in.status, "valid") && !str_is(in.status, "deactivated"))
		return acme_fail(m, e, ACME_MALFORMED, "status may become deactivated only");
	if (str_is(in.status, "deactivated") && acme_account_move(&x, ACME_DEACTIVATED, e) < 0)
		return -1;
	bool is_same = x.status == m->account.status &&
		       str_eq(x.contact_json, m->account.contact_json);
	if (!is_same) {
		if (store_acme_account_save(c->tx, &x, e) < 0)
			return -1;
		call_event_str(c, EVENT_ACME_ACCOUNT, x.name, "status",
			       str_from(acme_status_word(x.status)));
	}
	return answer_account(m, 200, &x, e);
}

MUST static int account_post(struct acme *m, struct err *e)
{
	if (check_own(m, e) < 0)
		return -1;
	return m->payload.n ? change_account(m, e) : answer_account(m, 200, &m->account, e);
}

MUST int acme_account_post(struct api_call *c, struct err *e)
{
	return acme_serve(c, account_post, e);
}

MUST static int answer_orders(struct acme *m, int64_t before, struct err *e)
{
	struct api_call *c = m->c;
	struct orders_out v = {.n = 0};
	int64_t next = 0;
	if (check_own(m, e) < 0)
		return -1;
	if (m->payload.n)
		return acme_fail(m, e, ACME_MALFORMED, "a list is read with an empty payload");
	if (store_acme_order_names(c->tx, c->a, m->account.id, before, ORDERS_PAGE, &v.orders,
				   &v.n, &next, e) < 0)
		return -1;
	for (size_t i = 0; i < v.n; i++)
		v.orders[i] = acme_url(c, "order", v.orders[i], "");
	if (next)
		acme_header(c, "Link",
			    arena_fmt(c->a, "<%" STR_F "/orders/%" PRId64 ">;rel=\"next\"",
				      STR_A(acme_url(c, "account", m->account.name, "")),
				      next));
	return call_answer(c, 200, &orders_desc, &v, e);
}

MUST static int orders(struct acme *m, struct err *e)
{
	return answer_orders(m, 0, e);
}

MUST static int orders_more(struct acme *m, struct err *e)
{
	int64_t before;
	if (str_to_i64(m->c->params[1], 1, INT64_MAX, &before, e) < 0)
		return acme_fail(m, e, ACME_NOT_FOUND, "no such page");
	return answer_orders(m, before, e);
}

MUST int acme_account_orders(struct api_call *c, struct err *e)
{
	return acme_serve(c, orders, e);
}

MUST int acme_account_orders_more(struct api_call *c, struct err *e)
{
	return acme_serve(c, orders_more, e);
}

/* ---- another key (7.3.5) ------------------------------------------------------------------- */

/* clang-format off */
struct change_in { struct str account; struct json *old_key; };
static const struct json_field change_fields[] = {
	JSON_STR(struct change_in, account, "account", 1, 2000, JSON_REQUIRED, "The account's URL."),
	JSON_TREE_OBJECT(struct change_in, old_key, "oldKey", JSON_REQUIRED, "The key it had."),
};
static const struct json_desc change_desc = {
	.name = "AcmeKeyChange", .help = "A change of key.", .bytes = sizeof(struct change_in),
	.fields = change_fields, .n_fields = ARRAY_LEN(change_fields), .is_open = true};
/* clang-format on */

/* The inner message: by the new key, for the same url, without nonce. */
MUST static int check_inner(struct acme *m, const struct acme_inner *in, struct str *der,
			    struct str *thumbprint, struct err *e)
{
	struct api_call *c = m->c;
	if (!in->has_jwk || in->has_nonce || in->alg == JOSE_HS256)
		return acme_fail(m, e, ACME_MALFORMED,
				 "the inner message is signed with jwk and has no nonce");
	if (acme_key_of(c->a, &in->jwk, der, thumbprint, e) < 0)
		return acme_fail_as(m, ACME_BAD_PUBLIC_KEY, e);
	if (!jws_is_good(in->alg, *der, in->protected64, in->payload64, in->signature))
		return acme_fail(m, e, ACME_MALFORMED, "the inner signature is not good");
	if (!str_eq(in->url, acme_here(c)))
		return acme_fail(m, e, ACME_MALFORMED, "the inner url is another one");
	return 0;
}

MUST static int check_change(struct acme *m, const struct acme_inner *in, struct err *e)
{
	struct api_call *c = m->c;
	struct change_in change;
	struct jwk old;
	struct str der, thumbprint;
	if (json_read(&change_desc, in->payload, c->a, &change, e) < 0 ||
	    acme_jwk_read(c->a, change.old_key, &old, e) < 0 ||
	    acme_key_of(c->a, &old, &der, &thumbprint, e) < 0)
		return acme_fail_as(m, ACME_MALFORMED, e);
	if (!str_eq(acme_url_name(c, "account", change.account), m->account.name))
		return acme_fail(m, e, ACME_MALFORMED, "account is not the one that asks");
	if (!str_eq(thumbprint, m->account.thumbprint))
		return acme_fail(m, e, ACME_MALFORMED, "oldKey is not the account's");
	return 0;
}

MUST static int key_change(struct acme *m, struct err *e)
{
	struct api_call *c = m->c;
	struct json *tree;
	struct acme_inner in;
	struct acme_account x = m->account, other;
	struct str der;
	if (json_parse(m->payload, c->a, &tree, e) < 0 ||
	    acme_inner_read(c->a, tree, &in, e) < 0)
		return acme_fail_as(m, ACME_MALFORMED, e);
	if (check_inner(m, &in, &der, &x.thumbprint, e) < 0 || check_change(m, &in, e) < 0)
		return -1;
	int rc = store_acme_account_of_key(c->tx, c->a, x.thumbprint, &other, e);
	if (rc < 0)
		return -1;
	if (rc > 0) {
		acme_header(c, "Location", acme_url(c, "account", other.name, ""));
		return acme_fail(m, e, ACME_CONFLICT, "an account has that key already");
	}
	x.public64 = base64url(der, c->a);
	if (arena_check(c->a, e) < 0 || store_acme_account_save(c->tx, &x, e) < 0)
		return -1;
	call_event_str(c, EVENT_ACME_ACCOUNT, x.name, "key", x.thumbprint);
	return answer_account(m, 200, &x, e);
}

MUST int acme_key_change(struct api_call *c, struct err *e)
{
	return acme_serve(c, key_change, e);
}
