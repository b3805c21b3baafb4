/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * From a wish to a spec, and from a spec to files and services.
 */
#include "agent/deploy.h"

#include <sys/stat.h>

#include "agent/certs.h"
#include "agent/deploy_impl.h"
#include "agent/hide.h"
#include "base/fail.h"
#include "base/file.h"
#include "base/log.h"
#include "json/json.h"
#include "trust/wipe.h"

/* ---- what the instance must be -------------------------------------------------------------
 */

struct str deploy_release_dir(const char *node_dir, struct str release, struct arena *a,
			      struct err *e)
{
	struct profile_ref ref;
	if (profile_ref_parse(release, &ref, e) < 0)
		return S("");
	if (ref.kind != PROFILE_REF_URI) {
		(void)err_fail(e, ERR_UNSUPPORTED, "this node cannot build %" STR_F,
			       STR_A(release));
		return S("");
	}
	return arena_fmt(a, "%s/releases/%s", node_dir, ref.hash);
}

/* The release's files on this node: bundle, manifest, type. */
static int open_release(const struct deploy *d, const struct machine_wish *w, struct arena *a,
			struct deploy_plan *plan, struct err *e)
{
	struct str dir = deploy_release_dir(d->node_dir, w->release, a, e), text, manifest;
	if (!dir.n)
		return -1;
	plan->rootfs = arena_fmt(a, "%" STR_F "/root", STR_A(dir)).p;
	struct str path = arena_fmt(a, "%" STR_F "/bundle.json", STR_A(dir));
	int rc = file_read(path.p, PROFILE_BUNDLE_MAX_BYTES, a, &text, e);
	if (rc != 0)
		return rc < 0 ? -1
			      : err_fail(e, ERR_NOT_FOUND,
					 "release %" STR_F " is not on this node",
					 STR_A(w->release));
	if (profile_bundle_parse(text, a, &plan->bundle, e) < 0 ||
	    profile_eval_manifest(d->eval, &plan->bundle, a, &manifest, e) < 0 ||
	    profile_manifest_read(manifest, a, &plan->manifest, e) < 0)
		return err_in(e, "release %" STR_F, STR_A(w->release));
	plan->type = profile_manifest_type(&plan->manifest, w->type);
	if (!plan->type)
		return err_field(e, "type", "this release has no type %" STR_F, STR_A(w->type));
	return 0;
}

static struct json *secrets_of(const struct deploy *d, const struct machine_wish *w,
			       struct deploy_plan *plan, struct arena *a, struct err *e)
{
	const struct spec_type *type = plan->type;
	struct json *all = json_object_new(a);
	for (size_t i = 0; i < type->secret_count; i++) {
		struct str value;
		const struct spec_secret *s = &type->secrets[i];
		if (ndb_rotated_secret(d->ndb, w->guid, s->name, plan->readers.rotation,
				       (size_t)s->length, d->rng, a, &value, e) < 0 ||
		    deploy_note_secret(plan, value, a, e) < 0)
			return NULL;
		json_set_str(a, all, s->name, value);
	}
	return all;
}

static int parse_or(struct str text, const char *otherwise, struct arena *a, struct json **out,
		    struct err *e)
{
	return json_parse(text.n ? text : str_from(otherwise), a, out, e);
}

/* One that is not for this node stays without what it keeps secret; the others go on. */
static int unseal_shared(const struct deploy *d, const struct machine_wish *w,
			 struct deploy_plan *plan, struct json *shared, struct arena *a,
			 struct err *e)
{
	for (size_t i = 0; i < json_count(shared); i++) {
		struct json *one = json_at(shared, i);
		int rc = deploy_unseal_object(d, plan, json_get(one, S("parameters")), a, e);
		if (rc < 0)
			return -1;
		if (rc > 0)
			log_event(LOG_WARN, "agent.secret.foreign", KV_S("instance", w->guid),
				  KV_S("of", json_str_of(json_get(one, S("guid")), S(""))));
	}
	return 0;
}

/* The argument of instance(i): see docs/rooms/profile.md. */
static int input_of(const struct deploy *d, const struct part *p, const struct machine_wish *w,
		    struct deploy_plan *plan, struct arena *a, struct err *e)
{
	struct str unsealed, checked;
	struct json *parameters, *shared, *i = json_object_new(a),
					  *partition = json_object_new(a),
					  *node = json_object_new(a);
	if (deploy_unseal_parameters(d, plan, w->parameters, a, &unsealed, e) < 0 ||
	    profile_parameters_check(plan->type, unsealed, a, &checked, e) < 0 ||
	    json_parse(checked, a, &parameters, e) < 0 ||
	    parse_or(w->shared, "[]", a, &shared, e) < 0 ||
	    unseal_shared(d, w, plan, shared, a, e) < 0)
		return -1;
	struct json *secrets = secrets_of(d, w, plan, a, e);
	if (!secrets)
		return -1;
	json_set_str(a, partition, S("name"), str_from(p->name));
	json_set_str(a, partition, S("ipv4"), str_from(p->ipv4));
	json_set_str(a, partition, S("ipv6"), str_from(p->ipv6));
	json_set_str(a, partition, S("home"), S("/hoc"));
	json_set_str(a, node, S("name"), str_from(d->node));
	json_set_str(a, i, S("title"), w->title);
	json_set_str(a, i, S("guid"), w->guid);
	json_set_str(a, i, S("tree"), w->tree);
	json_set_str(a, i, S("type"), plan->type->name);
	json_set_str(a, i, S("customer"), plan->readers.customer);
	json_set_str(a, i, S("zone"), plan->readers.zone);
	json_set_str(a, i, S("state"), w->want == PLAN_STARTED ? S("started") : S("stopped"));
	json_set(a, i, S("partition"), partition);
	json_set(a, i, S("node"), node);
	json_set(a, i, S("parameters"), parameters);
	json_set(a, i, S("secrets"), secrets);
	json_set(a, i, S("shared"), shared);
	json_set(a, i, S("children"), json_object_new(a));
	plan->input = i;
	return arena_check(a, e);
}

static int evaluate(const struct deploy *d, struct deploy_plan *plan, struct arena *a,
		    struct err *e)
{
	struct str input = json_text(plan->input, a);
	int rc = profile_eval_instance(d->eval, &plan->bundle, plan->type->name, input, a,
				       &plan->spec_text, e);
	trust_wipe_str(&input);
	if (rc < 0 || profile_spec_read(plan->spec_text, a, &plan->spec, e) < 0)
		return -1;
	return profile_connection_check(plan->type, &plan->spec.publish, a, e);
}

/* Evaluates until the children's connections that went in are those that came out: twice at
 * most. */
static int make_spec(const struct deploy *d, const struct part *p, const struct machine_wish *w,
		     struct deploy_plan *plan, struct arena *a, struct err *e)
{
	if (open_release(d, w, a, plan, e) < 0 || deploy_readers(d, w, plan, a, e) < 0 ||
	    input_of(d, p, w, plan, a, e) < 0)
		return -1;
	if (evaluate(d, plan, a, e) < 0)
		return -1;
	if (!plan->spec.request_count)
		return 0;
	int changed = deploy_children(d, w, plan, a, e);
	if (changed <= 0)
		return changed;
	return evaluate(d, plan, a, e);
}

static int connection_of(const struct deploy *d, const struct machine_wish *w,
			 const struct deploy_plan *plan, struct arena *a, struct str *out,
			 struct err *e)
{
	const struct spec_pairs *publish = &plan->spec.publish;
	struct json *o = json_object_new(a);
	for (size_t i = 0; i < publish->count; i++)
		json_set_str(a, o, publish->items[i].key, publish->items[i].value);
	if (deploy_seal_connection(d, w, plan, o, a, e) < 0)
		return -1;
	*out = json_count(o) ? json_text(o, a) : S("");
	return arena_check(a, e);
}

/* ---- files ---------------------------------------------------------------------------------
 */

static bool has_file(const struct profile_spec *spec, struct str path)
{
	for (size_t i = 0; i < spec->file_count; i++)
		if (str_eq(spec->files[i].path, path))
			return true;
	return false;
}

static bool concerns(const struct spec_file *f, struct str service)
{
	for (size_t i = 0; i < f->services.count; i++)
		if (str_eq(f->services.items[i], service))
			return true;
	return f->services.count == 0;
}

static void mark_services(const struct spec_file *f, struct deploy_plan *plan)
{
	for (size_t i = 0; i < plan->spec.service_count; i++) {
		if (!concerns(f, plan->spec.services[i].name))
			continue;
		enum deploy_touch touch = f->reload == SPEC_RELOAD_RESTART  ? DEPLOY_RESTART
					  : f->reload == SPEC_RELOAD_SIGNAL ? DEPLOY_SIGNAL
									    : DEPLOY_LEAVE;
		plan->touch[i] = MAX_OF(plan->touch[i], touch);
	}
}

/*
 * Differs from what was applied last: also if an attempt that failed, or a crash, wrote it since
 * and its services were not told.
 */
static bool is_news(const struct part *p, const struct spec_file *f)
{
	for (size_t i = 0; i < p->spec.file_count; i++)
		if (str_eq(p->spec.files[i].path, f->path))
			return !str_eq(p->spec.files[i].text, f->text) ||
			       p->spec.files[i].mode != f->mode;
	return p->memory != NULL;
}

/* Writes what differs, removes what the spec before had and this one has not. */
static int put_files(const struct part *p, const struct files_home *home,
		     struct deploy_plan *plan, struct err *e)
{
	for (size_t i = 0; i < plan->spec.file_count; i++) {
		const struct spec_file *f = &plan->spec.files[i];
		int rc = files_put(home, f->path, f->text, f->mode, e);
		if (rc < 0)
			return err_in(e, "file %" STR_F, STR_A(f->path));
		if (rc == 0 || is_news(p, f))
			mark_services(f, plan);
		fail_point("agent.file.put");
	}
	for (size_t i = 0; i < p->spec.file_count; i++)
		if (!has_file(&plan->spec, p->spec.files[i].path) &&
		    files_remove(home, p->spec.files[i].path, e) < 0)
			return -1;
	return 0;
}

static int save_spec(const struct part *p, struct str spec_text, struct arena *a, struct err *e)
{
	struct str path = arena_fmt(a, "%s/spec.json", p->dir);
	int rc = arena_check(a, e);
	return rc < 0 ? -1 : file_write_if_changed(path.p, spec_text, 0600, e);
}

/* As the spec, whose files hold them too: for messages of promises after a start. */
static int save_secrets(const struct part *p, const struct deploy_plan *plan, struct arena *a,
			struct err *e)
{
	struct str path = arena_fmt(a, "%s/secrets.json", p->dir);
	struct json *list = json_array_new(a);
	for (size_t i = 0; i < plan->secret_count; i++)
		json_add_str(a, list, plan->secrets[i]);
	struct str text = json_text(list, a);
	return arena_check(a, e) < 0 ? -1 : file_write_if_changed(path.p, text, 0600, e);
}

static int restore_secrets(struct part *p, struct arena *a, struct err *e)
{
	struct str path = arena_fmt(a, "%s/secrets.json", p->dir), text, secrets[HIDE_MAX];
	struct json *list;
	size_t n = 0;
	int rc = file_read(path.p, 4 << 20, a, &text, e);
	if (rc != 0)
		return rc < 0 ? -1 : 0;
	if (json_parse(text, a, &list, e) < 0)
		return err_in(e, "%s", path.p);
	for (; n < HIDE_MAX && n < json_count(list); n++)
		secrets[n] = json_str_of(json_at(list, n), S(""));
	return part_take_secrets(p, secrets, n, e);
}

static int apply(const struct deploy *d, struct part *p, const struct machine_wish *w,
		 struct deploy_plan *plan, struct arena *a, struct str *out_connection,
		 struct err *e)
{
	if (make_spec(d, p, w, plan, a, e) < 0)
		return -1;
	struct files_home home;
	if (file_mkdirs(p->dir, 0711, e) < 0 ||
	    files_open(p->home, p->uid_base + DEPLOY_UID, &home, e) < 0)
		return -1;
	int rc = put_files(p, &home, plan, e);
	files_close(&home);
	if (rc < 0 || certs_apply(d, p, w, plan, a, e) < 0 ||
	    deploy_setup(d, p, w, plan, a, e) < 0 || deploy_services(d, p, plan, a, e) < 0 ||
	    certs_told(p, w, &plan->spec, a, e) < 0)
		return -1;
	/* Saved before it is taken: a crash in between applies again and finds all equal. */
	int64_t now_ms = clock_now_ms(d->clock);
	if (part_withdraw(p, d->ndb, &plan->spec, now_ms, e) < 0 ||
	    save_secrets(p, plan, a, e) < 0 || save_spec(p, plan->spec_text, a, e) < 0)
		return -1;
	if (part_take_spec(p, w, plan->spec_text, now_ms, e) < 0 ||
	    part_take_secrets(p, plan->secrets, plan->secret_count, e) < 0)
		return -1;
	if (connection_of(d, w, plan, a, out_connection, e) < 0)
		return -1;
	return ndb_save_applied(d->ndb, p->slot, w->version, *out_connection, e);
}

MUST int deploy_apply(const struct deploy *d, struct part *p, const struct machine_wish *w,
		      struct arena *a, struct str *out_connection, struct err *e)
{
	struct deploy_plan *plan = ARENA_NEW(a, struct deploy_plan);
	if (!plan)
		return arena_check(a, e);
	int rc = apply(d, p, w, plan, a, out_connection, e);
	if (rc < 0)
		deploy_hide(plan, e->text, sizeof e->text);
	deploy_wipe_secrets(plan);
	return rc;
}

MUST int deploy_restore(const struct deploy *d, struct part *p, const struct machine_wish *w,
			struct err *e)
{
	struct arena *a CLEAN(arena_freep) = NULL;
	if (arena_new(8 << 20, &a, e) < 0)
		return -1;
	struct str path = arena_fmt(a, "%s/spec.json", p->dir), text;
	int rc = file_read(path.p, 4 << 20, a, &text, e);
	if (rc != 0)
		return rc;
	if (part_take_spec(p, w, text, clock_now_ms(d->clock), e) < 0)
		return -1;
	return restore_secrets(p, a, e);
}
