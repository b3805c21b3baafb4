/* SPDX-License-Identifier: AGPL-3.0-or-later */
#pragma once
/*
 * Inside room master: issuers that come to their end.
 *
 *     start:    due, and the root's key is here ──▶ rolled over, before anything holds it
 *     running:  the same, found once a day      ──▶ the master begins anew (master.c)
 *               due, and it cannot be rolled    ──▶ told once a day, until somebody did it
 *
 * A moment without answers in nearly two years is cheaper than a change of keys under threads that
 * sign. trust/renewal.h says when one is due.
 */
#include "master/identity.h"

enum issuer_look {
	ISSUER_GOOD,
	ISSUER_DUE,	/* to be rolled over */
	ISSUER_ROOT_DUE /* a fresh one would end with the root as this one: the root is due */
};
enum issuer_look master_issuer_look(const struct ca *ca, int64_t now_ms);
/*
 * Rolls over those that are due, and tells the log: 1 if one was, and the identity has to be opened
 * again; 0 if none was. *out_failed: one is due and could not be; it is told why.
 */
int master_issuers_roll(const struct master_identity *i, const struct master_secrets *s,
			int64_t now_ms, struct arena *a, bool *out_failed);
/* Tells the log of those that are due. */
void master_issuers_tell(const struct master_identity *i, int64_t now_ms);
/* Is there one that a fresh start would roll over? */
bool master_issuers_are_due(const struct master_identity *i, int64_t now_ms);
