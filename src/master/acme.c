/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * One thread looks for what is due and puts it into slots; the workers take it from there. A slot
 * owns an arena, in which its validation lives from claim to settling:
 *
 *     free ──claim──▶ full ──a worker takes it──▶ busy ──settled──▶ free
 */
#include "master/acme.h"

#include <errno.h>
#include <pthread.h>
#include <time.h>

#include "api/acme_work.h"
#include "base/log.h"
#include "base/mem.h"
#include "master/acme_ask.h"

enum { ARENA_BYTES = 4 << 20, NETWORKS_MAX = 100 };

enum slot_state { SLOT_FREE, SLOT_FULL, SLOT_BUSY };

struct slot {
	enum slot_state state;
	struct arena *a;
	struct acme_work work;
};

struct master_acme {
	struct api *api;
	struct db *db;
	struct acme_net net;
	struct acme_network allowed[NETWORKS_MAX];
	char resolver[64];
	atomic_bool is_stopping;
	pthread_mutex_t lock;
	pthread_cond_t work, stop; /* stop: on the monotonic clock */
	struct slot slots[ACME_WORKERS];
	struct arena *a; /* of the thread that looks */
	int64_t forgotten_at_ms;
	pthread_t threads[ACME_WORKERS + 1];
	size_t thread_count;
};

/* clang-format off */
static int check_network(struct str s, struct err *e)
{
	struct acme_network n;
	return acme_network_read(s, &n, e);
}
static const struct json_field fields[] = {
	JSON_I64(struct acme_settings, http_port, "http_port", 1, 65535, 0, "Where http-01 is asked; another than 80 is for tests.", .initial = 80),
	JSON_I64(struct acme_settings, tls_port, "tls_port", 1, 65535, 0, "Where tls-alpn-01 is asked; another than 443 is for tests.", .initial = 443),
	JSON_STRS(struct acme_settings, allow_networks, allow_count, "allow_networks", 0, NETWORKS_MAX, 0, "Networks that are not public and may be asked all the same: 10.0.0.0/8.", .max_bytes = 60, .check = check_network),
};
const struct json_desc acme_settings_desc =
	JSON_DESC(struct acme_settings, fields, "AcmeSettings", "How ACME challenges are validated.");
/* clang-format on */

/* ---- looking for work ---------------------------------------------------------------------- */

struct look {
	struct master_acme *m;
	int64_t due_at_ms;
	size_t limit, count;
	struct acme_work *work;
};

static int look_next(struct db_tx *tx, void *user, struct err *e)
{
	struct look *l = user;
	return acme_work_next(tx, clock_now_ms(clock_system()), &l->due_at_ms, e);
}

static int look_claim(struct db_tx *tx, void *user, struct err *e)
{
	struct look *l = user;
	arena_clear(l->m->a);
	return acme_work_claim(l->m->api, tx, l->limit, l->m->a, &l->work, &l->count, e);
}

static int look_forget(struct db_tx *tx, void *user, struct err *e)
{
	struct look *l = user;
	arena_clear(l->m->a);
	return acme_work_forget(l->m->api, tx, l->m->a, e);
}

/* Its own copy: the claim's arena is used again. */
static void fill(struct slot *s, const struct acme_work *w)
{
	arena_clear(s->a);
	s->work = *w;
	s->work.name = arena_dup(s->a, w->name);
	s->work.identifier = arena_dup(s->a, w->identifier);
	s->work.token = arena_dup(s->a, w->token);
	s->work.key_authorization = arena_dup(s->a, w->key_authorization);
	s->state = SLOT_FULL;
}

static size_t free_slots(struct master_acme *m)
{
	size_t n = 0;
	(void)pthread_mutex_lock(&m->lock);
	for (size_t i = 0; i < ACME_WORKERS; i++)
		n += m->slots[i].state == SLOT_FREE;
	(void)pthread_mutex_unlock(&m->lock);
	return n;
}

static void hand_out(struct master_acme *m, const struct look *l)
{
	size_t given = 0;
	(void)pthread_mutex_lock(&m->lock);
	for (size_t i = 0; i < ACME_WORKERS && given < l->count; i++)
		if (m->slots[i].state == SLOT_FREE)
			fill(&m->slots[i], &l->work[given++]);
	ASSERT(given == l->count); /* only this thread fills slots */
	(void)pthread_cond_broadcast(&m->work);
	(void)pthread_mutex_unlock(&m->lock);
}

static void look(struct master_acme *m)
{
	struct err e = ERR_INIT;
	int64_t now = clock_now_ms(clock_system());
	struct look l = {.m = m, .limit = free_slots(m)};
	if (now - m->forgotten_at_ms >= ACME_FORGET_MS) {
		m->forgotten_at_ms = now;
		if (db_write(m->db, look_forget, &l, &e) < 0)
			log_err(LOG_WARN, "master.job.failed", &e, KV_C("job", "acme"));
	}
	if (!l.limit)
		return;
	if (db_read(m->db, look_next, &l, &e) < 0 ||
	    (l.due_at_ms && l.due_at_ms <= now && db_write(m->db, look_claim, &l, &e) < 0))
		log_err(LOG_WARN, "master.job.failed", &e, KV_C("job", "acme"));
	else if (l.count)
		hand_out(m, &l);
}

static void *run_look(void *user)
{
	struct master_acme *m = user;
	while (!atomic_load(&m->is_stopping)) {
		struct timespec until;
		look(m);
		(void)clock_gettime(CLOCK_MONOTONIC, &until);
		until.tv_nsec += ACME_LOOK_MS * 1000000L;
		until.tv_sec += until.tv_nsec / 1000000000L;
		until.tv_nsec %= 1000000000L;
		(void)pthread_mutex_lock(&m->lock);
		while (!atomic_load(&m->is_stopping) &&
		       pthread_cond_timedwait(&m->stop, &m->lock, &until) != ETIMEDOUT)
			;
		(void)pthread_mutex_unlock(&m->lock);
	}
	return NULL;
}

/* ---- doing it ------------------------------------------------------------------------------ */

struct settle {
	struct master_acme *m;
	struct slot *slot;
	struct acme_answer answer;
};

static int settle(struct db_tx *tx, void *user, struct err *e)
{
	const struct settle *s = user;
	return acme_work_settle(s->m->api, tx, &s->slot->work, s->answer.finding,
				s->answer.text, s->slot->a, e);
}

static void validate(struct master_acme *m, struct slot *slot)
{
	struct err e = ERR_INIT;
	struct settle s = {.m = m, .slot = slot};
	acme_ask(&m->net, &slot->work, slot->a, &s.answer);
	/* What was cut short is due again when its claim ends. */
	if (atomic_load(&m->is_stopping))
		return;
	log_event(LOG_DEBUG, "master.acme.asked",
		  KV_C("way", acme_method_word(slot->work.method)),
		  KV_S("name", slot->work.identifier),
		  KV_I("proven", s.answer.finding == ACME_PROVEN));
	if (db_write(m->db, settle, &s, &e) < 0)
		log_err(LOG_WARN, "master.job.failed", &e, KV_C("job", "acme"));
}

/* A full slot, made busy; NULL when all is over. Holds the lock. */
static struct slot *take(struct master_acme *m)
{
	for (;;) {
		if (atomic_load(&m->is_stopping))
			return NULL;
		for (size_t i = 0; i < ACME_WORKERS; i++)
			if (m->slots[i].state == SLOT_FULL) {
				m->slots[i].state = SLOT_BUSY;
				return &m->slots[i];
			}
		(void)pthread_cond_wait(&m->work, &m->lock);
	}
}

static void *run_worker(void *user)
{
	struct master_acme *m = user;
	struct slot *s;
	(void)pthread_mutex_lock(&m->lock);
	while ((s = take(m))) {
		(void)pthread_mutex_unlock(&m->lock);
		validate(m, s);
		(void)pthread_mutex_lock(&m->lock);
		s->state = SLOT_FREE;
	}
	(void)pthread_mutex_unlock(&m->lock);
	return NULL;
}

/* ---- start and stop ------------------------------------------------------------------------ */

MUST static int read_settings(struct master_acme *m, const struct acme_settings *s,
			      struct str resolver, struct err *e)
{
	if (acme_resolver_check(resolver, e) < 0)
		return err_in(e, "resolver");
	(void)snprintf(m->resolver, sizeof m->resolver, "%" STR_F, STR_A(resolver));
	for (size_t i = 0; i < s->allow_count && i < NETWORKS_MAX; i++)
		if (acme_network_read(s->allow_networks[i], &m->allowed[i], e) < 0)
			return err_in(e, "acme.allow_networks[%zu]", i);
	m->net = (struct acme_net){
		.allowed = m->allowed,
		.allowed_count = s->allow_count,
		.resolver = str_from(m->resolver),
		.http_port = (uint16_t)s->http_port,
		.tls_port = (uint16_t)s->tls_port,
		.is_stopping = &m->is_stopping,
	};
	return 0;
}

static void init_locks(struct master_acme *m)
{
	pthread_condattr_t monotonic;
	ASSERT(pthread_mutex_init(&m->lock, NULL) == 0);
	ASSERT(pthread_cond_init(&m->work, NULL) == 0);
	ASSERT(pthread_condattr_init(&monotonic) == 0);
	ASSERT(pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC) == 0);
	ASSERT(pthread_cond_init(&m->stop, &monotonic) == 0);
	(void)pthread_condattr_destroy(&monotonic);
}

MUST static int start(struct master_acme *m, struct err *e)
{
	if (arena_new(ARENA_BYTES, &m->a, e) < 0)
		return -1;
	for (size_t i = 0; i < ACME_WORKERS; i++)
		if (arena_new(ARENA_BYTES, &m->slots[i].a, e) < 0)
			return -1;
	while (m->thread_count < ARRAY_LEN(m->threads)) {
		int rc = pthread_create(&m->threads[m->thread_count], NULL,
					m->thread_count ? run_worker : run_look, m);
		if (rc)
			return err_os(e, rc, "start a thread");
		m->thread_count++;
	}
	return 0;
}

MUST int master_acme_open(const struct acme_settings *s, struct str resolver, struct api *api,
			  struct db *db, struct master_acme **out, struct err *e)
{
	struct master_acme *m = MEM_NEW(struct master_acme, e);
	if (!m)
		return -1;
	m->api = api;
	m->db = db;
	init_locks(m);
	if (read_settings(m, s, resolver, e) < 0 || start(m, e) < 0) {
		master_acme_close(m);
		return -1;
	}
	*out = m;
	return 0;
}

struct master_acme *master_acme_close(struct master_acme *m)
{
	if (!m)
		return NULL;
	(void)pthread_mutex_lock(&m->lock);
	atomic_store(&m->is_stopping, true);
	(void)pthread_cond_broadcast(&m->work);
	(void)pthread_cond_broadcast(&m->stop);
	(void)pthread_mutex_unlock(&m->lock);
	for (size_t i = 0; i < m->thread_count; i++)
		(void)pthread_join(m->threads[i], NULL);
	for (size_t i = 0; i < ACME_WORKERS; i++)
		arena_free(m->slots[i].a);
	arena_free(m->a);
	(void)pthread_cond_destroy(&m->work);
	(void)pthread_cond_destroy(&m->stop);
	(void)pthread_mutex_destroy(&m->lock);
	mem_free(m);
	return NULL;
}
