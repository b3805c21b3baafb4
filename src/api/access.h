/* SPDX-License-Identifier: AGPL-3.0-or-later */
#pragma once
/*
 * Who may what: role x operation x ownership.
 *
 * Every row of the table of operations has a text of eight letters, one a role in the order of
 * enum role: '-' no, 'o' what is his own, 'a' all. A caller has several roles at once (a
 * person: those of the cloud, and owner or member in some projects); the strongest letter counts.
 * With 'o' a handler sees the caller's own objects and nothing else: what belongs to others
 * does not exist for him (ERR_NOT_FOUND), in lists as by name.
 *
 * Own is: of a member or owner what belongs to his customers; of a node itself, its partitions,
 * installations, and the instances on it with the trees they belong to.
 * A master in local mode takes every caller for the operator.
 *
 * A person with neither role nor customer counts as a member of nothing. A revoked key, a key
 * that is not the caller's and a person who is not active may do nothing at all.
 */
#include "api/call.h"
#include "core/model.h"
#include "store/member.h"

enum role {
	ROLE_ANYONE, /* no certificate, no session */
	ROLE_MEMBER, /* of a customer */
	ROLE_OWNER,  /* of a customer: also its members, domains, tokens */
	ROLE_PUBLISHER,
	ROLE_ACCOUNTANT,
	ROLE_AUDITOR,
	ROLE_OPERATOR,
	ROLE_NODE,
	ROLES
};

/* "anyone", "member"… */
const char *access_role_word(enum role r);
/* A role of the cloud (publisher, accountant, auditor, operator) by its word: 1, else 0. */
MUST int access_role_read(struct str word, enum role *out);

/* What a call may, from the strongest letter of its row. */
enum access_scope {
	ACCESS_OWN, /* only what is the caller's */
	ACCESS_ALL,
};
struct access {
	enum access_scope scope;
	unsigned roles;		      /* 1 << enum role, each that the caller has */
	struct str person, node;      /* "" if it is none */
	int64_t node_id;	      /* 0: no node, or one that never sent its format */
	const struct member *members; /* of the person, all of them */
	size_t member_count;
	const int64_t *owned; /* customers that this row lets the person see */
	size_t owned_count;
};

/*
 * Before the input is read: is there any role of this kind of caller (no certificate, person,
 * node) that may? ERR_FORBIDDEN; err.os is 401 where a certificate would help.
 */
MUST int access_door(const struct api_call *c, struct err *e);
/* In the transaction: loads who calls into c->access. ERR_FORBIDDEN as access_door. */
MUST int access_load(struct api_call *c, struct err *e);

/* May the caller see everything that the operation is about? Also of work without a request. */
bool access_is_all(const struct api_call *c);
/* Is that role one of the caller's? A master in local mode: operator. */
bool access_has(const struct api_call *c, enum role role);
/* Is what belongs to this customer the caller's? Never true of a node. */
bool access_owns(const struct api_call *c, int64_t customer_id);
/* 1: all of them; 0: the ids in *ids. Lives as long as the call. */
int access_customers(const struct api_call *c, const int64_t **ids, size_t *n);
/* Names of the caller; "" if it is no person, no node. */
struct str access_person(const struct api_call *c);
struct str access_node(const struct api_call *c);
/* Is the node of that name the caller's? True for everybody who sees all, and for that node. */
bool access_is_node(const struct api_call *c, struct str name);

/* ---- what is whose --------------------------------------------------------------------------- */

/*
 * The customer that is meant by `name`; "": the caller's only one; of several ERR_INVALID names
 * the field `customer`; of an operator with none ORDER_CUSTOMER (api/order.h). ERR_NOT_FOUND.
 */
MUST int access_customer(struct api_call *c, struct str name, struct customer *out,
			 struct err *e);
/* The same name only, without looking whether such a customer is there. */
MUST int access_customer_name(struct api_call *c, struct str name, struct str *out,
			      struct err *e);
/* Does not fail where the customer is none of the caller's: 1, or 0 as if there were none. */
MUST int access_customer_find(struct api_call *c, struct str name, struct customer *out,
			      struct err *e);

/*
 * May the caller see the instance? 1 or 0. A node sees those on it, those that were freed on it,
 * and the members of trees that have one on it.
 */
MUST int access_sees(struct api_call *c, const struct instance *i, struct err *e);
/* May the caller change it, or speak for it? As access_sees, but a node only those on it. */
MUST int access_changes(struct api_call *c, const struct instance *i, struct err *e);
/* Does he read what its parameters and connection say? An auditor sees that they are there. */
bool access_reads(const struct api_call *c, const struct instance *i);
/* An instance by guid that the caller sees: 1 or 0. */
MUST int access_instance_find(struct api_call *c, struct str guid, struct instance *out,
			      struct err *e);
/*
 * Roots with that title that the caller owns, live ones first, at most two: of `customer`, or of
 * all of his ("").
 */
MUST int access_titled(struct api_call *c, struct str title, struct str customer,
		       struct instance **out, size_t *count, struct err *e);
