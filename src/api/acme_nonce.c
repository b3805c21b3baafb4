/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * Nonces: base64url of
 *
 *     6 bytes  the moment it ends, milliseconds, big endian
 *    12 bytes  randomness
 *    15 bytes  the start of HMAC-SHA-256 of both
 *
 * and the keys that are derived from the one secret.
 */
#include "api/acme.h"
#include "trust/wipe.h"

#define NONCE_LABEL "hoc-acme-nonce-v1"
#define EAB_LABEL "hoc-acme-eab-v1\n"

enum { MOMENT_BYTES = 6, RANDOM_BYTES = 12, BODY_BYTES = 18, MAC_BYTES = 15, NONCE_BYTES = 33 };
enum { NAME_BYTES = 16, TOKEN_BYTES = 18, NAME_SIZE = 32, KID_MAX = 64 };

static void mac_of(const struct api_call *c, const uint8_t *body, uint8_t mac[static MAC_BYTES])
{
	struct hash key = hmac_sha256(c->api->options.eab_key, S(NONCE_LABEL));
	struct hash h = hmac_sha256(str_of((const char *)key.bytes, sizeof key.bytes),
				    str_of((const char *)body, BODY_BYTES));
	memcpy(mac, h.bytes, MAC_BYTES);
	trust_wipe(&key, sizeof key);
}

struct str acme_nonce_new(struct api_call *c, int64_t now_ms)
{
	uint8_t bytes[NONCE_BYTES];
	int64_t until = now_ms + ACME_NONCE_FOR_MS;
	for (size_t i = 0; i < MOMENT_BYTES; i++)
		bytes[i] = (uint8_t)(until >> (8 * (MOMENT_BYTES - 1 - i)));
	trust_random(bytes + MOMENT_BYTES, RANDOM_BYTES);
	mac_of(c, bytes, bytes + BODY_BYTES);
	return base64url(str_of((const char *)bytes, sizeof bytes), c->a);
}

bool acme_nonce_read(struct api_call *c, struct str nonce, int64_t now_ms, int64_t *until_ms)
{
	struct err ignored;
	struct str raw;
	uint8_t bytes[NONCE_BYTES], mac[MAC_BYTES], differs = 0;
	if (nonce.n > 2 * NONCE_BYTES || base64url_read(nonce, c->a, &raw, &ignored) < 0 ||
	    raw.n != NONCE_BYTES)
		return false;
	memcpy(bytes, raw.p, NONCE_BYTES);
	mac_of(c, bytes, mac);
	for (size_t i = 0; i < MAC_BYTES; i++)
		differs |= (uint8_t)(mac[i] ^ bytes[BODY_BYTES + i]);
	int64_t until = 0;
	for (size_t i = 0; i < MOMENT_BYTES; i++)
		until = until << 8 | bytes[i];
	*until_ms = until;
	return !differs && until > now_ms && until <= now_ms + 2 * (int64_t)ACME_NONCE_FOR_MS;
}

struct hash acme_eab_key(const struct api_call *c, struct str kid)
{
	char message[sizeof EAB_LABEL + KID_MAX];
	int n = snprintf(message, sizeof message, EAB_LABEL "%" STR_F,
			 STR_A(str_sub(kid, 0, KID_MAX)));
	return hmac_sha256(c->api->options.eab_key, str_of(message, (size_t)n));
}

struct str acme_name_new(struct arena *a)
{
	char text[NAME_SIZE];
	trust_random_text(NAME_BYTES, text, sizeof text);
	return arena_dup(a, str_from(text));
}

struct str acme_token_new(struct arena *a)
{
	char text[NAME_SIZE];
	trust_random_text(TOKEN_BYTES, text, sizeof text);
	return arena_dup(a, str_from(text));
}
