/* SPDX-License-Identifier: AGPL-3.0-or-later */
#pragma once
/*
 * Inside of the machine: slots and planning (machine.c), the conversation with the master
 * (machine_link.c), fetching (machine_fetch.c), reports (machine_report.c).
 */
#include "agent/machine.h"

enum { CALL_TIMEOUT_MS = 20000, ANSWER_MEMORY = 16 << 20 };
enum { MACHINE_FETCHES_AT_ONCE = 8, MACHINE_WISH_MAX = 1 << 20, MACHINE_MESSAGE_MAX = 400 };

struct slot {
	char name[64];
	struct plan_partition facts;
	struct arena *wish_memory; /* texts of `wish`; NULL if there is none */
	struct machine_wish wish;
	char *connection; /* JSON text published by the last APPLY, or NULL */
	bool is_connection_told;
	char message[MACHINE_MESSAGE_MAX]; /* why the last step failed */
	uint64_t report_token;		   /* of the report under way, or 0 */
	enum plan_told telling;		   /* what that report says */
	int64_t step_version;		   /* of the wish when the present step began */
	int64_t nudged_due_ms; /* a check was asked for while a step was under way */
	bool is_nudged_down;   /* services went away, perhaps while a step was under way */
};

struct release_slot {
	char *release; /* NULL: empty */
	struct plan_release facts;
	uint64_t report_token;
	char message[MACHINE_MESSAGE_MAX];
};

/*
 * The conversation, one thing at a time but for fetches:
 *
 *     OFF ─► FORMAT ─► NODE ─► POLL ─► SUPPLIES ─► LIST ─► FETCH ─► POLL …
 *                                └─ any failure ─► PAUSE ─► what was not yet done of these
 *
 * SUPPLIES and LIST are passed over if the poll says that nothing of theirs changed.
 */
enum link_state {
	LINK_OFF,
	LINK_FORMAT,
	LINK_NODE,
	LINK_POLL,
	LINK_SUPPLIES,
	LINK_LIST,
	LINK_FETCH,
	LINK_PAUSE
};

struct fetch {
	char guid[64];
	uint64_t token; /* of the request under way, or 0 */
	bool is_done;
	struct arena *memory; /* the instance, while its shared instances are asked for */
	struct machine_wish wish;
	size_t slot;
	bool wants_shared;
};

struct link {
	enum link_state state;
	char *format_body, *node_body;
	uint64_t token; /* of the one request under way, or 0 */
	uint64_t last_token;
	int64_t since, next_since; /* sequence known; sequence once all fetches are done */
	bool is_linked;
	bool has_formatted, has_told_node; /* this master knows the node */
	bool wants_list, wants_supplies;
	int64_t contact_at_ms, pause_until_ms, reports_after_ms;
	unsigned failures, report_failures;
	struct fetch *fetches;
	size_t fetch_count, fetch_max;
	bool has_fetch_failed;
	bool is_flushing, has_outbox, has_outbox_filled_meanwhile;
	int64_t flush_after_ms;
	unsigned flush_failures;
};

struct machine {
	const struct machine_world *world;
	char node[65];
	size_t slots_n, releases_n, steps_max, steps;
	struct slot *slots;
	struct release_slot *releases;
	struct link link;
	int64_t poll_for_ms;
	size_t first; /* slot that is looked at first: another one each time */
	bool is_started, is_planning, has_stale_releases;
};

int64_t machine_now(const struct machine *m);
unsigned machine_jitter(const struct machine *m);
/* Looks at everything once, starts what is due, and asks to be woken for the rest. */
void machine_plan(struct machine *m);
/* Replaces the wish of a slot; texts are copied. */
MUST int machine_set_wish(struct machine *m, size_t slot, const struct machine_wish *wish,
			  struct err *e);
void machine_free_slot(struct machine *m, size_t slot);
/* Index of the named partition, or slots_n. */
size_t machine_slot_named(const struct machine *m, struct str name);
/* The slot of a release, taking an empty one if there is none; -1 if all are taken. */
MUST int machine_release_slot(struct machine *m, struct str release, size_t *out,
			      struct err *e);
/* Wishes or releases changed: the next plan looks at which releases are used and ready. */
void machine_refresh_releases(struct machine *m);
/* All that a started wish asks for is so: nothing but reports and checks is left. */
bool machine_is_fulfilled(const struct plan_partition *f);

/* Begins what the link's state allows now; the moment of its next own action. */
int64_t link_plan(struct machine *m, int64_t now_ms);
/* Sends the report that slot owes. */
void link_report_slot(struct machine *m, size_t slot);
void link_report_release(struct machine *m, size_t slot);
/* Says that a build begins; nobody waits for the answer. */
void link_tell_building(struct machine *m, size_t slot);
void link_fini(struct link *l);

/* Requests: the token whose answer machine_answer brings. */
uint64_t link_send(struct machine *m, const char *method, struct str path, struct str body,
		   int64_t timeout_ms);
/* A call of the reference protocol ("get.v0.software_instance") with one, two or three texts. */
uint64_t link_call1(struct machine *m, const char *name, const char *key, struct str value);
uint64_t link_call2(struct machine *m, const char *name, const char *key1, struct str value1,
		    const char *key2, struct str value2);
uint64_t link_call3(struct machine *m, const char *name, const char *key1, struct str value1,
		    const char *key2, struct str value2, const char *key3, struct str value3);

/* Forgets all fetches. */
void fetch_clear(struct link *l);
/* Adds an instance to be fetched, once. */
void fetch_add(struct link *l, struct str guid);
/* Keeps some fetches under way; true when all are done. */
bool fetch_drive(struct machine *m);
/* The answer to a fetch. */
void fetch_take(struct machine *m, struct fetch *f, int status, struct str body);
/* The master refuses us, not what we asked: whatever it was has to be asked again. */
bool link_is_barred(int status, struct str body);
/* The answers to reports. */
void link_report_answered(struct machine *m, size_t slot, int status, struct str body);
void link_release_answered(struct machine *m, size_t slot, int status, struct str body);
