/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * Signals are blocked in every thread; the main thread waits for them, and for the next round of
 * jobs, in one call. What is opened stands in struct master and is closed in reverse order.
 */
#include "master/master.h"

#include <errno.h>
#include <unistd.h>

#include "base/file.h"
#include "base/log.h"
#include "master/issuers.h"
#include "master/master_impl.h"
#include "profile/eval.h"
#include "store/event.h"

enum {
	JOB_ROWS = 200,
	EVAL_IDLE_MS = 600000,
	CERTIFY_AGAIN_MS = 600000,
	ISSUERS_EVERY_MS = 24 * 3600 * 1000,
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
	struct str listen = str_from(o->listen);
	if (o->is_local && !is_loopback(listen))
		return err_field(
			e, "listen",
			"%s can be reached from outside: without TLS a master listens on "
			"loopback only (127.0.0.1, [::1], unix:)",
			o->listen);
	if (!o->is_local && str_starts(listen, S("unix:")))
		return err_field(e, "listen", "a Unix socket has no TLS: say --local");
	bool has_authorities = master_identity_is_there(o->data);
	if (o->is_local && has_authorities)
		return err_field(
			e, "local",
			"%s has authorities (hoc master init): with --local everybody on "
			"this machine would be its operator",
			o->data);
	if (!o->is_local && !has_authorities)
		return err_field(e, "local",
				 "%s has no authorities: make them (hoc master init), or say "
				 "--local; then everybody on this machine is the operator",
				 o->data);
	return 0;
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

static struct rate_limits limits_of(const struct master_limits *l)
{
	return (struct rate_limits){
		.of = {
			[RATE_IDENTITY] = {l->identity_per_minute, l->identity_burst},
			[RATE_ADDRESS] = {l->address_per_minute, l->address_burst},
			[RATE_LOGIN] = {l->login_per_minute, l->login_burst},
		}};
}

/*
 * Rolls issuers over that are due. Not being able to is told and stops nothing: they still sign,
 * and there is time.
 */
MUST static int renew_issuers(struct master *m, struct err *e)
{
	const struct master_options *o = m->options;
	struct master_secrets secrets = {.passphrase = S("")};
	struct err why = ERR_INIT;
	int64_t now_ms = clock_now_ms(clock_system());
	m->issuers_at_ms = now_ms + ISSUERS_EVERY_MS;
	if (!master_issuers_are_due(&m->identity, now_ms)) {
		master_issuers_tell(&m->identity, now_ms);
		return 0;
	}
	int rc = 0;
	if (master_secrets_read(o->passphrase_file, o->pin_file, m->a, &secrets, &why) < 0) {
		m->has_stuck_issuer = true;
		log_err(LOG_WARN, "master.issuer.ending", &why);
	} else {
		rc = master_issuers_roll(&m->identity, &secrets, now_ms, m->a,
					 &m->has_stuck_issuer);
	}
	master_secrets_wipe(&secrets);
	if (rc == 0)
		return 0;
	master_identity_close(&m->identity);
	return master_open_identity(m, e);
}

MUST static int start(struct master *m, struct err *e)
{
	if (master_open_data(m, e) < 0 || master_open_identity(m, e) < 0 ||
	    (!m->options->is_local && renew_issuers(m, e) < 0) ||
	    master_open_database(m, e) < 0 || master_open_api(m, e) < 0)
		return -1;
	bool is_tls = !m->options->is_local;
	if (is_tls && master_certify(m, e) < 0)
		return -1;
	const struct rate_limits limits = limits_of(&m->settings.limits);
	const struct api_http_options http = {
		.api = m->api,
		.db = m->db,
		.clock = clock_system(),
		.listen = m->options->listen,
		.tls = m->identity.tls,
		.trust = m->identity.trust,
		.limits = is_tls ? &limits : NULL,
		.max_address_connections =
			is_tls ? (unsigned)m->settings.limits.address_connections : 0,
		.request_timeout_s = is_tls ? (unsigned)m->settings.limits.request_seconds : 0,
	};
	if (api_http_open(&http, &m->http, e) < 0 ||
	    (is_tls && master_acme_open(&m->settings.acme, m->settings.resolver, m->api, m->db,
					&m->acme, e) < 0))
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

/* What cannot be made now is tried again: there is a third of its life left. */
static void renew_certificate(struct master *m)
{
	struct err e = ERR_INIT;
	int64_t now_ms = clock_now_ms(clock_system());
	if (m->options->is_local || now_ms < m->identity.renew_at_ms)
		return;
	if (master_certify(m, &e) == 0)
		return;
	m->identity.renew_at_ms = now_ms + CERTIFY_AGAIN_MS;
	log_err(LOG_ERROR, "master.job.failed", &e, KV_C("job", "certificate"));
}

/* Could this master start again as it did: are its secrets still where they were? */
static bool may_start_again(struct master *m, struct err *e)
{
	struct master_secrets secrets = {.passphrase = S("")};
	struct master_identity trial = {.dir = NULL};
	const struct master_options *o = m->options;
	arena_clear(m->job_arena);
	int rc =
		master_secrets_read(o->passphrase_file, o->pin_file, m->job_arena, &secrets, e);
	if (rc == 0)
		rc = master_identity_open(o->data, &secrets, m->job_arena, &trial, e);
	master_identity_close(&trial);
	master_secrets_wipe(&secrets);
	return rc == 0;
}

/* Once a day. An issuer that is due is rolled over by beginning anew. */
static void look_at_issuers(struct master *m)
{
	struct err e = ERR_INIT;
	int64_t now_ms = clock_now_ms(clock_system());
	if (m->options->is_local || now_ms < m->issuers_at_ms)
		return;
	m->issuers_at_ms = now_ms + ISSUERS_EVERY_MS;
	if (m->has_stuck_issuer || !master_issuers_are_due(&m->identity, now_ms))
		master_issuers_tell(&m->identity, now_ms);
	else if (may_start_again(m, &e))
		m->begins_anew = true;
	else
		log_err(LOG_WARN, "master.issuer.ending", &e);
}

static void do_jobs(struct master *m)
{
	struct err e = ERR_INIT;
	struct round r = {.m = m};
	if (db_write(m->db, assess, &r, &e) < 0)
		log_err(LOG_WARN, "master.job.failed", &e, KV_C("job", "assess"));
	else
		api_http_wake(m->http, &r.out);
	renew_certificate(m);
	look_at_issuers(m);
	profile_eval_trim(m->eval, EVAL_IDLE_MS);
}

/* Until a signal asks for the end, or the master has to begin anew. */
static void serve(struct master *m)
{
	const struct timespec pause = {.tv_sec = MASTER_JOB_MS / 1000,
				       .tv_nsec = MASTER_JOB_MS % 1000 * 1000000};
	check_chain(m);
	while (!m->begins_anew) {
		int sig = sigtimedwait(&m->signals, NULL, &pause);
		if (sig == SIGTERM || sig == SIGINT)
			return;
		if (sig < 0 && errno == EAGAIN)
			do_jobs(m);
	}
}

/* ---- stop ---------------------------------------------------------------------------------- */

/* With what it did: a flush is one wait for the disk, shared by all writes of its group. */
static void tell_stopped(struct master *m)
{
	struct db_counters c;
	db_counters(m->db, &c);
	log_event(LOG_INFO, "program.stopped", KV_C("program", "master"),
		  KV_I("writes", (int64_t)c.jobs), KV_I("flushes", (int64_t)c.commits_flushed),
		  KV_I("reads", (int64_t)c.reads));
}

/* 1: it has to begin anew. */
MUST static int run_once(const struct master_options *options, const sigset_t *signals,
			 struct err *e)
{
	struct master m = {.options = options, .lock_fd = -1, .signals = *signals};
	int rc = start(&m, e);
	if (rc == 0) {
		serve(&m);
		tell_stopped(&m);
		rc = m.begins_anew;
	}
	master_close(&m);
	return rc;
}

MUST int master_run(const struct master_options *options, struct err *e)
{
	struct master_options o = *options;
	sigset_t signals, old_signals;
	int rc;
	if (check_options(options, e) < 0)
		return -1;
	(void)sigemptyset(&signals);
	(void)sigaddset(&signals, SIGTERM);
	(void)sigaddset(&signals, SIGINT);
	(void)pthread_sigmask(SIG_BLOCK, &signals, &old_signals);
	while ((rc = run_once(&o, &signals, e)) > 0)
		o.ready_fd = 0; /* who waited for it was told */
	(void)pthread_sigmask(SIG_SETMASK, &old_signals, NULL);
	return rc;
}
