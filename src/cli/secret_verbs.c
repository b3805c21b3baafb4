/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Showing secrets, and the verbs that share them. */
#include <stdio.h>

#include "cli/orders.h"
#include "cli/secret.h"
#include "trust/wipe.h"

static const char *const parts[] = {"parameters", "connection"};

MUST static int need_cloud(const struct secret_me *me, struct err *e)
{
	if (!me->is_local)
		return 0;
	return err_fail(e, ERR_UNSUPPORTED,
			"this master is local: secrets stand in it in clear, for everybody");
}

static struct str path_of(struct cli_call *c, const struct json *instance, const char *rest)
{
	struct str guid = client_text(instance, "guid");
	return client_path(c, "/v1/instances/", arena_cstr(c->arena, guid), rest);
}

/* ---- showing ------------------------------------------------------------------------------- */

/* "sealed to: alice, n1", from the recipients; asked for once. */
MUST static int sealed_to(struct cli_call *c, const struct json *instance, struct str *note,
			  struct err *e)
{
	struct json *who;
	struct str names = S("");
	if (note->n)
		return 0;
	if (client_get(c, path_of(c, instance, "/recipients"), &who, e) < 0)
		return -1;
	const struct json *list = json_get(who, S("recipients"));
	for (size_t i = 0; i < json_count(list); i++) {
		struct str name = client_text(json_at(list, i), "name");
		if (str_find(names, name) < names.n)
			continue; /* another key of the same */
		names = arena_fmt(c->arena, "%" STR_F "%s%" STR_F, STR_A(names),
				  names.n ? ", " : "", STR_A(name));
	}
	*note = names.n ? arena_fmt(c->arena, "(sealed to: %" STR_F ")", STR_A(names))
			: S("(sealed to nobody any more)");
	return arena_check(c->arena, e);
}

struct look {
	struct cli_call *c;
	const struct secret_me *me;
	const struct json *instance;
	struct str note;
};

/* What a person is to see in place of a sealed value. */
MUST static int look_at(struct look *l, const char *part, struct str sealed, struct str *out,
			struct err *e)
{
	struct str clear = S("");
	int rc = secret_unseal(l->c, l->me, sealed, &clear, e);
	if (rc < 0)
		return -1;
	if (rc == 0 && cli_has(l->c, "reveal")) {
		*out = clear;
		return 0;
	}
	trust_wipe_str(&clear);
	*out = rc == 0 ? S("(sealed; you can read it: --reveal)") : sealed;
	if (rc == 0 || l->c->is_json)
		return 0;
	*out = S("(sealed to its node and who ordered it)");
	if (strcmp(part, "connection") != 0)
		return 0;
	if (sealed_to(l->c, l->instance, &l->note, e) < 0)
		return -1;
	*out = l->note;
	return 0;
}

MUST static int show_part(struct look *l, const char *part, struct json *values,
			  const struct json *marks, struct err *e)
{
	struct arena *a = l->c->arena;
	for (size_t i = 0; i < json_count(marks); i++) {
		struct str name = marks->members[i].key, shown;
		const struct json *v = json_get(values, name);
		if (!v)
			continue;
		struct str value = json_is(v, JSON_IS_STR) ? v->str : json_text(v, a);
		bool is_clear = str_is(json_str_of(marks->members[i].value, S("")), "clear");
		if (l->c->is_json && (is_clear || !cli_has(l->c, "reveal")))
			continue;
		if (is_clear)
			shown = arena_fmt(a, "%" STR_F " (clear at the master)", STR_A(value));
		else if (look_at(l, part, value, &shown, e) < 0)
			return -1;
		json_set_str(a, values, name, shown);
	}
	return arena_check(a, e);
}

MUST int secret_show(struct cli_call *c, struct json *instance, struct err *e)
{
	struct secret_me me CLEAN(secret_me_close);
	struct look l = {.c = c, .me = &me, .instance = instance, .note = S("")};
	const struct json *marks = json_get(instance, S("secrets"));
	me = (struct secret_me){.is_local = true};
	if (!json_count(marks))
		return 0;
	if (secret_me_open(c, &me, e) < 0)
		return -1;
	for (size_t i = 0; i < ARRAY_LEN(parts); i++)
		if (show_part(&l, parts[i], json_get(instance, str_from(parts[i])),
			      json_get(marks, str_from(parts[i])), e) < 0)
			return -1;
	return 0;
}

struct str secret_mark(const struct json *instance)
{
	const struct json *marks = json_get(instance, S("secrets"));
	for (size_t i = 0; i < ARRAY_LEN(parts); i++) {
		const struct json *m = json_get(marks, str_from(parts[i]));
		for (size_t k = 0; k < json_count(m); k++)
			if (str_is(json_str_of(m->members[k].value, S("")), "clear"))
				return S("clear at the master");
	}
	return json_count(marks) ? S("sealed") : S("");
}

/* ---- sealing again ------------------------------------------------------------------------- */

/* Seals what this person can read of the connection to all that may; how many. */
MUST static int reseal_connection(struct cli_call *c, const struct secret_me *me,
				  const struct json *instance, const struct json *who,
				  int *count, struct err *e)
{
	struct secret_keys keys = {.count = 0};
	const struct json *marks = json_get(json_get(instance, S("secrets")), S("connection"));
	const struct json *values = json_get(instance, S("connection"));
	struct json *ignored;
	*count = 0;
	if (secret_keys_add(c, me, json_get(who, S("recipients")), S(""), &keys, e) < 0)
		return -1;
	for (size_t i = 0; i < json_count(marks); i++) {
		struct str name = marks->members[i].key, clear CLEAN(trust_wipe_str) = S("");
		struct str sealed = json_str_of(json_get(values, name), S("")), fresh;
		struct json *body = json_object_new(c->arena);
		if (!age_is_sealed(sealed))
			continue;
		int rc = secret_unseal(c, me, sealed, &clear, e);
		if (rc < 0 || (rc == 0 && secret_seal(c, clear, &keys, &fresh, e) < 0))
			return -1;
		if (rc > 0)
			continue;
		json_set_str(c->arena, body, S("value"), fresh);
		struct str rest =
			client_path(c, "/connection/", arena_cstr(c->arena, name), "");
		if (client_send(c, "PUT", path_of(c, instance, arena_cstr(c->arena, rest)),
				body, &ignored, e) < 0)
			return -1;
		++*count;
	}
	return 0;
}

/* Seals the secret parameters to the node that the instance is on, and to this person. */
MUST static int reseal_parameters(struct cli_call *c, const struct secret_me *me,
				  struct json **instance, const struct json *who, int *count,
				  struct err *e)
{
	struct secret_keys keys = {.count = 0};
	const struct json *marks = json_get(json_get(*instance, S("secrets")), S("parameters"));
	struct json *values = json_get(*instance, S("parameters"));
	*count = 0;
	if (!json_count(marks))
		return 0;
	if (secret_keys_add_own(me, &keys, e) < 0 ||
	    secret_keys_add(c, me, json_get(who, S("recipients")), me->name, &keys, e) < 0 ||
	    secret_keys_add(c, me, json_get(who, S("node")), S(""), &keys, e) < 0)
		return -1;
	for (size_t i = 0; i < json_count(marks); i++) {
		struct str name = marks->members[i].key, clear CLEAN(trust_wipe_str) = S("");
		struct str sealed = json_str_of(json_get(values, name), S("")), fresh;
		if (!age_is_sealed(sealed))
			continue;
		int rc = secret_unseal(c, me, sealed, &clear, e);
		if (rc > 0)
			return err_field(e, "parameters",
					 "%" STR_F " is not sealed to you: order it again with "
					 "--secret %" STR_F,
					 STR_A(name), STR_A(name));
		if (rc < 0 || secret_seal(c, clear, &keys, &fresh, e) < 0)
			return -1;
		json_set_str(c->arena, values, name, fresh);
		++*count;
	}
	const char *state = arena_cstr(c->arena, client_text(*instance, "state"));
	return *count ? orders_set_state(c, instance, state, e) : 0;
}

/* ---- verbs --------------------------------------------------------------------------------- */

struct sharing {
	struct secret_me me;
	struct json *instance;
};

static void sharing_end(struct sharing *s)
{
	secret_me_close(&s->me);
}

MUST static int sharing_begin(struct cli_call *c, struct sharing *s, struct err *e)
{
	*s = (struct sharing){.instance = NULL};
	if (secret_me_open(c, &s->me, e) < 0 || need_cloud(&s->me, e) < 0)
		return -1;
	return orders_find(c, c->arguments[0], &s->instance, e);
}

static struct str reader_path(struct cli_call *c, const struct sharing *s)
{
	struct str rest = client_path(c, "/readers/", c->arguments[1], "");
	return path_of(c, s->instance, arena_cstr(c->arena, rest));
}

static void print_who(struct cli_call *c, const struct json *who)
{
	if (c->is_json) {
		client_print_json(c, who);
		return;
	}
	const struct json *readers = json_get(who, S("readers"));
	struct str person = client_text(who, "person");
	(void)fprintf(c->out, "ordered by  %" STR_F "\n",
		      STR_A(person.n ? person : S("an instance")));
	for (size_t i = 0; i < json_count(readers); i++)
		(void)fprintf(c->out, "%-12s%" STR_F "\n", i ? "" : "readers",
			      STR_A(json_str_of(json_at(readers, i), S(""))));
}

static int verb_share(struct cli_call *c, struct err *e)
{
	struct sharing s CLEAN(sharing_end) = {.instance = NULL};
	struct json *who;
	int count;
	if (sharing_begin(c, &s, e) < 0 ||
	    client_send(c, "PUT", reader_path(c, &s), NULL, &who, e) < 0 ||
	    reseal_connection(c, &s.me, s.instance, who, &count, e) < 0)
		return -1;
	print_who(c, who);
	return 0;
}

MUST static int rotate(struct cli_call *c, struct sharing *s, struct err *e)
{
	return client_send(c, "POST", path_of(c, s->instance, "/rotate"), NULL, &s->instance,
			   e);
}

static int verb_revoke(struct cli_call *c, struct err *e)
{
	struct sharing s CLEAN(sharing_end) = {.instance = NULL};
	struct json *who;
	if (sharing_begin(c, &s, e) < 0 ||
	    client_send(c, "DELETE", reader_path(c, &s), NULL, &who, e) < 0 ||
	    rotate(c, &s, e) < 0)
		return -1;
	print_who(c, who);
	return 0;
}

static int verb_rotate(struct cli_call *c, struct err *e)
{
	struct sharing s CLEAN(sharing_end) = {.instance = NULL};
	if (orders_find(c, c->arguments[0], &s.instance, e) < 0 || rotate(c, &s, e) < 0)
		return -1;
	if (c->is_json)
		client_print_json(c, s.instance);
	else
		(void)fprintf(c->out, "%" STR_F ": its node makes new secrets\n",
			      STR_A(client_text(s.instance, "title")));
	return 0;
}

static int verb_reseal(struct cli_call *c, struct err *e)
{
	struct sharing s CLEAN(sharing_end) = {.instance = NULL};
	struct json *who;
	int parameters, connection;
	if (sharing_begin(c, &s, e) < 0 ||
	    client_get(c, path_of(c, s.instance, "/recipients"), &who, e) < 0 ||
	    reseal_connection(c, &s.me, s.instance, who, &connection, e) < 0 ||
	    reseal_parameters(c, &s.me, &s.instance, who, &parameters, e) < 0)
		return -1;
	if (c->is_json)
		client_print_json(c, s.instance);
	else
		(void)fprintf(c->out, "sealed again: %d parameters, %d of the connection\n",
			      parameters, connection);
	return 0;
}

static int verb_show_secret(struct cli_call *c, struct err *e)
{
	struct secret_me me CLEAN(secret_me_close) = {.is_local = true};
	struct str clear CLEAN(trust_wipe_str) = S(""), name = str_from(c->arguments[1]);
	struct json *instance;
	const struct json *v = NULL;
	if (secret_me_open(c, &me, e) < 0 || orders_find(c, c->arguments[0], &instance, e) < 0)
		return -1;
	for (size_t i = ARRAY_LEN(parts); i-- > 0 && !v;)
		v = json_get(json_get(instance, str_from(parts[i])), name);
	if (!v)
		return err_fail(e, ERR_NOT_FOUND, "%s has neither connection nor parameter %s",
				c->arguments[0], c->arguments[1]);
	struct str text = json_is(v, JSON_IS_STR) ? v->str : json_text(v, c->arena);
	if (!age_is_sealed(text)) {
		(void)fprintf(c->out, "%" STR_F "\n", STR_A(text));
		return 0;
	}
	int rc = secret_unseal(c, &me, text, &clear, e);
	if (rc > 0)
		return err_fail(e, ERR_FORBIDDEN,
				"it is not sealed to this key: where that is new, the node "
				"seals to it in "
				"a moment; else ask for hoc secret share %s",
				c->arguments[0]);
	if (rc == 0)
		(void)fprintf(c->out, "%" STR_F "\n", STR_A(clear));
	return rc;
}

/* ---- the table ----------------------------------------------------------------------------- */

#define EXITS \
	"3 there is no such instance\n" \
	"5 you may not, or cannot read it\n" \
	"10 the master does not answer"

static const char group[] = "Secrets";

static const struct cli_option customer_options[] = {
	{.name = "customer",
	 .argument = "NAME",
	 .help = "Whose, if several have such a title."},
	{.name = NULL}};

static const struct cli_cmd cmds[] = {
	{.name = "secret show",
	 .group = group,
	 .arguments = "INSTANCE NAME",
	 .min_args = 2,
	 .max_args = 2,
	 .options = customer_options,
	 .fn = verb_show_secret,
	 .help = "Print one connection parameter, or parameter, in clear.",
	 .details = "The value is unsealed here, with the key of the identity; the master "
		    "cannot. Mind where the output goes.",
	 .example = "psql \"$(hoc secret show shop url)\"",
	 .exits = EXITS},
	{.name = "secret share",
	 .group = group,
	 .arguments = "INSTANCE PERSON",
	 .min_args = 2,
	 .max_args = 2,
	 .options = customer_options,
	 .fn = verb_share,
	 .help = "Let a member of the customer read an instance's secrets.",
	 .details = "What you can read is sealed again at once, to the person's keys too; the "
		    "node seals to them from now on. Secret parameters stay with who ordered "
		    "them and the node.",
	 .example = "hoc secret share shop bob",
	 .exits = EXITS},
	{.name = "secret revoke",
	 .group = group,
	 .arguments = "INSTANCE PERSON",
	 .min_args = 2,
	 .max_args = 2,
	 .options = customer_options,
	 .fn = verb_revoke,
	 .help = "Let a person read them no more, and have them made anew.",
	 .details = "What the person has read is worthless as soon as the node has made new "
		    "secrets: hoc secret rotate is part of it.",
	 .example = "hoc secret revoke shop bob",
	 .exits = EXITS},
	{.name = "secret rotate",
	 .group = group,
	 .arguments = "INSTANCE",
	 .min_args = 1,
	 .max_args = 1,
	 .options = customer_options,
	 .fn = verb_rotate,
	 .help = "Have an instance's secrets made anew on its node.",
	 .details = "Passwords that the profile asks for change, and with them what is "
		    "published. Secret parameters are yours: order again with others.",
	 .example = "hoc secret rotate shop",
	 .exits = EXITS},
	{.name = "secret reseal",
	 .group = group,
	 .arguments = "INSTANCE",
	 .min_args = 1,
	 .max_args = 1,
	 .options = customer_options,
	 .fn = verb_reseal,
	 .help = "Seal what you can read again: parameters to the node, connection to all "
		 "readers.",
	 .details = "After an instance got its place, its node another key, or you one.",
	 .example = "hoc secret reseal shop",
	 .exits = EXITS},
};

const struct cli_table cli_secret_commands = {cmds, ARRAY_LEN(cmds)};
