/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "store/promise.h"

#include "store/rows.h"

#define SELECT \
	"SELECT id, promiser, promisee, kind, name, body, state, since, checked_at, message, " \
	"wake_at" \
	" FROM promise "

static const struct db_sql sql_find = {"promise_find",
				       SELECT "WHERE promiser = $1 AND kind = $2 AND name = $3",
				       "promiser kind name"};
static const struct db_sql sql_add = {
	"promise_add",
	"INSERT INTO promise (promiser, promisee, kind, name, body, state, since, checked_at,"
	" message, wake_at, moves) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, 1) "
	"RETURNING id",
	"promiser promisee kind name body state since checked_at message wake_at"};
static const struct db_sql sql_save = {
	"promise_save",
	"UPDATE promise SET state = $1, since = $2, checked_at = $3, message = $4,"
	" wake_at = $5, moves = moves + $6 WHERE id = $7 RETURNING moves",
	"state since checked_at message wake_at moved id"};
static const struct db_sql sql_delete = {"promise_delete", "DELETE FROM promise WHERE id = $1",
					 "id"};
static const struct db_sql sql_delete_all = {
	"promise_delete_all", "DELETE FROM promise WHERE promiser = $1 AND kind = $2",
	"promiser kind"};
static const struct db_sql sql_line = {
	"promise_line",
	"INSERT INTO promise_history (promise_id, slot, at_ms, state, message)"
	" VALUES ($1, $2, $3, $4, $5) ON CONFLICT (promise_id, slot) DO UPDATE SET"
	" at_ms = excluded.at_ms, state = excluded.state, message = excluded.message",
	"promise slot at state message"};
static const struct db_sql sql_history = {
	"promise_history",
	"SELECT h.at_ms, h.state, h.message FROM promise_history h JOIN promise p ON p.id = "
	"h.promise_id"
	" WHERE h.promise_id = $1 ORDER BY h.at_ms, (h.slot - p.moves % $2 - 1 + 2 * $2) % $2"
	" LIMIT $2",
	"promise size"};
static const struct db_sql sql_of = {
	"promises_of", SELECT "WHERE promiser = $1 AND id > $2 ORDER BY id LIMIT $3",
	"promiser after limit"};
static const struct db_sql sql_of_kind = {
	"promises_of_kind",
	SELECT "WHERE promiser = $1 AND kind = $2 AND id > $3 ORDER BY id LIMIT $4",
	"promiser kind after limit"};
static const struct db_sql sql_kind = {
	"promises_kind", SELECT "WHERE kind = $1 AND id > $2 ORDER BY id LIMIT $3",
	"kind after limit"};
static const struct db_sql sql_all = {
	"promises_all", SELECT "WHERE id > $1 ORDER BY id LIMIT $2", "after limit"};

static const struct db_sql sql_of_customer = {
	"promises_of_customer",
	SELECT
	"WHERE ((promisee = $1 AND kind = 'health') OR (promiser = $1 AND kind = 'payment'))"
	" AND ($2 = '' OR kind = $2) ORDER BY id LIMIT $3",
	"customer kind limit"};
static const struct db_sql sql_due = {
	"promises_due",
	SELECT "WHERE wake_at > 0 AND wake_at <= $1 ORDER BY wake_at, id LIMIT $2",
	"now limit"};

static enum promise_state state_of(struct str word)
{
	for (int v = 0; v < PROMISE_STATES; v++)
		if (str_is(word, promise_state_word((enum promise_state)v)))
			return (enum promise_state)v;
	return PROMISE_UNKNOWN;
}

static enum promise_kind kind_of(struct str word)
{
	for (int v = 0; v < PROMISE_KINDS; v++)
		if (str_is(word, promise_kind_word((enum promise_kind)v)))
			return (enum promise_kind)v;
	return PROMISE_HEALTH;
}

static void row(struct db_stmt *q, struct arena *a, struct promise *out)
{
	*out = (struct promise){
		.id = db_at_i64(q, 0),
		.promiser = db_at_str(q, 1, a),
		.promisee = db_at_str(q, 2, a),
		.kind = kind_of(db_at_str(q, 3, a)),
		.name = db_at_str(q, 4, a),
		.body_json = db_at_str(q, 5, a),
		.state = state_of(db_at_str(q, 6, a)),
		.since_ms = db_at_i64(q, 7),
		.checked_at_ms = db_at_i64(q, 8),
		.message = db_at_str(q, 9, a),
		.wake_at_ms = db_at_i64(q, 10),
	};
}

MUST int store_promise_find(struct db_tx *tx, struct arena *a, struct str promiser,
			    enum promise_kind kind, struct str name, struct promise *out,
			    struct err *e)
{
	struct db_stmt *q = db_prepare(tx, &sql_find);
	db_bind_str(q, "promiser", promiser);
	db_bind_cstr(q, "kind", promise_kind_word(kind));
	db_bind_str(q, "name", name);
	return ROW_READ(q, a, row, out, e);
}

MUST static int add_line(struct db_tx *tx, const struct promise *p, int64_t moves,
			 struct err *e)
{
	struct db_stmt *q = db_prepare(tx, &sql_line);
	db_bind_i64(q, "promise", p->id);
	db_bind_i64(q, "slot", moves % PROMISE_HISTORY_MAX);
	db_bind_i64(q, "at", p->since_ms);
	db_bind_cstr(q, "state", promise_state_word(p->state));
	db_bind_str(q, "message", p->message);
	return rows_done(db_exec(q, e));
}

MUST int store_promise_add(struct db_tx *tx, struct promise *p, struct err *e)
{
	struct db_stmt *q = db_prepare(tx, &sql_add);
	db_bind_str(q, "promiser", p->promiser);
	db_bind_str(q, "promisee", p->promisee);
	db_bind_cstr(q, "kind", promise_kind_word(p->kind));
	db_bind_str(q, "name", p->name);
	db_bind_str(q, "body", p->body_json);
	db_bind_cstr(q, "state", promise_state_word(p->state));
	db_bind_i64(q, "since", p->since_ms);
	db_bind_i64(q, "checked_at", p->checked_at_ms);
	db_bind_str(q, "message", p->message);
	db_bind_i64(q, "wake_at", p->wake_at_ms);
	if (db_step(q, e) <= 0)
		return -1;
	p->id = db_at_i64(q, 0);
	return add_line(tx, p, 1, e);
}

MUST int store_promise_save(struct db_tx *tx, const struct promise *p, bool is_move,
			    struct err *e)
{
	struct db_stmt *q = db_prepare(tx, &sql_save);
	db_bind_cstr(q, "state", promise_state_word(p->state));
	db_bind_i64(q, "since", p->since_ms);
	db_bind_i64(q, "checked_at", p->checked_at_ms);
	db_bind_str(q, "message", p->message);
	db_bind_i64(q, "wake_at", p->wake_at_ms);
	db_bind_i64(q, "moved", is_move);
	db_bind_i64(q, "id", p->id);
	int rc = db_step(q, e);
	if (rc <= 0)
		return rc;
	return is_move ? add_line(tx, p, db_at_i64(q, 0), e) : 0;
}

MUST int store_promise_delete(struct db_tx *tx, int64_t id, struct err *e)
{
	struct db_stmt *q = db_prepare(tx, &sql_delete);
	db_bind_i64(q, "id", id);
	return rows_done(db_exec(q, e));
}

MUST int store_promise_delete_all(struct db_tx *tx, struct str promiser, enum promise_kind kind,
				  struct err *e)
{
	struct db_stmt *q = db_prepare(tx, &sql_delete_all);
	db_bind_str(q, "promiser", promiser);
	db_bind_cstr(q, "kind", promise_kind_word(kind));
	return rows_done(db_exec(q, e));
}

MUST int store_promise_list(struct db_tx *tx, struct arena *a, struct str promiser,
			    enum promise_kind kind, int64_t after, int64_t limit,
			    struct promise **out, size_t *count, struct err *e)
{
	bool has_kind = kind != PROMISE_KINDS;
	const struct db_sql *sql = promiser.n ? (has_kind ? &sql_of_kind : &sql_of)
					      : (has_kind ? &sql_kind : &sql_all);
	struct db_stmt *q = db_prepare(tx, sql);
	if (promiser.n)
		db_bind_str(q, "promiser", promiser);
	if (has_kind)
		db_bind_cstr(q, "kind", promise_kind_word(kind));
	db_bind_i64(q, "after", after);
	db_bind_i64(q, "limit", MIN_OF(limit, (int64_t)STORE_LIST_MAX));
	return ROWS_READ(q, a, struct promise, row, out, count, e);
}

MUST int store_promise_of_customer(struct db_tx *tx, struct arena *a, struct str customer,
				   enum promise_kind kind, int64_t limit, struct promise **out,
				   size_t *count, struct err *e)
{
	struct db_stmt *q = db_prepare(tx, &sql_of_customer);
	db_bind_str(q, "customer", customer);
	db_bind_cstr(q, "kind", kind == PROMISE_KINDS ? "" : promise_kind_word(kind));
	db_bind_i64(q, "limit", MIN_OF(limit, (int64_t)STORE_LIST_MAX));
	return ROWS_READ(q, a, struct promise, row, out, count, e);
}

static void line_row(struct db_stmt *q, struct arena *a, struct promise_line *out)
{
	*out = (struct promise_line){
		.at_ms = db_at_i64(q, 0),
		.state = state_of(db_at_str(q, 1, a)),
		.message = db_at_str(q, 2, a),
	};
}

MUST int store_promise_history(struct db_tx *tx, struct arena *a, int64_t promise_id,
			       struct promise_line **out, size_t *count, struct err *e)
{
	struct db_stmt *q = db_prepare(tx, &sql_history);
	db_bind_i64(q, "promise", promise_id);
	db_bind_i64(q, "size", PROMISE_HISTORY_MAX);
	return ROWS_READ(q, a, struct promise_line, line_row, out, count, e);
}

MUST int store_promise_due(struct db_tx *tx, struct arena *a, int64_t now_ms, int64_t limit,
			   struct promise **out, size_t *count, struct err *e)
{
	struct db_stmt *q = db_prepare(tx, &sql_due);
	db_bind_i64(q, "now", now_ms);
	db_bind_i64(q, "limit", limit);
	return ROWS_READ(q, a, struct promise, row, out, count, e);
}
