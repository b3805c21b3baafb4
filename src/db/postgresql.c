/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * The PostgreSQL engine.
 *
 * Parameters travel in binary with their types declared (int8, text, bytea), so a moment is
 * never guessed to be an int4; a parameter that was only ever null is left to the server's
 * guess and the statement is prepared anew when its first value comes. Results travel as text:
 * they read the same whatever integer or numeric type an expression has.
 *
 * A write transaction begins with an advisory lock, so that all masters beside one database
 * write in one order, and takes its transaction id. If the connection is lost during COMMIT,
 * the next begin has that lock, which the old transaction held to its end, and so can ask the
 * server how it ended: no write is lost or done twice. (A server that crashed before the id
 * itself reached its log answers "in the future", which means that it never committed.)
 *
 * A round trip costs more than most statements, so the commands around them (BEGIN of a read,
 * SAVEPOINT, RELEASE) wait in `pending` and travel with the next statement in one pipeline; where
 * none comes they are never sent.
 *
 * Error texts are the server's primary message only: its details would quote values.
 */
#include <arpa/inet.h>
#include <endian.h>
#include <libpq-fe.h>

#include "base/mem.h"
#include "db/db_impl.h"

/* Types of catalogue pg_type, fixed for ever by the protocol's binary formats. */
enum {
	OID_UNKNOWN = 0,
	OID_BOOL = 16,
	OID_BYTEA = 17,
	OID_INT8 = 20,
	OID_INT2 = 21,
	OID_INT4 = 23,
	OID_TEXT = 25,
	OID_NUMERIC = 1700
};

enum { FORMAT_TEXT = 0, FORMAT_BINARY = 1, XID_SIZE = 24, NAME_SIZE = 16, PENDING_MAX = 3 };

/* The key of the lock that orders the writers: "hoc" in ASCII. */
static const char begin_write[] = "BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE;"
				  "SELECT pg_advisory_xact_lock(6844259),"
				  " pg_current_xact_id()::text";
static const char begin_read[] = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY";

static const char savepoint[] = "SAVEPOINT job";
static const char release[] = "RELEASE SAVEPOINT job";
static const char rollback_to[] = "ROLLBACK TO SAVEPOINT job; RELEASE SAVEPOINT job";

/*
 * A database or role may have switched durable commits off; then an acknowledged write could be
 * lost. A master that hangs, or whose machine is gone, may hold the writers' lock for a minute.
 */
static const char settings[] =
	"SELECT set_config('synchronous_commit', 'on', false)"
	" WHERE current_setting('synchronous_commit') = 'off';"
	"SELECT set_config('idle_in_transaction_session_timeout', '60s', false)";

struct pg {
	struct conn base;
	PGconn *h;
	unsigned generation; /* of the connection: statements prepared before are gone */
	unsigned names;	     /* given to statements so far */
	bool is_lost;
	bool is_commit_unknown; /* then xid is the transaction's */
	char xid[XID_SIZE];
	const char *pending[PENDING_MAX];
	unsigned pendings;
};

struct pg_stmt {
	struct db_stmt base;
	PGresult *result;
	int row; /* current; -1 before the first */
	int64_t changes;
	unsigned generation; /* of the connection that knows it; 0 none */
	char name[NAME_SIZE];
	Oid types[DB_PARAMS_MAX];
};

static struct pg *pg_of(struct conn *c)
{
	return CONTAINER_OF(c, struct pg, base);
}

static struct pg_stmt *stmt_of(struct db_stmt *q)
{
	return CONTAINER_OF(q, struct pg_stmt, base);
}

static void result_clearp(PGresult **r)
{
	PQclear(*r);
}

/* ---- errors ----------------------------------------------------------------------------- */

/* Longest prefix first. https://www.postgresql.org/docs/15/errcodes-appendix.html */
static const struct {
	const char *prefix;
	enum err_kind kind;
	bool is_lost; /* the transaction may be tried again from its beginning */
} classes[] = {
	{"23", ERR_CONFLICT, false},   {"40", ERR_BUSY, true},
	{"53100", ERR_NO_ROOM, false}, {"53200", ERR_MEMORY, false},
	{"53", ERR_BUSY, false},       {"55P03", ERR_BUSY, false},
	{"57014", ERR_TIMEOUT, false}, {"57P", ERR_UNREACHABLE, true},
	{"08", ERR_UNREACHABLE, true}, {"25P03", ERR_TIMEOUT, true},
	{"28", ERR_FORBIDDEN, false},  {"42501", ERR_FORBIDDEN, false},
	{"54", ERR_TOO_LARGE, false},  {"58", ERR_IO, false},
	{"XX001", ERR_CORRUPT, false}, {"XX002", ERR_CORRUPT, false},
	{"", ERR_INTERNAL, false},
};

/* The first line of the connection's own message, which names host and user, never the
 * password. */
static int fail_connection(struct pg *c, struct err *e)
{
	struct str rest = str_from(c->h ? PQerrorMessage(c->h) : "out of memory"), line;
	(void)str_split(&rest, '\n', &line);
	bool is_refused = c->h && (PQconnectionNeedsPassword(c->h) ||
				   strstr(PQerrorMessage(c->h), "authentication failed"));
	c->is_lost = true;
	return err_fail(e, is_refused ? ERR_FORBIDDEN : ERR_UNREACHABLE, "%" STR_F,
			STR_A(str_trim(line)));
}

static int fail_result(struct pg *c, const PGresult *r, struct err *e)
{
	if (!r || PQstatus(c->h) != CONNECTION_OK || !PQresultErrorField(r, PG_DIAG_SQLSTATE))
		return fail_connection(c, e);
	struct str state = str_from(PQresultErrorField(r, PG_DIAG_SQLSTATE));
	size_t i = 0;
	while (!str_starts(state, str_from(classes[i].prefix)))
		i++;
	c->is_lost |= classes[i].is_lost;
	const char *message = PQresultErrorField(r, PG_DIAG_MESSAGE_PRIMARY);
	return err_fail(e, classes[i].kind, "%s (%" STR_F ")", message ? message : "no message",
			STR_A(state));
}

static bool is_fine(const PGresult *r)
{
	ExecStatusType status = PQresultStatus(r);
	return status == PGRES_COMMAND_OK || status == PGRES_TUPLES_OK ||
	       status == PGRES_EMPTY_QUERY;
}

/* Runs a constant text; the result goes to *out where that is wanted. */
static int command(struct pg *c, const char *text, PGresult **out, struct err *e)
{
	PGresult *r = PQexec(c->h, text);
	int rc = is_fine(r) ? 0 : fail_result(c, r, e);
	if (rc == 0 && out)
		*out = r;
	else
		PQclear(r);
	return rc;
}

static void pending_add(struct pg *c, const char *text)
{
	ASSERT(c->pendings < PENDING_MAX);
	c->pending[c->pendings++] = text;
}

/* True if `text` was waiting as the last one: then it is as if it never was. */
static bool pending_drop(struct pg *c, const char *text)
{
	if (c->pendings == 0 || c->pending[c->pendings - 1] != text)
		return false;
	c->pendings--;
	return true;
}

/* Sends what waits by itself, where no statement can take it along. */
static int pending_flush(struct pg *c, struct err *e)
{
	unsigned n = c->pendings;
	c->pendings = 0;
	for (unsigned i = 0; i < n; i++)
		if (command(c, c->pending[i], NULL, e) < 0)
			return -1;
	return 0;
}

/* ---- connecting ------------------------------------------------------------------------- */

static void ignore_notice(void *user UNUSED, const PGresult *r UNUSED)
{
}

static int pg_connect(struct pg *c, struct err *e)
{
	/* What stands before dbname is a default, what stands after it overrides the URL. */
	static const char *const keys[] = {"connect_timeout",
					   "tcp_user_timeout",
					   "keepalives_idle",
					   "application_name",
					   "dbname",
					   "client_encoding",
					   NULL};
	const char *const values[] = {"10",   "30000", "30", "hoc", c->base.db->url,
				      "UTF8", NULL};
	PQfinish(c->h);
	c->generation++;
	c->h = PQconnectdbParams(keys, values, 1);
	if (!c->h || PQstatus(c->h) != CONNECTION_OK)
		return fail_connection(c, e);
	(void)PQsetNoticeReceiver(c->h, ignore_notice, NULL);
	return command(c, settings, NULL, e);
}

static void pg_close(struct conn *base)
{
	struct pg *c = pg_of(base);
	db_conn_free_statements(base);
	PQfinish(c->h);
	mem_free(c);
}

/* Read by itself first, because libpq's own complaint would quote the text, password and all.
 */
static int url_check(const char *url, struct err *e)
{
	char *ignored = NULL;
	PQconninfoOption *options = PQconninfoParse(url, &ignored);
	bool is_fine_url = options != NULL;
	PQconninfoFree(options);
	PQfreemem(ignored);
	return is_fine_url
		       ? 0
		       : err_field(e, "db", "is not a PostgreSQL URL that libpq understands");
}

static int pg_open(struct db *db, struct conn **out, struct err *e)
{
	if (url_check(db->url, e) < 0)
		return -1;
	struct pg *c = MEM_NEW(struct pg, e);
	if (!c)
		return -1;
	c->base.db = db;
	c->base.driver = &db_driver_postgresql;
	if (pg_connect(c, e) < 0) {
		pg_close(&c->base);
		return err_in(e, "database");
	}
	*out = &c->base;
	return 0;
}

/* ---- transactions ----------------------------------------------------------------------- */

/* Did the transaction `xid` commit? The lock it held is ours, so it is over. 1 yes, 0 no. */
static int xid_ask(struct pg *c, const char *xid, struct err *e)
{
	const char *const values[] = {xid};
	PGresult *r CLEAN(result_clearp) =
		PQexecParams(c->h, "SELECT pg_xact_status($1::xid8) = 'committed'", 1, NULL,
			     values, NULL, NULL, FORMAT_TEXT);
	if (PQresultStatus(r) == PGRES_TUPLES_OK)
		return str_is(str_from(PQgetvalue(r, 0, 0)), "t") ? 1 : 0;
	const char *state = PQresultErrorField(r, PG_DIAG_SQLSTATE);
	if (state && str_is(str_from(state), "22023"))
		return 0; /* in the future: the server came back without it */
	return fail_result(c, r, e);
}

/* How the commit whose outcome is unknown ended: 1 it was done, 0 it was not. */
static int commit_settle(struct pg *c, struct err *e)
{
	struct err ignored; /* a failed ROLLBACK shows again in the BEGIN that follows */
	if (command(c, begin_write, NULL, e) < 0)
		return -1;
	int rc = xid_ask(c, c->xid, e);
	(void)command(c, "ROLLBACK", NULL, &ignored);
	if (rc >= 0)
		c->is_commit_unknown = false;
	return rc;
}

static int begin_once(struct pg *c, enum begin_mode mode, struct err *e)
{
	c->is_lost = false;
	c->pendings = 0;
	if (PQstatus(c->h) != CONNECTION_OK && pg_connect(c, e) < 0)
		return -1;
	if (mode == BEGIN_READ) {
		pending_add(c, begin_read);
		return 0;
	}
	int done = mode == BEGIN_AGAIN && c->is_commit_unknown ? commit_settle(c, e) : 0;
	if (done != 0)
		return done;
	PGresult *r CLEAN(result_clearp) = NULL;
	if (command(c, begin_write, &r, e) < 0)
		return -1;
	c->is_commit_unknown = false;
	(void)snprintf(c->xid, sizeof c->xid, "%s", PQgetvalue(r, 0, 1));
	return 0;
}

static void pg_rollback(struct conn *base)
{
	struct pg *c = pg_of(base);
	struct err ignored; /* a connection that cannot even roll back is replaced at begin */
	c->pendings = 0;
	if (PQstatus(c->h) == CONNECTION_OK && PQtransactionStatus(c->h) != PQTRANS_IDLE)
		(void)command(c, "ROLLBACK", NULL, &ignored);
}

/* A connection that sat idle may be dead without knowing it: nothing is done yet, so again. */
static int pg_begin(struct conn *base, enum begin_mode mode, struct err *e)
{
	struct pg *c = pg_of(base);
	bool was_alive = PQstatus(c->h) == CONNECTION_OK;
	int rc = begin_once(c, mode, e);
	if (rc < 0 && was_alive && c->is_lost)
		rc = begin_once(c, mode, e);
	if (rc < 0)
		pg_rollback(base);
	return rc;
}

static int pg_commit(struct conn *base, struct err *e)
{
	struct pg *c = pg_of(base);
	PGresult *r CLEAN(result_clearp) = NULL;
	bool has_begun = !pending_drop(c, begin_read);
	c->pendings = 0; /* COMMIT releases savepoints itself */
	if (!has_begun)
		return 0;
	int rc = command(c, "COMMIT", &r, e);
	if (rc == 0 && !str_is(str_from(PQcmdStatus(r)), "COMMIT"))
		return err_fail(e, ERR_INTERNAL, "the server rolled the transaction back");
	if (rc < 0 && PQstatus(c->h) != CONNECTION_OK)
		c->is_commit_unknown = true;
	if (rc < 0)
		pg_rollback(base);
	return rc;
}

static int pg_savepoint(struct conn *c, struct err *e UNUSED)
{
	pending_add(pg_of(c), savepoint);
	return 0;
}

static int pg_release(struct conn *base, struct err *e UNUSED)
{
	struct pg *c = pg_of(base);
	if (!pending_drop(c, savepoint))
		pending_add(c, release);
	return 0;
}

static int pg_rollback_to(struct conn *base, struct err *e)
{
	struct pg *c = pg_of(base);
	return pending_drop(c, savepoint) ? 0 : command(c, rollback_to, NULL, e);
}

static bool pg_is_lost(struct conn *c)
{
	return pg_of(c)->is_lost;
}

static int pg_script(struct conn *c, const char *text, struct err *e)
{
	c->has_changed = true;
	return pending_flush(pg_of(c), e) < 0 ? -1 : command(pg_of(c), text, NULL, e);
}

/* ---- statements ------------------------------------------------------------------------- */

/* Prepared when it first runs, because the types of its parameters come with their values. */
static int pg_prepare(struct db_stmt *base, struct err *e UNUSED)
{
	stmt_of(base)->row = -1;
	return 0;
}

static void pg_reset(struct db_stmt *base)
{
	struct pg_stmt *q = stmt_of(base);
	PQclear(q->result);
	q->result = NULL;
	q->row = -1;
}

static void pg_finish(struct db_stmt *base)
{
	pg_reset(base);
}

static Oid oid_of(enum value_kind kind)
{
	switch (kind) {
	case VALUE_I64:
		return OID_INT8;
	case VALUE_TEXT:
		return OID_TEXT;
	case VALUE_BLOB:
		return OID_BYTEA;
	case VALUE_NULL:
	case VALUE_UNBOUND:
		break;
	}
	return OID_UNKNOWN;
}

/* Notes the types of the values bound; true if the server has the statement with these. */
static bool types_note(struct pg_stmt *q)
{
	bool is_same = q->generation == pg_of(q->base.conn)->generation;
	for (unsigned i = 0; i < q->base.params; i++) {
		Oid type = oid_of(q->base.param[i].kind);
		if (type == OID_UNKNOWN || type == q->types[i])
			continue;
		q->types[i] = type;
		is_same = false;
	}
	return is_same;
}

static int server_prepare(struct pg *c, struct pg_stmt *q, struct err *e)
{
	if (pending_flush(c, e) < 0)
		return -1;
	if (q->generation == c->generation) { /* known there with other types */
		char forget[NAME_SIZE + 16];
		(void)snprintf(forget, sizeof forget, "DEALLOCATE %s", q->name);
		if (command(c, forget, NULL, e) < 0)
			return -1;
		q->generation = 0;
	}
	(void)snprintf(q->name, sizeof q->name, "s%u", ++c->names);
	PGresult *r CLEAN(result_clearp) =
		PQprepare(c->h, q->name, q->base.sql->text, (int)q->base.params, q->types);
	if (!is_fine(r))
		return fail_result(c, r, e);
	q->generation = c->generation;
	return 0;
}

struct wire {
	const char *value[DB_PARAMS_MAX];
	int length[DB_PARAMS_MAX];
	int format[DB_PARAMS_MAX];
	uint64_t integer[DB_PARAMS_MAX];
};

static int wire_fill(struct wire *w, const struct db_stmt *q, struct err *e)
{
	for (unsigned i = 0; i < q->params; i++) {
		const struct param *p = &q->param[i];
		w->format[i] = FORMAT_BINARY;
		w->value[i] = NULL;
		w->length[i] = 0;
		if (p->kind == VALUE_I64) {
			w->integer[i] = htobe64((uint64_t)p->i);
			w->value[i] = (const char *)&w->integer[i];
			w->length[i] = sizeof w->integer[i];
		} else if (p->kind != VALUE_NULL) {
			if (p->s.n > INT32_MAX / 2)
				return err_fail(e, ERR_TOO_LARGE,
						"parameter %" STR_F " is above 1 GiB",
						STR_A(p->name));
			w->value[i] = p->s.p;
			w->length[i] = (int)p->s.n;
		}
	}
	return 0;
}

/* Rows changed; a SELECT reports rows there too, and changes none. */
static int64_t changes_of(PGresult *r)
{
	struct err ignored;
	int64_t n = 0;
	if (str_starts(str_from(PQcmdStatus(r)), S("SELECT")) ||
	    str_to_i64(str_from(PQcmdTuples(r)), 0, INT64_MAX, &n, &ignored) < 0)
		return 0;
	return n;
}

/* As the server's text ends in its message, so the constraint is only added where it is
 * missing. */
static int fail_statement(struct pg *c, const PGresult *r, struct err *e)
{
	(void)fail_result(c, r, e);
	const char *constraint = r ? PQresultErrorField(r, PG_DIAG_CONSTRAINT_NAME) : NULL;
	if (constraint && !strstr(e->text, constraint))
		return err_in(e, "%s", constraint);
	return -1;
}

/* The result of one command of a pipeline, or NULL where the connection was lost. */
static PGresult *pipeline_result(struct pg *c)
{
	PGresult *first = PQgetResult(c->h), *more;
	while (first && PQresultStatus(first) != PGRES_PIPELINE_SYNC &&
	       (more = PQgetResult(c->h)))
		PQclear(more);
	return first;
}

/* Sends what waits and the statement; true if all of it left. */
static bool pipeline_send(struct pg *c, const struct pg_stmt *q, const struct wire *w)
{
	if (!PQenterPipelineMode(c->h))
		return false;
	for (unsigned i = 0; i < c->pendings; i++)
		if (!PQsendQueryParams(c->h, c->pending[i], 0, NULL, NULL, NULL, NULL,
				       FORMAT_TEXT))
			return false;
	return PQsendQueryPrepared(c->h, q->name, (int)q->base.params, w->value, w->length,
				   w->format, FORMAT_TEXT) &&
	       PQpipelineSync(c->h);
}

/*
 * Runs what waits and the statement in one round trip. Gives the statement's result, or the
 * first one that failed, or NULL.
 */
static PGresult *pipeline_run(struct pg *c, const struct pg_stmt *q, const struct wire *w)
{
	PGresult *answer = NULL;
	bool is_sent = pipeline_send(c, q, w);
	for (unsigned i = 0; is_sent && i <= c->pendings; i++) {
		PGresult *r = pipeline_result(c);
		if (answer && !is_fine(answer)) {
			PQclear(r);
			continue;
		}
		PQclear(answer);
		answer = r;
		is_sent = r != NULL;
	}
	if (is_sent)
		PQclear(pipeline_result(c)); /* of the sync */
	(void)PQexitPipelineMode(c->h);	     /* fails on a lost connection, which is dropped */
	c->pendings = 0;
	return answer;
}

static int pg_start(struct db_stmt *base, struct err *e)
{
	struct pg_stmt *q = stmt_of(base);
	struct pg *c = pg_of(base->conn);
	struct wire w;
	if (wire_fill(&w, base, e) < 0)
		return -1;
	if (!types_note(q) && server_prepare(c, q, e) < 0)
		return -1;
	pg_reset(base);
	if (c->pendings > 0)
		q->result = pipeline_run(c, q, &w);
	else
		q->result = PQexecPrepared(c->h, q->name, (int)base->params, w.value, w.length,
					   w.format, FORMAT_TEXT);
	if (!is_fine(q->result))
		return fail_statement(c, q->result, e);
	q->changes = changes_of(q->result);
	return 0;
}

static int pg_step(struct db_stmt *base, struct err *e UNUSED)
{
	struct pg_stmt *q = stmt_of(base);
	if (++q->row < PQntuples(q->result))
		return 1;
	pg_reset(base);
	return 0;
}

static int64_t pg_changes(struct db_stmt *q)
{
	return stmt_of(q)->changes;
}

/* ---- values ----------------------------------------------------------------------------- */

static int pg_columns(struct db_stmt *q)
{
	return PQnfields(stmt_of(q)->result);
}

static const char *pg_column_name(struct db_stmt *q, int column)
{
	return PQfname(stmt_of(q)->result, column);
}

static enum value_kind pg_kind(struct db_stmt *base, int column)
{
	struct pg_stmt *q = stmt_of(base);
	if (PQgetisnull(q->result, q->row, column))
		return VALUE_NULL;
	switch (PQftype(q->result, column)) {
	case OID_BOOL:
	case OID_INT2:
	case OID_INT4:
	case OID_INT8:
	case OID_NUMERIC: /* what sum() of int8 gives */
		return VALUE_I64;
	case OID_BYTEA:
		return VALUE_BLOB;
	default:
		return VALUE_TEXT;
	}
}

static struct str raw(struct pg_stmt *q, int column)
{
	return str_of(PQgetvalue(q->result, q->row, column),
		      (size_t)PQgetlength(q->result, q->row, column));
}

static int pg_i64(struct db_stmt *base, int column, int64_t *out, struct err *e)
{
	struct pg_stmt *q = stmt_of(base);
	struct str s = raw(q, column);
	if (PQftype(q->result, column) == OID_BOOL) {
		*out = str_is(s, "t") ? 1 : 0;
		return 0;
	}
	return str_to_i64(s, INT64_MIN, INT64_MAX, out, e);
}

/* A bytea travels as "\x" and hex digits. */
static struct str pg_bytes(struct db_stmt *base, int column, enum value_kind kind,
			   struct arena *a)
{
	struct str s = raw(stmt_of(base), column);
	if (kind == VALUE_TEXT)
		return arena_dup(a, s);
	struct str hex = str_sub(s, 2, s.n);
	char *bytes = arena_alloc(a, hex.n / 2 + 1);
	struct err ignored;
	if (!bytes || str_unhex(hex, (uint8_t *)bytes, hex.n / 2, &ignored) < 0)
		return S("");
	return str_of(bytes, hex.n / 2);
}

const struct driver db_driver_postgresql = {
	.name = "postgresql",
	.engine = DB_POSTGRESQL,
	.stmt_bytes = sizeof(struct pg_stmt),
	.open = pg_open,
	.close = pg_close,
	.begin = pg_begin,
	.commit = pg_commit,
	.rollback = pg_rollback,
	.savepoint = pg_savepoint,
	.release = pg_release,
	.rollback_to = pg_rollback_to,
	.is_lost = pg_is_lost,
	.script = pg_script,
	.prepare = pg_prepare,
	.finish = pg_finish,
	.start = pg_start,
	.step = pg_step,
	.reset = pg_reset,
	.changes = pg_changes,
	.columns = pg_columns,
	.column_name = pg_column_name,
	.kind = pg_kind,
	.i64 = pg_i64,
	.bytes = pg_bytes,
};
