/* SPDX-License-Identifier: AGPL-3.0-or-later */
#pragma once
/*
 * Inside room api: a call, the row of its operation, and what handlers do with it.
 *
 * A handler finds its checked input in c->in and c->query, loads, lets core decide, saves, and
 * says its answer with call_answer. Events and topics that it noted leave with the answer.
 */
#include "api/api.h"
#include "core/event.h"
#include "core/model.h"
#include "http/route.h"
#include "json/desc.h"
#include "profile/bundle.h"

enum { CALL_EVENTS_MAX = 20000, CONTACT_EVERY_MS = 10000 };

typedef int op_fn(struct api_call *c, struct err *e);

struct op {
	struct http_route route; /* first: the router reads the table */
	const char *id;
	const char *may; /* who may call: a letter for each role, api/access.h */
	bool is_write;
	const struct json_desc *in, *query, *out; /* NULL: none */
	op_fn *prepare;	   /* before the transaction, without database; NULL: nothing */
	op_fn *run;	   /* within it */
	const char *media; /* of the answer; NULL: JSON */
	const char *help;
};

struct api {
	struct api_options options;
	struct http_route *routes; /* of all parts of the table, in the order of op_at */
	struct http_router *router;
	struct checked *checked;       /* compiled schemas, api/params.h */
	struct trust_crls *crls;       /* api/trust_crls.h */
	_Atomic int64_t newest;	       /* event that an answer told of, api/signed.h */
	_Atomic int64_t waiting_after; /* id up to which api_assess tried what waits */
};

struct api_call {
	struct api *api;
	struct arena *a;
	const struct op *op;
	const struct api_request *req; /* as it came; its texts live as long as the call */
	struct str params[HTTP_PARAMS_MAX];
	struct http_target target;
	struct str body_text;
	void *in, *query; /* structs of op->in, op->query */
	void *prepared;
	int64_t opened_at_ms;
	struct api_caller caller;
	struct str session; /* name of the one that a cookie tells of, good or not; "" none */
	/* of one run */
	struct access *access; /* who calls, api/access.h; NULL: work without a request */
	struct guard *guard;   /* of a node that reports, api/signed.h; else NULL */
	struct db_tx *tx;
	int64_t now_ms;
	bool may_wait;
	struct api_response *out;
	struct event *events;
	size_t event_count, event_cap;
};

/* ---- the answer ------------------------------------------------------------------------------ */

/* Answers with a struct by its table. Returns 0, or -1 if the arena is full. */
MUST int call_answer(struct api_call *c, int status, const struct json_desc *d,
		     const void *view, struct err *e);
/* Answers with a text as it is. */
MUST int call_answer_text(struct api_call *c, int status, const char *media, struct str text,
			  struct err *e);
/*
 * Nothing to tell yet: API_PARK if the caller waits and may, else 0, and the handler answers
 * with what there is. `topic2` may be "".
 */
MUST int call_park(struct api_call *c, int64_t wait_s, struct str topic, struct str topic2);

/* ---- what happened --------------------------------------------------------------------------- */

/* Notes an event; `body` NULL is {}. */
void call_event(struct api_call *c, enum event_kind kind, struct str subject,
		struct json *body);
/* An event whose body is one text or number. */
void call_event_str(struct api_call *c, enum event_kind kind, struct str subject,
		    const char *key, struct str value);
/* Notes that a topic has news: "node:n1". */
void call_wake(struct api_call *c, const char *prefix, struct str name);
/* At most MODEL_MESSAGE_MAX bytes of a message, cut between characters. */
struct str call_cut(struct str message);
/* The node spoke: its contact is stored if the last one is old, or asked for after a read. */
MUST int call_contact(struct api_call *c, const struct node *n, struct err *e);

/* Begins a call that has no request (jobs); ends it: events are appended. */
void call_begin(struct api_call *c, struct api *api, struct db_tx *tx, struct arena *a,
		struct api_response *out);
MUST int call_end(struct api_call *c, struct err *e);

/* ---- the table ------------------------------------------------------------------------------- */

/* The table of operations has parts, one for each subject; this is row `i` of all, or NULL. */
const struct op *op_at(size_t i);
size_t op_count(void);

struct op_table {
	const struct op *rows;
	size_t count;
};
extern const struct op_table op_cloud;

/* A route, as rows are written. */
#define GET_(path) \
	{ \
		HTTP_GET, path \
	}
#define PUT_(path) \
	{ \
		HTTP_PUT, path \
	}
#define POST_(path) \
	{ \
		HTTP_POST, path \
	}
#define DELETE_(path) \
	{ \
		HTTP_DELETE, path \
	}

/* Is this path of the reference protocol? Its errors have another form. */
bool op_is_v0(struct str path);
