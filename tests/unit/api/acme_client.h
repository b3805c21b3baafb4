/* SPDX-License-Identifier: AGPL-3.0-or-later */
#pragma once
/*
 * An ACME client for tests: a cloud (cloud.h) whose master has an authority for services, accounts
 * with Ed25519 keys, and messages that are right unless a test says how they are to be wrong.
 */
#include "api/acme_work.h"
#include "cloud.h"
#include "trust/ca.h"
#include "trust/key.h"

#define ACME_HOST "acme.test"

struct acme_world {
	struct cloud *c;
	char dir[40];
	struct ca *services;
	const char *nonce; /* of the last answer */
	struct json *answer;
};

/* Customers lila and otto; zone cloud.test; lila.example is lila's. */
void acme_begin(struct acme_world *w, struct cloud *c);
void acme_end(struct acme_world *w);

struct acme_user {
	struct acme_world *w;
	struct key *key;
	const char *url; /* kid; NULL before there is an account */
};
/* With a fresh key. */
void acme_user_begin(struct acme_user *u, struct acme_world *w);
void acme_user_end(struct acme_user *u);
/* Makes an account bound to the customer. */
void acme_join(struct acme_user *u, const char *customer);
const char *acme_jwk(struct acme_world *w, const struct key *k);
const char *acme_thumbprint(struct acme_world *w, const struct key *k);

/* How a message differs from a right one; what is NULL is right. */
struct acme_wrong {
	const char *header;		      /* the protected header as a whole; quotes as ' */
	const char *alg, *nonce, *url, *more; /* more: ",'crit':[…]" */
	const char *media;
	bool with_jwk, with_kid; /* instead of what is right */
	bool is_signature_bad, is_padded;
	const struct key *key; /* signs */
	const char *body;      /* instead of the whole message */
};

/* A signed request; quotes of the payload as '. "" reads (POST-as-GET). The answer's JSON. */
struct json *acme_post(struct acme_user *u, const char *path, const char *payload);
struct json *acme_post_wrong(struct acme_user *u, const char *path, const char *payload,
			     const struct acme_wrong *wrong);
/* An unsigned one. */
struct json *acme_get(struct acme_world *w, const char *method, const char *path);
/* A flattened JWS as text. */
const char *acme_message(struct acme_world *w, const struct key *k, const char *header,
			 const char *payload);
/* The externalAccountBinding of a fresh kid of the customer; `url` NULL: the right one. */
const char *acme_binding(struct acme_user *u, const char *customer, const char *url,
			 const struct key *over);
/* A header of the last answer, or NULL. */
const char *acme_header_of(struct acme_world *w, const char *name);
/* The last answer is a problem of that type and status; "" and 0: none. */
void acme_expect(struct acme_world *w, const char *type, int status);
/* The path of one of our URLs. */
const char *acme_path(const char *url);

/* What the job would do with what is due now: everything is found so. How many there were. */
size_t acme_validate(struct acme_world *w, enum acme_finding finding);
/* Claims what is due, and settles nothing. */
void acme_claim_only(struct acme_world *w);
/* The job that forgets. */
void acme_forget(struct acme_world *w);
/* Orders names (JSON list, quotes as '), gives its path; proves all of them by `method`. */
const char *acme_order(struct acme_user *u, const char *names, const char *method);
/* Answers the challenge of that way of each authorization of an order. */
void acme_answer_all(struct acme_user *u, const char *order_path, const char *method);
/* DER of a request for those names, base64url. */
const char *acme_csr(struct acme_world *w, const struct key *k, const char *common,
		     const char *const *names, size_t count);
