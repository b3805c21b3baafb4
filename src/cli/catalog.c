/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* The catalogue and the nodes: publish, catalog, supply, unsupply, nodes. */
#include <errno.h>
#include <sys/stat.h>

#include "base/file.h"
#include "cli/client.h"
#include "cli/publish.h"
#include "cli/verbs.h"
#include "profile/bundle.h"

MUST int publish_path(struct cli_call *c, const char *named, const char **out, struct err *e)
{
	struct stat st;
	*out = named;
	if (stat(named, &st) < 0)
		return errno == ENOENT || errno == ENOTDIR
			       ? err_fail(e, ERR_NOT_FOUND, "no profile at %s", named)
			       : err_os(e, errno, "look at %s", named);
	if (!S_ISDIR(st.st_mode))
		return 0;
	*out = file_join(c->arena, str_from(named), S("profile.jsonnet")).p;
	if (arena_check(c->arena, e) < 0)
		return -1;
	return file_exists(*out) ? 0
				 : err_fail(e, ERR_NOT_FOUND,
					    "the folder %s holds no profile.jsonnet", named);
}

MUST int publish_bundle(struct cli_call *c, const char *named, struct json **out, struct err *e)
{
	const char *path;
	struct profile_bundle bundle;
	struct json *tree, *body = json_object_new(c->arena);
	if (publish_path(c, named, &path, e) < 0 ||
	    profile_bundle_collect(path, NULL, c->arena, &bundle, e) < 0 ||
	    json_parse(bundle.canonical, c->arena, &tree, e) < 0)
		return -1;
	json_set(c->arena, body, S("bundle"), tree);
	return client_send(c, "POST", S("/v1/releases"), body, out, e);
}

int verb_publish(struct cli_call *c, struct err *e)
{
	struct json *doc;
	if (publish_bundle(c, c->arguments[0], &doc, e) < 0)
		return -1;
	if (c->is_json)
		client_print_json(c, doc);
	else
		(void)fprintf(c->out, "%" STR_F "%s\n", STR_A(client_text(doc, "release")),
			      json_bool_of(json_get(doc, S("created")), false)
				      ? ""
				      : " (was published already)");
	return 0;
}

int verb_catalog(struct cli_call *c, struct err *e)
{
	static const char *const heads[] = {"NAME",    "CATEGORY", "PUBLISHED",
					    "RELEASE", "TITLE",	   NULL};
	struct json *doc;
	struct table t;
	if (client_get(c, S("/v1/releases"), &doc, e) < 0)
		return -1;
	if (c->is_json) {
		client_print_json(c, doc);
		return 0;
	}
	const struct json *list = json_get(doc, S("releases"));
	table_start(&t, c, heads);
	for (size_t i = 0; i < json_count(list); i++) {
		const struct json *r = json_at(list, i);
		table_cell(&t, client_text(r, "name"));
		table_cell(&t, client_text(r, "category"));
		table_cell(&t, str_sub(client_text(r, "published_at"), 0, 10));
		table_cell(&t, arena_fmt(c->arena, "%" STR_F "@%" STR_F,
					 STR_A(client_text(r, "name")),
					 STR_A(str_sub(client_text(r, "hash"), 0, 12))));
		table_cell(&t, client_text(r, "title"));
	}
	table_end(&t, "nothing is published yet: hoc publish PROFILE");
	return 0;
}

MUST int supply_release(struct cli_call *c, struct str release, struct str node,
			const char *state, struct json **out, struct err *e)
{
	struct json *body = json_object_new(c->arena);
	json_set_str(c->arena, body, S("release"), release);
	json_set_str(c->arena, body, S("node"), node);
	json_set_str(c->arena, body, S("state"), str_from(state));
	return client_send(c, "PUT", S("/v1/installations"), body, out, e);
}

static int supply(struct cli_call *c, const char *state, struct err *e)
{
	struct json *doc;
	if (supply_release(c, str_from(c->arguments[0]), str_from(c->arguments[1]), state, &doc,
			   e) < 0)
		return -1;
	if (c->is_json)
		client_print_json(c, doc);
	else
		(void)fprintf(
			c->out, "%" STR_F " on %" STR_F ": wanted %" STR_F ", is %" STR_F "\n",
			STR_A(client_text(doc, "name")), STR_A(client_text(doc, "node")),
			STR_A(client_text(doc, "state")), STR_A(client_text(doc, "reported")));
	return 0;
}

int verb_supply(struct cli_call *c, struct err *e)
{
	return supply(c, "available", e);
}

int verb_unsupply(struct cli_call *c, struct err *e)
{
	return supply(c, "destroyed", e);
}

int verb_nodes(struct cli_call *c, struct err *e)
{
	static const char *const heads[] = {
		"NODE", "CONTACT", "LAST CONTACT", "FREE", "REGION", "NETWORK", NULL};
	struct json *doc;
	struct table t;
	if (client_get(c, S("/v1/nodes"), &doc, e) < 0)
		return -1;
	if (c->is_json) {
		client_print_json(c, doc);
		return 0;
	}
	const struct json *list = json_get(doc, S("nodes"));
	table_start(&t, c, heads);
	for (size_t i = 0; i < json_count(list); i++) {
		const struct json *n = json_at(list, i),
				  *partitions = json_get(n, S("partitions"));
		table_cell(&t, client_text(n, "node"));
		table_cell(&t, client_text(n, "liveness"));
		table_cell(&t, client_text(n, "last_contact_at"));
		table_cell(&t, arena_fmt(c->arena, "%lld of %lld",
					 (long long)client_i64(partitions, "free"),
					 (long long)client_i64(partitions, "total")));
		table_cell(&t, client_text(n, "region"));
		table_cell(&t, client_text(n, "network"));
	}
	table_end(&t, "no nodes");
	return 0;
}
