/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * The master: room api over a database in memory. What a program around it does is done here:
 * one transaction a call, long polls that wait for their topics, the job of assessment, and
 * now and then a restart that loses everything but the database.
 */
#include "sim.h"

#include <string.h>

#include "store/release.h"

enum { ASSESS_MS = 10000, ASSESS_ROWS = 200, DOWN_MS = 4000, RESTART_EVERY_MS = 40 * 60000 };

struct parked {
	struct flight *flight;
	struct api_call *call;
	struct arena *memory;
	struct api_request request;
	struct str topics[2];
	int64_t until_ms;
	bool is_woken;
	uint64_t number;
};

struct master {
	struct db *db;
	struct api *api;
	struct rng_seeded rng;
	bool is_down;
	struct parked *parked;
	size_t parked_n, parked_cap, parked_max;
	uint64_t last_number;
};

static const char *const uris[SIM_RELEASES] = {
	"hoc:alpha@sha256:1111111111111111111111111111111111111111111111111111111111111111",
	"hoc:beta@sha256:2222222222222222222222222222222222222222222222222222222222222222",
	"hoc:gamma@sha256:3333333333333333333333333333333333333333333333333333333333333333",
};

const char *master_release(unsigned i)
{
	return uris[i];
}

struct db *master_db(struct sim *s)
{
	return s->master->db;
}

size_t master_parked(struct sim *s)
{
	return s->master->parked_n;
}

size_t master_parked_max(struct sim *s)
{
	return s->master->parked_max;
}

/* ---- calls --------------------------------------------------------------------------------- */

struct run {
	struct api *api;
	struct api_call *call;
	struct arena *memory;
	struct api_response response;
	struct str node;
	bool may_wait;
};

static int run_call(struct db_tx *tx, void *user, struct err *e)
{
	struct run *r = user;
	return api_run(r->call, tx, r->may_wait, &r->response, e);
}

static int run_contact(struct db_tx *tx, void *user, struct err *e)
{
	struct run *r = user;
	return api_contact(r->api, tx, r->node, r->memory, &r->response, e);
}

static int run_assess(struct db_tx *tx, void *user, struct err *e)
{
	struct run *r = user;
	return api_assess(r->api, tx, ASSESS_ROWS, r->memory, &r->response, e) < 0 ? -1 : 0;
}

static void unpark(struct sim *s, void *object, uint64_t number, uint64_t is_last);

static void wake(struct sim *s, const struct api_response *r)
{
	struct master *m = s->master;
	for (size_t i = 0; i < m->parked_n; i++) {
		struct parked *p = &m->parked[i];
		bool is_named = r->is_wake_all;
		for (size_t k = 0; k < r->wake_count && !is_named; k++)
			is_named = str_eq(r->wakes[k], p->topics[0]) ||
				   (p->topics[1].n && str_eq(r->wakes[k], p->topics[1]));
		if (!is_named || p->is_woken)
			continue;
		p->is_woken = true;
		sim_at(s, s->now_ms, unpark, m, p->number, 0);
	}
}

static void note_contact(struct sim *s, struct str node, struct arena *a)
{
	struct err e = ERR_INIT;
	struct run r = {.api = s->master->api, .memory = a, .node = node};
	if (db_write(s->master->db, run_contact, &r, &e) < 0)
		sim_die(s, "contact", &e);
	wake(s, &r.response);
}

static void park(struct sim *s, struct parked *p, const struct api_response *r)
{
	struct master *m = s->master;
	struct err e = ERR_INIT;
	if (m->parked_n == m->parked_cap) {
		m->parked_cap = m->parked_cap ? 2 * m->parked_cap : 64;
		m->parked = mem_grow(m->parked, m->parked_cap, sizeof *m->parked, &e);
		if (!m->parked)
			sim_die(s, "parked", &e);
	}
	p->topics[0] = r->topics[0];
	p->topics[1] = r->topics[1];
	p->until_ms = r->park_until_ms;
	p->is_woken = false;
	p->number = ++m->last_number;
	s->stats.polls_waited++;
	flight_hold(p->flight);
	m->parked[m->parked_n++] = *p;
	m->parked_max = MAX_OF(m->parked_max, m->parked_n);
	sim_at(s, p->until_ms, unpark, m, p->number, 1);
}

/* A failure that no request may cause. */
static void look_at_status(struct sim *s, const struct api_request *q, int status,
			   struct str body)
{
	if (status == 500)
		sim_violate(s, SIM_ACKNOWLEDGED, "%" STR_F " %" STR_F ": %" STR_F,
			    STR_A(q->method), STR_A(q->target), STR_A(body));
}

/* Runs a call once, answers it or parks it. Takes the arena. */
static void run(struct sim *s, struct parked *p, bool may_wait)
{
	struct master *m = s->master;
	struct err e = ERR_INIT;
	struct run r = {.api = m->api, .call = p->call, .memory = p->memory};
	r.may_wait = may_wait;
	int rc = api_call_is_read(p->call) ? db_read(m->db, run_call, &r, &e)
					   : db_write(m->db, run_call, &r, &e);
	if (rc == API_PARK) {
		struct str node = r.response.contact;
		park(s, p, &r.response);
		if (node.n)
			note_contact(s, node, p->memory);
		return;
	}
	if (rc < 0)
		api_refuse(m->api, &p->request, &e, p->memory, &r.response);
	else
		wake(s, &r.response);
	look_at_status(s, &p->request, r.response.status, r.response.body);
	sim_trace(s, "master %" STR_F " %" STR_F " %d %" STR_F, STR_A(p->request.method),
		  STR_A(str_sub(p->request.target, 0, 60)), r.response.status,
		  STR_A(str_sub(rc < 0 ? r.response.body : p->request.body, 0, 70)));
	net_answer(s, p->flight, r.response.status, r.response.body);
	if (rc >= 0 && r.response.contact.n)
		note_contact(s, r.response.contact, p->memory);
	arena_free(p->memory);
}

static void unpark(struct sim *s, void *object, uint64_t number, uint64_t is_last)
{
	struct master *m = object;
	for (size_t i = 0; i < m->parked_n && !s->is_over; i++) {
		if (m->parked[i].number != number)
			continue;
		struct parked p = m->parked[i];
		m->parked[i] = m->parked[--m->parked_n];
		run(s, &p, !is_last);
		flight_drop(s, p.flight);
		return;
	}
}

void master_take(struct sim *s, struct flight *f)
{
	struct master *m = s->master;
	struct err e = ERR_INIT;
	struct parked p = {.flight = f};
	if (s->is_over)
		return;
	if (m->is_down) {
		net_answer(s, f, 0, S(""));
		return;
	}
	SIM_TRY(s, arena_new(API_ARENA_BYTES, &p.memory, &e_));
	p.request = (struct api_request){
		.method = arena_dup(p.memory, str_from(f->method)),
		.target = arena_dup(p.memory, str_from(f->target)),
		.body = arena_dup(p.memory, str_from(f->body)),
		.content_type = S("application/json"),
		.accept = S(""),
	};
	if (api_open(m->api, &p.request, p.memory, &p.call, &e) == 0) {
		run(s, &p, true);
		return;
	}
	struct api_response out;
	api_refuse(m->api, &p.request, &e, p.memory, &out);
	sim_trace(s, "master refuses %" STR_F " %" STR_F ": %s", STR_A(p.request.method),
		  STR_A(p.request.target), e.text);
	look_at_status(s, &p.request, out.status, out.body);
	net_answer(s, f, out.status, out.body);
	arena_free(p.memory);
}

/* ---- life ---------------------------------------------------------------------------------- */

static void assess(struct sim *s, void *object, uint64_t a UNUSED, uint64_t b UNUSED)
{
	struct master *m = object;
	struct arena *memory CLEAN(arena_freep) = NULL;
	sim_at(s, s->now_ms + ASSESS_MS, assess, m, 0, 0);
	if (m->is_down || s->is_over)
		return;
	SIM_TRY(s, arena_new(API_ARENA_BYTES, &memory, &e_));
	struct run r = {.api = m->api, .memory = memory};
	SIM_TRY(s, db_write(m->db, run_assess, &r, &e_));
	wake(s, &r.response);
}

static void open_api(struct sim *s)
{
	const struct api_options o = {
		.clock = &s->clock,
		.rng = &s->master->rng.rng,
		.version = "simulated",
		.database = "sqlite",
		.mode = "local",
	};
	SIM_TRY(s, api_new(&o, &s->master->api, &e_));
}

static void hang_up(struct sim *s, struct master *m)
{
	while (m->parked_n) {
		struct parked p = m->parked[--m->parked_n];
		net_answer(s, p.flight, 0, S(""));
		flight_drop(s, p.flight);
		arena_free(p.memory);
	}
}

static void come_up(struct sim *s, void *object, uint64_t a UNUSED, uint64_t b UNUSED)
{
	struct master *m = object;
	open_api(s);
	m->is_down = false;
	sim_trace(s, "master is up");
}

static void go_down(struct sim *s, void *object, uint64_t a UNUSED, uint64_t b UNUSED)
{
	struct master *m = object;
	if (s->is_healed)
		return;
	sim_trace(s, "master goes down");
	m->is_down = true;
	hang_up(s, m);
	m->api = api_free(m->api);
	sim_at(s, s->now_ms + DOWN_MS, come_up, m, 0, 0);
	sim_at(s, s->now_ms + RESTART_EVERY_MS, go_down, m, 0, 0);
}

/* Publishing needs a child process that evaluates the profile: its rows are put in directly. */
static int add_releases(struct db_tx *tx, void *user, struct err *e)
{
	const struct sim *s = user;
	static const char *const names[SIM_RELEASES] = {"alpha", "beta", "gamma"};
	char manifest[600];
	for (unsigned i = 0; i < SIM_RELEASES; i++) {
		(void)snprintf(
			manifest, sizeof manifest,
			"{\"name\":\"%s\",\"title\":\"%s\",\"category\":\"test\","
			"\"software\":{\"debian\":{\"suite\":\"bookworm\",\"packages\":["
			"\"hello\"]}},\"types\":{\"default\":{\"parameters\":{\"type\":"
			"\"object\",\"properties\":{\"size\":{\"type\":\"integer\"}}}}}}",
			names[i], names[i]);
		struct release r = {
			.uri = str_from(uris[i]),
			.name = str_from(names[i]),
			.title = str_from(names[i]),
			.category = S("test"),
			.hash = str_sub(str_from(uris[i]), strlen(names[i]) + 12, 64),
			.manifest_json = str_from(manifest),
			.published_at_ms = s->now_ms,
		};
		if (store_release_add(tx, &r, S("{}"), e) < 0)
			return -1;
	}
	return 0;
}

void master_new(struct sim *s)
{
	struct err e = ERR_INIT;
	struct master *m = MEM_NEW(struct master, &e);
	if (!m)
		sim_die(s, "master", &e);
	s->master = m;
	rng_seeded_init(&m->rng, s->options.seed ^ 0x6d61737465720000);
	const struct db_options o = {.clock = &s->clock};
	SIM_TRY(s, db_open("sqlite::memory:", &o, &m->db, &e_));
	SIM_TRY(s, api_migrate(m->db, &e_));
	SIM_TRY(s, db_write(m->db, add_releases, s, &e_));
	open_api(s);
	sim_at(s, s->now_ms + ASSESS_MS, assess, m, 0, 0);
	if (s->options.has_master_restarts)
		sim_at(s, s->now_ms + RESTART_EVERY_MS / 2, go_down, m, 0, 0);
}

void master_free(struct sim *s)
{
	struct master *m = s->master;
	while (m->parked_n) {
		struct parked p = m->parked[--m->parked_n];
		flight_drop(s, p.flight);
		arena_free(p.memory);
	}
	api_free(m->api);
	db_close(m->db);
	mem_free(m->parked);
	mem_free(m);
}
