/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "store/customer.h"

#include "store/rows.h"

#define COLUMNS "id, name, address, country, vat_number, created_at, secrets"

static const struct db_sql sql_find = {
	"customer_find", "SELECT " COLUMNS " FROM customer WHERE name = $1", "name"};
static const struct db_sql sql_add = {"customer_add",
				      "INSERT INTO customer (name, created_at) VALUES ($1, $2)"
				      " ON CONFLICT (name) DO NOTHING",
				      "name now"};
static const struct db_sql sql_save = {
	"customer_save",
	"UPDATE customer SET address = $1, country = $2, vat_number = $3, secrets = $4"
	" WHERE id = $5",
	"address country vat_number secrets id"};
static const struct db_sql sql_list = {
	"customer_list", "SELECT " COLUMNS " FROM customer ORDER BY name LIMIT $1", "limit"};

static void row(struct db_stmt *q, struct arena *a, struct customer *out)
{
	*out = (struct customer){
		.id = db_at_i64(q, 0),
		.name = db_at_str(q, 1, a),
		.address = db_at_str(q, 2, a),
		.country = db_at_str(q, 3, a),
		.vat_number = db_at_str(q, 4, a),
		.created_at_ms = db_at_i64(q, 5),
		.takes_clear = str_is(db_at_str(q, 6, a), "clear"),
	};
}

MUST int store_customer_find(struct db_tx *tx, struct arena *a, struct str name,
			     struct customer *out, struct err *e)
{
	struct db_stmt *q = db_prepare(tx, &sql_find);
	db_bind_str(q, "name", name);
	return ROW_READ(q, a, row, out, e);
}

MUST int store_customer_get(struct db_tx *tx, struct arena *a, struct str name, int64_t now_ms,
			    struct customer *out, struct err *e)
{
	int rc = store_customer_find(tx, a, name, out, e);
	if (rc != 0)
		return rc < 0 ? -1 : 0;
	struct db_stmt *q = db_prepare(tx, &sql_add);
	db_bind_str(q, "name", name);
	db_bind_i64(q, "now", now_ms);
	if (db_exec(q, e) < 0)
		return -1;
	rc = store_customer_find(tx, a, name, out, e);
	return rc == 0 ? err_fail(e, ERR_INTERNAL, "customer vanished") : rc < 0 ? -1 : 1;
}

MUST int store_customer_save(struct db_tx *tx, const struct customer *c, struct err *e)
{
	struct db_stmt *q = db_prepare(tx, &sql_save);
	db_bind_str(q, "address", c->address);
	db_bind_str(q, "country", c->country);
	db_bind_str(q, "vat_number", c->vat_number);
	db_bind_cstr(q, "secrets", c->takes_clear ? "clear" : "sealed");
	db_bind_i64(q, "id", c->id);
	return rows_done(db_exec(q, e));
}

MUST int store_customer_list(struct db_tx *tx, struct arena *a, int64_t limit,
			     struct customer **out, size_t *count, struct err *e)
{
	struct db_stmt *q = db_prepare(tx, &sql_list);
	db_bind_i64(q, "limit", MIN_OF(limit, (int64_t)STORE_LIST_MAX));
	return ROWS_READ(q, a, struct customer, row, out, count, e);
}
