/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * Orders (RFC 8555 7.4): names are the account's customer's (api/issue.h), each is proven by an
 * authorization of its own, and the certificate is signed when the order is finalized.
 */
#include "api/acme.h"
#include "api/issue.h"
#include "api/views.h"
#include "store/certificate.h"

enum { NAME_MAX_BYTES = 253 + 2 };

/* clang-format off */
struct identifier { struct str type, value; };
static const struct json_field identifier_fields[] = {
	JSON_STR(struct identifier, type, "type", 1, 40, JSON_REQUIRED, "dns."),
	JSON_STR(struct identifier, value, "value", 1, NAME_MAX_BYTES, JSON_REQUIRED, "The name."),
};
static const struct json_desc identifier_desc = {
	.name = "AcmeIdentifier", .help = "A name.", .bytes = sizeof(struct identifier),
	.fields = identifier_fields, .n_fields = ARRAY_LEN(identifier_fields), .is_open = true};

struct order_in { struct identifier *identifiers; size_t n; struct str not_before, not_after, replaces; };
static const struct json_field order_in_fields[] = {
	JSON_STRUCTS(struct order_in, identifiers, n, struct identifier, "identifiers", &identifier_desc, 1, ACME_NAMES_MAX, JSON_REQUIRED, "Names."),
	JSON_STR(struct order_in, not_before, "notBefore", 0, 40, 0, "Not taken."),
	JSON_STR(struct order_in, not_after, "notAfter", 0, 40, 0, "Not taken."),
	JSON_STR(struct order_in, replaces, "replaces", 1, 200, 0, "The certificate that this one renews.", .initial_text = ""),
};
static const struct json_desc order_in_desc = {
	.name = "AcmeOrderIn", .help = "An order.", .bytes = sizeof(struct order_in),
	.fields = order_in_fields, .n_fields = ARRAY_LEN(order_in_fields), .is_open = true};

struct order_out {
	struct str status, expires, finalize, certificate, replaces;
	struct identifier *identifiers; size_t n;
	struct str *authorizations; size_t n_authorizations;
	struct json *error;
};
static const struct json_field order_out_fields[] = {
	JSON_STR(struct order_out, status, "status", 0, INT64_MAX, 0, "pending, ready, valid or invalid."),
	JSON_STR(struct order_out, expires, "expires", 0, INT64_MAX, 0, "Its end; of a valid one its certificate's."),
	JSON_STRUCTS(struct order_out, identifiers, n, struct identifier, "identifiers", &identifier_desc, 0, INT64_MAX, 0, "Names."),
	JSON_STRS(struct order_out, authorizations, n_authorizations, "authorizations", 0, INT64_MAX, 0, "What has to be proven."),
	JSON_STR(struct order_out, finalize, "finalize", 0, INT64_MAX, 0, "Takes the request."),
	JSON_STR(struct order_out, certificate, "certificate", 0, INT64_MAX, JSON_OMIT_EMPTY, "Where it is."),
	JSON_STR(struct order_out, replaces, "replaces", 0, INT64_MAX, JSON_OMIT_EMPTY, "What it renews."),
	JSON_TREE_OBJECT(struct order_out, error, "error", JSON_OMIT_EMPTY, "Why it is invalid."),
};
static const struct json_desc order_out_desc = JSON_DESC(struct order_out, order_out_fields, "AcmeOrder", "An order.");

struct finalize_in { struct str csr; };
static const struct json_field finalize_fields[] = {
	JSON_STR(struct finalize_in, csr, "csr", 1, 32768, JSON_REQUIRED, "DER of the request, base64url."),
};
static const struct json_desc finalize_desc = {
	.name = "AcmeFinalize", .help = "A request.", .bytes = sizeof(struct finalize_in),
	.fields = finalize_fields, .n_fields = ARRAY_LEN(finalize_fields), .is_open = true};
/* clang-format on */

struct str acme_lower(struct arena *a, struct str name)
{
	char *p = arena_alloc(a, name.n + 1);
	for (size_t i = 0; p && i < name.n; i++) {
		char c = name.p[i];
		p[i] = c >= 'A' && c <= 'Z' ? (char)(c + 32) : c;
	}
	return p ? str_of(p, name.n) : S("");
}

MUST int acme_order_list(struct arena *a, const struct acme_order *o, struct str **out,
			 size_t *count, struct err *e)
{
	struct json *list;
	if (json_parse(o->identifiers_json, a, &list, e) < 0)
		return -1;
	size_t n = json_count(list);
	struct str *names = ARENA_ARRAY(a, struct str, n);
	for (size_t i = 0; names && i < n; i++)
		names[i] = json_str_of(json_at(list, i), S(""));
	*out = names;
	*count = n;
	return arena_check(a, e);
}

MUST int acme_answer_order(struct acme *m, int status, const struct acme_order *o,
			   struct err *e)
{
	struct api_call *c = m->c;
	struct acme_authorization *list = NULL;
	struct str *names;
	struct order_out v = {
		.status = str_from(acme_status_word(acme_order_status(o, c->now_ms))),
		.expires = view_at(c->a, o->expires_at_ms),
		.finalize = acme_url(c, "order", o->name, "/finalize"),
		.replaces = o->replaces,
	};
	if (store_acme_authorizations(c->tx, c->a, o->id, &list, &v.n_authorizations, e) < 0 ||
	    acme_order_list(c->a, o, &names, &v.n, e) < 0)
		return -1;
	v.authorizations = ARENA_ARRAY(c->a, struct str, v.n_authorizations);
	v.identifiers = ARENA_ARRAY(c->a, struct identifier, v.n);
	for (size_t i = 0; v.authorizations && i < v.n_authorizations; i++)
		v.authorizations[i] = acme_url(c, "authorization", list[i].name, "");
	for (size_t i = 0; v.identifiers && i < v.n; i++)
		v.identifiers[i] = (struct identifier){S("dns"), names[i]};
	if (o->status == ACME_VALID)
		v.certificate = acme_url(c, "certificate", o->name, "");
	if (o->error_json.n && json_parse(o->error_json, c->a, &v.error, e) < 0)
		return -1;
	acme_header(c, "Location", acme_url(c, "order", o->name, ""));
	return call_answer(c, status, &order_out_desc, &v, e);
}

MUST int acme_order_of(struct acme *m, struct str name, struct acme_order *out, struct err *e)
{
	int rc = store_acme_order_find(m->c->tx, m->c->a, name, out, e);
	if (rc < 0)
		return -1;
	if (rc == 0 || out->account_id != m->account.id)
		return acme_fail(m, e, ACME_NOT_FOUND, "this account has no such order");
	return 0;
}

/* ---- newOrder ------------------------------------------------------------------------------ */

static bool has_name(const struct str *names, size_t n, struct str name)
{
	for (size_t i = 0; names && i < n; i++)
		if (str_eq(names[i], name))
			return true;
	return false;
}

/* Names in lower case, each once, in the order given. */
MUST static int read_names(struct acme *m, const struct order_in *in, struct str **out,
			   size_t *count, struct err *e)
{
	size_t n = 0;
	struct str *names = ARENA_ARRAY(m->c->a, struct str, in->n);
	for (size_t i = 0; names && i < in->n; i++) {
		if (!str_is(in->identifiers[i].type, "dns"))
			return acme_fail(m, e, ACME_UNSUPPORTED_IDENTIFIER,
					 "identifiers are of type dns");
		struct str name = acme_lower(m->c->a, in->identifiers[i].value);
		if (!has_name(names, n, name))
			names[n++] = name;
	}
	*out = names;
	*count = n;
	return arena_check(m->c->a, e);
}

static struct str why_not(struct arena *a, struct str name, const struct err *why)
{
	if (why->kind == ERR_INVALID)
		return arena_fmt(a, "%s", why->text);
	return arena_fmt(a,
			 "%" STR_F " is not this customer's: its owner lists it, or a domain "
			 "above it, with PUT /v1/customers/CUSTOMER/domains/DOMAIN",
			 STR_A(name));
}

/* Every name is the customer's; all that are not are named. */
MUST static int check_names(struct acme *m, const struct str *names, size_t n, struct err *e)
{
	struct api_call *c = m->c;
	size_t bad = 0;
	struct acme_subproblem *subs = ARENA_ARRAY(c->a, struct acme_subproblem, n);
	if (!subs)
		return arena_check(c->a, e);
	for (size_t i = 0; i < n; i++) {
		if (issue_may(c, m->account.customer_id, names[i], e) == 0)
			continue;
		if (e->kind != ERR_INVALID && e->kind != ERR_FORBIDDEN)
			return -1;
		subs[bad++] = (struct acme_subproblem){
			.error = e->kind == ERR_INVALID ? ACME_MALFORMED
							: ACME_REJECTED_IDENTIFIER,
			.text = why_not(c->a, names[i], e),
			.name = names[i],
		};
	}
	if (!bad)
		return 0;
	(void)acme_fail(m, e, bad == 1 ? subs[0].error : ACME_REJECTED_IDENTIFIER, "%" STR_F,
			STR_A(bad == 1 ? subs[0].text : S("several names are not accepted")));
	m->problem.subs = subs;
	m->problem.sub_count = bad;
	return -1;
}

MUST static int check_room(struct acme *m, struct err *e)
{
	int64_t open = 0;
	if (store_acme_order_open(m->c->tx, m->account.id, m->c->now_ms, &open, e) < 0)
		return -1;
	if (open < ACME_OPEN_MAX)
		return 0;
	acme_header(m->c, "Retry-After", S("3600"));
	return acme_fail(m, e, ACME_RATE_LIMITED, "%d orders are open: finish them first",
			 ACME_OPEN_MAX);
}

/* RFC 9773 5: the certificate is the account's, has one of these names, and nothing replaces it. */
MUST static int check_replaces(struct acme *m, struct str id, const struct str *names, size_t n,
			       struct err *e)
{
	struct api_call *c = m->c;
	struct certificate x;
	struct json *list;
	bool shares = false;
	if (!id.n)
		return 0;
	int rc = acme_renewal_find(c, id, &x, e);
	if (rc < 0)
		return -1;
	if (rc == 0 || !str_is(x.kind, "service") || !str_eq(x.owner, m->account.name))
		return acme_fail(m, e, ACME_MALFORMED,
				 "replaces names no certificate of this account");
	if (json_parse(x.names_json, c->a, &list, e) < 0)
		return -1;
	for (size_t i = 0; i < json_count(list) && !shares; i++)
		shares = has_name(names, n, json_str_of(json_at(list, i), S("")));
	if (!shares)
		return acme_fail(m, e, ACME_MALFORMED,
				 "replaces names a certificate that has none of these names");
	rc = store_acme_order_replaces(c->tx, id, c->now_ms, e);
	if (rc > 0)
		return acme_fail(m, e, ACME_ALREADY_REPLACED,
				 "another order replaces that certificate");
	return rc;
}

MUST static int add_authorization(struct acme *m, const struct acme_order *o, struct str name,
				  struct err *e)
{
	bool is_wildcard = str_starts(name, S("*."));
	struct acme_authorization x = {
		.name = acme_name_new(m->c->a),
		.account_id = o->account_id,
		.order_id = o->id,
		.identifier = is_wildcard ? str_sub(name, 2, name.n) : name,
		.is_wildcard = is_wildcard,
		.token = acme_token_new(m->c->a),
		.status = ACME_PENDING,
		.expires_at_ms = o->expires_at_ms,
	};
	return store_acme_authorization_add(m->c->tx, &x, e);
}

MUST static int add_order(struct acme *m, const struct order_in *in, const struct str *names,
			  size_t n, struct err *e)
{
	struct api_call *c = m->c;
	struct json *list = json_array_new(c->a);
	for (size_t i = 0; i < n; i++)
		json_add_str(c->a, list, names[i]);
	struct acme_order o = {
		.name = acme_name_new(c->a),
		.account_id = m->account.id,
		.identifiers_json = json_text(list, c->a),
		.status = ACME_PENDING,
		.error_json = S(""),
		.replaces = in->replaces,
		.expires_at_ms = c->now_ms + ACME_ORDER_FOR_MS,
		.created_at_ms = c->now_ms,
	};
	if (arena_check(c->a, e) < 0 || store_acme_order_add(c->tx, &o, e) < 0)
		return -1;
	for (size_t i = 0; i < n; i++)
		if (add_authorization(m, &o, names[i], e) < 0)
			return -1;
	struct json *body = json_object_new(c->a);
	json_set(c->a, body, S("names"), list);
	json_set_str(c->a, body, S("account"), m->account.name);
	call_event(c, EVENT_ACME_ORDERED, o.name, body);
	return acme_answer_order(m, 201, &o, e);
}

MUST static int new_order(struct acme *m, struct err *e)
{
	struct order_in in;
	struct str *names;
	size_t n;
	if (acme_payload(m, &order_in_desc, &in, e) < 0)
		return -1;
	if (in.not_before.p || in.not_after.p)
		return acme_fail(m, e, ACME_MALFORMED,
				 "notBefore and notAfter are the authority's to say");
	if (read_names(m, &in, &names, &n, e) < 0 || check_names(m, names, n, e) < 0 ||
	    check_replaces(m, in.replaces, names, n, e) < 0 || check_room(m, e) < 0)
		return -1;
	return add_order(m, &in, names, n, e);
}

MUST int acme_new_order(struct api_call *c, struct err *e)
{
	return acme_serve(c, new_order, e);
}

MUST static int order_get(struct acme *m, struct err *e)
{
	struct acme_order o;
	if (acme_order_of(m, m->c->params[0], &o, e) < 0)
		return -1;
	if (m->payload.n)
		return acme_fail(m, e, ACME_MALFORMED,
				 "an order is read with an empty payload");
	return acme_answer_order(m, 200, &o, e);
}

MUST int acme_order_get(struct api_call *c, struct err *e)
{
	return acme_serve(c, order_get, e);
}

/* ---- finalize ------------------------------------------------------------------------------ */

/* The request's names are the order's: no more, no fewer. */
MUST static int check_csr_names(struct acme *m, const struct cert_request *r,
				const struct str *names, size_t n, struct err *e)
{
	struct str common = acme_lower(m->c->a, r->common_name);
	bool fits = !common.n || has_name(names, n, common);
	for (size_t i = 0; i < r->names.count; i++)
		fits = fits && has_name(names, n, acme_lower(m->c->a, r->names.items[i]));
	for (size_t i = 0; names && i < n; i++)
		fits = fits && (str_eq(names[i], common) ||
				has_name(r->names.items, r->names.count, names[i]));
	if (!fits)
		return acme_fail(m, e, ACME_BAD_CSR,
				 "the request's names are not those of the order");
	return 0;
}

/* Not the account's own key, and none that was revoked because somebody else had it. */
MUST static int check_csr_key(struct acme *m, const struct cert_request *r, struct err *e)
{
	struct api_call *c = m->c;
	struct str own;
	struct certificate x;
	char key[HASH_TEXT_SIZE];
	if (base64url_read(m->account.public64, c->a, &own, e) < 0)
		return err_fail(e, ERR_CORRUPT, "the account's key cannot be read");
	if (str_eq(own, r->public))
		return acme_fail(m, e, ACME_BAD_CSR, "the request's key is the account's");
	hash_text(&r->key, key);
	int rc = store_certificate_newest(c->tx, c->a, str_from(key), &x, e);
	if (rc > 0 && x.revoked_at_ms && x.reason == 1)
		return acme_fail(m, e, ACME_BAD_PUBLIC_KEY,
				 "the request's key was revoked as compromised");
	return rc < 0 ? -1 : 0;
}

MUST static int read_csr(struct acme *m, const struct acme_order *o, struct cert_request *out,
			 struct str **names, size_t *n, struct err *e)
{
	struct finalize_in in;
	struct str der;
	if (acme_payload(m, &finalize_desc, &in, e) < 0)
		return -1;
	if (base64url_read(in.csr, m->c->a, &der, e) < 0)
		return acme_fail_as(m, ACME_MALFORMED, e);
	if (cert_request_read(der, m->c->a, out, e) < 0)
		return acme_fail_as(m, ACME_BAD_CSR, e);
	if (acme_order_list(m->c->a, o, names, n, e) < 0 ||
	    check_csr_names(m, out, *names, *n, e) < 0)
		return -1;
	return check_csr_key(m, out, e);
}

MUST static int issue(struct acme *m, struct acme_order *o, const struct cert_request *r,
		      struct str *names, size_t n, struct err *e)
{
	struct issued made;
	const struct issue_order what = {
		.customer_id = m->account.customer_id,
		.owner = m->account.name,
		.names = {names, n},
		.public = r->public,
	};
	/* The names may have gone to somebody else since they were ordered. */
	if (check_names(m, names, n, e) < 0 || issue_service(m->c, &what, &made, e) < 0 ||
	    acme_order_move(o, ACME_VALID, e) < 0)
		return -1;
	o->serial = arena_dup(m->c->a, str_from(made.serial));
	o->certificate = made.pem;
	o->expires_at_ms = made.to_ms;
	return store_acme_order_save(m->c->tx, o, e);
}

MUST static int finalize(struct acme *m, struct err *e)
{
	struct acme_order o;
	struct cert_request r;
	struct str *names = NULL;
	size_t n = 0;
	if (acme_order_of(m, m->c->params[0], &o, e) < 0)
		return -1;
	enum acme_status status = acme_order_status(&o, m->c->now_ms);
	if (status != ACME_READY)
		return acme_fail(m, e, ACME_ORDER_NOT_READY, "the order is %s",
				 acme_status_word(status));
	if (read_csr(m, &o, &r, &names, &n, e) < 0 || issue(m, &o, &r, names, n, e) < 0)
		return -1;
	return acme_answer_order(m, 200, &o, e);
}

MUST int acme_finalize(struct api_call *c, struct err *e)
{
	return acme_serve(c, finalize, e);
}
