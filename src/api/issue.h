/* SPDX-License-Identifier: AGPL-3.0-or-later */
#pragma once
/*
 * Inside room api: certificates are made here and nowhere else.
 *
 * Each function signs with the cloud's authority, stores the certificate (table certificate),
 * notes event certificate.issued, and appends the certificate to the transparency log: all in
 * the call's transaction, so that none exists which the cloud does not tell about. All fail with
 * ERR_UNSUPPORTED in local mode, and while the authority cannot sign.
 */
#include "api/call.h"
#include "trust/ca.h"

struct issued {
	char serial[CERT_SERIAL_SIZE]; /* lower-case hex */
	struct str pem;		       /* leaf and what it is sent with: issuers, links */
	struct str leaf;	       /* PEM of the leaf alone */
	int64_t from_ms, to_ms;
};

/*
 * A certificate of authority users for a person, node, instance (client) or master (client and
 * server, with `names`). `public` is the DER of its key. A node's serves too.
 */
MUST int issue_identity(struct api_call *c, enum cert_kind kind, struct str name,
			struct str public, const struct cert_names *names, struct issued *out,
			struct err *e);

struct issue_order {
	int64_t customer_id; /* whose names they are */
	struct str owner; /* who holds the key: guid of an instance, name of an ACME account */
	struct cert_names names;
	struct str public; /* DER */
	int64_t days;	   /* 0: CA_LEAF_DAYS */
};
/*
 * A certificate of authority services. Every DNS name must belong to the customer (issue_may);
 * that the order's addresses are his is for the caller to have proven.
 */
MUST int issue_service(struct api_call *c, const struct issue_order *o, struct issued *out,
		       struct err *e);
/*
 * Is this DNS name ("*." before it or not) the customer's: a domain of his or below one, or
 * CUSTOMER.ZONE or below it? ERR_INVALID: no DNS name. ERR_FORBIDDEN: it is not; the text does
 * not tell whose it is.
 */
MUST int issue_may(struct api_call *c, int64_t customer_id, struct str name, struct err *e);

/* An issuer of a node, limited to `names` (CA_DELEGATED_DAYS). */
MUST int issue_delegated(struct api_call *c, struct str node, struct str public,
			 const struct cert_names *names, struct issued *out, struct err *e);

/*
 * Takes up a certificate (DER) that a delegated issuer made: stored, noted and logged like the
 * others. The caller has checked the chain. `customer_id` 0: not known.
 */
MUST int issue_take(struct api_call *c, struct str der, struct str owner, int64_t customer_id,
		    struct issued *out, struct err *e);
/* Every service's certificate of an instance that is gone. */
MUST int issue_revoke_owner(struct api_call *c, struct str owner, struct err *e);

/*
 * Revokes the certificate of that serial: 1, or 0 if there is none. `reason` as in struct
 * ca_revoked. One that is revoked already stays as it is. Notes certificate.revoked.
 */
MUST int issue_revoke(struct api_call *c, struct str serial, int reason, struct err *e);
/* Every unrevoked certificate of a key. */
MUST int issue_revoke_key(struct api_call *c, struct str key_name, int reason, struct err *e);
