/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * The publisher's verbs: check, show, lock and build a profile on this machine, without a
 * master. `--dir` is where packages and builds are kept: a node's directory or any other.
 */
#include "base/file.h"
#include "cli/client.h"
#include "cli/publish.h"
#include "cli/verbs.h"
#include "profile/build.h"
#include "profile/check.h"

struct opened {
	struct profile_bundle bundle;
	struct profile_eval *eval;
	struct profile_manifest manifest;
	struct str manifest_text;
};

static void opened_fini(struct opened *o)
{
	profile_eval_free(o->eval);
}

static int open_eval(struct cli_call *c, struct opened *o, struct err *e)
{
	const struct profile_eval_options eo = {.program = c->program};
	const char *path;
	if (publish_path(c, c->arguments[0], &path, e) < 0 ||
	    profile_bundle_collect(path, NULL, c->arena, &o->bundle, e) < 0)
		return -1;
	return profile_eval_new(&eo, &o->eval, e);
}

static int open_profile(struct cli_call *c, struct opened *o, struct err *e)
{
	if (open_eval(c, o, e) < 0 ||
	    profile_eval_manifest(o->eval, &o->bundle, c->arena, &o->manifest_text, e) < 0)
		return -1;
	return profile_manifest_read(o->manifest_text, c->arena, &o->manifest, e);
}

/* ---- check --------------------------------------------------------------------------------- */

static void print_findings(struct cli_call *c, const struct profile_findings *f)
{
	struct json *list = json_array_new(c->arena), *doc = json_object_new(c->arena);
	for (size_t i = 0; i < f->count; i++) {
		const struct profile_finding *x = &f->items[i];
		struct json *one = json_object_new(c->arena);
		json_set_str(c->arena, one, S("path"), x->path);
		json_set_str(c->arena, one, S("text"), x->text);
		json_set_bool(c->arena, one, S("error"), x->is_error);
		json_add(c->arena, list, one);
		if (!c->is_json)
			(void)fprintf(c->out, "%-6s  %" STR_F "%s%" STR_F "\n",
				      x->is_error ? "error" : "advice", STR_A(x->path),
				      x->path.n ? ": " : "", STR_A(x->text));
	}
	json_set(c->arena, doc, S("findings"), list);
	if (c->is_json)
		client_print_json(c, doc);
	else if (!f->count)
		(void)fprintf(c->out, "fine\n");
}

int verb_profile_check(struct cli_call *c, struct err *e)
{
	struct opened o CLEAN(opened_fini) = {.eval = NULL};
	struct profile_findings findings;
	if (open_eval(c, &o, e) < 0 ||
	    profile_check(o.eval, &o.bundle, c->arena, &findings, e) < 0)
		return -1;
	print_findings(c, &findings);
	return profile_findings_errors(&findings) > 0;
}

/* ---- show ---------------------------------------------------------------------------------- */

/* "  memory_mib = 64" and what it is, for each property of a schema. */
static int print_schema(struct cli_call *c, const char *head, struct str text, struct err *e)
{
	struct json *schema;
	if (json_parse(text, c->arena, &schema, e) < 0)
		return -1;
	const struct json *properties = json_get(schema, S("properties"));
	for (size_t i = 0; i < json_count(properties); i++) {
		const struct json_member *m = &properties->members[i];
		const struct json *initial = json_get(m->value, S("default"));
		struct str shown = initial ? json_text(initial, c->arena) : S(""),
			   help = client_text(m->value, "description");
		(void)fprintf(c->out, "  %-12s%" STR_F "%s%" STR_F "\n", i ? "" : head,
			      STR_A(m->key), initial ? " = " : "", STR_A(shown));
		if (help.n)
			(void)fprintf(c->out, "%16s%" STR_F "\n", "", STR_A(help));
	}
	return arena_check(c->arena, e);
}

static int print_profile(struct cli_call *c, const struct opened *o, const char *uri,
			 struct err *e)
{
	const struct profile_manifest *m = &o->manifest;
	(void)fprintf(c->out, "%s\n%" STR_F " (%" STR_F ")\nfiles:", uri, STR_A(m->title),
		      STR_A(m->category));
	for (size_t i = 0; i < o->bundle.file_count; i++)
		(void)fprintf(c->out, " %" STR_F, STR_A(o->bundle.files[i].path));
	(void)fprintf(c->out, "\npackages (%" STR_F "):", STR_A(m->software.suite));
	for (size_t i = 0; i < m->software.packages.count; i++)
		(void)fprintf(c->out, " %" STR_F, STR_A(m->software.packages.items[i]));
	(void)fprintf(c->out, "\n");
	for (size_t i = 0; i < m->type_count; i++) {
		(void)fprintf(c->out, "type %" STR_F "\n", STR_A(m->types[i].name));
		if (print_schema(c, "parameters", m->types[i].parameters_schema, e) < 0 ||
		    print_schema(c, "connection", m->types[i].connection_schema, e) < 0)
			return -1;
	}
	return 0;
}

int verb_profile_show(struct cli_call *c, struct err *e)
{
	struct opened o CLEAN(opened_fini) = {.eval = NULL};
	struct json *manifest, *doc = json_object_new(c->arena);
	char uri[PROFILE_URI_SIZE];
	if (open_profile(c, &o, e) < 0 ||
	    json_parse(o.manifest_text, c->arena, &manifest, e) < 0)
		return -1;
	profile_uri_build(o.bundle.name, o.bundle.hash, uri);
	if (!c->is_json)
		return print_profile(c, &o, uri, e);
	json_set_str(c->arena, doc, S("release"), str_from(uri));
	json_set(c->arena, doc, S("manifest"), manifest);
	client_print_json(c, doc);
	return 0;
}

/* ---- lock ---------------------------------------------------------------------------------- */

int verb_profile_lock(struct cli_call *c, struct err *e)
{
	struct opened o CLEAN(opened_fini) = {.eval = NULL};
	struct profile_lock lock;
	const char *dir;
	if (cli_path(c, "dir", &dir, e) < 0 || open_profile(c, &o, e) < 0)
		return -1;
	const struct profile_apt apt = {.dir = arena_fmt(c->arena, "%s/apt", dir).p};
	if (file_mkdirs(dir, 0755, e) < 0 ||
	    profile_lock_resolve(&o.manifest.software, &apt, c->arena, &lock, e) < 0)
		return -1;
	if (cli_value(c, "output"))
		return file_write(cli_value(c, "output"), lock.canonical, 0644, e);
	(void)fprintf(c->out, "%" STR_F "\n", STR_A(lock.canonical));
	return 0;
}

/* ---- build --------------------------------------------------------------------------------- */

static void show_progress(void *user, const struct profile_progress *p)
{
	const struct cli_call *c = user;
	if (!c->is_terminal)
		return;
	(void)fprintf(stderr, "\r\033[K%s", profile_phase_name(p->phase));
	if (p->total)
		(void)fprintf(stderr, " %lld of %lld", (long long)p->done, (long long)p->total);
	if (p->bytes)
		(void)fprintf(stderr, ", %.1f MB", (double)p->bytes / 1e6);
	(void)fflush(stderr);
}

int verb_profile_build(struct cli_call *c, struct err *e)
{
	struct opened o CLEAN(opened_fini) = {.eval = NULL};
	struct profile_built built;
	const char *dir;
	if (cli_path(c, "dir", &dir, e) < 0 || open_profile(c, &o, e) < 0 ||
	    file_mkdirs(dir, 0755, e) < 0)
		return -1;
	const struct profile_build b = {
		.node_dir = dir,
		.release_hash = o.bundle.hash,
		.software = &o.manifest.software,
		.progress = show_progress,
		.user = c,
	};
	int rc = profile_build_run(&b, c->arena, &built, e);
	if (c->is_terminal)
		(void)fprintf(stderr, "\r\033[K");
	if (rc != 0)
		return rc < 0 ? -1
			      : err_fail(e, ERR_BUSY,
					 "this release is being built by another process");
	struct json *doc = json_object_new(c->arena);
	json_set_str(c->arena, doc, S("lock"), str_from(built.lock_hash));
	json_set_str(c->arena, doc, S("commit"), str_from(built.commit));
	json_set_str(c->arena, doc, S("root"), built.root);
	if (c->is_json)
		client_print_json(c, doc);
	else
		(void)fprintf(c->out, "root    %" STR_F "\ncommit  %s\nlock    %s\n",
			      STR_A(built.root), built.commit, built.lock_hash);
	return 0;
}
