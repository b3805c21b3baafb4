/* SPDX-License-Identifier: AGPL-3.0-or-later */
#pragma once
/*
 * JSON Web Signatures as ACME uses them (RFC 7515, flattened; RFC 7517 keys; RFC 7638 names), and
 * the signatures of passkeys. Algorithms: ES256, ES384, RS256 (2048 … 4096 bits), EdDSA; HS256
 * only to verify an external account binding. This room knows no JSON: the caller hands in the
 * members, decoded as text, and gets bytes.
 */
#include "base/arena.h"
#include "trust/hash.h"

enum jose_alg { JOSE_ES256, JOSE_ES384, JOSE_RS256, JOSE_EDDSA, JOSE_HS256, JOSE_ALGS };
/* ERR_UNSUPPORTED, field "alg". */
MUST int jose_alg_read(struct str word, enum jose_alg *out, struct err *e);

/* base64url without padding; strict: no padding, no blanks, no rest bits. ERR_INVALID. */
MUST int base64url_read(struct str text, struct arena *a, struct str *out, struct err *e);
struct str base64url(struct str bytes, struct arena *a);
/* The usual alphabet with padding. */
MUST int base64_read(struct str text, struct arena *a, struct str *out, struct err *e);
struct str base64(struct str bytes, struct arena *a);

/* Members of a JWK, still base64url; "" where its kind has none. */
struct jwk {
	struct str kty, crv, x, y, n, e;
};
/* The public key (DER) of a JWK. ERR_INVALID, ERR_UNSUPPORTED (kind, size), field "jwk". */
MUST int jwk_public(const struct jwk *k, struct arena *a, struct str *out_der, struct err *e);
/* Its name (RFC 7638): SHA-256 of the canonical JSON. */
MUST int jwk_thumbprint(const struct jwk *k, struct arena *a, struct hash *out, struct err *e);
/*
 * Is `signature` (bytes) over `protected64 "." payload64` by that key? ECDSA as R ‖ S. False too if
 * the algorithm does not fit the key.
 */
bool jws_is_good(enum jose_alg alg, struct str public_der, struct str protected64,
		 struct str payload64, struct str signature);
/* HS256 with a key of ours. Constant time. */
bool jws_hmac_is_good(struct str key, struct str protected64, struct str payload64,
		      struct str signature);
/* HMAC-SHA-256. */
struct hash hmac_sha256(struct str key, struct str message);
