/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "store/session.h"

#include "store/rows.h"

#define S_SELECT \
	"SELECT s.hash, s.person_id, p.name, s.passkey_id, k.title, k.key_name, k.revoked_at," \
	" s.bound, s.created_at, s.used_at, s.expires_at" \
	" FROM session s JOIN person p ON p.id = s.person_id" \
	" JOIN passkey k ON k.id = s.passkey_id"

static const struct db_sql sql_add = {"session_add",
				      "INSERT INTO session (hash, person_id, passkey_id, "
				      "bound, created_at, used_at, expires_at)"
				      " VALUES ($1, $2, $3, $4, $5, $6, $7)",
				      "hash person passkey bound created used expires"};
static const struct db_sql sql_trim = {
	"session_trim",
	"DELETE FROM session WHERE hash IN (SELECT hash FROM session WHERE person_id = $1"
	" ORDER BY created_at DESC, hash LIMIT 1000 OFFSET $2)",
	"person keep"};
static const struct db_sql sql_find = {"session_find", S_SELECT " WHERE s.hash = $1", "hash"};
static const struct db_sql sql_list = {
	"session_list",
	S_SELECT " WHERE s.person_id = $1 AND s.used_at > $2 AND s.expires_at > $3"
		 " AND k.revoked_at IS NULL ORDER BY s.created_at DESC, s.hash LIMIT $4",
	"person used now limit"};
static const struct db_sql sql_touch = {
	"session_touch", "UPDATE session SET used_at = $1 WHERE hash = $2 AND used_at < $1",
	"now hash"};
static const struct db_sql sql_end = {"session_end", "DELETE FROM session WHERE hash = $1",
				      "hash"};
static const struct db_sql sql_end_of = {"session_end_of",
					 "DELETE FROM session WHERE person_id = $1", "person"};
static const struct db_sql sql_end_by = {
	"session_end_by", "DELETE FROM session WHERE passkey_id = $1", "passkey"};
static const struct db_sql sql_purge = {"session_purge",
					"DELETE FROM session WHERE expires_at <= $1", "now"};

static void row(struct db_stmt *q, struct arena *a, struct session *out)
{
	*out = (struct session){
		.hash = db_at_str(q, 0, a),
		.person_id = db_at_i64(q, 1),
		.person = db_at_str(q, 2, a),
		.passkey_id = db_at_i64(q, 3),
		.passkey_title = db_at_str(q, 4, a),
		.key_name = db_at_str(q, 5, a),
		.is_passkey_good = db_at_is_null(q, 6),
		.bound = db_at_str(q, 7, a),
		.created_at_ms = db_at_i64(q, 8),
		.used_at_ms = db_at_i64(q, 9),
		.expires_at_ms = db_at_i64(q, 10),
	};
}

MUST int store_session_add(struct db_tx *tx, const struct session *s, struct err *e)
{
	struct db_stmt *q = db_prepare(tx, &sql_add);
	db_bind_str(q, "hash", s->hash);
	db_bind_i64(q, "person", s->person_id);
	db_bind_i64(q, "passkey", s->passkey_id);
	db_bind_str(q, "bound", s->bound);
	db_bind_i64(q, "created", s->created_at_ms);
	db_bind_i64(q, "used", s->used_at_ms);
	db_bind_i64(q, "expires", s->expires_at_ms);
	if (db_exec(q, e) < 0)
		return -1;
	q = db_prepare(tx, &sql_trim);
	db_bind_i64(q, "person", s->person_id);
	db_bind_i64(q, "keep", SESSIONS_MAX);
	return rows_done(db_exec(q, e));
}

MUST int store_session_find(struct db_tx *tx, struct arena *a, struct str hash,
			    struct session *out, struct err *e)
{
	struct db_stmt *q = db_prepare(tx, &sql_find);
	db_bind_str(q, "hash", hash);
	return ROW_READ(q, a, row, out, e);
}

MUST int store_session_list(struct db_tx *tx, struct arena *a, int64_t person_id,
			    int64_t used_after_ms, int64_t now_ms, struct session **out,
			    size_t *count, struct err *e)
{
	struct db_stmt *q = db_prepare(tx, &sql_list);
	db_bind_i64(q, "person", person_id);
	db_bind_i64(q, "used", used_after_ms);
	db_bind_i64(q, "now", now_ms);
	db_bind_i64(q, "limit", STORE_LIST_MAX);
	return ROWS_READ(q, a, struct session, row, out, count, e);
}

MUST int store_session_touch(struct db_tx *tx, struct str hash, int64_t now_ms, struct err *e)
{
	struct db_stmt *q = db_prepare(tx, &sql_touch);
	db_bind_i64(q, "now", now_ms);
	db_bind_str(q, "hash", hash);
	return rows_done(db_exec(q, e));
}

MUST int store_session_end(struct db_tx *tx, struct str hash, struct err *e)
{
	struct db_stmt *q = db_prepare(tx, &sql_end);
	db_bind_str(q, "hash", hash);
	int64_t n = db_exec(q, e);
	return n < 0 ? -1 : n > 0;
}

MUST int store_session_end_of(struct db_tx *tx, int64_t person_id, struct err *e)
{
	struct db_stmt *q = db_prepare(tx, &sql_end_of);
	db_bind_i64(q, "person", person_id);
	return (int)db_exec(q, e);
}

MUST int store_session_end_by(struct db_tx *tx, int64_t passkey_id, struct err *e)
{
	struct db_stmt *q = db_prepare(tx, &sql_end_by);
	db_bind_i64(q, "passkey", passkey_id);
	return (int)db_exec(q, e);
}

MUST int store_session_purge(struct db_tx *tx, int64_t now_ms, struct err *e)
{
	struct db_stmt *q = db_prepare(tx, &sql_purge);
	db_bind_i64(q, "now", now_ms);
	return rows_done(db_exec(q, e));
}
