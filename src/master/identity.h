/* SPDX-License-Identifier: AGPL-3.0-or-later */
#pragma once
/*
 * Inside room master: the cloud's authorities, and who the master itself is.
 *
 *     DIR/ca/users/, DIR/ca/services/   the two authorities (trust/ca.h)
 *     DIR/identity/key.pem, or key.age  the master's own key, plain or sealed by the passphrase
 *     DIR/identity/cert.pem             its certificate and what is between it and the roots
 *     DIR/eab.key                       32 random bytes, 0600: keys of ACME accounts come from it
 *
 * Whatever is sealed is opened at start and stays open: without its passphrase (or the PIN of a
 * token) a master does not start, since it could answer no node and would lose its own
 * certificate in the end. The key stays for ever: nodes know it by name. Its certificate is made
 * anew by the master itself, since the authority is at hand: when two thirds of its life are
 * over, when the names in the settings or the authority's chain changed.
 */
#include "base/arena.h"
#include "base/clock.h"
#include "trust/ca.h"
#include "trust/tls.h"

enum { MASTER_EAB_BYTES = 32, MASTER_SECRET_MAX = 1000 };

struct master_secrets {
	struct str passphrase, pin; /* "": none */
};
/*
 * Reads both from the files given; NULL: from $CREDENTIALS_DIRECTORY/hoc-passphrase and hoc-pin
 * (systemd's credentials), if these are there. A newline at the end is no part of them.
 * ERR_NOT_FOUND names the file.
 */
MUST int master_secrets_read(const char *passphrase_file, const char *pin_file, struct arena *a,
			     struct master_secrets *out, struct err *e);
/* Zeroes them. */
void master_secrets_wipe(struct master_secrets *s);

struct master_identity {
	const char *dir; /* the master's data */
	struct ca *users, *services;
	struct key *key;
	char key_name[HASH_TEXT_SIZE];
	struct cert_trust *trust; /* roots of users, and what is below them */
	char eab[MASTER_EAB_BYTES];
	struct tls_server *tls; /* NULL until master_identity_show */
	int64_t renew_at_ms;	/* of the certificate that is shown */
};

/* Has DIR authorities? */
bool master_identity_is_there(const char *dir);
/*
 * Opens what init made. `dir` must stay. ERR_NOT_FOUND: something is missing; ERR_FORBIDDEN: not that
 * passphrase or PIN, or others may read a key's file.
 */
MUST int master_identity_open(const char *dir, const struct master_secrets *s, struct arena *a,
			      struct master_identity *out, struct err *e);
/* Zeroes and frees; also a half-opened or zeroed one. */
void master_identity_close(struct master_identity *i);

/* Is the certificate on disk the one to show now? 1 or 0: another has to be made. */
MUST int master_identity_check(struct master_identity *i, const struct cert_names *names,
			       int64_t now_ms, struct arena *a, struct err *e);
/* Keeps a fresh chain (PEM, without roots) on disk. */
MUST int master_identity_keep(const struct master_identity *i, struct str chain,
			      struct arena *a, struct err *e);
/* Shows what is on disk: to those who connect from now on. */
MUST int master_identity_show(struct master_identity *i, struct arena *a, struct err *e);
