/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "store/acme.h"

#include "store/rows.h"

/* ---- accounts ------------------------------------------------------------------------------ */

#define ACCOUNT \
	"id, name, thumbprint, public, customer_id, contact, binding, status, created_at"

static const struct db_sql sql_account_add = {
	"acme_account_add",
	"INSERT INTO acme_account (name, thumbprint, public, customer_id, contact, binding,"
	" status, created_at) VALUES ($1, $2, $3, $4, $5, $6, $7, $8) RETURNING id",
	"name thumbprint public customer contact binding status now"};
static const struct db_sql sql_account_find = {
	"acme_account_find", "SELECT " ACCOUNT " FROM acme_account WHERE name = $1", "name"};
static const struct db_sql sql_account_get = {
	"acme_account_get", "SELECT " ACCOUNT " FROM acme_account WHERE id = $1", "id"};
static const struct db_sql sql_account_of_key = {
	"acme_account_of_key", "SELECT " ACCOUNT " FROM acme_account WHERE thumbprint = $1",
	"thumbprint"};
static const struct db_sql sql_account_save = {
	"acme_account_save",
	"UPDATE acme_account SET thumbprint = $1, public = $2, contact = $3, status = $4"
	" WHERE id = $5",
	"thumbprint public contact status id"};

/* Rows hold words of acme_status_word only; another one counts as over. */
static enum acme_status status_at(struct db_stmt *q, int column, struct arena *a)
{
	struct err e = ERR_INIT;
	enum acme_status s = ACME_INVALID;
	(void)!acme_status_read(db_at_str(q, column, a), &s, &e);
	return s;
}

static void account_row(struct db_stmt *q, struct arena *a, struct acme_account *out)
{
	*out = (struct acme_account){
		.id = db_at_i64(q, 0),
		.name = db_at_str(q, 1, a),
		.thumbprint = db_at_str(q, 2, a),
		.public64 = db_at_str(q, 3, a),
		.customer_id = db_at_i64(q, 4),
		.contact_json = db_at_str(q, 5, a),
		.binding_json = db_at_str(q, 6, a),
		.status = status_at(q, 7, a),
		.created_at_ms = db_at_i64(q, 8),
	};
}

/* The id of a row that was inserted. */
MUST static int take_id(struct db_stmt *q, int64_t *id, struct err *e)
{
	int rc = db_step(q, e);
	if (rc <= 0)
		return rc < 0 ? -1 : err_fail(e, ERR_INTERNAL, "no row came back");
	*id = db_at_i64(q, 0);
	return db_step(q, e) < 0 ? -1 : 0;
}

MUST int store_acme_account_add(struct db_tx *tx, struct acme_account *x, struct err *e)
{
	struct db_stmt *q = db_prepare(tx, &sql_account_add);
	db_bind_str(q, "name", x->name);
	db_bind_str(q, "thumbprint", x->thumbprint);
	db_bind_str(q, "public", x->public64);
	db_bind_i64(q, "customer", x->customer_id);
	db_bind_str(q, "contact", x->contact_json);
	db_bind_str(q, "binding", x->binding_json);
	db_bind_cstr(q, "status", acme_status_word(x->status));
	db_bind_i64(q, "now", x->created_at_ms);
	return take_id(q, &x->id, e);
}

MUST int store_acme_account_find(struct db_tx *tx, struct arena *a, struct str name,
				 struct acme_account *out, struct err *e)
{
	struct db_stmt *q = db_prepare(tx, &sql_account_find);
	db_bind_str(q, "name", name);
	return ROW_READ(q, a, account_row, out, e);
}

MUST int store_acme_account_get(struct db_tx *tx, struct arena *a, int64_t id,
				struct acme_account *out, struct err *e)
{
	struct db_stmt *q = db_prepare(tx, &sql_account_get);
	db_bind_i64(q, "id", id);
	return ROW_READ(q, a, account_row, out, e);
}

MUST int store_acme_account_of_key(struct db_tx *tx, struct arena *a, struct str thumbprint,
				   struct acme_account *out, struct err *e)
{
	struct db_stmt *q = db_prepare(tx, &sql_account_of_key);
	db_bind_str(q, "thumbprint", thumbprint);
	return ROW_READ(q, a, account_row, out, e);
}

MUST int store_acme_account_save(struct db_tx *tx, const struct acme_account *x, struct err *e)
{
	struct db_stmt *q = db_prepare(tx, &sql_account_save);
	db_bind_str(q, "thumbprint", x->thumbprint);
	db_bind_str(q, "public", x->public64);
	db_bind_str(q, "contact", x->contact_json);
	db_bind_cstr(q, "status", acme_status_word(x->status));
	db_bind_i64(q, "id", x->id);
	return rows_done(db_exec(q, e));
}

/* ---- who may become one -------------------------------------------------------------------- */

static const struct db_sql sql_eab_add = {
	"acme_eab_add",
	"INSERT INTO acme_eab (kid, customer_id, created_at) VALUES ($1, $2, $3)",
	"kid customer now"};
static const struct db_sql sql_eab_find = {
	"acme_eab_find",
	"SELECT kid, customer_id, COALESCE(account_id, 0), created_at FROM acme_eab"
	" WHERE kid = $1",
	"kid"};
static const struct db_sql sql_eab_bind = {
	"acme_eab_bind", "UPDATE acme_eab SET account_id = $1 WHERE kid = $2", "account kid"};
static const struct db_sql sql_key_allow = {
	"acme_key_allow",
	"INSERT INTO acme_key (thumbprint, customer_id, created_at) VALUES ($1, $2, $3)"
	" ON CONFLICT (thumbprint) DO NOTHING",
	"thumbprint customer now"};
static const struct db_sql sql_key_forbid = {
	"acme_key_forbid", "DELETE FROM acme_key WHERE thumbprint = $1 AND customer_id = $2",
	"thumbprint customer"};
static const struct db_sql sql_key_customer = {
	"acme_key_customer", "SELECT customer_id FROM acme_key WHERE thumbprint = $1",
	"thumbprint"};
static const struct db_sql sql_nonce_use = {
	"acme_nonce_use",
	"INSERT INTO acme_nonce (nonce, expires_at) VALUES ($1, $2)"
	" ON CONFLICT (nonce) DO NOTHING",
	"nonce expires"};

/* Ends a statement that changes one row or none: 1, 0 or -1. */
MUST static int one_or_none(int64_t rows)
{
	return rows < 0 ? -1 : rows > 0;
}

/* A row is there or not: 1, 0 or -1; its first number, if wanted. */
MUST static int number_at(struct db_stmt *q, int64_t *out, struct err *e)
{
	int rc = db_step(q, e);
	if (rc > 0 && out)
		*out = db_at_i64(q, 0);
	return rc;
}

MUST int store_acme_eab_add(struct db_tx *tx, const struct acme_eab *x, struct err *e)
{
	struct db_stmt *q = db_prepare(tx, &sql_eab_add);
	db_bind_str(q, "kid", x->kid);
	db_bind_i64(q, "customer", x->customer_id);
	db_bind_i64(q, "now", x->created_at_ms);
	return rows_done(db_exec(q, e));
}

static void eab_row(struct db_stmt *q, struct arena *a, struct acme_eab *out)
{
	*out = (struct acme_eab){
		.kid = db_at_str(q, 0, a),
		.customer_id = db_at_i64(q, 1),
		.account_id = db_at_i64(q, 2),
		.created_at_ms = db_at_i64(q, 3),
	};
}

MUST int store_acme_eab_find(struct db_tx *tx, struct arena *a, struct str kid,
			     struct acme_eab *out, struct err *e)
{
	struct db_stmt *q = db_prepare(tx, &sql_eab_find);
	db_bind_str(q, "kid", kid);
	return ROW_READ(q, a, eab_row, out, e);
}

MUST int store_acme_eab_bind(struct db_tx *tx, struct str kid, int64_t account_id,
			     struct err *e)
{
	struct db_stmt *q = db_prepare(tx, &sql_eab_bind);
	db_bind_i64(q, "account", account_id);
	db_bind_str(q, "kid", kid);
	return rows_done(db_exec(q, e));
}

MUST int store_acme_key_allow(struct db_tx *tx, struct str thumbprint, int64_t customer_id,
			      int64_t now_ms, struct err *e)
{
	struct db_stmt *q = db_prepare(tx, &sql_key_allow);
	db_bind_str(q, "thumbprint", thumbprint);
	db_bind_i64(q, "customer", customer_id);
	db_bind_i64(q, "now", now_ms);
	return one_or_none(db_exec(q, e));
}

MUST int store_acme_key_forbid(struct db_tx *tx, struct str thumbprint, int64_t customer_id,
			       struct err *e)
{
	struct db_stmt *q = db_prepare(tx, &sql_key_forbid);
	db_bind_str(q, "thumbprint", thumbprint);
	db_bind_i64(q, "customer", customer_id);
	return one_or_none(db_exec(q, e));
}

MUST int store_acme_key_customer(struct db_tx *tx, struct str thumbprint, int64_t *customer_id,
				 struct err *e)
{
	struct db_stmt *q = db_prepare(tx, &sql_key_customer);
	db_bind_str(q, "thumbprint", thumbprint);
	return number_at(q, customer_id, e);
}

MUST int store_acme_nonce_use(struct db_tx *tx, struct str nonce, int64_t expires_at_ms,
			      struct err *e)
{
	struct db_stmt *q = db_prepare(tx, &sql_nonce_use);
	db_bind_str(q, "nonce", nonce);
	db_bind_i64(q, "expires", expires_at_ms);
	return one_or_none(db_exec(q, e));
}

/* ---- orders -------------------------------------------------------------------------------- */

#define ORDER \
	"id, name, account_id, identifiers, status, error, serial, certificate, replaces," \
	" expires_at, created_at"

static const struct db_sql sql_order_add = {
	"acme_order_add",
	"INSERT INTO acme_order (name, account_id, identifiers, status, replaces, expires_at,"
	" created_at) VALUES ($1, $2, $3, $4, $5, $6, $7) RETURNING id",
	"name account identifiers status replaces expires now"};
static const struct db_sql sql_order_find = {
	"acme_order_find", "SELECT " ORDER " FROM acme_order WHERE name = $1", "name"};
static const struct db_sql sql_order_get = {
	"acme_order_get", "SELECT " ORDER " FROM acme_order WHERE id = $1", "id"};
static const struct db_sql sql_order_save = {
	"acme_order_save",
	"UPDATE acme_order SET status = $1, error = $2, serial = $3, certificate = $4,"
	" expires_at = $5 WHERE id = $6",
	"status error serial certificate expires id"};
static const struct db_sql sql_order_names = {
	"acme_order_names",
	"SELECT id, name FROM acme_order WHERE account_id = $1 AND id < $2"
	" ORDER BY id DESC LIMIT $3",
	"account before limit"};
static const struct db_sql sql_order_open = {
	"acme_order_open",
	"SELECT COUNT(*) FROM acme_order WHERE account_id = $1"
	" AND status IN ('pending', 'ready') AND expires_at > $2",
	"account now"};
static const struct db_sql sql_order_replaces = {
	"acme_order_replaces",
	"SELECT id FROM acme_order WHERE replaces = $1 AND replaces <> ''"
	" AND status <> 'invalid' AND (status = 'valid' OR expires_at > $2) LIMIT 1",
	"replaces now"};

static void order_row(struct db_stmt *q, struct arena *a, struct acme_order *out)
{
	*out = (struct acme_order){
		.id = db_at_i64(q, 0),
		.name = db_at_str(q, 1, a),
		.account_id = db_at_i64(q, 2),
		.identifiers_json = db_at_str(q, 3, a),
		.status = status_at(q, 4, a),
		.error_json = db_at_str(q, 5, a),
		.serial = db_at_str(q, 6, a),
		.certificate = db_at_str(q, 7, a),
		.replaces = db_at_str(q, 8, a),
		.expires_at_ms = db_at_i64(q, 9),
		.created_at_ms = db_at_i64(q, 10),
	};
}

MUST int store_acme_order_add(struct db_tx *tx, struct acme_order *x, struct err *e)
{
	struct db_stmt *q = db_prepare(tx, &sql_order_add);
	db_bind_str(q, "name", x->name);
	db_bind_i64(q, "account", x->account_id);
	db_bind_str(q, "identifiers", x->identifiers_json);
	db_bind_cstr(q, "status", acme_status_word(x->status));
	db_bind_str(q, "replaces", x->replaces);
	db_bind_i64(q, "expires", x->expires_at_ms);
	db_bind_i64(q, "now", x->created_at_ms);
	return take_id(q, &x->id, e);
}

MUST int store_acme_order_find(struct db_tx *tx, struct arena *a, struct str name,
			       struct acme_order *out, struct err *e)
{
	struct db_stmt *q = db_prepare(tx, &sql_order_find);
	db_bind_str(q, "name", name);
	return ROW_READ(q, a, order_row, out, e);
}

MUST int store_acme_order_get(struct db_tx *tx, struct arena *a, int64_t id,
			      struct acme_order *out, struct err *e)
{
	struct db_stmt *q = db_prepare(tx, &sql_order_get);
	db_bind_i64(q, "id", id);
	return ROW_READ(q, a, order_row, out, e);
}

MUST int store_acme_order_save(struct db_tx *tx, const struct acme_order *x, struct err *e)
{
	struct db_stmt *q = db_prepare(tx, &sql_order_save);
	db_bind_cstr(q, "status", acme_status_word(x->status));
	db_bind_str(q, "error", x->error_json);
	db_bind_str(q, "serial", x->serial);
	db_bind_str(q, "certificate", x->certificate);
	db_bind_i64(q, "expires", x->expires_at_ms);
	db_bind_i64(q, "id", x->id);
	return rows_done(db_exec(q, e));
}

struct order_name {
	int64_t id;
	struct str name;
};

static void order_name_row(struct db_stmt *q, struct arena *a, struct order_name *out)
{
	*out = (struct order_name){db_at_i64(q, 0), db_at_str(q, 1, a)};
}

MUST int store_acme_order_names(struct db_tx *tx, struct arena *a, int64_t account_id,
				int64_t before, int64_t limit, struct str **out, size_t *count,
				int64_t *next, struct err *e)
{
	struct order_name *rows = NULL;
	size_t n = 0;
	struct db_stmt *q = db_prepare(tx, &sql_order_names);
	db_bind_i64(q, "account", account_id);
	db_bind_i64(q, "before", before ? before : INT64_MAX);
	db_bind_i64(q, "limit", MIN_OF(limit, (int64_t)STORE_LIST_MAX));
	if (ROWS_READ(q, a, struct order_name, order_name_row, &rows, &n, e) < 0)
		return -1;
	struct str *names = ARENA_ARRAY(a, struct str, n);
	for (size_t i = 0; names && i < n; i++)
		names[i] = rows[i].name;
	*out = names;
	*count = n;
	*next = n && (int64_t)n == limit ? rows[n - 1].id : 0;
	return arena_check(a, e);
}

MUST int store_acme_order_open(struct db_tx *tx, int64_t account_id, int64_t now_ms,
			       int64_t *out, struct err *e)
{
	struct db_stmt *q = db_prepare(tx, &sql_order_open);
	db_bind_i64(q, "account", account_id);
	db_bind_i64(q, "now", now_ms);
	return number_at(q, out, e) < 0 ? -1 : 0;
}

MUST int store_acme_order_replaces(struct db_tx *tx, struct str replaces, int64_t now_ms,
				   struct err *e)
{
	struct db_stmt *q = db_prepare(tx, &sql_order_replaces);
	db_bind_str(q, "replaces", replaces);
	db_bind_i64(q, "now", now_ms);
	return number_at(q, NULL, e);
}

/* ---- authorizations ------------------------------------------------------------------------ */

#define AUTHORIZATION \
	"id, name, account_id, order_id, identifier, is_wildcard, token, status, method, " \
	"error," \
	" tries, due_at, validated_at, expires_at"

static const struct db_sql sql_auth_add = {
	"acme_authorization_add",
	"INSERT INTO acme_authorization (name, account_id, order_id, identifier, is_wildcard,"
	" token, status, expires_at) VALUES ($1, $2, $3, $4, $5, $6, $7, $8) RETURNING id",
	"name account order identifier wildcard token status expires"};
static const struct db_sql sql_auth_find = {
	"acme_authorization_find",
	"SELECT " AUTHORIZATION " FROM acme_authorization WHERE name = $1", "name"};
static const struct db_sql sql_auth_save = {
	"acme_authorization_save",
	"UPDATE acme_authorization SET status = $1, method = $2, error = $3, tries = $4,"
	" due_at = $5, validated_at = $6 WHERE id = $7",
	"status method error tries due validated id"};
static const struct db_sql sql_auth_of_order = {"acme_authorization_of_order",
						"SELECT " AUTHORIZATION
						" FROM acme_authorization WHERE order_id = $1"
						" ORDER BY id LIMIT $2",
						"order limit"};
static const struct db_sql sql_auth_holds = {
	"acme_authorization_holds",
	"SELECT id FROM acme_authorization WHERE account_id = $1 AND identifier = $2"
	" AND status = 'valid' AND is_wildcard = $3 AND expires_at > $4 LIMIT 1",
	"account identifier wildcard now"};
static const struct db_sql sql_auth_due = {
	"acme_authorization_due",
	"SELECT " AUTHORIZATION " FROM acme_authorization WHERE due_at > 0 AND due_at <= $1"
	" ORDER BY due_at, id LIMIT $2",
	"now limit"};

static const struct db_sql sql_auth_due_next = {
	"acme_authorization_due_next",
	"SELECT COALESCE(MIN(due_at), 0) FROM acme_authorization"
	" WHERE due_at > 0 AND due_at < $1",
	"before"};

static void auth_row(struct db_stmt *q, struct arena *a, struct acme_authorization *out)
{
	*out = (struct acme_authorization){
		.id = db_at_i64(q, 0),
		.name = db_at_str(q, 1, a),
		.account_id = db_at_i64(q, 2),
		.order_id = db_at_i64(q, 3),
		.identifier = db_at_str(q, 4, a),
		.is_wildcard = db_at_i64(q, 5) != 0,
		.token = db_at_str(q, 6, a),
		.status = status_at(q, 7, a),
		.method_word = db_at_str(q, 8, a),
		.error_json = db_at_str(q, 9, a),
		.tries = db_at_i64(q, 10),
		.due_at_ms = db_at_i64(q, 11),
		.validated_at_ms = db_at_i64(q, 12),
		.expires_at_ms = db_at_i64(q, 13),
	};
}

MUST int store_acme_authorization_add(struct db_tx *tx, struct acme_authorization *x,
				      struct err *e)
{
	struct db_stmt *q = db_prepare(tx, &sql_auth_add);
	db_bind_str(q, "name", x->name);
	db_bind_i64(q, "account", x->account_id);
	db_bind_i64(q, "order", x->order_id);
	db_bind_str(q, "identifier", x->identifier);
	db_bind_bool(q, "wildcard", x->is_wildcard);
	db_bind_str(q, "token", x->token);
	db_bind_cstr(q, "status", acme_status_word(x->status));
	db_bind_i64(q, "expires", x->expires_at_ms);
	return take_id(q, &x->id, e);
}

MUST int store_acme_authorization_find(struct db_tx *tx, struct arena *a, struct str name,
				       struct acme_authorization *out, struct err *e)
{
	struct db_stmt *q = db_prepare(tx, &sql_auth_find);
	db_bind_str(q, "name", name);
	return ROW_READ(q, a, auth_row, out, e);
}

MUST int store_acme_authorization_save(struct db_tx *tx, const struct acme_authorization *x,
				       struct err *e)
{
	struct db_stmt *q = db_prepare(tx, &sql_auth_save);
	db_bind_cstr(q, "status", acme_status_word(x->status));
	db_bind_str(q, "method", x->method_word);
	db_bind_str(q, "error", x->error_json);
	db_bind_i64(q, "tries", x->tries);
	db_bind_i64(q, "due", x->due_at_ms);
	db_bind_i64(q, "validated", x->validated_at_ms);
	db_bind_i64(q, "id", x->id);
	return rows_done(db_exec(q, e));
}

MUST int store_acme_authorizations(struct db_tx *tx, struct arena *a, int64_t order_id,
				   struct acme_authorization **out, size_t *count,
				   struct err *e)
{
	struct db_stmt *q = db_prepare(tx, &sql_auth_of_order);
	db_bind_i64(q, "order", order_id);
	db_bind_i64(q, "limit", ACME_NAMES_MAX);
	return ROWS_READ(q, a, struct acme_authorization, auth_row, out, count, e);
}

MUST int store_acme_authorization_holds(struct db_tx *tx, int64_t account_id, struct str name,
					bool is_wildcard, int64_t now_ms, struct err *e)
{
	struct db_stmt *q = db_prepare(tx, &sql_auth_holds);
	db_bind_i64(q, "account", account_id);
	db_bind_str(q, "identifier", name);
	db_bind_bool(q, "wildcard", is_wildcard);
	db_bind_i64(q, "now", now_ms);
	return number_at(q, NULL, e);
}

MUST int store_acme_due(struct db_tx *tx, struct arena *a, int64_t now_ms, int64_t limit,
			struct acme_authorization **out, size_t *count, struct err *e)
{
	struct db_stmt *q = db_prepare(tx, &sql_auth_due);
	db_bind_i64(q, "now", now_ms);
	db_bind_i64(q, "limit", limit);
	return ROWS_READ(q, a, struct acme_authorization, auth_row, out, count, e);
}

MUST int store_acme_due_next(struct db_tx *tx, int64_t before_ms, int64_t *out, struct err *e)
{
	struct db_stmt *q = db_prepare(tx, &sql_auth_due_next);
	db_bind_i64(q, "before", before_ms);
	return number_at(q, out, e) < 0 ? -1 : 0;
}

/* ---- forgetting ---------------------------------------------------------------------------- */

static const struct db_sql sql_forget_nonces = {
	"acme_nonce_forget",
	"DELETE FROM acme_nonce WHERE nonce IN (SELECT nonce FROM acme_nonce"
	" WHERE expires_at <= $1 LIMIT $2)",
	"now limit"};
static const struct db_sql sql_order_over = {
	"acme_order_over",
	"SELECT id, name FROM acme_order WHERE expires_at <= $1 ORDER BY expires_at LIMIT $2",
	"before limit"};
static const struct db_sql sql_forget_auths = {
	"acme_authorization_forget", "DELETE FROM acme_authorization WHERE order_id = $1",
	"order"};
static const struct db_sql sql_forget_order = {"acme_order_forget",
					       "DELETE FROM acme_order WHERE id = $1", "order"};

MUST static int forget_order(struct db_tx *tx, int64_t id, struct err *e)
{
	struct db_stmt *q = db_prepare(tx, &sql_forget_auths);
	db_bind_i64(q, "order", id);
	if (db_exec(q, e) < 0)
		return -1;
	q = db_prepare(tx, &sql_forget_order);
	db_bind_i64(q, "order", id);
	return rows_done(db_exec(q, e));
}

MUST int store_acme_forget(struct db_tx *tx, struct arena *a, int64_t now_ms, int64_t limit,
			   struct err *e)
{
	struct order_name *rows = NULL;
	size_t n = 0;
	struct db_stmt *q = db_prepare(tx, &sql_forget_nonces);
	db_bind_i64(q, "now", now_ms);
	db_bind_i64(q, "limit", limit);
	if (db_exec(q, e) < 0)
		return -1;
	q = db_prepare(tx, &sql_order_over);
	db_bind_i64(q, "before", now_ms - ACME_KEEP_FOR_MS);
	db_bind_i64(q, "limit", limit);
	if (ROWS_READ(q, a, struct order_name, order_name_row, &rows, &n, e) < 0)
		return -1;
	for (size_t i = 0; i < n; i++)
		if (forget_order(tx, rows[i].id, e) < 0)
			return -1;
	return 0;
}
