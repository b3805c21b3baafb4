/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "store/token.h"

#include "store/rows.h"

#define T_SELECT \
	"SELECT t.id, t.hash, t.kind, t.name, t.roles, t.customer_id, c.name, " \
	"t.customer_role," \
	" t.is_new, t.made_by, t.created_at, t.expires_at, t.bound_key, t.used_at" \
	" FROM enrol_token t LEFT JOIN customer c ON c.id = t.customer_id"

static const struct db_sql sql_add = {
	"token_add",
	"INSERT INTO enrol_token (hash, kind, name, roles, customer_id, customer_role, is_new,"
	" made_by, created_at, expires_at) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)"
	" RETURNING id",
	"hash kind name roles customer role is_new made_by now expires"};
static const struct db_sql sql_find = {"token_find", T_SELECT " WHERE t.hash = $1", "hash"};
static const struct db_sql sql_bind = {
	"token_bind",
	"UPDATE enrol_token SET bound_key = $1, used_at = $2 WHERE id = $3 AND bound_key = ''",
	"key now id"};
static const struct db_sql sql_list = {
	"token_list", T_SELECT " WHERE t.expires_at > $1 ORDER BY t.expires_at, t.id LIMIT $2",
	"now limit"};
static const struct db_sql sql_list_of = {
	"token_list_of",
	T_SELECT
	" WHERE t.expires_at > $1 AND t.customer_id = $2 ORDER BY t.expires_at, t.id LIMIT $3",
	"now customer limit"};
static const struct db_sql sql_void = {
	"token_void",
	"UPDATE enrol_token SET expires_at = $1 WHERE made_by = $2 AND bound_key = ''"
	" AND expires_at > $1",
	"now made_by"};
static const struct db_sql sql_purge = {
	"token_purge", "DELETE FROM enrol_token WHERE expires_at < $1", "before"};

static void row(struct db_stmt *q, struct arena *a, struct token *out)
{
	*out = (struct token){
		.id = db_at_i64(q, 0),
		.hash = db_at_str(q, 1, a),
		.kind = db_at_str(q, 2, a),
		.name = db_at_str(q, 3, a),
		.roles = db_at_str(q, 4, a),
		.customer_id = db_at_i64(q, 5),
		.customer = db_at_str(q, 6, a),
		.customer_role = db_at_str(q, 7, a),
		.is_new = db_at_i64(q, 8) != 0,
		.made_by = db_at_str(q, 9, a),
		.created_at_ms = db_at_i64(q, 10),
		.expires_at_ms = db_at_i64(q, 11),
		.bound_key = db_at_str(q, 12, a),
		.used_at_ms = db_at_i64(q, 13),
	};
}

MUST int store_token_add(struct db_tx *tx, struct token *t, struct err *e)
{
	struct db_stmt *q = db_prepare(tx, &sql_add);
	db_bind_str(q, "hash", t->hash);
	db_bind_str(q, "kind", t->kind);
	db_bind_str(q, "name", t->name);
	db_bind_str(q, "roles", t->roles);
	if (t->customer_id)
		db_bind_i64(q, "customer", t->customer_id);
	else
		db_bind_null(q, "customer");
	db_bind_str(q, "role", t->customer_role);
	db_bind_bool(q, "is_new", t->is_new);
	db_bind_str(q, "made_by", t->made_by);
	db_bind_i64(q, "now", t->created_at_ms);
	db_bind_i64(q, "expires", t->expires_at_ms);
	int rc = db_step(q, e);
	if (rc > 0)
		t->id = db_at_i64(q, 0);
	return rc < 0 ? -1 : 0;
}

MUST int store_token_find(struct db_tx *tx, struct arena *a, struct str hash, struct token *out,
			  struct err *e)
{
	struct db_stmt *q = db_prepare(tx, &sql_find);
	db_bind_str(q, "hash", hash);
	return ROW_READ(q, a, row, out, e);
}

MUST int store_token_bind(struct db_tx *tx, int64_t id, struct str key_name, int64_t now_ms,
			  struct err *e)
{
	struct db_stmt *q = db_prepare(tx, &sql_bind);
	db_bind_str(q, "key", key_name);
	db_bind_i64(q, "now", now_ms);
	db_bind_i64(q, "id", id);
	int64_t n = db_exec(q, e);
	if (n == 0)
		return err_fail(e, ERR_CONFLICT, "the token is bound to another key");
	return n < 0 ? -1 : 0;
}

MUST int store_token_list(struct db_tx *tx, struct arena *a, int64_t customer_id,
			  int64_t now_ms, int64_t limit, struct token **out, size_t *count,
			  struct err *e)
{
	struct db_stmt *q = db_prepare(tx, customer_id ? &sql_list_of : &sql_list);
	db_bind_i64(q, "now", now_ms);
	if (customer_id)
		db_bind_i64(q, "customer", customer_id);
	db_bind_i64(q, "limit", MIN_OF(limit, (int64_t)STORE_LIST_MAX));
	return ROWS_READ(q, a, struct token, row, out, count, e);
}

MUST int store_token_purge(struct db_tx *tx, int64_t before_ms, struct err *e)
{
	struct db_stmt *q = db_prepare(tx, &sql_purge);
	db_bind_i64(q, "before", before_ms);
	return rows_done(db_exec(q, e));
}

MUST int store_token_void(struct db_tx *tx, struct str made_by, int64_t now_ms, struct err *e)
{
	struct db_stmt *q = db_prepare(tx, &sql_void);
	db_bind_i64(q, "now", now_ms);
	db_bind_str(q, "made_by", made_by);
	return rows_done(db_exec(q, e));
}
