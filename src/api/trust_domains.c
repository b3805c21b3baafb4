/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * Domains of customers: what names their services may have certificates for.
 *
 * Who lists a name first has it; an operator settles disputes by taking it away. Names in the
 * cloud's zone are nobody's to list: CUSTOMER.ZONE is the customer's by itself.
 */
#include "api/access.h"
#include "api/trust.h"
#include "api/trust_names.h"
#include "api/views.h"
#include "store/customer.h"
#include "store/domain.h"

enum { DOMAINS_MAX = 1000 }; /* of a customer */

/* clang-format off */
const struct json_desc trust_domain_in = {.name = "DomainIn", .help = "Nothing.", .bytes = 0};
struct domain_out { struct str domain, created_at; };
static const struct json_field domain_fields[] = {
	JSON_STR(struct domain_out, domain, "domain", 0, INT64_MAX, 0, "The name; all below it are the customer's too."),
	JSON_STR(struct domain_out, created_at, "created_at", 0, INT64_MAX, JSON_OMIT_EMPTY, "When it was listed; absent: the customer's by itself."),
};
static const struct json_desc domain_desc = JSON_DESC(struct domain_out, domain_fields, "Domain", "A domain.");
struct domains_out { struct str customer; struct domain_out *domains; size_t n; };
static const struct json_field domains_fields[] = {
	JSON_STR(struct domains_out, customer, "customer", 0, INT64_MAX, 0, "Whose."),
	JSON_STRUCTS(struct domains_out, domains, n, struct domain_out, "domains", &domain_desc, 0, INT64_MAX, 0, "By name."),
};
const struct json_desc trust_domains_out = JSON_DESC(struct domains_out, domains_fields, "Domains", "Names of a customer.");
/* clang-format on */

MUST static int answer(struct api_call *c, const struct customer *owner, struct err *e)
{
	const char *zone = c->api->options.zone;
	struct domain *list = NULL;
	struct domains_out v = {.customer = owner->name};
	size_t n = 0;
	if (store_domain_list(c->tx, c->a, owner->id, &list, &n, e) < 0)
		return -1;
	v.domains = ARENA_ARRAY(c->a, struct domain_out, n + 1);
	if (!v.domains)
		return arena_check(c->a, e);
	if (zone && trust_is_label(owner->name))
		v.domains[v.n++].domain =
			arena_fmt(c->a, "%" STR_F ".%s", STR_A(owner->name), zone);
	for (size_t i = 0; i < n; i++)
		v.domains[v.n++] =
			(struct domain_out){list[i].name, view_at(c->a, list[i].created_at_ms)};
	return call_answer(c, 200, &trust_domains_out, &v, e);
}

MUST int trust_domains(struct api_call *c, struct err *e)
{
	struct customer owner;
	if (access_customer(c, c->params[0], &owner, e) < 0)
		return -1;
	return answer(c, &owner, e);
}

/* Who had a certificate for the master's name could stand before its users' browsers. */
MUST static int check_master(const struct api_call *c, struct str name, struct err *e)
{
	const struct api_options *o = &c->api->options;
	for (size_t i = 0; i < o->name_count; i++)
		if (trust_is_below(o->names[i], name))
			return err_field(e, "domain", "is the master's, %" STR_F,
					 STR_A(o->names[i]));
	return 0;
}

MUST static int check(struct api_call *c, struct str name, int64_t customer_id, struct err *e)
{
	struct str zone = str_from(c->api->options.zone);
	struct domain *list = NULL;
	size_t n = 0;
	if (trust_dns_name(name, false, "domain", e) < 0 || check_master(c, name, e) < 0)
		return -1;
	if (zone.n && (trust_is_below(name, zone) || trust_is_below(zone, name)))
		return err_field(e, "domain",
				 "lies in the cloud's zone %" STR_F ": "
				 "CUSTOMER.%" STR_F " is each customer's by itself",
				 STR_A(zone), STR_A(zone));
	if (store_domain_list(c->tx, c->a, customer_id, &list, &n, e) < 0)
		return -1;
	if (n >= DOMAINS_MAX)
		return err_fail(e, ERR_TOO_LARGE, "a customer has at most %d domains",
				DOMAINS_MAX);
	return 0;
}

MUST int trust_domain_put(struct api_call *c, struct err *e)
{
	struct customer owner;
	struct str name = c->params[1];
	if (access_customer(c, c->params[0], &owner, e) < 0 || check(c, name, owner.id, e) < 0)
		return -1;
	int rc = store_domain_add(c->tx, c->a, name, owner.id, c->now_ms, e);
	if (rc > 0)
		call_event_str(c, EVENT_DOMAIN_ADDED, name, "customer", owner.name);
	return rc < 0 ? -1 : answer(c, &owner, e);
}

MUST int trust_domain_delete(struct api_call *c, struct err *e)
{
	struct customer owner;
	if (access_customer(c, c->params[0], &owner, e) < 0)
		return -1;
	int rc = store_domain_remove(c->tx, c->params[1], owner.id, e);
	if (rc > 0)
		call_event_str(c, EVENT_DOMAIN_REMOVED, c->params[1], "customer", owner.name);
	return rc < 0 ? -1 : answer(c, &owner, e);
}
