/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "store/passkey.h"

#include "store/rows.h"

#define P_SELECT \
	"SELECT k.id, k.credential, k.person_id, p.name, p.is_active, k.public, k.counter," \
	" k.title, k.key_name, k.created_at, k.used_at, k.revoked_at" \
	" FROM passkey k JOIN person p ON p.id = k.person_id"

static const struct db_sql sql_add = {"passkey_add",
				      "INSERT INTO passkey (credential, person_id, public, "
				      "counter, title, key_name, created_at)"
				      " VALUES ($1, $2, $3, $4, $5, $6, $7) RETURNING id",
				      "credential person public counter title key now"};
static const struct db_sql sql_find = {"passkey_find", P_SELECT " WHERE k.credential = $1",
				       "credential"};
static const struct db_sql sql_by_id = {"passkey_by_id", P_SELECT " WHERE k.id = $1", "id"};
static const struct db_sql sql_list = {
	"passkey_list",
	P_SELECT
	" WHERE k.person_id = $1 AND k.revoked_at IS NULL ORDER BY k.person_id, k.id LIMIT $2",
	"person limit"};
static const struct db_sql sql_of_key = {
	"passkey_of_key",
	P_SELECT
	" WHERE k.key_name = $1 AND k.revoked_at IS NULL ORDER BY k.key_name, k.id LIMIT $2",
	"key limit"};
static const struct db_sql sql_used = {
	"passkey_used", "UPDATE passkey SET counter = $1, used_at = $2 WHERE id = $3",
	"counter now id"};
static const struct db_sql sql_revoke = {
	"passkey_revoke",
	"UPDATE passkey SET revoked_at = $1 WHERE id = $2 AND revoked_at IS NULL", "now id"};

static const struct db_sql sql_challenge_add = {
	"challenge_add",
	"INSERT INTO passkey_challenge (hash, purpose, person_id, key_name, expires_at)"
	" VALUES ($1, $2, $3, $4, $5)",
	"hash purpose person key expires"};
static const struct db_sql sql_challenge_trim = {
	"challenge_trim",
	"DELETE FROM passkey_challenge WHERE hash IN (SELECT hash FROM passkey_challenge"
	" WHERE purpose = $1 ORDER BY expires_at DESC, hash LIMIT 1000 OFFSET $2)",
	"purpose keep"};
static const struct db_sql sql_challenge_find = {
	"challenge_find",
	"SELECT k.hash, k.purpose, k.person_id, p.name, k.key_name, k.expires_at"
	" FROM passkey_challenge k LEFT JOIN person p ON p.id = k.person_id"
	" WHERE k.hash = $1 AND k.purpose = $2 AND k.expires_at > $3",
	"hash purpose now"};
static const struct db_sql sql_challenge_take = {
	"challenge_take", "DELETE FROM passkey_challenge WHERE hash = $1", "hash"};
static const struct db_sql sql_challenge_take_of = {
	"challenge_take_of",
	"DELETE FROM passkey_challenge WHERE person_id = $1 AND ($2 = '' OR purpose = $2)",
	"person purpose"};
static const struct db_sql sql_challenge_purge = {
	"challenge_purge", "DELETE FROM passkey_challenge WHERE expires_at <= $1", "now"};

/* ---- passkeys ------------------------------------------------------------------------------ */

static void row(struct db_stmt *q, struct arena *a, struct passkey *out)
{
	*out = (struct passkey){
		.id = db_at_i64(q, 0),
		.credential = db_at_str(q, 1, a),
		.person_id = db_at_i64(q, 2),
		.person = db_at_str(q, 3, a),
		.is_person_active = db_at_i64(q, 4) != 0,
		.public = db_at_str(q, 5, a),
		.counter = db_at_i64(q, 6),
		.title = db_at_str(q, 7, a),
		.key_name = db_at_str(q, 8, a),
		.created_at_ms = db_at_i64(q, 9),
		.used_at_ms = db_at_i64(q, 10),
		.revoked_at_ms = db_at_i64(q, 11),
	};
}

MUST int store_passkey_add(struct db_tx *tx, struct passkey *p, struct err *e)
{
	struct db_stmt *q = db_prepare(tx, &sql_add);
	db_bind_str(q, "credential", p->credential);
	db_bind_i64(q, "person", p->person_id);
	db_bind_str(q, "public", p->public);
	db_bind_i64(q, "counter", p->counter);
	db_bind_str(q, "title", p->title);
	db_bind_str(q, "key", p->key_name);
	db_bind_i64(q, "now", p->created_at_ms);
	int rc = db_step(q, e);
	if (rc > 0)
		p->id = db_at_i64(q, 0);
	return rc < 0 ? -1 : 0;
}

MUST int store_passkey_find(struct db_tx *tx, struct arena *a, struct str credential,
			    struct passkey *out, struct err *e)
{
	struct db_stmt *q = db_prepare(tx, &sql_find);
	db_bind_str(q, "credential", credential);
	return ROW_READ(q, a, row, out, e);
}

MUST int store_passkey_by_id(struct db_tx *tx, struct arena *a, int64_t id, struct passkey *out,
			     struct err *e)
{
	struct db_stmt *q = db_prepare(tx, &sql_by_id);
	db_bind_i64(q, "id", id);
	return ROW_READ(q, a, row, out, e);
}

MUST int store_passkey_list(struct db_tx *tx, struct arena *a, int64_t person_id,
			    struct passkey **out, size_t *count, struct err *e)
{
	struct db_stmt *q = db_prepare(tx, &sql_list);
	db_bind_i64(q, "person", person_id);
	db_bind_i64(q, "limit", STORE_LIST_MAX);
	return ROWS_READ(q, a, struct passkey, row, out, count, e);
}

MUST int store_passkey_of_key(struct db_tx *tx, struct arena *a, struct str key_name,
			      struct passkey **out, size_t *count, struct err *e)
{
	struct db_stmt *q = db_prepare(tx, &sql_of_key);
	db_bind_str(q, "key", key_name);
	db_bind_i64(q, "limit", STORE_LIST_MAX);
	return ROWS_READ(q, a, struct passkey, row, out, count, e);
}

MUST int store_passkey_used(struct db_tx *tx, int64_t id, int64_t counter, int64_t now_ms,
			    struct err *e)
{
	struct db_stmt *q = db_prepare(tx, &sql_used);
	db_bind_i64(q, "counter", counter);
	db_bind_i64(q, "now", now_ms);
	db_bind_i64(q, "id", id);
	return rows_done(db_exec(q, e));
}

MUST int store_passkey_revoke(struct db_tx *tx, int64_t id, int64_t now_ms, struct err *e)
{
	struct db_stmt *q = db_prepare(tx, &sql_revoke);
	db_bind_i64(q, "now", now_ms);
	db_bind_i64(q, "id", id);
	int64_t n = db_exec(q, e);
	return n < 0 ? -1 : n > 0;
}

/* ---- challenges ---------------------------------------------------------------------------- */

static void challenge_row(struct db_stmt *q, struct arena *a, struct passkey_challenge *out)
{
	*out = (struct passkey_challenge){
		.hash = db_at_str(q, 0, a),
		.purpose = db_at_str(q, 1, a),
		.person_id = db_at_i64(q, 2),
		.person = db_at_str(q, 3, a),
		.key_name = db_at_str(q, 4, a),
		.expires_at_ms = db_at_i64(q, 5),
	};
}

MUST int store_challenge_add(struct db_tx *tx, const struct passkey_challenge *k, int64_t keep,
			     struct err *e)
{
	struct db_stmt *q = db_prepare(tx, &sql_challenge_add);
	db_bind_str(q, "hash", k->hash);
	db_bind_str(q, "purpose", k->purpose);
	if (k->person_id)
		db_bind_i64(q, "person", k->person_id);
	else
		db_bind_null(q, "person");
	db_bind_str(q, "key", k->key_name);
	db_bind_i64(q, "expires", k->expires_at_ms);
	if (db_exec(q, e) < 0)
		return -1;
	q = db_prepare(tx, &sql_challenge_trim);
	db_bind_str(q, "purpose", k->purpose);
	db_bind_i64(q, "keep", keep);
	return rows_done(db_exec(q, e));
}

MUST int store_challenge_find(struct db_tx *tx, struct arena *a, struct str hash,
			      struct str purpose, int64_t now_ms, struct passkey_challenge *out,
			      struct err *e)
{
	struct db_stmt *q = db_prepare(tx, &sql_challenge_find);
	db_bind_str(q, "hash", hash);
	db_bind_str(q, "purpose", purpose);
	db_bind_i64(q, "now", now_ms);
	return ROW_READ(q, a, challenge_row, out, e);
}

MUST int store_challenge_take(struct db_tx *tx, struct str hash, struct err *e)
{
	struct db_stmt *q = db_prepare(tx, &sql_challenge_take);
	db_bind_str(q, "hash", hash);
	int64_t n = db_exec(q, e);
	return n < 0 ? -1 : n > 0;
}

MUST int store_challenge_take_of(struct db_tx *tx, int64_t person_id, struct str purpose,
				 struct err *e)
{
	struct db_stmt *q = db_prepare(tx, &sql_challenge_take_of);
	db_bind_i64(q, "person", person_id);
	db_bind_str(q, "purpose", purpose);
	return rows_done(db_exec(q, e));
}

MUST int store_challenge_purge(struct db_tx *tx, int64_t now_ms, struct err *e)
{
	struct db_stmt *q = db_prepare(tx, &sql_challenge_purge);
	db_bind_i64(q, "now", now_ms);
	return rows_done(db_exec(q, e));
}
