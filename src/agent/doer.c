/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * Steps of partitions on this host, and the doer's life.
 */
#include "agent/doer.h"

#include "agent/doer_impl.h"
#include "agent/meter.h"
#include "base/file.h"
#include "base/log.h"
#include "base/mem.h"
#include "supervise/supervise.h"

enum { STEP_MEMORY = 48 << 20, CHECKS_AT_ONCE = 4, SETTLE_MS = 30000 };

void doer_changed(struct doer *d)
{
	if (d->on_change)
		d->on_change(d->on_change_user);
}

/* ---- one step ------------------------------------------------------------------------------ */

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

static int64_t longest_ready_ms(const struct profile_spec *spec)
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
	p->probe_until_ms = clock_now_ms(d->world.clock) + longest_ready_ms(&p->spec);
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

static struct meter_target target_of(const struct part *p, struct str guid, bool is_running)
{
	return (struct meter_target){
		.slot = p->slot,
		.partition = str_from(p->name),
		.guid = guid,
		.home = p->home,
		.is_running = is_running,
	};
}

static int sample(struct doer *d, const struct meter_target *targets, size_t count,
		  struct err *e)
{
	(void)pthread_mutex_lock(&d->meter_lock);
	int rc = meter_sample(d->ndb, targets, count, &d->net, d->socket, d->world.clock, e);
	(void)pthread_mutex_unlock(&d->meter_lock);
	return rc;
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
	struct meter_target target = target_of(s->part, s->wish.guid, s->is_running);
	s->has_news = d->meter_every_ms && s->part->memory;
	if (s->has_news && sample(d, &target, 1, &unmetered) < 0)
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

/* For the status; -1: not known. Crew threads. */
static int64_t count_outbox(struct doer *d)
{
	struct err e = ERR_INIT;
	int64_t count;
	return ndb_outbox_count(d->ndb, &count, &e) < 0 ? -1 : count;
}

/* Loop thread. */
static void outbox_filled(struct doer *d, int64_t count)
{
	if (count >= 0)
		d->outbox_count = count;
	machine_outbox_filled(d->machine);
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
		s->outbox = count_outbox(s->doer);
}

static void sample_first(struct doer *d, const struct part *p);

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
		sample_first(d, s->part);
	machine_step_done(d->machine, s->part->slot, s->kind, &s->result);
	if (s->has_news)
		outbox_filled(d, s->outbox);
	doer_changed(d);
	arena_free(s->memory);
}

static void step_drop(void *user)
{
	struct step *s = user;
	arena_free(s->memory);
}

static void do_step(void *user, size_t slot, enum plan_step_kind kind,
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

/* ---- the other effects --------------------------------------------------------------------- */

static void wake(void *user)
{
	struct doer *d = user;
	machine_tick(d->machine);
	doer_changed(d);
}

static void wake_at(void *user, int64_t at_ms)
{
	struct doer *d = user;
	int64_t after_ms = at_ms - clock_now_ms(d->world.clock);
	ev_timer_again(d->wake, MAX_OF(after_ms, (int64_t)0));
}

struct forgetting {
	struct doer *doer;
	size_t slot;
	char guid[64];
};

static void forget_work(void *user)
{
	struct forgetting *f = user;
	struct err e = ERR_INIT;
	if (ndb_forget(f->doer->ndb, f->slot, str_from(f->guid), &e) < 0)
		log_err(LOG_WARN, "agent.store.failed", &e);
}

static void forget(void *user, size_t slot, struct str guid)
{
	struct doer *d = user;
	struct err e = ERR_INIT;
	struct forgetting *f = MEM_NEW(struct forgetting, &e);
	ASSERT(f);
	*f = (struct forgetting){.doer = d, .slot = slot};
	(void)snprintf(f->guid, sizeof f->guid, "%" STR_F, STR_A(guid));
	if (crew_do(d->work, forget_work, mem_free, mem_free, f, &e) < 0)
		mem_free(f); /* the row stays; the master will say again that it is gone */
}

/* ---- the supervisor ------------------------------------------------------------------------ */

static struct part *part_of(struct doer *d, struct str id)
{
	struct str rest = id, name;
	if (!str_split(&rest, '/', &name))
		return NULL;
	for (size_t i = 0; i < d->part_count; i++)
		if (str_is(name, d->parts[i].name))
			return &d->parts[i];
	return NULL;
}

static void supervisor_event(void *user, const struct supervise_event *event)
{
	struct doer *d = user;
	struct part *p = part_of(d, event->id);
	if (!p || event->kind != SUPERVISE_EVENT_EXITED)
		return;
	char message[120];
	if (event->signal)
		(void)snprintf(message, sizeof message, "killed by signal %lld",
			       (long long)event->signal);
	else
		(void)snprintf(message, sizeof message, "exited with %lld",
			       (long long)event->exit_code);
	struct str service = str_sub(event->id, strlen(p->name) + 1, event->id.n);
	log_event(LOG_WARN, "agent.service.died", KV_S("service", event->id),
		  KV_C("how", message));
	part_add_incident(p, service, str_from(message), event->at_ms);
	machine_nudge(d->machine, p->slot, true, clock_now_ms(d->world.clock));
	doer_changed(d);
}

/* A service of an applied spec that the supervisor does not own any more. */
static bool misses_service(const struct part *p, const struct supervise_reply *reply)
{
	for (size_t i = 0; i < p->spec.service_count; i++) {
		bool is_found = false;
		for (size_t k = 0; k < reply->service_count && !is_found; k++) {
			const struct supervise_status *s = &reply->services[k];
			struct str name = str_sub(s->id, strlen(p->name) + 1, s->id.n);
			is_found = str_starts(s->id, str_from(p->name)) &&
				   str_eq(name, p->spec.services[i].name) &&
				   s->state != SUPERVISE_DOWN;
		}
		if (!is_found)
			return true;
	}
	return p->spec.service_count == 0 && p->memory == NULL;
}

static void supervisor_listed(void *user, const struct supervise_reply *reply)
{
	struct doer *d = user;
	if (reply->error.kind != ERR_NONE)
		return;
	for (size_t i = 0; i < d->part_count; i++) {
		const struct plan_partition *f = machine_facts(d->machine, i);
		if (!f->is_busy && f->is_running && misses_service(&d->parts[i], reply))
			machine_nudge(d->machine, i, false, PLAN_NEVER);
	}
	doer_changed(d);
}

static void supervisor_connected(void *user, const struct supervise_hello *hello UNUSED)
{
	struct doer *d = user;
	const struct supervise_request list = {.verb = SUPERVISE_LIST};
	struct err e = ERR_INIT;
	d->has_supervisor = true;
	if (supervise_request(d->supervisor, &list, 0, supervisor_listed, d, &e) < 0)
		log_err(LOG_WARN, "agent.supervisor.lost", &e);
}

static void supervisor_lost(void *user, const struct err *why)
{
	struct doer *d = user;
	d->has_supervisor = false;
	log_err(LOG_WARN, "agent.supervisor.lost", why);
	if (d->on_lost)
		d->on_lost(d->on_lost_user);
	doer_changed(d);
}

/* ---- the meter ----------------------------------------------------------------------------- */

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
	m->is_ok = sample(m->doer, m->targets, m->count, &e) == 0;
	if (m->is_ok)
		m->outbox = count_outbox(m->doer);
	else
		log_err(LOG_WARN, "agent.meter.failed", &e);
}

static void meter_done(void *user)
{
	struct sampling *m = user;
	struct doer *d = m->doer;
	d->samplings--;
	if (m->is_ok)
		outbox_filled(d, m->outbox);
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
		m->targets[m->count++] = target_of(&d->parts[i], guid, f->is_running);
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
static void sample_first(struct doer *d, const struct part *p)
{
	struct sampling *m = d->meter_every_ms && p->memory ? sampling_new(d, 1) : NULL;
	if (!m)
		return;
	m->targets[m->count++] = target_of(p, arena_dup(m->memory, p->guid), true);
	start_sampling(m);
}

static void meter_tick(void *user)
{
	struct doer *d = user;
	struct sampling *m = d->samplings ? NULL : sampling_new(d, d->part_count);
	if (!m)
		return;
	list_targets(m);
	start_sampling(m);
}

/* ---- life ---------------------------------------------------------------------------------- */

static char *copy(const char *text, struct err *e)
{
	return text ? mem_dup(text, strlen(text), e) : NULL;
}

static int copy_options(struct doer *d, const struct doer_options *o, struct err *e)
{
	struct arena *a CLEAN(arena_freep) = NULL;
	if (arena_new(65536, &a, e) < 0)
		return -1;
	d->net = o->net;
	d->steps_max = o->steps_max;
	d->meter_every_ms = o->meter_every_ms;
	d->poll_for_ms = o->poll_for_ms;
	d->dir = copy(o->dir, e);
	d->program = copy(o->program, e);
	d->node = mem_dup(o->node.p, o->node.n, e);
	d->socket = copy(supervise_socket_path(a, str_from(o->dir)).p, e);
	d->master = copy(o->master, e);
	bool has_all =
		d->dir && d->program && d->node && d->socket && (d->master || !o->master);
	return has_all ? 0 : -1;
}

static void set_world(struct doer *d)
{
	d->world = (struct machine_world){
		.user = d,
		.clock = clock_system(),
		.rng = rng_system(),
		.send = doer_send,
		.step = do_step,
		.release_step = doer_release_step,
		.flush = doer_flush,
		.wake_at = wake_at,
		.forget = forget,
	};
	d->deploy = (struct deploy){
		.node_dir = d->dir,
		.node = d->node,
		.supervisor = d->socket,
		.ndb = d->ndb,
		.eval = d->eval,
		.master = d->master,
		.clock = d->world.clock,
		.rng = d->world.rng,
	};
}

static int open_parts(struct doer *d, struct err *e)
{
	struct arena *a CLEAN(arena_freep) = NULL;
	struct ndb_partition *rows;
	size_t count;
	if (arena_new(64 << 20, &a, e) < 0 || ndb_partitions(d->ndb, a, &rows, &count, e) < 0)
		return -1;
	if (!count)
		return err_fail(e, ERR_NOT_FOUND, "no node in %s: run `hoc node format` first",
				d->dir);
	d->parts = mem_new(count * sizeof *d->parts, e);
	const struct machine_options mo = {
		.node = str_from(d->node),
		.partitions = count,
		.releases_max = DOER_RELEASES_MAX,
		.steps_max = d->steps_max,
		.poll_for_ms = d->poll_for_ms,
	};
	if (!d->parts || machine_new(&mo, &d->world, &d->machine, e) < 0)
		return -1;
	for (; d->part_count < count; d->part_count++) {
		struct part *p = &d->parts[d->part_count];
		ASSERT(rows[d->part_count].slot == (int64_t)d->part_count);
		if (part_init(p, d->dir, &rows[d->part_count], &d->net, e) < 0 ||
		    machine_name_partition(d->machine, d->part_count, str_from(p->name), e) < 0)
			return -1;
		p->has_network = true;
	}
	return 0;
}

static int open_all(struct doer *d, struct err *e)
{
	const struct profile_eval_options eo = {.program = d->program};
	const struct supervise_client_handlers handlers = {
		.connected = supervisor_connected,
		.disconnected = supervisor_lost,
		.event = supervisor_event,
		.user = d,
	};
	if (profile_eval_new(&eo, &d->eval, e) < 0 ||
	    talkers_init(&d->talkers, d->master, e) < 0 ||
	    crew_new(d->ev, d->steps_max, &d->work, e) < 0 ||
	    crew_new(d->ev, DOER_TALKERS, &d->talk, e) < 0)
		return -1;
	set_world(d);
	/* A timer is made idle and set by wake_at. */
	if (open_parts(d, e) < 0 || ev_timer(d->ev, 0, wake, d, &d->wake, e) < 0)
		return -1;
	ev_timer_stop(d->wake);
	return supervise_client_new(d->ev, d->socket, &handlers, &d->supervisor, e);
}

MUST int doer_new(struct ev *ev, const struct doer_options *o, struct ndb *ndb,
		  struct doer **out, struct err *e)
{
	struct doer *d = MEM_NEW(struct doer, e);
	if (!d)
		return -1;
	d->ev = ev;
	d->ndb = ndb;
	(void)pthread_mutex_init(&d->meter_lock, NULL);
	(void)pthread_mutex_init(&d->talkers.lock, NULL);
	if (copy_options(d, o, e) < 0 || open_all(d, e) < 0) {
		doer_free(d);
		return -1;
	}
	*out = d;
	return 0;
}

struct doer *doer_free(struct doer *d)
{
	if (!d)
		return NULL;
	talkers_cancel(&d->talkers);
	crew_free(d->talk);
	crew_free(d->work);
	for (size_t i = 0; i < DOER_RELEASES_MAX; i++)
		build_free(d->builds[i]);
	supervise_client_free(d->supervisor);
	ev_watch_free(d->wake);
	ev_watch_free(d->meter);
	machine_free(d->machine);
	for (size_t i = 0; i < d->part_count; i++)
		part_fini(&d->parts[i]);
	mem_free(d->parts);
	profile_eval_free(d->eval);
	talkers_fini(&d->talkers);
	(void)pthread_mutex_destroy(&d->meter_lock);
	mem_free(d->dir);
	mem_free(d->program);
	mem_free(d->node);
	mem_free(d->socket);
	mem_free(d->master);
	mem_free(d);
	return NULL;
}

/* ---- start --------------------------------------------------------------------------------- */

/* The release is on disk if its build left its record. */
static int restore_release(struct doer *d, struct str release, struct arena *a, struct err *e)
{
	struct profile_ref ref;
	struct profile_built built;
	struct err ignored = ERR_INIT;
	if (profile_ref_parse(release, &ref, &ignored) < 0 || ref.kind != PROFILE_REF_URI)
		return 0;
	if (profile_build_find(d->dir, ref.hash, a, &built, &ignored) != 0)
		return 0;
	return machine_restore_release(d->machine, release, e);
}

static int restore_wish(struct doer *d, const struct ndb_wish *w,
			const struct supervise_reply *services, struct arena *a, struct err *e)
{
	struct part *p = &d->parts[w->slot];
	/* Services count as running until stopped: some may, also of a wish that half failed. */
	struct plan_partition facts = {
		.has_traces = true, .is_net_up = true, .is_running = true, .check_due_ms = 0};
	struct err unread = ERR_INIT;
	int rc = w->applied_version ? deploy_restore(&d->deploy, p, &w->wish, &unread) : 1;
	if (rc < 0)
		log_err(LOG_WARN, "agent.spec.unreadable", &unread, KV_C("partition", p->name));
	if (rc == 0 && !misses_service(p, services))
		facts.applied_version = w->applied_version;
	if (restore_release(d, w->wish.release, a, e) < 0)
		return -1;
	return machine_restore(d->machine, (size_t)w->slot, &w->wish, &facts, w->connection, e);
}

static int restore(struct doer *d, struct err *e)
{
	struct arena *a CLEAN(arena_freep) = NULL;
	struct ndb_wish *wishes;
	size_t count;
	struct supervise_reply services;
	const struct supervise_request list = {.verb = SUPERVISE_LIST};
	if (arena_new(256 << 20, &a, e) < 0 || ndb_wishes(d->ndb, a, &wishes, &count, e) < 0 ||
	    ndb_outbox_count(d->ndb, &d->outbox_count, e) < 0 ||
	    supervise_call(d->socket, &list, 10000, a, &services, e) < 0)
		return -1;
	for (size_t i = 0; i < count; i++)
		if ((size_t)wishes[i].slot < d->part_count &&
		    restore_wish(d, &wishes[i], &services, a, e) < 0)
			return -1;
	return 0;
}

MUST int doer_start(struct doer *d, struct str format_body, struct str node_body, struct err *e)
{
	if (restore(d, e) < 0 ||
	    machine_start(d->machine, format_body, node_body, !d->master, e) < 0)
		return -1;
	if (d->outbox_count)
		machine_outbox_filled(d->machine);
	if (!d->meter_every_ms)
		return 0;
	return ev_timer_every(d->ev, d->meter_every_ms, d->meter_every_ms, meter_tick, d,
			      &d->meter, e);
}

/* ---- views --------------------------------------------------------------------------------- */

struct machine *doer_machine(struct doer *d)
{
	return d->machine;
}

const struct part *doer_part(const struct doer *d, size_t slot)
{
	return &d->parts[slot];
}

bool doer_progress(const struct doer *d, size_t i, struct profile_progress *out)
{
	if (i >= DOER_RELEASES_MAX || !d->builds[i] || d->builds[i]->is_removal)
		return false;
	*out = d->builds[i]->progress;
	return true;
}

bool doer_has_supervisor(const struct doer *d)
{
	return d->has_supervisor;
}

int64_t doer_outbox_count(const struct doer *d)
{
	return d->outbox_count;
}

void doer_on_change(struct doer *d, ev_fn *fn, void *user)
{
	d->on_change = fn;
	d->on_change_user = user;
}

void doer_on_supervisor_lost(struct doer *d, ev_fn *fn, void *user)
{
	d->on_lost = fn;
	d->on_lost_user = user;
}
