/* SPDX-License-Identifier: AGPL-3.0-or-later */
#pragma once
/*
 * Tables passkey and passkey_challenge: by what people are known in browsers, and what was asked
 * of a browser and is not answered yet.
 *
 * A passkey is revoked, never deleted: a credential that was revoked stays so. Of a challenge only
 * the SHA-256 is here; whoever answers it takes it, so it is answered once.
 */
#include "core/model.h"
#include "store/schema.h"

enum { PASSKEYS_MAX = 20 }; /* unrevoked ones of one person */

struct passkey {
	int64_t id;
	struct str credential; /* its id, base64url */
	int64_t person_id;
	struct str person; /* name, joined */
	bool is_person_active;
	struct str public; /* DER of its public key, base64url */
	int64_t counter;
	struct str title;    /* "phone" */
	struct str key_name; /* of the key by which it came in */
	int64_t created_at_ms;
	int64_t used_at_ms;    /* 0: never */
	int64_t revoked_at_ms; /* 0: good */
};

/* Inserts; sets p->id. ERR_CONFLICT if the credential is there. */
MUST int store_passkey_add(struct db_tx *tx, struct passkey *p, struct err *e);
/* The one of that credential id, revoked or not. */
MUST int store_passkey_find(struct db_tx *tx, struct arena *a, struct str credential,
			    struct passkey *out, struct err *e);
/* The one of that number, revoked or not. */
MUST int store_passkey_by_id(struct db_tx *tx, struct arena *a, int64_t id, struct passkey *out,
			     struct err *e);
/* Unrevoked ones of a person, oldest first. */
MUST int store_passkey_list(struct db_tx *tx, struct arena *a, int64_t person_id,
			    struct passkey **out, size_t *count, struct err *e);
/* Unrevoked ones that came in by a key, oldest first. */
MUST int store_passkey_of_key(struct db_tx *tx, struct arena *a, struct str key_name,
			      struct passkey **out, size_t *count, struct err *e);
/* Stores the counter and the moment of a login. */
MUST int store_passkey_used(struct db_tx *tx, int64_t id, int64_t counter, int64_t now_ms,
			    struct err *e);
/* Revokes: 1, or 0 if it was revoked already. */
MUST int store_passkey_revoke(struct db_tx *tx, int64_t id, int64_t now_ms, struct err *e);

/* ---- challenges ------------------------------------------------------------------------------ */

struct passkey_challenge {
	struct str hash;    /* SHA-256 of its text, hex */
	struct str purpose; /* "link", "register", "login" */
	int64_t person_id;  /* 0: nobody yet (login) */
	struct str person;  /* name, joined; "" if nobody */
	struct str key_name;
	int64_t expires_at_ms;
};
/* Inserts, and keeps at most `keep` of that purpose: those that end first give way. */
MUST int store_challenge_add(struct db_tx *tx, const struct passkey_challenge *k, int64_t keep,
			     struct err *e);
/* The one of that hash and purpose that has not expired. */
MUST int store_challenge_find(struct db_tx *tx, struct arena *a, struct str hash,
			      struct str purpose, int64_t now_ms, struct passkey_challenge *out,
			      struct err *e);
/* Takes it away: 1, or 0 if it was gone. */
MUST int store_challenge_take(struct db_tx *tx, struct str hash, struct err *e);
/* Takes away those of a person: of that purpose, or all (""). */
MUST int store_challenge_take_of(struct db_tx *tx, int64_t person_id, struct str purpose,
				 struct err *e);
/* Forgets what has expired. */
MUST int store_challenge_purge(struct db_tx *tx, int64_t now_ms, struct err *e);
