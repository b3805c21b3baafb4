/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * Certificates of services, asked for by the node that runs them; and nodes that issue themselves.
 *
 * The key is made in the partition; the node passes the request on. Names have to be those of the
 * instance's customer, addresses those of its partition. What a delegated node may issue for is
 * written into its certificate (name constraints): whoever checks a chain holds it to that.
 */
#include "api/access.h"
#include "api/issue.h"
#include "api/trust.h"
#include "api/trust_names.h"
#include "api/views.h"
#include "store/delegation.h"
#include "store/domain.h"
#include "store/instance.h"
#include "store/node.h"

/* clang-format off */
struct node_certificate_in { struct str instance; struct str *names; size_t n; struct str csr; };
static const struct json_field node_certificate_fields[] = {
	JSON_STR(struct node_certificate_in, instance, "instance", 1, MODEL_NAME_MAX, JSON_REQUIRED, "Its guid."),
	JSON_STRS(struct node_certificate_in, names, n, "names", 1, CERT_NAMES_MAX, JSON_REQUIRED, "DNS names and addresses.", .max_bytes = DNS_NAME_MAX),
	JSON_STR(struct node_certificate_in, csr, "csr", 1, CERT_DER_MAX * 2, JSON_REQUIRED, "A request (PKCS #10) in PEM."),
};
const struct json_desc trust_node_certificate_in =
	JSON_DESC(struct node_certificate_in, node_certificate_fields, "NodeCertificateIn", "A certificate for a service.");
struct issued_out { struct str serial, certificate, roots, from, to; };
static const struct json_field issued_fields[] = {
	JSON_STR(struct issued_out, serial, "serial", 0, INT64_MAX, 0, "Hex."),
	JSON_STR(struct issued_out, certificate, "certificate", 0, INT64_MAX, 0, "PEM: the leaf, and what it is sent with."),
	JSON_STR(struct issued_out, roots, "roots", 0, INT64_MAX, 0, "PEM of the roots of authority services."),
	JSON_STR(struct issued_out, from, "from", 0, INT64_MAX, 0, "It is good from then on."),
	JSON_STR(struct issued_out, to, "to", 0, INT64_MAX, 0, "It ends."),
};
const struct json_desc trust_issued_out = JSON_DESC(struct issued_out, issued_fields, "Issued", "A certificate that was made.");
struct delegation_in { struct str *names; size_t n; };
static const struct json_field delegation_in_fields[] = {
	JSON_STRS(struct delegation_in, names, n, "names", 0, CERT_NAMES_MAX, 0, "DNS names: each, and all below it. None: what the tenants on the node have.", .max_bytes = DNS_NAME_MAX),
};
const struct json_desc trust_delegation_in = JSON_DESC(struct delegation_in, delegation_in_fields, "DelegationIn", "What a node may issue for.");
struct delegation_out { struct str node; bool listed; struct json *names; struct str created_at; };
static const struct json_field delegation_fields[] = {
	JSON_STR(struct delegation_out, node, "node", 0, INT64_MAX, 0, "Which."),
	JSON_BOOL(struct delegation_out, listed, "listed", 0, "An operator listed the names; else they are those of the tenants on it now."),
	JSON_TREE(struct delegation_out, names, "names", 0, "DNS names: each, and all below it."),
	JSON_STR(struct delegation_out, created_at, "created_at", 0, INT64_MAX, 0, "Since when."),
};
const struct json_desc trust_delegation_out = JSON_DESC(struct delegation_out, delegation_fields, "Delegation", "What a node may issue for.");
struct authority_in { struct str csr; };
static const struct json_field authority_in_fields[] = {
	JSON_STR(struct authority_in, csr, "csr", 1, CERT_DER_MAX * 2, JSON_REQUIRED, "A request (PKCS #10) in PEM of the issuing key."),
};
const struct json_desc trust_authority_in = JSON_DESC(struct authority_in, authority_in_fields, "AuthorityIn", "An issuer of a node.");
/* clang-format on */

MUST int trust_node_find(struct api_call *c, struct node *out, struct err *e)
{
	const struct ca *services;
	if (trust_authority(c, CA_SERVICES, &services, e) < 0)
		return -1;
	int rc = access_is_node(c, c->params[0])
			 ? store_node_find(c->tx, c->a, c->params[0], out, e)
			 : 0;
	if (rc == 0)
		return err_fail(e, ERR_NOT_FOUND, "no node %" STR_F,
				STR_A(str_sub(c->params[0], 0, 100)));
	return rc < 0 ? -1 : 0;
}

MUST static int answer_issued(struct api_call *c, const struct issued *made, struct err *e)
{
	const struct ca *services;
	if (trust_authority(c, CA_SERVICES, &services, e) < 0)
		return -1;
	struct issued_out v = {
		.serial = str_from(made->serial),
		.certificate = made->pem,
		.roots = ca_roots(services),
		.from = view_at(c->a, made->from_ms),
		.to = view_at(c->a, made->to_ms),
	};
	return call_answer(c, 201, &trust_issued_out, &v, e);
}

/* ---- services ------------------------------------------------------------------------------ */

/* The live instance on that node; what is elsewhere does not exist for it. */
MUST static int find_instance(struct api_call *c, const struct node *n, struct str guid,
			      struct instance *out, struct err *e)
{
	int rc = store_instance_by_guid(c->tx, c->a, guid, out, e);
	if (rc < 0)
		return -1;
	if (rc == 0 || !out->is_live || out->node_id != n->id)
		return err_fail(e, ERR_NOT_FOUND, "no instance %" STR_F " on this node",
				STR_A(str_sub(guid, 0, 100)));
	return out->want == INSTANCE_DESTROYED
		       ? err_fail(e, ERR_CONFLICT, "the instance is being destroyed")
		       : 0;
}

/* Is the address one of the partition's ([["interface", "address"], …])? */
static bool is_here(const struct json *addresses, const char *address)
{
	char own[64];
	for (size_t i = 0; i < json_count(addresses); i++) {
		struct str text = json_str_of(json_at(json_at(addresses, i), 1), S(""));
		text = str_sub(text, 0, str_find_char(text, '/'));
		if (trust_is_address(text, own) && str_is(str_from(own), address))
			return true;
	}
	return false;
}

/* DNS names are issue_service's to judge. */
MUST static int check_addresses(struct api_call *c, const struct instance *i,
				const struct cert_names *names, struct err *e)
{
	char address[64];
	struct json *own = NULL;
	if (json_parse(i->addresses_json, c->a, &own, e) < 0)
		return -1;
	for (size_t k = 0; k < names->count; k++)
		if (trust_is_address(names->items[k], address)) {
			if (!is_here(own, address))
				return err_fail(e, ERR_FORBIDDEN,
						"%s is no address of the instance", address);
			names->items[k] = arena_dup(c->a, str_from(address));
		}
	return arena_check(c->a, e);
}

MUST int trust_node_certificate(struct api_call *c, struct err *e)
{
	const struct node_certificate_in *in = c->in;
	struct cert_request req;
	struct node n;
	struct instance i;
	struct issued made;
	if (trust_node_find(c, &n, e) < 0 || find_instance(c, &n, in->instance, &i, e) < 0 ||
	    cert_request_read(in->csr, c->a, &req, e) < 0)
		return -1;
	struct issue_order o = {
		.customer_id = i.customer_id, .owner = i.guid, .public = req.public};
	o.names = (struct cert_names){ARENA_ARRAY(c->a, struct str, in->n), in->n};
	if (!o.names.items)
		return arena_check(c->a, e);
	memcpy(o.names.items, in->names, in->n * sizeof *in->names);
	if (check_addresses(c, &i, &o.names, e) < 0 || issue_service(c, &o, &made, e) < 0)
		return -1;
	return answer_issued(c, &made, e);
}

/* ---- nodes that issue themselves ----------------------------------------------------------- */

/* What customers with an instance on the node have: their domains, and their part of the zone. */
MUST static int tenants_names(struct api_call *c, const struct node *n, struct cert_names *out,
			      struct err *e)
{
	const char *zone = c->api->options.zone;
	struct domain *domains = NULL, *customers = NULL;
	size_t d = 0, k = 0;
	if (store_domain_on_node(c->tx, c->a, n->id, &domains, &d, e) < 0 ||
	    store_domain_customers_on_node(c->tx, c->a, n->id, &customers, &k, e) < 0)
		return -1;
	*out = (struct cert_names){ARENA_ARRAY(c->a, struct str, d + k), 0};
	if (!out->items)
		return arena_check(c->a, e);
	for (size_t i = 0; zone && i < k; i++)
		if (trust_is_label(customers[i].customer))
			out->items[out->count++] = arena_fmt(
				c->a, "%" STR_F ".%s", STR_A(customers[i].customer), zone);
	for (size_t i = 0; i < d; i++)
		out->items[out->count++] = domains[i].name;
	return arena_check(c->a, e);
}

/* What the node may issue for; ERR_NOT_FOUND: nothing was delegated to it. */
MUST static int delegated(struct api_call *c, const struct node *n, struct delegation *d,
			  struct cert_names *out, struct err *e)
{
	struct json *list = NULL;
	int rc = store_delegation_find(c->tx, c->a, n->id, d, e);
	if (rc == 0)
		return err_fail(e, ERR_NOT_FOUND, "nothing is delegated to node %" STR_F,
				STR_A(n->name));
	if (rc < 0 || json_parse(d->names_json, c->a, &list, e) < 0)
		return -1;
	if (!json_count(list))
		return tenants_names(c, n, out, e);
	*out = (struct cert_names){ARENA_ARRAY(c->a, struct str, json_count(list)), 0};
	for (size_t i = 0; out->items && i < json_count(list); i++)
		out->items[out->count++] = json_str_of(json_at(list, i), S(""));
	return arena_check(c->a, e);
}

MUST static int answer_delegation(struct api_call *c, const struct node *n, struct err *e)
{
	struct delegation d;
	struct cert_names names;
	if (delegated(c, n, &d, &names, e) < 0)
		return -1;
	struct delegation_out v = {
		.node = n->name,
		.listed = !str_is(d.names_json, "[]"),
		.names = json_array_new(c->a),
		.created_at = view_at(c->a, d.created_at_ms),
	};
	for (size_t i = 0; i < names.count; i++)
		json_add_str(c->a, v.names, names.items[i]);
	return call_answer(c, 200, &trust_delegation_out, &v, e);
}

MUST int trust_delegation_get(struct api_call *c, struct err *e)
{
	struct node n;
	return trust_node_find(c, &n, e) < 0 ? -1 : answer_delegation(c, &n, e);
}

MUST int trust_delegation_put(struct api_call *c, struct err *e)
{
	const struct delegation_in *in = c->in;
	struct json *list = json_array_new(c->a);
	struct delegation was = {.names_json = S("")};
	struct node n;
	if (trust_node_find(c, &n, e) < 0)
		return -1;
	for (size_t i = 0; i < in->n; i++) {
		char field[40];
		(void)snprintf(field, sizeof field, "names[%zu]", i);
		if (trust_dns_name(in->names[i], false, field, e) < 0)
			return -1;
		json_add_str(c->a, list, in->names[i]);
	}
	struct str text = json_text(list, c->a);
	if (arena_check(c->a, e) < 0 || store_delegation_find(c->tx, c->a, n.id, &was, e) < 0)
		return -1;
	if (!str_eq(was.names_json, text)) {
		struct json *body = json_object_new(c->a);
		json_set(c->a, body, S("names"), list);
		call_event(c, EVENT_DELEGATION_CHANGED, n.name, body);
		if (store_delegation_set(c->tx, n.id, text, c->now_ms, e) < 0)
			return -1;
	}
	return answer_delegation(c, &n, e);
}

/* Issuers that were delegated are revoked with it. */
MUST int trust_delegation_delete(struct api_call *c, struct err *e)
{
	struct certificate *list = NULL;
	struct node n;
	size_t count = 0;
	if (trust_node_find(c, &n, e) < 0 ||
	    store_certificate_of(c->tx, c->a, str_from(cert_kind_word(CERT_AUTHORITY)), n.name,
				 c->now_ms, STORE_LIST_MAX, &list, &count, e) < 0)
		return -1;
	int rc = store_delegation_remove(c->tx, n.id, e);
	if (rc > 0)
		call_event(c, EVENT_DELEGATION_CHANGED, n.name, NULL);
	for (size_t i = 0; rc >= 0 && i < count; i++)
		if (issue_revoke(c, list[i].serial, 5, e) < 0)
			return -1;
	return rc < 0 ? -1 : call_answer_text(c, 200, "application/json", S("{}"), e);
}

MUST int trust_node_authority(struct api_call *c, struct err *e)
{
	const struct authority_in *in = c->in;
	struct cert_request req;
	struct cert_names names;
	struct delegation d;
	struct node n;
	struct issued made;
	if (trust_node_find(c, &n, e) < 0 || delegated(c, &n, &d, &names, e) < 0)
		return -1;
	if (!names.count)
		return err_fail(e, ERR_CONFLICT,
				"no tenant on node %" STR_F " has a name of his own",
				STR_A(n.name));
	if (names.count > CERT_NAMES_MAX)
		return err_fail(e, ERR_TOO_LARGE,
				"the tenants have %zu names, an issuer at most %d: list them",
				names.count, CERT_NAMES_MAX);
	if (cert_request_read(in->csr, c->a, &req, e) < 0 ||
	    issue_delegated(c, n.name, req.public, &names, &made, e) < 0)
		return -1;
	return answer_issued(c, &made, e);
}
