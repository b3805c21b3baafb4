/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * Random operations from a seed, on both engines; after each few of them, and at the end, what
 * must always hold is checked: no partition with two owners, counts right, no instance lost, the
 * chain whole. A failure prints the seed.
 */
#include "cloud.h"

enum { STEPS = 250, TITLES = 12, NODES = 3 };

struct walk {
	struct cloud *c;
	const struct rng *r;
};

static const char *title(struct walk *w)
{
	return text(w->c, "t%d", (int)rng_below(w->r, TITLES));
}

static const char *node(struct walk *w)
{
	return text(w->c, "n%d", (int)rng_below(w->r, NODES));
}

/* A guid of some live instance, or "". */
static const char *some_guid(struct walk *w)
{
	struct json *list = json_get(GET(w->c, "/v1/instances"), S("instances"));
	size_t n = json_count(list);
	if (!n)
		return "";
	return at(w->c, json_at(list, rng_below(w->r, n)), "guid");
}

static void order(struct walk *w)
{
	static const char *const states[] = {"", ", 'state': 'started'", ", 'state': 'stopped'",
					     ", 'state': 'destroyed'"};
	const char *requester = "";
	if (rng_below(w->r, 3) == 0) {
		const char *guid = some_guid(w);
		if (guid[0])
			requester = text(w->c, ", 'requester': '%s'", guid);
	}
	bool is_shared = rng_below(w->r, 4) == 0;
	const char *body = text(w->c, "{'release': 'web', 'title': '%s', 'type': '%s'%s%s%s}",
				title(w), is_shared || rng_below(w->r, 2) ? "host" : "default",
				states[rng_below(w->r, 4)], is_shared ? ", 'shared': true" : "",
				requester);
	struct json *once = POST(w->c, "/v1/instances", body);
	if (w->c->status != 200)
		return;
	/* The same words again change nothing and get the same answer. */
	int64_t events = cloud_number(w->c, "SELECT MAX(sequence) FROM event");
	w->c->now_ms += 5;
	struct json *twice = POST(w->c, "/v1/instances", body);
	if (!json_is_equal(once, twice))
		fail_msg("%s: %s, then %s", body, at(w->c, once, ""), at(w->c, twice, ""));
	assert_int_equal(cloud_number(w->c, "SELECT MAX(sequence) FROM event"), events);
}

static void report(struct walk *w)
{
	static const char *const states[] = {"started", "stopped", "destroyed", "destroyed"};
	(void)POST(w->c, "/slapos.put.v0.software_instance_reported_state",
		   text(w->c, "{'instance_guid': '%s', 'reported_state': '%s'}", some_guid(w),
			states[rng_below(w->r, 4)]));
}

static void health(struct walk *w)
{
	static const char *const states[] = {"kept", "broken", "unknown", "withdrawn"};
	(void)POST(w->c, text(w->c, "/v1/nodes/%s/promises", node(w)),
		   text(w->c, "{'results': [{'instance': '%s', 'name': 'p%d', 'state': '%s'}]}",
			some_guid(w), (int)rng_below(w->r, 3), states[rng_below(w->r, 4)]));
}

static void publish(struct walk *w)
{
	(void)POST(w->c, "/slapos.put.v0.software_instance_connection_parameter",
		   text(w->c, "{'instance_guid': '%s', 'connection_parameter_dict': {'n': %d}}",
			some_guid(w), (int)rng_below(w->r, 3)));
}

static void format(struct walk *w)
{
	cloud_node(w->c, node(w), (int)rng_below(w->r, 6));
}

static void supply(struct walk *w)
{
	(void)PUT(w->c, "/v1/installations",
		  text(w->c, "{'release': 'web', 'node': '%s', 'state': '%s'}", node(w),
		       rng_below(w->r, 3) ? "available" : "destroyed"));
}

static void rename_one(struct walk *w)
{
	(void)POST(w->c, text(w->c, "/v1/instances/%s/title", some_guid(w)),
		   text(w->c, "{'title': '%s'}", title(w)));
}

static void time_passes(struct walk *w)
{
	w->c->now_ms += (int64_t)rng_below(w->r, 60000);
}

static void random_operations_keep_the_invariants(struct cloud *c)
{
	static void (*const operations[])(struct walk *) = {
		order,	order,	 order,	 order,	 report,     report,	  report,
		health, publish, format, supply, rename_one, time_passes,
	};
	cloud_release(c, "web", "{\"default\": {}, \"host\": {\"shared\": true}}");
	for (uint64_t seed = 1; seed <= 4; seed++) {
		struct rng_seeded random;
		rng_seeded_init(&random, seed);
		struct walk w = {c, &random.rng};
		for (int i = 0; i < NODES; i++) {
			cloud_node(c, text(c, "n%d", i), 3);
			cloud_supply(c, "web", text(c, "n%d", i));
		}
		for (int i = 0; i < STEPS; i++) {
			int64_t live = cloud_number(c, "SELECT COUNT(*) FROM instance");
			operations[rng_below(w.r, ARRAY_LEN(operations))](&w);
			/* Refusals are part of the walk; our own mistakes are not. */
			if (c->status >= 500)
				fail_msg("seed %d step %d: %s", (int)seed, i, c->text);
			assert_true(cloud_number(c, "SELECT COUNT(*) FROM instance") >= live);
			if (i % 25 == 0)
				cloud_check(c);
		}
	}
}

/* The same walk twice, with the same seed, gives the same chain. */
static void the_same_seed_gives_the_same_chain(struct cloud *c)
{
	struct rng_seeded random;
	rng_seeded_init(&random, 7);
	struct walk w = {c, &random.rng};
	cloud_stage(c, 3);
	for (int i = 0; i < 60; i++)
		order(&w);
	struct json *j = OK_GET(c, "/v1/events?limit=1000");
	struct json *list = json_get(j, S("events"));
	static char first[100];
	const char *hash = at(c, json_at(list, json_count(list) - 1), "hash");
	/* SQLite runs first, PostgreSQL has to end with the very same hash. */
	if (c->engine == DB_SQLITE)
		(void)snprintf(first, sizeof first, "%s", hash);
	assert_string_equal(first, hash);
}

int main(int argc, char **argv)
{
	static const struct cloud_case cases[] = {
		{"random operations keep the invariants",
		 random_operations_keep_the_invariants},
		{"the same seed gives the same chain", the_same_seed_gives_the_same_chain},
	};
	return cloud_run(argc, argv, cases, ARRAY_LEN(cases));
}
