/* SPDX-License-Identifier: AGPL-3.0-or-later */
#pragma once
/*
 * Table identity_key: the keys by which persons, nodes, instances and masters are known.
 *
 * A key's name is the SHA-256 of its public half, as hex. Keys are revoked, never deleted: a
 * name that was revoked stays so.
 */
#include "core/model.h"
#include "store/schema.h"

enum { IDENTITY_KEYS_MAX = 50 }; /* unrevoked ones of one owner */

struct identity_key {
	int64_t id;
	struct str name, kind, owner; /* kind: "person", "node", "instance", "master" */
	struct str title;	      /* where it is kept: "laptop" */
	struct str seal_key;	      /* age1…; "" if it can read nothing */
	struct str statement;	      /* the key's signature over it, base64url */
	int64_t created_at_ms;
	int64_t revoked_at_ms; /* 0: good */
	struct str reason;
};
/* The key of that name. */
MUST int store_key_find(struct db_tx *tx, struct arena *a, struct str name,
			struct identity_key *out, struct err *e);
/* Inserts; sets k->id. ERR_CONFLICT if the name is there. */
MUST int store_key_add(struct db_tx *tx, struct identity_key *k, struct err *e);
/* Stores seal_key and statement. */
MUST int store_key_seal(struct db_tx *tx, const struct identity_key *k, struct err *e);
/* Revokes: 1, or 0 if it was revoked already (it stays as it was). */
MUST int store_key_revoke(struct db_tx *tx, int64_t id, int64_t now_ms, struct str reason,
			  struct err *e);
/* All of an owner, revoked or not, oldest first. */
MUST int store_key_list(struct db_tx *tx, struct arena *a, struct str kind, struct str owner,
			struct identity_key **out, size_t *count, struct err *e);
/* How many good ones an owner has. */
MUST int store_key_count(struct db_tx *tx, struct str kind, struct str owner, int64_t *out,
			 struct err *e);
