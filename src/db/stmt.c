/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * Statements: found or prepared per connection, bound by name, stepped, read by name.
 *
 * The failure lives in the transaction, not in the statement: the first one is kept there and
 * answers every later call (invariant 3 of db.h), so a forgotten result cannot be committed.
 */
#include "base/mem.h"
#include "db/db_impl.h"

void db_tx_init(struct db_tx *tx, struct conn *c, bool is_read)
{
	*tx = (struct db_tx){.conn = c, .is_read = is_read};
}

/* Keeps the failure in *e, under the statement's name, as the transaction's. */
static void tx_fail(struct db_stmt *q, struct err *e)
{
	struct db_tx *tx = q->tx;
	if (tx->is_failed)
		return;
	(void)err_in(e, "%s", q->sql->name);
	tx->failure = *e;
	tx->is_failed = true;
}

static int tx_failure(const struct db_tx *tx, struct err *e)
{
	*e = tx->failure;
	return -1;
}

int db_tx_run(struct db_tx *tx, db_work_fn *fn, void *user, struct err *e)
{
	struct conn *c = tx->conn;
	int rc = fn(tx, user, e);
	for (struct db_stmt *q = c->used, *next; q; q = next) {
		next = q->next_used;
		c->driver->reset(q);
		q->is_used = false;
		q->tx = NULL;
	}
	c->used = NULL;
	/* Another error than the transaction's own is what came of it: the cause is told. */
	if (tx->is_failed && (rc >= 0 || e->kind != tx->failure.kind))
		rc = tx_failure(tx, e);
	return rc;
}

int db_fault_check(struct db *db, enum db_fault where, struct err *e)
{
	struct fault *f = &db->faults[where];
	(void)atomic_fetch_add_explicit(&f->passed, 1, memory_order_relaxed);
	unsigned long left = atomic_load_explicit(&f->left, memory_order_relaxed);
	while (left > 0) {
		if (!atomic_compare_exchange_weak(&f->left, &left, left - 1))
			continue;
		return left == 1 ? err_fail(e, ERR_IO, "fault asked for by a test") : 0;
	}
	return 0;
}

/* ---- finding and preparing -------------------------------------------------------------- */

static struct db_stmt **bucket_of(struct conn *c, const struct db_sql *sql)
{
	return &c->bucket[((uintptr_t)sql >> 3) % CONN_BUCKETS];
}

/* Cuts sql->params into q->param. */
static int params_read(struct db_stmt *q, struct err *e)
{
	struct str rest = str_from(q->sql->params), name;
	size_t n = rest.n ? 1 : 0;
	for (size_t i = 0; i < rest.n; i++)
		n += rest.p[i] == ' ';
	if (n > DB_PARAMS_MAX)
		return err_fail(e, ERR_INTERNAL, "more than %d parameters", DB_PARAMS_MAX);
	q->param = n ? mem_new(n * sizeof *q->param, e) : NULL;
	if (n && !q->param)
		return -1;
	while (q->params < n && str_split(&rest, ' ', &name))
		q->param[q->params++].name = name;
	return 0;
}

/* The highest n of "$n" in a text: engines differ in what they make of one too many. */
static unsigned highest_param(const char *text)
{
	unsigned highest = 0;
	while ((text = strchr(text, '$'))) {
		unsigned n = 0;
		for (text++; *text >= '0' && *text <= '9' && n <= DB_PARAMS_MAX; text++)
			n = n * 10 + (unsigned)(*text - '0');
		highest = MAX_OF(highest, n);
	}
	return highest;
}

static int params_check(const struct db_stmt *q, struct err *e)
{
	unsigned n = highest_param(q->sql->text);
	if (n == q->params)
		return 0;
	return err_fail(e, ERR_INTERNAL, "its text has $1 to $%u, its parameters are \"%s\"", n,
			q->sql->params);
}

static void stmt_free(struct db_stmt *q)
{
	q->conn->driver->finish(q);
	mem_free(q->param);
	mem_free(q);
}

static int stmt_new(struct conn *c, const struct db_sql *sql, struct db_stmt **out,
		    struct err *e)
{
	if (c->statements == DB_STATEMENTS_MAX)
		return err_fail(e, ERR_INTERNAL, "more than %d statements", DB_STATEMENTS_MAX);
	struct db_stmt *q = mem_new(c->driver->stmt_bytes, e);
	if (!q)
		return -1;
	q->sql = sql;
	q->conn = c;
	if (params_read(q, e) < 0 || params_check(q, e) < 0 || c->driver->prepare(q, e) < 0) {
		stmt_free(q);
		return -1;
	}
	struct db_stmt **bucket = bucket_of(c, sql);
	q->next_in_bucket = *bucket;
	*bucket = q;
	c->statements++;
	*out = q;
	return 0;
}

void db_conn_free_statements(struct conn *c)
{
	for (size_t i = 0; i < ARRAY_LEN(c->bucket); i++)
		while (c->bucket[i]) {
			struct db_stmt *q = c->bucket[i];
			c->bucket[i] = q->next_in_bucket;
			stmt_free(q);
		}
	c->statements = 0;
}

static struct db_stmt *stmt_find(struct conn *c, const struct db_sql *sql)
{
	struct db_stmt *q = *bucket_of(c, sql);
	while (q && q->sql != sql)
		q = q->next_in_bucket;
	return q;
}

struct db_stmt *db_prepare(struct db_tx *tx, const struct db_sql *sql)
{
	struct err e = ERR_INIT;
	struct conn *c = tx->conn;
	tx->broken = (struct db_stmt){.sql = sql, .tx = tx, .conn = c};
	if (tx->is_failed)
		return &tx->broken;
	struct db_stmt *q = stmt_find(c, sql);
	if (!q && stmt_new(c, sql, &q, &e) < 0) {
		tx_fail(&tx->broken, &e);
		return &tx->broken;
	}
	if (c->db->look)
		c->db->look(c->db->look_user, sql);
	if (!q->is_used) {
		q->is_used = true;
		q->next_used = c->used;
		c->used = q;
	} else {
		c->driver->reset(q);
	}
	q->tx = tx;
	q->state = STMT_READY;
	q->has_row = false;
	q->param_hint = q->column_hint = 0;
	for (unsigned i = 0; i < q->params; i++)
		q->param[i].kind = VALUE_UNBOUND;
	return q;
}

/* ---- binding ---------------------------------------------------------------------------- */

/* The place for `name`, or NULL after a failure. Looks first after the one bound before. */
static struct param *slot(struct db_stmt *q, const char *name)
{
	if (q->tx->is_failed)
		return NULL;
	struct err e = ERR_INIT;
	if (q->state != STMT_READY) {
		(void)err_fail(&e, ERR_INTERNAL, "parameter %s bound after it ran", name);
		tx_fail(q, &e);
		return NULL;
	}
	for (unsigned i = 0; i < q->params; i++) {
		unsigned at = (q->param_hint + i) % q->params;
		if (str_is(q->param[at].name, name)) {
			q->param_hint = at + 1;
			return &q->param[at];
		}
	}
	(void)err_fail(&e, ERR_INTERNAL, "no parameter %s", name);
	tx_fail(q, &e);
	return NULL;
}

void db_bind_str(struct db_stmt *q, const char *name, struct str value)
{
	struct param *p = slot(q, name);
	if (!p)
		return;
	if (str_find_char(value, '\0') < value.n || !str_is_utf8(value)) {
		struct err e = ERR_INIT;
		(void)err_field(&e, name, "%s is not UTF-8 text without NUL", name);
		tx_fail(q, &e);
		return;
	}
	p->kind = VALUE_TEXT;
	p->s = value.n ? value : S("");
}

void db_bind_cstr(struct db_stmt *q, const char *name, const char *value)
{
	if (value)
		db_bind_str(q, name, str_from(value));
	else
		db_bind_null(q, name);
}

void db_bind_str_or_null(struct db_stmt *q, const char *name, struct str value)
{
	if (value.p)
		db_bind_str(q, name, value);
	else
		db_bind_null(q, name);
}

void db_bind_i64(struct db_stmt *q, const char *name, int64_t value)
{
	struct param *p = slot(q, name);
	if (!p)
		return;
	p->kind = VALUE_I64;
	p->i = value;
}

void db_bind_bool(struct db_stmt *q, const char *name, bool value)
{
	db_bind_i64(q, name, value ? 1 : 0);
}

void db_bind_blob(struct db_stmt *q, const char *name, struct str bytes)
{
	struct param *p = slot(q, name);
	if (!p)
		return;
	p->kind = VALUE_BLOB;
	p->s = bytes.n ? bytes : S("");
}

void db_bind_null(struct db_stmt *q, const char *name)
{
	struct param *p = slot(q, name);
	if (p)
		p->kind = VALUE_NULL;
}

/* ---- running ---------------------------------------------------------------------------- */

static int start(struct db_stmt *q, struct err *e)
{
	for (unsigned i = 0; i < q->params; i++)
		if (q->param[i].kind == VALUE_UNBOUND)
			return err_fail(e, ERR_INTERNAL, "parameter %" STR_F " is not bound",
					STR_A(q->param[i].name));
	if (db_fault_check(q->conn->db, DB_FAULT_STATEMENT, e) < 0)
		return -1;
	(void)atomic_fetch_add_explicit(&q->conn->db->tallies.statements, 1,
					memory_order_relaxed);
	if (q->conn->driver->start(q, e) < 0)
		return -1;
	q->state = STMT_ROWS;
	return 0;
}

static int step(struct db_stmt *q, struct err *e)
{
	if (q->state == STMT_READY && start(q, e) < 0)
		return -1;
	if (q->state == STMT_ENDED)
		return 0;
	int rc = q->conn->driver->step(q, e);
	if (rc > 0 && db_fault_check(q->conn->db, DB_FAULT_STEP, e) < 0)
		return -1;
	q->has_row = rc > 0;
	if (rc == 0) {
		q->state = STMT_ENDED;
		q->conn->has_changed |= q->conn->driver->changes(q) > 0;
	}
	return rc;
}

int db_step(struct db_stmt *q, struct err *e)
{
	if (q->tx->is_failed)
		return tx_failure(q->tx, e);
	int rc = step(q, e);
	if (rc < 0) {
		q->has_row = false;
		tx_fail(q, e);
	}
	return rc;
}

int64_t db_exec(struct db_stmt *q, struct err *e)
{
	int rc;
	while ((rc = db_step(q, e)) > 0)
		;
	return rc < 0 ? -1 : q->conn->driver->changes(q);
}

/* ---- values ----------------------------------------------------------------------------- */

/* The index of the column, or -1 after a failure. Looks first after the one read before. */
static int column(struct db_stmt *q, const char *name)
{
	if (q->tx->is_failed)
		return -1;
	const struct driver *d = q->conn->driver;
	unsigned n = q->has_row ? (unsigned)d->columns(q) : 0;
	for (unsigned i = 0; i < n; i++) {
		unsigned at = (q->column_hint + i) % n;
		if (strcmp(d->column_name(q, (int)at), name) == 0) {
			q->column_hint = at + 1;
			return (int)at;
		}
	}
	struct err e = ERR_INIT;
	(void)err_fail(&e, ERR_INTERNAL, q->has_row ? "no column %s" : "no row to read %s from",
		       name);
	tx_fail(q, &e);
	return -1;
}

/* What the column holds; VALUE_UNBOUND after a failure. `want` is what the caller asks for. */
static enum value_kind look(struct db_stmt *q, int at, enum value_kind want)
{
	if (q->tx->is_failed)
		return VALUE_UNBOUND;
	const struct driver *d = q->conn->driver;
	struct err e = ERR_INIT;
	if (!q->has_row || at < 0 || at >= d->columns(q)) {
		(void)err_fail(&e, ERR_INTERNAL, "no column %d or no row", at);
		tx_fail(q, &e);
		return VALUE_UNBOUND;
	}
	enum value_kind kind = d->kind(q, at);
	if (kind == VALUE_NULL || kind == want || want == VALUE_UNBOUND)
		return kind;
	(void)err_fail(&e, ERR_INTERNAL, "column %s is of another type", d->column_name(q, at));
	tx_fail(q, &e);
	return VALUE_UNBOUND;
}

int64_t db_at_i64(struct db_stmt *q, int column_at)
{
	int64_t value = 0;
	if (look(q, column_at, VALUE_I64) != VALUE_I64)
		return 0;
	struct err e = ERR_INIT;
	if (q->conn->driver->i64(q, column_at, &value, &e) == 0)
		return value;
	(void)err_in(&e, "column %s", q->conn->driver->column_name(q, column_at));
	e.kind = ERR_INTERNAL;
	tx_fail(q, &e);
	return 0;
}

static struct str bytes_at(struct db_stmt *q, int column_at, enum value_kind want,
			   struct arena *a)
{
	if (look(q, column_at, want) != want)
		return (struct str){0};
	struct err e = ERR_INIT;
	struct str copy = q->conn->driver->bytes(q, column_at, want, a);
	if (arena_check(a, &e) < 0)
		tx_fail(q, &e);
	return copy;
}

struct str db_at_str(struct db_stmt *q, int column_at, struct arena *a)
{
	return bytes_at(q, column_at, VALUE_TEXT, a);
}

struct str db_at_blob(struct db_stmt *q, int column_at, struct arena *a)
{
	return bytes_at(q, column_at, VALUE_BLOB, a);
}

bool db_at_is_null(struct db_stmt *q, int column_at)
{
	return look(q, column_at, VALUE_UNBOUND) == VALUE_NULL;
}

int64_t db_col_i64(struct db_stmt *q, const char *name)
{
	int at = column(q, name);
	return at < 0 ? 0 : db_at_i64(q, at);
}

bool db_col_bool(struct db_stmt *q, const char *name)
{
	return db_col_i64(q, name) != 0;
}

struct str db_col_str(struct db_stmt *q, const char *name, struct arena *a)
{
	int at = column(q, name);
	return at < 0 ? (struct str){0} : db_at_str(q, at, a);
}

struct str db_col_blob(struct db_stmt *q, const char *name, struct arena *a)
{
	int at = column(q, name);
	return at < 0 ? (struct str){0} : db_at_blob(q, at, a);
}

bool db_col_is_null(struct db_stmt *q, const char *name)
{
	int at = column(q, name);
	q->column_hint = at < 0 ? 0 : (unsigned)at; /* likely to be read next */
	return at >= 0 && db_at_is_null(q, at);
}
