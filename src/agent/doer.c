/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * The doer's life: what it holds, how it starts from what the node knows, how it ends.
 */
#include "agent/doer.h"

#include "agent/doer_impl.h"
#include "agent/meter.h"
#include "base/file.h"
#include "base/log.h"
#include "base/mem.h"
#include "supervise/supervise.h"

void doer_changed(struct doer *d)
{
	if (d->on_change)
		d->on_change(d->on_change_user);
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
	d->keys = o->keys;
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
		.step = doer_step,
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
		.talkers = d->talkers,
		.keys = d->keys,
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

/* Keys are shown to a master of https only: a local one knows nobody. */
static int open_talkers(struct doer *d, struct err *e)
{
	bool is_tls = d->master && str_starts(str_from(d->master), S("https://"));
	const struct talkers_options o = {
		.master = d->master,
		.keys = is_tls ? d->keys : NULL,
		.ndb = d->ndb,
		.node = str_from(d->node),
		.clock = clock_system(),
		.clients = DOER_CLIENTS,
	};
	if (!d->master)
		return 0;
	if (is_tls && !d->keys)
		return err_fail(e, ERR_NOT_FOUND,
				"this node has no keys for %s: run `hoc node join` first",
				d->master);
	return talkers_new(&o, &d->talkers, e);
}

static int open_all(struct doer *d, struct err *e)
{
	const struct profile_eval_options eo = {.program = d->program};
	const struct supervise_client_handlers handlers = {
		.connected = doer_supervisor_connected,
		.disconnected = doer_supervisor_lost,
		.event = doer_supervisor_event,
		.user = d,
	};
	if (profile_eval_new(&eo, &d->eval, e) < 0 || open_talkers(d, e) < 0 ||
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
	talkers_cancel(d->talkers);
	crew_free(d->talk);
	crew_free(d->work);
	for (size_t i = 0; i < DOER_RELEASES_MAX; i++)
		build_free(d->builds[i]);
	supervise_client_free(d->supervisor);
	ev_watch_free(d->wake);
	ev_watch_free(d->meter);
	ev_watch_free(d->renew);
	ev_watch_free(d->delegation);
	machine_free(d->machine);
	for (size_t i = 0; i < d->part_count; i++)
		part_fini(&d->parts[i]);
	mem_free(d->parts);
	profile_eval_free(d->eval);
	talkers_free(d->talkers);
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
	/* After a boot the supervisor has only begun to start them. */
	if (rc == 0)
		p->probe_until_ms = clock_now_ms(d->world.clock) + doer_patience_ms(&p->spec);
	facts.probe_until_ms = p->probe_until_ms;
	if (rc == 0 && !doer_misses_service(p, services))
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
	if (doer_keys(d) && (doer_renew_start(d, e) < 0 || doer_authority_start(d, e) < 0))
		return -1;
	if (!d->meter_every_ms)
		return 0;
	return ev_timer_every(d->ev, d->meter_every_ms, d->meter_every_ms, doer_meter_tick, d,
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

bool doer_is_settled(const struct doer *d)
{
	return !d->renewal && machine_is_settled(d->machine);
}

struct keys *doer_keys(const struct doer *d)
{
	return d->talkers ? talkers_keys(d->talkers) : NULL;
}

void doer_trouble(const struct doer *d, char out[static CLOUD_TEXT_MAX])
{
	out[0] = 0;
	if (d->talkers)
		talkers_trouble(d->talkers, out);
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
