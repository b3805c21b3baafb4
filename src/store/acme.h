/* SPDX-License-Identifier: AGPL-3.0-or-later */
#pragma once
/*
 * Tables acme_*: accounts, the ways to become one, orders, authorizations, nonces that were used.
 *
 * Finders return 1 (found) or 0, as store/schema.h says. Adders set the row's id.
 */
#include "core/acme.h"
#include "store/schema.h"

/* Inserts an account. ERR_CONFLICT: its key has one. */
MUST int store_acme_account_add(struct db_tx *tx, struct acme_account *x, struct err *e);
/* By its name. */
MUST int store_acme_account_find(struct db_tx *tx, struct arena *a, struct str name,
				 struct acme_account *out, struct err *e);
/* By its row. */
MUST int store_acme_account_get(struct db_tx *tx, struct arena *a, int64_t id,
				struct acme_account *out, struct err *e);
/* By its key's thumbprint. */
MUST int store_acme_account_of_key(struct db_tx *tx, struct arena *a, struct str thumbprint,
				   struct acme_account *out, struct err *e);
/* Contact, status, and the key. ERR_CONFLICT: the key is another account's. */
MUST int store_acme_account_save(struct db_tx *tx, const struct acme_account *x, struct err *e);

/* A kid that a customer may bind an account with. */
struct acme_eab {
	struct str kid;
	int64_t customer_id;
	int64_t account_id; /* 0: not bound yet */
	int64_t created_at_ms;
};
MUST int store_acme_eab_add(struct db_tx *tx, const struct acme_eab *x, struct err *e);
MUST int store_acme_eab_find(struct db_tx *tx, struct arena *a, struct str kid,
			     struct acme_eab *out, struct err *e);
MUST int store_acme_eab_bind(struct db_tx *tx, struct str kid, int64_t account_id,
			     struct err *e);

/* Account keys that need no binding. Allows one: 1, or 0 if it was allowed already (whoever
 * allowed it: the first stays). */
MUST int store_acme_key_allow(struct db_tx *tx, struct str thumbprint, int64_t customer_id,
			      int64_t now_ms, struct err *e);
/* Takes it back: 1, or 0 if that customer had not allowed it. */
MUST int store_acme_key_forbid(struct db_tx *tx, struct str thumbprint, int64_t customer_id,
			       struct err *e);
/* Whose it is: 1, or 0. */
MUST int store_acme_key_customer(struct db_tx *tx, struct str thumbprint, int64_t *customer_id,
				 struct err *e);

/* Uses a nonce up: 1, or 0 if it was used before. */
MUST int store_acme_nonce_use(struct db_tx *tx, struct str nonce, int64_t expires_at_ms,
			      struct err *e);

/* Inserts an order. */
MUST int store_acme_order_add(struct db_tx *tx, struct acme_order *x, struct err *e);
/* By its name. */
MUST int store_acme_order_find(struct db_tx *tx, struct arena *a, struct str name,
			       struct acme_order *out, struct err *e);
/* By its row. */
MUST int store_acme_order_get(struct db_tx *tx, struct arena *a, int64_t id,
			      struct acme_order *out, struct err *e);
/* Status, error, serial, certificate, end. */
MUST int store_acme_order_save(struct db_tx *tx, const struct acme_order *x, struct err *e);
/* Names of an account's orders below row `before` (0: all), newest first; *next is the row to go
 * on from, 0 if there are no more. */
MUST int store_acme_order_names(struct db_tx *tx, struct arena *a, int64_t account_id,
				int64_t before, int64_t limit, struct str **out, size_t *count,
				int64_t *next, struct err *e);
/* How many are pending or ready and not over; no more are taken than ACME_OPEN_MAX. */
MUST int store_acme_order_open(struct db_tx *tx, int64_t account_id, int64_t now_ms,
			       int64_t *out, struct err *e);
/* Does an order that is not invalid replace that certificate? 1 or 0. */
MUST int store_acme_order_replaces(struct db_tx *tx, struct str replaces, int64_t now_ms,
				   struct err *e);

/* Inserts an authorization. */
MUST int store_acme_authorization_add(struct db_tx *tx, struct acme_authorization *x,
				      struct err *e);
/* By its name. */
MUST int store_acme_authorization_find(struct db_tx *tx, struct arena *a, struct str name,
				       struct acme_authorization *out, struct err *e);
/* Status, method, error, tries, due, validated. */
MUST int store_acme_authorization_save(struct db_tx *tx, const struct acme_authorization *x,
				       struct err *e);
/* Of an order, in the order they were added. */
MUST int store_acme_authorizations(struct db_tx *tx, struct arena *a, int64_t order_id,
				   struct acme_authorization **out, size_t *count,
				   struct err *e);
/* Has the account a valid one for that name, at `now_ms`? 1 or 0. */
MUST int store_acme_authorization_holds(struct db_tx *tx, int64_t account_id, struct str name,
					bool is_wildcard, int64_t now_ms, struct err *e);
/* Those whose validation is due, longest due first. */
MUST int store_acme_due(struct db_tx *tx, struct arena *a, int64_t now_ms, int64_t limit,
			struct acme_authorization **out, size_t *count, struct err *e);

/* The moment of the first that is due before `before_ms`, 0 if there is none. */
MUST int store_acme_due_next(struct db_tx *tx, int64_t before_ms, int64_t *out, struct err *e);

/* Forgets used nonces that ended, and orders that ended ACME_KEEP_FOR_MS ago, at most `limit` of
 * each. */
MUST int store_acme_forget(struct db_tx *tx, struct arena *a, int64_t now_ms, int64_t limit,
			   struct err *e);
