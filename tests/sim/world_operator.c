/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* The operator supplies two of three releases to each node, and then changes its mind at times. */
#include "sim.h"

enum { TIMEOUT_MS = 15000, CHANGES = 60, PAUSE_MS = 240000 };

struct supplier {
	struct sim *sim;
	bool wants[SIM_NODES_MAX][SIM_RELEASES];
	size_t first_left; /* first supplies still to be made */
	unsigned changes_left;
	unsigned node, release;
	bool to;
	char body[200];
	uint64_t token;
	bool is_done;
};

static void next(struct sim *s, void *object, uint64_t a, uint64_t b);
static void send(struct sim *s, void *object, uint64_t token, uint64_t b);

static void want(struct supplier *o, unsigned node, unsigned release, bool to)
{
	o->node = node;
	o->release = release;
	o->to = to;
	o->token++;
	(void)snprintf(o->body, sizeof o->body,
		       "{\"release\":\"%s\",\"node\":\"n%03u\",\"state\":\"%s\"}",
		       master_release(release), node, to ? "available" : "destroyed");
	send(o->sim, o, o->token, 0);
}

static void heard(struct sim *s, void *owner, uint64_t life UNUSED, uint64_t token, int status,
		  struct str body)
{
	struct supplier *o = owner;
	sim_trace(s, "operator hears %d", status);
	if (token != o->token)
		return;
	/* 400: the node did not register yet. */
	if (status == 0 || status == 400 || status >= 500) {
		sim_at(s, s->now_ms + sim_between(s, 200, 5000), send, o, token, 0);
		return;
	}
	if (status / 100 == 2)
		o->wants[o->node][o->release] = o->to;
	else if (status != 409 || o->to)
		sim_violate(s, SIM_ACKNOWLEDGED, "supply is refused: %" STR_F, STR_A(body));
	/* A late copy of what was refused may be taken: be sure. */
	bool is_unsure = status == 409;
	sim_at(s, s->now_ms + (o->first_left ? 100 : sim_between(s, 500, PAUSE_MS)), next, o,
	       is_unsure, 0);
}

static void send(struct sim *s, void *object, uint64_t token, uint64_t b UNUSED)
{
	struct supplier *o = object;
	if (token != o->token || s->is_over)
		return;
	const struct net_request r = {
		.method = "PUT",
		.target = S("/v1/installations"),
		.body = str_from(o->body),
		.timeout_ms = TIMEOUT_MS,
		.owner = o,
		.token = token,
		.answer = heard,
	};
	sim_trace(s, "operator says %s", o->body);
	net_send(s, &r);
}

static void next(struct sim *s, void *object, uint64_t is_unsure, uint64_t b UNUSED)
{
	struct supplier *o = object;
	if (s->is_over)
		return;
	if (is_unsure) {
		want(o, o->node, o->release, true);
	} else if (o->first_left) {
		unsigned i = (unsigned)--o->first_left;
		want(o, i / 2, (i / 2 + i % 2) % SIM_RELEASES, true);
	} else if (o->changes_left && !s->is_healed) {
		o->changes_left--;
		unsigned node = (unsigned)sim_between(s, 0, s->options.nodes - 1);
		unsigned release = (unsigned)sim_between(s, 0, SIM_RELEASES - 1);
		want(o, node, release, !o->wants[node][release]);
	} else {
		o->is_done = true;
	}
}

void operator_new(struct sim *s)
{
	struct err e = ERR_INIT;
	struct supplier *o = MEM_NEW(struct supplier, &e);
	if (!o)
		sim_die(s, "operator", &e);
	*o = (struct supplier){
		.sim = s, .first_left = 2 * (size_t)s->options.nodes, .changes_left = CHANGES};
	s->supplier = o;
	sim_at(s, s->now_ms + 1000, next, o, 0, 0);
}

bool operator_is_done(const struct sim *s)
{
	return s->supplier->is_done;
}

bool operator_wants(const struct sim *s, unsigned n, unsigned r)
{
	return s->supplier->wants[n][r];
}

void operator_free(struct sim *s)
{
	mem_free(s->supplier);
}
