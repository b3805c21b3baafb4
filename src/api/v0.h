/* SPDX-License-Identifier: AGPL-3.0-or-later */
#pragma once
/* Inside room api: what the calls of the reference protocol share (wire part b). */
#include "api/handlers.h"
#include "api/life.h"
#include "api/order.h"
#include "api/supply.h"

enum { V0_MESSAGE_MAX = 200000, V0_LIST_MAX = 5000 };

/* The document I of wire b.2. `with_addresses`: show a shared instance's host's. */
MUST int v0_answer_instance(struct api_call *c, const struct instance *i, bool with_addresses,
			    struct err *e);
/* The object N: not placed yet, with HTTP 200. */
MUST int v0_answer_not_ready(struct api_call *c, struct err *e);
/* OK with a title. */
MUST int v0_answer_ok(struct api_call *c, const char *title, struct err *e);
/* An instance by guid; ERR_NOT_FOUND with the title of the reference. */
MUST int v0_instance(struct api_call *c, struct str guid, struct instance *out, struct err *e);
/* The same for a call by its node: counts as contact. */
MUST int v0_instance_of_node(struct api_call *c, struct str guid, struct instance *out,
			     struct err *e);
/*
 * Parameters as v0 shows them. Of a release of ours: JSON types must survive, so all of them are
 * in one parameter `_` as JSON text, the json-in-xml convention of wire a.4. Of an opaque
 * release: strings, as Python's str makes them.
 */
struct json *v0_parameters(struct api_call *c, const struct instance *i);
