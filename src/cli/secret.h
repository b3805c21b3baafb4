/* SPDX-License-Identifier: AGPL-3.0-or-later */
#pragma once
/*
 * Secrets on the client's side: sealed before they leave, unsealed after they came.
 *
 * A master that is asked over http:// is a local one: nothing is sealed there. Else a secret goes
 * out sealed to keys that were checked first: a key is believed when a certificate under the
 * cloud's roots (roots.pem of the identity) names its owner, and that certificate's key signed
 * the sealing key. Keys that do not hold are left out and named on standard error.
 */
#include "cli/client.h"
#include "trust/age.h"
#include "trust/cert.h"

/* What this person seals and unseals with. */
struct secret_me {
	bool is_local; /* nothing is sealed; the rest is empty */
	struct str name;
	struct age_identity *seal; /* NULL: the identity has none */
	struct str recipient;	   /* "" then */
	struct cert_trust *trust;
};
/* Reads the identity of the call. ERR_FORBIDDEN says what to do where there is none. */
MUST int secret_me_open(struct cli_call *c, struct secret_me *out, struct err *e);
/* For CLEAN(secret_me_close). */
void secret_me_close(struct secret_me *me);

/* Whom to seal to. */
struct secret_keys {
	struct str items[AGE_RECIPIENTS_MAX];
	size_t count;
};
/*
 * Adds those of a list of recipients (GET …/recipients) that hold, each sealing key once; of `only`
 * if that is not "".
 */
MUST int secret_keys_add(struct cli_call *c, const struct secret_me *me,
			 const struct json *list, struct str only, struct secret_keys *keys,
			 struct err *e);
/* Adds the own one. ERR_FORBIDDEN: there is none. */
MUST int secret_keys_add_own(const struct secret_me *me, struct secret_keys *keys,
			     struct err *e);
/* Seals; ERR_FORBIDDEN where nobody is left to seal to. */
MUST int secret_seal(struct cli_call *c, struct str clear, const struct secret_keys *keys,
		     struct str *out, struct err *e);
/* 1: it is not sealed to this person. Wipe *out (trust/wipe.h). */
MUST int secret_unseal(struct cli_call *c, const struct secret_me *me, struct str sealed,
		       struct str *out, struct err *e);

/* ---- orders ---------------------------------------------------------------------------------- */

/* A request whose secret parameters are to be sealed. */
struct secret_order {
	struct secret_me me;
	struct json *body, *parameters; /* clear as they were given */
	struct str *names;		/* of the secret ones that are among them */
	size_t count;
	struct str node; /* whose keys they were sealed to; "": none yet */
};
/*
 * Reads --secret into `parameters`, which are those of `body`, and finds which are secret: asks
 * the terminal, and the master for the release.
 */
MUST int secret_order_read(struct cli_call *c, struct json *body, struct json *parameters,
			   struct secret_order *out, struct err *e);
/*
 * Sends the request: sealed to this person and, if the instance has a place already, to its node.
 * A value that was sealed to them before stays as it is, so that the same request twice changes
 * nothing.
 */
MUST int secret_order_send(struct cli_call *c, struct secret_order *o, struct json **instance,
			   struct err *e);
/* Sends it again if the instance has got a place since; says on standard error what is left to do
 * if it still has none. */
MUST int secret_order_place(struct cli_call *c, struct secret_order *o, struct json **instance,
			    struct err *e);
/* For CLEAN(secret_order_end): zeroes what was clear. */
void secret_order_end(struct secret_order *o);

/* ---- showing --------------------------------------------------------------------------------- */

/*
 * Replaces secret values in an instance by what a person is to see: with --reveal what can be
 * unsealed; else, and not with --json, a note who can.
 */
MUST int secret_show(struct cli_call *c, struct json *instance, struct err *e);
/* How a row of a list keeps its secrets: "sealed", "clear at the master", "" if it has none. */
struct str secret_mark(const struct json *instance);

/* The verbs: secret share, revoke, rotate, reseal, show. */
extern const struct cli_table cli_secret_commands;
