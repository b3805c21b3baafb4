/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * The daemon's life: lock, identity, network, supervisor, doer, loop; and the same loop with an
 * end for `pass` and `boot`.
 */
#include <signal.h>

#include "agent/agent.h"
#include "agent/doer.h"
#include "agent/identity.h"
#include "agent/status.h"
#include "base/file.h"
#include "base/log.h"
#include "base/mem.h"
#include "ev/child.h"
#include "supervise/client.h"
#include "supervise/supervise.h"

enum { RUN_MEMORY = 128 << 20, SUPERVISOR_START_MS = 15000, LIMIT_CHECK_MS = 100 };

struct run {
	const struct agent_options *o;
	struct arena *memory;
	struct ev *ev;
	struct ndb *ndb;
	struct keys *keys;
	struct doer *doer;
	struct status *status;
	struct ev_watch *on_term, *on_int, *limit;
	struct identity id;
	struct str capabilities;
	bool ends_when_settled, is_over_time, is_starting_supervisor;
	int lock;
};

/* ---- the supervisor ------------------------------------------------------------------------ */

static int say_hello(struct run *r, struct err *e)
{
	const struct supervise_request hello = {.verb = SUPERVISE_HELLO};
	struct supervise_reply reply;
	struct str socket = supervise_socket_path(r->memory, str_from(r->o->dir));
	if (supervise_call(socket.p, &hello, 5000, r->memory, &reply, e) < 0)
		return -1;
	r->capabilities = reply.hello ? arena_dup(r->memory, reply.hello->capabilities) : S("");
	return arena_check(r->memory, e);
}

/* `hoc supervise --daemon` returns when its child listens. */
static struct ev_child_spec daemon_spec(const struct agent_options *o, const char **argv)
{
	argv[0] = o->program;
	argv[1] = "supervise";
	argv[2] = "--dir";
	argv[3] = o->dir;
	argv[4] = "--daemon";
	argv[5] = NULL;
	return (struct ev_child_spec){
		.argv = argv, .output_max_bytes = 4096, .timeout_ms = SUPERVISOR_START_MS};
}

static int ensure_supervisor(struct run *r, struct err *e)
{
	struct err absent = ERR_INIT;
	if (say_hello(r, &absent) == 0)
		return 0;
	const char *argv[6];
	const struct ev_child_spec spec = daemon_spec(r->o, argv);
	struct ev_child_result result;
	if (ev_child_wait(&spec, r->memory, &result, e) < 0 ||
	    ev_child_check(&result, "hoc supervise", e) < 0)
		return err_in(e, "start the supervisor");
	return say_hello(r, e);
}

static void supervisor_started(void *user, const struct ev_child_result *result)
{
	struct run *r = user;
	struct err e = ERR_INIT;
	r->is_starting_supervisor = false;
	if (ev_child_check(result, "hoc supervise", &e) < 0)
		log_err(LOG_ERROR, "agent.supervisor.lost", &e);
}

static void restart_supervisor(void *user)
{
	struct run *r = user;
	struct err e = ERR_INIT;
	if (r->is_starting_supervisor || doer_has_supervisor(r->doer))
		return;
	const char *argv[6];
	const struct ev_child_spec spec = daemon_spec(r->o, argv);
	r->is_starting_supervisor = true;
	if (ev_child(r->ev, &spec, supervisor_started, r, NULL, &e) < 0) {
		r->is_starting_supervisor = false;
		log_err(LOG_ERROR, "agent.supervisor.lost", &e);
	}
}

/* ---- the loop ------------------------------------------------------------------------------ */

static void stop(void *user)
{
	struct run *r = user;
	ev_stop(r->ev);
}

static void over_time(void *user)
{
	struct run *r = user;
	r->is_over_time = true;
	ev_stop(r->ev);
}

static void changed(void *user)
{
	struct run *r = user;
	status_changed(r->status);
	if (r->ends_when_settled && doer_is_settled(r->doer))
		ev_stop(r->ev);
}

static int open_network(struct run *r, struct err *e)
{
	unsigned *slots = ARENA_ARRAY(r->memory, unsigned, r->id.count);
	if (!slots)
		return arena_check(r->memory, e);
	for (size_t i = 0; i < r->id.count; i++)
		slots[i] = (unsigned)r->id.partitions[i].slot;
	if (netns_bridge_up(&r->id.net, e) < 0)
		return -1;
	return netns_up(&r->id.net, slots, r->id.count, e);
}

/* A node that never joined a cloud has no keys, and needs none for a local master. */
static int open_keys(struct run *r, struct err *e)
{
	if (keys_open(r->o->dir, &r->keys, e) < 0)
		return -1;
	if (r->keys && !str_eq(keys_node(r->keys), r->id.node))
		return err_fail(e, ERR_CONFLICT,
				"the keys in %s/identity are of node %" STR_F
				", and this is %" STR_F,
				r->o->dir, STR_A(keys_node(r->keys)), STR_A(r->id.node));
	return 0;
}

static int take_node(struct run *r, struct err *e)
{
	struct str lock = arena_fmt(r->memory, "%s/agent.lock", r->o->dir);
	if (arena_check(r->memory, e) < 0)
		return -1;
	if (!file_exists(r->o->dir))
		return err_fail(e, ERR_NOT_FOUND, "there is no %s: run `hoc node format` first",
				r->o->dir);
	int rc = file_lock(lock.p, &r->lock, e);
	if (rc != 0)
		return rc < 0 ? -1
			      : err_fail(e, ERR_CONFLICT, "an agent runs on %s already",
					 r->o->dir);
	if (ndb_open(r->o->dir, &r->ndb, e) < 0 ||
	    identity_load(r->ndb, r->o->dir, r->memory, &r->id, e) < 0)
		return -1;
	if (open_keys(r, e) < 0)
		return -1;
	if (open_network(r, e) < 0)
		return err_in(e, "network of the partitions");
	return ensure_supervisor(r, e);
}

static int start(struct run *r, struct err *e)
{
	const struct doer_options o = {
		.dir = r->o->dir,
		.master = r->o->master,
		.keys = r->keys,
		.program = r->o->program,
		.node = r->id.node,
		.net = r->id.net,
		.steps_max = (unsigned)r->o->steps,
		.meter_every_ms = r->o->meter_seconds * 1000,
		.poll_for_ms = r->o->poll_seconds * 1000,
	};
	if (ev_new(NULL, &r->ev, e) < 0 || doer_new(r->ev, &o, r->ndb, &r->doer, e) < 0)
		return -1;
	doer_on_change(r->doer, changed, r);
	doer_on_supervisor_lost(r->doer, restart_supervisor, r);
	if (ev_signal(r->ev, SIGTERM, stop, r, &r->on_term, e) < 0 ||
	    ev_signal(r->ev, SIGINT, stop, r, &r->on_int, e) < 0)
		return -1;
	if (!r->ends_when_settled &&
	    status_serve(r->ev, r->o->dir, r->doer, r->id.node, &r->status, e) < 0)
		return -1;
	struct str format = identity_format_body(&r->id, r->memory);
	struct str node = identity_node_body(&r->id, r->capabilities, r->memory);
	if (arena_check(r->memory, e) < 0)
		return -1;
	return doer_start(r->doer, format, node, e);
}

static void fini(struct run *r)
{
	status_free(r->status);
	doer_free(r->doer);
	ev_watch_free(r->on_term);
	ev_watch_free(r->on_int);
	ev_watch_free(r->limit);
	ev_free(r->ev);
	ndb_close(r->ndb);
	keys_free(r->keys);
	arena_free(r->memory);
	file_closep(&r->lock);
}

static int check(const struct agent_options *o, struct err *e)
{
	if (o->dir[0] != '/')
		return err_field(e, "dir", "must be an absolute path");
	if (o->steps < 1 || o->steps > 256)
		return err_field(e, "steps", "must be 1 to 256");
	if (o->poll_seconds < 1 || o->poll_seconds > 3600)
		return err_field(e, "poll-seconds", "must be 1 to 3600");
	if (o->meter_seconds < 0 || o->meter_seconds > 900)
		return err_field(e, "meter-seconds", "must be 0 to 900");
	return 0;
}

static int run_until(struct run *r, int64_t limit_ms, struct err *e)
{
	if (check(r->o, e) < 0 || arena_new(RUN_MEMORY, &r->memory, e) < 0 ||
	    take_node(r, e) < 0 || start(r, e) < 0)
		return -1;
	if (limit_ms && ev_timer(r->ev, limit_ms, over_time, r, &r->limit, e) < 0)
		return -1;
	log_event(LOG_INFO, "program.started", KV_C("program", "node"),
		  KV_S("node", r->id.node), KV_I("partitions", (int64_t)r->id.count),
		  KV_C("master", r->o->master ? r->o->master : "none"));
	changed(r);
	int rc = ev_run(r->ev, e);
	log_event(LOG_INFO, "program.stopped", KV_C("program", "node"),
		  KV_S("node", r->id.node));
	return rc;
}

MUST int agent_run(const struct agent_options *o, struct err *e)
{
	struct run r = {.o = o, .lock = -1};
	int rc = run_until(&r, 0, e);
	fini(&r);
	return rc;
}

static int64_t count_failed(struct machine *m)
{
	int64_t failed = 0;
	for (size_t i = 0; i < machine_partitions(m); i++)
		failed += machine_facts(m, i)->failures > 0;
	for (size_t i = 0; i < machine_releases(m); i++) {
		struct str release, message;
		struct plan_release facts;
		failed +=
			machine_release(m, i, &release, &facts, &message) && facts.failures > 0;
	}
	return failed;
}

static int converge(const struct agent_options *o, int64_t limit_ms, int64_t *out_failed,
		    struct err *e)
{
	struct run r = {.o = o, .lock = -1, .ends_when_settled = true};
	int rc = run_until(&r, limit_ms, e);
	if (rc == 0)
		*out_failed = count_failed(doer_machine(r.doer));
	if (rc == 0 && r.is_over_time)
		rc = o->master && !machine_is_linked(doer_machine(r.doer))
			     ? err_fail(e, ERR_UNREACHABLE, "the master %s does not answer",
					o->master)
			     : err_fail(e, ERR_TIMEOUT, "not settled after %lld ms",
					(long long)limit_ms);
	fini(&r);
	return rc;
}

MUST int agent_pass(const struct agent_options *o, int64_t limit_ms, int64_t *out_failed,
		    struct err *e)
{
	return converge(o, limit_ms, out_failed, e);
}

MUST int agent_boot(const struct agent_options *o, int64_t limit_ms, int64_t *out_failed,
		    struct err *e)
{
	struct agent_options alone = *o;
	alone.master = NULL;
	return converge(&alone, limit_ms, out_failed, e);
}
