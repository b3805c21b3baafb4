/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * Signals are blocked in every thread; the main thread waits for them, and for the next round of
 * jobs, in one call. What is opened stands in struct master and is closed in reverse order.
 */
#include "master/master.h"

#include <errno.h>
#include <signal.h>
#include <unistd.h>

#include "api/http.h"
#include "base/file.h"
#include "base/log.h"
#include "base/version.h"
#include "master/settings.h"
#include "profile/eval.h"
#include "store/event.h"

enum { GROUP_MS = 20, JOB_ROWS = 200, SETTINGS_ARENA = 1 << 20, EVAL_IDLE_MS = 600000 };

struct master {
	const struct master_options *options;
	struct arena *a;
	struct arena *job_arena;
	struct master_settings settings;
	int lock_fd;
	struct db *db;
	struct profile_eval *eval;
	struct api *api;
	struct api_http *http;
	struct str address_path;
	sigset_t signals, old_signals;
};

/* ---- start --------------------------------------------------------------------------------- */

/* Is that an address that only this machine can reach? */
static bool is_loopback(struct str listen)
{
	return str_starts(listen, S("127.")) || str_starts(listen, S("[::1]:")) ||
	       str_starts(listen, S("localhost:")) || str_starts(listen, S("unix:"));
}

MUST static int check_options(const struct master_options *o, struct err *e)
{
	if (!is_loopback(str_from(o->listen)))
		return err_field(
			e, "listen",
			"%s can be reached from outside: without TLS a master listens on "
			"loopback only (127.0.0.1, [::1], unix:)",
			o->listen);
	if (!o->is_local)
		return err_field(
			e, "local",
			"without TLS everybody on this machine is the operator: say --local");
	return 0;
}

static const char *path_in(struct master *m, const char *name)
{
	return arena_cstr(m->a, file_join(m->a, str_from(m->options->data), str_from(name)));
}

MUST static int open_data(struct master *m, struct err *e)
{
	if (file_mkdirs(m->options->data, 0700, e) < 0)
		return -1;
	int rc = file_lock(path_in(m, "lock"), &m->lock_fd, e);
	if (rc > 0)
		return err_fail(e, ERR_CONFLICT, "another master runs on %s", m->options->data);
	if (rc < 0)
		return -1;
	m->address_path = str_from(path_in(m, "address"));
	if (file_remove_tree(m->address_path.p, e) < 0)
		return -1;
	return master_settings_read(path_in(m, "master.json"), m->a, &m->settings, e);
}

MUST static int open_database(struct master *m, struct err *e)
{
	const char *url = m->options->db;
	if (!url)
		url = arena_fmt(m->a, "sqlite:%s", path_in(m, "master.db")).p;
	/* A group ends when nothing waits any more; the limit only bounds how long many clients hold
	 * up the first one, and one flush costs as much as dozens of orders. */
	const struct db_options options = {.group_for_ms = GROUP_MS};
	if (arena_check(m->a, e) < 0 || db_open(url, &options, &m->db, e) < 0)
		return -1;
	return api_migrate(m->db, e);
}

MUST static int open_api(struct master *m, struct err *e)
{
	const struct profile_eval_options eval = {.program = m->options->program};
	const struct api_options api = {
		.clock = clock_system(),
		.rng = rng_system(),
		.eval = m->eval,
		.version = HOC_VERSION,
		.database = db_engine_name(m->db),
		.mode = "local",
		.liveness_limit_ms = m->settings.liveness_seconds * 1000,
		.seller = {.name = m->settings.seller.name.p,
			   .address = m->settings.seller.address.p,
			   .country = m->settings.seller.country.p,
			   .vat_number = m->settings.seller.vat_number.p},
	};
	struct api_options full = api;
	if (profile_eval_new(&eval, &m->eval, e) < 0)
		return -1;
	full.eval = m->eval;
	return api_new(&full, &m->api, e);
}

/* Tells where it listens: the file, the descriptor, the log. */
MUST static int tell_ready(struct master *m, struct err *e)
{
	const char *address = api_http_address(m->http);
	struct str line = arena_fmt(m->a, "%s\n", address);
	if (arena_check(m->a, e) < 0 || file_write(m->address_path.p, line, 0644, e) < 0)
		return -1;
	log_event(LOG_INFO, "master.ready", KV_C("address", address),
		  KV_C("database", db_engine_name(m->db)));
	if (m->options->ready_fd <= 0)
		return 0;
	int rc = file_write_fd(m->options->ready_fd, line, e);
	(void)close(m->options->ready_fd);
	return rc;
}

MUST static int start(struct master *m, struct err *e)
{
	if (open_data(m, e) < 0 || open_database(m, e) < 0 || open_api(m, e) < 0)
		return -1;
	const struct api_http_options http = {
		.api = m->api,
		.db = m->db,
		.clock = clock_system(),
		.listen = m->options->listen,
	};
	if (api_http_open(&http, &m->http, e) < 0)
		return -1;
	return tell_ready(m, e);
}

/* ---- jobs ---------------------------------------------------------------------------------- */

static int verify_chain(struct db_tx *tx, void *user, struct err *e)
{
	return store_event_verify(tx, MASTER_CHAIN_ROWS, user, e);
}

/* A broken chain is told and does not stop the cloud: what is left has to be looked at. */
static void check_chain(struct master *m)
{
	struct err e = ERR_INIT;
	int64_t checked = 0;
	if (db_read(m->db, verify_chain, &checked, &e) < 0)
		log_err(LOG_ERROR, "master.chain.broken", &e);
}

struct round {
	struct master *m;
	struct api_response out;
};

static int assess(struct db_tx *tx, void *user, struct err *e)
{
	struct round *r = user;
	arena_clear(r->m->job_arena);
	return api_assess(r->m->api, tx, JOB_ROWS, r->m->job_arena, &r->out, e);
}

static void do_jobs(struct master *m)
{
	struct err e = ERR_INIT;
	struct round r = {.m = m};
	if (db_write(m->db, assess, &r, &e) < 0)
		log_err(LOG_WARN, "master.job.failed", &e, KV_C("job", "assess"));
	else
		api_http_wake(m->http, &r.out);
	profile_eval_trim(m->eval, EVAL_IDLE_MS);
}

/* Until a signal asks for the end. */
static void serve(struct master *m)
{
	const struct timespec pause = {.tv_sec = MASTER_JOB_MS / 1000,
				       .tv_nsec = MASTER_JOB_MS % 1000 * 1000000};
	check_chain(m);
	for (;;) {
		int sig = sigtimedwait(&m->signals, NULL, &pause);
		if (sig == SIGTERM || sig == SIGINT)
			return;
		if (sig < 0 && errno == EAGAIN)
			do_jobs(m);
	}
}

/* ---- stop ---------------------------------------------------------------------------------- */

static void stop(struct master *m)
{
	struct err ignored;
	m->http = api_http_close(m->http);
	m->db = db_close(m->db);
	m->api = api_free(m->api);
	m->eval = profile_eval_free(m->eval);
	if (m->address_path.n)
		(void)!file_remove_tree(m->address_path.p, &ignored);
	file_closep(&m->lock_fd);
	m->job_arena = arena_free(m->job_arena);
	m->a = arena_free(m->a);
}

/* With what it did: a flush is one wait for the disk, shared by all writes of its group. */
static void tell_stopped(struct master *m)
{
	struct db_counters c;
	db_counters(m->db, &c);
	log_event(LOG_INFO, "program.stopped", KV_C("program", "master"),
		  KV_I("writes", (int64_t)c.jobs), KV_I("flushes", (int64_t)c.commits_flushed),
		  KV_I("reads", (int64_t)c.reads));
}

MUST int master_run(const struct master_options *options, struct err *e)
{
	struct master m = {.options = options, .lock_fd = -1};
	if (check_options(options, e) < 0)
		return -1;
	if (arena_new(SETTINGS_ARENA, &m.a, e) < 0 ||
	    arena_new(API_ARENA_BYTES, &m.job_arena, e) < 0) {
		stop(&m);
		return -1;
	}
	(void)sigemptyset(&m.signals);
	(void)sigaddset(&m.signals, SIGTERM);
	(void)sigaddset(&m.signals, SIGINT);
	(void)pthread_sigmask(SIG_BLOCK, &m.signals, &m.old_signals);
	int rc = start(&m, e);
	if (rc == 0) {
		serve(&m);
		tell_stopped(&m);
	}
	stop(&m);
	(void)pthread_sigmask(SIG_SETMASK, &m.old_signals, NULL);
	return rc;
}
