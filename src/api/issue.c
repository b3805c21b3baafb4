/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * One way for every certificate: sign, read what was signed, store, tell. What is stored comes
 * from the certificate itself, not from what was asked for.
 */
#include "api/issue.h"

#include "api/audit.h"
#include "api/trust.h"
#include "api/trust_names.h"
#include "store/customer.h"
#include "store/domain.h"

struct made { /* by an authority */
	const struct ca *ca;
	struct str der;
	const char *kind;
	struct str owner;
	int64_t customer_id;
};

MUST int trust_authority(const struct api_call *c, enum ca_kind kind, const struct ca **out,
			 struct err *e)
{
	const struct api_options *o = &c->api->options;
	*out = kind == CA_USERS ? o->users : o->services;
	if (!*out)
		return err_fail(e, ERR_UNSUPPORTED,
				"this master is local: it has no authority");
	return 0;
}

static struct str names_json(struct api_call *c, const struct cert_names *names)
{
	struct json *list = json_array_new(c->a);
	for (size_t i = 0; i < names->count; i++)
		json_add_str(c->a, list, names->items[i]);
	return json_text(list, c->a);
}

/* The event, and the entry of the transparency log. */
MUST static int tell(struct api_call *c, const struct certificate *x, const struct cert *leaf,
		     struct err *e)
{
	char digest[HASH_TEXT_SIZE];
	struct hash h = cert_fingerprint(leaf);
	struct json *body = json_object_new(c->a);
	hash_text(&h, digest);
	json_set_str(c->a, body, S("serial"), x->serial);
	json_set_str(c->a, body, S("authority"), x->authority);
	json_set_str(c->a, body, S("kind"), x->kind);
	json_set_str(c->a, body, S("owner"), x->owner);
	json_set_str(c->a, body, S("key"), x->key_name);
	json_set_str(c->a, body, S("sha256"), str_from(digest));
	call_event(c, EVENT_CERTIFICATE_ISSUED, x->serial, body);
	return log_append(c, "certificate", x->serial, body, e);
}

MUST static int keep(struct api_call *c, const struct made *made, struct issued *out,
		     struct err *e)
{
	struct cert leaf;
	char key[HASH_TEXT_SIZE];
	struct str chain = ca_chain(made->ca), pem = cert_pem(made->der, c->a);
	if (arena_check(c->a, e) < 0 || cert_read(made->der, c->a, &leaf, e) < 0)
		return -1;
	hash_text(&leaf.key, key);
	struct certificate x = {
		.serial = str_from(leaf.serial),
		.authority = str_from(ca_kind_word(ca_kind_of(made->ca))),
		.kind = str_from(made->kind),
		.owner = made->owner,
		.names_json = names_json(c, &leaf.names),
		.customer_id = made->customer_id,
		.key_name = str_from(key),
		.pem = pem,
		.from_ms = leaf.from_ms,
		.to_ms = leaf.to_ms,
	};
	if (store_certificate_add(c->tx, &x, e) < 0)
		return -1;
	x.serial = arena_dup(c->a, x.serial); /* events leave after this returns */
	if (tell(c, &x, &leaf, e) < 0)
		return -1;
	*out = (struct issued){.leaf = pem, .from_ms = leaf.from_ms, .to_ms = leaf.to_ms};
	memcpy(out->serial, leaf.serial, sizeof out->serial);
	out->pem = arena_fmt(c->a, "%" STR_F "%" STR_F, STR_A(pem), STR_A(chain));
	return arena_check(c->a, e);
}

MUST int issue_identity(struct api_call *c, enum cert_kind kind, struct str name,
			struct str public, const struct cert_names *names, struct issued *out,
			struct err *e)
{
	struct made made = {.kind = cert_kind_word(kind), .owner = name};
	struct ca_leaf leaf = {
		.kind = kind,
		.name = name,
		.public = public,
		.is_server = kind == CERT_MASTER || kind == CERT_NODE,
		.now_ms = c->now_ms,
	};
	char serial[CERT_SERIAL_SIZE];
	if (names)
		leaf.names = *names;
	if (trust_authority(c, CA_USERS, &made.ca, e) < 0 ||
	    ca_sign(made.ca, &leaf, c->a, &made.der, serial, e) < 0)
		return -1;
	return keep(c, &made, out, e);
}

/* ---- names --------------------------------------------------------------------------------- */

/* The customer whose name is the label before the cloud's zone: 1, 0 none. */
MUST static int zone_owner(struct api_call *c, struct str name, struct str zone, int64_t *out,
			   struct err *e)
{
	struct customer owner;
	if (name.n == zone.n)
		return 0;
	struct str before = str_sub(name, 0, name.n - zone.n - 1);
	for (size_t dot; (dot = str_find_char(before, '.')) < before.n;)
		before = str_sub(before, dot + 1, before.n);
	int rc = store_customer_find(c->tx, c->a, before, &owner, e);
	if (rc > 0)
		*out = owner.id;
	return rc;
}

MUST int issue_may(struct api_call *c, int64_t customer_id, struct str name, struct err *e)
{
	struct str zone = str_from(c->api->options.zone), bare = name;
	struct domain d;
	int64_t owner = 0;
	if (trust_dns_name(name, true, "names", e) < 0)
		return -1;
	if (str_starts(bare, S("*.")))
		bare = str_sub(bare, 2, bare.n);
	int rc;
	if (zone.n && trust_is_below(bare, zone)) {
		rc = zone_owner(c, bare, zone, &owner, e);
	} else {
		rc = store_domain_owner(c->tx, c->a, bare, &d, e);
		owner = rc > 0 ? d.customer_id : 0;
	}
	if (rc < 0)
		return -1;
	if (rc == 0 || owner != customer_id)
		return err_fail(e, ERR_FORBIDDEN, "%" STR_F " is not a name of this customer",
				STR_A(name));
	return 0;
}

MUST static int check_names(struct api_call *c, const struct issue_order *o, struct err *e)
{
	char address[64];
	if (!o->names.count)
		return err_field(e, "names", "are missing");
	for (size_t i = 0; i < o->names.count; i++)
		if (!trust_is_address(o->names.items[i], address) &&
		    issue_may(c, o->customer_id, o->names.items[i], e) < 0)
			return -1;
	return 0;
}

MUST int issue_service(struct api_call *c, const struct issue_order *o, struct issued *out,
		       struct err *e)
{
	struct made made = {.kind = cert_kind_word(CERT_SERVICE),
			    .owner = o->owner,
			    .customer_id = o->customer_id};
	struct ca_leaf leaf = {
		.kind = CERT_SERVICE,
		.names = o->names,
		.public = o->public,
		.is_server = true,
		.now_ms = c->now_ms,
		.days = o->days,
	};
	char serial[CERT_SERIAL_SIZE];
	if (trust_authority(c, CA_SERVICES, &made.ca, e) < 0 || check_names(c, o, e) < 0)
		return -1;
	leaf.name = o->names.items[0];
	if (ca_sign(made.ca, &leaf, c->a, &made.der, serial, e) < 0)
		return -1;
	return keep(c, &made, out, e);
}

MUST int issue_delegated(struct api_call *c, struct str node, struct str public,
			 const struct cert_names *names, struct issued *out, struct err *e)
{
	struct made made = {.kind = cert_kind_word(CERT_AUTHORITY), .owner = node};
	char serial[CERT_SERIAL_SIZE];
	if (trust_authority(c, CA_SERVICES, &made.ca, e) < 0 ||
	    ca_delegate(made.ca, node, public, names, c->now_ms, c->a, &made.der, serial, e) <
		    0)
		return -1;
	return keep(c, &made, out, e);
}

MUST int issue_take(struct api_call *c, struct str der, struct str owner, int64_t customer_id,
		    struct issued *out, struct err *e)
{
	struct made made = {.kind = cert_kind_word(CERT_SERVICE),
			    .der = der,
			    .owner = owner,
			    .customer_id = customer_id};
	if (trust_authority(c, CA_SERVICES, &made.ca, e) < 0)
		return -1;
	return keep(c, &made, out, e);
}

/* ---- revoking ------------------------------------------------------------------------------ */

MUST static int revoke(struct api_call *c, const struct certificate *x, int reason,
		       struct err *e)
{
	int rc = store_certificate_revoke(c->tx, x->id, c->now_ms, reason, e);
	if (rc <= 0)
		return rc;
	struct json *body = json_object_new(c->a);
	json_set_str(c->a, body, S("authority"), x->authority);
	json_set_str(c->a, body, S("kind"), x->kind);
	json_set_str(c->a, body, S("owner"), x->owner);
	json_set_i64(c->a, body, S("reason"), reason);
	call_event(c, EVENT_CERTIFICATE_REVOKED, x->serial, body);
	return 0;
}

MUST int issue_revoke(struct api_call *c, struct str serial, int reason, struct err *e)
{
	struct certificate x;
	int rc = store_certificate_find(c->tx, c->a, serial, &x, e);
	if (rc <= 0)
		return rc;
	return revoke(c, &x, reason, e) < 0 ? -1 : 1;
}

MUST int issue_revoke_key(struct api_call *c, struct str key_name, int reason, struct err *e)
{
	struct certificate *list = NULL;
	size_t n = 0;
	if (store_certificate_good(c->tx, c->a, key_name, c->now_ms, &list, &n, e) < 0)
		return -1;
	for (size_t i = 0; i < n; i++)
		if (revoke(c, &list[i], reason, e) < 0)
			return -1;
	return 0;
}

MUST int issue_revoke_owner(struct api_call *c, struct str owner, struct err *e)
{
	struct certificate *list = NULL;
	size_t n = 0;
	if (!c->api->options.services)
		return 0;
	if (store_certificate_of(c->tx, c->a, str_from(cert_kind_word(CERT_SERVICE)), owner,
				 c->now_ms, STORE_LIST_MAX, &list, &n, e) < 0)
		return -1;
	for (size_t i = 0; i < n; i++)
		if (revoke(c, &list[i], 5, e) < 0)
			return -1;
	return 0;
}
