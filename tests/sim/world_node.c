/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * A node: the real machine, and hands that only pretend. Steps take time, fail now and then,
 * and leave on the simulated disk what the real ones would; the agent dies at any event and
 * comes back with what the disk holds.
 */
#include "sim.h"

#include <string.h>

enum {
	STEP_FAILS = 30,
	BUILD_FAILS = 100,
	NOT_READY = 300,
	NOT_KEPT = 20,
	CHECK_EVERY_MS = 5 * 60000,
	SETTLE_MS = 30000,
	POLL_MS = 55000,
	FLUSH_ROWS = 500,
	FLUSH_TIMEOUT_MS = 30000,
	NODE_STEPS = 4,
};

/* ---- steps --------------------------------------------------------------------------------- */

static void copy_wish(struct step *st, const struct machine_wish *w)
{
	struct arena *a = st->memory;
	st->wish = *w;
	st->wish.guid = arena_dup(a, w->guid);
	st->wish.title = arena_dup(a, w->title);
	st->wish.tree = arena_dup(a, w->tree);
	st->wish.release = arena_dup(a, w->release);
	st->wish.type = arena_dup(a, w->type);
	st->wish.parameters = arena_dup(a, w->parameters);
	st->wish.shared = arena_dup(a, w->shared);
}

int node_release_index(struct str uri)
{
	for (unsigned i = 0; i < SIM_RELEASES; i++)
		if (str_is(uri, master_release(i)))
			return (int)i;
	return -1;
}

/* An instance is deployed: nowhere else may it be, and nobody else may have been here. */
static void check_apply(struct sim_node *n, const struct step *st)
{
	struct sim *s = n->sim;
	const struct home *h = &n->homes[st->slot];
	int r = node_release_index(st->wish.release);
	if (r < 0 || !n->has_release[r])
		sim_violate(s, SIM_STEPS, "%s p%zu: APPLY without its release", n->name,
			    st->slot);
	if (!h->is_net_up)
		sim_violate(s, SIM_STEPS, "%s p%zu: APPLY without network", n->name, st->slot);
	if (h->files_of[0] && !str_is(st->wish.guid, h->files_of))
		sim_violate(s, SIM_OWNER, "%s p%zu: %" STR_F " among the files of %s", n->name,
			    st->slot, STR_A(st->wish.guid), h->files_of);
	for (unsigned i = 0; i < s->options.nodes; i++)
		for (size_t k = 0; k < SIM_PARTITIONS; k++)
			if (str_is(st->wish.guid, s->nodes[i].homes[k].files_of) &&
			    (&s->nodes[i] != n || k != st->slot))
				sim_violate(s, SIM_OWNER, "%s on %s p%zu and %s p%zu",
					    s->nodes[i].homes[k].files_of, s->nodes[i].name, k,
					    n->name, st->slot);
}

static void begin_effects(struct sim_node *n, struct step *st)
{
	struct home *h = &n->homes[st->slot];
	switch (st->kind) {
	case PLAN_APPLY:
		check_apply(n, st);
		disk_save_wish(h, &st->wish);
		disk_keep_guid(n, st->wish.guid);
		(void)snprintf(h->files_of, sizeof h->files_of, "%" STR_F,
			       STR_A(st->wish.guid));
		break;
	case PLAN_NET_UP:
	case PLAN_STOP:
	case PLAN_WIPE:
		disk_save_wish(h, &st->wish);
		break;
	case PLAN_PROBE:
	case PLAN_TEST:
	case PLAN_CHECK:
	case PLAN_REPORT:
	case PLAN_WAIT:
	case PLAN_STEP_KINDS:
		break;
	}
}

/* The promise of the instance is found kept or not; true if that is news for the master. */
static bool note_promise(struct sim_node *n, const struct home *h, int *told, bool is_kept)
{
	char body[300], at[CLOCK_TEXT_SIZE];
	if (*told == (int)is_kept)
		return false;
	*told = is_kept;
	clock_text(n->sim->now_ms, at);
	(void)snprintf(body, sizeof body,
		       "{\"instance\":\"%s\",\"name\":\"answers\",\"state\":\"%s\","
		       "\"message\":\"\",\"at\":\"%s\",\"took_ms\":1}",
		       h->spec_of, is_kept ? "kept" : "broken", at);
	disk_put(n, false, str_from(body));
	return true;
}

static bool check_promise(struct sim_node *n, struct step *st, struct machine_result *r)
{
	struct sim *s = n->sim;
	struct home *h = &n->homes[st->slot];
	bool is_kept = h->is_running && !sim_chance(s, NOT_KEPT);
	bool is_patient = st->kind == PLAN_TEST && s->now_ms < h->probe_until_ms;
	r->check_due_ms = s->now_ms + (is_kept ? CHECK_EVERY_MS : 5000);
	if (st->kind == PLAN_TEST)
		r->outcome = is_kept ? PLAN_OK : PLAN_NOT_YET;
	return (is_kept || !is_patient) && note_promise(n, h, &h->promise, is_kept);
}

static void apply_ends(struct sim_node *n, struct step *st, struct machine_result *r)
{
	struct home *h = &n->homes[st->slot];
	struct sim *s = n->sim;
	disk_apply(n, st->slot, &st->wish);
	r->connection = arena_fmt(st->memory, "{\"url\":\"tcp://%s/p%zu/%lld\"}", n->name,
				  st->slot, (long long)(st->wish.parameters.n));
	h->applied_version = st->wish.version;
	disk_set(&h->connection, r->connection);
	r->probe_until_ms = h->probe_until_ms = s->now_ms + SETTLE_MS;
}

/* What a step that works does at its end; true if the outbox got something. */
static bool end_effects(struct sim_node *n, struct step *st, struct machine_result *r)
{
	struct home *h = &n->homes[st->slot];
	switch (st->kind) {
	case PLAN_NET_UP:
		h->is_net_up = true;
		return false;
	case PLAN_APPLY:
		apply_ends(n, st, r);
		return false;
	case PLAN_PROBE:
		r->outcome = h->is_running && !sim_chance(n->sim, NOT_READY) ? PLAN_OK
									     : PLAN_NOT_YET;
		return false;
	case PLAN_TEST:
	case PLAN_CHECK:
		return check_promise(n, st, r);
	case PLAN_STOP:
		h->is_running = false;
		h->promise = -1;
		return false;
	case PLAN_WIPE: {
		bool has_news = h->spec_of[0] && disk_meter(n, st->slot);
		disk_wipe(n, st->slot);
		return has_news;
	}
	case PLAN_REPORT:
	case PLAN_WAIT:
	case PLAN_STEP_KINDS:
		break;
	}
	return false;
}

static void step_free(struct step *st)
{
	arena_free(st->memory);
}

void node_step_ends(struct step *st)
{
	struct sim_node *n = st->node;
	struct sim *s = n->sim;
	struct machine_result r = {.outcome = PLAN_OK, .check_due_ms = PLAN_NEVER};
	bool has_news = false;
	n->steps[st->slot] = NULL;
	if (st->is_failing) {
		s->stats.step_failures++;
		r.outcome = PLAN_FAILED;
		r.message = S("it failed by chance");
		r.check_due_ms = s->now_ms + 60000;
	} else {
		has_news = end_effects(n, st, &r);
	}
	sim_trace(s, "%s p%zu %s ends %d %" STR_F, n->name, st->slot, plan_step_name(st->kind),
		  (int)r.outcome, STR_A(st->wish.guid));
	if (st->kind == PLAN_TEST && r.outcome == PLAN_OK)
		has_news = disk_meter(n, st->slot) || has_news;
	machine_step_done(n->machine, st->slot, st->kind, &r);
	if (has_news)
		machine_outbox_filled(n->machine);
	step_free(st);
}

static void step_ends(struct sim *s UNUSED, void *object, uint64_t a UNUSED, uint64_t b UNUSED)
{
	struct step *st = object;
	bool is_late = st->life != st->node->life || !st->node->machine;
	if (is_late && st->node->steps[st->slot] == st)
		st->node->steps[st->slot] = NULL;
	if (is_late)
		step_free(st);
	else if (st->is_failing || !child_ask(st))
		node_step_ends(st);
}

static int64_t step_takes_ms(struct sim *s, enum plan_step_kind kind)
{
	switch (kind) {
	case PLAN_APPLY:
		return sim_between(s, 100, 4000);
	case PLAN_STOP:
	case PLAN_WIPE:
		return sim_between(s, 5, 3000);
	case PLAN_NET_UP:
		return sim_between(s, 2, 60);
	case PLAN_TEST:
	case PLAN_CHECK:
		return sim_between(s, 1, 400);
	case PLAN_PROBE:
	case PLAN_REPORT:
	case PLAN_WAIT:
	case PLAN_STEP_KINDS:
		break;
	}
	return 1;
}

static void do_step(void *user, size_t slot, enum plan_step_kind kind,
		    const struct machine_wish *wish)
{
	struct sim_node *n = user;
	struct sim *s = n->sim;
	struct arena *a = NULL;
	SIM_TRY(s, arena_new(2 << 20, &a, &e_));
	struct step *st = ARENA_NEW(a, struct step);
	ASSERT(st);
	*st = (struct step){
		.node = n, .life = n->life, .slot = slot, .kind = kind, .memory = a};
	copy_wish(st, wish);
	if (n->steps[slot])
		sim_violate(s, SIM_STEPS, "%s p%zu: two steps at once", n->name, slot);
	n->steps[slot] = st;
	st->is_failing = sim_chance(s, STEP_FAILS);
	s->stats.steps++;
	begin_effects(n, st);
	sim_at(s, s->now_ms + step_takes_ms(s, kind), step_ends, st, 0, 0);
}

/* ---- releases ------------------------------------------------------------------------------ */

struct build {
	struct sim_node *node;
	uint64_t life;
	size_t slot;
	int release;
	bool is_removal, is_failing;
};

static void check_removal(struct sim_node *n, int release)
{
	for (size_t i = 0; i < SIM_PARTITIONS; i++)
		if (n->homes[i].is_running &&
		    strcmp(n->homes[i].run_release, master_release((unsigned)release)) == 0)
			sim_violate(n->sim, SIM_STEPS, "%s p%zu runs from release %d, removed",
				    n->name, i, release);
}

static void build_ends(struct sim *s, void *object, uint64_t a UNUSED, uint64_t b_ UNUSED)
{
	struct build *b = object;
	struct sim_node *n = b->node;
	if (b->life == n->life && n->machine) {
		if (!b->is_failing && b->is_removal)
			check_removal(n, b->release);
		if (!b->is_failing)
			n->has_release[b->release] = !b->is_removal;
		sim_trace(s, "%s release %d %s %s", n->name, b->release,
			  b->is_removal ? "removed" : "built", b->is_failing ? "not" : "");
		machine_release_done(n->machine, b->slot,
				     b->is_removal ? PLAN_RELEASE_REMOVE : PLAN_RELEASE_BUILD,
				     !b->is_failing, S("it failed by chance"));
	}
	mem_free(b);
}

static void do_release_step(void *user, size_t slot, enum plan_release_kind kind,
			    struct str release)
{
	struct sim_node *n = user;
	struct sim *s = n->sim;
	struct err e = ERR_INIT;
	struct build *b = MEM_NEW(struct build, &e);
	if (!b)
		sim_die(s, "build", &e);
	*b = (struct build){n,
			    n->life,
			    slot,
			    node_release_index(release),
			    kind == PLAN_RELEASE_REMOVE,
			    sim_chance(s, BUILD_FAILS)};
	ASSERT(b->release >= 0);
	/* What is built already is found at once. */
	bool is_quick = b->is_removal || n->has_release[b->release];
	int64_t takes_ms = is_quick ? sim_between(s, 1, 200) : sim_between(s, 1000, 60000);
	if (is_quick && !b->is_removal)
		b->is_failing = false;
	sim_at(s, s->now_ms + takes_ms, build_ends, b, 0, 0);
}

/* ---- requests ------------------------------------------------------------------------------ */

static void answered(struct sim *s, void *owner, uint64_t life, uint64_t token, int status,
		     struct str body)
{
	struct sim_node *n = owner;
	if (life != n->life || !n->machine)
		return;
	sim_trace(s, "%s hears %llu %d", n->name, (unsigned long long)token, status);
	machine_answer(n->machine, token, status, body);
}

static void do_send(void *user, uint64_t token, const struct machine_request *request)
{
	struct sim_node *n = user;
	n->requests++;
	const struct net_request r = {
		.method = request->method,
		.target = request->path,
		.body = request->body,
		.timeout_ms = request->timeout_ms,
		.owner = n,
		.life = n->life,
		.token = token,
		.answer = answered,
		.cut_until_ms = &n->cut_until_ms,
	};
	net_send(n->sim, &r);
}

/* Sends the rows of one kind among the batch; false if there are none. */
static bool send_rows(struct sim_node *n, bool is_usage, net_answer_fn *answer)
{
	struct buf b CLEAN(buf_fini) = BUF_INIT(8 << 20);
	char path[64];
	size_t count = 0;
	buf_add(&b, is_usage ? S("{\"events\":[") : S("{\"results\":["));
	for (size_t i = 0; i < n->flush_rows; i++) {
		if (n->outbox[i].is_usage != is_usage)
			continue;
		if (count++)
			buf_add_c(&b, ',');
		buf_add(&b, str_from(n->outbox[i].body));
	}
	buf_add(&b, S("]}"));
	if (!count)
		return false;
	(void)snprintf(path, sizeof path, "/v1/nodes/%s/%s", n->name,
		       is_usage ? "usage" : "promises");
	n->requests++;
	const struct net_request r = {
		.method = "POST",
		.target = str_from(path),
		.body = buf_str(&b),
		.timeout_ms = FLUSH_TIMEOUT_MS,
		.owner = n,
		.life = n->life,
		.token = n->flush_token,
		.answer = answer,
		.cut_until_ms = &n->cut_until_ms,
	};
	net_send(n->sim, &r);
	return true;
}

static void flush_over(struct sim *s, void *object, uint64_t life, uint64_t is_ok)
{
	struct sim_node *n = object;
	if (life != n->life || !n->machine)
		return;
	if (is_ok)
		disk_drop(n, n->flush_rows);
	sim_trace(s, "%s flushed %d of %zu", n->name, (int)is_ok, n->flush_rows);
	machine_flushed(n->machine, is_ok, is_ok && n->outbox_n > 0);
}

/* As agent/doer_talk.c: what the master calls invalid is dropped. */
static bool is_taken(int status)
{
	return status / 100 == 2 || status == 400 || status == 413;
}

static void usage_sent(struct sim *s, void *owner, uint64_t life, uint64_t token, int status,
		       struct str body UNUSED)
{
	struct sim_node *n = owner;
	if (life == n->life && token == n->flush_token)
		flush_over(s, n, life, is_taken(status));
}

static void promises_sent(struct sim *s, void *owner, uint64_t life, uint64_t token, int status,
			  struct str body UNUSED)
{
	struct sim_node *n = owner;
	if (life != n->life || token != n->flush_token)
		return;
	if (!is_taken(status) || !send_rows(n, true, usage_sent))
		flush_over(s, n, life, is_taken(status));
}

static void do_flush(void *user)
{
	struct sim_node *n = user;
	n->flush_token++;
	n->flush_rows = MIN_OF(n->outbox_n, (size_t)FLUSH_ROWS);
	if (!send_rows(n, false, promises_sent) && !send_rows(n, true, usage_sent))
		sim_at(n->sim, n->sim->now_ms, flush_over, n, n->life, true);
}

/* ---- other effects ------------------------------------------------------------------------- */

static void tick(struct sim *s UNUSED, void *object, uint64_t life, uint64_t number)
{
	struct sim_node *n = object;
	if (life == n->life && number == n->wake && n->machine)
		machine_tick(n->machine);
}

static void do_wake_at(void *user, int64_t at_ms)
{
	struct sim_node *n = user;
	sim_at(n->sim, at_ms, tick, n, n->life, ++n->wake);
}

struct forgetting {
	struct sim_node *node;
	size_t slot;
	char guid[SIM_TEXT_MAX];
};

static void forget_ends(struct sim *s, void *object, uint64_t life, uint64_t b UNUSED)
{
	struct forgetting *f = object;
	if (life == f->node->life) {
		sim_trace(s, "%s p%zu forgets %s", f->node->name, f->slot, f->guid);
		disk_forget(f->node, f->slot, str_from(f->guid));
	}
	mem_free(f);
}

static void do_forget(void *user, size_t slot, struct str guid)
{
	struct sim_node *n = user;
	struct err e = ERR_INIT;
	struct forgetting *f = MEM_NEW(struct forgetting, &e);
	if (!f)
		sim_die(n->sim, "forget", &e);
	*f = (struct forgetting){.node = n, .slot = slot};
	(void)snprintf(f->guid, sizeof f->guid, "%" STR_F, STR_A(guid));
	sim_at(n->sim, n->sim->now_ms + sim_between(n->sim, 0, 5), forget_ends, f, n->life, 0);
}

/* ---- life ---------------------------------------------------------------------------------- */

static void restore_home(struct sim_node *n, size_t slot)
{
	struct home *h = &n->homes[slot];
	struct sim *s = n->sim;
	bool is_whole = h->spec_of[0] && h->is_running;
	struct plan_partition facts = {
		.has_traces = true,
		.is_net_up = true,
		.is_running = true,
		.applied_version = is_whole ? h->applied_version : 0,
	};
	const struct machine_wish w = {
		.guid = str_from(h->guid),
		.title = str_from(h->title),
		.tree = str_from(h->tree),
		.release = str_from(h->release),
		.type = str_from(h->type),
		.want = h->want,
		.parameters = str_from(h->parameters),
		.shared = str_from(h->shared),
		.version = h->version,
	};
	h->promise = -1;
	int r = node_release_index(w.release);
	if (r >= 0 && n->has_release[r])
		SIM_TRY(s, machine_restore_release(n->machine, w.release, &e_));
	SIM_TRY(s, machine_restore(n->machine, slot, &w, &facts, str_from(h->connection), &e_));
}

static struct str format_body(const struct sim_node *n, struct buf *b)
{
	buf_addf(b, "{\"computer_guid\":\"%s\",\"compute_partition_list\":[", n->name);
	for (unsigned i = 0; i < SIM_PARTITIONS; i++)
		buf_addf(b,
			 "%s{\"partition_id\":\"p%u\",\"ip_list\":[{\"ip-address\":\"10.%u.0.%"
			 "u\","
			 "\"network-interface\":\"hoc0\",\"netmask\":\"255.255.255.255\"}]}",
			 i ? "," : "", i, n->index, i + 1);
	buf_add(b, S("]}"));
	return buf_str(b);
}

static struct str node_body(const struct sim_node *n, char *text, size_t size)
{
	(void)snprintf(
		text, size,
		"{\"title\":\"%s\",\"region\":\"r%u\",\"capabilities\":{\"hoc\":\"yes\"}}",
		n->name, n->index % 4);
	return str_from(text);
}

static void start(struct sim *s, void *object, uint64_t life, uint64_t b_ UNUSED)
{
	struct sim_node *n = object;
	char text[200];
	struct buf b CLEAN(buf_fini) = BUF_INIT(1 << 20);
	if (life != n->life || n->machine)
		return;
	const struct machine_options o = {
		.node = str_from(n->name),
		.partitions = SIM_PARTITIONS,
		.releases_max = 16,
		.steps_max = NODE_STEPS,
		.poll_for_ms = POLL_MS,
	};
	sim_trace(s, "%s starts", n->name);
	SIM_TRY(s, machine_new(&o, &n->world, &n->machine, &e_));
	for (size_t i = 0; i < SIM_PARTITIONS; i++) {
		(void)snprintf(text, sizeof text, "p%zu", i);
		SIM_TRY(s, machine_name_partition(n->machine, i, str_from(text), &e_));
		n->steps[i] = NULL;
		n->homes[i].is_net_up = true; /* each start brings all networks up */
	}
	for (size_t i = 0; i < SIM_PARTITIONS; i++)
		if (n->homes[i].has_wish)
			restore_home(n, i);
	SIM_TRY(s, machine_start(n->machine, format_body(n, &b),
				 node_body(n, text, sizeof text), false, &e_));
	if (n->outbox_n)
		machine_outbox_filled(n->machine);
}

/* A step that was under way may have come to any point. */
static void break_off(struct sim_node *n, struct step *st)
{
	struct home *h = &n->homes[st->slot];
	if (st->is_failing || sim_between(n->sim, 0, 1) == 0)
		return;
	if (st->kind == PLAN_APPLY)
		disk_apply(n, st->slot, &st->wish);
	if (st->kind == PLAN_NET_UP)
		h->is_net_up = true;
	if (st->kind == PLAN_STOP)
		h->is_running = false;
	if (st->kind == PLAN_WIPE)
		disk_wipe(n, st->slot);
}

static void crash(struct sim *s, struct sim_node *n, bool is_reboot)
{
	int64_t away_ms = sim_between(s, 0, 3) ? sim_between(s, 500, 60000)
					       : sim_between(s, 60000, 3600000);
	sim_trace(s, "%s %s", n->name, is_reboot ? "reboots" : "crashes");
	s->stats.crashes += !is_reboot;
	s->stats.reboots += is_reboot;
	for (size_t i = 0; i < SIM_PARTITIONS; i++) {
		if (n->steps[i])
			break_off(n, n->steps[i]);
		if (n->steps[i] && n->steps[i]->is_asking)
			step_free(n->steps[i]); /* nothing else knows it */
		n->steps[i] = NULL;
		n->homes[i].is_running = n->homes[i].is_running && !is_reboot;
	}
	n->machine = machine_free(n->machine);
	n->life++;
	sim_at(s, s->now_ms + away_ms, start, n, n->life, 0);
}

static void cut(struct sim *s, struct sim_node *n)
{
	static const int64_t longest_ms[] = {5000, 60000, 600000, 7200000};
	int64_t for_ms = sim_between(s, 1000, longest_ms[sim_between(s, 0, 3)]);
	n->cut_until_ms = s->now_ms + for_ms;
	s->stats.cuts++;
	sim_trace(s, "%s is cut off for %lld ms", n->name, (long long)for_ms);
}

static void lose_services(struct sim *s, struct sim_node *n)
{
	size_t slot = (size_t)sim_between(s, 0, SIM_PARTITIONS - 1);
	/* Rather where the agent is just busy. */
	for (size_t i = 0; i < SIM_PARTITIONS && n->machine; i++)
		if (n->homes[i].is_running && machine_facts(n->machine, i)->is_busy)
			slot = i;
	if (!n->homes[slot].is_running)
		return;
	n->homes[slot].is_running = false;
	sim_trace(s, "%s p%zu: services are gone", n->name, slot);
	if (n->machine)
		machine_nudge(n->machine, slot, false, PLAN_NEVER);
}

static void misfortune(struct sim *s, void *object, uint64_t a UNUSED, uint64_t b UNUSED)
{
	struct sim_node *n = object;
	if (s->is_healed)
		return;
	int64_t what = sim_between(s, 0, 6);
	if (what < 4 && n->machine)
		crash(s, n, what == 0);
	else
		cut(s, n);
	sim_at(s, s->now_ms + sim_between(s, 1000, 40 * 60000), misfortune, n, 0, 0);
}

static void bad_service(struct sim *s, void *object, uint64_t a UNUSED, uint64_t b UNUSED)
{
	struct sim_node *n = object;
	if (s->is_healed)
		return;
	lose_services(s, n);
	sim_at(s, s->now_ms + sim_between(s, 1000, 10 * 60000), bad_service, n, 0, 0);
}

static void meter(struct sim *s, void *object, uint64_t a UNUSED, uint64_t b UNUSED)
{
	struct sim_node *n = object;
	bool has_news = false;
	sim_at(s, s->now_ms + SIM_METER_MS, meter, n, 0, 0);
	if (!n->machine || s->is_healed)
		return;
	for (size_t i = 0; i < SIM_PARTITIONS; i++) {
		const struct plan_partition *f = machine_facts(n->machine, i);
		if (!f->is_busy && f->has_traces && n->homes[i].spec_of[0])
			has_news = disk_meter(n, i) || has_news;
	}
	if (has_news)
		machine_outbox_filled(n->machine);
}

static void node_init(struct sim *s, struct sim_node *n, unsigned index)
{
	n->sim = s;
	n->index = index;
	(void)snprintf(n->name, sizeof n->name, "n%03u", index);
	rng_seeded_init(&n->rng, s->options.seed * 1000 + index);
	n->world = (struct machine_world){
		.user = n,
		.clock = &s->clock,
		.rng = &n->rng.rng,
		.send = do_send,
		.step = do_step,
		.release_step = do_release_step,
		.flush = do_flush,
		.wake_at = do_wake_at,
		.forget = do_forget,
	};
	for (size_t i = 0; i < SIM_PARTITIONS; i++)
		n->homes[i].promise = -1;
	sim_at(s, s->now_ms + sim_between(s, 0, 20000), start, n, 0, 0);
	sim_at(s, s->now_ms + sim_between(s, 60000, 60 * 60000), misfortune, n, 0, 0);
	sim_at(s, s->now_ms + sim_between(s, 60000, 10 * 60000), bad_service, n, 0, 0);
	sim_at(s, s->now_ms + sim_between(s, 0, SIM_METER_MS), meter, n, 0, 0);
}

void nodes_new(struct sim *s)
{
	struct err e = ERR_INIT;
	s->nodes = mem_new(s->options.nodes * sizeof *s->nodes, &e);
	if (!s->nodes)
		sim_die(s, "nodes", &e);
	for (unsigned i = 0; i < s->options.nodes; i++)
		node_init(s, &s->nodes[i], i);
}

void nodes_heal(struct sim *s)
{
	for (unsigned i = 0; i < s->options.nodes; i++) {
		s->nodes[i].cut_until_ms = 0;
		if (!s->nodes[i].machine)
			sim_at(s, s->now_ms, start, &s->nodes[i], s->nodes[i].life, 0);
	}
}

static const char *unsettled(const struct sim_node *n, char *text, size_t size)
{
	(void)snprintf(text, size, "%s", n->name);
	if (n->machine && machine_is_settled(n->machine) && machine_is_linked(n->machine) &&
	    !n->outbox_n)
		return NULL;
	int at = snprintf(text, size, "%s: %s, outbox %zu", n->name,
			  !n->machine			  ? "down"
			  : machine_is_linked(n->machine) ? "linked"
							  : "not linked",
			  n->outbox_n);
	for (size_t i = 0; n->machine && i < SIM_PARTITIONS && (size_t)at < size; i++) {
		const struct plan_partition *f = machine_facts(n->machine, i);
		struct plan_step next = plan_partition(f, n->sim->now_ms);
		if (f->want != PLAN_NOTHING &&
		    (f->is_busy || (next.kind != PLAN_WAIT && next.kind != PLAN_CHECK)))
			at += snprintf(text + at, size - (size_t)at,
				       "; p%zu want %d next %s busy %d failures %u", i,
				       (int)f->want, plan_step_name(next.kind), f->is_busy,
				       f->failures);
	}
	return text;
}

const char *nodes_unsettled(struct sim *s, char *text, size_t size)
{
	for (unsigned i = 0; i < s->options.nodes; i++)
		if (unsettled(&s->nodes[i], text, size))
			return text;
	return NULL;
}

void nodes_free(struct sim *s)
{
	for (unsigned i = 0; i < s->options.nodes; i++) {
		machine_free(s->nodes[i].machine);
		for (size_t k = 0; k < SIM_PARTITIONS; k++)
			if (s->nodes[i].steps[k] && s->nodes[i].steps[k]->is_asking)
				step_free(s->nodes[i].steps[k]);
		disk_fini(&s->nodes[i]);
	}
	mem_free(s->nodes);
}
