/* SPDX-License-Identifier: AGPL-3.0-or-later */
#pragma once
/*
 * Inside room api: long polls that wait.
 *
 *     armed ──hub_settle──▶ parked ──wake, deadline, stop──▶ taken (by the hub's thread)
 *       └────────── hub_remove (answered by who armed it) ──────────┘
 *
 * Whoever wants to wait arms an entry with its topics first and looks at the database again: a
 * wake-up between the first look and the arming cannot be lost. The hub's thread takes entries
 * that are due and hands them to `due`; that function answers the call, or arms it anew.
 */
#include "api/api.h"

struct hub;
struct hub_entry {
	struct hub_entry *next, *before;
	struct str topics[2];
	int64_t until_ms;
	enum { HUB_OUT, HUB_ARMED, HUB_PARKED } state;
	bool is_woken;
	void *user;
};

/* Called by the hub's thread, without its lock. `is_last`: deadline or stop, answer now. */
typedef void hub_due_fn(struct hub_entry *entry, bool is_last, void *user);
/* Called about every `look_ms` by the hub's thread while entries wait; true: wake all. */
typedef bool hub_look_fn(void *user);

struct hub_options {
	const struct clock *clock;
	hub_due_fn *due;
	hub_look_fn *look; /* NULL: none */
	int64_t look_ms;
	void *user;
	size_t max;
};
MUST int hub_open(const struct hub_options *options, struct hub **out, struct err *e);
/* Hands every entry out a last time, and ends. Arming fails from then on. */
void hub_stop(struct hub *h);
struct hub *hub_free(struct hub *h);

/* False if the hub is full or stops: do not wait. */
bool hub_arm(struct hub *h, struct hub_entry *entry);
/* True: parked. False: it was woken meanwhile and is still armed; look again. */
bool hub_settle(struct hub *h, struct hub_entry *entry);
/* Takes an entry out. True if it was in (then its holder answers). */
bool hub_remove(struct hub *h, struct hub_entry *entry);
/* The same for the parked entry of that user; NULL if there is none. */
struct hub_entry *hub_remove_user(struct hub *h, const void *user);
void hub_wake(struct hub *h, const struct str *topics, size_t count, bool is_all);
size_t hub_count(struct hub *h);
