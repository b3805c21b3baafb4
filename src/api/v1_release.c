/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Publishing and reading releases. */
#include "api/audit.h"
#include "api/handlers.h"
#include "api/order.h"
#include "api/views.h"
#include "profile/eval.h"
#include "profile/spec.h"
#include "store/release.h"

/* clang-format off */
struct releases { struct view_release *releases; size_t n; };
static const struct json_field releases_fields[] = {
	JSON_STRUCTS(struct releases, releases, n, struct view_release, "releases", &view_release_desc, 0, INT64_MAX, 0, "Newest first."),
};
const struct json_desc v1_releases_out = JSON_DESC(struct releases, releases_fields, "Releases", "What was published.");
struct release_in { struct json *bundle; };
static const struct json_field release_in_fields[] = {
	JSON_TREE_OBJECT(struct release_in, bundle, "bundle", JSON_REQUIRED, "A profile with all it imports: {name, entry, files}."),
};
const struct json_desc v1_release_in = JSON_DESC(struct release_in, release_in_fields, "ReleaseIn", "A profile to publish.");
struct published { struct str release, name, hash; bool created; };
static const struct json_field published_fields[] = {
	JSON_STR(struct published, release, "release", 0, INT64_MAX, 0, "Its URI."),
	JSON_STR(struct published, name, "name", 0, INT64_MAX, 0, "Name of the profile."),
	JSON_STR(struct published, hash, "hash", 0, INT64_MAX, 0, "SHA-256 of the bundle."),
	JSON_BOOL(struct published, created, "created", 0, "False: it was there."),
};
const struct json_desc v1_release_out = JSON_DESC(struct published, published_fields, "Published", "What came of it.");
/* clang-format on */

/* A release that was read and evaluated before the transaction. */
struct ready {
	struct profile_bundle bundle;
	struct str uri, manifest;
	struct profile_manifest parsed;
};

MUST int v1_releases(struct api_call *c, struct err *e)
{
	const struct {
		int64_t limit;
	} *q = c->query;
	struct release *list = NULL;
	struct releases v = {.n = 0};
	if (store_release_list(c->tx, c->a, q->limit, &list, &v.n, e) < 0)
		return -1;
	v.releases = ARENA_ARRAY(c->a, struct view_release, v.n);
	for (size_t i = 0; v.releases && i < v.n; i++)
		view_release_of(c, &list[i], &v.releases[i]);
	return call_answer(c, 200, &v1_releases_out, &v, e);
}

/* Puts "bundle." before the path of an error, or makes it the path. */
static int in_bundle(struct err *e)
{
	struct err why = *e;
	if (why.kind != ERR_INVALID)
		return -1;
	(void)snprintf(e->field, sizeof e->field, "bundle%s%s", why.field[0] ? "." : "",
		       why.field);
	return -1;
}

MUST int v1_release_prepare(struct api_call *c, struct err *e)
{
	const struct release_in *in = c->in;
	char uri[PROFILE_URI_SIZE];
	struct ready *r = ARENA_NEW(c->a, struct ready);
	if (!r)
		return arena_check(c->a, e);
	if (!c->api->options.eval)
		return err_fail(e, ERR_UNSUPPORTED, "this master evaluates no profiles");
	if (profile_bundle_parse(json_text(in->bundle, c->a), c->a, &r->bundle, e) < 0 ||
	    profile_eval_manifest(c->api->options.eval, &r->bundle, c->a, &r->manifest, e) <
		    0 ||
	    profile_manifest_read(r->manifest, c->a, &r->parsed, e) < 0)
		return in_bundle(e);
	if (!str_eq(r->parsed.name, r->bundle.name))
		return err_field(e, "bundle.name",
				 "is %" STR_F ", but the profile calls itself %" STR_F,
				 STR_A(r->bundle.name), STR_A(r->parsed.name));
	profile_uri_build(r->bundle.name, r->bundle.hash, uri);
	r->uri = arena_dup(c->a, str_from(uri));
	c->prepared = r;
	return arena_check(c->a, e);
}

/* Nobody can be given another bundle under this name unseen. */
MUST static int tell(struct api_call *c, const struct ready *r, struct err *e)
{
	struct json *body = json_object_new(c->a);
	json_set_str(c->a, body, S("uri"), r->uri);
	json_set_str(c->a, body, S("hash"), str_from(r->bundle.hash));
	return log_append(c, "release", r->uri, body, e);
}

MUST int v1_release_post(struct api_call *c, struct err *e)
{
	const struct ready *r = c->prepared;
	struct release row;
	int rc = store_release_by_uri(c->tx, c->a, r->uri, &row, e);
	if (rc < 0)
		return -1;
	struct published v = {r->uri, r->bundle.name, str_from(r->bundle.hash), rc == 0};
	if (rc == 0) {
		row = (struct release){
			.uri = r->uri,
			.name = r->bundle.name,
			.title = r->parsed.title,
			.category = r->parsed.category,
			.hash = str_from(r->bundle.hash),
			.manifest_json = r->manifest,
			.published_at_ms = c->now_ms,
		};
		call_event_str(c, EVENT_RELEASE_PUBLISHED, r->uri, "name", row.name);
		if (store_release_add(c->tx, &row, r->bundle.canonical, e) < 0 ||
		    tell(c, r, e) < 0)
			return -1;
	}
	return call_answer(c, rc == 0 ? 201 : 200, &v1_release_out, &v, e);
}

/* The release that the path names; one that is not there is 404, not a bad field. */
MUST static int named(struct api_call *c, struct release *out, struct err *e)
{
	if (order_release(c, c->params[0], "release", out, e) == 0)
		return 0;
	if (e->kind == ERR_INVALID)
		e->kind = ERR_NOT_FOUND;
	return -1;
}

MUST int v1_release_get(struct api_call *c, struct err *e)
{
	struct release r;
	struct view_release v;
	if (named(c, &r, e) < 0 ||
	    store_release_manifest(c->tx, c->a, r.id, &r.manifest_json, e) < 0)
		return -1;
	view_release_of(c, &r, &v);
	return call_answer(c, 200, &view_release_desc, &v, e);
}

MUST int v1_release_bundle(struct api_call *c, struct err *e)
{
	struct release r;
	struct str text;
	if (named(c, &r, e) < 0 || store_release_bundle(c->tx, c->a, r.id, &text, e) < 0)
		return -1;
	return call_answer_text(c, 200, "application/json", text, e);
}
