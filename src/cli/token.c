/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Tokens: let somebody in, see who is invited. */
#include <stdio.h>

#include "base/file.h"
#include "cli/identity.h"
#include "trust/wipe.h"

static struct json *order_of(struct cli_call *c)
{
	const char *role, *customer = cli_value(c, "customer");
	struct json *body = json_object_new(c->arena), *roles = json_array_new(c->arena);
	json_set_str(c->arena, body, S("kind"), str_from(c->arguments[0]));
	json_set_str(c->arena, body, S("name"), str_from(c->arguments[1]));
	for (size_t i = 0; (role = cli_value_at(c, "role", i)); i++)
		json_add_str(c->arena, roles, str_from(role));
	if (json_count(roles))
		json_set(c->arena, body, S("roles"), roles);
	if (customer) {
		json_set_str(c->arena, body, S("customer"), str_from(customer));
		json_set_str(c->arena, body, S("role"),
			     cli_has(c, "owner") ? S("owner") : S("member"));
	}
	return body;
}

static void print_token(struct cli_call *c, const struct json *answer, struct str token)
{
	bool is_node = str_is(client_text(answer, "kind"), "node");
	(void)fprintf(c->out, "%" STR_F "\n", STR_A(token));
	(void)fprintf(stderr, "good until %" STR_F ", for one key; there: hoc %s %s -\n",
		      STR_A(client_text(answer, "expires_at")),
		      is_node ? "node join --dir DIR" : "login", c->master);
}

int verb_token_make(struct cli_call *c, struct err *e)
{
	const char *into = NULL;
	struct json *answer;
	if (cli_has(c, "owner") && !cli_value(c, "customer"))
		return err_field(e, "owner", "goes with --customer");
	if ((cli_has(c, "output") && cli_path(c, "output", &into, e) < 0) ||
	    client_send(c, "POST", S("/v1/tokens"), order_of(c), &answer, e) < 0)
		return -1;
	struct str token CLEAN(trust_wipe_str) = client_text(answer, "token");
	if (into)
		return file_write(into, arena_fmt(c->arena, "%" STR_F "\n", STR_A(token)), 0600,
				  e);
	if (c->is_json)
		client_print_json(c, answer);
	else
		print_token(c, answer, token);
	return 0;
}

int verb_token_list(struct cli_call *c, struct err *e)
{
	static const char *const heads[] = {"KIND", "NAME",    "ROLES",	  "CUSTOMER",
					    "USED", "EXPIRES", "MADE BY", NULL};
	struct json *doc;
	struct table t;
	if (client_get(c, S("/v1/tokens"), &doc, e) < 0)
		return -1;
	if (c->is_json) {
		client_print_json(c, doc);
		return 0;
	}
	const struct json *list = json_get(doc, S("tokens"));
	table_start(&t, c, heads);
	for (size_t i = 0; i < json_count(list); i++) {
		const struct json *r = json_at(list, i);
		struct str customer = client_text(r, "customer");
		if (customer.n)
			customer = arena_fmt(c->arena, "%" STR_F " (%" STR_F ")",
					     STR_A(customer), STR_A(client_text(r, "role")));
		table_cell(&t, client_text(r, "kind"));
		table_cell(&t, client_text(r, "name"));
		table_cell(&t, client_text(r, "roles"));
		table_cell(&t, customer);
		table_cell(&t, client_text(r, "used_at").n ? S("yes") : S("no"));
		table_cell(&t, client_text(r, "expires_at"));
		table_cell(&t, client_text(r, "made_by"));
	}
	table_end(&t, "no token is open");
	return 0;
}
