/* SPDX-License-Identifier: AGPL-3.0-or-later */
#pragma once
/* Requests: what /v1/instances and the v0 calls do alike. core/tree.h has the rules. */
#include "api/call.h"
#include "core/tree.h"

#define ORDER_CUSTOMER "local" /* who asks when nobody says so */

/*
 * The release somebody names: NAME (newest), NAME@PREFIX, URI, or HEX. ERR_INVALID with `field`
 * where there is none or several.
 */
MUST int order_release(struct api_call *c, struct str ref, const char *field,
		       struct release *out, struct err *e);
/* As order_release, but a URI that is not of our form is taken as it is (wire: opaque). */
MUST int order_release_or_opaque(struct api_call *c, struct str uri, const char *field,
				 struct release *out, struct err *e);
/*
 * An instance by guid, or a root by title (of `customer` if not ""; else ERR_CONFLICT where two
 * customers have one). ERR_NOT_FOUND.
 */
MUST int order_lookup(struct api_call *c, struct str name, struct str customer,
		      struct instance *out, struct err *e);

struct order {
	struct str customer;  /* "" : ORDER_CUSTOMER, or the requester's */
	struct str requester; /* guid; "" : a person */
	struct str release;
	bool may_be_opaque;
	struct str title, type;		       /* type "" : default */
	const struct json *parameters, *where; /* NULL: {} */
	bool is_shared;
	bool has_state;
	enum instance_want state;
};
/* Checks that need no database: title, filter. */
MUST int order_check(const struct order *o, struct arena *a, struct err *e);
/* Creates, changes or finds the instance; *out is it afterwards, everything joined. */
MUST int order_request(struct api_call *c, const struct order *o, struct instance *out,
		       struct err *e);
