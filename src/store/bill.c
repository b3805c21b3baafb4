/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "store/bill.h"

#include "store/rows.h"

static const struct db_sql sql_price_save = {
	"price_save",
	"INSERT INTO price (name, body, changed_at) VALUES ($1, $2, $3)"
	" ON CONFLICT (name) DO UPDATE SET body = excluded.body, changed_at = "
	"excluded.changed_at",
	"name body changed_at"};
static const struct db_sql sql_price_find = {
	"price_find", "SELECT name, body, changed_at FROM price WHERE name = $1", "name"};
static const struct db_sql sql_price_list = {
	"price_list", "SELECT name, body, changed_at FROM price ORDER BY name LIMIT $1",
	"limit"};
static const struct db_sql sql_last = {
	"invoice_last", "SELECT year, number FROM invoice_counter WHERE series = $1", "series"};
static const struct db_sql sql_count = {
	"invoice_count",
	"INSERT INTO invoice_counter (series, year, number) VALUES ($1, $2, $3)"
	" ON CONFLICT (series) DO UPDATE SET year = excluded.year, number = excluded.number",
	"series year number"};
static const struct db_sql sql_add = {
	"invoice_add",
	"INSERT INTO invoice (number, customer_id, from_at, to_at, price_list, currency, gross,"
	" body, page, issued_at, due_at, usage_seen) SELECT $1, $2, $3, $4, $5, $6, $7, $8, $9,"
	" $10, $11, COALESCE(MAX(id), 0) FROM usage_event",
	"number customer from to price_list currency gross body page issued_at due_at"};
#define SELECT(body) \
	"SELECT v.id, v.number, v.customer_id, c.name, v.from_at, v.to_at, v.price_list," \
	" v.currency, v.gross, v.issued_at, v.due_at" body \
	" FROM invoice v JOIN customer c ON c.id = v.customer_id "
static const struct db_sql sql_find = {
	"invoice_find", SELECT(", v.body, v.page") "WHERE v.number = $1", "number"};
static const struct db_sql sql_of = {
	"invoice_of",
	SELECT(", v.body, v.page") "WHERE v.customer_id = $1 AND v.from_at = $2 AND v.to_at = "
				   "$3"
				   " AND v.price_list = $4",
	"customer from to price_list"};
static const struct db_sql sql_overlaps = {
	"invoice_overlaps",
	SELECT("") "WHERE v.customer_id = $1 AND v.from_at < $3 AND v.to_at > $2"
		   " AND v.price_list = $4 ORDER BY v.id LIMIT 1",
	"customer from to price_list"};
static const struct db_sql sql_list = {
	"invoice_list",
	SELECT("") "WHERE v.customer_id = $1 OR $1 = 0 ORDER BY v.id DESC LIMIT $2",
	"customer limit"};

static void price_row(struct db_stmt *q, struct arena *a, struct price_row *out)
{
	*out = (struct price_row){
		.name = db_at_str(q, 0, a),
		.body_json = db_at_str(q, 1, a),
		.changed_at_ms = db_at_i64(q, 2),
	};
}

MUST int store_price_save(struct db_tx *tx, const struct price_row *p, struct err *e)
{
	struct db_stmt *q = db_prepare(tx, &sql_price_save);
	db_bind_str(q, "name", p->name);
	db_bind_str(q, "body", p->body_json);
	db_bind_i64(q, "changed_at", p->changed_at_ms);
	return rows_done(db_exec(q, e));
}

MUST int store_price_find(struct db_tx *tx, struct arena *a, struct str name,
			  struct price_row *out, struct err *e)
{
	struct db_stmt *q = db_prepare(tx, &sql_price_find);
	db_bind_str(q, "name", name);
	return ROW_READ(q, a, price_row, out, e);
}

MUST int store_price_list(struct db_tx *tx, struct arena *a, int64_t limit,
			  struct price_row **out, size_t *count, struct err *e)
{
	struct db_stmt *q = db_prepare(tx, &sql_price_list);
	db_bind_i64(q, "limit", MIN_OF(limit, (int64_t)STORE_LIST_MAX));
	return ROWS_READ(q, a, struct price_row, price_row, out, count, e);
}

MUST int store_invoice_last(struct db_tx *tx, struct str series, int64_t *year, int64_t *number,
			    struct err *e)
{
	struct db_stmt *q = db_prepare(tx, &sql_last);
	db_bind_str(q, "series", series);
	int rc = db_step(q, e);
	if (rc < 0)
		return -1;
	*year = rc ? db_at_i64(q, 0) : 0;
	*number = rc ? db_at_i64(q, 1) : 0;
	return 0;
}

MUST int store_invoice_count(struct db_tx *tx, struct str series, int64_t year, int64_t number,
			     struct err *e)
{
	struct db_stmt *q = db_prepare(tx, &sql_count);
	db_bind_str(q, "series", series);
	db_bind_i64(q, "year", year);
	db_bind_i64(q, "number", number);
	return rows_done(db_exec(q, e));
}

MUST int store_invoice_add(struct db_tx *tx, const struct invoice_row *i, struct err *e)
{
	struct db_stmt *q = db_prepare(tx, &sql_add);
	db_bind_str(q, "number", i->number);
	db_bind_i64(q, "customer", i->customer_id);
	db_bind_i64(q, "from", i->from_ms);
	db_bind_i64(q, "to", i->to_ms);
	db_bind_str(q, "price_list", i->price_list);
	db_bind_str(q, "currency", i->currency);
	db_bind_str(q, "gross", i->gross);
	db_bind_str(q, "body", i->body_json);
	db_bind_str(q, "page", i->page);
	db_bind_i64(q, "issued_at", i->issued_at_ms);
	db_bind_i64(q, "due_at", i->due_at_ms);
	return rows_done(db_exec(q, e));
}

static void head_row(struct db_stmt *q, struct arena *a, struct invoice_row *out)
{
	*out = (struct invoice_row){
		.id = db_at_i64(q, 0),
		.number = db_at_str(q, 1, a),
		.customer_id = db_at_i64(q, 2),
		.customer = db_at_str(q, 3, a),
		.from_ms = db_at_i64(q, 4),
		.to_ms = db_at_i64(q, 5),
		.price_list = db_at_str(q, 6, a),
		.currency = db_at_str(q, 7, a),
		.gross = db_at_str(q, 8, a),
		.issued_at_ms = db_at_i64(q, 9),
		.due_at_ms = db_at_i64(q, 10),
		.body_json = S("{}"),
		.page = S(""),
	};
}

static void whole_row(struct db_stmt *q, struct arena *a, struct invoice_row *out)
{
	head_row(q, a, out);
	out->body_json = db_at_str(q, 11, a);
	out->page = db_at_str(q, 12, a);
}

MUST int store_invoice_find(struct db_tx *tx, struct arena *a, struct str number,
			    struct invoice_row *out, struct err *e)
{
	struct db_stmt *q = db_prepare(tx, &sql_find);
	db_bind_str(q, "number", number);
	return ROW_READ(q, a, whole_row, out, e);
}

static void bind_period(struct db_stmt *q, int64_t customer_id, int64_t from_ms, int64_t to_ms,
			struct str price_list)
{
	db_bind_i64(q, "customer", customer_id);
	db_bind_i64(q, "from", from_ms);
	db_bind_i64(q, "to", to_ms);
	db_bind_str(q, "price_list", price_list);
}

MUST int store_invoice_of(struct db_tx *tx, struct arena *a, int64_t customer_id,
			  int64_t from_ms, int64_t to_ms, struct str price_list,
			  struct invoice_row *out, struct err *e)
{
	struct db_stmt *q = db_prepare(tx, &sql_of);
	bind_period(q, customer_id, from_ms, to_ms, price_list);
	return ROW_READ(q, a, whole_row, out, e);
}

MUST int store_invoice_overlaps(struct db_tx *tx, struct arena *a, int64_t customer_id,
				int64_t from_ms, int64_t to_ms, struct str price_list,
				struct invoice_row *out, struct err *e)
{
	struct db_stmt *q = db_prepare(tx, &sql_overlaps);
	bind_period(q, customer_id, from_ms, to_ms, price_list);
	return ROW_READ(q, a, head_row, out, e);
}

MUST int store_invoice_list(struct db_tx *tx, struct arena *a, int64_t customer_id,
			    int64_t limit, struct invoice_row **out, size_t *count,
			    struct err *e)
{
	struct db_stmt *q = db_prepare(tx, &sql_list);
	db_bind_i64(q, "customer", customer_id);
	db_bind_i64(q, "limit", MIN_OF(limit, (int64_t)STORE_LIST_MAX));
	return ROWS_READ(q, a, struct invoice_row, head_row, out, count, e);
}
