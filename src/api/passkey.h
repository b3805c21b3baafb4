/* SPDX-License-Identifier: AGPL-3.0-or-later */
#pragma once
/*
 * Inside room api: passkeys of people in browsers; the part op_passkeys of the table of
 * operations, together with sessions (api/session.h).
 *
 *     certificate ─ link ─┐
 *                         ├─ options ─ browser makes a key ─ passkey ─ login ─ session
 *     session (fresh) ────┘                                                      │
 *           └────────────────────────────────────────────────────────────────────┘
 *
 * 1. A first passkey comes by a link that its person asked for with his certificate: good once,
 *    for 10 minutes, kept as SHA-256. A session that is not older than PASSKEY_FRESH_MS may add
 *    another one.
 * 2. A passkey that came in by a key, be it through others, is revoked with that key.
 * 3. Challenges are random, answered once, good for 2 minutes, and bounded in number: one of
 *    each purpose for a person, PASSKEY_LOGINS_MAX logins at once, of which the oldest give way.
 * 4. The site (rp id) is the host name of the request, if it is one of the master's.
 */
#include "api/call.h"
#include "store/passkey.h"
#include "trust/webauthn.h"

enum {
	PASSKEY_LOGINS_MAX = 4096,
	PASSKEY_LINK_MS = 10 * 60 * 1000,
	PASSKEY_CHALLENGE_MS = 2 * 60 * 1000,
	PASSKEY_FRESH_MS = 10 * 60 * 1000,
	PASSKEY_SECRET_BYTES = 32,
	PASSKEY_SECRET_SIZE = 46, /* of its text */
	PASSKEY_FIELD_MAX = 64 << 10,
};

#define HANDLER(name) MUST int name(struct api_call *c, struct err *e)
#define TABLE(name) extern const struct json_desc name

extern const struct op_table op_passkeys;

/* passkey.c */
HANDLER(passkey_link_post);
HANDLER(passkey_options_post);
HANDLER(passkey_add_prepare);
HANDLER(passkey_add_post);
HANDLER(passkey_list);
HANDLER(passkey_delete);
TABLE(passkey_link_out);
TABLE(passkey_options_in);
TABLE(passkey_options_out);
TABLE(passkey_add_in);
TABLE(passkey_out);
TABLE(passkey_list_out);
/* session.c */
HANDLER(session_options_post);
HANDLER(session_login_prepare);
HANDLER(session_login_post);
HANDLER(session_current);
HANDLER(session_list);
HANDLER(session_logout);
HANDLER(session_delete);
HANDLER(session_delete_all);
TABLE(session_options_out);
TABLE(session_login_in);
TABLE(session_out);
TABLE(session_list_out);
/* passkey_page.c */
HANDLER(passkey_page);
HANDLER(passkey_page_script);
HANDLER(passkey_page_style);

#undef HANDLER
#undef TABLE

/* ---- what both ceremonies need: passkey_site.c ----------------------------------------------- */

struct passkey_site {
	struct str rp_id;  /* "cloud.example" */
	struct str origin; /* "https://cloud.example:8443" */
};
/* Where the request came to. ERR_UNSUPPORTED in local mode; ERR_FORBIDDEN if that is none of the
 * master's host names. */
MUST int passkey_site(const struct api_call *c, struct passkey_site *out, struct err *e);
/* As passkey_site, and the request came from a page of it (header Origin). */
MUST int passkey_site_own(const struct api_call *c, struct passkey_site *out, struct err *e);

/* A fresh secret of PASSKEY_SECRET_BYTES as text, and the SHA-256 of that text as hex. */
struct str passkey_secret(struct arena *a, struct str *out_hash);
/* The SHA-256 of a text as hex. */
struct str passkey_hash(struct arena *a, struct str text);
/* What an authenticator knows a person by; base64url, tells nothing but equality. */
struct str passkey_handle(const struct api_call *c, struct str person);

/* Reads clientDataJSON, given as base64url; `challenge` is its text. ERR_INVALID, field
 * "client_data". */
MUST int passkey_client(struct str text, struct arena *a, struct webauthn_client *out,
			struct str *challenge, struct err *e);
/* base64url of a member of the body. ERR_INVALID names it. */
MUST int passkey_bytes(struct str text, const char *field, struct arena *a, struct str *out,
		       struct err *e);
/* A challenge of that purpose for that person (0: nobody) in place of his others: its text. */
MUST int passkey_challenge(struct api_call *c, const char *purpose, int64_t person_id,
			   struct str key_name, int64_t for_ms, struct str *out, struct err *e);

/* ---- what ends them -------------------------------------------------------------------------- */

/* Revokes a passkey, ends its sessions, notes both with the reason. */
MUST int passkey_revoke(struct api_call *c, const struct passkey *p, const char *reason,
			struct err *e);
/* A key was revoked: what came in by it is, and sessions and links of its owner end. */
MUST int passkey_key_revoked(struct api_call *c, struct str key_name, struct str owner,
			     struct err *e);
/* A person was made inactive: his sessions and links end. */
MUST int passkey_person_ended(struct api_call *c, int64_t person_id, struct str person,
			      struct err *e);
