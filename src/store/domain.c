/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "store/domain.h"

#include "store/rows.h"

#define D_SELECT \
	"SELECT d.name, d.customer_id, c.name, d.created_at FROM domain d" \
	" JOIN customer c ON c.id = d.customer_id"

static const struct db_sql sql_find = {"domain_find", D_SELECT " WHERE d.name = $1", "name"};
/* Names hold neither % nor _: the pattern is ours. A claim is rare, so all names are looked at. */
static const struct db_sql sql_below = {
	"domain_below",
	D_SELECT " WHERE d.name LIKE $1 AND d.customer_id <> $2 ORDER BY d.name LIMIT 1",
	"pattern customer"};
static const struct db_sql sql_add = {
	"domain_add", "INSERT INTO domain (name, customer_id, created_at) VALUES ($1, $2, $3)",
	"name customer now"};
static const struct db_sql sql_remove = {
	"domain_remove", "DELETE FROM domain WHERE name = $1 AND customer_id = $2",
	"name customer"};
static const struct db_sql sql_list = {
	"domain_list", D_SELECT " WHERE d.customer_id = $1 ORDER BY d.name LIMIT $2",
	"customer limit"};
static const struct db_sql sql_on_node = {
	"domain_on_node",
	D_SELECT " WHERE d.customer_id IN (SELECT i.customer_id FROM instance i"
		 " WHERE i.node_id = $1 AND i.is_live = 1) ORDER BY d.name LIMIT $2",
	"node limit"};
static const struct db_sql sql_customers = {
	"domain_customers",
	"SELECT '', c.id, c.name, 0 FROM customer c WHERE c.id IN (SELECT i.customer_id"
	" FROM instance i WHERE i.node_id = $1 AND i.is_live = 1) ORDER BY c.name LIMIT $2",
	"node limit"};

static void row(struct db_stmt *q, struct arena *a, struct domain *out)
{
	*out = (struct domain){
		.name = db_at_str(q, 0, a),
		.customer_id = db_at_i64(q, 1),
		.customer = db_at_str(q, 2, a),
		.created_at_ms = db_at_i64(q, 3),
	};
}

MUST static int find(struct db_tx *tx, struct arena *a, struct str name, struct domain *out,
		     struct err *e)
{
	struct db_stmt *q = db_prepare(tx, &sql_find);
	db_bind_str(q, "name", name);
	return ROW_READ(q, a, row, out, e);
}

MUST int store_domain_owner(struct db_tx *tx, struct arena *a, struct str name,
			    struct domain *out, struct err *e)
{
	for (;;) {
		int rc = find(tx, a, name, out, e);
		size_t dot = str_find_char(name, '.');
		if (rc != 0 || dot == name.n)
			return rc;
		name = str_sub(name, dot + 1, name.n);
	}
}

/* Is there a name of another customer below? */
MUST static int is_above_another(struct db_tx *tx, struct arena *a, struct str name,
				 int64_t customer_id, struct err *e)
{
	struct domain other;
	struct str pattern = arena_fmt(a, "%%.%" STR_F, STR_A(name));
	struct db_stmt *q = db_prepare(tx, &sql_below);
	db_bind_str(q, "pattern", pattern);
	db_bind_i64(q, "customer", customer_id);
	return ROW_READ(q, a, row, &other, e);
}

MUST int store_domain_add(struct db_tx *tx, struct arena *a, struct str name,
			  int64_t customer_id, int64_t now_ms, struct err *e)
{
	struct domain above;
	int rc = store_domain_owner(tx, a, name, &above, e);
	if (rc < 0)
		return -1;
	if (rc > 0 && above.customer_id == customer_id && str_eq(above.name, name))
		return 0;
	bool is_taken = rc > 0 && above.customer_id != customer_id;
	if (!is_taken) {
		rc = is_above_another(tx, a, name, customer_id, e);
		if (rc < 0)
			return -1;
		is_taken = rc > 0;
	}
	if (is_taken)
		return err_fail(e, ERR_CONFLICT, "%" STR_F " belongs to another customer",
				STR_A(name));
	struct db_stmt *q = db_prepare(tx, &sql_add);
	db_bind_str(q, "name", name);
	db_bind_i64(q, "customer", customer_id);
	db_bind_i64(q, "now", now_ms);
	return db_exec(q, e) < 0 ? -1 : 1;
}

MUST int store_domain_remove(struct db_tx *tx, struct str name, int64_t customer_id,
			     struct err *e)
{
	struct db_stmt *q = db_prepare(tx, &sql_remove);
	db_bind_str(q, "name", name);
	db_bind_i64(q, "customer", customer_id);
	int64_t n = db_exec(q, e);
	return n < 0 ? -1 : n > 0;
}

MUST static int list_by(struct db_tx *tx, const struct db_sql *sql, const char *param,
			int64_t key, struct arena *a, struct domain **out, size_t *count,
			struct err *e)
{
	struct db_stmt *q = db_prepare(tx, sql);
	db_bind_i64(q, param, key);
	db_bind_i64(q, "limit", STORE_LIST_MAX);
	return ROWS_READ(q, a, struct domain, row, out, count, e);
}

MUST int store_domain_list(struct db_tx *tx, struct arena *a, int64_t customer_id,
			   struct domain **out, size_t *count, struct err *e)
{
	return list_by(tx, &sql_list, "customer", customer_id, a, out, count, e);
}

MUST int store_domain_on_node(struct db_tx *tx, struct arena *a, int64_t node_id,
			      struct domain **out, size_t *count, struct err *e)
{
	return list_by(tx, &sql_on_node, "node", node_id, a, out, count, e);
}

MUST int store_domain_customers_on_node(struct db_tx *tx, struct arena *a, int64_t node_id,
					struct domain **out, size_t *count, struct err *e)
{
	return list_by(tx, &sql_customers, "node", node_id, a, out, count, e);
}
