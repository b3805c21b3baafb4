/* SPDX-License-Identifier: AGPL-3.0-or-later */
#pragma once
/*
 * Table enrol_token: what lets a key in, once. The secret itself is never here, only its
 * SHA-256: who reads the table cannot enrol.
 */
#include "core/model.h"
#include "store/schema.h"

struct token {
	int64_t id;
	struct str hash;	  /* SHA-256 of the secret's text, hex */
	struct str kind, name;	  /* "person" or "node", and which */
	struct str roles;	  /* of a person who is new: words with a blank between */
	int64_t customer_id;	  /* of a person who is new; 0: none */
	struct str customer;	  /* its name, joined */
	struct str customer_role; /* "owner" or "member" */
	bool is_new;		  /* the person must not be there yet; else a key is added */
	struct str made_by;
	int64_t created_at_ms, expires_at_ms;
	struct str bound_key; /* name of the key of the first request; "" before it */
	int64_t used_at_ms;   /* of the first request; 0: none */
};

/* Inserts; sets t->id. */
MUST int store_token_add(struct db_tx *tx, struct token *t, struct err *e);
/* The one with that hash. */
MUST int store_token_find(struct db_tx *tx, struct arena *a, struct str hash, struct token *out,
			  struct err *e);
/* Binds it to the key that used it first. ERR_CONFLICT if it is bound already. */
MUST int store_token_bind(struct db_tx *tx, int64_t id, struct str key_name, int64_t now_ms,
			  struct err *e);
/* Those that have not expired, of all (customer_id 0) or for one customer; oldest first. */
MUST int store_token_list(struct db_tx *tx, struct arena *a, int64_t customer_id,
			  int64_t now_ms, int64_t limit, struct token **out, size_t *count,
			  struct err *e);
/* Forgets those that expired before `before_ms`. */
MUST int store_token_purge(struct db_tx *tx, int64_t before_ms, struct err *e);
/* Ends those of a maker that no key has used. */
MUST int store_token_void(struct db_tx *tx, struct str made_by, int64_t now_ms, struct err *e);
