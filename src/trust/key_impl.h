/* SPDX-License-Identifier: AGPL-3.0-or-later */
#pragma once
/*
 * The inside of a key, for key.c (memory, files) and key_token.c (PKCS #11), and what ca.c does
 * with key files beyond key.h.
 */
#include "trust/gnutls_impl.h"

enum { KEY_PIN_SIZE = 256 };

struct key {
	gnutls_privkey_t handle;
	enum key_kind kind;
	char *public; /* DER */
	size_t public_bytes;
	struct hash name;
	char pin[KEY_PIN_SIZE]; /* of a token, "" else: it may ask again */
};

/* An empty key with a handle; then key_learn once the handle has its key. */
MUST int key_new(struct key **out, struct err *e);
MUST int key_learn(struct key *k, struct err *e);

/* Writes the key into a new plain file. 1: a file of that name exists. */
MUST int key_save(const struct key *k, const char *path, struct err *e);
/* Is the file at `path` a sealed one? 1: there is none. */
MUST int key_is_sealed(const char *path, bool *out, struct err *e);
