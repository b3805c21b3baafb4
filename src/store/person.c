/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "store/person.h"

#include "store/rows.h"

#define COLUMNS "id, name, roles, is_active, created_at"

static const struct db_sql sql_find = {
	"person_find", "SELECT " COLUMNS " FROM person WHERE name = $1", "name"};
static const struct db_sql sql_add = {"person_add",
				      "INSERT INTO person (name, created_at) VALUES ($1, $2)"
				      " ON CONFLICT (name) DO NOTHING",
				      "name now"};
static const struct db_sql sql_save = {
	"person_save", "UPDATE person SET roles = $1, is_active = $2 WHERE id = $3",
	"roles active id"};
static const struct db_sql sql_list = {
	"person_list", "SELECT " COLUMNS " FROM person WHERE name > $1 ORDER BY name LIMIT $2",
	"after limit"};

static void row(struct db_stmt *q, struct arena *a, struct person *out)
{
	*out = (struct person){
		.id = db_at_i64(q, 0),
		.name = db_at_str(q, 1, a),
		.roles = db_at_str(q, 2, a),
		.is_active = db_at_i64(q, 3) != 0,
		.created_at_ms = db_at_i64(q, 4),
	};
}

MUST int store_person_find(struct db_tx *tx, struct arena *a, struct str name,
			   struct person *out, struct err *e)
{
	struct db_stmt *q = db_prepare(tx, &sql_find);
	db_bind_str(q, "name", name);
	return ROW_READ(q, a, row, out, e);
}

MUST int store_person_get(struct db_tx *tx, struct arena *a, struct str name, int64_t now_ms,
			  struct person *out, struct err *e)
{
	int rc = store_person_find(tx, a, name, out, e);
	if (rc != 0)
		return rc < 0 ? -1 : 0;
	struct db_stmt *q = db_prepare(tx, &sql_add);
	db_bind_str(q, "name", name);
	db_bind_i64(q, "now", now_ms);
	if (db_exec(q, e) < 0)
		return -1;
	rc = store_person_find(tx, a, name, out, e);
	return rc == 0 ? err_fail(e, ERR_INTERNAL, "person vanished") : rc;
}

MUST int store_person_save(struct db_tx *tx, const struct person *p, struct err *e)
{
	struct db_stmt *q = db_prepare(tx, &sql_save);
	db_bind_str(q, "roles", p->roles);
	db_bind_i64(q, "active", p->is_active);
	db_bind_i64(q, "id", p->id);
	return rows_done(db_exec(q, e));
}

MUST int store_person_list(struct db_tx *tx, struct arena *a, struct str after, int64_t limit,
			   struct person **out, size_t *count, struct err *e)
{
	struct db_stmt *q = db_prepare(tx, &sql_list);
	db_bind_str(q, "after", after);
	db_bind_i64(q, "limit", MIN_OF(limit, (int64_t)STORE_LIST_MAX));
	return ROWS_READ(q, a, struct person, row, out, count, e);
}
