/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * Slots and planning. Every event ends in machine_plan, which asks the pure planner for each
 * slot's next step. Looking at a slot costs some ten nanoseconds, so looking at all of them on
 * every event is cheaper, for the thousands that a node can hold, than keeping a queue right.
 */
#include "agent/machine.h"

#include "agent/machine_impl.h"
#include "base/log.h"
#include "base/mem.h"

int64_t machine_now(const struct machine *m)
{
	return clock_now_ms(m->world->clock);
}

unsigned machine_jitter(const struct machine *m)
{
	return (unsigned)rng_below(m->world->rng, 1000);
}

static int check_options(const struct machine_options *o, struct err *e)
{
	if (o->node.n == 0 || o->node.n > 64)
		return err_field(e, "node", "a node's name has 1 to 64 characters");
	if (!o->partitions || o->partitions > 100000)
		return err_field(e, "partitions", "1 to 100000 partitions");
	ASSERT(o->steps_max > 0 && o->releases_max > 0);
	return 0;
}

static int allocate(struct machine *m, const struct machine_options *o, struct err *e)
{
	m->slots = mem_new(o->partitions * sizeof *m->slots, e);
	m->releases = m->slots ? mem_new(o->releases_max * sizeof *m->releases, e) : NULL;
	m->link.fetch_max = 2 * o->partitions;
	m->link.fetches =
		m->releases ? mem_new(m->link.fetch_max * sizeof *m->link.fetches, e) : NULL;
	return m->link.fetches ? 0 : -1;
}

MUST int machine_new(const struct machine_options *options, const struct machine_world *world,
		     struct machine **out, struct err *e)
{
	if (check_options(options, e) < 0)
		return -1;
	struct machine *m = MEM_NEW(struct machine, e);
	if (!m)
		return -1;
	m->world = world;
	(void)snprintf(m->node, sizeof m->node, "%" STR_F, STR_A(options->node));
	m->steps_max = options->steps_max;
	m->poll_for_ms = options->poll_for_ms;
	if (allocate(m, options, e) < 0) {
		machine_free(m);
		return -1;
	}
	m->slots_n = options->partitions;
	m->releases_n = options->releases_max;
	for (size_t i = 0; i < m->slots_n; i++) {
		m->slots[i].facts.check_due_ms = PLAN_NEVER;
		m->slots[i].nudged_due_ms = PLAN_NEVER;
	}
	*out = m;
	return 0;
}

struct machine *machine_free(struct machine *m)
{
	if (!m)
		return NULL;
	for (size_t i = 0; i < m->slots_n; i++) {
		arena_free(m->slots[i].wish_memory);
		mem_free(m->slots[i].connection);
	}
	for (size_t i = 0; i < m->releases_n; i++)
		mem_free(m->releases[i].release);
	link_fini(&m->link);
	mem_free(m->slots);
	mem_free(m->releases);
	mem_free(m);
	return NULL;
}

MUST int machine_name_partition(struct machine *m, size_t slot, struct str name, struct err *e)
{
	ASSERT(slot < m->slots_n);
	if (!name.n || name.n >= sizeof m->slots[slot].name)
		return err_field(e, "partition", "a partition's name has 1 to 63 characters");
	(void)snprintf(m->slots[slot].name, sizeof m->slots[slot].name, "%" STR_F, STR_A(name));
	return 0;
}

size_t machine_slot_named(const struct machine *m, struct str name)
{
	for (size_t i = 0; i < m->slots_n; i++)
		if (str_is(name, m->slots[i].name))
			return i;
	return m->slots_n;
}

/* Copies the texts of `from` into `a`. */
static struct machine_wish copy_wish(struct arena *a, const struct machine_wish *from)
{
	struct machine_wish w = *from;
	w.guid = arena_dup(a, from->guid);
	w.title = arena_dup(a, from->title);
	w.tree = arena_dup(a, from->tree);
	w.release = arena_dup(a, from->release);
	w.type = arena_dup(a, from->type);
	w.parameters = arena_dup(a, from->parameters);
	w.shared = arena_dup(a, from->shared);
	return w;
}

/* Cut between characters: it travels as JSON. */
static void set_message(char *to, struct str message)
{
	size_t n = MIN_OF(message.n, (size_t)MACHINE_MESSAGE_MAX - 1);
	while (n && n < message.n && ((unsigned char)message.p[n] & 0xC0) == 0x80)
		n--;
	(void)snprintf(to, MACHINE_MESSAGE_MAX, "%" STR_F, (int)n, message.p);
}

static int set_connection(struct slot *s, struct str connection, struct err *e)
{
	if (s->connection && str_is(connection, s->connection))
		return 0;
	char *copy = connection.n ? mem_dup(connection.p, connection.n, e) : NULL;
	if (connection.n && !copy)
		return -1;
	mem_free(s->connection);
	s->connection = copy;
	s->is_connection_told = false;
	return 0;
}

MUST int machine_set_wish(struct machine *m, size_t slot, const struct machine_wish *wish,
			  struct err *e)
{
	struct slot *s = &m->slots[slot];
	struct arena *a = NULL;
	if (arena_new(MACHINE_WISH_MAX, &a, e) < 0)
		return -1;
	struct machine_wish copy = copy_wish(a, wish);
	if (arena_check(a, e) < 0) {
		arena_free(a);
		return -1;
	}
	bool is_other = !s->wish_memory || !str_eq(s->wish.guid, copy.guid);
	if (is_other) {
		mem_free(s->connection);
		s->connection = NULL;
		s->is_connection_told = false;
		s->facts.told = PLAN_TOLD_NOTHING;
	}
	arena_free(s->wish_memory);
	s->wish_memory = a;
	s->wish = copy;
	plan_partition_want(&s->facts, wish->want, wish->version);
	machine_refresh_releases(m);
	return 0;
}

void machine_free_slot(struct machine *m, size_t slot)
{
	struct slot *s = &m->slots[slot];
	struct arena *old = s->wish_memory;
	struct str guid = s->wish.guid;
	s->wish_memory = NULL;
	s->wish = (struct machine_wish){.want = PLAN_NOTHING};
	mem_free(s->connection);
	s->connection = NULL;
	s->is_connection_told = false;
	s->message[0] = 0;
	s->facts = (struct plan_partition){.check_due_ms = PLAN_NEVER};
	s->nudged_due_ms = PLAN_NEVER;
	s->is_nudged_down = false;
	s->report_token = 0; /* an answer that is still to come is nobody's */
	machine_refresh_releases(m);
	m->world->forget(m->world->user, slot, guid);
	arena_free(old);
}

MUST int machine_restore(struct machine *m, size_t slot, const struct machine_wish *wish,
			 const struct plan_partition *facts, struct str connection,
			 struct err *e)
{
	ASSERT(slot < m->slots_n && !m->is_started);
	struct slot *s = &m->slots[slot];
	s->facts = *facts;
	s->facts.want = PLAN_NOTHING;
	s->facts.version = 0;
	if (machine_set_wish(m, slot, wish, e) < 0)
		return -1;
	return set_connection(s, connection, e);
}

MUST int machine_release_slot(struct machine *m, struct str release, size_t *out, struct err *e)
{
	size_t empty = m->releases_n;
	for (size_t i = 0; i < m->releases_n; i++) {
		if (!m->releases[i].release) {
			empty = MIN_OF(empty, i);
		} else if (str_is(release, m->releases[i].release)) {
			*out = i;
			return 0;
		}
	}
	if (empty == m->releases_n)
		return err_fail(e, ERR_BUSY, "%zu releases at once are all that a node takes",
				m->releases_n);
	char *copy = mem_dup(release.p, release.n, e);
	if (!copy)
		return -1;
	/* What an earlier run left on disk is not known: it counts as there until removed. */
	m->releases[empty] = (struct release_slot){.release = copy, .facts = {.is_told = true}};
	*out = empty;
	return 0;
}

MUST int machine_restore_release(struct machine *m, struct str release, struct err *e)
{
	size_t i;
	if (machine_release_slot(m, release, &i, e) < 0)
		return -1;
	m->releases[i].facts =
		(struct plan_release){.is_wanted = true, .build = PLAN_BUILD_DONE};
	machine_refresh_releases(m);
	return 0;
}

void machine_refresh_releases(struct machine *m)
{
	m->has_stale_releases = true;
}

/* Which releases are on disk decides what partitions may do, and the reverse. */
static void refresh_releases(struct machine *m)
{
	if (!m->has_stale_releases)
		return;
	m->has_stale_releases = false;
	for (size_t r = 0; r < m->releases_n; r++)
		m->releases[r].facts.is_used = false;
	for (size_t i = 0; i < m->slots_n; i++) {
		struct slot *s = &m->slots[i];
		bool is_ready = false;
		for (size_t r = 0; r < m->releases_n && s->wish.release.n; r++) {
			struct release_slot *rel = &m->releases[r];
			if (!rel->release || !str_is(s->wish.release, rel->release))
				continue;
			rel->facts.is_used = true;
			is_ready = rel->facts.build == PLAN_BUILD_DONE;
		}
		s->facts.is_release_ready = is_ready;
	}
}

static void start_step(struct machine *m, size_t i, enum plan_step_kind kind)
{
	struct slot *s = &m->slots[i];
	s->facts.is_busy = true;
	s->step_version = s->facts.version;
	if (kind == PLAN_REPORT) {
		link_report_slot(m, i);
		return;
	}
	if (kind == PLAN_APPLY) {
		/* Even if it fails half way, services may run and the old version is gone. What
		 * is applied anew is tested anew, and checked from then on. */
		s->facts.is_running = true;
		s->facts.applied_version = s->facts.tested_version = 0;
	}
	m->steps++;
	m->world->step(m->world->user, i, kind, &s->wish);
}

/*
 * News of promises go before what is said of the instance, so that whoever sees it running sees
 * its promises kept too. News that cannot be delivered hold nothing up.
 */
static bool may_report(const struct machine *m)
{
	bool has_news = m->link.has_outbox && m->link.flush_failures == 0;
	return m->link.is_linked && !has_news;
}

/* Starts what is due for slot i; the moment when it has to be looked at again. */
static int64_t plan_slot(struct machine *m, size_t i, int64_t now_ms)
{
	struct slot *s = &m->slots[i];
	if (s->facts.want == PLAN_NOTHING)
		return PLAN_NEVER;
	/* It is applied again. Some of its services may still run: STOP has to look. */
	if (s->is_nudged_down && !s->facts.is_busy) {
		s->facts.applied_version = 0;
		s->is_nudged_down = false;
	}
	s->facts.report_due_ms = may_report(m) ? m->link.reports_after_ms : PLAN_NEVER;
	struct plan_step next = plan_partition(&s->facts, now_ms);
	if (next.kind == PLAN_WAIT || next.due_ms > now_ms)
		return next.due_ms;
	if (next.kind == PLAN_REPORT || m->steps < m->steps_max)
		start_step(m, i, next.kind);
	return PLAN_NEVER; /* whatever ends next plans again */
}

static void start_release_step(struct machine *m, size_t i, enum plan_release_kind kind)
{
	struct release_slot *r = &m->releases[i];
	if (kind == PLAN_RELEASE_BUILD)
		link_tell_building(m, i);
	/* From its first moment a build leaves traces, and a removal leaves nothing to use. */
	r->facts.is_removed = false;
	r->facts.build = PLAN_BUILD_NONE;
	machine_refresh_releases(m);
	m->world->release_step(m->world->user, i, kind, str_from(r->release));
}

static int64_t plan_release_slot(struct machine *m, size_t i, int64_t now_ms)
{
	struct release_slot *r = &m->releases[i];
	if (!r->release)
		return PLAN_NEVER;
	r->facts.report_due_ms = m->link.is_linked ? m->link.reports_after_ms : PLAN_NEVER;
	struct plan_release_step next = plan_release(&r->facts, now_ms);
	if (next.kind == PLAN_RELEASE_WAIT)
		return next.due_ms;
	r->facts.is_busy = true;
	if (next.kind == PLAN_RELEASE_REPORT)
		link_report_release(m, i);
	else
		start_release_step(m, i, next.kind);
	return PLAN_NEVER;
}

void machine_plan(struct machine *m)
{
	if (!m->is_started || m->is_planning)
		return;
	m->is_planning = true;
	int64_t now_ms = machine_now(m), wake_ms = link_plan(m, now_ms);
	refresh_releases(m);
	for (size_t i = 0; i < m->releases_n; i++)
		wake_ms = MIN_OF(wake_ms, plan_release_slot(m, i, now_ms));
	refresh_releases(m);
	/* Where steps are scarce, each slot has its turn. */
	m->first = (m->first + 1) % m->slots_n;
	for (size_t i = 0; i < m->slots_n; i++)
		wake_ms = MIN_OF(wake_ms, plan_slot(m, (m->first + i) % m->slots_n, now_ms));
	m->is_planning = false;
	if (wake_ms != PLAN_NEVER)
		m->world->wake_at(m->world->user, wake_ms);
}

MUST int machine_start(struct machine *m, struct str format_body, struct str node_body,
		       bool is_alone, struct err *e)
{
	ASSERT(!m->is_started);
	m->link.format_body = mem_dup(format_body.p, format_body.n, e);
	m->link.node_body = m->link.format_body ? mem_dup(node_body.p, node_body.n, e) : NULL;
	if (!m->link.node_body)
		return -1;
	m->link.state = is_alone ? LINK_OFF : LINK_FORMAT;
	m->is_started = true;
	machine_plan(m);
	return 0;
}

void machine_tick(struct machine *m)
{
	machine_plan(m);
}

bool machine_is_fulfilled(const struct plan_partition *f)
{
	return f->want == PLAN_STARTED && f->is_running && f->is_ready &&
	       f->applied_version == f->version && f->tested_version == f->version;
}

/* Facts that belong to the wish under which the step began. */
static void note_step(struct slot *s, enum plan_step_kind kind, const struct machine_result *r)
{
	if (kind == PLAN_APPLY && r->outcome == PLAN_OK) {
		s->facts.applied_version = s->step_version;
		s->facts.probe_until_ms = r->probe_until_ms;
		s->facts.told = PLAN_TOLD_NOTHING;
	}
	if (kind == PLAN_TEST && r->outcome == PLAN_OK)
		s->facts.tested_version = s->step_version;
	bool sets_check = kind == PLAN_APPLY || kind == PLAN_TEST || kind == PLAN_CHECK;
	if (sets_check)
		s->facts.check_due_ms = MIN_OF(r->check_due_ms, s->nudged_due_ms);
	s->nudged_due_ms = PLAN_NEVER;
}

void machine_step_done(struct machine *m, size_t slot, enum plan_step_kind kind,
		       const struct machine_result *result)
{
	ASSERT(slot < m->slots_n && m->slots[slot].facts.is_busy && m->steps > 0);
	struct slot *s = &m->slots[slot];
	struct machine_result r = *result;
	struct err e = ERR_INIT;
	m->steps--;
	if (kind == PLAN_APPLY && r.outcome == PLAN_OK &&
	    set_connection(s, r.connection, &e) < 0) {
		r.outcome = PLAN_FAILED;
		r.message = str_from(e.text);
	}
	note_step(s, kind, &r);
	set_message(s->message, r.outcome == PLAN_OK ? S("") : r.message);
	plan_partition_done(&s->facts, kind, r.outcome, machine_now(m), machine_jitter(m));
	/* A check that could not be made is made again; it is no failure of the deployment. */
	if (machine_is_fulfilled(&s->facts))
		s->facts.failures = 0;
	if (s->step_version != s->facts.version) {
		/* What failed was another wish: the new one starts afresh. */
		s->facts.failures = 0;
		s->facts.not_before_ms = 0;
	}
	machine_plan(m);
}

void machine_release_done(struct machine *m, size_t slot, enum plan_release_kind kind,
			  bool is_ok, struct str message)
{
	ASSERT(slot < m->releases_n && m->releases[slot].facts.is_busy);
	struct release_slot *r = &m->releases[slot];
	set_message(r->message, is_ok ? S("") : message);
	plan_release_done(&r->facts, kind, is_ok, machine_now(m), machine_jitter(m));
	machine_refresh_releases(m);
	machine_plan(m);
}

void machine_nudge(struct machine *m, size_t slot, bool is_running, int64_t check_due_ms)
{
	struct slot *s = &m->slots[slot];
	struct plan_partition *f = &s->facts;
	s->is_nudged_down = s->is_nudged_down || !is_running;
	if (f->is_busy)
		s->nudged_due_ms = MIN_OF(s->nudged_due_ms, check_due_ms);
	f->check_due_ms = MIN_OF(f->check_due_ms, check_due_ms);
	machine_plan(m);
}

/* The master was asked, everything it named was fetched, and it takes reports. */
static bool is_link_settled(const struct link *l, int64_t now_ms)
{
	if (l->state == LINK_OFF)
		return true;
	bool is_idle = l->state == LINK_POLL || l->state == LINK_PAUSE;
	return is_idle && l->is_linked && !l->failures && l->reports_after_ms <= now_ms;
}

bool machine_is_settled(const struct machine *m)
{
	int64_t now_ms = machine_now(m);
	/* Without a master the outbox waits for the next run that has one. */
	bool has_post = m->link.has_outbox && m->link.state != LINK_OFF;
	if (m->steps || has_post || !is_link_settled(&m->link, now_ms))
		return false;
	for (size_t i = 0; i < m->slots_n; i++) {
		const struct plan_partition *f = &m->slots[i].facts;
		struct plan_step next = plan_partition(f, now_ms);
		bool is_quiet = next.kind == PLAN_WAIT || next.kind == PLAN_CHECK;
		if (f->want != PLAN_NOTHING && (f->is_busy || !is_quiet))
			return false;
	}
	for (size_t i = 0; i < m->releases_n; i++) {
		const struct release_slot *r = &m->releases[i];
		bool is_quiet = plan_release(&r->facts, now_ms).kind == PLAN_RELEASE_WAIT;
		if (r->release && (r->facts.is_busy || !is_quiet))
			return false;
	}
	return true;
}

bool machine_is_linked(const struct machine *m)
{
	return m->link.is_linked;
}

int64_t machine_contact_at_ms(const struct machine *m)
{
	return m->link.contact_at_ms;
}

size_t machine_partitions(const struct machine *m)
{
	return m->slots_n;
}

const struct plan_partition *machine_facts(const struct machine *m, size_t slot)
{
	return &m->slots[slot].facts;
}

const struct machine_wish *machine_wish(const struct machine *m, size_t slot)
{
	return &m->slots[slot].wish;
}

struct str machine_partition_name(const struct machine *m, size_t slot)
{
	return str_from(m->slots[slot].name);
}

struct str machine_message(const struct machine *m, size_t slot)
{
	return str_from(m->slots[slot].message);
}

size_t machine_releases(const struct machine *m)
{
	return m->releases_n;
}

bool machine_release(const struct machine *m, size_t slot, struct str *release,
		     struct plan_release *facts, struct str *message)
{
	const struct release_slot *r = &m->releases[slot];
	if (!r->release)
		return false;
	*release = str_from(r->release);
	*facts = r->facts;
	*message = str_from(r->message);
	return true;
}
