/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "api/life.h"

#include "api/issue.h"
#include "api/pages.h"
#include "api/place.h"
#include "api/promises.h"
#include "api/secrets.h"
#include "core/state.h"
#include "core/tree.h"
#include "store/instance.h"
#include "store/node.h"

enum { HOSTED_MAX = MODEL_HOSTED_MAX };

MUST int life_touch(struct api_call *c, struct instance *i, struct err *e)
{
	call_wake(c, "instance:", i->guid);
	if (!i->node_id) {
		i->timestamp = stamp_next(i->timestamp, c->now_ms);
		return 0;
	}
	call_wake(c, "node:", i->node);
	return store_node_stamp(c->tx, i->node_id, c->now_ms, &i->timestamp, e);
}

/* Loads another instance, touches and stores it. */
MUST static int touch_other(struct api_call *c, int64_t id, struct err *e)
{
	struct instance other;
	int rc = store_instance_by_id(c->tx, c->a, id, &other, e);
	if (rc <= 0)
		return rc;
	if (!other.is_live)
		return 0;
	if (life_touch(c, &other, e) < 0)
		return -1;
	return store_instance_save(c->tx, &other, e);
}

MUST int life_touch_host(struct api_call *c, const struct instance *i, struct err *e)
{
	return i->host_id ? touch_other(c, i->host_id, e) : 0;
}

static int touch_one(struct api_call *c, struct instance *i, void *user UNUSED, struct err *e)
{
	return life_touch(c, i, e) < 0 ? -1 : store_instance_save(c->tx, i, e);
}

MUST int life_stamp(struct api_call *c, struct instance *i, enum stamp_cause cause,
		    struct err *e)
{
	switch (stamp_whose(cause)) {
	case STAMP_NOBODY:
		return 0;
	case STAMP_SELF:
		return life_touch(c, i, e) < 0 ? -1 : life_touch_host(c, i, e);
	case STAMP_REQUESTER:
		return i->requester_id ? touch_other(c, i->requester_id, e) : 0;
	case STAMP_TREE:
		return touch_other(c, i->tree_id, e) < 0
			       ? -1
			       : pages_each(c, INSTANCES_OF_TREE, i->tree_id, 0, touch_one,
					    NULL, e);
	case STAMP_ON_NODE:
		return pages_each(c, INSTANCES_ON_NODE, i->node_id, 0, touch_one, NULL, e);
	}
	return 0;
}

/* A shared instance whose host went away waits for another one. */
MUST static int release_hosted(struct api_call *c, const struct instance *host, struct err *e)
{
	struct instance *list = NULL;
	size_t n = 0;
	if (host->shared_count == 0)
		return 0;
	if (store_instance_list(c->tx, c->a, INSTANCES_HOSTED, host->id, 0, HOSTED_MAX, &list,
				&n, e) < 0)
		return -1;
	for (size_t k = 0; k < n; k++) {
		list[k].host_id = list[k].node_id = list[k].partition_id = 0;
		list[k].host = list[k].node = list[k].partition = S("");
		list[k].reported = REPORT_NONE;
		list[k].connection_json = S("{}");
		list[k].refusals = S("its host was destroyed");
		if (life_touch(c, &list[k], e) < 0 ||
		    store_instance_save(c->tx, &list[k], e) < 0 ||
		    store_span_end(c->tx, list[k].id, c->now_ms, e) < 0)
			return -1;
	}
	return place_waiting(c, host->release_id, HOSTED_MAX, e) < 0 ? -1 : 0;
}

/* Gives back the place of *i, if it has one. */
MUST static int leave_place(struct api_call *c, const struct instance *i, struct err *e)
{
	if (!i->partition_id)
		return 0;
	if (!i->is_shared)
		return store_partition_free(c->tx, i->node_id, i->partition_id, e);
	if (store_instance_shared_add(c->tx, i->host_id, -1, e) < 0)
		return -1;
	return life_touch_host(c, i, e);
}

MUST int life_free(struct api_call *c, struct instance *i, struct err *e)
{
	struct instance was = *i;
	if (leave_place(c, i, e) < 0 || promises_drop(c, i, e) < 0 ||
	    store_span_end(c->tx, i->id, c->now_ms, e) < 0 ||
	    issue_revoke_owner(c, i->guid, e) < 0 ||
	    store_instance_free(c->tx, i, c->now_ms, e) < 0)
		return -1;
	struct json *body = json_object_new(c->a);
	json_set_str(c->a, body, S("node"), was.node);
	json_set_str(c->a, body, S("partition"), was.partition);
	call_event(c, EVENT_INSTANCE_FREED, i->guid, body);
	call_wake(c, "instance:", i->guid);
	if (was.node.n)
		call_wake(c, "node:", was.node);
	if (release_hosted(c, &was, e) < 0)
		return -1;
	if (was.is_shared || !was.node_id)
		return 0;
	return place_waiting_on(c, was.node_id, e) < 0 ? -1 : 0;
}

MUST int life_report(struct api_call *c, struct instance *i, enum instance_report report,
		     struct str message, struct err *e)
{
	if (report == REPORT_DESTROYED && !i->is_live)
		return 1;
	/* A report may come late, when the instance is wanted started again: its health is then none
	 * of that report's business. */
	bool comes_to_rest = report == REPORT_STOPPED && i->reported != REPORT_STOPPED &&
			     i->want == INSTANCE_STOPPED;
	int rc = instance_report_move(i, report, call_cut(message), c->now_ms, e);
	if (rc != 0)
		return rc;
	call_event_str(c, EVENT_INSTANCE_REPORTED, i->guid, "state",
		       str_from(instance_report_word(report)));
	call_wake(c, "instance:", i->guid);
	if (report == REPORT_DESTROYED)
		return life_free(c, i, e);
	if (comes_to_rest && promises_rest(c, i, e) < 0)
		return -1;
	return store_instance_save(c->tx, i, e);
}

/* Every value as a text, as the reference protocol keeps them (wire d.6). */
static struct json *as_texts(const struct json *connection, struct arena *a)
{
	struct json *out = json_object_new(a);
	for (size_t k = 0; k < json_count(connection); k++) {
		const struct json *v = connection->members[k].value;
		struct str text = json_is(v, JSON_IS_STR) ? v->str : json_text(v, a);
		json_set_str(a, out, connection->members[k].key, text);
	}
	return out;
}

MUST int life_publish(struct api_call *c, struct instance *i, const struct json *connection,
		      struct err *e)
{
	struct str text = json_text(as_texts(connection, c->a), c->a);
	if (secrets_check_connection(c, i, connection, e) < 0)
		return -1;
	if (text.n > MODEL_CONNECTION_MAX)
		return err_field(e, "connection_parameter_dict",
				 "has %zu bytes; at most %d are allowed", text.n,
				 MODEL_CONNECTION_MAX);
	if (str_eq(text, i->connection_json))
		return 1;
	i->connection_json = text;
	/* Nobody else tells that a shared instance is ready: its host publishes for it. */
	if (i->is_shared && i->reported == REPORT_NONE) {
		i->reported = REPORT_STARTED;
		i->reported_at_ms = c->now_ms;
		i->report_of = i->timestamp;
	}
	struct json *names = json_array_new(c->a), *body = json_object_new(c->a);
	for (size_t k = 0; k < json_count(connection); k++)
		json_add_str(c->a, names, connection->members[k].key);
	json_set(c->a, body, S("names"), names);
	call_event(c, EVENT_INSTANCE_PUBLISHED, i->guid, body);
	call_wake(c, "instance:", i->guid);
	if (store_instance_save(c->tx, i, e) < 0)
		return -1;
	return life_stamp(c, i, STAMP_PUBLISHED, e);
}

MUST int life_bang(struct api_call *c, struct instance *i, struct str message, struct err *e)
{
	if (!i->is_live)
		return err_fail(e, ERR_CONFLICT, "instance %" STR_F " is destroyed",
				STR_A(i->title));
	call_event_str(c, EVENT_INSTANCE_BANGED, i->guid, "message", call_cut(message));
	return life_stamp(c, i, STAMP_BANG, e);
}

MUST int life_rename(struct api_call *c, struct instance *i, struct str title, struct err *e)
{
	struct instance other;
	if (str_eq(i->title, title))
		return 1;
	if (tree_check_title(title, e) < 0)
		return -1;
	bool is_root = i->tree_id == i->id;
	if (!is_root && tree_check_member(i->tree, title, e) < 0)
		return -1;
	int rc = is_root ? store_instance_root(c->tx, c->a, i->customer_id, title, &other, e)
			 : store_instance_member(c->tx, c->a, i->tree_id, title, &other, e);
	if (rc < 0)
		return -1;
	if (rc > 0)
		return err_fail(e, ERR_CONFLICT, "there is an instance %" STR_F " already",
				STR_A(title));
	call_event_str(c, EVENT_INSTANCE_RENAMED, i->guid, "title", title);
	call_wake(c, "instance:", i->guid);
	i->title = title;
	return store_instance_save(c->tx, i, e);
}
