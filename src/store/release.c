/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "store/release.h"

#include "store/rows.h"

#define COLUMNS "id, uri, name, title, category, hash, published_at"

static const struct db_sql sql_by_uri = {
	"release_by_uri", "SELECT " COLUMNS " FROM release WHERE uri = $1", "uri"};
static const struct db_sql sql_by_name = {
	"release_by_name",
	"SELECT " COLUMNS
	" FROM release WHERE name = $1 AND name <> '' ORDER BY id DESC LIMIT 1",
	"name"};
static const struct db_sql sql_by_hash = {
	"release_by_hash",
	"SELECT " COLUMNS " FROM release WHERE hash >= $1 AND hash < $2 ORDER BY hash LIMIT 3",
	"from until"};
static const struct db_sql sql_add = {
	"release_add",
	"INSERT INTO release (uri, name, title, category, hash, manifest, bundle, published_at)"
	" VALUES ($1, $2, $3, $4, $5, $6, $7, $8) RETURNING id",
	"uri name title category hash manifest bundle published_at"};
static const struct db_sql sql_bundle = {"release_bundle",
					 "SELECT bundle FROM release WHERE id = $1", "id"};
static const struct db_sql sql_manifest = {"release_manifest",
					   "SELECT manifest FROM release WHERE id = $1", "id"};
static const struct db_sql sql_list = {
	"release_list",
	"SELECT " COLUMNS " FROM release WHERE name <> '' ORDER BY id DESC LIMIT $1", "limit"};

static void row(struct db_stmt *q, struct arena *a, struct release *out)
{
	*out = (struct release){
		.id = db_at_i64(q, 0),
		.uri = db_at_str(q, 1, a),
		.name = db_at_str(q, 2, a),
		.title = db_at_str(q, 3, a),
		.category = db_at_str(q, 4, a),
		.hash = db_at_str(q, 5, a),
		.manifest_json = S(""),
		.published_at_ms = db_at_i64(q, 6),
	};
}

MUST int store_release_by_uri(struct db_tx *tx, struct arena *a, struct str uri,
			      struct release *out, struct err *e)
{
	struct db_stmt *q = db_prepare(tx, &sql_by_uri);
	db_bind_str(q, "uri", uri);
	return ROW_READ(q, a, row, out, e);
}

MUST int store_release_by_name(struct db_tx *tx, struct arena *a, struct str name,
			       struct release *out, struct err *e)
{
	struct db_stmt *q = db_prepare(tx, &sql_by_name);
	db_bind_str(q, "name", name);
	return ROW_READ(q, a, row, out, e);
}

MUST int store_release_by_hash(struct db_tx *tx, struct arena *a, struct str name,
			       struct str prefix, struct release *out, struct err *e)
{
	struct db_stmt *q = db_prepare(tx, &sql_by_hash);
	db_bind_str(q, "from", prefix);
	/* 'g' follows every hex digit. */
	db_bind_str(q, "until", arena_fmt(a, "%" STR_F "g", STR_A(prefix)));
	struct release *rows = NULL;
	size_t n = 0, fit = 0;
	if (ROWS_READ(q, a, struct release, row, &rows, &n, e) < 0)
		return -1;
	for (size_t i = n; i-- > 0;)
		if (!name.n || str_eq(rows[i].name, name)) {
			*out = rows[i];
			fit++;
		}
	return (int)MIN_OF(fit, (size_t)2);
}

MUST int store_release_add(struct db_tx *tx, struct release *r, struct str bundle,
			   struct err *e)
{
	struct db_stmt *q = db_prepare(tx, &sql_add);
	db_bind_str(q, "uri", r->uri);
	db_bind_str(q, "name", r->name);
	db_bind_str(q, "title", r->title);
	db_bind_str(q, "category", r->category);
	db_bind_str(q, "hash", r->hash);
	db_bind_str(q, "manifest", r->manifest_json);
	db_bind_str(q, "bundle", bundle);
	db_bind_i64(q, "published_at", r->published_at_ms);
	int rc = db_step(q, e);
	if (rc > 0)
		r->id = db_at_i64(q, 0);
	return rc < 0 ? -1 : 0;
}

/* The one text column of a statement bound by id. */
MUST static int text_of(struct db_tx *tx, const struct db_sql *sql, struct arena *a, int64_t id,
			struct str *out, struct err *e)
{
	struct db_stmt *q = db_prepare(tx, sql);
	db_bind_i64(q, "id", id);
	int rc = db_step(q, e);
	if (rc <= 0)
		return rc;
	*out = db_at_str(q, 0, a);
	return arena_check(a, e);
}

MUST int store_release_bundle(struct db_tx *tx, struct arena *a, int64_t id, struct str *out,
			      struct err *e)
{
	*out = S("");
	return text_of(tx, &sql_bundle, a, id, out, e);
}

MUST int store_release_manifest(struct db_tx *tx, struct arena *a, int64_t id, struct str *out,
				struct err *e)
{
	*out = S("");
	return text_of(tx, &sql_manifest, a, id, out, e);
}

MUST int store_release_list(struct db_tx *tx, struct arena *a, int64_t limit,
			    struct release **out, size_t *count, struct err *e)
{
	struct db_stmt *q = db_prepare(tx, &sql_list);
	db_bind_i64(q, "limit", MIN_OF(limit, (int64_t)STORE_LIST_MAX));
	return ROWS_READ(q, a, struct release, row, out, count, e);
}
