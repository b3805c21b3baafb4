/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * Promises of one partition over time.
 *
 * A promise is asked on its period, spread by its place in the list so that they do not all
 * come at once. A bad answer counts; `failures` bad ones in a row make it broken (once
 * deployed), one good answer makes it kept. Only changes of state are written and sent.
 */
#include "agent/part.h"

#include "agent/hide.h"
#include "base/mem.h"

static char *path_of(const char *dir, const char *name, struct err *e)
{
	struct buf b CLEAN(buf_fini) = BUF_INIT(4096);
	buf_addf(&b, "%s/%s", dir, name);
	if (buf_check(&b, e) < 0)
		return NULL;
	return mem_dup(b.p, b.n, e);
}

const char *part_promise_state_name(enum part_promise_state s)
{
	static const char *const names[] = {
		[PART_UNKNOWN] = "unknown", [PART_KEPT] = "kept", [PART_BROKEN] = "broken"};
	ASSERT((unsigned)s < ARRAY_LEN(names));
	return names[s];
}

MUST int part_init(struct part *p, const char *node_dir, const struct ndb_partition *row,
		   const struct netns_plan *net, struct err *e)
{
	char dir[4096];
	*p = (struct part){.slot = (size_t)row->slot, .uid_base = (unsigned)row->uid_base};
	(void)snprintf(p->name, sizeof p->name, "%" STR_F, STR_A(row->name));
	(void)snprintf(p->ipv4, sizeof p->ipv4, "%" STR_F, STR_A(row->ipv4));
	(void)snprintf(p->ipv6, sizeof p->ipv6, "%" STR_F, STR_A(row->ipv6));
	(void)snprintf(dir, sizeof dir, "%s/partitions/%s", node_dir, p->name);
	netns_path(net, (unsigned)p->slot, p->netns);
	(void)pthread_mutex_init(&p->lock, NULL);
	p->dir = mem_dup(dir, strlen(dir), e);
	p->home = p->dir ? path_of(p->dir, "home", e) : NULL;
	p->runs = p->home ? path_of(p->dir, "runs", e) : NULL;
	if (p->runs)
		return 0;
	part_fini(p);
	return -1;
}

void part_rest(struct part *p)
{
	for (size_t i = 0; i < p->promise_count; i++) {
		struct part_promise *promise = &p->promises[i];
		promise->state = PART_UNKNOWN;
		promise->bad_in_row = 0;
		promise->is_told = promise->is_repair_given = false;
	}
}

void part_drop_spec(struct part *p)
{
	p->memory = arena_free(p->memory);
	p->promises = NULL;
	p->promise_count = 0;
	p->spec = (struct profile_spec){.file_count = 0};
	p->guid = p->type = p->release = p->spec_text = S("");
	p->secrets = NULL;
	p->secret_count = 0;
}

void part_fini(struct part *p)
{
	part_drop_spec(p);
	mem_free(p->dir);
	mem_free(p->home);
	mem_free(p->runs);
	(void)pthread_mutex_destroy(&p->lock);
}

enum { SPEC_MEMORY = 16 << 20, SERVICE_PERIOD_S = 60, SERVICE_TIMEOUT_S = 5 };

/* A service that no promise of kind process watches gets one: service-NAME. */
static const struct spec_promise *service_promise(const struct profile_spec *spec,
						  const struct spec_service *s, struct arena *a)
{
	for (size_t i = 0; i < spec->promise_count; i++)
		if (spec->promises[i].kind == SPEC_PROMISE_PROCESS &&
		    str_eq(spec->promises[i].service, s->name))
			return NULL;
	struct spec_promise *p = ARENA_NEW(a, struct spec_promise);
	if (p)
		*p = (struct spec_promise){
			.name = arena_fmt(a, "service-%" STR_F, STR_A(s->name)),
			.kind = SPEC_PROMISE_PROCESS,
			.service = s->name,
			.period_seconds = SERVICE_PERIOD_S,
			.timeout_seconds = SERVICE_TIMEOUT_S,
			.failures = 1,
			.is_test = true,
			.is_anomaly = true,
		};
	return p;
}

static void list_promises(struct part *p, struct arena *a)
{
	size_t max = p->spec.promise_count + p->spec.service_count, n = 0;
	struct part_promise *list = ARENA_ARRAY(a, struct part_promise, max);
	for (size_t i = 0; list && i < p->spec.promise_count; i++)
		list[n++].spec = &p->spec.promises[i];
	for (size_t i = 0; list && i < p->spec.service_count; i++) {
		const struct spec_promise *s =
			service_promise(&p->spec, &p->spec.services[i], a);
		if (s)
			list[n++].spec = s;
	}
	p->promises = list;
	p->promise_count = n;
}

static void inherit(struct part_promise *to, const struct part *old)
{
	for (size_t i = 0; i < old->promise_count; i++) {
		const struct part_promise *from = &old->promises[i];
		if (!str_eq(from->spec->name, to->spec->name))
			continue;
		const struct spec_promise *spec = to->spec;
		*to = *from;
		to->spec = spec;
	}
}

/* Will a part with this spec make the promise? service-NAME counts for what list_promises adds. */
static bool will_promise(const struct profile_spec *fresh, const struct part_promise *old,
			 struct arena *a)
{
	struct str name = old->spec->name;
	for (size_t i = 0; i < fresh->promise_count; i++)
		if (str_eq(fresh->promises[i].name, name))
			return true;
	for (size_t i = 0; i < fresh->service_count; i++) {
		const struct spec_promise *s = service_promise(fresh, &fresh->services[i], a);
		if (s && str_eq(s->name, name))
			return true;
	}
	return false;
}

MUST int part_withdraw(const struct part *p, struct ndb *n, const struct profile_spec *fresh,
		       int64_t now_ms, struct err *e)
{
	struct arena *a CLEAN(arena_freep) = NULL;
	if (arena_new(4 << 20, &a, e) < 0)
		return -1;
	struct ndb_result *gone = ARENA_ARRAY(a, struct ndb_result, p->promise_count);
	size_t count = 0;
	for (size_t i = 0; gone && i < p->promise_count; i++)
		if (!will_promise(fresh, &p->promises[i], a))
			gone[count++] = (struct ndb_result){
				.instance = p->guid,
				.name = p->promises[i].spec->name,
				.state = S("withdrawn"),
				.message = S(""),
				.at_ms = now_ms,
			};
	return arena_check(a, e) < 0 ? -1 : ndb_results_add(n, gone, count, e);
}

MUST int part_take_spec(struct part *p, const struct machine_wish *w, struct str spec_text,
			int64_t now_ms, struct err *e)
{
	struct part fresh = *p;
	fresh.memory = NULL;
	if (arena_new(SPEC_MEMORY, &fresh.memory, e) < 0)
		return -1;
	fresh.spec_text = arena_dup(fresh.memory, spec_text);
	fresh.guid = arena_dup(fresh.memory, w->guid);
	fresh.type = arena_dup(fresh.memory, w->type);
	fresh.release = arena_dup(fresh.memory, w->release);
	if (profile_spec_read(fresh.spec_text, fresh.memory, &fresh.spec, e) < 0) {
		arena_free(fresh.memory);
		return -1;
	}
	list_promises(&fresh, fresh.memory);
	if (arena_check(fresh.memory, e) < 0) {
		arena_free(fresh.memory);
		return -1;
	}
	bool is_same_instance = p->memory && str_eq(p->guid, w->guid);
	for (size_t i = 0; i < fresh.promise_count; i++) {
		if (is_same_instance)
			inherit(&fresh.promises[i], p);
		fresh.promises[i].due_ms = now_ms;
	}
	arena_free(p->memory);
	p->memory = fresh.memory;
	p->guid = fresh.guid;
	p->type = fresh.type;
	p->release = fresh.release;
	p->spec_text = fresh.spec_text;
	p->spec = fresh.spec;
	p->promises = fresh.promises;
	p->promise_count = fresh.promise_count;
	p->secrets = NULL;
	p->secret_count = 0;
	return 0;
}

MUST int part_take_secrets(struct part *p, const struct str *secrets, size_t count,
			   struct err *e)
{
	struct str *mine = ARENA_ARRAY(p->memory, struct str, count);
	for (size_t i = 0; mine && i < count; i++)
		mine[i] = arena_dup(p->memory, secrets[i]);
	if (arena_check(p->memory, e) < 0)
		return -1;
	p->secrets = mine;
	p->secret_count = count;
	return 0;
}

struct check_place part_place(const struct part *p, const char *supervisor)
{
	return (struct check_place){
		.ipv4 = p->ipv4,
		.home = p->home,
		.supervisor = supervisor,
		.netns = p->netns,
		.partition = str_from(p->name),
		.run_dir = p->runs,
	};
}

void part_add_incident(struct part *p, struct str service, struct str message, int64_t at_ms)
{
	(void)pthread_mutex_lock(&p->lock);
	if (p->incident_count < PART_INCIDENTS_MAX) {
		struct part_incident *i = &p->incidents[p->incident_count++];
		(void)snprintf(i->service, sizeof i->service, "%" STR_F, STR_A(service));
		(void)snprintf(i->message, sizeof i->message, "%" STR_F, STR_A(message));
		i->at_ms = at_ms;
	}
	(void)pthread_mutex_unlock(&p->lock);
}

/* ---- a round of checks ---------------------------------------------------------------------
 */

enum { RESULTS_MAX = 2 * (SPEC_PROMISES_MAX + SPEC_SERVICES_MAX) + PART_INCIDENTS_MAX };

/* What a round found out that has to be written. */
struct news {
	struct ndb_result list[RESULTS_MAX];
	size_t count;
	struct arena *a;
};

static void add_news(struct news *n, const struct part *p, const struct part_promise *promise,
		     int64_t at_ms, int64_t took_ms)
{
	if (n->count == RESULTS_MAX)
		return;
	n->list[n->count++] = (struct ndb_result){
		.instance = p->guid,
		.name = promise->spec->name,
		.state = str_from(part_promise_state_name(promise->state)),
		.message = arena_dup(n->a, str_from(promise->message)),
		.at_ms = at_ms,
		.took_ms = took_ms,
	};
}

static void move_to(struct part_promise *promise, enum part_promise_state state,
		    const char *message, int64_t at_ms)
{
	if (promise->state != state) {
		promise->state = state;
		promise->since_ms = at_ms;
		promise->is_told = false;
	}
	(void)snprintf(promise->message, sizeof promise->message, "%s", message);
}

/* Services that died since the last round broke their promise at that moment. */
static void take_incidents(struct part *p, struct news *news, int64_t now_ms)
{
	(void)pthread_mutex_lock(&p->lock);
	for (size_t i = 0; i < p->incident_count; i++)
		for (size_t k = 0; k < p->promise_count; k++) {
			struct part_promise *promise = &p->promises[k];
			promise->due_ms = now_ms;
			bool is_its = promise->spec->kind == SPEC_PROMISE_PROCESS &&
				      str_is(promise->spec->service, p->incidents[i].service);
			if (!is_its)
				continue;
			move_to(promise, PART_BROKEN, p->incidents[i].message,
				p->incidents[i].at_ms);
			add_news(news, p, promise, p->incidents[i].at_ms, 0);
			promise->is_told = true;
		}
	p->incident_count = 0;
	(void)pthread_mutex_unlock(&p->lock);
}

static bool is_asked(const struct part_promise *promise, bool is_test, int64_t now_ms)
{
	if (is_test)
		return promise->spec->is_test;
	return promise->spec->is_anomaly && promise->due_ms <= now_ms;
}

static void judge(struct part_promise *promise, const struct check_result *r, bool is_test)
{
	promise->bad_in_row = r->is_kept ? 0 : promise->bad_in_row + 1;
	promise->due_ms = r->at_ms + promise->spec->period_seconds * 1000;
	if (r->is_kept) {
		promise->is_repair_given = false;
		move_to(promise, PART_KEPT, r->message, r->at_ms);
		return;
	}
	/* Asked again soon while it is bad but not yet broken. */
	bool is_broken = is_test || (int64_t)promise->bad_in_row >= promise->spec->failures;
	if (is_broken)
		move_to(promise, PART_BROKEN, r->message, r->at_ms);
	int64_t soon_ms = r->at_ms + MIN_OF(promise->spec->period_seconds, (int64_t)5) * 1000;
	promise->due_ms = MIN_OF(promise->due_ms, soon_ms);
}

/* Asks all that are due; the number asked. */
static size_t ask(struct part *p, const struct check_place *place, bool is_test, unsigned cap,
		  int64_t now_ms, struct news *news, bool *kept, char *message)
{
	enum { ASK_MAX = SPEC_PROMISES_MAX + SPEC_SERVICES_MAX };
	const struct spec_promise *specs[ASK_MAX];
	struct part_promise *asked[ASK_MAX];
	struct check_result *results = ARENA_ARRAY(news->a, struct check_result, ASK_MAX);
	size_t n = 0;
	for (size_t i = 0; i < p->promise_count && n < ASK_MAX; i++)
		if (is_asked(&p->promises[i], is_test, now_ms)) {
			asked[n] = &p->promises[i];
			specs[n++] = p->promises[i].spec;
		}
	if (!results)
		return 0;
	check_run_all(specs, n, cap, place, results);
	for (size_t i = 0; i < n; i++) {
		hide_secrets(results[i].message, sizeof results[i].message, p->secrets,
			     p->secret_count);
		judge(asked[i], &results[i], is_test);
		if (!results[i].is_kept && *kept) {
			*kept = false;
			(void)snprintf(message, CHECK_MESSAGE_SIZE, "promise %" STR_F ": %s",
				       STR_A(specs[i]->name), results[i].message);
		}
		/* Tests that fail while a deployment settles are no news; their end is. */
		bool is_patient = is_test && now_ms < p->probe_until_ms;
		bool is_known = asked[i]->state != PART_UNKNOWN;
		if (!asked[i]->is_told && is_known && (results[i].is_kept || !is_patient)) {
			add_news(news, p, asked[i], asked[i]->since_ms, results[i].took_ms);
			asked[i]->is_told = true;
		}
	}
	return n;
}

static int64_t next_due(const struct part *p)
{
	int64_t due = PLAN_NEVER;
	for (size_t i = 0; i < p->promise_count; i++)
		if (p->promises[i].spec->is_anomaly)
			due = MIN_OF(due, p->promises[i].due_ms);
	return due;
}

MUST int part_check(struct part *p, struct ndb *n, const char *supervisor,
		    const struct clock *clock, bool is_test, unsigned cap, bool *out_kept,
		    int64_t *out_due_ms, char *message, struct err *e)
{
	struct arena *a CLEAN(arena_freep) = NULL;
	if (arena_new(4 << 20, &a, e) < 0)
		return -1;
	struct news *news = ARENA_NEW(a, struct news);
	if (!news)
		return arena_check(a, e);
	news->a = a;
	int64_t now_ms = clock_now_ms(clock);
	struct check_place place = part_place(p, supervisor);
	bool is_kept = true;
	take_incidents(p, news, now_ms);
	(void)ask(p, &place, is_test, cap, now_ms, news, &is_kept, message);
	if (arena_check(a, e) < 0 || ndb_results_add(n, news->list, news->count, e) < 0) {
		/* Nobody heard of it: every promise says again how it stands. */
		for (size_t i = 0; i < p->promise_count; i++)
			p->promises[i].is_told = false;
		return -1;
	}
	*out_kept = is_kept;
	*out_due_ms = next_due(p);
	return news->count > 0;
}

static bool wants_repair(const struct part_promise *promise)
{
	return promise->state == PART_BROKEN && promise->spec->repair_restart.n &&
	       !promise->is_repair_given &&
	       (int64_t)promise->bad_in_row >= MAX_OF(promise->spec->failures, (int64_t)1);
}

const char *part_repair(struct part *p)
{
	struct str service = S("");
	for (size_t i = 0; i < p->promise_count; i++) {
		struct part_promise *promise = &p->promises[i];
		if (!wants_repair(promise))
			continue;
		if (!service.n)
			service = promise->spec->repair_restart;
		if (str_eq(service, promise->spec->repair_restart))
			promise->is_repair_given = true;
	}
	return service.n ? service.p : NULL;
}
