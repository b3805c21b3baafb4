/* SPDX-License-Identifier: AGPL-3.0-or-later */
#pragma once
/*
 * The master's answers: one table of operations behind /v1 and the slapos v0 calls.
 *
 * A handler is a function of (call, transaction): no socket, no clock of its own. The same
 * entry serves the HTTP server (api/http.h), the tests and the simulation:
 *
 *     api_open   routes, reads and checks the input; no database; any thread
 *     api_run    inside one transaction of the mode that api_call_mode tells; repeatable
 *     api_refuse renders a failure of either in the dialect of the path
 *
 *     0          the answer is in *out: commit, then send it
 *     API_PARK   (api_run) nothing to tell yet: keep the call, run it again in a new
 * transaction when one of out->topics is woken, and a last time with may_wait false at
 *                out->park_until_ms
 *     -1         roll back, then send what api_refuse makes of *e
 *
 * After the commit of a call the woken topics are in out->wakes. A topic is "node:NAME",
 * "instance:GUID" or "events" (woken by every change).
 *
 * All memory of a call is its arena's. A struct api may be used by any number of threads.
 */
#include "base/arena.h"
#include "base/clock.h"
#include "trust/hash.h"

struct api;
struct api_call;
struct db_tx;
struct profile_eval;
struct http_target;
struct ca;
struct key;

enum {
	API_PARK = 1,
	API_TOPICS_MAX = 64,
	API_WAIT_MAX_S = 60,
	API_ARENA_BYTES = 8 << 20,
	API_HEADERS_MAX = 8
};

/* Who sells, as invoices print it. Empty fields (NULL) have a stated default. */
struct api_seller {
	const char *name;    /* "Hyper Open Cloud" */
	const char *address; /* lines separated by newlines */
	const char *country; /* ISO 3166-1 alpha-2; "FR". Also of customers that state none */
	const char *vat_number; /* none */
};

struct api_options {
	const struct clock *clock; /* must live as long as the api */
	const struct rng *rng;	   /* makes guids; used inside write transactions only */
	struct profile_eval
		*eval;	      /* for publishing; NULL: publishing is refused (unsupported) */
	const char *version;  /* of the program, for /v1/status */
	const char *database; /* "sqlite" or "postgresql" */
	const char *mode;     /* "local", or "tls": callers show certificates */
	struct api_seller seller;
	int64_t liveness_limit_ms; /* 0: 90,000; must be above API_WAIT_MAX_S */
	/* The cloud's authorities and this master's own key; all NULL in local mode, where what
	 * needs them is refused (unsupported). */
	const struct ca *users, *services;
	const struct key *key;
	struct str key_name;	 /* of `key`, as hex */
	const char *cloud;	 /* its name */
	const char *zone;	 /* customers have CUSTOMER.zone; NULL: they have not */
	const struct str *names; /* host names that the master is called by */
	size_t name_count;
	struct str eab_key; /* keys of account bindings (ACME) are derived from it; "": none */
};
/* Texts of the options are not copied. ERR_MEMORY. */
MUST int api_new(const struct api_options *options, struct api **out, struct err *e);
struct api *api_free(struct api *api);
void api_freep(struct api **api);

/* Brings the schema of a database up to date (all tables of the master). */
struct db;
MUST int api_migrate(struct db *db, struct err *e);

/* Who asks. The door (api/http.h) fills it from the certificate, or the session, of the caller. */
enum api_caller_kind { API_ANYONE, API_PERSON, API_NODE };
struct api_caller {
	enum api_caller_kind kind;
	struct str name; /* of the person or node */
	struct hash key; /* name of the key that was proven; all zero: a session of a browser */
	struct str address; /* of the other side */
};

struct api_request {
	struct api_caller caller; /* in local mode everybody is the operator */
	struct str host; /* header Host, and whether it came over TLS: for absolute URLs */
	bool is_tls;
	struct str nonce,
		report; /* headers Hoc-Nonce, Hoc-Report (docs/protocol.md); "" if none */
	struct str cookie, origin, agent; /* headers of browsers (User-Agent); "" if none */
	struct str method;		  /* "GET" */
	struct str target;		  /* "/v1/nodes/n1?x=1", as sent */
	const struct http_target *parsed; /* the target, if it was read already; else NULL */
	struct str content_type;	  /* "" if none */
	struct str accept;		  /* "" if none */
	struct str body;
};

struct api_header {
	const char *name;
	struct str value;
};

struct api_response {
	int status;
	const char *content_type;
	struct str body;
	struct str allow;		  /* header Allow, with 405 */
	int64_t park_until_ms;		  /* API_PARK */
	struct str topics[2];		  /* API_PARK: any of them wakes; empty: unused */
	struct str wakes[API_TOPICS_MAX]; /* after the commit */
	size_t wake_count;
	bool is_wake_all;			    /* more topics than fit: wake everyone */
	struct api_header headers[API_HEADERS_MAX]; /* besides those that every answer has */
	size_t header_count;
	struct str
		session; /* of a browser, whose use is to be noted (api_session_used); else empty */
	struct str contact; /* a node whose contact is to be noted (api_contact); else empty */
	int64_t sequence; /* newest event that a signed answer tells of; 0: it tells of none */
};

/* Errors: ERR_NOT_FOUND (no such path), ERR_INVALID naming the field, ERR_TOO_LARGE. */
MUST int api_open(struct api *api, const struct api_request *req, struct arena *a,
		  struct api_call **out, struct err *e);
/* May the call only read? Then run it in a read transaction. */
bool api_call_is_read(const struct api_call *c);
/* `may_wait`: a long poll may answer API_PARK. */
MUST int api_run(struct api_call *c, struct db_tx *tx, bool may_wait, struct api_response *out,
		 struct err *e);
/* A write was committed and its answer leaves: refusals may tell of its events from now on. */
void api_committed(struct api *api, const struct api_response *out);
/* The answer for a failure; signed like any other to a node. Never fails itself. */
void api_refuse(struct api *api, const struct api_request *req, const struct err *why,
		struct arena *a, struct api_response *out);

/* api_open and api_run in one: for callers that already hold a write transaction. */
MUST int api_handle(struct api *api, const struct api_request *req, struct db_tx *tx,
		    struct arena *a, struct api_response *out, struct err *e);

/* ---- work without a request, each in a write transaction ------------------------------------
 */

/* Notes that `node` was heard of now. Wakes as a response would: `out` may be NULL. */
MUST int api_contact(struct api *api, struct db_tx *tx, struct str node, struct arena *a,
		     struct api_response *out, struct err *e);
/* Notes that a session of a browser is used now. */
MUST int api_session_used(struct api *api, struct db_tx *tx, struct str session, struct err *e);
/*
 * Assesses the promises that time alone can break (liveness of nodes, payments), and tries
 * again to place what waits. At most `limit` rows of each; returns how many changed.
 */
MUST int api_assess(struct api *api, struct db_tx *tx, int64_t limit, struct arena *a,
		    struct api_response *out, struct err *e);

/* ---- the table, for the manual
 * ---------------------------------------------------------------- */

struct api_op_info {
	const char *method, *path, *id, *may, *help;
	bool is_write;
};
/* Row `i` of the table, or false. */
bool api_op_info(size_t i, struct api_op_info *out);
/* The OpenAPI 3.1 document. */
struct str api_openapi(const struct api *api, struct arena *a);
