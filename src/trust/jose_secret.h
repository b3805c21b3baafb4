/* SPDX-License-Identifier: AGPL-3.0-or-later */
#pragma once
/*
 * 32 random bytes in a file of their own, from which other secrets are derived (HMAC-SHA-256): the
 * keys of external account bindings need not be stored then. In memory the bytes are guarded
 * (locked, never in a core file, zeroed). May be used by many threads.
 */
#include "base/str.h"

enum { JOSE_SECRET_BYTES = 32 };

struct jose_secret;

/*
 * The secret at `path`, made there first (mode 0600, durable before this returns) if there is no
 * file; the directory must exist. ERR_CORRUPT: not 32 bytes. ERR_FORBIDDEN: others may read it.
 */
MUST int jose_secret_open(const char *path, struct jose_secret **out, struct err *e);
/* Zeroes and frees. NULL is accepted; returns NULL. */
struct jose_secret *jose_secret_free(struct jose_secret *s);
void jose_secret_freep(struct jose_secret **s);
/* The bytes; they live as long as the secret. */
struct str jose_secret_bytes(const struct jose_secret *s);
