/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Domains: names that a customer's services may have certificates for. */
#include <stdio.h>

#include "cli/identity.h"

/* The customer meant: --customer, else the only one that the caller is in. */
MUST static int customer_of(struct cli_call *c, const char **out, struct err *e)
{
	struct json *me;
	*out = cli_value(c, "customer");
	if (*out)
		return 0;
	if (client_get(c, S("/v1/me"), &me, e) < 0)
		return -1;
	const struct json *list = json_get(me, S("customers"));
	if (json_count(list) != 1)
		return err_field(e, "customer", "is required: you are in %zu customers",
				 json_count(list));
	*out = arena_cstr(c->arena, client_text(json_at(list, 0), "customer"));
	return arena_check(c->arena, e);
}

static int print(struct cli_call *c, const struct json *doc)
{
	static const char *const heads[] = {"DOMAIN", "SINCE", NULL};
	const struct json *list = json_get(doc, S("domains"));
	struct table t;
	if (c->is_json) {
		client_print_json(c, doc);
		return 0;
	}
	table_start(&t, c, heads);
	for (size_t i = 0; i < json_count(list); i++) {
		struct str at = client_text(json_at(list, i), "created_at");
		table_cell(&t, client_text(json_at(list, i), "domain"));
		table_cell(&t, at.n ? str_sub(at, 0, 10) : S("by itself"));
	}
	table_end(&t, "no domains");
	return 0;
}

MUST static int ask(struct cli_call *c, const char *method, const char *domain, struct err *e)
{
	const char *customer;
	struct json *doc;
	if (customer_of(c, &customer, e) < 0)
		return -1;
	struct str path = client_path(c, "/v1/customers/", customer, "/domains");
	if (domain)
		path = client_path(c, arena_fmt(c->arena, "%" STR_F "/", STR_A(path)).p, domain,
				   "");
	int rc = strcmp(method, "GET") == 0 ? client_get(c, path, &doc, e)
					    : client_send(c, method, path, NULL, &doc, e);
	return rc < 0 ? -1 : print(c, doc);
}

int verb_domain_list(struct cli_call *c, struct err *e)
{
	return ask(c, "GET", NULL, e);
}

int verb_domain_add(struct cli_call *c, struct err *e)
{
	return ask(c, "PUT", c->arguments[0], e);
}

int verb_domain_remove(struct cli_call *c, struct err *e)
{
	return ask(c, "DELETE", c->arguments[0], e);
}
