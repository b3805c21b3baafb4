/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* People: who calls, persons and their roles, who is in which customer. */
#include "cli/people.h"

#include "cli/client.h"

/* ---- words --------------------------------------------------------------------------------- */

/* "publisher auditor", or - for none. */
static struct str joined(struct cli_call *c, const struct json *list)
{
	struct str text = S("");
	for (size_t i = 0; i < json_count(list); i++)
		text = arena_fmt(c->arena, "%" STR_F "%s%" STR_F, STR_A(text), i ? " " : "",
				 STR_A(json_str_of(json_at(list, i), S(""))));
	return text.n ? text : S("-");
}

/* "acme (owner), mill (member)". */
static struct str places(struct cli_call *c, const struct json *list)
{
	struct str text = S("");
	for (size_t i = 0; i < json_count(list); i++) {
		const struct json *row = json_at(list, i);
		text = arena_fmt(c->arena, "%" STR_F "%s%" STR_F " (%" STR_F ")", STR_A(text),
				 i ? ", " : "", STR_A(client_text(row, "customer")),
				 STR_A(client_text(row, "role")));
	}
	return text.n ? text : S("-");
}

static void line(struct cli_call *c, const char *name, struct str text)
{
	(void)fprintf(c->out, "%-10s %" STR_F "\n", name, STR_A(text));
}

static void print_person(struct cli_call *c, const struct json *p)
{
	if (c->is_json) {
		client_print_json(c, p);
		return;
	}
	line(c, "person", client_text(p, "person"));
	line(c, "roles", joined(c, json_get(p, S("roles"))));
	line(c, "active", json_bool_of(json_get(p, S("active")), false) ? S("yes") : S("no"));
	line(c, "customers", places(c, json_get(p, S("customers"))));
}

/* ---- the verbs ----------------------------------------------------------------------------- */

static int verb_whoami(struct cli_call *c, struct err *e)
{
	struct json *me;
	if (client_get(c, S("/v1/me"), &me, e) < 0)
		return -1;
	if (c->is_json) {
		client_print_json(c, me);
		return 0;
	}
	line(c, "kind", client_text(me, "kind"));
	line(c, "name", client_text(me, "name"));
	line(c, "roles", joined(c, json_get(me, S("roles"))));
	line(c, "customers", places(c, json_get(me, S("customers"))));
	line(c, "key", client_text(me, "key"));
	return 0;
}

static int verb_person_list(struct cli_call *c, struct err *e)
{
	static const char *const heads[] = {"PERSON", "ACTIVE", "ROLES", NULL};
	struct json *doc;
	struct table t;
	if (client_get(c, S("/v1/persons"), &doc, e) < 0)
		return -1;
	if (c->is_json) {
		client_print_json(c, doc);
		return 0;
	}
	const struct json *list = json_get(doc, S("persons"));
	table_start(&t, c, heads);
	for (size_t i = 0; i < json_count(list); i++) {
		const struct json *p = json_at(list, i);
		bool is_active = json_bool_of(json_get(p, S("active")), false);
		table_cell(&t, client_text(p, "person"));
		table_cell(&t, is_active ? S("yes") : S("no"));
		table_cell(&t, joined(c, json_get(p, S("roles"))));
	}
	table_end(&t, "no person has enrolled yet");
	return 0;
}

static int verb_person_show(struct cli_call *c, struct err *e)
{
	struct json *p;
	if (client_get(c, client_path(c, "/v1/persons/", c->arguments[0], ""), &p, e) < 0)
		return -1;
	print_person(c, p);
	return 0;
}

/* The words of --roles as a list; blanks or commas between. */
static struct json *roles_of(struct cli_call *c, const char *text)
{
	struct json *list = json_array_new(c->arena);
	struct str rest = str_from(text), part, word;
	while (str_split(&rest, ',', &part))
		while (str_split(&part, ' ', &word))
			if (word.n)
				json_add_str(c->arena, list, word);
	return list;
}

static int verb_person_set(struct cli_call *c, struct err *e)
{
	struct json *p, *body = json_object_new(c->arena);
	struct str path = client_path(c, "/v1/persons/", c->arguments[0], "");
	const char *roles = cli_value(c, "roles"), *active = cli_value(c, "active");
	bool is_active = active && strcmp(active, "yes") == 0;
	if (active && !is_active && strcmp(active, "no") != 0)
		return err_field(e, "active", "must be yes or no");
	if (client_get(c, path, &p, e) < 0)
		return -1;
	if (!active)
		is_active = json_bool_of(json_get(p, S("active")), false);
	json_set(c->arena, body, S("roles"),
		 roles ? roles_of(c, roles) : json_get(p, S("roles")));
	json_set_bool(c->arena, body, S("active"), is_active);
	if (client_send(c, "PUT", path, body, &p, e) < 0)
		return -1;
	print_person(c, p);
	return 0;
}

static void print_members(struct cli_call *c, const struct json *doc)
{
	static const char *const heads[] = {"PERSON", "ROLE", NULL};
	struct table t;
	if (c->is_json) {
		client_print_json(c, doc);
		return;
	}
	const struct json *list = json_get(doc, S("members"));
	table_start(&t, c, heads);
	for (size_t i = 0; i < json_count(list); i++) {
		table_cell(&t, client_text(json_at(list, i), "person"));
		table_cell(&t, client_text(json_at(list, i), "role"));
	}
	table_end(&t, "nobody is in it");
}

static struct str members_path(struct cli_call *c, const char *person)
{
	struct str path = client_path(c, "/v1/customers/", c->arguments[0], "/members");
	if (!person)
		return path;
	return client_path(
		c, arena_cstr(c->arena, arena_fmt(c->arena, "%" STR_F "/", STR_A(path))),
		person, "");
}

static int verb_member_list(struct cli_call *c, struct err *e)
{
	struct json *doc;
	if (client_get(c, members_path(c, NULL), &doc, e) < 0)
		return -1;
	print_members(c, doc);
	return 0;
}

static int verb_member_add(struct cli_call *c, struct err *e)
{
	struct json *doc, *body = json_object_new(c->arena);
	json_set_str(c->arena, body, S("role"), cli_has(c, "owner") ? S("owner") : S("member"));
	if (client_send(c, "PUT", members_path(c, c->arguments[1]), body, &doc, e) < 0)
		return -1;
	print_members(c, doc);
	return 0;
}

static int verb_member_remove(struct cli_call *c, struct err *e)
{
	struct json *doc;
	if (client_send(c, "DELETE", members_path(c, c->arguments[1]), NULL, &doc, e) < 0)
		return -1;
	print_members(c, doc);
	return 0;
}

/* ---- the table ----------------------------------------------------------------------------- */

#define EXITS_ASK "10 the master does not answer"
#define EXITS_PERSON "3 there is no such person\n" EXITS_ASK
#define EXITS_CUSTOMER "3 there is no such customer, or no such person\n" EXITS_ASK

static const char people[] = "People";

static const struct cli_option person_options[] = {
	{.name = "roles",
	 .argument = "WORDS",
	 .choices = "publisher accountant auditor operator",
	 .help = "All roles that the person has from now on, with commas between; \"\" takes "
		 "all "
		 "of them. Left out: as they are."},
	{.name = "active",
	 .argument = "WORD",
	 .choices = "yes no",
	 .help = "yes, or no: the person may do nothing, from the next request on."},
	{.name = NULL}};
static const struct cli_option member_options[] = {
	{.name = "owner", .help = "Also manages the others; else a plain member."},
	{.name = NULL}};

static const struct cli_cmd cmds[] = {
	{.name = "whoami",
	 .group = people,
	 .fn = verb_whoami,
	 .help = "Say who the master takes you for: name, roles, customers, key.",
	 .example = "hoc whoami",
	 .exits = EXITS_ASK},
	{.name = "person list",
	 .group = people,
	 .fn = verb_person_list,
	 .help = "Show all persons with their roles. For auditors and operators.",
	 .example = "hoc person list",
	 .exits = EXITS_ASK},
	{.name = "person show",
	 .group = people,
	 .arguments = "PERSON",
	 .min_args = 1,
	 .max_args = 1,
	 .fn = verb_person_show,
	 .help = "Show a person: roles, and in which customers.",
	 .example = "hoc person show ana",
	 .exits = EXITS_PERSON},
	{.name = "person set",
	 .group = people,
	 .arguments = "PERSON",
	 .min_args = 1,
	 .max_args = 1,
	 .options = person_options,
	 .fn = verb_person_set,
	 .help = "Give a person roles in the cloud, or stop him. For operators.",
	 .details = "Nobody can take the role of operator from himself.\n"
		    "What the roles may do: hoc docs permissions.",
	 .example = "hoc person set ana --roles publisher,auditor\n"
		    "hoc person set ben --active no",
	 .exits = "4 it would end the caller's own power\n" EXITS_PERSON},
	{.name = "member list",
	 .group = people,
	 .arguments = "CUSTOMER",
	 .min_args = 1,
	 .max_args = 1,
	 .fn = verb_member_list,
	 .help = "Show who is in a customer.",
	 .example = "hoc member list acme",
	 .exits = EXITS_CUSTOMER},
	{.name = "member add",
	 .group = people,
	 .arguments = "CUSTOMER PERSON",
	 .min_args = 2,
	 .max_args = 2,
	 .options = member_options,
	 .fn = verb_member_add,
	 .help = "Put a person into a customer, or change what he is there. For its owners.",
	 .example = "hoc member add acme ana --owner\nhoc member add acme ben",
	 .exits = "4 the customer would have no owner\n" EXITS_CUSTOMER},
	{.name = "member remove",
	 .group = people,
	 .arguments = "CUSTOMER PERSON",
	 .min_args = 2,
	 .max_args = 2,
	 .fn = verb_member_remove,
	 .help = "Take a person out of a customer. For its owners.",
	 .example = "hoc member remove acme ben",
	 .exits = "4 the customer would have no owner\n" EXITS_CUSTOMER},
};

const struct cli_table cli_people_commands = {cmds, ARRAY_LEN(cmds)};
