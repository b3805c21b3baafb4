/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "api/order.h"

#include "api/access.h"
#include "api/life.h"
#include "api/params.h"
#include "api/place.h"
#include "api/secrets.h"
#include "base/id.h"
#include "core/state.h"
#include "store/customer.h"
#include "store/installation.h"
#include "store/instance.h"
#include "store/node.h"
#include "store/release.h"

enum { URI_MAX = 2000, MEMBERS_MAX = MODEL_TREE_MAX, TREE_MAX = MODEL_TREE_MAX + 1 };

/* ---- names --------------------------------------------------------------------------------- */

MUST int order_release(struct api_call *c, struct str ref, const char *field,
		       struct release *out, struct err *e)
{
	struct profile_ref r;
	int rc;
	if (profile_ref_parse(ref, &r, e) < 0) {
		struct err why = *e;
		return err_field(e, field, "%s", why.text);
	}
	if (r.kind == PROFILE_REF_NAME)
		rc = store_release_by_name(c->tx, c->a, str_from(r.name), out, e);
	else
		rc = store_release_by_hash(c->tx, c->a, str_from(r.name), str_from(r.hash), out,
					   e);
	if (rc == 0)
		return err_field(e, field, "no release %" STR_F " is published",
				 STR_A(str_sub(ref, 0, 160)));
	if (rc > 1)
		return err_field(e, field, "several releases begin with %" STR_F,
				 STR_A(str_sub(ref, 0, 160)));
	return rc < 0 ? -1 : 0;
}

MUST int order_release_or_opaque(struct api_call *c, struct str uri, const char *field,
				 struct release *out, struct err *e)
{
	if (str_starts(uri, S("hoc:")))
		return order_release(c, uri, field, out, e);
	if (!uri.n || uri.n > URI_MAX)
		return err_field(e, field, "has %zu bytes; 1 to %d are allowed", uri.n,
				 URI_MAX);
	int rc = store_release_by_uri(c->tx, c->a, uri, out, e);
	if (rc != 0)
		return rc < 0 ? -1 : 0;
	*out = (struct release){
		.uri = uri,
		.name = S(""),
		.title = uri,
		.category = S(""),
		.hash = S(""),
		.manifest_json = S(""),
		.published_at_ms = c->now_ms,
	};
	return store_release_add(c->tx, out, S(""), e);
}

MUST int order_lookup(struct api_call *c, struct str name, struct str customer,
		      struct instance *out, struct err *e)
{
	struct instance *list = NULL;
	size_t n = 0;
	int rc = 0;
	if (str_starts(name, S("inst-")))
		rc = access_instance_find(c, name, out, e);
	if (rc != 0)
		return rc < 0 ? -1 : 0;
	if (access_titled(c, name, customer, &list, &n, e) < 0)
		return -1;
	if (!n)
		return err_fail(e, ERR_NOT_FOUND, "no instance %" STR_F,
				STR_A(str_sub(name, 0, 200)));
	if (n > 1 && list[1].is_live)
		return err_fail(e, ERR_CONFLICT,
				"several customers have an instance %" STR_F
				": say customer=, or its guid",
				STR_A(str_sub(name, 0, 200)));
	*out = list[0];
	return 0;
}

/* ---- checking ------------------------------------------------------------------------------ */

MUST int order_check(const struct order *o, struct arena *a, struct err *e)
{
	struct alloc_where w;
	if (tree_check_title(o->title, e) < 0)
		return -1;
	if (o->where && place_where(o->where, a, &w, e) < 0)
		return -1;
	if (o->where && w.instance.n && !o->is_shared)
		return err_field(e, "where.instance", "is for shared instances only");
	return 0;
}

/*
 * A host of somebody else is no host. What a node requests is its tenant's, not the node's: the
 * host has to be of the same customer, though others may have theirs on that node too.
 */
MUST static int find_named_host(struct api_call *c, struct str guid, int64_t customer_id,
				struct err *e)
{
	struct instance host;
	int rc = store_instance_by_guid(c->tx, c->a, guid, &host, e);
	if (rc > 0 && !access_is_all(c) && host.customer_id != customer_id &&
	    !access_owns(c, host.customer_id))
		return 0;
	return rc;
}

MUST static int check_where(struct api_call *c, const struct order *o, int64_t customer_id,
			    struct err *e)
{
	struct alloc_where w;
	struct node n;
	if (!json_count(o->where))
		return 0;
	if (place_where(o->where, c->a, &w, e) < 0)
		return -1;
	if (w.node.n) {
		int rc = store_node_find(c->tx, c->a, w.node, &n, e);
		if (rc <= 0)
			return rc < 0 ? -1
				      : err_field(e, "where.node", "there is no node %" STR_F,
						  STR_A(w.node));
	}
	if (w.instance.n) {
		int rc = find_named_host(c, w.instance, customer_id, e);
		if (rc <= 0)
			return rc < 0 ? -1
				      : err_field(e, "where.instance",
						  "there is no instance %" STR_F,
						  STR_A(w.instance));
	}
	return 0;
}

/* ---- states travel ------------------------------------------------------------------------- */

/* One member takes the state `want`; what follows from it is stored. */
MUST static int member_want(struct api_call *c, struct instance *i, enum instance_want want,
			    struct err *e)
{
	int rc = instance_want_move(i, want, e);
	if (rc != 0)
		return rc < 0 ? -1 : 0;
	if (want == INSTANCE_DESTROYED)
		i->asked = want;
	call_event_str(c, EVENT_INSTANCE_CHANGED, i->guid, "state",
		       str_from(instance_want_word(want)));
	bool is_leaving = want == INSTANCE_DESTROYED;
	if (is_leaving && (i->is_shared || !i->partition_id))
		return life_free(c, i, e);
	if (life_stamp(c, i, STAMP_REQUEST_CHANGED, e) < 0 ||
	    store_instance_save(c->tx, i, e) < 0)
		return -1;
	if (!i->partition_id)
		return 0;
	return is_leaving
		       ? store_span_end(c->tx, i->id, c->now_ms, e)
		       : store_span_begin(c->tx, i->id, c->now_ms, want == INSTANCE_STARTED, e);
}

/* A root was started or stopped: its members follow (core/tree.h). */
MUST static int follow_root(struct api_call *c, const struct instance *root, struct err *e)
{
	struct instance *list = NULL;
	int64_t after = 0;
	for (size_t n = MEMBERS_MAX; n == MEMBERS_MAX;) {
		if (store_instance_list(c->tx, c->a, INSTANCES_OF_TREE, root->id, after,
					MEMBERS_MAX, &list, &n, e) < 0)
			return -1;
		for (size_t k = 0; k < n; k++) {
			if (list[k].want == INSTANCE_DESTROYED)
				continue;
			if (member_want(c, &list[k], tree_want(root->want, list[k].asked), e) <
			    0)
				return -1;
		}
		after = n ? list[n - 1].id : 0;
	}
	return 0;
}

/* Destroys all that `i` requested, and what those requested: breadth first, a queue of ids. */
MUST static int destroy_requested(struct api_call *c, int64_t id, struct err *e)
{
	int64_t *queue = ARENA_ARRAY(c->a, int64_t, TREE_MAX);
	size_t head = 0, tail = 0;
	if (!queue)
		return arena_check(c->a, e);
	queue[tail++] = id;
	while (head < tail) {
		struct instance *list = NULL;
		size_t n = 0;
		if (store_instance_list(c->tx, c->a, INSTANCES_REQUESTED, queue[head++], 0,
					MEMBERS_MAX, &list, &n, e) < 0)
			return -1;
		for (size_t k = 0; k < n; k++) {
			if (tail == TREE_MAX)
				return err_fail(e, ERR_TOO_LARGE,
						"more than %d instances in a tree", TREE_MAX);
			queue[tail++] = list[k].id;
			if (member_want(c, &list[k], INSTANCE_DESTROYED, e) < 0)
				return -1;
		}
	}
	return 0;
}

/* ---- changing ------------------------------------------------------------------------------ */

static void tell_changes(struct api_call *c, const struct instance *i, int changed)
{
	static const struct {
		int bit;
		const char *word;
	} words[] = {
		{CHANGE_RELEASE, "release"},	   {CHANGE_TYPE, "type"},
		{CHANGE_PARAMETERS, "parameters"}, {CHANGE_STATE, "state"},
		{CHANGE_WHERE, "where"},
	};
	struct json *list = json_array_new(c->a), *body = json_object_new(c->a);
	for (size_t k = 0; k < ARRAY_LEN(words); k++)
		if (changed & words[k].bit)
			json_add_str(c->a, list, str_from(words[k].word));
	json_set(c->a, body, S("changed"), list);
	json_set_str(c->a, body, S("want"), str_from(instance_want_word(i->want)));
	call_event(c, EVENT_INSTANCE_CHANGED, i->guid, body);
}

/* A placed instance may only turn to a release that its node is to have. */
MUST static int check_release_there(struct api_call *c, const struct instance *i, struct err *e)
{
	struct installation s;
	int rc = store_installation_find(c->tx, c->a, i->node_id, i->release_id, &s, e);
	if (rc < 0)
		return -1;
	if (rc == 0 || s.want != SUPPLY_AVAILABLE)
		return err_field(e, "release",
				 "is not supplied to node %" STR_F ", where the instance is",
				 STR_A(i->node));
	return 0;
}

/* The state of what was asked changed: what hangs on it. */
MUST static int after_state(struct api_call *c, struct instance *i, struct err *e)
{
	bool is_root = i->tree_id == i->id;
	if (i->want == INSTANCE_DESTROYED) {
		if (destroy_requested(c, i->id, e) < 0)
			return -1;
		if (i->is_shared || !i->partition_id)
			return life_free(c, i, e);
		return store_span_end(c->tx, i->id, c->now_ms, e);
	}
	if (is_root && follow_root(c, i, e) < 0)
		return -1;
	if (!i->partition_id)
		return 0;
	return store_span_end(c->tx, i->id, c->now_ms, e) < 0
		       ? -1
		       : store_span_begin(c->tx, i->id, c->now_ms, i->want == INSTANCE_STARTED,
					  e);
}

/* Looks again for a place of one that waits, with what it is now. */
MUST static int place_again(struct api_call *c, struct instance *i, struct err *e)
{
	int rc = place_choose(c, i, e);
	if (rc < 0 || store_instance_save(c->tx, i, e) < 0)
		return -1;
	return rc > 0 ? place_take(c, i, e) : 0;
}

/* The state that the root of *i's tree is wanted in; for a root its own. */
MUST static int want_of_root(struct api_call *c, const struct instance *i,
			     enum instance_want *out, struct err *e)
{
	struct instance root;
	*out = i->want;
	if (i->tree_id == i->id)
		return 0;
	int rc = store_instance_by_id(c->tx, c->a, i->tree_id, &root, e);
	if (rc > 0)
		*out = root.want;
	return rc < 0 ? -1 : rc > 0 ? 0 : err_fail(e, ERR_INTERNAL, "tree without root");
}

/* Stores what a request changed, and what follows from it. */
MUST static int store_change(struct api_call *c, struct instance *i, int changed, struct err *e)
{
	tell_changes(c, i, changed);
	if (life_stamp(c, i, STAMP_REQUEST_CHANGED, e) < 0 ||
	    store_instance_save(c->tx, i, e) < 0)
		return -1;
	if ((changed & CHANGE_STATE) && after_state(c, i, e) < 0)
		return -1;
	if (i->is_live && i->want != INSTANCE_DESTROYED && !i->partition_id)
		return place_again(c, i, e);
	return 0;
}

MUST static int change(struct api_call *c, struct instance *i, const struct request *r,
		       struct err *e)
{
	enum instance_want root_want;
	if (want_of_root(c, i, &root_want, e) < 0)
		return -1;
	enum instance_want asked = i->asked;
	int changed = tree_apply(i, r, root_want, e);
	if (changed < 0)
		return -1;
	if (!changed)
		return asked == i->asked ? 0 : store_instance_save(c->tx, i, e);
	if (i->partition_id && !i->is_shared && (changed & CHANGE_RELEASE) &&
	    check_release_there(c, i, e) < 0)
		return -1;
	return store_change(c, i, changed, e);
}

/* ---- creating ------------------------------------------------------------------------------ */

/* What is done to a tree is done in one transaction, so a tree has a largest size. */
MUST static int check_tree(struct api_call *c, const struct instance *requester, struct err *e)
{
	int64_t n = 0;
	if (store_instance_tree_size(c->tx, requester->tree_id, MODEL_TREE_MAX, &n, e) < 0)
		return -1;
	if (n >= MODEL_TREE_MAX)
		return err_fail(e, ERR_TOO_LARGE,
				"tree %" STR_F " has %d instances, the most there can be",
				STR_A(requester->tree), MODEL_TREE_MAX);
	return 0;
}

MUST static int create(struct api_call *c, const struct request *r,
		       const struct release *release, const struct customer *customer,
		       const struct instance *requester, struct instance *i, struct err *e)
{
	struct id guid = id_new(c->api->options.rng, "inst");
	enum instance_want asked = r->has_state ? r->state : INSTANCE_STARTED;
	enum instance_want root_want = INSTANCE_STARTED;
	if (requester &&
	    (check_tree(c, requester, e) < 0 || want_of_root(c, requester, &root_want, e) < 0))
		return -1;
	*i = (struct instance){
		.guid = arena_dup(c->a, id_str(&guid)),
		.title = r->title,
		.tree_id = requester ? requester->tree_id : 0,
		.requester_id = requester ? requester->id : 0,
		.customer_id = customer->id,
		.customer = customer->name,
		.takes_clear = customer->takes_clear,
		.person = access_person(c),
		.readers_json = S("[]"),
		.tree = requester ? requester->tree : r->title,
		.requester = requester ? requester->guid : S(""),
		.release_id = release->id,
		.release = release->uri,
		.release_name = release->name,
		.type = r->type,
		.asked = asked,
		.want = tree_want(root_want, asked),
		.is_shared = r->is_shared,
		.parameters_json = r->parameters_json,
		.where_json = r->where_json,
		.connection_json = S("{}"),
		.addresses_json = S("[]"),
		.message = S(""),
		.refusals = S(""),
		.node = S(""),
		.partition = S(""),
		.host = S(""),
		.created_at_ms = c->now_ms,
		.timestamp = stamp_next(0, c->now_ms),
		.version = 1,
		.is_live = true,
	};
	struct json *body = json_object_new(c->a);
	json_set_str(c->a, body, S("title"), i->title);
	json_set_str(c->a, body, S("release"), release->uri);
	json_set_str(c->a, body, S("customer"), customer->name);
	call_event(c, EVENT_INSTANCE_REQUESTED, i->guid, body);
	call_wake(c, "instance:", i->guid);
	int rc = place_choose(c, i, e);
	if (rc < 0 || store_instance_add(c->tx, i, e) < 0)
		return -1;
	return rc > 0 ? place_take(c, i, e) : 0;
}

/* Of what is to be destroyed and is not there: what it was, so that asking twice answers alike. */
MUST static int find_destroyed(struct api_call *c, const struct order *o, int64_t customer_id,
			       int64_t tree_id, struct instance *out, struct err *e)
{
	struct instance *list = NULL;
	size_t n = 0;
	if (store_instance_titled(c->tx, c->a, o->title, customer_id, tree_id, 1, &list, &n,
				  e) < 0)
		return -1;
	if (!n)
		return err_fail(e, ERR_NOT_FOUND, "no instance %" STR_F, STR_A(o->title));
	*out = list[0];
	return 0;
}

/* ---- a request ----------------------------------------------------------------------------- */

MUST static int find_requester(struct api_call *c, const struct order *o, struct instance *out,
			       struct err *e)
{
	int rc = store_instance_by_guid(c->tx, c->a, o->requester, out, e);
	if (rc > 0)
		rc = access_changes(c, out, e);
	if (rc < 0)
		return -1;
	if (rc == 0)
		return err_field(e, "requester", "there is no instance %" STR_F,
				 STR_A(str_sub(o->requester, 0, 100)));
	if (out->want == INSTANCE_DESTROYED &&
	    !(o->has_state && o->state == INSTANCE_DESTROYED))
		return err_fail(e, ERR_CONFLICT, "requester %" STR_F " is being destroyed",
				STR_A(out->title));
	if (o->customer.n && !str_eq(o->customer, out->customer))
		return err_field(e, "customer", "is not the requester's, %" STR_F,
				 STR_A(out->customer));
	return tree_check_member(out->tree, o->title, e);
}

/* Whose the instance is. Who sees everything may name a customer who is not there yet. */
MUST static int find_customer(struct api_call *c, const struct order *o,
			      const struct instance *requester, struct customer *out,
			      struct err *e)
{
	struct str name;
	if (requester)
		return secrets_customer(c, requester->customer, out, e);
	if (access_node(c).n)
		return err_field(e, "requester", "is required: a node asks for its instances");
	if (!access_is_all(c))
		return access_customer(c, o->customer, out, e);
	if (access_customer_name(c, o->customer, &name, e) < 0)
		return -1;
	return secrets_customer(c, name, out, e);
}

/* The instance that has the request's key: 1 or 0. */
MUST static int find_by_key(struct api_call *c, const struct order *o,
			    const struct instance *requester, const struct customer *customer,
			    struct instance *out, struct err *e)
{
	if (requester)
		return store_instance_member(c->tx, c->a, requester->tree_id, o->title, out, e);
	return store_instance_root(c->tx, c->a, customer->id, o->title, out, e);
}

static struct str canonical(struct api_call *c, const struct json *j)
{
	struct buf b CLEAN(buf_fini) = BUF_INIT(API_ARENA_BYTES);
	if (!json_count(j))
		return S("{}");
	json_write_canonical(j, &b);
	return arena_dup(c->a, buf_str(&b));
}

MUST static int read_request(struct api_call *c, const struct order *o,
			     const struct customer *customer, struct release *release,
			     struct request *r, struct err *e)
{
	struct params_secrets names;
	int rc = o->may_be_opaque
			 ? order_release_or_opaque(c, o->release, "release", release, e)
			 : order_release(c, o->release, "release", release, e);
	if (rc < 0)
		return -1;
	*r = (struct request){
		.title = o->title,
		.type = o->type.n ? o->type : S("default"),
		.release_id = release->id,
		.parameters_json = canonical(c, o->parameters),
		.where_json = canonical(c, o->where),
		.is_shared = o->is_shared,
		.has_state = o->has_state,
		.state = o->state,
	};
	if (r->parameters_json.n > MODEL_PARAMETERS_MAX)
		return err_field(e, "parameters", "have %zu bytes; at most %d are allowed",
				 r->parameters_json.n, MODEL_PARAMETERS_MAX);
	if (r->where_json.n > MODEL_WHERE_MAX)
		return err_field(e, "where", "has %zu bytes; at most %d are allowed",
				 r->where_json.n, MODEL_WHERE_MAX);
	const struct json *parameters = o->parameters ? o->parameters : json_object_new(c->a);
	if (params_check(c, release, r->type, o->is_shared, parameters, e) < 0 ||
	    params_secrets(c, release->id, release->name, r->type, &names, e) < 0 ||
	    secrets_check(c, &names.parameters, parameters, "parameters", customer->takes_clear,
			  e) < 0)
		return -1;
	return check_where(c, o, customer->id, e);
}

MUST static int reload(struct api_call *c, int64_t id, struct instance *out, struct err *e)
{
	int rc = store_instance_by_id(c->tx, c->a, id, out, e);
	return rc < 0 ? -1 : rc > 0 ? 0 : err_fail(e, ERR_INTERNAL, "instance without row");
}

MUST static int destroy_by_key(struct api_call *c, struct instance *i, bool is_found,
			       const struct order *o, const struct customer *customer,
			       const struct instance *requester, struct instance *out,
			       struct err *e)
{
	if (!is_found)
		return find_destroyed(c, o, customer->id, requester ? requester->tree_id : 0,
				      out, e);
	struct request r = {.is_shared = i->is_shared, .has_state = true, .state = o->state};
	if (change(c, i, &r, e) < 0)
		return -1;
	return reload(c, i->id, out, e);
}

MUST int order_request(struct api_call *c, const struct order *o, struct instance *out,
		       struct err *e)
{
	struct instance parent, *requester = o->requester.n ? &parent : NULL;
	struct instance i;
	struct customer customer;
	struct release release;
	struct request r;
	if (requester && find_requester(c, o, requester, e) < 0)
		return -1;
	if (find_customer(c, o, requester, &customer, e) < 0)
		return -1;
	int found = find_by_key(c, o, requester, &customer, &i, e);
	if (found < 0)
		return -1;
	if (o->has_state && o->state == INSTANCE_DESTROYED)
		return destroy_by_key(c, &i, found > 0, o, &customer, requester, out, e);
	if (read_request(c, o, &customer, &release, &r, e) < 0)
		return -1;
	if (!found) /* what a new one is, is known without asking */
		return create(c, &r, &release, &customer, requester, out, e);
	return change(c, &i, &r, e) < 0 ? -1 : reload(c, i.id, out, e);
}
