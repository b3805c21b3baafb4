/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "store/identity.h"

#include "store/rows.h"

#define K_COLUMNS \
	"id, name, kind, owner, title, seal_key, statement, created_at, revoked_at, reason"

static const struct db_sql sql_key_find = {
	"key_find", "SELECT " K_COLUMNS " FROM identity_key WHERE name = $1", "name"};
static const struct db_sql sql_key_add = {
	"key_add",
	"INSERT INTO identity_key (name, kind, owner, title, created_at)"
	" VALUES ($1, $2, $3, $4, $5) RETURNING id",
	"name kind owner title now"};
static const struct db_sql sql_key_seal = {
	"key_seal", "UPDATE identity_key SET seal_key = $1, statement = $2 WHERE id = $3",
	"seal_key statement id"};
static const struct db_sql sql_key_revoke = {
	"key_revoke",
	"UPDATE identity_key SET revoked_at = $1, reason = $2"
	" WHERE id = $3 AND revoked_at IS NULL",
	"now reason id"};
static const struct db_sql sql_key_list = {"key_list",
					   "SELECT " K_COLUMNS
					   " FROM identity_key WHERE kind = $1 AND owner = $2"
					   " ORDER BY id LIMIT $3",
					   "kind owner limit"};
static const struct db_sql sql_key_count = {
	"key_count",
	"SELECT COUNT(*) FROM identity_key"
	" WHERE kind = $1 AND owner = $2 AND revoked_at IS NULL",
	"kind owner"};

static void key_row(struct db_stmt *q, struct arena *a, struct identity_key *out)
{
	*out = (struct identity_key){
		.id = db_at_i64(q, 0),
		.name = db_at_str(q, 1, a),
		.kind = db_at_str(q, 2, a),
		.owner = db_at_str(q, 3, a),
		.title = db_at_str(q, 4, a),
		.seal_key = db_at_str(q, 5, a),
		.statement = db_at_str(q, 6, a),
		.created_at_ms = db_at_i64(q, 7),
		.revoked_at_ms = db_at_i64(q, 8),
		.reason = db_at_str(q, 9, a),
	};
}

MUST int store_key_find(struct db_tx *tx, struct arena *a, struct str name,
			struct identity_key *out, struct err *e)
{
	struct db_stmt *q = db_prepare(tx, &sql_key_find);
	db_bind_str(q, "name", name);
	return ROW_READ(q, a, key_row, out, e);
}

MUST int store_key_add(struct db_tx *tx, struct identity_key *k, struct err *e)
{
	struct db_stmt *q = db_prepare(tx, &sql_key_add);
	db_bind_str(q, "name", k->name);
	db_bind_str(q, "kind", k->kind);
	db_bind_str(q, "owner", k->owner);
	db_bind_str(q, "title", k->title);
	db_bind_i64(q, "now", k->created_at_ms);
	int rc = db_step(q, e);
	if (rc > 0)
		k->id = db_at_i64(q, 0);
	return rc < 0 ? -1 : 0;
}

MUST int store_key_seal(struct db_tx *tx, const struct identity_key *k, struct err *e)
{
	struct db_stmt *q = db_prepare(tx, &sql_key_seal);
	db_bind_str(q, "seal_key", k->seal_key);
	db_bind_str(q, "statement", k->statement);
	db_bind_i64(q, "id", k->id);
	return rows_done(db_exec(q, e));
}

MUST int store_key_revoke(struct db_tx *tx, int64_t id, int64_t now_ms, struct str reason,
			  struct err *e)
{
	struct db_stmt *q = db_prepare(tx, &sql_key_revoke);
	db_bind_i64(q, "now", now_ms);
	db_bind_str(q, "reason", reason);
	db_bind_i64(q, "id", id);
	int64_t n = db_exec(q, e);
	return n < 0 ? -1 : n > 0;
}

MUST int store_key_list(struct db_tx *tx, struct arena *a, struct str kind, struct str owner,
			struct identity_key **out, size_t *count, struct err *e)
{
	struct db_stmt *q = db_prepare(tx, &sql_key_list);
	db_bind_str(q, "kind", kind);
	db_bind_str(q, "owner", owner);
	db_bind_i64(q, "limit", STORE_LIST_MAX);
	return ROWS_READ(q, a, struct identity_key, key_row, out, count, e);
}

MUST int store_key_count(struct db_tx *tx, struct str kind, struct str owner, int64_t *out,
			 struct err *e)
{
	struct db_stmt *q = db_prepare(tx, &sql_key_count);
	db_bind_str(q, "kind", kind);
	db_bind_str(q, "owner", owner);
	int rc = db_step(q, e);
	if (rc > 0)
		*out = db_at_i64(q, 0);
	return rc < 0 ? -1 : 0;
}
