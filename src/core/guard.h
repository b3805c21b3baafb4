/* SPDX-License-Identifier: AGPL-3.0-or-later */
#pragma once
/*
 * Which numbers of a sender were seen: the anti-replay window of RFC 4303, 3.4.3.
 *
 *        older: refused     │◀── GUARD_WINDOW numbers, a bit each ──▶│    newer: taken
 *     ──────────────────────┼────────────────────────────────────────┼──────────────▶
 *                           newest - 1023                         newest
 *
 * A number is taken once. One that is newer than all moves the window; one within it is taken if
 * its bit is clear; one below it is refused, for nobody knows any more. Numbers begin at 1; gaps
 * are allowed (a sender that starts again leaves out what it had reserved).
 *
 * A plain value; its text form is what the table node_guard keeps.
 */
#include "base/str.h"

enum {
	GUARD_WINDOW = 1024,
	GUARD_WORDS = GUARD_WINDOW / 64,
	GUARD_TEXT_SIZE = GUARD_WINDOW / 4 + 1, /* hex digits and a NUL */
};

/* All zero: nothing was seen. */
struct guard {
	int64_t newest;
	uint64_t seen[GUARD_WORDS]; /* bit i of the whole: newest - i was seen */
};

enum guard_answer {
	GUARD_TAKEN,	/* first time: the window remembers it now */
	GUARD_REPLAYED, /* seen before */
	GUARD_TOO_OLD,	/* below the window, or no number of a sender (< 1) */
};
/* Takes `sequence`, or says why not; a refusal changes nothing. */
enum guard_answer guard_take(struct guard *g, int64_t sequence);

/* The bits as GUARD_WINDOW / 4 hex digits, those of the newest numbers last. */
void guard_text(const struct guard *g, char out[static GUARD_TEXT_SIZE]);
/* Undoes guard_text. ERR_CORRUPT. */
MUST int guard_read(int64_t newest, struct str text, struct guard *out, struct err *e);
