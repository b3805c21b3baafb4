/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * Fetching: an instance that changed is asked for, then the shared instances that it hosts, and
 * both become the wish of its slot.
 */
#include "agent/machine_impl.h"
#include "base/log.h"
#include "json/json.h"
#include "trust/hash.h"

void fetch_clear(struct link *l)
{
	for (size_t i = 0; i < l->fetch_count; i++)
		arena_free(l->fetches[i].memory);
	l->fetch_count = 0;
	l->has_fetch_failed = false;
}

void fetch_add(struct link *l, struct str guid)
{
	if (guid.n == 0 || guid.n >= sizeof l->fetches[0].guid)
		return;
	for (size_t i = 0; i < l->fetch_count; i++)
		if (str_is(guid, l->fetches[i].guid))
			return;
	if (l->fetch_count == l->fetch_max) {
		l->has_fetch_failed = true; /* asks again, for the rest */
		return;
	}
	struct fetch *f = &l->fetches[l->fetch_count++];
	*f = (struct fetch){.token = 0};
	(void)snprintf(f->guid, sizeof f->guid, "%" STR_F, STR_A(guid));
}

static void send_fetch(struct machine *m, struct fetch *f)
{
	const char *name = f->wants_shared ? "allDocs.v0.instance_node_instance_list"
					   : "get.v0.software_instance";
	f->token = link_call1(m, name, "instance_guid", str_from(f->guid));
}

/* Keeps some fetches under way; true when all are done. */
bool fetch_drive(struct machine *m)
{
	struct link *l = &m->link;
	size_t under_way = 0, left = 0;
	for (size_t i = 0; i < l->fetch_count; i++) {
		struct fetch *f = &l->fetches[i];
		left += !f->is_done;
		if (!f->is_done && !f->token && under_way < MACHINE_FETCHES_AT_ONCE)
			send_fetch(m, f);
		under_way += f->token != 0;
	}
	return left == 0;
}

/* PLAN_NOTHING: no such state. */
static enum plan_want want_of(struct str state)
{
	if (str_is(state, "started"))
		return PLAN_STARTED;
	if (str_is(state, "stopped"))
		return PLAN_STOPPED;
	return str_is(state, "destroyed") ? PLAN_DESTROYED : PLAN_NOTHING;
}

/* A number that changes whenever anything of the wish, or the master's timestamp, does. */
static int64_t wish_version(const struct machine_wish *w, int64_t timestamp)
{
	struct hasher h;
	hasher_init(&h);
	const struct str parts[] = {w->guid, w->title,	    w->tree,  w->release,
				    w->type, w->parameters, w->shared};
	for (size_t i = 0; i < ARRAY_LEN(parts); i++) {
		hasher_add(&h, str_of((const char *)&parts[i].n, sizeof parts[i].n));
		hasher_add(&h, parts[i]);
	}
	int64_t facts[2] = {(int64_t)w->want, timestamp}, version;
	hasher_add(&h, str_of((const char *)facts, sizeof facts));
	struct hash sum = hasher_end(&h);
	memcpy(&version, sum.bytes, sizeof version);
	version &= INT64_MAX;
	return version ? version : 1;
}

/*
 * Typed parameters travel as JSON text under "_" where the release is one of ours; other
 * parameters are texts (slapos-wire a.4).
 */
static struct str parameters_text(const struct json *parameters, struct arena *a)
{
	struct str packed = json_str_of(json_get(parameters, S("_")), (struct str){NULL, 0});
	return packed.p ? packed : json_text(parameters, a);
}

/* The slot that an instance has here; slots_n: none. A shared instance shows its host's. */
static size_t slot_of(const struct machine *m, const struct json *doc)
{
	struct str node = json_str_of(json_get(doc, S("computer_guid")), S(""));
	if (json_bool_of(json_get(doc, S("shared")), false) || !str_is(node, m->node))
		return m->slots_n;
	return machine_slot_named(m,
				  json_str_of(json_get(doc, S("compute_partition_id")), S("")));
}

static int read_instance(struct machine *m, struct fetch *f, struct str body, struct err *e)
{
	struct json *doc;
	if (json_parse(body, f->memory, &doc, e) < 0)
		return -1;
	struct str none = S("");
	f->slot = slot_of(m, doc);
	f->wish = (struct machine_wish){
		.guid = json_str_of(json_get(doc, S("instance_guid")), none),
		.title = json_str_of(json_get(doc, S("title")), none),
		.tree = json_str_of(json_get(doc, S("root_instance_title")), none),
		.release = json_str_of(json_get(doc, S("software_release_uri")), none),
		.type = json_str_of(json_get(doc, S("software_type")), none),
		.want = want_of(json_str_of(json_get(doc, S("state")), none)),
		.parameters = parameters_text(json_get(doc, S("parameters")), f->memory),
		.version = json_i64_of(json_get(doc, S("processing_timestamp")), 0),
	};
	if (!str_is(f->wish.guid, f->guid) || !f->wish.release.n ||
	    f->wish.want == PLAN_NOTHING)
		return err_fail(e, ERR_CORRUPT, "the master's answer is not instance %s",
				f->guid);
	return arena_check(f->memory, e);
}

/*
 * The master gave the partition of an instance to another one: the earlier was forgotten there.
 * Nobody may find its files, so it is wiped before the other comes; until then the other is
 * asked for again.
 */
static int make_way(struct machine *m, const struct fetch *f, struct err *e)
{
	struct slot *s = &m->slots[f->slot];
	bool is_free = !s->wish.guid.n || str_eq(s->wish.guid, f->wish.guid);
	bool is_in_step = s->facts.is_busy && !s->report_token;
	if (is_free)
		return 0;
	if (!s->facts.has_traces && !is_in_step) {
		machine_free_slot(m, f->slot);
		return 0;
	}
	if (s->wish.want != PLAN_DESTROYED) {
		s->wish.want = PLAN_DESTROYED;
		s->wish.version ^= 1;
		plan_partition_want(&s->facts, PLAN_DESTROYED, s->wish.version);
	}
	return err_fail(e, ERR_BUSY, "partition %s still holds instance %" STR_F, s->name,
			STR_A(s->wish.guid));
}

/* The parameters of a shared instance as an object. */
static struct json *parameters_of(const struct json *row, struct arena *a)
{
	struct json *parameters = json_get(row, S("parameters")), *unpacked = NULL;
	struct str packed = json_str_of(json_get(parameters, S("_")), S(""));
	struct err ignored = ERR_INIT;
	if (!packed.n || json_parse(packed, a, &unpacked, &ignored) < 0)
		return parameters;
	return unpacked;
}

static int read_shared(struct machine *m, struct fetch *f, struct str body, struct err *e)
{
	struct json *doc, *list = json_array_new(f->memory);
	if (json_parse(body, f->memory, &doc, e) < 0)
		return -1;
	const struct json *rows = json_get(doc, S("result_list"));
	for (size_t i = 0; i < json_count(rows); i++) {
		const struct json *row = json_at(rows, i);
		struct json *one = json_object_new(f->memory);
		struct str none = S("");
		json_set_str(f->memory, one, S("guid"),
			     json_str_of(json_get(row, S("instance_guid")), none));
		json_set_str(f->memory, one, S("title"),
			     json_str_of(json_get(row, S("title")), none));
		json_set_str(f->memory, one, S("type"),
			     json_str_of(json_get(row, S("software_type")), none));
		json_set(f->memory, one, S("parameters"), parameters_of(row, f->memory));
		json_add(f->memory, list, one);
	}
	f->wish.shared = json_text(list, f->memory);
	f->wish.version = wish_version(&f->wish, f->wish.version);
	if (arena_check(f->memory, e) < 0 || make_way(m, f, e) < 0)
		return -1;
	return machine_set_wish(m, f->slot, &f->wish, e);
}

/* The master does not know this instance (any more). */
static void instance_is_gone(struct machine *m, const struct fetch *f)
{
	for (size_t i = 0; i < m->slots_n; i++) {
		struct slot *s = &m->slots[i];
		if (!str_is(s->wish.guid, f->guid))
			continue;
		if (s->facts.want == PLAN_DESTROYED && !s->facts.has_traces &&
		    !s->facts.is_busy)
			machine_free_slot(m, i);
		else
			log_event(LOG_WARN, "agent.instance.unlisted", KV_C("guid", f->guid));
	}
}

static void fetch_failed(struct machine *m, struct fetch *f, const struct err *e)
{
	log_err(LOG_WARN, "agent.link.answer", e, KV_C("guid", f->guid));
	f->is_done = true;
	m->link.has_fetch_failed = true;
}

static void fetch_answered(struct machine *m, struct fetch *f, int status, struct str body)
{
	struct err e = ERR_INIT;
	f->token = 0;
	if ((status == 403 || status == 404) && !link_is_barred(status, body)) {
		f->is_done = true;
		instance_is_gone(m, f);
		return;
	}
	if (status != 200) {
		f->is_done = true;
		m->link.has_fetch_failed = true;
		return;
	}
	if (f->wants_shared) {
		f->is_done = true;
		if (read_shared(m, f, body, &e) < 0)
			fetch_failed(m, f, &e);
		return;
	}
	if (arena_new(ANSWER_MEMORY, &f->memory, &e) < 0 || read_instance(m, f, body, &e) < 0) {
		fetch_failed(m, f, &e);
		return;
	}
	/* An instance on a partition that is not here: nothing for us to do. */
	f->is_done = f->slot == m->slots_n;
	f->wants_shared = true;
}

void fetch_take(struct machine *m, struct fetch *f, int status, struct str body)
{
	fetch_answered(m, f, status, body);
	if (f->is_done)
		f->memory = arena_free(f->memory);
}
