/* SPDX-License-Identifier: AGPL-3.0-or-later */
#pragma once
/* Installations and nodes: what /v1 and the v0 calls do alike. */
#include "api/call.h"

/* A node by name, or ERR_NOT_FOUND, as for any other one if a node calls. `speaks`: it is the node that calls, so this is contact. */
MUST int supply_node(struct api_call *c, struct str name, bool speaks, struct node *out,
		     struct err *e);
/*
 * Wants a release on a node, or wants it away. ERR_CONFLICT if instances of it are there.
 * *out is the installation afterwards; a destruction of what is not there gives a row that says
 * destroyed.
 */
MUST int supply_want(struct api_call *c, const struct node *n, const struct release *r,
		     enum supply_want want, struct installation *out, struct err *e);
/* What the node says. ERR_NOT_FOUND, ERR_CONFLICT as core/state.h says. 1: nothing new. */
MUST int supply_report(struct api_call *c, const struct node *n, const struct release *r,
		       enum supply_report reported, struct str message, struct err *e);
/* A name that may stand for a node, partition, region…: ERR_INVALID naming `field`. */
MUST int supply_check_name(struct str name, const char *field, struct err *e);
/* The node; made if it is not there, then 1. A node that calls may only name itself. */
MUST int supply_node_get(struct api_call *c, struct str name, struct node *out, struct err *e);
