/* SPDX-License-Identifier: AGPL-3.0-or-later */
#pragma once
/*
 * A cloud (cloud.h) with persons and nodes: its api is in tls mode with an authority and a key of
 * its own, and calls are made by somebody. Nodes sign what they report.
 */
#include "cloud.h"
#include "trust/age.h"
#include "trust/ca.h"
#include "trust/key.h"

enum { TRUSTED_MAX = 8 };

/* Somebody with keys. */
struct who {
	const char *kind, *name; /* "person", "node" */
	struct key *key;
	const char *key_name;
	struct age_identity *seal;
	const char *recipient;
	int64_t sequence; /* of a node's newest report */
};

struct trusted {
	struct cloud *c;
	char dir[40];
	struct ca *users, *services;
	struct key *master;
	const char *master_name;
	struct who people[TRUSTED_MAX];
	size_t count;
	/* of the last call: what was sent, if another is to be sent in its place */
	const char *nonce;
	const char *report; /* NULL: the node signs; else this header */
};

/* Takes the cloud over; what was made in local mode before stays. */
void trusted_begin(struct trusted *t, struct cloud *c);
void trusted_end(struct trusted *t);
/* A person, of a customer if `customer` is not NULL (made if there is none). */
struct who *trusted_person(struct trusted *t, const char *name, const char *roles,
			   const char *customer, bool is_owner);
struct who *trusted_node(struct trusted *t, const char *name);
/* A call by somebody (NULL: nobody); quotes as in cloud_call. */
struct json *trusted_call(struct trusted *t, struct who *w, const char *method,
			  const char *target, const char *body);
/* A call as it stands: by a session, with headers of its own. */
struct json *trusted_request(struct trusted *t, const struct api_request *req);
/* As trusted_call, and the status has to be 200 or 201. */
struct json *trusted_ok(struct trusted *t, struct who *w, const char *method,
			const char *target, const char *body);
/* The value of a header of the last answer, or NULL. */
const char *trusted_header(struct trusted *t, const char *name);
/* The header Hoc-Report of a write as `w` signs it. */
const char *trusted_report(struct trusted *t, struct who *w, const char *method,
			   const char *target, const char *body, int64_t sequence);
/* `clear` sealed to some, as a JSON text without its quotes. */
const char *trusted_seal(struct trusted *t, const char *clear, struct who *const *to,
			 size_t count);
/* What `w` reads in a sealed text; NULL: it is not for him. */
const char *trusted_unseal(struct trusted *t, struct who *w, const char *sealed);
/* Revokes the key of `w` in the database, behind the back of the api. */
void trusted_revoke(struct trusted *t, struct who *w);
