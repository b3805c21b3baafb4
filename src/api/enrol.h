/* SPDX-License-Identifier: AGPL-3.0-or-later */
#pragma once
/*
 * Enrolment without a request: what a master does on its own machine, where nobody needs to be
 * let in. Each works in the write transaction given; the api's options must name the authorities
 * where a certificate is made.
 */
#include "api/api.h"
#include "trust/cert.h"
#include "trust/renewal.h"

enum {
	ENROL_TOKEN_MS = 24 * 3600 * 1000,
	ENROL_GRACE_DAYS =
		RENEWAL_GRACE_DAYS /* a certificate that ended may be renewed for so long */
};

struct enrol_order {
	bool is_node;
	struct str name;
	struct str roles;    /* words with a blank between; "": none. Only of a new person */
	struct str customer; /* made if it is not there; "": none. Only of a new person */
	bool is_owner;	     /* of that customer; else a member */
	struct str made_by;  /* as the event tells it */
	struct hash root;    /* ca_root_fingerprint of authority users */
};
/*
 * Makes a token, good for ENROL_TOKEN_MS. For a person who is there already it lets in a further
 * key of his. The text is in `a` and nowhere else: wipe it when it was shown. ERR_INVALID names
 * the field: name, roles, customer. Needs no authority but its fingerprint.
 */
MUST int enrol_token_make(struct api *api, struct db_tx *tx, const struct enrol_order *o,
			  struct arena *a, struct str *out, struct err *e);

/*
 * A certificate of kind master for this master's own key (`public`, DER), with the DNS names and
 * addresses it is reached by: leaf, issuer, links; tls_server_new wants the roots after it.
 */
MUST int enrol_master(struct api *api, struct db_tx *tx, struct str name, struct str public,
		      const struct cert_names *names, struct arena *a, struct str *out_pem,
		      struct err *e);
