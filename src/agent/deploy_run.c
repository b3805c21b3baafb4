/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * Containers of a partition: setup steps, commands of promises, services.
 */
#include "agent/deploy_impl.h"

#include <poll.h>
#include <signal.h>

#include "base/fail.h"
#include "base/file.h"
#include "supervise/client.h"
#include "supervise/oci.h"

enum {
	SETUP_TIMEOUT_MS = 600000,
	CALL_TIMEOUT_MS = 20000,
	REMOVE_TIMEOUT_MS = 3700000, /* the longest stop_seconds, and some */
	OUTPUT_MAX = 16384,
	TAIL_MAX = 300,
};

/* ---- bundles -------------------------------------------------------------------------------
 */

static const char *const *argv_of(const struct spec_list *list, struct arena *a)
{
	const char **v = ARENA_ARRAY(a, const char *, list->count + 1);
	for (size_t i = 0; v && i < list->count; i++)
		v[i] = arena_cstr(a, list->items[i]);
	return v;
}

static const char *const *env_of(const struct spec_pairs *env, struct arena *a)
{
	const char **v = ARENA_ARRAY(a, const char *, env->count + 1);
	for (size_t i = 0; v && i < env->count; i++)
		v[i] = arena_fmt(a, "%" STR_F "=%" STR_F, STR_A(env->items[i].key),
				 STR_A(env->items[i].value))
			       .p;
	return v;
}

/* Writes the bundle of a command; 1 if it was the same already. */
static int put_bundle(const struct part *p, const struct deploy_plan *plan, const char *dir,
		      const struct spec_list *exec, const struct spec_pairs *env,
		      const struct spec_limits *limits, struct arena *a, struct err *e)
{
	struct oci_service s = {
		.rootfs = plan->rootfs,
		.home = p->home,
		.argv = argv_of(exec, a),
		.env = env ? env_of(env, a) : NULL,
		.hostname = p->name,
		.joins_network = true,
		.uid_base = p->uid_base,
		.uid = DEPLOY_UID,
		.gid = DEPLOY_UID,
	};
	if (limits) {
		s.memory_bytes = limits->memory_mib << 20;
		s.cpu_milli = limits->cpu_milli;
		s.pids = limits->pids;
	}
	if (arena_check(a, e) < 0 || file_mkdirs(dir, 0700, e) < 0)
		return -1;
	return oci_bundle_write(dir, &s, e);
}

static const char *sub_dir(const char *dir, const char *kind, struct str name, struct arena *a)
{
	return arena_fmt(a, "%s/%s%s%" STR_F, dir, kind, kind[0] ? "/" : "", STR_A(name)).p;
}

static int call(const struct deploy *d, const struct supervise_request *rq, int64_t timeout_ms,
		struct arena *a, struct supervise_reply *reply, struct err *e)
{
	return supervise_call(d->supervisor, rq, timeout_ms, a, reply, e);
}

/* ---- setup ---------------------------------------------------------------------------------
 */

static int run_step(const struct deploy *d, const struct part *p,
		    const struct deploy_plan *plan, const struct spec_step *step,
		    struct arena *a, struct err *e)
{
	const char *dir = sub_dir(p->runs, "setup", step->name, a);
	if (put_bundle(p, plan, dir, &step->exec, &step->env, NULL, a, e) < 0)
		return -1;
	struct supervise_run_spec run = {
		.partition = str_from(p->name),
		.bundle = str_from(dir),
		.netns = str_from(p->netns),
		.timeout_ms = SETUP_TIMEOUT_MS,
		.output_max_bytes = OUTPUT_MAX,
		.log = arena_fmt(a, "%s/setup.log", p->dir),
	};
	const struct supervise_request rq = {.verb = SUPERVISE_RUN, .run = &run};
	struct supervise_reply reply;
	if (call(d, &rq, SETUP_TIMEOUT_MS + CALL_TIMEOUT_MS, a, &reply, e) < 0)
		return err_in(e, "setup step %" STR_F, STR_A(step->name));
	const struct supervise_result *r = reply.result;
	if (r->exit_code == 0)
		return 0;
	/* Secrets are hidden before the text is cut: half of one would not be found. */
	char *shown = arena_alloc(a, r->output.n + 1);
	if (!shown)
		return arena_check(a, e);
	memcpy(shown, r->output.p, r->output.n);
	deploy_hide(plan, shown, r->output.n + 1);
	struct str out = str_trim(str_from(shown));
	struct str tail = str_sub(out, out.n > TAIL_MAX ? out.n - TAIL_MAX : 0, TAIL_MAX);
	return err_fail(e, ERR_BROKEN, "setup step %" STR_F " %s %lld: %" STR_F,
			STR_A(step->name),
			r->timed_out	   ? "timed out, signal"
			: r->exit_code < 0 ? "ended by signal"
					   : "exited with",
			(long long)(r->exit_code < 0 ? r->signal : r->exit_code), STR_A(tail));
}

MUST int deploy_setup(const struct deploy *d, const struct part *p,
		      const struct machine_wish *w, const struct deploy_plan *plan,
		      struct arena *a, struct err *e)
{
	for (size_t i = 0; i < plan->spec.step_count; i++) {
		const struct spec_step *step = &plan->spec.setup[i];
		int done = step->is_once ? ndb_is_step_done(d->ndb, w->guid, step->name, e) : 0;
		if (done < 0)
			return -1;
		if (done)
			continue;
		if (run_step(d, p, plan, step, a, e) < 0)
			return -1;
		fail_point("agent.setup.ran");
		if (step->is_once && ndb_step_done(d->ndb, w->guid, step->name, e) < 0)
			return -1;
	}
	return 0;
}

/* ---- services ------------------------------------------------------------------------------
 */

static const char *signal_name(int number, struct arena *a)
{
	const char *abbreviation = number > 0 ? sigabbrev_np(number) : NULL;
	return abbreviation ? arena_fmt(a, "SIG%s", abbreviation).p : "";
}

static struct str service_id(const struct part *p, struct str name, struct arena *a)
{
	return arena_fmt(a, "%s/%" STR_F, p->name, STR_A(name));
}

static int start_service(const struct deploy *d, const struct part *p,
			 const struct deploy_plan *plan, const struct spec_service *s,
			 struct arena *a, struct supervise_reply *reply, struct err *e)
{
	const char *dir = sub_dir(p->dir, "services", s->name, a);
	if (put_bundle(p, plan, dir, &s->exec, &s->env, &s->limits, a, e) < 0)
		return -1;
	struct supervise_spec service = {
		.id = service_id(p, s->name, a),
		.bundle = str_from(dir),
		.netns = str_from(p->netns),
		.log = arena_fmt(a, "%s/%" STR_F ".log", p->dir, STR_A(s->name)),
		.stop_signal = str_from(signal_name(s->stop_signal, a)),
		.stop_seconds = s->stop_seconds,
		/* A container in waiting: a crash costs about a millisecond, not a start of crun. */
		.standby = s->has_standby,
	};
	const struct supervise_request rq = {.verb = SUPERVISE_START, .service = &service};
	if (arena_check(a, e) < 0 ||
	    call(d, &rq, CALL_TIMEOUT_MS + s->stop_seconds * 1000, a, reply, e) < 0)
		return err_in(e, "service %" STR_F, STR_A(s->name));
	return 0;
}

MUST int deploy_touch_service(const struct deploy *d, const struct part *p,
			      const struct spec_service *s, enum deploy_touch touch,
			      struct arena *a, struct err *e)
{
	if (touch == DEPLOY_SIGNAL && s->reload_signal == 0)
		touch = DEPLOY_RESTART;
	const struct supervise_request rq = {
		.verb = touch == DEPLOY_RESTART ? SUPERVISE_RESTART : SUPERVISE_SIGNAL,
		.id = service_id(p, s->name, a),
		.signal = str_from(signal_name(s->reload_signal, a)),
	};
	struct supervise_reply reply;
	return call(d, &rq, CALL_TIMEOUT_MS + s->stop_seconds * 1000, a, &reply, e);
}

static bool is_listed(const struct spec_list *list, struct str name)
{
	for (size_t i = 0; i < list->count; i++)
		if (str_eq(list->items[i], name))
			return true;
	return false;
}

/* Waits until the services that `s` comes after are ready. */
static int await_before(const struct deploy *d, const struct part *p,
			const struct deploy_plan *plan, const struct spec_service *s,
			struct err *e)
{
	struct check_place place = part_place(p, d->supervisor);
	for (size_t i = 0; i < plan->spec.service_count; i++) {
		const struct spec_service *before = &plan->spec.services[i];
		if (!is_listed(&s->after, before->name))
			continue;
		int64_t until_ms = clock_mono_ms(d->clock) + before->ready_seconds * 1000;
		for (unsigned n = 1; !check_is_ready(before, &place); n++) {
			if (clock_mono_ms(d->clock) > until_ms)
				return err_fail(e, ERR_TIMEOUT,
						"service %" STR_F " waits for %" STR_F,
						STR_A(s->name), STR_A(before->name));
			/* A refused connection is told at once: asking must not eat a processor. */
			(void)poll(NULL, 0, (int)plan_probe_pause_ms(n));
		}
	}
	return 0;
}

/* An order in which every service comes after those it names; cycles were refused by the
 * reader. */
static size_t order_services(const struct profile_spec *spec, size_t *order)
{
	bool is_placed[SPEC_SERVICES_MAX] = {false};
	size_t n = 0;
	for (size_t round = 0; round < spec->service_count && n < spec->service_count; round++)
		for (size_t i = 0; i < spec->service_count; i++) {
			bool is_free = !is_placed[i];
			for (size_t k = 0; k < spec->service_count && is_free; k++)
				is_free = is_placed[k] || !is_listed(&spec->services[i].after,
								     spec->services[k].name);
			if (is_free) {
				is_placed[i] = true;
				order[n++] = i;
			}
		}
	return n;
}

static int remove_service(const struct deploy *d, const struct part *p, struct str name,
			  struct arena *a, struct err *e)
{
	const struct supervise_request rq = {.verb = SUPERVISE_REMOVE,
					     .id = service_id(p, name, a)};
	struct supervise_reply reply;
	return call(d, &rq, REMOVE_TIMEOUT_MS, a, &reply, e);
}

static int put_promise_bundles(const struct part *p, const struct deploy_plan *plan,
			       struct arena *a, struct err *e)
{
	for (size_t i = 0; i < plan->spec.promise_count; i++) {
		const struct spec_promise *promise = &plan->spec.promises[i];
		if (promise->kind != SPEC_PROMISE_EXEC)
			continue;
		const char *dir = sub_dir(p->runs, "", promise->name, a);
		if (put_bundle(p, plan, dir, &promise->command, NULL, NULL, a, e) < 0)
			return -1;
	}
	for (size_t i = 0; i < plan->spec.service_count; i++) {
		const struct spec_service *s = &plan->spec.services[i];
		if (s->ready.kind != SPEC_READY_EXEC)
			continue;
		const char *dir = sub_dir(p->runs, "ready", s->name, a);
		if (put_bundle(p, plan, dir, &s->ready.exec, &s->env, NULL, a, e) < 0)
			return -1;
	}
	return 0;
}

MUST int deploy_services(const struct deploy *d, const struct part *p, struct deploy_plan *plan,
			 struct arena *a, struct err *e)
{
	size_t order[SPEC_SERVICES_MAX];
	size_t n = order_services(&plan->spec, order);
	if (put_promise_bundles(p, plan, a, e) < 0)
		return -1;
	for (size_t k = 0; k < n; k++) {
		const struct spec_service *s = &plan->spec.services[order[k]];
		struct supervise_reply reply;
		if (await_before(d, p, plan, s, e) < 0 ||
		    start_service(d, p, plan, s, a, &reply, e) < 0)
			return -1;
		enum deploy_touch touch = plan->touch[order[k]];
		bool is_fresh = reply.outcome != SUPERVISE_UNCHANGED;
		if (!is_fresh && touch != DEPLOY_LEAVE &&
		    deploy_touch_service(d, p, s, touch, a, e) < 0)
			return err_in(e, "service %" STR_F, STR_A(s->name));
		fail_point("agent.service.started");
	}
	for (size_t i = 0; i < p->spec.service_count; i++)
		if (!profile_spec_service(&plan->spec, p->spec.services[i].name) &&
		    remove_service(d, p, p->spec.services[i].name, a, e) < 0)
			return -1;
	return 0;
}

bool deploy_is_ready(const struct deploy *d, const struct part *p)
{
	struct check_place place = part_place(p, d->supervisor);
	for (size_t i = 0; i < p->spec.service_count; i++)
		if (!check_is_ready(&p->spec.services[i], &place))
			return false;
	return true;
}

/* ---- the end of things ---------------------------------------------------------------------
 */

/* All services that the supervisor knows of this partition, also of an earlier spec. */
static int remove_services(const struct deploy *d, struct part *p, struct arena *a,
			   struct err *e)
{
	const struct supervise_request list = {.verb = SUPERVISE_LIST,
					       .partition = str_from(p->name)};
	struct supervise_reply reply;
	struct str prefix = arena_fmt(a, "%s/", p->name);
	if (call(d, &list, CALL_TIMEOUT_MS, a, &reply, e) < 0)
		return -1;
	for (size_t i = 0; i < reply.service_count; i++) {
		struct str id = reply.services[i].id;
		if (str_starts(id, prefix) &&
		    remove_service(d, p, str_sub(id, prefix.n, id.n), a, e) < 0)
			return -1;
	}
	return 0;
}

MUST int deploy_stop(const struct deploy *d, struct part *p, struct err *e)
{
	struct arena *a CLEAN(arena_freep) = NULL;
	if (arena_new(8 << 20, &a, e) < 0 || remove_services(d, p, a, e) < 0)
		return -1;
	part_rest(p);
	return 0;
}

MUST int deploy_wipe(const struct deploy *d, struct part *p, struct err *e)
{
	struct arena *a CLEAN(arena_freep) = NULL;
	if (arena_new(8 << 20, &a, e) < 0 || remove_services(d, p, a, e) < 0)
		return -1;
	const struct supervise_request kill_all = {.verb = SUPERVISE_KILL_PARTITION,
						   .partition = str_from(p->name)};
	struct supervise_reply reply;
	if (call(d, &kill_all, CALL_TIMEOUT_MS, a, &reply, e) < 0)
		return -1;
	fail_point("agent.wipe.killed");
	if (file_remove_tree(p->dir, e) < 0)
		return -1;
	fail_point("agent.wipe.removed");
	part_drop_spec(p);
	return 0;
}

MUST int deploy_restart(const struct deploy *d, struct part *p, struct str service,
			struct err *e)
{
	struct arena *a CLEAN(arena_freep) = NULL;
	if (arena_new(1 << 20, &a, e) < 0)
		return -1;
	const struct supervise_request rq = {.verb = SUPERVISE_RESTART,
					     .id = service_id(p, service, a)};
	struct supervise_reply reply;
	return call(d, &rq, 2 * CALL_TIMEOUT_MS, a, &reply, e);
}
