/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * Customers. Each orders, changes, stops, starts, destroys its own instances, one operation at
 * a time, and says the same words again until it hears an answer; now and then it says them
 * twice at once. What was acknowledged is remembered, and compared with the master at the end.
 */
#include "sim.h"

#include <string.h>

#include "json/json.h"

enum {
	CLIENTS = 50,
	THINK_MS = 400000,
	TIMEOUT_MS = 15000,
	WATCHES_MAX = 6,
	TWICE = 80,
	WATCHED = 300,
};

static void next(struct sim *s, void *object, uint64_t a, uint64_t b);
static void heard(struct sim *s, void *owner, uint64_t life, uint64_t token, int status,
		  struct str body);

static void think(struct client *c)
{
	struct sim *s = c->sim;
	int64_t longest_ms = s->is_healed ? 5000 : THINK_MS;
	sim_at(s, s->now_ms + sim_between(s, 1000, longest_ms), next, c, 0, 0);
}

static void send(struct client *c)
{
	const struct net_request r = {
		.method = c->method,
		.target = str_from(c->target),
		.body = str_from(c->body),
		.timeout_ms = c->op == OP_WATCH ? 40000 : TIMEOUT_MS,
		.owner = c,
		.token = c->token,
		.answer = heard,
	};
	net_send(c->sim, &r);
}

static void say(struct client *c)
{
	struct sim *s = c->sim;
	c->token++;
	c->copies_taken = 0;
	c->copies_open = c->op == OP_REQUEST && sim_chance(s, TWICE) ? 2 : 1;
	s->stats.operations++;
	sim_trace(s, "%s says %s %s %.60s", c->name, c->method, c->target, c->body);
	for (unsigned i = c->copies_open; i > 0; i--)
		send(c);
}

static void request(struct client *c, struct title *t, enum wanted to, int64_t size)
{
	static const char *const releases[SIM_RELEASES] = {"alpha", "beta", "gamma"};
	static const char *const words[] = {"", "started", "stopped", "destroyed"};
	c->op = OP_REQUEST;
	c->title = t;
	c->to = to;
	c->to_size = size;
	c->method = "POST";
	(void)snprintf(c->target, sizeof c->target, "/v1/instances");
	if (to == WANTED_DESTROYED)
		(void)snprintf(c->body, sizeof c->body,
			       "{\"title\":\"%s\",\"customer\":\"%s\",\"state\":\"destroyed\"}",
			       t->name, c->name);
	else
		(void)snprintf(
			c->body, sizeof c->body,
			"{\"title\":\"%s\",\"customer\":\"%s\",\"release\":\"%s\","
			"\"parameters\":{\"size\":%lld},\"where\":{%s},\"state\":\"%s\"}",
			t->name, c->name, releases[t->release], (long long)size, t->where,
			words[to]);
	say(c);
}

static void order(struct client *c)
{
	struct sim *s = c->sim;
	ASSERT(c->title_n < TITLES_MAX);
	struct title *t = &c->titles[c->title_n++];
	c->orders_left--;
	s->stats.orders++;
	(void)snprintf(t->name, sizeof t->name, "%s-%zu", c->name, c->title_n);
	t->release = (unsigned)sim_between(s, 0, SIM_RELEASES - 1);
	int64_t place = sim_between(s, 0, 9);
	if (place < 2)
		(void)snprintf(t->where, sizeof t->where, "\"region\":\"r%lld\"",
			       (long long)sim_between(s, 0, 3));
	if (place == 2)
		(void)snprintf(t->where, sizeof t->where, "\"node\":\"n%03lld\"",
			       (long long)sim_between(s, 0, s->options.nodes - 1));
	request(c, t, sim_between(s, 0, 9) ? WANTED_STARTED : WANTED_STOPPED, 1);
}

static void ask_about(struct client *c, struct title *t, bool is_bang)
{
	c->title = t;
	c->op = is_bang ? OP_BANG : OP_WATCH;
	c->method = is_bang ? "POST" : "GET";
	(void)snprintf(c->target, sizeof c->target, "/v1/instances/%s%s", t->guid,
		       is_bang ? "/bang" : "");
	(void)snprintf(c->body, sizeof c->body, "%s", is_bang ? "{\"message\":\"again\"}" : "");
	say(c);
}

static void change(struct client *c, struct title *t)
{
	struct sim *s = c->sim;
	int64_t what = sim_between(s, 0, 99);
	c->changes_left--;
	if (t->wanted == WANTED_DESTROYED)
		request(c, t, WANTED_STARTED, 1);
	else if (what < 40)
		request(c, t, t->wanted, t->size + 1);
	else if (what < 65)
		request(c, t, t->wanted == WANTED_STARTED ? WANTED_STOPPED : WANTED_STARTED,
			t->size);
	else if (what < 70)
		request(c, t, t->wanted, t->size); /* the same words */
	else if (what < 80)
		ask_about(c, t, true);
	else
		request(c, t, WANTED_DESTROYED, t->size);
}

static void next(struct sim *s, void *object, uint64_t a UNUSED, uint64_t b UNUSED)
{
	struct client *c = object;
	if (s->is_over)
		return;
	bool may_change = c->title_n && c->changes_left;
	if (c->orders_left && (!may_change || sim_between(s, 0, 2) == 0)) {
		order(c);
	} else if (may_change) {
		struct title *t = &c->titles[sim_between(s, 0, (int64_t)c->title_n - 1)];
		if (t->is_unsure || t->wanted == WANTED_NOTHING) {
			c->changes_left--;
			think(c);
		} else {
			change(c, t);
		}
	} else {
		c->is_done = true;
	}
}

/* ---- answers ------------------------------------------------------------------------------- */

static void again(struct sim *s, void *object, uint64_t token, uint64_t b UNUSED)
{
	struct client *c = object;
	if (token == c->token && !s->is_over)
		send(c);
}

static void lost(struct client *c, const char *what, struct str body)
{
	sim_violate(c->sim, SIM_ACKNOWLEDGED, "%s %s: %s: %" STR_F, c->name, c->body, what,
		    STR_A(body));
}

/* The answer to a request is what was asked, of the instance it always was. */
static void acknowledged(struct client *c, const struct json *doc, struct str body)
{
	static const char *const words[] = {"", "started", "stopped", "destroyed"};
	struct title *t = c->title;
	struct str guid = json_str_of(json_get(doc, S("guid")), S(""));
	bool is_new = t->wanted == WANTED_NOTHING ||
		      (t->wanted == WANTED_DESTROYED && c->to != WANTED_DESTROYED);
	if (!is_new && !str_is(guid, t->guid))
		lost(c, "is another instance", body);
	if (is_new && t->guid[0] && c->copies_taken == 0 && str_is(guid, t->guid))
		lost(c, "is the destroyed instance", body);
	if (c->copies_taken && !str_is(guid, t->guid))
		lost(c, "two answers to the same words differ", body);
	if (!str_is(json_str_of(json_get(doc, S("state")), S("")), words[c->to]))
		lost(c, "has another state", body);
	int64_t size = json_i64_of(json_path(doc, S("parameters.size")), -1);
	if (c->to != WANTED_DESTROYED && size != c->to_size)
		lost(c, "has other parameters", body);
	(void)snprintf(t->guid, sizeof t->guid, "%" STR_F, STR_A(guid));
}

static void watch_again(struct client *c, const struct json *doc)
{
	int64_t version = json_i64_of(json_get(doc, S("version")), 0);
	struct str status = json_str_of(json_get(doc, S("status")), S(""));
	bool is_there = str_is(status, "running") || str_is(status, "stopped") ||
			str_is(status, "destroyed") || str_is(status, "waiting");
	if (is_there || c->watches++ >= WATCHES_MAX || c->sim->is_healed) {
		think(c);
		return;
	}
	c->op = OP_WATCH;
	c->method = "GET";
	c->body[0] = 0;
	(void)snprintf(c->target, sizeof c->target, "/v1/instances/%s?since=%lld&wait=20",
		       c->title->guid, (long long)version);
	say(c);
}

/* All copies were answered. */
static void close_request(struct client *c)
{
	struct title *t = c->title;
	if (!c->copies_taken) {
		t->is_unsure = true;
		think(c);
		return;
	}
	t->wanted = c->to;
	t->size = c->to_size;
	c->watches = 0;
	if (sim_chance(c->sim, WATCHED))
		ask_about(c, t, false);
	else
		think(c);
}

static void take(struct client *c, int status, struct str body)
{
	struct arena *a CLEAN(arena_freep) = NULL;
	struct json *doc = NULL;
	SIM_TRY(c->sim, arena_new(4 << 20, &a, &e_));
	SIM_TRY(c->sim, json_parse(body, a, &doc, &e_));
	if (c->op != OP_REQUEST) {
		if (c->op == OP_WATCH && status == 200)
			watch_again(c, doc);
		else
			think(c);
		return;
	}
	/* Only what is still being destroyed may be refused. */
	bool may_refuse = c->title->wanted == WANTED_DESTROYED && c->to == WANTED_STARTED;
	/* The node that the filter names did not register yet. */
	if (status == 400 && c->title->where[1] == 'n' &&
	    c->sim->now_ms < c->sim->started_ms + 600000) {
		sim_at(c->sim, c->sim->now_ms + 10000, again, c, c->token, 0);
		return;
	}
	if (status / 100 == 2) {
		acknowledged(c, doc, body);
		c->copies_taken++;
	} else if (status != 409 || !may_refuse) {
		lost(c, "is refused", body);
	}
	if (--c->copies_open == 0)
		close_request(c);
}

static void heard(struct sim *s, void *owner, uint64_t life UNUSED, uint64_t token, int status,
		  struct str body)
{
	struct client *c = owner;
	if (token != c->token)
		return;
	sim_trace(s, "%s hears %d", c->name, status);
	if (status == 0 || status >= 500)
		sim_at(s, s->now_ms + sim_between(s, 200, 8000), again, c, token, 0);
	else
		take(c, status, body);
}

/* ---- life ---------------------------------------------------------------------------------- */

void clients_new(struct sim *s)
{
	struct err e = ERR_INIT;
	s->client_n = CLIENTS;
	s->clients = mem_new(s->client_n * sizeof *s->clients, &e);
	if (!s->clients)
		sim_die(s, "clients", &e);
	for (unsigned i = 0; i < s->client_n; i++) {
		struct client *c = &s->clients[i];
		*c = (struct client){.sim = s, .index = i};
		(void)snprintf(c->name, sizeof c->name, "c%02u", i);
		c->orders_left =
			s->options.orders / CLIENTS + (i < s->options.orders % CLIENTS);
		c->orders_left = MIN_OF(c->orders_left, (unsigned)TITLES_MAX);
		c->changes_left = 2 * c->orders_left;
		think(c);
	}
}

bool clients_are_done(const struct sim *s)
{
	for (size_t i = 0; i < s->client_n; i++)
		if (!s->clients[i].is_done)
			return false;
	return true;
}

void clients_free(struct sim *s)
{
	mem_free(s->clients);
}
