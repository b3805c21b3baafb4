/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * The node's database, second half: what waits to be sent (usage, promise results), the ring of
 * promise results, and the meter's readings.
 *
 * Usage leaves exactly once: a row is written in the transaction that moves the reading on,
 * sent until acknowledged, and its id lets the master drop what it already has.
 */
#include "agent/ndb_impl.h"
#include "base/fail.h"
#include "json/json.h"

static const struct db_sql OUTBOX_ADD = {
	"outbox_add", "INSERT INTO outbox (kind, body) VALUES ($1, $2)", "kind body"};
static const struct db_sql OUTBOX_TRIM = {"outbox_trim",
					  "DELETE FROM outbox WHERE kind = 'promise' AND seq "
					  "<= (SELECT max(seq) FROM outbox) - $1",
					  "keep"};
static const struct db_sql OUTBOX_PEEK = {
	"outbox_peek", "SELECT seq, kind, body FROM outbox ORDER BY seq LIMIT $1", "max"};
static const struct db_sql OUTBOX_DROP = {"outbox_drop", "DELETE FROM outbox WHERE seq <= $1",
					  "seq"};
static const struct db_sql OUTBOX_COUNT = {"outbox_count", "SELECT count(*) AS n FROM outbox",
					   ""};
static const struct db_sql RESULT_ADD = {
	"result_add",
	"INSERT INTO result (instance, name, state, message, at_ms, took_ms)"
	" VALUES ($1, $2, $3, $4, $5, $6)",
	"instance name state message at took"};
static const struct db_sql RESULT_TRIM = {
	"result_trim",
	"DELETE FROM result WHERE instance = $1 AND seq <= (SELECT seq FROM result"
	" WHERE instance = $1 ORDER BY seq DESC LIMIT 1 OFFSET $2)",
	"instance keep"};
static const struct db_sql RESULTS = {
	"result_list",
	"SELECT name, state, message, at_ms, took_ms FROM result WHERE instance = $1"
	" ORDER BY seq DESC LIMIT $2",
	"instance max"};
static const struct db_sql READINGS = {
	"reading_all", "SELECT guid, name, value, at_ms FROM reading ORDER BY guid, name", ""};
static const struct db_sql READING_COUNT = {"reading_count",
					    "SELECT count(*) AS n FROM reading", ""};
static const struct db_sql READING_SAVE = {
	"reading_save",
	"INSERT INTO reading (guid, name, value, at_ms) VALUES ($1, $2, $3, $4)"
	" ON CONFLICT (guid, name) DO UPDATE SET value = $3, at_ms = $4",
	"guid name value at"};

/* ---- outbox --------------------------------------------------------------------------------
 */

static int add_rows(struct db_tx *tx, const struct ndb_row *rows, size_t count, struct err *e)
{
	for (size_t i = 0; i < count; i++) {
		struct db_stmt *q = db_prepare(tx, &OUTBOX_ADD);
		db_bind_str(q, "kind", rows[i].kind);
		db_bind_str(q, "body", rows[i].body);
		if (db_exec(q, e) < 0)
			return -1;
	}
	return 0;
}

static int outbox_add(struct db_tx *tx, void *user, struct err *e)
{
	const struct ndb_op *op = user;
	return add_rows(tx, op->in, op->count, e);
}

MUST int ndb_outbox_add(struct ndb *n, const struct ndb_row *rows, size_t count, struct err *e)
{
	struct ndb_op op = {.in = rows, .count = count};
	return db_write(n->db, outbox_add, &op, e);
}

static int outbox_peek(struct db_tx *tx, void *user, struct err *e)
{
	struct ndb_op *op = user;
	struct ndb_row *rows = ARENA_ARRAY(op->a, struct ndb_row, op->max);
	struct db_stmt *q = db_prepare(tx, &OUTBOX_PEEK);
	db_bind_i64(q, "max", (int64_t)op->max);
	size_t i = 0;
	int rc = 0;
	while (rows && i < op->max && (rc = db_step(q, e)) > 0)
		rows[i++] = (struct ndb_row){.seq = db_at_i64(q, 0),
					     .kind = db_at_str(q, 1, op->a),
					     .body = db_at_str(q, 2, op->a)};
	*(struct ndb_row **)op->out = rows;
	*op->out_count = i;
	return rc < 0 ? -1 : arena_check(op->a, e);
}

MUST int ndb_outbox_peek(struct ndb *n, size_t max, struct arena *a, struct ndb_row **out,
			 size_t *out_count, struct err *e)
{
	struct ndb_op op = {.a = a, .max = max, .out = out, .out_count = out_count};
	return db_read(n->db, outbox_peek, &op, e);
}

static int outbox_count(struct db_tx *tx, void *user, struct err *e)
{
	struct ndb_op *op = user;
	struct db_stmt *q = db_prepare(tx, &OUTBOX_COUNT);
	if (db_step(q, e) < 0)
		return -1;
	op->number = db_at_i64(q, 0);
	return 0;
}

static int outbox_drop(struct db_tx *tx, void *user, struct err *e)
{
	struct ndb_op *op = user;
	struct db_stmt *q = db_prepare(tx, &OUTBOX_DROP);
	db_bind_i64(q, "seq", op->slot);
	if (db_exec(q, e) < 0)
		return -1;
	return outbox_count(tx, op, e);
}

MUST int ndb_outbox_drop(struct ndb *n, int64_t seq, int64_t *out_left, struct err *e)
{
	struct ndb_op op = {.slot = seq};
	fail_point("agent.outbox.before");
	if (db_write(n->db, outbox_drop, &op, e) < 0)
		return -1;
	fail_point("agent.outbox.after");
	*out_left = op.number;
	return 0;
}

MUST int ndb_outbox_count(struct ndb *n, int64_t *out, struct err *e)
{
	struct ndb_op op = {.slot = 0};
	if (db_read(n->db, outbox_count, &op, e) < 0)
		return -1;
	*out = op.number;
	return 0;
}

/* ---- promise results -----------------------------------------------------------------------
 */

/* The row that tells the master: the shape of POST /v1/nodes/ID/promises. */
static void result_body(const struct ndb_result *r, struct buf *b)
{
	buf_add(b, S("{\"instance\":"));
	json_write_str(r->instance, b);
	buf_add(b, S(",\"name\":"));
	json_write_str(r->name, b);
	buf_add(b, S(",\"state\":"));
	json_write_str(r->state, b);
	buf_add(b, S(",\"message\":"));
	json_write_str(r->message, b);
	char at[CLOCK_TEXT_SIZE];
	clock_text(r->at_ms, at);
	buf_addf(b, ",\"at\":\"%s\",\"took_ms\":%lld}", at, (long long)r->took_ms);
}

static int add_result(struct db_tx *tx, const struct ndb_result *r, struct err *e)
{
	struct db_stmt *q = db_prepare(tx, &RESULT_ADD);
	db_bind_str(q, "instance", r->instance);
	db_bind_str(q, "name", r->name);
	db_bind_str(q, "state", r->state);
	db_bind_str(q, "message", r->message);
	db_bind_i64(q, "at", r->at_ms);
	db_bind_i64(q, "took", r->took_ms);
	if (db_exec(q, e) < 0)
		return -1;
	struct buf body CLEAN(buf_fini) = BUF_INIT(16384);
	result_body(r, &body);
	if (buf_check(&body, e) < 0)
		return -1;
	const struct ndb_row row = {.kind = S("promise"), .body = buf_str(&body)};
	return add_rows(tx, &row, 1, e);
}

static int results_add(struct db_tx *tx, void *user, struct err *e)
{
	const struct ndb_op *op = user;
	const struct ndb_result *r = op->in;
	for (size_t i = 0; i < op->count; i++)
		if (add_result(tx, &r[i], e) < 0)
			return -1;
	struct db_stmt *q = db_prepare(tx, &RESULT_TRIM);
	db_bind_str(q, "instance", r[0].instance);
	db_bind_i64(q, "keep", NDB_HISTORY_MAX);
	if (db_exec(q, e) < 0)
		return -1;
	q = db_prepare(tx, &OUTBOX_TRIM);
	db_bind_i64(q, "keep", NDB_OUTBOX_MAX);
	return db_exec(q, e) < 0 ? -1 : 0;
}

MUST int ndb_results_add(struct ndb *n, const struct ndb_result *results, size_t count,
			 struct err *e)
{
	struct ndb_op op = {.in = results, .count = count};
	return count ? db_write(n->db, results_add, &op, e) : 0;
}

static int results_list(struct db_tx *tx, void *user, struct err *e)
{
	struct ndb_op *op = user;
	struct ndb_result *list = ARENA_ARRAY(op->a, struct ndb_result, op->max);
	struct db_stmt *q = db_prepare(tx, &RESULTS);
	db_bind_str(q, "instance", op->guid);
	db_bind_i64(q, "max", (int64_t)op->max);
	size_t i = 0;
	int rc = 0;
	while (list && i < op->max && (rc = db_step(q, e)) > 0)
		list[i++] = (struct ndb_result){
			.instance = op->guid,
			.name = db_at_str(q, 0, op->a),
			.state = db_at_str(q, 1, op->a),
			.message = db_at_str(q, 2, op->a),
			.at_ms = db_at_i64(q, 3),
			.took_ms = db_at_i64(q, 4),
		};
	*(struct ndb_result **)op->out = list;
	*op->out_count = i;
	return rc < 0 ? -1 : arena_check(op->a, e);
}

MUST int ndb_results(struct ndb *n, struct str instance, size_t max, struct arena *a,
		     struct ndb_result **out, size_t *out_count, struct err *e)
{
	struct ndb_op op = {
		.guid = instance, .max = max, .a = a, .out = out, .out_count = out_count};
	return db_read(n->db, results_list, &op, e);
}

/* ---- the meter -----------------------------------------------------------------------------
 */

static int read_readings(struct db_tx *tx, void *user, struct err *e)
{
	struct ndb_op *op = user;
	struct db_stmt *q = db_prepare(tx, &READING_COUNT);
	if (db_step(q, e) < 0)
		return -1;
	size_t n = (size_t)db_at_i64(q, 0), i = 0;
	struct ndb_reading *list = ARENA_ARRAY(op->a, struct ndb_reading, n);
	q = db_prepare(tx, &READINGS);
	int rc = 0;
	while (list && i < n && (rc = db_step(q, e)) > 0)
		list[i++] = (struct ndb_reading){
			.guid = db_at_str(q, 0, op->a),
			.name = db_at_str(q, 1, op->a),
			.value = db_at_i64(q, 2),
			.at_ms = db_at_i64(q, 3),
		};
	*(struct ndb_reading **)op->out = list;
	*op->out_count = i;
	return rc < 0 ? -1 : arena_check(op->a, e);
}

MUST int ndb_readings(struct ndb *n, struct arena *a, struct ndb_reading **out,
		      size_t *out_count, struct err *e)
{
	struct ndb_op op = {.a = a, .out = out, .out_count = out_count};
	return db_read(n->db, read_readings, &op, e);
}

struct meter_write {
	const struct ndb_reading *readings;
	size_t reading_count;
	const struct ndb_row *rows;
	size_t row_count;
};

static int write_meter(struct db_tx *tx, void *user, struct err *e)
{
	const struct meter_write *w = user;
	for (size_t i = 0; i < w->reading_count; i++) {
		struct db_stmt *q = db_prepare(tx, &READING_SAVE);
		db_bind_str(q, "guid", w->readings[i].guid);
		db_bind_str(q, "name", w->readings[i].name);
		db_bind_i64(q, "value", w->readings[i].value);
		db_bind_i64(q, "at", w->readings[i].at_ms);
		if (db_exec(q, e) < 0)
			return -1;
	}
	return add_rows(tx, w->rows, w->row_count, e);
}

MUST int ndb_meter(struct ndb *n, const struct ndb_reading *readings, size_t reading_count,
		   const struct ndb_row *rows, size_t row_count, struct err *e)
{
	struct meter_write w = {readings, reading_count, rows, row_count};
	fail_point("agent.meter.before");
	int rc = db_write(n->db, write_meter, &w, e);
	fail_point("agent.meter.after");
	return rc;
}
