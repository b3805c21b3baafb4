/* SPDX-License-Identifier: AGPL-3.0-or-later */
#pragma once
/*
 * Table session: who is logged in with a browser. The cookie itself is never here, only its
 * SHA-256, which is also the session's name: who reads the table has no session.
 *
 * A session that ends is deleted.
 */
#include "core/model.h"
#include "store/schema.h"

enum { SESSIONS_MAX = 20 }; /* of one person; the oldest give way */

struct session {
	struct str hash; /* SHA-256 of the cookie's text, hex */
	int64_t person_id;
	struct str person; /* name, joined */
	int64_t passkey_id;
	struct str passkey_title, key_name; /* of the passkey, joined */
	bool is_passkey_good;		    /* it is not revoked */
	struct str bound;		    /* SHA-256 of the user agent, hex */
	int64_t created_at_ms, used_at_ms, expires_at_ms;
};

/* Inserts; of the person the newest SESSIONS_MAX stay. */
MUST int store_session_add(struct db_tx *tx, const struct session *s, struct err *e);
/* The one of that hash, expired or not. */
MUST int store_session_find(struct db_tx *tx, struct arena *a, struct str hash,
			    struct session *out, struct err *e);
/* Of a person, used after `used_after_ms` and not expired now; newest first. */
MUST int store_session_list(struct db_tx *tx, struct arena *a, int64_t person_id,
			    int64_t used_after_ms, int64_t now_ms, struct session **out,
			    size_t *count, struct err *e);
/* Notes that it is used now. */
MUST int store_session_touch(struct db_tx *tx, struct str hash, int64_t now_ms, struct err *e);
/* Ends it: 1, or 0 if there was none. */
MUST int store_session_end(struct db_tx *tx, struct str hash, struct err *e);
/* Ends all of a person, or of a passkey: how many. */
MUST int store_session_end_of(struct db_tx *tx, int64_t person_id, struct err *e);
MUST int store_session_end_by(struct db_tx *tx, int64_t passkey_id, struct err *e);
/* Forgets what has expired. */
MUST int store_session_purge(struct db_tx *tx, int64_t now_ms, struct err *e);
