/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * The network between everybody and the master. A request may be lost, delivered twice, late;
 * its answer may be lost; a node may be cut off for a while. Whoever asked hears exactly once:
 * an answer, a broken connection, or the silence of its time-out.
 */
#include "sim.h"

#include <string.h>

enum { LOST = 20, DOUBLED = 15, LATE_MS = 80 };

void flight_hold(struct flight *f)
{
	f->references++;
}

void flight_drop(struct sim *s, struct flight *f)
{
	if (--f->references)
		return;
	s->flights--;
	mem_free(f->target);
	mem_free(f->body);
	mem_free(f);
}

static void tell(struct sim *s, struct flight *f, int status, struct str body)
{
	if (f->is_answered || s->is_over)
		return;
	f->is_answered = true;
	f->answer(s, f->owner, f->life, f->token, status, body);
}

static void time_out(struct sim *s, void *object, uint64_t a UNUSED, uint64_t b UNUSED)
{
	struct flight *f = object;
	tell(s, f, 0, S(""));
	flight_drop(s, f);
}

static void arrive(struct sim *s, void *object, uint64_t a UNUSED, uint64_t b UNUSED)
{
	struct flight *f = object;
	master_take(s, f);
	flight_drop(s, f);
}

static bool is_cut(const struct sim *s, const struct flight *f)
{
	return f->cut_until_ms && *f->cut_until_ms > s->now_ms;
}

static void deliver(struct sim *s, struct flight *f)
{
	flight_hold(f);
	sim_at(s, s->now_ms + sim_between(s, 1, LATE_MS), arrive, f, 0, 0);
}

/* A connection that breaks is mostly noticed soon, else by the time-out. */
static void lose(struct sim *s, struct flight *f)
{
	s->stats.lost++;
	if (sim_between(s, 0, 3) == 0)
		return;
	flight_hold(f);
	sim_at(s, s->now_ms + sim_between(s, 1, 3000), time_out, f, 0, 0);
}

void net_send(struct sim *s, const struct net_request *r)
{
	struct err e = ERR_INIT;
	struct flight *f = MEM_NEW(struct flight, &e);
	if (!f)
		sim_die(s, "flight", &e);
	*f = (struct flight){
		.references = 1,
		.owner = r->owner,
		.life = r->life,
		.token = r->token,
		.answer = r->answer,
		.cut_until_ms = r->cut_until_ms,
		.timeout_at_ms = s->now_ms + r->timeout_ms,
		.method = r->method,
		.target = mem_dup(r->target.p, r->target.n, &e),
		.body = mem_dup(r->body.p, r->body.n, &e),
	};
	s->flights++;
	s->flights_max = MAX_OF(s->flights, s->flights_max);
	s->stats.requests++;
	sim_at(s, f->timeout_at_ms, time_out, f, 0, 0);
	if (is_cut(s, f) || sim_chance(s, LOST)) {
		lose(s, f);
		return;
	}
	deliver(s, f);
	if (sim_chance(s, DOUBLED)) {
		s->stats.doubled++;
		deliver(s, f);
	}
}

struct reply {
	struct flight *flight;
	int status;
	size_t n;
	char text[];
};

static void come_back(struct sim *s, void *object, uint64_t a UNUSED, uint64_t b UNUSED)
{
	struct reply *r = object;
	struct flight *f = r->flight;
	if (is_cut(s, f) && !s->is_over)
		lose(s, f);
	else
		tell(s, f, r->status, str_of(r->text, r->n));
	flight_drop(s, f);
	mem_free(r);
}

void net_answer(struct sim *s, struct flight *f, int status, struct str body)
{
	struct err e = ERR_INIT;
	if (status && sim_chance(s, LOST)) {
		lose(s, f);
		return;
	}
	struct reply *r = mem_new(sizeof *r + body.n + 1, &e);
	if (!r)
		sim_die(s, "reply", &e);
	flight_hold(f);
	*r = (struct reply){.flight = f, .status = status, .n = body.n};
	if (body.n)
		memcpy(r->text, body.p, body.n);
	sim_at(s, s->now_ms + sim_between(s, 1, LATE_MS), come_back, r, 0, 0);
}
