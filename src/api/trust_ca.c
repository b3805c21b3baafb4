/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* The authorities: what to trust, what is revoked, how a certificate stands. */
#include "api/trust_ca.h"

#include "api/access.h"
#include "api/issue.h"
#include "api/trust.h"
#include "api/trust_crls.h"
#include "api/views.h"
#include "store/instance.h"

enum { CRL_DAYS = 7, MASTERS_MAX = 100, CERTIFICATES_MAX = 1000, OWNER_MAX = 300 };

/* clang-format off */
struct authority_out { struct str roots, chain, fingerprint; };
static const struct json_field authority_fields[] = {
	JSON_STR(struct authority_out, roots, "roots", 0, INT64_MAX, 0, "PEM of the roots, newest first."),
	JSON_STR(struct authority_out, chain, "chain", 0, INT64_MAX, 0, "PEM of what certificates are sent with: issuers, links."),
	JSON_STR(struct authority_out, fingerprint, "fingerprint", 0, INT64_MAX, 0, "SHA-256 of the newest root's DER, hex."),
};
static const struct json_desc authority_desc = JSON_DESC(struct authority_out, authority_fields, "Authority", "An authority.");
struct master_out { struct str key, certificate; };
static const struct json_field master_fields[] = {
	JSON_STR(struct master_out, key, "key", 0, INT64_MAX, 0, "Name of its key."),
	JSON_STR(struct master_out, certificate, "certificate", 0, INT64_MAX, 0, "PEM of its certificate."),
};
static const struct json_desc master_desc = JSON_DESC(struct master_out, master_fields, "Master", "A master of the cloud.");
struct ca_out { struct str cloud; struct authority_out users, services; struct master_out *masters; size_t n; };
static const struct json_field ca_fields[] = {
	JSON_STR(struct ca_out, cloud, "cloud", 0, INT64_MAX, 0, "Name of the cloud."),
	JSON_STRUCT(struct ca_out, users, struct authority_out, "users", &authority_desc, 0, "Of persons, nodes, instances, masters."),
	JSON_STRUCT(struct ca_out, services, struct authority_out, "services", &authority_desc, 0, "Of the names of tenants."),
	JSON_STRUCTS(struct ca_out, masters, n, struct master_out, "masters", &master_desc, 0, INT64_MAX, 0, "Whose signatures stand below what the cloud says."),
};
const struct json_desc trust_ca_out = JSON_DESC(struct ca_out, ca_fields, "Authorities", "What to trust.");

struct status_out { struct str serial, status, authority, kind, from, to, revoked_at, reason; };
static const struct json_field status_fields[] = {
	JSON_STR(struct status_out, serial, "serial", 0, INT64_MAX, 0, "Hex."),
	JSON_STR(struct status_out, status, "status", 0, INT64_MAX, 0, "good, revoked, expired or unknown."),
	JSON_STR(struct status_out, authority, "authority", 0, INT64_MAX, JSON_OMIT_EMPTY, "users or services."),
	JSON_STR(struct status_out, kind, "kind", 0, INT64_MAX, JSON_OMIT_EMPTY, "person, node, instance, master, service or authority."),
	JSON_STR(struct status_out, from, "from", 0, INT64_MAX, JSON_OMIT_EMPTY, "It is good from then on."),
	JSON_STR(struct status_out, to, "to", 0, INT64_MAX, JSON_OMIT_EMPTY, "It ends."),
	JSON_STR(struct status_out, revoked_at, "revoked_at", 0, INT64_MAX, JSON_OMIT_EMPTY, "If it was revoked."),
	JSON_STR(struct status_out, reason, "reason", 0, INT64_MAX, JSON_OMIT_EMPTY, "Why."),
};
const struct json_desc trust_status_out = JSON_DESC(struct status_out, status_fields, "CertificateStatus", "How a certificate stands.");

static const struct json_word kind_words[] = {
	{"person", CERT_PERSON}, {"node", CERT_NODE}, {"instance", CERT_INSTANCE},
	{"master", CERT_MASTER}, {"service", CERT_SERVICE}, {"authority", CERT_AUTHORITY}, {NULL, 0}};
struct certificates_query { enum cert_kind kind; struct str owner; };
static const struct json_field certificates_query_fields[] = {
	JSON_ENUM(struct certificates_query, kind, "kind", kind_words, JSON_REQUIRED, "Of what."),
	JSON_STR(struct certificates_query, owner, "owner", 1, OWNER_MAX, JSON_REQUIRED, "Whose: a name, or the guid of an instance."),
};
const struct json_desc trust_certificates_query =
	JSON_DESC(struct certificates_query, certificates_query_fields, "CertificatesQuery", "Which certificates.");
struct certificate_out { struct str serial, status, owner, key, from, to; struct json *names; struct str certificate; };
static const struct json_field certificate_fields[] = {
	JSON_STR(struct certificate_out, serial, "serial", 0, INT64_MAX, 0, "Hex."),
	JSON_STR(struct certificate_out, status, "status", 0, INT64_MAX, 0, "good or revoked."),
	JSON_STR(struct certificate_out, owner, "owner", 0, INT64_MAX, 0, "Whose."),
	JSON_STR(struct certificate_out, key, "key", 0, INT64_MAX, 0, "Name of its key."),
	JSON_STR(struct certificate_out, from, "from", 0, INT64_MAX, 0, "It is good from then on."),
	JSON_STR(struct certificate_out, to, "to", 0, INT64_MAX, 0, "It ends."),
	JSON_TREE(struct certificate_out, names, "names", 0, "DNS names and addresses."),
	JSON_STR(struct certificate_out, certificate, "certificate", 0, INT64_MAX, 0, "PEM."),
};
static const struct json_desc certificate_desc = JSON_DESC(struct certificate_out, certificate_fields, "Certificate", "A certificate.");
struct certificates_out { struct certificate_out *certificates; size_t n; };
static const struct json_field certificates_fields[] = {
	JSON_STRUCTS(struct certificates_out, certificates, n, struct certificate_out, "certificates", &certificate_desc, 0, INT64_MAX, 0, "Newest first."),
};
const struct json_desc trust_certificates_out =
	JSON_DESC(struct certificates_out, certificates_fields, "Certificates", "Those that have not ended.");

/* RFC 5280, 5.3.1. */
const struct json_word trust_reason_words[] = {
	{"unspecified", 0}, {"key-compromise", 1}, {"superseded", 4}, {"ceased", 5}, {NULL, 0}};
struct certificate_revoke_in { int reason; };
static const struct json_field certificate_revoke_fields[] = {
	JSON_ENUM(struct certificate_revoke_in, reason, "reason", trust_reason_words, 0, "Why."),
};
const struct json_desc trust_certificate_revoke_in =
	JSON_DESC(struct certificate_revoke_in, certificate_revoke_fields, "CertificateRevokeIn", "Why it is revoked.");
/* clang-format on */

struct str trust_reason_word(int64_t reason)
{
	for (const struct json_word *w = trust_reason_words; w->word; w++)
		if (w->value == reason)
			return str_from(w->word);
	return S("unspecified");
}

/* ---- what to trust ------------------------------------------------------------------------- */

static struct authority_out authority_of(struct api_call *c, const struct ca *ca)
{
	char digest[HASH_TEXT_SIZE];
	struct hash h = ca_root_fingerprint(ca);
	hash_text(&h, digest);
	return (struct authority_out){.roots = ca_roots(ca),
				      .chain = ca_chain(ca),
				      .fingerprint = arena_dup(c->a, str_from(digest))};
}

/* One certificate a key, the newest: an older one may be of an issuer whose chain is not sent any
 * more. `list` is newest first. */
static struct master_out *newest_of_each(struct api_call *c, const struct certificate *list,
					 size_t n, size_t *out_n)
{
	struct master_out *out = ARENA_ARRAY(c->a, struct master_out, n);
	*out_n = 0;
	for (size_t i = 0; out && i < n; i++) {
		bool is_known = false;
		for (size_t k = 0; k < *out_n && !is_known; k++)
			is_known = str_eq(out[k].key, list[i].key_name);
		if (!is_known)
			out[(*out_n)++] = (struct master_out){list[i].key_name, list[i].pem};
	}
	return out;
}

MUST int trust_ca_get(struct api_call *c, struct err *e)
{
	const struct ca *users, *services;
	struct certificate *list = NULL;
	struct ca_out v = {.cloud = str_from(c->api->options.cloud)};
	if (trust_authority(c, CA_USERS, &users, e) < 0 ||
	    trust_authority(c, CA_SERVICES, &services, e) < 0 ||
	    store_certificate_kind(c->tx, c->a, S("master"), c->now_ms, MASTERS_MAX, &list,
				   &v.n, e) < 0)
		return -1;
	v.users = authority_of(c, users);
	v.services = authority_of(c, services);
	v.masters = newest_of_each(c, list, v.n, &v.n);
	return call_answer(c, 200, &trust_ca_out, &v, e);
}

/* ---- revocation lists ---------------------------------------------------------------------- */

MUST static int make_crl(struct api_call *c, const struct ca *ca, struct str *out,
			 struct err *e)
{
	struct certificate *list = NULL;
	size_t n = 0;
	if (store_certificate_revoked(c->tx, c->a, str_from(ca_kind_word(ca_kind_of(ca))),
				      c->now_ms, &list, &n, e) < 0)
		return -1;
	struct ca_revoked *revoked = ARENA_ARRAY(c->a, struct ca_revoked, n);
	if (!revoked)
		return arena_check(c->a, e);
	for (size_t i = 0; i < n; i++)
		revoked[i] = (struct ca_revoked){list[i].serial, list[i].revoked_at_ms,
						 (int)list[i].reason};
	return ca_crl(ca, revoked, n, c->now_ms, c->now_ms, CRL_DAYS, c->a, out, e);
}

MUST int trust_crl(struct api_call *c, enum ca_kind kind, struct str *out, struct err *e)
{
	const struct ca *ca;
	struct certificate_mark mark = {.count = 0};
	if (trust_authority(c, kind, &ca, e) < 0 ||
	    store_certificate_mark(c->tx, str_from(ca_kind_word(kind)), c->now_ms, &mark, e) <
		    0)
		return -1;
	*out = trust_crls_get(c->api->crls, kind, &mark, c->now_ms, c->a);
	if (out->n)
		return 0;
	if (make_crl(c, ca, out, e) < 0)
		return -1;
	trust_crls_put(c->api->crls, kind, &mark, c->now_ms, *out);
	return 0;
}

MUST int trust_ca_crl(struct api_call *c, struct err *e)
{
	struct str der;
	for (int k = 0; k < CA_KINDS; k++)
		if (str_is(c->params[0], ca_kind_word((enum ca_kind)k)))
			return trust_crl(c, (enum ca_kind)k, &der, e) < 0
				       ? -1
				       : call_answer_text(c, 200, "application/pkix-crl", der,
							  e);
	return err_fail(e, ERR_NOT_FOUND, "no such authority: users, services");
}

/* ---- one certificate ----------------------------------------------------------------------- */

static const char *status_of(const struct api_call *c, const struct certificate *x)
{
	if (x->revoked_at_ms)
		return "revoked";
	return x->to_ms <= c->now_ms ? "expired" : "good";
}

MUST int trust_certificate_get(struct api_call *c, struct err *e)
{
	struct certificate x;
	struct status_out v = {.serial = c->params[0], .status = S("unknown")};
	int rc = store_certificate_find(c->tx, c->a, c->params[0], &x, e);
	if (rc < 0)
		return -1;
	if (rc > 0)
		v = (struct status_out){
			.serial = x.serial,
			.status = str_from(status_of(c, &x)),
			.authority = x.authority,
			.kind = x.kind,
			.from = view_at(c->a, x.from_ms),
			.to = view_at(c->a, x.to_ms),
			.revoked_at = view_at(c->a, x.revoked_at_ms),
			.reason = x.revoked_at_ms ? trust_reason_word(x.reason) : S(""),
		};
	return call_answer(c, 200, &trust_status_out, &v, e);
}

/* Is it the caller's: his own identity, or a service of a customer of his or on his node? */
MUST static int is_own(struct api_call *c, const struct certificate *x, struct err *e)
{
	struct instance i;
	if (access_is_all(c))
		return 1;
	if (str_is(x->kind, "person"))
		return str_eq(x->owner, access_person(c));
	if (str_is(x->kind, "node") || str_is(x->kind, "authority"))
		return str_eq(x->owner, access_node(c));
	if (x->customer_id && access_owns(c, x->customer_id))
		return 1;
	int rc = c->access->node_id ? store_instance_by_guid(c->tx, c->a, x->owner, &i, e) : 0;
	return rc <= 0 ? rc : i.node_id == c->access->node_id;
}

MUST int trust_certificates(struct api_call *c, struct err *e)
{
	const struct certificates_query *q = c->query;
	struct certificate *list = NULL;
	struct certificates_out v = {.n = 0};
	size_t n = 0;
	if (store_certificate_of(c->tx, c->a, str_from(cert_kind_word(q->kind)), q->owner,
				 c->now_ms, CERTIFICATES_MAX, &list, &n, e) < 0)
		return -1;
	v.certificates = ARENA_ARRAY(c->a, struct certificate_out, n);
	for (size_t i = 0; v.certificates && i < n; i++) {
		int rc = is_own(c, &list[i], e);
		if (rc < 0)
			return -1;
		if (!rc)
			continue;
		struct json *names = NULL;
		if (json_parse(list[i].names_json, c->a, &names, e) < 0)
			return -1;
		v.certificates[v.n++] = (struct certificate_out){
			.serial = list[i].serial,
			.status = str_from(status_of(c, &list[i])),
			.owner = list[i].owner,
			.key = list[i].key_name,
			.from = view_at(c->a, list[i].from_ms),
			.to = view_at(c->a, list[i].to_ms),
			.names = names,
			.certificate = list[i].pem,
		};
	}
	return call_answer(c, 200, &trust_certificates_out, &v, e);
}

MUST int trust_certificate_revoke(struct api_call *c, struct err *e)
{
	const struct certificate_revoke_in *in = c->in;
	const struct ca *ca;
	struct certificate x;
	if (trust_authority(c, CA_SERVICES, &ca, e) < 0)
		return -1;
	int rc = store_certificate_find(c->tx, c->a, c->params[0], &x, e);
	if (rc > 0)
		rc = is_own(c, &x, e);
	if (rc <= 0)
		return rc < 0 ? -1 : err_fail(e, ERR_NOT_FOUND, "no such certificate");
	if (!str_is(x.authority, ca_kind_word(CA_SERVICES)))
		return err_fail(e, ERR_CONFLICT,
				"it is an identity's: revoke the key %" STR_F " instead",
				STR_A(x.key_name));
	if (issue_revoke(c, x.serial, in->reason, e) < 0)
		return -1;
	return trust_certificate_get(c, e);
}
