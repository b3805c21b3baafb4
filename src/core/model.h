/* SPDX-License-Identifier: AGPL-3.0-or-later */
#pragma once
/*
 * The things a cloud is made of, as plain values.
 *
 *     customer ─ owns ─▶ tree (root instance) ─ requests ─▶ child instances
 *                              │ sits on
 *     node ─ has ─▶ partition ◀┘        shared instance ─ hosted by ─▶ instance
 *     node ─ supplies ─▶ installation ─ of ─▶ release
 *     anyone ─ promises ─▶ promise ─ changes make ─▶ event
 *
 * Text fields borrow the memory of whoever loaded the value (a request's arena). Row numbers
 * (`id`) never leave the master; the outside sees names and guids. Moments are milliseconds
 * UTC, except `timestamp`, see core/stamp.h. Fields named *_json hold canonical JSON text that
 * core compares and carries but never reads.
 */
#include "base/str.h"

enum {
	MODEL_NAME_MAX = 100,  /* node, partition, region, network, customer, price, promise */
	MODEL_TITLE_MAX = 200, /* instance and node titles (wire b.3) */
	MODEL_MESSAGE_MAX = 2000,	 /* what a node reports; longer ones are cut */
	MODEL_PARAMETERS_MAX = 64 << 10, /* bytes of parameters, as canonical JSON */
	MODEL_WHERE_MAX = 4 << 10,	 /* of a filter */
	MODEL_CONNECTION_MAX = 64 << 10, /* of what an instance publishes */
	MODEL_TREE_MAX = 1000,		 /* instances in a tree, beside its root */
	MODEL_HOSTED_MAX = 1000,	 /* shared instances on a host */
	MODEL_PARTITIONS_MAX = 4096,	 /* of one node */
	MODEL_ADDRESSES_MAX = 16,	 /* of one partition */
};

/* What its requester wants an instance to be; core/state.h has the diagram. */
enum instance_want { INSTANCE_STARTED, INSTANCE_STOPPED, INSTANCE_DESTROYED, INSTANCE_WANTS };
/* What its node last said about it. */
enum instance_report {
	REPORT_NONE,
	REPORT_STARTED,
	REPORT_STOPPED,
	REPORT_ERROR,
	REPORT_DESTROYED,
	INSTANCE_REPORTS
};
/* What a person is told; derived, never stored. */
enum instance_status {
	STATUS_WAITING,
	STATUS_ALLOCATED,
	STATUS_BUILDING,
	STATUS_STARTING,
	STATUS_RUNNING,
	STATUS_BROKEN,
	STATUS_STOPPING,
	STATUS_STOPPED,
	STATUS_DESTROYING,
	STATUS_DESTROYED,
	INSTANCE_STATUSES
};
/* Is the release wanted on the node? */
enum supply_want { SUPPLY_AVAILABLE, SUPPLY_DESTROYED, SUPPLY_WANTS };
/* What the node last said about it. */
enum supply_report {
	BUILD_NONE,
	BUILD_BUILDING,
	BUILD_AVAILABLE,
	BUILD_ERROR,
	BUILD_DESTROYED,
	SUPPLY_REPORTS
};
enum promise_kind {
	PROMISE_LIVENESS,     /* a node: to be in contact */
	PROMISE_INSTALLATION, /* a node: to have the release available */
	PROMISE_HEALTH,	      /* an instance: a check of its profile */
	PROMISE_PAYMENT,      /* a customer: to pay an invoice */
	PROMISE_KINDS
};
enum promise_state { PROMISE_UNKNOWN, PROMISE_KEPT, PROMISE_BROKEN, PROMISE_STATES };

/* Words as in JSON and in the tables: "started", "building", "kept"… */
const char *instance_want_word(enum instance_want v);
const char *instance_report_word(enum instance_report v);
const char *instance_status_word(enum instance_status v);
const char *supply_want_word(enum supply_want v);
const char *supply_report_word(enum supply_report v);
const char *promise_kind_word(enum promise_kind v);
const char *promise_state_word(enum promise_state v);
/* Back: 0, or -1 and ERR_INVALID naming `field` and the words that are allowed. */
MUST int instance_want_read(struct str word, const char *field, enum instance_want *out,
			    struct err *e);
MUST int instance_report_read(struct str word, const char *field, enum instance_report *out,
			      struct err *e);
MUST int supply_want_read(struct str word, const char *field, enum supply_want *out,
			  struct err *e);
MUST int supply_report_read(struct str word, const char *field, enum supply_report *out,
			    struct err *e);
MUST int promise_kind_read(struct str word, const char *field, enum promise_kind *out,
			   struct err *e);
MUST int promise_state_read(struct str word, const char *field, enum promise_state *out,
			    struct err *e);

/* A key and a value of a node's capabilities or of a filter. */
struct pair {
	struct str key, value;
};

struct node {
	int64_t id;
	struct str name, title, region, network;
	struct str capabilities_json; /* {"k": "v"} */
	int64_t partitions_total, partitions_free;
	int64_t last_contact_at_ms; /* 0: never */
	int64_t feed;	     /* newest timestamp handed out on this node (core/stamp.h) */
	int64_t supply_feed; /* the one of its newest change of installations */
	enum promise_state liveness;
	int64_t liveness_since_ms;
	int64_t created_at_ms;
};

struct partition {
	int64_t id, node_id;
	struct str name;
	int64_t position;	   /* in the order of the first format */
	struct str addresses_json; /* [["interface", "address"], …] */
	int64_t instance_id;	   /* 0: free */
	bool is_gone;		   /* no longer formatted; leaves once its instance is freed */
};

struct release {
	int64_t id;
	struct str uri; /* hoc:NAME@sha256:HEX, or another master's opaque URI */
	struct str name, title, category, hash;
	struct str manifest_json; /* "" if the release is opaque */
	int64_t published_at_ms;
};

struct installation {
	int64_t node_id, release_id;
	struct str node, release, release_name; /* names, for answers */
	enum supply_want want;
	enum supply_report reported;
	struct str message;
	int64_t feed; /* timestamp of its newest change of `want` */
	int64_t changed_at_ms;
};

struct instance {
	int64_t id;
	struct str guid, title;
	int64_t tree_id;      /* id of the root; its own for a root */
	int64_t requester_id; /* 0: a person asked */
	int64_t customer_id, release_id;
	struct str tree, requester, customer, release,
		release_name; /* title, guid, name, uri */
	struct str type;
	enum instance_want asked; /* by the requester */
	enum instance_want want;  /* in force: core/tree.h */
	enum instance_report reported;
	int64_t reported_at_ms;
	struct str message; /* of the last report */
	bool is_shared;
	int64_t host_id; /* of a shared instance; 0: none found yet */
	struct str host; /* guid */
	int64_t node_id,
		partition_id; /* 0: waiting; a shared one has its host's while it has one */
	struct str node, partition, addresses_json;
	struct str parameters_json, where_json, connection_json;
	struct str refusals; /* why it waits: lines; "" if it does not */
	int64_t timestamp;   /* microseconds, core/stamp.h */
	int64_t report_of;   /* value of `timestamp` when the last report came */
	int64_t version;     /* grows with every visible change */
	int64_t created_at_ms;
	int64_t kept, broken, unknown; /* its health promises, counted */
	int64_t shared_count;	       /* shared instances that it hosts */
	bool is_live;		  /* false once its partition was freed after destruction */
	enum supply_report build; /* of its release on its node, joined when loaded */
	struct str person;	  /* who asked; "": an instance, or nobody known */
	struct str readers_json;  /* ["name", …]: who else may read its secrets */
	int64_t rotation;	  /* grows when its secrets are to be made anew */
	bool takes_clear;	  /* its customer's, joined when loaded */
};

struct promise {
	int64_t id;
	struct str promiser, promisee;
	enum promise_kind kind;
	struct str name, body_json;
	enum promise_state state;
	int64_t since_ms, checked_at_ms;
	struct str message;
	int64_t wake_at_ms; /* when time alone may change it; 0: never */
};

struct event {
	int64_t sequence, at_ms;
	struct str subject, kind, body_json, hash;
};

struct customer {
	int64_t id;
	struct str name, address, country, vat_number;
	int64_t created_at_ms;
	bool takes_clear; /* secrets may stand in clear in the master; else sealed only */
};
