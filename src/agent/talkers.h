/* SPDX-License-Identifier: AGPL-3.0-or-later */
#pragma once
/*
 * The node's clients of its master, and the one place where what is said there is proven.
 *
 * A few clients with kept connections, taken in turn by threads. For a node with keys (a master
 * of https) each request carries a fresh nonce, each write is signed with the next number of the
 * node, and an answer is only given on if the master signed it for this very request and knows no
 * less than it did when the request was sent. All else ends in ERR_CORRUPT, or, where the master
 * was put back to an old state, ERR_CONFLICT; a log event names it. A master that went
 * backwards gets no write until it has caught up.
 *
 * Kept in node.db: the highest sequence seen in an answer to a GET (a poll is such: the node acts
 * on nothing older), and the end of the block of numbers for writes (blocks of 1,000, so a start
 * leaves some out).
 *
 * Threads: all functions but init and fini from any.
 */
#include "agent/cloud.h"
#include "agent/keys.h"
#include "agent/ndb.h"
#include "http/client.h"

struct talkers;

struct talkers_options {
	const char *master; /* base URL */
	struct keys *keys;  /* NULL: plain, as for a local master */
	struct ndb *ndb;
	struct str node;
	const struct clock *clock;
	size_t clients; /* 1 … TALKERS_MAX */
};

enum { TALKERS_MAX = 32 };

/* What it names stays the caller's and outlives the talkers. */
MUST int talkers_new(const struct talkers_options *o, struct talkers **out, struct err *e);
/* Requests under way end at once, later ones fail with ERR_UNREACHABLE. NULL is accepted. */
void talkers_cancel(struct talkers *t);
/* NULL is accepted; returns NULL. No request may be under way. */
struct talkers *talkers_free(struct talkers *t);

/* Forgets how much the master was known to know: for a node that joins. */
MUST int talkers_forget(struct ndb *n, struct err *e);

/* One request on a free client; waits for one. Blocks. Errors of http_fetch and of above. */
MUST int talkers_fetch(struct talkers *t, const struct http_request *r, struct arena *a,
		       struct http_response *out, struct err *e);
/* As talkers_fetch for an answer that proves itself (certificates, bundles): its signature is not
 * looked at. */
MUST int talkers_fetch_proven(struct talkers *t, const struct http_request *r, struct arena *a,
			      struct http_response *out, struct err *e);
/* As talkers_fetch, and a status outside 2xx is the error of http_error_from_response. */
MUST int talkers_fetch_ok(struct talkers *t, const struct http_request *r, struct arena *a,
			  struct http_response *out, struct err *e);
/* The keys, NULL for a plain master. */
struct keys *talkers_keys(struct talkers *t);
/* Certificates of the cloud as they were fetched last, fetched now if they never were: the chain
 * (PEM) and the list of revoked ones (DER, "" if there is none). */
MUST int talkers_certificates(struct talkers *t, struct arena *a, struct str *out_chain,
			      struct str *out_crl, struct err *e);
/* What is wrong with the last answer, a sentence; "" if it was good. */
void talkers_trouble(struct talkers *t, char out[static CLOUD_TEXT_MAX]);
