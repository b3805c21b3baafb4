/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * The conversation with the master: one request at a time on the way down (what is wanted; each
 * instance by machine_fetch.c), any number of reports on the way up (machine_report.c).
 *
 * Calls of the reference protocol say what is wanted and what is; /v1 adds the long poll that
 * wakes us. The sequence number of a poll is adopted only after everything it named was
 * fetched, so a crash or a lost answer in between makes us ask again, never miss.
 */
#include "agent/machine_impl.h"
#include "base/log.h"
#include "base/mem.h"
#include "json/json.h"

enum {
	POLL_SLACK_MS = 15000,
	POLL_MAX_MS = 60000, /* the longest wait that a master grants */
	PAUSE_MAX_MS = 30000,
	PAUSE_EMPTY_MS = 1000, /* a master whose sequence is 0 never waits */
};

/* ---- requests ------------------------------------------------------------------------------
 */

uint64_t link_send(struct machine *m, const char *method, struct str path, struct str body,
		   int64_t timeout_ms)
{
	uint64_t token = ++m->link.last_token;
	const struct machine_request request = {
		.method = method, .path = path, .body = body, .timeout_ms = timeout_ms};
	m->world->send(m->world->user, token, &request);
	return token;
}

/* One call of the reference protocol whose body has up to three texts. */
uint64_t link_call3(struct machine *m, const char *name, const char *key1, struct str value1,
		    const char *key2, struct str value2, const char *key3, struct str value3)
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
	return link_send(m, "POST", str_from(path), buf_str(&b), CALL_TIMEOUT_MS);
}

uint64_t link_call1(struct machine *m, const char *name, const char *key, struct str value)
{
	return link_call3(m, name, key, value, NULL, S(""), NULL, S(""));
}

uint64_t link_call2(struct machine *m, const char *name, const char *key1, struct str value1,
		    const char *key2, struct str value2)
{
	return link_call3(m, name, key1, value1, key2, value2, NULL, S(""));
}

static void send_poll(struct machine *m)
{
	char path[256];
	bool is_first = !m->link.is_linked || m->link.since == 0;
	int64_t wait_ms = is_first ? 0 : MIN_OF(m->poll_for_ms, (int64_t)POLL_MAX_MS);
	(void)snprintf(path, sizeof path, "/v1/nodes/%s/changes?since=%lld&wait=%lld", m->node,
		       (long long)m->link.since, (long long)wait_ms / 1000);
	m->link.token = link_send(m, "GET", str_from(path), S(""), wait_ms + POLL_SLACK_MS);
}

static void send_node(struct machine *m)
{
	char path[128];
	(void)snprintf(path, sizeof path, "/v1/nodes/%s", m->node);
	m->link.token = link_send(m, "PUT", str_from(path), str_from(m->link.node_body),
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

void link_fini(struct link *l)
{
	fetch_clear(l);
	mem_free(l->fetches);
	mem_free(l->format_body);
	mem_free(l->node_body);
}

/*
 * 401 is always about who we are. 403 of a master that knows whom it talks to says of which kind
 * it is (in the two shapes of our protocols); that of any other is about the object.
 */
bool link_is_barred(int status, struct str body)
{
	struct arena *a CLEAN(arena_freep) = NULL;
	struct err e = ERR_INIT;
	struct json *doc;
	if (status != 403)
		return status == 401;
	if (arena_new(ANSWER_MEMORY, &a, &e) < 0 || json_parse(body, a, &doc, &e) < 0)
		return false;
	const struct json *error = json_get(doc, S("error")),
			  *kind = json_get(error ? error : doc, S("kind"));
	return str_is(json_str_of(kind, S("")), "forbidden");
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
	fetch_clear(l);
	const struct json *guids = json_get(doc, S("instances"));
	for (size_t i = 0; !l->wants_list && i < json_count(guids); i++)
		fetch_add(l, json_str_of(json_at(guids, i), S("")));
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
		fetch_add(&m->link,
			  json_str_of(json_get(json_at(rows, i), S("instance_guid")), S("")));
	/* What we still hold and the master may have forgotten. */
	for (size_t i = 0; i < m->slots_n; i++)
		if (m->slots[i].wish.guid.n)
			fetch_add(&m->link, m->slots[i].wish.guid);
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
	fetch_clear(l);
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
		l->token = link_send(m, "POST", S("/slapos.put.v0.compute_node_format"),
				     str_from(l->format_body), CALL_TIMEOUT_MS);
		break;
	case LINK_NODE:
		send_node(m);
		break;
	case LINK_POLL:
		send_poll(m);
		break;
	case LINK_SUPPLIES:
		l->token = link_call1(m, "allDocs.v0.compute_node_software_installation_list",
				      "computer_guid", node);
		break;
	case LINK_LIST:
		l->token = link_call1(m, "allDocs.v0.compute_node_instance_list",
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
	if (l->state == LINK_FETCH && fetch_drive(m))
		finish_fetches(m);
	if (l->token == 0)
		send_next(m);
	int64_t wake_ms = l->state == LINK_PAUSE ? l->pause_until_ms : PLAN_NEVER;
	return MIN_OF(wake_ms, plan_flush(m, now_ms));
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
			fetch_take(m, &l->fetches[i], status, body);
	for (size_t i = 0; i < m->slots_n; i++)
		if (m->slots[i].report_token == token)
			link_report_answered(m, i, status, body);
	for (size_t i = 0; i < m->releases_n; i++)
		if (m->releases[i].report_token == token)
			link_release_answered(m, i, status, body);
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
