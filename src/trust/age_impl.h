/* SPDX-License-Identifier: AGPL-3.0-or-later */
#pragma once
/*
 * Friends of trust/age.h: the file's parts.
 *
 *     age-encryption.org/v1                        ┐
 *     -> X25519 SHARE          (base64)            │ header, at most AGE_HEADER_MAX bytes
 *     BODY                     (the file's key)    │
 *     -> scrypt SALT LOG_N     (or, then alone)    │
 *     BODY                                         │
 *     --- MAC                                      ┘
 *     NONCE (16 bytes)  chunks of 64 KiB + 16 bytes of tag, the last one shorter
 */
#include "trust/age.h"

enum {
	AGE_X_BYTES = 32,   /* of a key of X25519 */
	AGE_KEY_BYTES = 16, /* of a file's key */
	AGE_TAG_BYTES = 16,
	AGE_BODY_BYTES = AGE_KEY_BYTES + AGE_TAG_BYTES,
	AGE_MAC_BYTES = 32,
	AGE_NONCE_BYTES = 16,
	AGE_SALT_BYTES = 16,
	AGE_CHUNK_BYTES = 64 << 10,
	AGE_HEADER_MAX = 32 << 10,
	AGE_STANZAS_MAX = 2 * AGE_RECIPIENTS_MAX,
	AGE_TEXT_MAX = 2 << 20,	     /* of a sealed text, armour included */
	AGE_SCRYPT_LOG_N_MAX = 18,   /* what the tool age uses: 256 MiB */
	AGE_IDENTITY_TEXT_SIZE = 75, /* "AGE-SECRET-KEY-1…" with its NUL */
};

struct age_identity { /* guarded memory */
	uint8_t secret[AGE_X_BYTES];
	uint8_t public[AGE_X_BYTES];
};

/* An identity of these bytes. */
MUST int age_identity_of(const uint8_t secret[static AGE_X_BYTES], struct age_identity **out,
			 struct err *e);
/* Writes it into a new file at `path`: 0600, durable, whole or not at all. 1: the name is taken. */
MUST int age_identity_write(const struct age_identity *i, const char *path, struct err *e);
/* The bytes of "age1…". */
MUST int age_recipient_read(struct str text, uint8_t out[static AGE_X_BYTES], struct err *e);

enum age_stanza_kind { AGE_STANZA_OTHER, AGE_STANZA_X25519, AGE_STANZA_SCRYPT };

struct age_stanza {
	enum age_stanza_kind kind;
	unsigned log_n;		  /* scrypt */
	uint8_t arg[AGE_X_BYTES]; /* X25519: the sender's share; scrypt: the salt */
	uint8_t body[AGE_BODY_BYTES];
};

struct age_file {
	struct age_stanza *stanzas;
	size_t count;
	struct str signed_part; /* the header up to its three dashes */
	uint8_t mac[AGE_MAC_BYTES];
	struct str payload; /* nonce and chunks */
};

/* Takes a sealed text or file apart, without any key. ERR_CORRUPT. Spans point into `sealed` or
 * `a`. */
MUST int age_file_read(struct str sealed, struct arena *a, struct age_file *out, struct err *e);
/* Appends a stanza; `arg` has `arg_n` bytes, log_n > 0 is a second argument. */
void age_stanza_write(struct buf *b, const char *kind, const uint8_t *arg, size_t arg_n,
		      unsigned log_n, const uint8_t body[static AGE_BODY_BYTES]);
/* Bytes of clear text in a payload of `n` bytes. ERR_CORRUPT: no payload has that size. */
MUST int age_payload_clear(size_t n, size_t *out, struct err *e);

/* base64, the usual alphabet. Strict: canonical, no blanks. *n: room, then bytes written. */
bool age_base64_read(struct str text, bool is_padded, uint8_t *out, size_t *n);
/* Appends; padded or not. */
void age_base64_add(struct buf *b, const uint8_t *bytes, size_t n, bool is_padded);
/* Armour on, armour off. ERR_CORRUPT. */
MUST int age_armour(struct str bytes, struct arena *a, struct str *out, struct err *e);
MUST int age_armour_off(struct str text, struct arena *a, struct str *out, struct err *e);
