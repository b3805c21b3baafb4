/* SPDX-License-Identifier: AGPL-3.0-or-later */
#pragma once
/*
 * The issuer that a cloud delegated to this node: NODEDIR/identity.
 *
 *     issuer.key     made here (0600)       issuer.names   what it was delegated for, JSON
 *     issuer.pem     its certificate, and what is above it
 *     services.pem   roots of authority services
 *
 * While it is delegated the issuer is renewed after two thirds of its life, so that a node that is
 * cut off has 60 days at least, and when its names change. It signs when the master does not
 * answer, and for an instance's own names only: what its customer has, as the master said last,
 * within what the issuer's certificate says. Whatever it signs is queued for the master before
 * anybody may use it.
 *
 * Any thread; authority_refresh by one at a time.
 */
#include "agent/cloud.h"
#include "agent/talkers.h"

/* A request to the master that failed so was not answered: what is due may be done without it. */
bool authority_is_away(const struct err *e);

/* When an issuer is to be renewed. */
int64_t authority_due_ms(const struct cert *issuer);
/*
 * Asks the master what is delegated and gets or renews the issuer. 0: nothing is delegated, and
 * what there was is removed; 1: the issuer is good. Errors of requests; ERR_CORRUPT: the
 * answer is not for our key.
 */
MUST int authority_refresh(const char *node_dir, struct str node, struct talkers *t,
			   int64_t now_ms, struct arena *a, struct err *e);

struct authority_order {
	const char *node_dir;
	struct ndb *ndb; /* where it is queued for the master */
	struct str guid; /* of the instance */
	const struct recipients *owner;
	struct cert_names names;
	struct str public; /* DER of the instance's key */
	int64_t now_ms;
};
/*
 * A certificate by the node's issuer: *out_chain and *out_roots are PEM. ERR_UNSUPPORTED: nothing is
 * delegated, or it has ended. ERR_FORBIDDEN: a name is not the customer's. ERR_INVALID: it is outside
 * what was delegated.
 */
MUST int authority_issue(const struct authority_order *o, struct arena *a,
			 struct str *out_chain, struct str *out_roots, struct err *e);
