/* SPDX-License-Identifier: AGPL-3.0-or-later */
#pragma once
/*
 * Passkeys (Web Authentication, level 2): what a relying party checks. ES256 and EdDSA;
 * attestation "none" (others are taken as if none were given). User verification is required.
 * Bytes come from browsers: sizes are bounded. Foreign library: libcbor.
 */
#include "base/arena.h"
#include "trust/hash.h"

enum { WEBAUTHN_ID_MAX = 1023, WEBAUTHN_PUBLIC_MAX = 512 };

struct webauthn_key {
	struct str id;	   /* credential id, bytes */
	struct str public; /* DER of its public key */
	uint32_t count;	   /* signature counter */
	bool is_backed_up;
};
/*
 * Registration (7.1): checks clientDataJSON members that the caller read (`type`, `challenge`
 * bytes, `origin`) against what is expected, and the attestation object. ERR_INVALID names the
 * member: "client_data.origin"….
 */
struct webauthn_expected {
	struct str challenge; /* bytes */
	struct str origin;    /* "https://cloud.example" */
	struct str rp_id;     /* "cloud.example" */
};
struct webauthn_client {
	struct str json;		    /* clientDataJSON as sent */
	struct str type, challenge, origin; /* its members; challenge decoded */
};
MUST int webauthn_register(const struct webauthn_expected *x, const struct webauthn_client *c,
			   struct str attestation_object, struct arena *a,
			   struct webauthn_key *out, struct err *e);
/* Login (7.2). `k` is what registration gave; *out_count the new counter. ERR_FORBIDDEN: a bad
 * signature, or a counter that went backwards (a copied key). */
MUST int webauthn_login(const struct webauthn_expected *x, const struct webauthn_client *c,
			const struct webauthn_key *k, struct str authenticator_data,
			struct str signature, struct arena *a, uint32_t *out_count,
			struct err *e);
