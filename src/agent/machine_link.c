/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * The conversation with the master: one request at a time on the way down (what is wanted), any
 * number of reports on the way up.
 *
 * Calls of the reference protocol say what is wanted and what is; /v1 adds the long poll that
 * wakes us. The sequence number of a poll is adopted only after everything it named was
 * fetched, so a crash or a lost answer in between makes us ask again, never miss.
 */
#include "agent/machine_impl.h"
#include "base/log.h"
#include "base/mem.h"
#include "json/desc.h"
#include "trust/hash.h"

enum {
	CALL_TIMEOUT_MS = 20000,
	POLL_SLACK_MS = 15000,
	POLL_MAX_MS = 60000, /* the longest wait that a master grants */
	PAUSE_MAX_MS = 30000,
	PAUSE_EMPTY_MS = 1000, /* a master whose sequence is 0 never waits */
	ANSWER_MEMORY = 16 << 20,
};

/* ---- requests ------------------------------------------------------------------------------
 */

static uint64_t send_request(struct machine *m, const char *method, struct str path,
			     struct str body, int64_t timeout_ms)
{
	uint64_t token = ++m->link.last_token;
	const struct machine_request request = {
		.method = method, .path = path, .body = body, .timeout_ms = timeout_ms};
	m->world->send(m->world->user, token, &request);
	return token;
}

/* One call of the reference protocol whose body has up to three texts. */
static uint64_t call_v0(struct machine *m, const char *name, const char *key1,
			struct str value1, const char *key2, struct str value2,
			const char *key3, struct str value3)
{
	struct buf b CLEAN(buf_fini) = BUF_INIT(MACHINE_WISH_MAX);
	buf_addf(&b, "{\"%s\":", key1);
	json_write_str(value1, &b);
	if (key2) {
		buf_addf(&b, ",\"%s\":", key2);
		json_write_str(value2, &b);
	}
	if (key3) {
		buf_addf(&b, ",\"%s\":", key3);
		json_write_str(value3, &b);
	}
	buf_add_c(&b, '}');
	char path[128];
	(void)snprintf(path, sizeof path, "/slapos.%s", name);
	return send_request(m, "POST", str_from(path), buf_str(&b), CALL_TIMEOUT_MS);
}

static uint64_t call_v0_1(struct machine *m, const char *name, const char *key,
			  struct str value)
{
	return call_v0(m, name, key, value, NULL, S(""), NULL, S(""));
}

static uint64_t call_v0_2(struct machine *m, const char *name, const char *key1,
			  struct str value1, const char *key2, struct str value2)
{
	return call_v0(m, name, key1, value1, key2, value2, NULL, S(""));
}

static void send_poll(struct machine *m)
{
	char path[256];
	bool is_first = !m->link.is_linked || m->link.since == 0;
	int64_t wait_ms = is_first ? 0 : MIN_OF(m->poll_for_ms, (int64_t)POLL_MAX_MS);
	(void)snprintf(path, sizeof path, "/v1/nodes/%s/changes?since=%lld&wait=%lld", m->node,
		       (long long)m->link.since, (long long)wait_ms / 1000);
	m->link.token = send_request(m, "GET", str_from(path), S(""), wait_ms + POLL_SLACK_MS);
}

static void send_node(struct machine *m)
{
	char path[128];
	(void)snprintf(path, sizeof path, "/v1/nodes/%s", m->node);
	m->link.token = send_request(m, "PUT", str_from(path), str_from(m->link.node_body),
				     CALL_TIMEOUT_MS);
}

static void pause_link(struct machine *m)
{
	struct link *l = &m->link;
	l->failures++;
	l->state = LINK_PAUSE;
	int64_t pause =
		MIN_OF(plan_backoff_ms(l->failures, machine_jitter(m)), (int64_t)PAUSE_MAX_MS);
	l->pause_until_ms = machine_now(m) + pause;
}

/* Where the conversation goes on after a pause. */
static enum link_state state_resumed(const struct link *l)
{
	if (!l->has_formatted)
		return LINK_FORMAT;
	return l->has_told_node ? LINK_POLL : LINK_NODE;
}

/* ---- fetching ------------------------------------------------------------------------------
 */

static void clear_fetches(struct link *l)
{
	for (size_t i = 0; i < l->fetch_count; i++)
		arena_free(l->fetches[i].memory);
	l->fetch_count = 0;
	l->has_fetch_failed = false;
}

void link_fini(struct link *l)
{
	clear_fetches(l);
	mem_free(l->fetches);
	mem_free(l->format_body);
	mem_free(l->node_body);
}

static void add_fetch(struct link *l, struct str guid)
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
	f->token = call_v0_1(m, name, "instance_guid", str_from(f->guid));
}

/* Keeps some fetches under way; true when all are done. */
static bool drive_fetches(struct machine *m)
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
	if (status == 403 || status == 404) {
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

static void take_fetch(struct machine *m, struct fetch *f, int status, struct str body)
{
	fetch_answered(m, f, status, body);
	if (f->is_done)
		f->memory = arena_free(f->memory);
}

/* ---- answers of the conversation -----------------------------------------------------------
 */

static int read_changes(struct machine *m, struct str body, struct arena *a, struct err *e)
{
	struct link *l = &m->link;
	struct json *doc;
	if (json_parse(body, a, &doc, e) < 0)
		return -1;
	const struct json *sequence = json_get(doc, S("sequence"));
	if (!json_is(sequence, JSON_IS_INT))
		return err_field(e, "sequence", "is missing in the master's answer");
	l->next_since = json_i64_of(sequence, 0);
	l->wants_list = json_bool_of(json_get(doc, S("reset")), false);
	l->wants_supplies =
		l->wants_list || json_bool_of(json_get(doc, S("installations")), false);
	clear_fetches(l);
	const struct json *guids = json_get(doc, S("instances"));
	for (size_t i = 0; !l->wants_list && i < json_count(guids); i++)
		add_fetch(l, json_str_of(json_at(guids, i), S("")));
	return 0;
}

static void want_release(struct machine *m, struct str release, bool is_wanted)
{
	size_t i;
	struct err e = ERR_INIT;
	if (machine_release_slot(m, release, &i, &e) < 0) {
		log_err(LOG_WARN, "agent.release.refused", &e, KV_S("release", release));
		return;
	}
	struct plan_release *r = &m->releases[i].facts;
	if (r->is_wanted != is_wanted) {
		r->failures = 0;
		r->not_before_ms = 0;
	}
	r->is_wanted = is_wanted;
	/* Told again: the master asked, so it may not know. */
	r->is_told = is_wanted ? r->build == PLAN_BUILD_NONE : !r->is_removed;
}

static int read_supplies(struct machine *m, struct str body, struct arena *a, struct err *e)
{
	struct json *doc;
	if (json_parse(body, a, &doc, e) < 0)
		return -1;
	const struct json *rows = json_get(doc, S("result_list"));
	for (size_t i = 0; i < json_count(rows); i++) {
		const struct json *row = json_at(rows, i);
		struct str release =
			json_str_of(json_get(row, S("software_release_uri")), S(""));
		struct str state = json_str_of(json_get(row, S("state")), S(""));
		if (release.n)
			want_release(m, release, str_is(state, "available"));
	}
	machine_refresh_releases(m);
	return 0;
}

static int read_list(struct machine *m, struct str body, struct arena *a, struct err *e)
{
	struct json *doc;
	if (json_parse(body, a, &doc, e) < 0)
		return -1;
	const struct json *rows = json_get(doc, S("result_list"));
	for (size_t i = 0; i < json_count(rows); i++)
		add_fetch(&m->link,
			  json_str_of(json_get(json_at(rows, i), S("instance_guid")), S("")));
	/* What we still hold and the master may have forgotten. */
	for (size_t i = 0; i < m->slots_n; i++)
		if (m->slots[i].wish.guid.n)
			add_fetch(&m->link, m->slots[i].wish.guid);
	return 0;
}

static enum link_state state_after(const struct link *l, enum link_state state)
{
	switch (state) {
	case LINK_FORMAT:
		return LINK_NODE;
	case LINK_NODE:
		return LINK_POLL;
	case LINK_POLL:
		if (l->wants_supplies)
			return LINK_SUPPLIES;
		return l->wants_list ? LINK_LIST : LINK_FETCH;
	case LINK_SUPPLIES:
		return l->wants_list ? LINK_LIST : LINK_FETCH;
	case LINK_LIST:
		return LINK_FETCH;
	case LINK_OFF:
	case LINK_FETCH:
	case LINK_PAUSE:
		break;
	}
	return LINK_POLL;
}

static int read_answer(struct machine *m, struct str body, struct arena *a, struct err *e)
{
	switch (m->link.state) {
	case LINK_POLL:
		return read_changes(m, body, a, e);
	case LINK_SUPPLIES:
		return read_supplies(m, body, a, e);
	case LINK_LIST:
		return read_list(m, body, a, e);
	case LINK_OFF:
	case LINK_FORMAT:
	case LINK_NODE:
	case LINK_FETCH:
	case LINK_PAUSE:
		break;
	}
	return 0;
}

/* A master that does not know the node (any more) is told of it anew, and asked for all. */
static void refused(struct link *l, int status)
{
	l->is_linked = false;
	if ((status != 403 && status != 404) || l->state == LINK_FORMAT)
		return;
	l->has_formatted = l->has_told_node = false;
	l->since = 0;
}

static void link_answered(struct machine *m, int status, struct str body)
{
	struct link *l = &m->link;
	struct arena *a CLEAN(arena_freep) = NULL;
	struct err e = ERR_INIT;
	l->token = 0;
	if (status / 100 != 2 && l->is_linked)
		log_event(LOG_WARN, "agent.link.lost", KV_I("status", status));
	/* A master without our extras still gives work: it just knows less of the node. */
	bool is_optional = l->state == LINK_NODE && (status == 404 || status == 405);
	if (status / 100 != 2 && !is_optional) {
		refused(l, status);
		pause_link(m);
		return;
	}
	if (arena_new(ANSWER_MEMORY, &a, &e) < 0 || read_answer(m, body, a, &e) < 0) {
		log_err(LOG_WARN, "agent.link.answer", &e);
		l->is_linked = false;
		pause_link(m);
		return;
	}
	l->contact_at_ms = machine_now(m);
	l->has_formatted = l->has_formatted || l->state == LINK_FORMAT;
	l->has_told_node = l->has_told_node || l->state == LINK_NODE;
	l->is_linked = l->is_linked || l->state == LINK_POLL;
	l->state = state_after(l, l->state);
}

/* All that the poll named was asked for: adopt its sequence, or ask again. */
static void finish_fetches(struct machine *m)
{
	struct link *l = &m->link;
	bool has_failed = l->has_fetch_failed;
	clear_fetches(l);
	if (has_failed) {
		pause_link(m);
		return;
	}
	l->since = l->next_since;
	l->failures = 0;
	l->state = LINK_POLL;
	if (l->since == 0) {
		l->state = LINK_PAUSE;
		l->pause_until_ms = machine_now(m) + PAUSE_EMPTY_MS;
	}
}

/* Sends the request that the state calls for, if none is under way. */
static void send_next(struct machine *m)
{
	struct link *l = &m->link;
	struct str node = str_from(m->node);
	switch (l->state) {
	case LINK_FORMAT:
		l->token = send_request(m, "POST", S("/slapos.put.v0.compute_node_format"),
					str_from(l->format_body), CALL_TIMEOUT_MS);
		break;
	case LINK_NODE:
		send_node(m);
		break;
	case LINK_POLL:
		send_poll(m);
		break;
	case LINK_SUPPLIES:
		l->token = call_v0_1(m, "allDocs.v0.compute_node_software_installation_list",
				     "computer_guid", node);
		break;
	case LINK_LIST:
		l->token = call_v0_1(m, "allDocs.v0.compute_node_instance_list",
				     "computer_guid", node);
		break;
	case LINK_OFF:
	case LINK_FETCH:
	case LINK_PAUSE:
		break;
	}
}

/* Delivers the outbox if that is due; the moment to look again. */
static int64_t plan_flush(struct machine *m, int64_t now_ms)
{
	struct link *l = &m->link;
	if (!l->has_outbox || l->is_flushing || !l->is_linked)
		return PLAN_NEVER;
	if (now_ms < l->flush_after_ms)
		return l->flush_after_ms;
	l->is_flushing = true;
	m->world->flush(m->world->user);
	return PLAN_NEVER;
}

int64_t link_plan(struct machine *m, int64_t now_ms)
{
	struct link *l = &m->link;
	if (l->state == LINK_PAUSE && now_ms >= l->pause_until_ms)
		l->state = state_resumed(l);
	if (l->state == LINK_FETCH && drive_fetches(m))
		finish_fetches(m);
	if (l->token == 0)
		send_next(m);
	int64_t wake_ms = l->state == LINK_PAUSE ? l->pause_until_ms : PLAN_NEVER;
	return MIN_OF(wake_ms, plan_flush(m, now_ms));
}

/* ---- reports -------------------------------------------------------------------------------
 */

static enum plan_told what_to_tell(const struct plan_partition *f)
{
	switch (f->want) {
	case PLAN_STARTED:
		if (machine_is_fulfilled(f))
			return PLAN_TOLD_STARTED;
		break;
	case PLAN_STOPPED:
		if (!f->is_running)
			return PLAN_TOLD_STOPPED;
		break;
	case PLAN_DESTROYED:
		if (!f->has_traces)
			return PLAN_TOLD_DESTROYED;
		break;
	case PLAN_NOTHING:
		break;
	}
	return PLAN_TOLD_FAILED;
}

static uint64_t send_connection(struct machine *m, const struct slot *s)
{
	struct buf b CLEAN(buf_fini) = BUF_INIT(MACHINE_WISH_MAX);
	buf_add(&b, S("{\"instance_guid\":"));
	json_write_str(s->wish.guid, &b);
	buf_addf(&b, ",\"connection_parameter_dict\":%s}", s->connection);
	return send_request(m, "POST",
			    S("/slapos.put.v0.software_instance_connection_parameter"),
			    buf_str(&b), CALL_TIMEOUT_MS);
}

void link_report_slot(struct machine *m, size_t slot)
{
	struct slot *s = &m->slots[slot];
	static const char *const words[] = {
		[PLAN_TOLD_NOTHING] = "",
		[PLAN_TOLD_STARTED] = "started",
		[PLAN_TOLD_STOPPED] = "stopped",
		[PLAN_TOLD_FAILED] = "",
		[PLAN_TOLD_DESTROYED] = "destroyed",
	};
	s->telling = what_to_tell(&s->facts);
	if (s->telling == PLAN_TOLD_FAILED) {
		s->report_token =
			call_v0_2(m, "put.v0.software_instance_error", "instance_guid",
				  s->wish.guid, "message", str_from(s->message));
	} else if (s->telling == PLAN_TOLD_STARTED && s->connection && !s->is_connection_told) {
		s->telling = PLAN_TOLD_NOTHING;
		s->report_token = send_connection(m, s);
	} else {
		s->report_token =
			call_v0_2(m, "put.v0.software_instance_reported_state", "instance_guid",
				  s->wish.guid, "reported_state", str_from(words[s->telling]));
	}
}

/* True if the report is over; false if it has to be said again later. */
static bool is_report_over(struct machine *m, int status, const char *what)
{
	struct link *l = &m->link;
	if (status / 100 == 2) {
		l->report_failures = 0;
		return true;
	}
	if (status / 100 == 4 && status != 408 && status != 429) {
		log_event(LOG_WARN, "agent.report.refused", KV_C("what", what),
			  KV_I("status", status));
		return true;
	}
	l->report_failures++;
	l->reports_after_ms =
		machine_now(m) + plan_backoff_ms(l->report_failures, machine_jitter(m));
	return false;
}

/* The master took it, or does not know the instance and wants nothing else of it. */
static bool is_destruction_known(const struct slot *s, int status)
{
	bool is_unknown = status == 403 || status == 404 || status == 410;
	return status / 100 == 2 || (is_unknown && s->facts.want == PLAN_DESTROYED);
}

static void report_answered(struct machine *m, size_t slot, int status)
{
	struct slot *s = &m->slots[slot];
	s->report_token = 0;
	s->facts.is_busy = false;
	if (!is_report_over(m, status, s->name))
		return;
	if (s->telling == PLAN_TOLD_NOTHING) {
		s->is_connection_told = true;
		return;
	}
	s->facts.told = s->telling;
	s->facts.told_version = s->step_version;
	if (s->telling == PLAN_TOLD_DESTROYED && is_destruction_known(s, status))
		machine_free_slot(m, slot);
}

static struct str release_state(const struct plan_release *r)
{
	return r->is_wanted ? S("available") : S("destroyed");
}

void link_report_release(struct machine *m, size_t slot)
{
	struct release_slot *r = &m->releases[slot];
	struct str node = str_from(m->node), release = str_from(r->release);
	if (r->facts.failures)
		r->report_token = call_v0(m, "put.v0.software_installation_error",
					  "software_release_uri", release, "computer_guid",
					  node, "message", str_from(r->message));
	else
		r->report_token = call_v0(m, "put.v0.software_installation_reported_state",
					  "software_release_uri", release, "computer_guid",
					  node, "reported_state", release_state(&r->facts));
}

void link_tell_building(struct machine *m, size_t slot)
{
	if (m->link.is_linked)
		(void)call_v0(m, "put.v0.software_installation_reported_state",
			      "software_release_uri", str_from(m->releases[slot].release),
			      "computer_guid", str_from(m->node), "reported_state",
			      S("building"));
}

static void release_report_answered(struct machine *m, size_t slot, int status)
{
	struct release_slot *r = &m->releases[slot];
	r->report_token = 0;
	r->facts.is_busy = false;
	if (!is_report_over(m, status, r->release))
		return;
	r->facts.is_told = true;
	if (!r->facts.is_wanted && r->facts.is_removed) {
		mem_free(r->release);
		*r = (struct release_slot){.release = NULL};
	}
}

void machine_answer(struct machine *m, uint64_t token, int status, struct str body)
{
	struct link *l = &m->link;
	if (token == l->token) {
		link_answered(m, status, body);
		machine_plan(m);
		return;
	}
	for (size_t i = 0; i < l->fetch_count; i++)
		if (l->fetches[i].token == token)
			take_fetch(m, &l->fetches[i], status, body);
	for (size_t i = 0; i < m->slots_n; i++)
		if (m->slots[i].report_token == token)
			report_answered(m, i, status);
	for (size_t i = 0; i < m->releases_n; i++)
		if (m->releases[i].report_token == token)
			release_report_answered(m, i, status);
	machine_plan(m);
}

void machine_flushed(struct machine *m, bool is_ok, bool has_more)
{
	struct link *l = &m->link;
	l->is_flushing = false;
	if (is_ok) {
		l->flush_failures = 0;
		l->has_outbox = has_more || l->has_outbox_filled_meanwhile;
	} else {
		l->flush_failures++;
		l->flush_after_ms =
			machine_now(m) + plan_backoff_ms(l->flush_failures, machine_jitter(m));
	}
	l->has_outbox_filled_meanwhile = false;
	machine_plan(m);
}

void machine_outbox_filled(struct machine *m)
{
	m->link.has_outbox = true;
	m->link.has_outbox_filled_meanwhile = m->link.is_flushing;
	machine_plan(m);
}
