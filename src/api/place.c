/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "api/place.h"

#include "api/life.h"
#include "store/installation.h"
#include "store/instance.h"
#include "store/node.h"

enum { ROOMS_PAGE = 32, HOSTS_MAX = 16, WAITING_MAX = 64, RELEASES_MAX = 64, REFUSED_MAX = 16 };

/* A scalar of the filter as text; NULL .p for what is none. */
static struct str scalar_text(const struct json *v, struct arena *a)
{
	if (json_is(v, JSON_IS_STR))
		return v->str;
	if (json_is(v, JSON_IS_INT) || json_is(v, JSON_IS_REAL) || json_is(v, JSON_IS_BOOL))
		return json_text(v, a);
	return (struct str){NULL, 0};
}

MUST static int add_value(struct alloc_where *out, struct str key, const struct json *v,
			  struct arena *a, struct err *e)
{
	struct str text = scalar_text(v, a);
	char path[ERR_FIELD_MAX];
	if (text.p)
		return alloc_where_add(out, key, text, e);
	(void)snprintf(path, sizeof path, "where.%" STR_F, STR_A(str_sub(key, 0, 100)));
	return err_field(e, path, "is neither text nor a number");
}

MUST int place_where(const struct json *where, struct arena *a, struct alloc_where *out,
		     struct err *e)
{
	*out = (struct alloc_where){.node = S("")};
	for (size_t i = 0; i < json_count(where); i++) {
		struct str key = where->members[i].key;
		const struct json *v = where->members[i].value;
		if (!json_is(v, JSON_IS_ARRAY)) {
			if (add_value(out, key, v, a, e) < 0)
				return -1;
			continue;
		}
		for (size_t k = 0; k < json_count(v); k++)
			if (add_value(out, key, json_at(v, k), a, e) < 0)
				return -1;
	}
	return arena_check(a, e);
}

/* The capabilities of a node as pairs. */
MUST static int read_capabilities(struct str text, struct arena *a, struct alloc_node *out,
				  struct err *e)
{
	struct json *tree;
	if (json_parse(text, a, &tree, e) < 0)
		return -1;
	struct pair *pairs = ARENA_ARRAY(a, struct pair, json_count(tree));
	for (size_t i = 0; pairs && i < json_count(tree); i++)
		pairs[i] = (struct pair){tree->members[i].key,
					 json_str_of(tree->members[i].value, S(""))};
	out->capabilities = pairs;
	out->capability_count = json_count(tree);
	return arena_check(a, e);
}

/* A node as allocation sees it. */
MUST static int judge_node(struct api_call *c, const struct node *n, bool needs_capabilities,
			   struct alloc_node *out, struct err *e)
{
	*out = (struct alloc_node){
		.id = n->id,
		.name = n->name,
		.region = n->region,
		.network = n->network,
		.total = n->partitions_total,
		.free = n->partitions_free,
		.liveness = n->liveness,
		.silent_since_ms = n->last_contact_at_ms,
	};
	return needs_capabilities ? read_capabilities(n->capabilities_json, c->a, out, e) : 0;
}

/* As judge_node, with what is known of the release there. */
MUST static int judge_supply(struct api_call *c, const struct node *n, int64_t release_id,
			     const struct alloc_where *w, struct alloc_node *out, struct err *e)
{
	struct installation s;
	if (judge_node(c, n, w->capability_count > 0, out, e) < 0)
		return -1;
	int rc = store_installation_find(c->tx, c->a, n->id, release_id, &s, e);
	if (rc < 0)
		return -1;
	if (rc == 1) {
		out->is_supplied = s.want == SUPPLY_AVAILABLE;
		out->build = s.reported;
		out->build_message = s.message;
	}
	return 0;
}

/* The best node of one page of rooms: 1 and *out, or 0. *after moves along, 0 at the end. */
MUST static int choose_in_page(struct api_call *c, int64_t release_id,
			       const struct alloc_where *w, int64_t *after,
			       struct alloc_node *out, struct err *e)
{
	struct room rooms[ROOMS_PAGE];
	struct alloc_node nodes[ROOMS_PAGE];
	size_t n = 0;
	if (store_installation_rooms(c->tx, c->a, release_id, *after, ROOMS_PAGE, rooms, &n,
				     e) < 0)
		return -1;
	*after = n == ROOMS_PAGE ? rooms[n - 1].node.id : 0;
	for (size_t i = 0; i < n; i++) {
		if (judge_node(c, &rooms[i].node, w->capability_count > 0, &nodes[i], e) < 0)
			return -1;
		nodes[i].is_supplied = true;
		nodes[i].build = rooms[i].reported;
	}
	size_t best = alloc_choose(w, nodes, n);
	if (best < n)
		*out = nodes[best];
	return best < n;
}

MUST static int choose_node(struct api_call *c, int64_t release_id, const struct alloc_where *w,
			    struct alloc_node *out, struct err *e)
{
	struct node node;
	if (w->node.n) {
		int rc = store_node_find(c->tx, c->a, w->node, &node, e);
		if (rc <= 0)
			return rc;
		if (judge_supply(c, &node, release_id, w, out, e) < 0)
			return -1;
		return alloc_choose(w, out, 1) == 0;
	}
	int64_t after = 0;
	do {
		int rc = choose_in_page(c, release_id, w, &after, out, e);
		if (rc != 0)
			return rc;
	} while (after);
	return 0;
}

MUST static int explain_node(struct api_call *c, const struct node *n, int64_t release_id,
			     const struct alloc_where *w, struct buf *lines, struct err *e)
{
	struct alloc_node seen;
	if (judge_supply(c, n, release_id, w, &seen, e) < 0)
		return -1;
	if (lines->n)
		buf_add_c(lines, '\n');
	alloc_explain(w, &seen, lines);
	return 0;
}

/* Why no node fits: a line a node. */
MUST static int explain(struct api_call *c, struct instance *i, const struct alloc_where *w,
			struct err *e)
{
	struct buf lines CLEAN(buf_fini) = BUF_INIT(64 << 10);
	struct node one, *nodes = &one;
	size_t n = 0;
	int rc = 0;
	if (w->node.n) {
		rc = store_node_find(c->tx, c->a, w->node, &one, e);
		n = rc > 0;
	} else {
		rc = store_node_list(c->tx, c->a, S(""), ALLOC_REFUSALS_MAX + 1, &nodes, &n, e);
	}
	if (rc < 0)
		return -1;
	if (!n)
		buf_add(&lines, w->node.n ? S("there is no such node") : S("there is no node"));
	for (size_t k = 0; k < MIN_OF(n, (size_t)ALLOC_REFUSALS_MAX); k++)
		if (explain_node(c, &nodes[k], i->release_id, w, &lines, e) < 0)
			return -1;
	if (n > ALLOC_REFUSALS_MAX)
		buf_add(&lines, S("\nand more nodes"));
	i->refusals = arena_dup(c->a, buf_str(&lines));
	return buf_check(&lines, e) < 0 ? -1 : arena_check(c->a, e);
}

MUST static int choose_partition(struct api_call *c, struct instance *i,
				 const struct alloc_where *w, struct err *e)
{
	struct alloc_node node;
	struct partition p;
	int rc = choose_node(c, i->release_id, w, &node, e);
	if (rc == 0)
		return explain(c, i, w, e);
	if (rc < 0)
		return -1;
	rc = store_partition_lowest(c->tx, c->a, node.id, &p, e);
	if (rc <= 0)
		return rc < 0 ? -1
			      : err_fail(e, ERR_CORRUPT,
					 "node %" STR_F " counts %lld free partitions"
					 " and has none",
					 STR_A(node.name), (long long)node.free);
	i->node_id = node.id;
	i->node = node.name;
	i->partition_id = p.id;
	i->partition = p.name;
	i->addresses_json = p.addresses_json;
	i->build = node.build;
	i->refusals = S("");
	return life_touch(c, i, e) < 0 ? -1 : 1;
}

/* Has the host room, and does its node pass the filter? 1, 0 or -1. */
MUST static int host_fits(struct api_call *c, const struct instance *host,
			  const struct alloc_where *w, struct err *e)
{
	struct node n;
	if (host->shared_count >= MODEL_HOSTED_MAX)
		return 0;
	if (!w->node.n && !w->region.n && !w->network.n)
		return 1;
	int rc = store_node_by_id(c->tx, c->a, host->node_id, &n, e);
	if (rc <= 0)
		return rc;
	return (!w->node.n || str_eq(w->node, n.name)) &&
	       (!w->region.n || str_eq(w->region, n.region)) &&
	       (!w->network.n || str_eq(w->network, n.network));
}

MUST static int find_host(struct api_call *c, const struct instance *i,
			  const struct alloc_where *w, struct instance *out, struct err *e)
{
	struct instance *hosts = NULL;
	size_t n = 0;
	if (w->instance.n) {
		int rc = store_instance_by_guid(c->tx, c->a, w->instance, out, e);
		if (rc <= 0)
			return rc;
		bool is_match = out->release_id == i->release_id && str_eq(out->type, i->type);
		return is_match && !out->is_shared && out->partition_id &&
		       out->shared_count < MODEL_HOSTED_MAX && out->want != INSTANCE_DESTROYED;
	}
	if (store_instance_hosts(c->tx, c->a, i->release_id, i->type, i->customer_id, HOSTS_MAX,
				 &hosts, &n, e) < 0)
		return -1;
	for (size_t k = 0; k < n; k++) {
		int rc = host_fits(c, &hosts[k], w, e);
		if (rc == 0)
			continue;
		*out = hosts[k];
		return rc;
	}
	return 0;
}

MUST static int choose_host(struct api_call *c, struct instance *i, const struct alloc_where *w,
			    struct err *e)
{
	struct instance host;
	int rc = find_host(c, i, w, &host, e);
	if (rc == 0)
		i->refusals = arena_fmt(
			c->a, "no instance of this release with type %" STR_F " can host it",
			STR_A(i->type));
	if (rc <= 0)
		return rc < 0 ? -1 : arena_check(c->a, e);
	i->host_id = host.id;
	i->host = host.guid;
	i->node_id = host.node_id;
	i->node = host.node;
	i->partition_id = host.partition_id;
	i->partition = host.partition;
	i->addresses_json = host.addresses_json;
	i->build = host.build;
	i->refusals = S("");
	return life_touch(c, i, e) < 0 ? -1 : 1;
}

MUST int place_choose(struct api_call *c, struct instance *i, struct err *e)
{
	struct alloc_where w = {.node = S("")};
	struct json *tree;
	if (i->where_json.n > 2) {
		if (json_parse(i->where_json, c->a, &tree, e) < 0 ||
		    place_where(tree, c->a, &w, e) < 0)
			return -1;
	}
	return i->is_shared ? choose_host(c, i, &w, e) : choose_partition(c, i, &w, e);
}

MUST int place_take(struct api_call *c, struct instance *i, struct err *e)
{
	if (i->is_shared) {
		if (store_instance_shared_add(c->tx, i->host_id, 1, e) < 0 ||
		    life_touch_host(c, i, e) < 0)
			return -1;
	} else if (store_partition_take(c->tx, i->node_id, i->partition_id, i->id, e) < 0) {
		return -1;
	}
	struct json *body = json_object_new(c->a);
	json_set_str(c->a, body, S("node"), i->node);
	json_set_str(c->a, body, S("partition"), i->partition);
	call_event(c, EVENT_INSTANCE_ALLOCATED, i->guid, body);
	return store_span_begin(c->tx, i->id, c->now_ms, i->want == INSTANCE_STARTED, e);
}

/*
 * Which requests found no place in this round, and why. Placing others leaves less room, so the
 * same release and filter find none either: a thousand that wait alike are judged once.
 */
struct refused {
	size_t n;
	struct {
		int64_t release_id;
		struct str where_json, refusals;
	} rows[REFUSED_MAX];
};

static bool recall(const struct refused *r, struct instance *i)
{
	for (size_t k = 0; k < r->n && !i->is_shared; k++)
		if (r->rows[k].release_id == i->release_id &&
		    str_eq(r->rows[k].where_json, i->where_json)) {
			i->refusals = r->rows[k].refusals;
			return true;
		}
	return false;
}

static void remember(struct refused *r, const struct instance *i)
{
	if (r->n == REFUSED_MAX || i->is_shared)
		return;
	r->rows[r->n].release_id = i->release_id;
	r->rows[r->n].where_json = i->where_json;
	r->rows[r->n++].refusals = i->refusals;
}

/* One that waits: 1 placed, 0 not. What it is told why is only stored where it changed. */
MUST static int try_waiting(struct api_call *c, struct instance *i, struct refused *refused,
			    struct err *e)
{
	struct str before = i->refusals;
	int rc = 0;
	if (!recall(refused, i)) {
		rc = place_choose(c, i, e);
		if (rc == 0)
			remember(refused, i);
	}
	if (rc < 0 || (rc == 0 && str_eq(before, i->refusals)))
		return rc;
	if (store_instance_save(c->tx, i, e) < 0)
		return -1;
	call_wake(c, "instance:", i->guid);
	if (rc > 0 && place_take(c, i, e) < 0)
		return -1;
	return rc;
}

MUST static int try_all(struct api_call *c, struct instance *list, size_t n, struct err *e)
{
	struct refused refused = {.n = 0};
	int placed = 0;
	for (size_t k = 0; k < n; k++) {
		int rc = try_waiting(c, &list[k], &refused, e);
		if (rc < 0)
			return -1;
		placed += rc;
	}
	return placed;
}

MUST int place_waiting(struct api_call *c, int64_t release_id, int64_t limit, struct err *e)
{
	struct instance *list = NULL;
	size_t n = 0;
	if (store_instance_list(c->tx, c->a, INSTANCES_WAITING, release_id, 0, limit, &list, &n,
				e) < 0)
		return -1;
	return try_all(c, list, n, e);
}

MUST int place_waiting_on(struct api_call *c, int64_t node_id, struct err *e)
{
	struct installation *s = NULL;
	size_t n = 0;
	int placed = 0;
	if (store_installation_list(c->tx, c->a, node_id, RELEASES_MAX, &s, &n, e) < 0)
		return -1;
	for (size_t k = 0; k < n; k++) {
		int rc = place_waiting(c, s[k].release_id, WAITING_MAX, e);
		if (rc < 0)
			return -1;
		placed += rc;
	}
	return placed;
}

MUST int place_waiting_any(struct api_call *c, int64_t *after, int64_t limit, struct err *e)
{
	struct instance *list = NULL;
	size_t n = 0;
	if (store_instance_list(c->tx, c->a, INSTANCES_WAITING_ALL, 0, *after, limit, &list, &n,
				e) < 0)
		return -1;
	*after = n == (size_t)limit ? list[n - 1].id : 0;
	return try_all(c, list, n, e);
}
