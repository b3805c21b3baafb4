/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * When usage is read: on a timer for all that runs, once when a deployment is proved, and a last
 * time before it is wiped.
 */
#include "agent/doer_impl.h"
#include "base/log.h"

/* For the status; -1: not known. Crew threads. */
int64_t doer_count_outbox(struct doer *d)
{
	struct err e = ERR_INIT;
	int64_t count;
	return ndb_outbox_count(d->ndb, &count, &e) < 0 ? -1 : count;
}

/* Loop thread. */
void doer_outbox_filled(struct doer *d, int64_t count)
{
	if (count >= 0)
		d->outbox_count = count;
	machine_outbox_filled(d->machine);
}

struct meter_target meter_target_of(const struct part *p, struct str guid, bool is_running)
{
	return (struct meter_target){
		.slot = p->slot,
		.partition = str_from(p->name),
		.guid = guid,
		.home = p->home,
		.is_running = is_running,
	};
}

MUST int doer_sample(struct doer *d, const struct meter_target *targets, size_t count,
		     struct err *e)
{
	(void)pthread_mutex_lock(&d->meter_lock);
	int rc = meter_sample(d->ndb, targets, count, &d->net, d->socket, d->world.clock, e);
	(void)pthread_mutex_unlock(&d->meter_lock);
	return rc;
}

struct sampling {
	struct doer *doer;
	struct meter_target *targets;
	size_t count;
	struct arena *memory;
	bool is_ok;
	int64_t outbox;
};

static void meter_work(void *user)
{
	struct sampling *m = user;
	struct err e = ERR_INIT;
	m->is_ok = doer_sample(m->doer, m->targets, m->count, &e) == 0;
	if (m->is_ok)
		m->outbox = doer_count_outbox(m->doer);
	else
		log_err(LOG_WARN, "agent.meter.failed", &e);
}

static void meter_done(void *user)
{
	struct sampling *m = user;
	struct doer *d = m->doer;
	d->samplings--;
	if (m->is_ok)
		doer_outbox_filled(d, m->outbox);
	doer_changed(d);
	arena_free(m->memory);
}

static void meter_drop(void *user)
{
	struct sampling *m = user;
	arena_free(m->memory);
}

static void list_targets(struct sampling *m)
{
	struct doer *d = m->doer;
	for (size_t i = 0; i < d->part_count; i++) {
		const struct plan_partition *f = machine_facts(d->machine, i);
		/* One that is being changed is read next time: nothing of the span is lost. */
		if (f->is_busy || !f->has_traces || !d->parts[i].memory)
			continue;
		struct str guid = arena_dup(m->memory, d->parts[i].guid);
		m->targets[m->count++] = meter_target_of(&d->parts[i], guid, f->is_running);
	}
}

/* Begins one sampling of what m lists. */
static void start_sampling(struct sampling *m)
{
	struct err e = ERR_INIT;
	if (m->count == 0 ||
	    crew_do(m->doer->work, meter_work, meter_done, meter_drop, m, &e) < 0)
		arena_free(m->memory);
	else
		m->doer->samplings++;
}

static struct sampling *sampling_new(struct doer *d, size_t count)
{
	struct arena *a = NULL;
	struct err e = ERR_INIT;
	if (arena_new(16 << 20, &a, &e) < 0)
		return NULL;
	struct sampling *m = ARENA_NEW(a, struct sampling);
	struct meter_target *targets = ARENA_ARRAY(a, struct meter_target, count);
	ASSERT(m && targets);
	*m = (struct sampling){.doer = d, .memory = a, .targets = targets};
	return m;
}

/* The first reading of a fresh deployment: usage is counted from here. */
void doer_sample_first(struct doer *d, const struct part *p)
{
	struct sampling *m = d->meter_every_ms && p->memory ? sampling_new(d, 1) : NULL;
	if (!m)
		return;
	m->targets[m->count++] = meter_target_of(p, arena_dup(m->memory, p->guid), true);
	start_sampling(m);
}

void doer_meter_tick(void *user)
{
	struct doer *d = user;
	struct sampling *m = d->samplings ? NULL : sampling_new(d, d->part_count);
	if (!m)
		return;
	list_targets(m);
	start_sampling(m);
}
