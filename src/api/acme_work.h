/* SPDX-License-Identifier: AGPL-3.0-or-later */
#pragma once
/*
 * Validations of ACME challenges, for the master's job. The network is asked outside of any
 * transaction:
 *
 *     acme_work_claim    in a write transaction: takes some that are due; a claim lasts
 *                        ACME_LEASE_MS, so that what a master that died had claimed is due again
 *     (ask)
 *     acme_work_settle   in a write transaction: what was found; tries again later, or decides
 */
#include "api/api.h"
#include "core/acme.h"

struct acme_work {
	int64_t id; /* of the authorization */
	int64_t tries;
	struct str name; /* of the authorization */
	enum acme_method method;
	struct str identifier; /* the DNS name, without "*." */
	struct str token;
	struct str key_authorization; /* RFC 8555 8.1 */
};

enum acme_finding {
	ACME_PROVEN,
	ACME_NO_NAME,	    /* DNS did not tell */
	ACME_NO_CONNECTION, /* nobody answered, or it may not be asked */
	ACME_NO_TLS,	    /* a handshake failed */
	ACME_OTHER_ANSWER,  /* an answer that proves nothing */
	ACME_FINDINGS
};

/* When the first validation is due, 0 if none is. Any transaction. */
MUST int acme_work_next(struct db_tx *tx, int64_t now_ms, int64_t *due_at_ms, struct err *e);
/* At most `limit`; what they say lives in `a`. */
MUST int acme_work_claim(struct api *api, struct db_tx *tx, size_t limit, struct arena *a,
			 struct acme_work **out, size_t *count, struct err *e);
/* `text`: one sentence for the client, without what a server answered. Settling what another
 * master has settled meanwhile changes nothing. */
MUST int acme_work_settle(struct api *api, struct db_tx *tx, const struct acme_work *w,
			  enum acme_finding finding, struct str text, struct arena *a,
			  struct err *e);
/* Forgets what is over, a few rows at a time. */
MUST int acme_work_forget(struct api *api, struct db_tx *tx, struct arena *a, struct err *e);
