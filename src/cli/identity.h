/* SPDX-License-Identifier: AGPL-3.0-or-later */
#pragma once
/*
 * Who one is, as files (docs/joining.md):
 *
 *     DIR/key.pem      the private key (PKCS #8, 0600): made here, never leaves
 *     DIR/cert.pem     its certificate, and what it is sent with
 *     DIR/roots.pem    the roots of the cloud: whom to believe
 *     DIR/seal.age     what secrets are sealed to (an age identity, 0600)
 *     DIR/name         "person NAME of CLOUD"
 *     DIR/cert.next, DIR/key.next   a change of key that is under way
 *     DIR/roots.next   the root that a token names, until its cloud has answered
 *
 * DIR has mode 0700. One identity is of one cloud; several clouds are several directories.
 */
#include "cli/client.h"
#include "trust/age.h"
#include "trust/cert.h"
#include "trust/renewal.h"

enum { IDENTITY_FILE_MAX = 1 << 20, IDENTITY_GRACE_DAYS = RENEWAL_GRACE_DAYS };

struct identity {
	const char *dir;
	const char *key_path, *cert_path, *roots_path, *seal_path, *name_path;
	const char *key_next, *cert_next, *roots_next;
};
/* The paths of the identity that the call is to use; nothing has to be there. */
MUST int identity_paths(struct cli_call *c, struct identity *out, struct err *e);
/* Reads the own certificate: the leaf of cert.pem. 1: there is none. */
MUST int identity_cert(struct cli_call *c, const struct identity *i, struct cert *out,
		       struct err *e);
/* Opens the key; ERR_NOT_FOUND if there is none. */
MUST int identity_key(const struct identity *i, struct key **out, struct err *e);
/*
 * What a request to an https master is sent with. Finishes a change of key that was cut off,
 * and renews a certificate past two thirds of its life. ERR_FORBIDDEN says what to do: nothing is
 * there, or it has ended and could not be renewed.
 */
MUST int identity_use(struct cli_call *c, struct client_as *out, struct err *e);
/* If the failure *e comes from a revoked key, says so, and what to do. Always -1. */
int identity_explain(struct cli_call *c, struct err *e);

/* Asks for a certificate for the key in `key_path` and puts answer and roots in place, the
 * certificate at `cert_path`. */
MUST int identity_renew(struct cli_call *c, const struct identity *i, const struct key *k,
			const char *cert_path, struct err *e);
/* Tells the master what secrets are to be sealed to: seal.age, made if there is none, signed by
 * the key. The identity has to be usable. */
MUST int identity_seal(struct cli_call *c, const struct identity *i, struct err *e);
/*
 * Takes an enrolment's or renewal's answer apart, checks that it is for this key and holds under
 * `roots` (PEM, trusted so far), and writes it; new roots only if old ones vouch for them.
 */
MUST int identity_install(struct cli_call *c, const struct identity *i, const struct key *k,
			  const struct json *answer, struct str roots, const char *cert_path,
			  struct err *e);

/* The verbs: login, join, logout, token …, key …, domain …, cert … */
extern const struct cli_table cli_identity_commands;
cli_fn verb_login, verb_logout;
cli_fn verb_key_list, verb_key_revoke, verb_key_renew, verb_key_split, verb_key_join;
cli_fn verb_token_make, verb_token_list;
cli_fn verb_domain_add, verb_domain_remove, verb_domain_list;
cli_fn verb_cert_show, verb_cert_revoke;
