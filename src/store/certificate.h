/* SPDX-License-Identifier: AGPL-3.0-or-later */
#pragma once
/*
 * Table certificate: every certificate that the cloud's authorities signed. Rows are never
 * deleted; what a revocation list holds is made from those that are revoked and have not ended.
 */
#include "core/model.h"
#include "store/schema.h"

enum { CERTIFICATE_REVOKED_MAX = 100000 }; /* on one revocation list */

struct certificate {
	int64_t id;
	struct str serial;	/* lower-case hex */
	struct str authority;	/* "users" or "services" */
	struct str kind, owner; /* words of cert_kind; whose key it is for */
	struct str names_json;	/* ["www.example.com"] */
	int64_t customer_id;	/* 0: none */
	struct str key_name;	/* SHA-256 of the public key, hex */
	struct str pem;		/* the leaf alone */
	int64_t from_ms, to_ms;
	int64_t revoked_at_ms; /* 0: good */
	int64_t reason;	       /* RFC 5280 5.3.1 */
};

/* Inserts; sets x->id. */
MUST int store_certificate_add(struct db_tx *tx, struct certificate *x, struct err *e);
/* The one with that serial. */
MUST int store_certificate_find(struct db_tx *tx, struct arena *a, struct str serial,
				struct certificate *out, struct err *e);
/* The newest of a key, revoked or not. */
MUST int store_certificate_newest(struct db_tx *tx, struct arena *a, struct str key_name,
				  struct certificate *out, struct err *e);
/* Of an owner, those that have not ended at `now_ms`, newest first. */
MUST int store_certificate_of(struct db_tx *tx, struct arena *a, struct str kind,
			      struct str owner, int64_t now_ms, int64_t limit,
			      struct certificate **out, size_t *count, struct err *e);
/* Of a key, those that neither have ended nor are revoked. */
MUST int store_certificate_good(struct db_tx *tx, struct arena *a, struct str key_name,
				int64_t now_ms, struct certificate **out, size_t *count,
				struct err *e);
/* Of a kind (masters), those that neither have ended nor are revoked, newest first. */
MUST int store_certificate_kind(struct db_tx *tx, struct arena *a, struct str kind,
				int64_t now_ms, int64_t limit, struct certificate **out,
				size_t *count, struct err *e);
/* Revokes: 1, or 0 if it was revoked already (it stays as it was). */
MUST int store_certificate_revoke(struct db_tx *tx, int64_t id, int64_t now_ms, int64_t reason,
				  struct err *e);

/* What changes whenever a revocation list would: how many there are, the newest moment. */
struct certificate_mark {
	int64_t count, newest_ms;
};
MUST int store_certificate_mark(struct db_tx *tx, struct str authority, int64_t now_ms,
				struct certificate_mark *out, struct err *e);
/* Those revoked that have not ended; only serial, revoked_at_ms and reason are filled. */
MUST int store_certificate_revoked(struct db_tx *tx, struct arena *a, struct str authority,
				   int64_t now_ms, struct certificate **out, size_t *count,
				   struct err *e);
