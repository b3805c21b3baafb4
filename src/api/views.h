/* SPDX-License-Identifier: AGPL-3.0-or-later */
#pragma once
/*
 * What answers look like: a struct and a field table for each thing of /v1. Moments are RFC 3339
 * texts in answers, except `timestamp` (microseconds, core/stamp.h).
 */
#include "api/call.h"
#include "store/bill.h"
#include "store/promise.h"
#include "store/usage.h"

struct view_counts {
	int64_t kept, broken, unknown;
};
struct view_instance {
	struct str guid, title, tree, requester, release, name, type, state, reported, status;
	struct str node, partition;
	struct json *addresses, *parameters, *connection;
	bool shared;
	struct str host;
	int64_t shared_count;
	struct json *where;
	struct str customer;
	int64_t version, timestamp;
	struct str created_at, message;
	struct json *refusals;
	struct view_counts promises;
	struct json *secrets; /* api/secrets.h; NULL: none */
};
struct view_node {
	struct str node, title, region, network;
	struct json *capabilities;
	struct view_partitions {
		int64_t total, free;
	} partitions;
	struct str liveness, liveness_since, last_contact_at, created_at;
};
struct view_release {
	struct str release, name, title, category, hash, published_at;
	struct json *manifest; /* of one release only */
};
struct view_installation {
	struct str release, name, node, state, reported, message, changed_at;
};
struct view_promise {
	struct str promiser, promisee, kind, name, state, since, checked_at, message;
};
struct view_event {
	int64_t sequence;
	struct str at, subject, kind;
	struct json *body;
	struct str hash;
};
struct view_customer {
	struct str customer, address, country, vat_number, created_at, secrets;
};

extern const struct json_desc view_instance_desc, view_node_desc, view_release_desc,
	view_installation_desc, view_promise_desc, view_event_desc, view_customer_desc;

/* What is shown of an instance that was loaded with its joins; texts are shared or in the call's arena. */
void view_instance_of(struct api_call *c, const struct instance *i, struct view_instance *out);
/* What is shown of a node; texts are shared or in the call's arena. */
void view_node_of(struct api_call *c, const struct node *n, struct view_node *out);
/* What is shown of a release; its manifest only if it was loaded; texts are shared or in the call's arena. */
void view_release_of(struct api_call *c, const struct release *r, struct view_release *out);
/* What is shown of an installation; texts are shared or in the call's arena. */
void view_installation_of(struct api_call *c, const struct installation *s,
			  struct view_installation *out);
/* What is shown of a promise; texts are shared or in the call's arena. */
void view_promise_of(struct api_call *c, const struct promise *p, struct view_promise *out);
/* What is shown of an event; texts are shared or in the call's arena. */
void view_event_of(struct api_call *c, const struct event *ev, struct view_event *out);
/* What is shown of a customer; texts are shared or in the call's arena. */
void view_customer_of(struct api_call *c, const struct customer *r, struct view_customer *out);

/* A moment as text; "" for 0. */
struct str view_at(struct arena *a, int64_t at_ms);
/* Stored JSON as a tree; an empty object if it cannot be read. */
struct json *view_json(struct arena *a, struct str text);
