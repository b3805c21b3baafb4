/* SPDX-License-Identifier: AGPL-3.0-or-later */
#pragma once
/*
 * What a node believes of others, by the roots that it joined: whose keys sign for the master,
 * and who may read an instance's secrets. Pure: answers of the master go in, what holds of them
 * comes out.
 */
#include "agent/proof.h"
#include "trust/age.h"
#include "trust/cert.h"

enum {
	CLOUD_MASTERS_MAX = 8,
	CLOUD_RECIPIENTS_MAX = AGE_RECIPIENTS_MAX,
	CLOUD_TEXT_MAX = 240,
	CLOUD_NAMES_MAX = 100
};

struct cloud {
	struct proof_key masters[CLOUD_MASTERS_MAX];
	size_t master_count;
	struct str chain; /* PEM: what certificates of users are sent with */
};

/*
 * Reads GET /v1/ca: masters whose certificate holds under `roots` (PEM) with purpose server and of
 * kind master; others are left out. Texts in `a`. ERR_CORRUPT, ERR_INVALID.
 */
MUST int cloud_read(struct str body, struct str roots, int64_t now_ms, struct arena *a,
		    struct cloud *out, struct err *e);

struct recipients {
	bool is_sealed;	  /* else the customer takes secrets in clear */
	int64_t rotation; /* secrets of an older one are made anew */
	struct str *keys; /* recipients, "age1…" */
	size_t count;
	/* Whose the instance is, the cloud's zone ("" if it has none), and the names that are the
	 * customer's with all below them: what a node may issue for him. */
	struct str customer, zone, *names;
	size_t name_count;
	char left_out[CLOUD_TEXT_MAX]; /* who is not among them, and why; "" if nobody */
};

/*
 * Reads GET /v1/instances/GUID/recipients. Only who proves his sealing key is a recipient: his
 * certificate holds (or ended less than KEYS_GRACE_DAYS ago) under `roots`, is for him and for the
 * key named, and that key signed the statement. `chain` as in struct cloud; `crl`: revocation
 * list, "" if none is at hand.
 */
MUST int recipients_read(struct str body, struct str roots, struct str chain, struct str crl,
			 int64_t now_ms, struct arena *a, struct recipients *out,
			 struct err *e);
/*
 * Reads, of the same answer, the keys of the node that the instance is on: to seal its parameters
 * to. Judged in the same way.
 */
MUST int recipients_read_node(struct str body, struct str roots, struct str chain,
			      struct str crl, int64_t now_ms, struct arena *a,
			      struct recipients *out, struct err *e);
/* The same as kept text, and back (ERR_CORRUPT). left_out is not kept. */
struct str recipients_text(const struct recipients *r, struct arena *a);
MUST int recipients_parse(struct str text, struct arena *a, struct recipients *out,
			  struct err *e);
/* SHA-256 in hex of a clear text and whom it is sealed to: the same while neither changes. */
struct str recipients_digest(const struct recipients *r, struct str clear, struct arena *a);
