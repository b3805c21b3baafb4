/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * Instances that an instance asks for: children in its tree.
 *
 * The node asks the master in the name of the instance (`requester`). What a child publishes is
 * kept, so that the parent can be evaluated while no master answers; when the child's
 * connection changes, the master gives the parent a new timestamp and it is applied again.
 *
 * What a child keeps secret is sealed to this node's key among others, and kept so; it is unsealed
 * for the parent's profile alone. Until this node is among the readers the child's connection counts
 * as not known: the master lets the parent look again when that changes.
 *
 * A secret that the parent hands on (one of its own, or one it was given) is sealed before it goes:
 * to this node, and, once the master said where the child is, to that node, with a second request.
 *
 * Each wish (its version) has to be asked with once: nothing else would ever make the node ask
 * again. A version that was asked with may be applied again without a master.
 */
#include "agent/deploy_impl.h"
#include "base/log.h"
#include "json/json.h"

enum { REQUEST_MAX = 1 << 20 };

/* In place of a child's name, which has no dot: the version that was asked with. */
#define ASKED S(".asked")

static struct json *request_body(const struct spec_request *r, const struct machine_wish *w,
				 struct json *parameters, struct arena *a, struct err *e)
{
	struct json *o = json_object_new(a), *where;
	if (json_parse(r->where, a, &where, e) < 0)
		return NULL;
	json_set_str(a, o, S("release"), r->release);
	json_set_str(a, o, S("title"), r->name);
	json_set_str(a, o, S("type"), r->type);
	json_set(a, o, S("parameters"), parameters);
	json_set(a, o, S("where"), where);
	json_set_bool(a, o, S("shared"), r->is_shared);
	json_set_str(a, o, S("state"), w->want == PLAN_STARTED ? r->state : S("stopped"));
	json_set_str(a, o, S("requester"), w->guid);
	return o;
}

/* Asks once, with what is secret sealed to those readers (NULL: all in clear). How many members
 * were sealed. */
static int post_child(const struct deploy *d, const struct machine_wish *w,
		      const struct deploy_plan *plan, const struct spec_request *r,
		      const struct recipients *to, struct arena *a, struct json **out,
		      struct err *e)
{
	struct json *parameters;
	if (json_parse(r->parameters, a, &parameters, e) < 0)
		return -1;
	int sealed = to ? deploy_seal_child(d, w, plan, r->name, to, parameters, a, e) : 0;
	struct json *body = sealed < 0 ? NULL : request_body(r, w, parameters, a, e);
	if (!body)
		return e->kind == ERR_NONE ? arena_check(a, e) : -1;
	const struct http_request rq = {
		.method = HTTP_POST,
		.target = S("/v1/instances"),
		.body = json_text(body, a),
		.max_response_bytes = REQUEST_MAX,
	};
	struct http_response response;
	if (talkers_fetch_ok(d->talkers, &rq, a, &response, e) < 0 ||
	    json_parse(response.body, a, out, e) < 0)
		return -1;
	return sealed;
}

/* Where the child is, its node must read: asks again if that is news. */
static int post_sealed(const struct deploy *d, const struct machine_wish *w,
		       const struct deploy_plan *plan, const struct spec_request *r,
		       struct arena *a, struct json **out, struct err *e)
{
	struct recipients to;
	if (deploy_child_readers(d, w, r->name, a, &to, e) < 0)
		return -1;
	int rc = post_child(d, w, plan, r, &to, a, out, e);
	if (rc <= 0)
		return rc;
	rc = deploy_child_placed(d, w, r->name, json_str_of(json_get(*out, S("guid")), S("")),
				 a, &to, e);
	return rc > 0 ? post_child(d, w, plan, r, &to, a, out, e) : rc;
}

/* Asks for one child and keeps its connection. */
static int request_child(const struct deploy *d, const struct machine_wish *w,
			 const struct deploy_plan *plan, const struct spec_request *r,
			 struct arena *a, struct err *e)
{
	struct json *doc = NULL;
	int rc = plan->readers.is_sealed ? post_sealed(d, w, plan, r, a, &doc, e)
					 : post_child(d, w, plan, r, NULL, a, &doc, e);
	if (rc < 0)
		return err_in(e, "request %" STR_F, STR_A(r->name));
	const struct json *connection = json_get(doc, S("connection"));
	if (!json_count(connection))
		return 0;
	return ndb_save_child(d->ndb, w->guid, r->name, json_text(connection, a), e);
}

static int request_all(const struct deploy *d, const struct machine_wish *w,
		       const struct deploy_plan *plan, struct arena *a, struct err *e)
{
	for (size_t i = 0; i < plan->spec.request_count; i++)
		if (request_child(d, w, plan, &plan->spec.requests[i], a, e) < 0)
			return -1;
	return 0;
}

static struct str version_text(const struct machine_wish *w, struct arena *a)
{
	return arena_fmt(a, "%lld", (long long)w->version);
}

/* 0 if the children of this wish were asked for, now or before. */
static int ask(const struct deploy *d, const struct machine_wish *w,
	       const struct deploy_plan *plan, struct arena *a, struct err *e)
{
	struct str version = version_text(w, a), asked;
	if (!d->talkers)
		return 0;
	if (request_all(d, w, plan, a, e) == 0)
		return ndb_save_child(d->ndb, w->guid, ASKED, version, e);
	/* Without a master the children are those that we know. A refusal is an error. */
	struct err why = *e;
	if (why.kind != ERR_UNREACHABLE && why.kind != ERR_TIMEOUT)
		return -1;
	int rc = ndb_child(d->ndb, w->guid, ASKED, a, &asked, e);
	if (rc < 0)
		return -1;
	if (rc != 0 || !str_eq(asked, version)) {
		*e = why;
		return -1;
	}
	log_err(LOG_WARN, "agent.child.unasked", &why, KV_S("instance", w->guid));
	err_clear(e);
	return 0;
}

/* What is known of a child's connection, unsealed; null if nothing is. */
static int connection_of(const struct deploy *d, const struct machine_wish *w, struct str name,
			 struct deploy_plan *plan, struct arena *a, struct json **out,
			 struct err *e)
{
	struct str text;
	*out = json_null_new(a);
	int rc = ndb_child(d->ndb, w->guid, name, a, &text, e);
	if (rc != 0)
		return rc < 0 ? -1 : 0;
	if (json_parse(text, a, out, e) < 0)
		return -1;
	rc = deploy_unseal_object(d, plan, *out, a, e);
	if (rc > 0) {
		log_event(LOG_WARN, "agent.secret.foreign", KV_S("instance", w->guid),
			  KV_S("of", name));
		*out = json_null_new(a);
	}
	return rc < 0 ? -1 : arena_check(a, e);
}

MUST int deploy_children(const struct deploy *d, const struct machine_wish *w,
			 struct deploy_plan *plan, struct arena *a, struct err *e)
{
	if (ask(d, w, plan, a, e) < 0)
		return -1;
	struct json *children = json_object_new(a);
	for (size_t i = 0; i < plan->spec.request_count; i++) {
		struct str name = plan->spec.requests[i].name;
		struct json *connection;
		if (connection_of(d, w, name, plan, a, &connection, e) < 0)
			return -1;
		json_set(a, children, name, connection);
	}
	bool is_changed = !json_is_equal(children, json_get(plan->input, S("children")));
	json_set(a, plan->input, S("children"), children);
	return arena_check(a, e) < 0 ? -1 : is_changed;
}
