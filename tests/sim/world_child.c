/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * Children: each instance of release gamma asks for one of release alpha with its own
 * parameters, as agent/deploy_children.c does, and is applied with what the child published.
 */
#include "sim.h"

#include <string.h>

#include "json/json.h"

enum { TIMEOUT_MS = 10000, PARENT = 2 };

static struct str asked_text(const struct step *st)
{
	return arena_fmt(st->memory, "%" STR_F " %lld", STR_A(st->wish.guid),
			 (long long)st->wish.version);
}

static void keep_child(struct home *h, struct step *st, struct str body)
{
	struct json *doc = NULL;
	SIM_TRY(st->node->sim, json_parse(body, st->memory, &doc, &e_));
	const struct json *connection = json_get(doc, S("connection"));
	if (json_count(connection))
		disk_set(&h->child_known, json_str_of(json_get(connection, S("url")), S("")));
	disk_set(&h->child_asked, asked_text(st));
}

static void answered(struct sim *s, void *owner, uint64_t life, uint64_t slot, int status,
		     struct str body)
{
	struct sim_node *n = owner;
	struct step *st = n->steps[slot];
	if (life != n->life || !st || !st->is_asking)
		return;
	struct home *h = &n->homes[slot];
	sim_trace(s, "%s p%llu asked for a child: %d", n->name, (unsigned long long)slot,
		  status);
	if (status / 100 == 2)
		keep_child(h, st, body);
	else if (status || !h->child_asked || !str_is(asked_text(st), h->child_asked))
		st->is_failing = true;
	st->is_asking = false;
	node_step_ends(st);
}

bool child_ask(struct step *st)
{
	struct sim_node *n = st->node;
	struct home *h = &n->homes[st->slot];
	if (st->kind != PLAN_APPLY)
		return false;
	if (!str_is(st->wish.guid, h->spec_of))
		disk_set(&h->child_known, S(""));
	if (node_release_index(st->wish.release) != PARENT)
		return false;
	st->is_asking = true;
	const struct net_request r = {
		.method = "POST",
		.target = S("/v1/instances"),
		.body = arena_fmt(
			st->memory,
			"{\"release\":\"alpha\",\"title\":\"child\",\"state\":\"started\","
			"\"parameters\":%" STR_F ",\"requester\":\"%" STR_F "\"}",
			STR_A(st->wish.parameters), STR_A(st->wish.guid)),
		.timeout_ms = TIMEOUT_MS,
		.owner = n,
		.life = n->life,
		.token = st->slot,
		.answer = answered,
		.cut_until_ms = &n->cut_until_ms,
	};
	n->requests++;
	net_send(n->sim, &r);
	return true;
}
