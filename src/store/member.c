/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "store/member.h"

#include "store/rows.h"

#define SELECT \
	"SELECT m.customer_id, m.person_id, c.name, p.name, m.role FROM member m" \
	" JOIN customer c ON c.id = m.customer_id JOIN person p ON p.id = m.person_id "

static const struct db_sql sql_of_person = {
	"member_of_person", SELECT "WHERE m.person_id = $1 ORDER BY c.name LIMIT $2",
	"person limit"};
static const struct db_sql sql_of_customer = {
	"member_of_customer", SELECT "WHERE m.customer_id = $1 ORDER BY p.name LIMIT $2",
	"customer limit"};
static const struct db_sql sql_find = {"member_find",
				       SELECT "WHERE m.customer_id = $1 AND m.person_id = $2",
				       "customer person"};
static const struct db_sql sql_set = {
	"member_set",
	"INSERT INTO member (customer_id, person_id, role) VALUES ($1, $2, $3)"
	" ON CONFLICT (customer_id, person_id) DO UPDATE SET role = excluded.role",
	"customer person role"};
static const struct db_sql sql_delete = {
	"member_delete", "DELETE FROM member WHERE customer_id = $1 AND person_id = $2",
	"customer person"};

static void row(struct db_stmt *q, struct arena *a, struct member *out)
{
	*out = (struct member){
		.customer_id = db_at_i64(q, 0),
		.person_id = db_at_i64(q, 1),
		.customer = db_at_str(q, 2, a),
		.person = db_at_str(q, 3, a),
		.is_owner = str_is(db_at_str(q, 4, a), "owner"),
	};
}

MUST int store_member_of_person(struct db_tx *tx, struct arena *a, int64_t person_id,
				struct member **out, size_t *count, struct err *e)
{
	struct db_stmt *q = db_prepare(tx, &sql_of_person);
	db_bind_i64(q, "person", person_id);
	db_bind_i64(q, "limit", MEMBER_LIST_MAX);
	return ROWS_READ(q, a, struct member, row, out, count, e);
}

MUST int store_member_of_customer(struct db_tx *tx, struct arena *a, int64_t customer_id,
				  struct member **out, size_t *count, struct err *e)
{
	struct db_stmt *q = db_prepare(tx, &sql_of_customer);
	db_bind_i64(q, "customer", customer_id);
	db_bind_i64(q, "limit", MEMBER_LIST_MAX);
	return ROWS_READ(q, a, struct member, row, out, count, e);
}

MUST int store_member_find(struct db_tx *tx, struct arena *a, int64_t customer_id,
			   int64_t person_id, struct member *out, struct err *e)
{
	struct db_stmt *q = db_prepare(tx, &sql_find);
	db_bind_i64(q, "customer", customer_id);
	db_bind_i64(q, "person", person_id);
	return ROW_READ(q, a, row, out, e);
}

MUST int store_member_set(struct db_tx *tx, int64_t customer_id, int64_t person_id,
			  bool is_owner, struct err *e)
{
	struct db_stmt *q = db_prepare(tx, &sql_set);
	db_bind_i64(q, "customer", customer_id);
	db_bind_i64(q, "person", person_id);
	db_bind_str(q, "role", is_owner ? S("owner") : S("member"));
	return rows_done(db_exec(q, e));
}

MUST int store_member_delete(struct db_tx *tx, int64_t customer_id, int64_t person_id,
			     struct err *e)
{
	struct db_stmt *q = db_prepare(tx, &sql_delete);
	db_bind_i64(q, "customer", customer_id);
	db_bind_i64(q, "person", person_id);
	return rows_done(db_exec(q, e));
}
