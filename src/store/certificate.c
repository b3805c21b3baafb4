/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "store/certificate.h"

#include "store/rows.h"

#define COLUMNS \
	"id, serial, authority, kind, owner, names, customer_id, key_name, pem, from_at, " \
	"to_at," \
	" revoked_at, reason"

static const struct db_sql sql_add = {
	"certificate_add",
	"INSERT INTO certificate (serial, authority, kind, owner, names, customer_id, key_name,"
	" pem, from_at, to_at) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10) RETURNING id",
	"serial authority kind owner names customer key pem from to"};
static const struct db_sql sql_find = {
	"certificate_find", "SELECT " COLUMNS " FROM certificate WHERE serial = $1", "serial"};
static const struct db_sql sql_newest = {
	"certificate_newest",
	"SELECT " COLUMNS " FROM certificate WHERE key_name = $1 ORDER BY id DESC LIMIT 1",
	"key"};
static const struct db_sql sql_of = {
	"certificate_of",
	"SELECT " COLUMNS " FROM certificate WHERE kind = $1 AND owner = $2 AND to_at > $3"
	" ORDER BY id DESC LIMIT $4",
	"kind owner now limit"};
static const struct db_sql sql_good = {"certificate_good",
				       "SELECT " COLUMNS
				       " FROM certificate WHERE key_name = $1 AND to_at > $2"
				       " AND revoked_at IS NULL ORDER BY id LIMIT $3",
				       "key now limit"};
static const struct db_sql sql_kind = {"certificate_kind",
				       "SELECT " COLUMNS
				       " FROM certificate WHERE kind = $1 AND to_at > $2"
				       " AND revoked_at IS NULL ORDER BY id DESC LIMIT $3",
				       "kind now limit"};
static const struct db_sql sql_revoke = {"certificate_revoke",
					 "UPDATE certificate SET revoked_at = $1, reason = $2 "
					 "WHERE id = $3 AND revoked_at IS NULL",
					 "now reason id"};
static const struct db_sql sql_mark = {
	"certificate_mark",
	"SELECT COUNT(*), COALESCE(MAX(revoked_at), 0) FROM certificate"
	" WHERE authority = $1 AND to_at > $2 AND revoked_at IS NOT NULL",
	"authority now"};
static const struct db_sql sql_revoked = {
	"certificate_revoked",
	"SELECT serial, revoked_at, reason FROM certificate"
	" WHERE authority = $1 AND to_at > $2 AND revoked_at IS NOT NULL ORDER BY id LIMIT $3",
	"authority now limit"};

static void row(struct db_stmt *q, struct arena *a, struct certificate *out)
{
	*out = (struct certificate){
		.id = db_at_i64(q, 0),
		.serial = db_at_str(q, 1, a),
		.authority = db_at_str(q, 2, a),
		.kind = db_at_str(q, 3, a),
		.owner = db_at_str(q, 4, a),
		.names_json = db_at_str(q, 5, a),
		.customer_id = db_at_i64(q, 6),
		.key_name = db_at_str(q, 7, a),
		.pem = db_at_str(q, 8, a),
		.from_ms = db_at_i64(q, 9),
		.to_ms = db_at_i64(q, 10),
		.revoked_at_ms = db_at_i64(q, 11),
		.reason = db_at_i64(q, 12),
	};
}

static void revoked_row(struct db_stmt *q, struct arena *a, struct certificate *out)
{
	*out = (struct certificate){
		.serial = db_at_str(q, 0, a),
		.revoked_at_ms = db_at_i64(q, 1),
		.reason = db_at_i64(q, 2),
	};
}

MUST int store_certificate_add(struct db_tx *tx, struct certificate *x, struct err *e)
{
	struct db_stmt *q = db_prepare(tx, &sql_add);
	db_bind_str(q, "serial", x->serial);
	db_bind_str(q, "authority", x->authority);
	db_bind_str(q, "kind", x->kind);
	db_bind_str(q, "owner", x->owner);
	db_bind_str(q, "names", x->names_json);
	if (x->customer_id)
		db_bind_i64(q, "customer", x->customer_id);
	else
		db_bind_null(q, "customer");
	db_bind_str(q, "key", x->key_name);
	db_bind_str(q, "pem", x->pem);
	db_bind_i64(q, "from", x->from_ms);
	db_bind_i64(q, "to", x->to_ms);
	int rc = db_step(q, e);
	if (rc > 0)
		x->id = db_at_i64(q, 0);
	return rc < 0 ? -1 : 0;
}

MUST int store_certificate_find(struct db_tx *tx, struct arena *a, struct str serial,
				struct certificate *out, struct err *e)
{
	struct db_stmt *q = db_prepare(tx, &sql_find);
	db_bind_str(q, "serial", serial);
	return ROW_READ(q, a, row, out, e);
}

MUST int store_certificate_newest(struct db_tx *tx, struct arena *a, struct str key_name,
				  struct certificate *out, struct err *e)
{
	struct db_stmt *q = db_prepare(tx, &sql_newest);
	db_bind_str(q, "key", key_name);
	return ROW_READ(q, a, row, out, e);
}

MUST int store_certificate_of(struct db_tx *tx, struct arena *a, struct str kind,
			      struct str owner, int64_t now_ms, int64_t limit,
			      struct certificate **out, size_t *count, struct err *e)
{
	struct db_stmt *q = db_prepare(tx, &sql_of);
	db_bind_str(q, "kind", kind);
	db_bind_str(q, "owner", owner);
	db_bind_i64(q, "now", now_ms);
	db_bind_i64(q, "limit", MIN_OF(limit, (int64_t)STORE_LIST_MAX));
	return ROWS_READ(q, a, struct certificate, row, out, count, e);
}

MUST int store_certificate_good(struct db_tx *tx, struct arena *a, struct str key_name,
				int64_t now_ms, struct certificate **out, size_t *count,
				struct err *e)
{
	struct db_stmt *q = db_prepare(tx, &sql_good);
	db_bind_str(q, "key", key_name);
	db_bind_i64(q, "now", now_ms);
	db_bind_i64(q, "limit", STORE_LIST_MAX);
	return ROWS_READ(q, a, struct certificate, row, out, count, e);
}

MUST int store_certificate_kind(struct db_tx *tx, struct arena *a, struct str kind,
				int64_t now_ms, int64_t limit, struct certificate **out,
				size_t *count, struct err *e)
{
	struct db_stmt *q = db_prepare(tx, &sql_kind);
	db_bind_str(q, "kind", kind);
	db_bind_i64(q, "now", now_ms);
	db_bind_i64(q, "limit", MIN_OF(limit, (int64_t)STORE_LIST_MAX));
	return ROWS_READ(q, a, struct certificate, row, out, count, e);
}

MUST int store_certificate_revoke(struct db_tx *tx, int64_t id, int64_t now_ms, int64_t reason,
				  struct err *e)
{
	struct db_stmt *q = db_prepare(tx, &sql_revoke);
	db_bind_i64(q, "now", now_ms);
	db_bind_i64(q, "reason", reason);
	db_bind_i64(q, "id", id);
	int64_t n = db_exec(q, e);
	return n < 0 ? -1 : n > 0;
}

MUST int store_certificate_mark(struct db_tx *tx, struct str authority, int64_t now_ms,
				struct certificate_mark *out, struct err *e)
{
	struct db_stmt *q = db_prepare(tx, &sql_mark);
	db_bind_str(q, "authority", authority);
	db_bind_i64(q, "now", now_ms);
	int rc = db_step(q, e);
	if (rc > 0)
		*out = (struct certificate_mark){db_at_i64(q, 0), db_at_i64(q, 1)};
	return rc < 0 ? -1 : 0;
}

MUST int store_certificate_revoked(struct db_tx *tx, struct arena *a, struct str authority,
				   int64_t now_ms, struct certificate **out, size_t *count,
				   struct err *e)
{
	struct db_stmt *q = db_prepare(tx, &sql_revoked);
	db_bind_str(q, "authority", authority);
	db_bind_i64(q, "now", now_ms);
	db_bind_i64(q, "limit", CERTIFICATE_REVOKED_MAX);
	return ROWS_READ(q, a, struct certificate, revoked_row, out, count, e);
}
