/* SPDX-License-Identifier: AGPL-3.0-or-later */
#pragma once
/*
 * What a client keeps between two looks at a master: the file log-head.json beside its key.
 *
 * A master that shows one log today and another tomorrow, or one to us and another to our
 * neighbour, is found out by those who remember. The head is kept once everything held, and
 * signed for the others to see: we are a witness.
 */
#include "cli/audit.h"

struct audit_memory {
	const char *dir; /* of the identity; NULL: there is none */
	struct str roots, certificate;
	struct str cloud; /* "": nothing is remembered */
	struct audit_mark point, head;
};

/* Reads the caller's identity and what it remembers. None of it has to be there. */
MUST int audit_memory_read(struct cli_call *c, struct audit_memory *out, struct err *e);
/*
 * Has the master prove that its newest head continues the one we remember, and that what has to be
 * in the log is in it; then keeps the head and is its witness. Does nothing if something
 * was found broken already. Findings go to `au`.
 */
MUST int audit_memory_prove(struct cli_call *c, const struct audit_memory *m, struct audit *au,
			    struct err *e);
MUST int audit_memory_keep(struct cli_call *c, const struct audit_memory *m, struct audit *au,
			   struct err *e);
