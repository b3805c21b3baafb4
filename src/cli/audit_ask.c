/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * Asks a master for everything that can be checked. Lists come in pages; a page's memory is given
 * back before the next one, so that a long chain costs no more than a short one.
 */
#include "cli/audit.h"

enum { PAGE_ARENA = 128 << 20, PAGE_ROWS = 1000 };

struct asking {
	struct cli_call *call;
	struct arena *page;
	audit_sink_fn *sink;
	void *user;
};

/* A list: rows after the number `from` in `key`; `is_at`: the first one has that number itself. */
struct listing {
	const char *type, *path, *member, *key;
	bool is_at;
};
static const struct listing checkpoints = {"checkpoint",
					   "/v1/checkpoints?limit=1000&since=", "checkpoints",
					   "sequence", false},
			    events = {"event", "/v1/events?limit=1000&since=", "events",
				      "sequence", false},
			    heads = {"head", "/v1/log/heads?limit=1000&since=", "heads", "size",
				     false},
			    entries = {"entry", "/v1/log/entries?limit=1000&from=", "entries",
				       "position", true};

/* GET, with the page's memory alone. */
MUST static int get(struct asking *k, const char *path, struct json **out, struct err *e)
{
	struct cli_call sub = *k->call;
	arena_clear(k->page);
	sub.arena = k->page;
	return client_get(&sub, str_from(path), out, e);
}

MUST static int give(struct asking *k, const char *type, const struct json *record,
		     struct err *e)
{
	return k->sink(k->user, type, record, k->page, e);
}

MUST static int give_page(struct asking *k, const struct listing *l, const struct json *rows,
			  int64_t *from, struct err *e)
{
	for (size_t i = 0; i < json_count(rows); i++) {
		const struct json *row = json_at(rows, i);
		int64_t number = client_i64(row, l->key);
		if (number < *from + !l->is_at)
			return err_fail(e, ERR_CORRUPT, "the master's %s are not in order",
					l->member);
		if (give(k, l->type, row, e) < 0)
			return -1;
		*from = number + l->is_at;
	}
	return 0;
}

MUST static int give_list(struct asking *k, const struct listing *l, int64_t from,
			  struct err *e)
{
	char path[100];
	struct json *answer;
	for (size_t n = PAGE_ROWS; n == PAGE_ROWS;) {
		(void)snprintf(path, sizeof path, "%s%lld", l->path, (long long)from);
		if (get(k, path, &answer, e) < 0)
			return -1;
		const struct json *rows = json_get(answer, str_from(l->member));
		n = json_count(rows);
		if (give_page(k, l, rows, &from, e) < 0)
			return -1;
	}
	return 0;
}

MUST static int give_pem(struct asking *k, const char *type, struct str pem, struct err *e)
{
	struct json *record = json_object_new(k->page);
	json_set_str(k->page, record, S("pem"), pem);
	return give(k, type, record, e);
}

/* Whom to believe: the roots that the caller trusts, the masters' certificates below them. */
MUST static int give_masters(struct asking *k, const struct audit_question *q, struct err *e)
{
	struct json *answer;
	if (get(k, "/v1/ca", &answer, e) < 0)
		return -1;
	const struct json *users = json_get(answer, S("users")),
			  *masters = json_get(answer, S("masters"));
	struct str chain = client_text(users, "chain");
	if (give_pem(k, "roots", q->roots.n ? q->roots : client_text(users, "roots"), e) < 0)
		return -1;
	for (size_t i = 0; i < json_count(masters); i++) {
		struct json *record = json_object_new(k->page);
		struct str leaf = client_text(json_at(masters, i), "certificate");
		json_set_str(k->page, record, S("key"),
			     client_text(json_at(masters, i), "key"));
		json_set_str(
			k->page, record, S("certificate"),
			arena_fmt(k->page, "%" STR_F "\n%" STR_F, STR_A(leaf), STR_A(chain)));
		if (give(k, "master", record, e) < 0)
			return -1;
	}
	return q->certificate.n ? give_pem(k, "certificate", q->certificate, e) : 0;
}

MUST static int give_header(struct asking *k, const struct audit_question *q, bool *is_signed,
			    struct err *e)
{
	struct json *answer;
	if (get(k, "/v1/checkpoints?limit=1", &answer, e) < 0)
		return -1;
	struct json *record = json_object_new(k->page);
	*is_signed = json_bool_of(json_get(answer, S("signed")), false);
	json_set_i64(k->page, record, S("version"), 1);
	json_set_str(k->page, record, S("cloud"), client_text(answer, "cloud"));
	json_set_bool(k->page, record, S("signed"), *is_signed);
	json_set_i64(k->page, record, S("at_ms"), clock_now_ms(clock_system()));
	json_set_i64(k->page, record, S("from"), q->from);
	return give(k, "audit", record, e);
}

/* Where events are not for this caller, that is told instead. */
MUST static int give_events(struct asking *k, int64_t from, struct err *e)
{
	if (give_list(k, &events, from - 1, e) == 0)
		return 0;
	if (e->kind != ERR_FORBIDDEN)
		return -1;
	return give(k, "closed", json_object_new(k->page), e);
}

/* The newest head, if it came after those that were listed, and what others saw. */
MUST static int give_witnesses(struct asking *k, struct err *e)
{
	struct json *answer;
	if (get(k, "/v1/log/head", &answer, e) < 0)
		return -1;
	const struct json *list = json_get(answer, S("witnesses"));
	if (json_bool_of(json_get(answer, S("signed")), false)) {
		struct json *record = json_dup_tree(k->page, answer);
		json_unset(record, S("witnesses"));
		if (give(k, "head", record, e) < 0)
			return -1;
	}
	for (size_t i = 0; i < json_count(list); i++)
		if (give(k, "witness", json_at(list, i), e) < 0)
			return -1;
	return 0;
}

MUST static int ask(struct asking *k, const struct audit_question *q, struct err *e)
{
	bool is_signed = false;
	if (give_header(k, q, &is_signed, e) < 0 || (is_signed && give_masters(k, q, e) < 0) ||
	    give_list(k, &checkpoints, q->from - 1, e) < 0 || give_events(k, q->from, e) < 0 ||
	    give_list(k, &heads, -1, e) < 0 || give_witnesses(k, e) < 0)
		return -1;
	return give_list(k, &entries, 0, e);
}

MUST int audit_ask(struct cli_call *c, const struct audit_question *q, audit_sink_fn *sink,
		   void *user, struct err *e)
{
	struct asking k = {.call = c, .sink = sink, .user = user};
	if (arena_new(PAGE_ARENA, &k.page, e) < 0)
		return -1;
	int rc = ask(&k, q, e);
	arena_free(k.page);
	return rc;
}
