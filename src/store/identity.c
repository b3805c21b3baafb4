/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "store/identity.h"

#include "store/rows.h"

#define P_COLUMNS "id, name, roles, is_active, created_at"

static const struct db_sql sql_person_find = {
	"person_find", "SELECT " P_COLUMNS " FROM person WHERE name = $1", "name"};
static const struct db_sql sql_person_add = {
	"person_add",
	"INSERT INTO person (name, roles, is_active, created_at) VALUES ($1, $2, $3, $4)"
	" RETURNING id",
	"name roles active now"};
static const struct db_sql sql_person_save = {
	"person_save", "UPDATE person SET roles = $1, is_active = $2 WHERE id = $3",
	"roles active id"};
static const struct db_sql sql_person_list = {
	"person_list",
	"SELECT " P_COLUMNS " FROM person WHERE name > $1 ORDER BY name LIMIT $2",
	"after limit"};

#define M_SELECT \
	"SELECT m.customer_id, m.person_id, c.name, p.name, m.role FROM member m" \
	" JOIN customer c ON c.id = m.customer_id JOIN person p ON p.id = m.person_id"

static const struct db_sql sql_member_find = {
	"member_find", M_SELECT " WHERE m.customer_id = $1 AND m.person_id = $2",
	"customer person"};
static const struct db_sql sql_member_set = {
	"member_set",
	"INSERT INTO member (customer_id, person_id, role) VALUES ($1, $2, $3)"
	" ON CONFLICT (customer_id, person_id) DO UPDATE SET role = excluded.role",
	"customer person role"};
static const struct db_sql sql_member_remove = {
	"member_remove", "DELETE FROM member WHERE customer_id = $1 AND person_id = $2",
	"customer person"};
static const struct db_sql sql_member_of_person = {
	"member_of_person", M_SELECT " WHERE m.person_id = $1 ORDER BY c.name LIMIT $2",
	"person limit"};
static const struct db_sql sql_member_of_customer = {
	"member_of_customer", M_SELECT " WHERE m.customer_id = $1 ORDER BY p.name LIMIT $2",
	"customer limit"};

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

/* ---- persons ------------------------------------------------------------------------------- */

static void person_row(struct db_stmt *q, struct arena *a, struct person *out)
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
	struct db_stmt *q = db_prepare(tx, &sql_person_find);
	db_bind_str(q, "name", name);
	return ROW_READ(q, a, person_row, out, e);
}

MUST int store_person_add(struct db_tx *tx, struct person *p, struct err *e)
{
	struct db_stmt *q = db_prepare(tx, &sql_person_add);
	db_bind_str(q, "name", p->name);
	db_bind_str(q, "roles", p->roles);
	db_bind_bool(q, "active", p->is_active);
	db_bind_i64(q, "now", p->created_at_ms);
	int rc = db_step(q, e);
	if (rc > 0)
		p->id = db_at_i64(q, 0);
	return rc < 0 ? -1 : 0;
}

MUST int store_person_save(struct db_tx *tx, const struct person *p, struct err *e)
{
	struct db_stmt *q = db_prepare(tx, &sql_person_save);
	db_bind_str(q, "roles", p->roles);
	db_bind_bool(q, "active", p->is_active);
	db_bind_i64(q, "id", p->id);
	return rows_done(db_exec(q, e));
}

MUST int store_person_list(struct db_tx *tx, struct arena *a, struct str after, int64_t limit,
			   struct person **out, size_t *count, struct err *e)
{
	struct db_stmt *q = db_prepare(tx, &sql_person_list);
	db_bind_str(q, "after", after);
	db_bind_i64(q, "limit", MIN_OF(limit, (int64_t)STORE_LIST_MAX));
	return ROWS_READ(q, a, struct person, person_row, out, count, e);
}

/* ---- members ------------------------------------------------------------------------------- */

static void member_row(struct db_stmt *q, struct arena *a, struct member *out)
{
	*out = (struct member){
		.customer_id = db_at_i64(q, 0),
		.person_id = db_at_i64(q, 1),
		.customer = db_at_str(q, 2, a),
		.person = db_at_str(q, 3, a),
		.role = db_at_str(q, 4, a),
	};
}

MUST int store_member_find(struct db_tx *tx, struct arena *a, int64_t customer_id,
			   int64_t person_id, struct member *out, struct err *e)
{
	struct db_stmt *q = db_prepare(tx, &sql_member_find);
	db_bind_i64(q, "customer", customer_id);
	db_bind_i64(q, "person", person_id);
	return ROW_READ(q, a, member_row, out, e);
}

MUST int store_member_set(struct db_tx *tx, int64_t customer_id, int64_t person_id,
			  struct str role, struct err *e)
{
	struct db_stmt *q = db_prepare(tx, &sql_member_set);
	db_bind_i64(q, "customer", customer_id);
	db_bind_i64(q, "person", person_id);
	db_bind_str(q, "role", role);
	return rows_done(db_exec(q, e));
}

MUST int store_member_remove(struct db_tx *tx, int64_t customer_id, int64_t person_id,
			     struct err *e)
{
	struct db_stmt *q = db_prepare(tx, &sql_member_remove);
	db_bind_i64(q, "customer", customer_id);
	db_bind_i64(q, "person", person_id);
	int64_t n = db_exec(q, e);
	return n < 0 ? -1 : n > 0;
}

MUST int store_member_of_person(struct db_tx *tx, struct arena *a, int64_t person_id,
				struct member **out, size_t *count, struct err *e)
{
	struct db_stmt *q = db_prepare(tx, &sql_member_of_person);
	db_bind_i64(q, "person", person_id);
	db_bind_i64(q, "limit", STORE_LIST_MAX);
	return ROWS_READ(q, a, struct member, member_row, out, count, e);
}

MUST int store_member_of_customer(struct db_tx *tx, struct arena *a, int64_t customer_id,
				  struct member **out, size_t *count, struct err *e)
{
	struct db_stmt *q = db_prepare(tx, &sql_member_of_customer);
	db_bind_i64(q, "customer", customer_id);
	db_bind_i64(q, "limit", STORE_LIST_MAX);
	return ROWS_READ(q, a, struct member, member_row, out, count, e);
}

/* ---- keys ---------------------------------------------------------------------------------- */

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
