/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "store/event.h"

#include "core/audit.h"
#include "store/rows.h"
#include "trust/hash.h"

enum { VERIFY_PAGE = 200, VERIFY_ARENA = 16 << 20, EVENT_TEXT_MAX = 4 << 20 };

static const char zeros[] = AUDIT_ZEROS;

static const struct db_sql sql_last = {
	"event_last", "SELECT sequence, hash FROM event ORDER BY sequence DESC LIMIT 1", ""};
static const struct db_sql sql_add = {
	"event_add",
	"INSERT INTO event (sequence, at_ms, subject, kind, body, hash)"
	" VALUES ($1, $2, $3, $4, $5, $6)",
	"sequence at subject kind body hash"};
static const struct db_sql sql_list = {
	"event_list",
	"SELECT sequence, at_ms, subject, kind, body, hash FROM event WHERE sequence > $1"
	" ORDER BY sequence LIMIT $2",
	"since limit"};

static void row(struct db_stmt *q, struct arena *a, struct event *out)
{
	*out = (struct event){
		.sequence = db_at_i64(q, 0),
		.at_ms = db_at_i64(q, 1),
		.subject = db_at_str(q, 2, a),
		.kind = db_at_str(q, 3, a),
		.body_json = db_at_str(q, 4, a),
		.hash = db_at_str(q, 5, a),
	};
}

/* The hash of an event behind `previous`. */
MUST static int chain(struct str previous, const struct event *ev,
		      char out[static HASH_TEXT_SIZE], struct err *e)
{
	struct buf b CLEAN(buf_fini) = BUF_INIT(EVENT_TEXT_MAX);
	audit_event_text(previous, ev, &b);
	if (buf_check(&b, e) < 0)
		return -1;
	struct hash sum = hash_of(buf_str(&b));
	hash_text(&sum, out);
	return 0;
}

/* Sequence and hash of the newest event; 0 and zeros if there is none. */
MUST static int read_last(struct db_tx *tx, int64_t *sequence, char hash[static HASH_TEXT_SIZE],
			  struct arena *a, struct err *e)
{
	struct db_stmt *q = db_prepare(tx, &sql_last);
	int rc = db_step(q, e);
	if (rc < 0)
		return -1;
	*sequence = rc > 0 ? db_at_i64(q, 0) : 0;
	struct str text = rc > 0 ? db_at_str(q, 1, a) : str_from(zeros);
	if (arena_check(a, e) < 0)
		return -1;
	if (text.n != HASH_TEXT_SIZE - 1)
		return err_fail(e, ERR_CORRUPT, "hash of event %lld is not one",
				(long long)*sequence);
	memcpy(hash, text.p, text.n);
	hash[text.n] = 0;
	return 0;
}

MUST static int add_event(struct db_tx *tx, const struct event *ev, struct err *e)
{
	struct db_stmt *q = db_prepare(tx, &sql_add);
	db_bind_i64(q, "sequence", ev->sequence);
	db_bind_i64(q, "at", ev->at_ms);
	db_bind_str(q, "subject", ev->subject);
	db_bind_str(q, "kind", ev->kind);
	db_bind_str(q, "body", ev->body_json);
	db_bind_str(q, "hash", ev->hash);
	return rows_done(db_exec(q, e));
}

MUST int store_event_append(struct db_tx *tx, struct arena *a, struct event *events,
			    size_t count, int64_t now_ms, struct err *e)
{
	char hash[HASH_TEXT_SIZE];
	int64_t sequence = 0;
	if (count == 0)
		return 0;
	if (read_last(tx, &sequence, hash, a, e) < 0)
		return -1;
	for (size_t i = 0; i < count; i++) {
		events[i].sequence = ++sequence;
		events[i].at_ms = now_ms;
		if (chain(str_from(hash), &events[i], hash, e) < 0)
			return -1;
		events[i].hash = arena_dup(a, str_from(hash));
		if (add_event(tx, &events[i], e) < 0)
			return -1;
	}
	return arena_check(a, e);
}

MUST int store_event_last(struct db_tx *tx, int64_t *out, struct err *e)
{
	struct db_stmt *q = db_prepare(tx, &sql_last);
	int rc = db_step(q, e);
	if (rc < 0)
		return -1;
	*out = rc > 0 ? db_at_i64(q, 0) : 0;
	return 0;
}

MUST int store_event_list(struct db_tx *tx, struct arena *a, int64_t since, int64_t limit,
			  struct event **out, size_t *count, struct err *e)
{
	struct db_stmt *q = db_prepare(tx, &sql_list);
	db_bind_i64(q, "since", since);
	db_bind_i64(q, "limit", MIN_OF(limit, (int64_t)STORE_LIST_MAX));
	return ROWS_READ(q, a, struct event, row, out, count, e);
}

/* Checks one page of rows against the hash before them, which moves along. */
MUST static int verify_page(const struct event *rows, size_t n, struct buf *previous,
			    int64_t *expected, struct err *e)
{
	for (size_t i = 0; i < n; i++) {
		char hash[HASH_TEXT_SIZE];
		if (*expected && rows[i].sequence != *expected)
			return err_fail(e, ERR_CORRUPT, "event %lld is missing",
					(long long)*expected);
		if (previous->n) {
			if (chain(buf_str(previous), &rows[i], hash, e) < 0)
				return -1;
			if (!str_is(rows[i].hash, hash))
				return err_fail(e, ERR_CORRUPT, "event %lld was changed",
						(long long)rows[i].sequence);
		}
		buf_clear(previous);
		buf_add(previous, rows[i].hash);
		*expected = rows[i].sequence + 1;
	}
	return 0;
}

MUST int store_event_verify(struct db_tx *tx, int64_t rows, int64_t *checked, struct err *e)
{
	struct arena *a CLEAN(arena_freep) = NULL;
	struct buf previous CLEAN(buf_fini) = BUF_INIT(HASH_TEXT_SIZE);
	int64_t last = 0, expected = 0;
	if (arena_new(VERIFY_ARENA, &a, e) < 0 || store_event_last(tx, &last, e) < 0)
		return -1;
	int64_t at = MAX_OF(last - rows, (int64_t)0) - 1;
	/* The row before the first one that is checked gives its hash; before all rows stand
	 * zeros. */
	if (at < 0) {
		at = 0;
		expected = 1;
		buf_add(&previous, str_from(zeros));
	}
	*checked = last - at;
	for (size_t n = VERIFY_PAGE; n == VERIFY_PAGE;) {
		struct event *page = NULL;
		arena_clear(a);
		if (store_event_list(tx, a, at, VERIFY_PAGE, &page, &n, e) < 0 ||
		    verify_page(page, n, &previous, &expected, e) < 0)
			return -1;
		at = n ? page[n - 1].sequence : at;
	}
	return buf_check(&previous, e);
}
