/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Passkeys and sessions of browsers: a link to make one, what there is, the end of it. */
#include "cli/passkey.h"

#include "cli/client.h"
#include "trust/wipe.h"

/* ---- passkeys ------------------------------------------------------------------------------ */

static int verb_add(struct cli_call *c, struct err *e)
{
	struct json *answer;
	struct str master = str_from(c->master);
	if (client_send(c, "POST", S("/v1/passkeys/links"), NULL, &answer, e) < 0)
		return -1;
	struct str path CLEAN(trust_wipe_str) = client_text(answer, "path");
	if (c->is_json) {
		client_print_json(c, answer);
		return 0;
	}
	while (str_ends(master, S("/")))
		master.n--;
	(void)fprintf(c->out, "%" STR_F "%" STR_F "\n", STR_A(master), STR_A(path));
	(void)fprintf(stderr,
		      "open this in the browser that is to have the passkey; good once, until "
		      "%" STR_F "\n",
		      STR_A(client_text(answer, "expires_at")));
	return 0;
}

/* "/v1/persons/NAME/…" of who was named, or of the caller. */
static int path_of(struct cli_call *c, const char *after, struct str *out, struct err *e)
{
	const char *name = cli_value(c, "person");
	struct json *me;
	if (!name) {
		if (client_get(c, S("/v1/me"), &me, e) < 0)
			return -1;
		name = arena_cstr(c->arena, client_text(me, "name"));
	}
	*out = client_path(c, "/v1/persons/", name, after);
	return 0;
}

/* Rows of a list of the answer; `first` is a number or a text. */
static int print_list(struct cli_call *c, const char *what, const char *const *heads,
		      const char *const *keys, struct err *e)
{
	struct json *doc;
	struct table t;
	struct str path;
	if (path_of(c, arena_fmt(c->arena, "/%s", what).p, &path, e) < 0 ||
	    client_get(c, path, &doc, e) < 0)
		return -1;
	if (c->is_json) {
		client_print_json(c, doc);
		return 0;
	}
	const struct json *list = json_get(doc, str_from(what));
	table_start(&t, c, heads);
	for (size_t i = 0; i < json_count(list); i++) {
		const struct json *r = json_at(list, i);
		table_cell(&t,
			   arena_fmt(c->arena, "%lld", (long long)client_i64(r, "passkey")));
		for (size_t k = 0; keys[k]; k++)
			table_cell(&t, client_text(r, keys[k]));
	}
	table_end(&t, arena_fmt(c->arena, "no %s", what).p);
	return 0;
}

static int verb_list(struct cli_call *c, struct err *e)
{
	static const char *const heads[] = {"PASSKEY", "TITLE", "MADE", "USED", NULL};
	static const char *const keys[] = {"title", "created_at", "used_at", NULL};
	return print_list(c, "passkeys", heads, keys, e);
}

static int verb_remove(struct cli_call *c, struct err *e)
{
	struct json *answer;
	return client_send(c, "DELETE", client_path(c, "/v1/passkeys/", c->arguments[0], ""),
			   NULL, &answer, e);
}

/* ---- sessions ------------------------------------------------------------------------------ */

static int verb_session_list(struct cli_call *c, struct err *e)
{
	static const char *const heads[] = {"PASSKEY", "TITLE",	  "SINCE",
					    "UNTIL",   "SESSION", NULL};
	static const char *const keys[] = {"title", "created_at", "expires_at", "session",
					   NULL};
	return print_list(c, "sessions", heads, keys, e);
}

static int verb_session_end(struct cli_call *c, struct err *e)
{
	struct json *answer;
	struct str path;
	if ((c->argument_count == 1) == cli_has(c, "all"))
		return err_fail(e, ERR_USAGE, "say which SESSION, or --all");
	if (cli_has(c, "all")) {
		if (path_of(c, "/sessions", &path, e) < 0)
			return -1;
	} else {
		path = client_path(c, "/v1/sessions/", c->arguments[0], "");
	}
	return client_send(c, "DELETE", path, NULL, &answer, e);
}

/* ---- the table ----------------------------------------------------------------------------- */

#define PERSON \
	{ \
		.name = "person", .argument = "NAME", .help = "Of that person; else the own." \
	}
static const struct cli_option person_options[] = {PERSON, {.name = NULL}};
static const struct cli_option end_options[] = {
	PERSON, {.name = "all", .help = "All of the person."}, {.name = NULL}};

static const char group[] = "Who you are (keys, tokens, domains)";

static const struct cli_cmd verbs[] = {
	{.name = "passkey add",
	 .group = group,
	 .fn = verb_add,
	 .help = "Print a link by which a browser makes a passkey for you.",
	 .details =
		 "The link is good once and for ten minutes; whoever has it can become you, so "
		 "give it to nobody. A new link ends the one before. The passkey ends with "
		 "the key of this machine, should that be revoked.",
	 .example = "hoc passkey add",
	 .exits = "5 not by a session, or not a person"},
	{.name = "passkey list",
	 .group = group,
	 .options = person_options,
	 .fn = verb_list,
	 .help = "Passkeys of a person.",
	 .example = "hoc passkey list"},
	{.name = "passkey remove",
	 .arguments = "PASSKEY",
	 .min_args = 1,
	 .max_args = 1,
	 .group = group,
	 .fn = verb_remove,
	 .help = "Revoke a passkey, for ever, and end its sessions.",
	 .example = "hoc passkey remove 3",
	 .exits = "3 no such passkey, or not yours"},
	{.name = "session list",
	 .group = group,
	 .options = person_options,
	 .fn = verb_session_list,
	 .help = "Where somebody is logged in with a browser.",
	 .example = "hoc session list"},
	{.name = "session end",
	 .arguments = "[SESSION]",
	 .max_args = 1,
	 .group = group,
	 .options = end_options,
	 .fn = verb_session_end,
	 .help = "Log a browser out, or all of them.",
	 .example = "hoc session end --all",
	 .exits = "3 no such session, or not yours"},
};

const struct cli_table cli_passkey_commands = {verbs, ARRAY_LEN(verbs)};
