/* SPDX-License-Identifier: AGPL-3.0-or-later */
#pragma once
/*
 * Sealing: what only the holders of some keys can read.
 *
 * A sealed text is a file of the age format, version 1 (age-encryption.org/v1), in its ASCII
 * armour: an X25519 sealed box of the file's key for each recipient, and the content under
 * ChaCha20-Poly1305. The tool age reads and writes the same.
 *
 * A recipient is "age1…" (bech32 of an X25519 public key), an identity "AGE-SECRET-KEY-1…",
 * kept in a file of mode 0600 as that tool keeps it. In memory an identity is guarded (locked,
 * never in a core file, zeroed). A struct age_identity may be used by many threads.
 */
#include "base/arena.h"

enum {
	AGE_RECIPIENT_SIZE = 63, /* with its NUL */
	AGE_RECIPIENTS_MAX = 100,
	AGE_CLEAR_MAX = 1 << 20,
	AGE_SCRYPT_LOG_N = 16, /* work of a passphrase: about 0.2 s and 64 MiB */
};

struct age_identity;

/* The identity at `path`, made there first (0600, durable) if there is none. ERR_CORRUPT,
 * ERR_FORBIDDEN if others may read it. */
MUST int age_identity_open(const char *path, struct age_identity **out, struct err *e);
/* As above, never makes one: 1 if there is no file. */
MUST int age_identity_load(const char *path, struct age_identity **out, struct err *e);
/* A fresh one in memory. */
MUST int age_identity_make(struct age_identity **out, struct err *e);
struct age_identity *age_identity_free(struct age_identity *i);
void age_identity_freep(struct age_identity **i);
/* Its recipient: "age1…". */
void age_identity_recipient(const struct age_identity *i, char out[static AGE_RECIPIENT_SIZE]);

/* Is that a recipient? ERR_INVALID (field "recipient"). */
MUST int age_recipient_check(struct str text, struct err *e);

/* Seals `clear` to all recipients: armoured text. ERR_INVALID, ERR_TOO_LARGE. */
MUST int age_seal(struct str clear, const struct str *recipients, size_t count, struct arena *a,
		  struct str *out, struct err *e);
/* ERR_FORBIDDEN: not sealed to this identity. ERR_CORRUPT: changed, cut, or no sealed text.
 * The clear text is in `a`: wipe it (trust/wipe.h) when done. */
MUST int age_unseal(struct str sealed, const struct age_identity *i, struct arena *a,
		    struct str *out, struct err *e);
/* Does it look like a sealed text (the armour's first line)? */
bool age_is_sealed(struct str text);
/* Well formed, as far as one can see without a key: ERR_CORRUPT. *stanzas: how many boxes. */
MUST int age_check(struct str sealed, size_t *stanzas, struct err *e);

/* By a passphrase (scrypt). `is_armoured` false: the binary form. */
MUST int age_seal_passphrase(struct str clear, struct str passphrase, bool is_armoured,
			     struct arena *a, struct str *out, struct err *e);
/* ERR_FORBIDDEN: not that passphrase. */
MUST int age_unseal_passphrase(struct str sealed, struct str passphrase, struct arena *a,
			       struct str *out, struct err *e);

/*
 * m of n shares of an identity (Shamir over GF(256)): `need` of them give it back, fewer tell
 * nothing. A share is a line "hoc-share-v1 NEED INDEX HEX CHECK". 2 ≤ need ≤ n ≤ 20.
 */
MUST int age_identity_split(const struct age_identity *i, unsigned need, unsigned n,
			    struct arena *a, struct str *out, struct err *e);
/* Writes the identity to `path` (0600, not over an existing file). ERR_INVALID names the share. */
MUST int age_identity_join(const struct str *shares, size_t count, const char *path,
			   struct err *e);
