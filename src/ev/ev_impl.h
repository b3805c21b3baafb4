/* SPDX-License-Identifier: AGPL-3.0-or-later */
#pragma once
/*
 * Shared inside the room: what a loop is made of.
 *
 * A loop owns two rings: composite things (children, streams, listeners), which hold watches,
 * and the watches themselves. ev_free ends the things first, so that no thing sees a freed
 * watch.
 */
#include "ev/ev.h"

struct ev_owned {
	struct ev_owned *next, *prev;
	void (*fini)(struct ev_owned *o); /* frees the thing that holds this member */
};

/* Puts a thing into the loop's ring; `fini` ends it if it is still there at ev_free. */
void ev_own(struct ev *ev, struct ev_owned *o, void (*fini)(struct ev_owned *o));
void ev_disown(struct ev_owned *o);

/* Rings of either kind. */
void ev_ring_init(struct ev_owned *head);
