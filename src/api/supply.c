/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "api/supply.h"

#include "api/access.h"
#include "api/place.h"
#include "api/promises.h"
#include "core/state.h"
#include "store/installation.h"
#include "store/node.h"
#include "store/promise.h"

MUST int supply_check_name(struct str name, const char *field, struct err *e)
{
	if (!name.n)
		return err_field(e, field, "is empty");
	if (name.n > MODEL_NAME_MAX)
		return err_field(e, field, "is longer than %d bytes", MODEL_NAME_MAX);
	for (size_t i = 0; i < name.n; i++) {
		unsigned char ch = (unsigned char)name.p[i];
		if (ch <= ' ' || ch >= 0x7f || ch == '/' || ch == '"')
			return err_field(e, field, "may not have the character at %zu", i);
	}
	return 0;
}

/* For a node there are no others. */
static bool is_hidden(const struct api_call *c, struct str name)
{
	return access_node(c).n && !access_is_node(c, name);
}

MUST static int no_node(struct str name, struct err *e)
{
	return err_fail(e, ERR_NOT_FOUND, "%" STR_F " is not registered.",
			STR_A(str_sub(name, 0, 100)));
}

MUST int supply_node(struct api_call *c, struct str name, bool speaks, struct node *out,
		     struct err *e)
{
	int rc = store_node_find(c->tx, c->a, name, out, e);
	if (rc == 0 || (rc > 0 && is_hidden(c, name)))
		return no_node(name, e);
	if (rc < 0)
		return -1;
	return speaks ? call_contact(c, out, e) : 0;
}

MUST int supply_node_get(struct api_call *c, struct str name, struct node *out, struct err *e)
{
	int rc = store_node_find(c->tx, c->a, name, out, e);
	if (rc >= 0 && is_hidden(c, name))
		return no_node(name, e);
	if (rc != 0)
		return rc < 0 ? -1 : 0;
	if (supply_check_name(name, "node", e) < 0)
		return -1;
	*out = (struct node){
		.name = name,
		.title = name,
		.region = S(""),
		.network = S(""),
		.capabilities_json = S("{}"),
		.created_at_ms = c->now_ms,
		.liveness_since_ms = c->now_ms,
	};
	return store_node_add(c->tx, out, e) < 0 ? -1 : 1;
}

/* Tells the node that its installations changed. */
MUST static int touch_supply(struct api_call *c, const struct node *n, struct installation *s,
			     struct err *e)
{
	s->changed_at_ms = c->now_ms;
	call_wake(c, "node:", n->name);
	if (store_node_stamp(c->tx, n->id, c->now_ms, &s->feed, e) < 0)
		return -1;
	return store_installation_feed(c->tx, n->id, s->feed, e);
}

static void tell(struct api_call *c, enum event_kind kind, const struct installation *s,
		 const char *state)
{
	struct json *body = json_object_new(c->a);
	json_set_str(c->a, body, S("release"), s->release);
	json_set_str(c->a, body, S("state"), str_from(state));
	call_event(c, kind, s->node, body);
}

MUST static int check_unused(struct api_call *c, const struct node *n, const struct release *r,
			     struct err *e)
{
	int64_t users = 0;
	if (store_installation_users(c->tx, n->id, r->id, 1000, &users, e) < 0)
		return -1;
	if (users)
		return err_fail(e, ERR_CONFLICT,
				"%lld instances of the release are on node %" STR_F
				": destroy them first",
				(long long)users, STR_A(n->name));
	return 0;
}

MUST static int want_new(struct api_call *c, const struct node *n, const struct release *r,
			 struct installation *s, struct err *e)
{
	if (touch_supply(c, n, s, e) < 0 || store_installation_add(c->tx, s, e) < 0)
		return -1;
	tell(c, EVENT_INSTALLATION_WANTED, s, supply_want_word(s->want));
	if (promises_installation(c, s, e) < 0)
		return -1;
	return place_waiting(c, r->id, 64, e) < 0 ? -1 : 0;
}

MUST int supply_want(struct api_call *c, const struct node *n, const struct release *r,
		     enum supply_want want, struct installation *out, struct err *e)
{
	int rc = store_installation_find(c->tx, c->a, n->id, r->id, out, e);
	if (rc < 0)
		return -1;
	if (rc == 0) {
		*out = (struct installation){
			.node_id = n->id,
			.release_id = r->id,
			.node = n->name,
			.release = r->uri,
			.release_name = r->name,
			.want = want,
			.reported = want == SUPPLY_DESTROYED ? BUILD_DESTROYED : BUILD_NONE,
			.message = S(""),
			.changed_at_ms = c->now_ms,
		};
		return want == SUPPLY_DESTROYED ? 0 : want_new(c, n, r, out, e);
	}
	if (want == SUPPLY_DESTROYED && out->want != want && check_unused(c, n, r, e) < 0)
		return -1;
	rc = supply_want_move(out, want, e);
	if (rc != 0)
		return rc < 0 ? -1 : 0;
	tell(c, EVENT_INSTALLATION_WANTED, out, supply_want_word(want));
	if (touch_supply(c, n, out, e) < 0 || store_installation_save(c->tx, out, e) < 0)
		return -1;
	return want == SUPPLY_DESTROYED ? 0 : place_waiting(c, r->id, 64, e) < 0 ? -1 : 0;
}

/* The node deleted it: nothing of it is left here either. */
MUST static int forget(struct api_call *c, const struct installation *s, struct err *e)
{
	struct promise p;
	call_event_str(c, EVENT_INSTALLATION_FORGOTTEN, s->node, "release", s->release);
	int rc = store_promise_find(c->tx, c->a, s->node, PROMISE_INSTALLATION, s->release, &p,
				    e);
	if (rc < 0 || (rc > 0 && store_promise_delete(c->tx, p.id, e) < 0))
		return -1;
	return store_installation_delete(c->tx, s->node_id, s->release_id, e);
}

MUST int supply_report(struct api_call *c, const struct node *n, const struct release *r,
		       enum supply_report reported, struct str message, struct err *e)
{
	struct installation s;
	int rc = store_installation_find(c->tx, c->a, n->id, r->id, &s, e);
	if (rc < 0)
		return -1;
	if (rc == 0 && reported == BUILD_DESTROYED)
		return 1; /* forgotten before */
	if (rc == 0)
		return err_fail(e, ERR_NOT_FOUND,
				"release %" STR_F " is not supplied to %" STR_F,
				STR_A(str_sub(r->uri, 0, 200)), STR_A(n->name));
	rc = supply_report_move(&s, reported, call_cut(message), e);
	if (rc != 0)
		return rc;
	call_wake(c, "node:", n->name);
	if (reported == BUILD_DESTROYED)
		return forget(c, &s, e);
	s.changed_at_ms = c->now_ms;
	tell(c, EVENT_INSTALLATION_REPORTED, &s, supply_report_word(reported));
	if (store_installation_save(c->tx, &s, e) < 0)
		return -1;
	return promises_installation(c, &s, e) < 0 ? -1 : 0;
}
