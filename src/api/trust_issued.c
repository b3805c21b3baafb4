/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * What a node issued itself while this master did not answer.
 *
 * A certificate that exists is better known than not: as soon as its chain shows that the node's
 * own issuer made it, it is stored and stands in the log, whatever else is wrong. What the
 * master would not have issued (of another's name, of an instance that is not there, by an issuer
 * that was revoked) is revoked in the same breath. Only what proves nothing is refused.
 */
#include "api/issue.h"
#include "api/trust.h"
#include "store/instance.h"
#include "store/node.h"

enum { ISSUED_MAX = 500 };

/* clang-format off */
struct one_in { struct str instance, certificate; };
static const struct json_field one_fields[] = {
	JSON_STR(struct one_in, instance, "instance", 1, MODEL_NAME_MAX, JSON_REQUIRED, "For which: its guid."),
	JSON_STR(struct one_in, certificate, "certificate", 1, CERT_CHAIN_MAX * CERT_DER_MAX, JSON_REQUIRED, "PEM: the leaf, the node's issuer, and what is above it."),
};
static const struct json_desc one_in_desc = JSON_DESC(struct one_in, one_fields, "NodeIssued", "A certificate that the node made.");
struct issued_in { struct one_in *items; size_t n; };
static const struct json_field in_fields[] = {
	JSON_STRUCTS(struct issued_in, items, n, struct one_in, "certificates", &one_in_desc, 1, ISSUED_MAX, JSON_REQUIRED, "What it made."),
};
const struct json_desc trust_node_issued_in = JSON_DESC(struct issued_in, in_fields, "NodeIssuedIn", "What a node issued while the master was away.");
struct one_out { struct str serial, status; };
static const struct json_field one_out_fields[] = {
	JSON_STR(struct one_out, serial, "serial", 0, INT64_MAX, 0, "Hex."),
	JSON_STR(struct one_out, status, "status", 0, INT64_MAX, 0, "good, or revoked: the master would not have issued it."),
};
static const struct json_desc one_out_desc = JSON_DESC(struct one_out, one_out_fields, "NodeIssuedStatus", "How it stands.");
struct issued_list { struct one_out *items; size_t n; };
static const struct json_field out_fields[] = {
	JSON_STRUCTS(struct issued_list, items, n, struct one_out, "certificates", &one_out_desc, 0, INT64_MAX, 0, "In the order sent."),
};
const struct json_desc trust_node_issued_out = JSON_DESC(struct issued_list, out_fields, "NodeIssuedOut", "How they stand.");
/* clang-format on */

struct report {
	struct api_call *c;
	const struct node *node;
	const struct cert_trust *trust;
	char field[48]; /* of what is looked at */
};

/*
 * For want of memory too a chain is called untrusted. A node forgets what was refused, so that is
 * said only of what is found so twice.
 */
static enum cert_fault judge(const struct report *r, const struct cert *chain, size_t n,
			     struct str host)
{
	enum cert_fault f = CERT_UNTRUSTED;
	int64_t at_ms = chain[0].from_ms + CA_SKEW_MS;
	for (int i = 0; i < 2 && f == CERT_UNTRUSTED; i++)
		f = cert_check(r->trust, chain, n, at_ms, true, host);
	return f;
}

/*
 * Did an issuer of this node make it, within its names? An issuer's name holds the node's, so
 * that no other can stand for it. Judged by the moment of issuing: a report may come late.
 */
MUST static int check_chain(const struct report *r, const struct cert *chain, size_t n,
			    struct certificate *issuer, struct err *e)
{
	struct api_call *c = r->c;
	const struct cert *leaf = &chain[0];
	if (n < 2 || leaf->kind != CERT_SERVICE || !chain[1].is_authority ||
	    !str_eq(leaf->issuer, chain[1].name))
		return err_field(e, r->field, "is not a service's, with its issuer after it");
	int rc = store_certificate_find(c->tx, c->a, str_from(chain[1].serial), issuer, e);
	if (rc < 0)
		return -1;
	if (rc == 0 || !str_is(issuer->kind, cert_kind_word(CERT_AUTHORITY)) ||
	    !str_eq(issuer->owner, r->node->name))
		return err_field(e, r->field, "is not of an issuer of this node");
	for (size_t i = 0; i < leaf->names.count; i++) {
		struct str host = leaf->names.items[i];
		if (str_starts(host, S("*.")))
			host = arena_fmt(c->a, "a%" STR_F, STR_A(str_sub(host, 1, host.n)));
		enum cert_fault f = judge(r, chain, n, host);
		if (f != CERT_GOOD)
			return err_field(e, r->field, "is %s for %" STR_F, cert_fault_word(f),
					 STR_A(host));
	}
	return leaf->names.count ? arena_check(c->a, e) : err_field(e, r->field, "has no name");
}

/* Would the master have issued it? 1 or 0. */
MUST static int is_right(const struct report *r, const struct cert *leaf,
			 const struct certificate *issuer, const struct instance *i,
			 struct err *e)
{
	if (!i || !i->is_live || i->node_id != r->node->id || issuer->revoked_at_ms)
		return 0;
	for (size_t k = 0; k < leaf->names.count; k++) {
		struct err why = ERR_INIT;
		if (issue_may(r->c, i->customer_id, leaf->names.items[k], &why) == 0)
			continue;
		if (why.kind == ERR_FORBIDDEN || why.kind == ERR_INVALID)
			return 0;
		*e = why;
		return -1;
	}
	return 1;
}

MUST static int take(const struct report *r, const struct one_in *in, struct one_out *out,
		     struct err *e)
{
	struct api_call *c = r->c;
	struct certificate issuer, known;
	struct instance i;
	struct issued made;
	struct cert *chain = NULL;
	size_t n = 0;
	if (cert_chain_read(in->certificate, c->a, &chain, &n, e) < 0)
		return -1;
	if (check_chain(r, chain, n, &issuer, e) < 0)
		return -1;
	out->serial = str_from(chain[0].serial);
	int rc = store_certificate_find(c->tx, c->a, out->serial, &known, e);
	if (rc != 0) { /* told again */
		out->status = rc > 0 && known.revoked_at_ms ? S("revoked") : S("good");
		return rc < 0 ? -1 : 0;
	}
	int found = store_instance_by_guid(c->tx, c->a, in->instance, &i, e);
	if (found < 0)
		return -1;
	int right = is_right(r, &chain[0], &issuer, found ? &i : NULL, e);
	if (right < 0 ||
	    issue_take(c, chain[0].der, in->instance, found ? i.customer_id : 0, &made, e) < 0)
		return -1;
	out->status = right ? S("good") : S("revoked");
	return right ? 0 : (issue_revoke(c, out->serial, 5, e) < 0 ? -1 : 0);
}

MUST int trust_node_issued(struct api_call *c, struct err *e)
{
	const struct issued_in *in = c->in;
	const struct ca *services;
	struct cert_trust *trust CLEAN(cert_trust_freep) = NULL;
	struct node n;
	struct issued_list v = {.items = ARENA_ARRAY(c->a, struct one_out, in->n)};
	if (!v.items || trust_node_find(c, &n, e) < 0 ||
	    trust_authority(c, CA_SERVICES, &services, e) < 0 ||
	    cert_trust_new(ca_roots(services), &trust, e) < 0)
		return v.items ? -1 : arena_check(c->a, e);
	struct report r = {.c = c, .node = &n, .trust = trust};
	for (; v.n < in->n; v.n++) {
		(void)snprintf(r.field, sizeof r.field, "certificates[%zu].certificate", v.n);
		if (take(&r, &in->items[v.n], &v.items[v.n], e) < 0)
			return -1;
	}
	return call_answer(c, 200, &trust_node_issued_out, &v, e);
}
