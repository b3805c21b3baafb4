/* SPDX-License-Identifier: AGPL-3.0-or-later */
#pragma once
/*
 * The node's status on NODEDIR/node.sock: whoever connects gets one line of JSON, and with the
 * word `follow` sent, another one after each change, at most five a second.
 */
#include "agent/doer.h"

struct status;

/* Listens; `d` stays the caller's and outlives the status. Errors of the socket. */
MUST int status_serve(struct ev *ev, const char *dir, struct doer *d, struct str node,
		      struct status **out, struct err *e);
/* NULL is accepted. */
void status_changed(struct status *s);
/* NULL is accepted; returns NULL. */
struct status *status_free(struct status *s);
/* The status as JSON text. */
struct str status_text(struct doer *d, struct str node, int64_t now_ms, struct arena *a);
