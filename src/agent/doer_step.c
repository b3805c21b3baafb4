/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * Steps of partitions: each is carried out by a thread of the `work` crew, and told to the
 * machine in the loop.
 */
#include "agent/certs.h"
#include "agent/doer_impl.h"
#include "base/log.h"

enum { STEP_MEMORY = 48 << 20, CHECKS_AT_ONCE = 4, SETTLE_MS = 30000 };

struct step {
	struct doer *doer;
	struct part *part;
	enum plan_step_kind kind;
	struct machine_wish wish;
	struct arena *memory;
	struct machine_result result;
	struct err error;
	bool is_running; /* as the machine saw it when the step began */
	bool has_news;	 /* something was put in the outbox, */
	int64_t outbox;	 /* which then has so many rows */
};

int64_t doer_patience_ms(const struct profile_spec *spec)
{
	int64_t seconds = 0;
	for (size_t i = 0; i < spec->service_count; i++)
		seconds = MAX_OF(seconds, spec->services[i].ready_seconds);
	return MAX_OF(seconds * 1000, (int64_t)SETTLE_MS);
}

static int apply(struct step *s, struct err *e)
{
	struct doer *d = s->doer;
	struct part *p = s->part;
	if (ndb_save_wish(d->ndb, p->slot, &s->wish, e) < 0)
		return -1;
	if (deploy_apply(&d->deploy, p, &s->wish, s->memory, &s->result.connection, e) < 0)
		return -1;
	s->has_news = d->keys != NULL; /* of who may not read, perhaps */
	p->probe_until_ms = clock_now_ms(d->world.clock) + doer_patience_ms(&p->spec);
	s->result.probe_until_ms = p->probe_until_ms;
	return 0;
}

/* Tests of a deployment, or the promises that are due. */
static int check(struct step *s, bool is_test, struct err *e)
{
	struct doer *d = s->doer;
	bool is_kept = true;
	char *message = arena_alloc(s->memory, CHECK_MESSAGE_SIZE);
	if (!message)
		return arena_check(s->memory, e);
	int rc = part_check(s->part, d->ndb, d->socket, d->world.clock, is_test, CHECKS_AT_ONCE,
			    &is_kept, &s->result.check_due_ms, message, e);
	if (rc < 0)
		return -1;
	s->has_news = rc > 0;
	rc = is_test ? 0 : certs_renew(&d->deploy, s->part, &s->wish, s->memory, e);
	if (rc < 0)
		return -1;
	s->has_news = s->has_news || d->keys != NULL;
	s->result.check_due_ms = MIN_OF(s->result.check_due_ms, certs_due_ms(s->part));
	s->result.message = str_from(message);
	if (is_test)
		s->result.outcome = is_kept ? PLAN_OK : PLAN_NOT_YET;
	const char *repair = is_test ? NULL : part_repair(s->part);
	if (!repair)
		return 0;
	log_event(LOG_WARN, "agent.promise.repair", KV_C("partition", s->part->name),
		  KV_C("service", repair));
	return deploy_restart(&d->deploy, s->part, str_from(repair), e);
}

static int bring_network_up(struct step *s, struct err *e)
{
	unsigned slot = (unsigned)s->part->slot;
	if (s->part->has_network)
		return 0;
	int rc = netns_up(&s->doer->net, &slot, 1, e);
	s->part->has_network = rc >= 0;
	return rc < 0 ? -1 : 0;
}

/* A new network for the next instance, made at once: its order then need not wait for it. */
static int renew_network(struct step *s, struct err *e)
{
	unsigned slot = (unsigned)s->part->slot;
	struct err later = ERR_INIT; /* it is made, or fails, before it is needed */
	s->part->has_network = false;
	if (netns_down(&s->doer->net, &slot, 1, e) < 0)
		return -1;
	(void)!bring_network_up(s, &later);
	return 0;
}

static int wipe(struct step *s, struct err *e)
{
	struct doer *d = s->doer;
	struct err unmetered = ERR_INIT;
	if (ndb_save_wish(d->ndb, s->part->slot, &s->wish, e) < 0)
		return -1;
	/* The last span is worth having, but no reason to keep what must go. */
	struct meter_target target = meter_target_of(s->part, s->wish.guid, s->is_running);
	s->has_news = d->meter_every_ms && s->part->memory;
	if (s->has_news && doer_sample(d, &target, 1, &unmetered) < 0)
		log_err(LOG_WARN, "agent.meter.failed", &unmetered);
	if (deploy_wipe(&d->deploy, s->part, e) < 0)
		return -1;
	return renew_network(s, e);
}

static int carry_out(struct step *s, struct err *e)
{
	struct doer *d = s->doer;
	switch (s->kind) {
	case PLAN_NET_UP:
		return bring_network_up(s, e);
	case PLAN_APPLY:
		return apply(s, e);
	case PLAN_PROBE:
		s->result.outcome =
			deploy_is_ready(&d->deploy, s->part) ? PLAN_OK : PLAN_NOT_YET;
		s->result.message = S("services are not ready");
		return 0;
	case PLAN_TEST:
		return check(s, true, e);
	case PLAN_CHECK:
		return check(s, false, e);
	case PLAN_STOP:
		if (ndb_save_wish(d->ndb, s->part->slot, &s->wish, e) < 0)
			return -1;
		return deploy_stop(&d->deploy, s->part, e);
	case PLAN_WIPE:
		return wipe(s, e);
	case PLAN_WAIT:
	case PLAN_REPORT:
	case PLAN_STEP_KINDS:
		break;
	}
	return err_fail(e, ERR_INTERNAL, "no such step");
}

static void step_work(void *user)
{
	struct step *s = user;
	s->result.outcome = PLAN_OK;
	s->result.check_due_ms = PLAN_NEVER;
	if (carry_out(s, &s->error) < 0) {
		s->result.outcome = PLAN_FAILED;
		s->result.message = str_from(s->error.text);
		s->result.check_due_ms = clock_now_ms(s->doer->world.clock) + 60000;
	}
	if (s->has_news)
		s->outbox = doer_count_outbox(s->doer);
}

static void step_done(void *user)
{
	struct step *s = user;
	struct doer *d = s->doer;
	if (s->result.outcome == PLAN_FAILED)
		log_err(LOG_WARN, "agent.step.failed", &s->error,
			KV_C("partition", s->part->name),
			KV_C("step", plan_step_name(s->kind)));
	else
		log_event(LOG_DEBUG, "agent.step.done", KV_C("partition", s->part->name),
			  KV_C("step", plan_step_name(s->kind)),
			  KV_I("outcome", (int64_t)s->result.outcome));
	if (s->kind == PLAN_TEST && s->result.outcome == PLAN_OK)
		doer_sample_first(d, s->part);
	/* First: that promises are kept is told before that the instance is started. */
	if (s->has_news)
		doer_outbox_filled(d, s->outbox);
	machine_step_done(d->machine, s->part->slot, s->kind, &s->result);
	doer_changed(d);
	arena_free(s->memory);
}

static void step_drop(void *user)
{
	struct step *s = user;
	arena_free(s->memory);
}

void doer_step(void *user, size_t slot, enum plan_step_kind kind,
	       const struct machine_wish *wish)
{
	struct doer *d = user;
	struct arena *a = NULL;
	struct err e = ERR_INIT;
	ASSERT(arena_new(STEP_MEMORY, &a, &e) == 0);
	struct step *s = ARENA_NEW(a, struct step);
	ASSERT(s);
	*s = (struct step){
		.doer = d, .part = &d->parts[slot], .kind = kind, .memory = a, .wish = *wish};
	s->is_running = machine_facts(d->machine, slot)->is_running;
	s->wish.guid = arena_dup(a, wish->guid);
	s->wish.title = arena_dup(a, wish->title);
	s->wish.tree = arena_dup(a, wish->tree);
	s->wish.release = arena_dup(a, wish->release);
	s->wish.type = arena_dup(a, wish->type);
	s->wish.parameters = arena_dup(a, wish->parameters);
	s->wish.shared = arena_dup(a, wish->shared);
	ASSERT(arena_check(a, &e) == 0);
	if (crew_do(d->work, step_work, step_done, step_drop, s, &e) < 0) {
		s->error = e;
		s->result = (struct machine_result){.outcome = PLAN_FAILED,
						    .message = str_from(s->error.text),
						    .check_due_ms = PLAN_NEVER};
		ASSERT(ev_post(d->ev, step_done, s, &e) == 0);
	}
}
