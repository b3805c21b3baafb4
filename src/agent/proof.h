/* SPDX-License-Identifier: AGPL-3.0-or-later */
#pragma once
/*
 * Is this answer the master's, to this request, and no older than what is known?
 *
 * core/signed.h says what is signed. Who sits between node and master (a proxy, a cache, a thief
 * of old answers) can change, exchange, keep or repeat answers; each of that is told apart here, as
 * far as what was remembered of earlier requests allows. Pure but for the signature.
 */
#include "core/signed.h"
#include "trust/key.h"

enum { PROOF_NONCE_SIZE = 32, PROOF_HEADER_MAX = SIGNED_HEADER_MAX };

/* A request that was sent. */
struct proof_ask {
	struct str node, method, target, nonce;
	int64_t floor; /* highest sequence that was known when it was sent */
};
struct proof_answer {
	int status;
	struct str header; /* Hoc-State; "" if there was none */
	struct str body;
};
/* A master's key: its name in hex, and the DER. */
struct proof_key {
	struct str name, public;
};

enum proof_fault {
	PROOF_GOOD,
	PROOF_UNSIGNED,	 /* no header, or none of ours */
	PROOF_STRANGER,	 /* signed by a key that no known master has */
	PROOF_FORGED,	 /* the signature is not of this answer to this request */
	PROOF_REPLAYED,	 /* … but of an answer to an earlier request */
	PROOF_BACKWARDS, /* good, and the master knows less than it did */
	PROOF_FAULTS
};
/* The log event that names it: "agent.state.forged". Not of PROOF_GOOD. */
const char *proof_fault_event(enum proof_fault f);
/* A sentence for a person, without subject. */
const char *proof_fault_text(enum proof_fault f);

/*
 * Judges `answer` to asks[0]; the others are earlier requests, newest first. *out_sequence is the
 * answer's (also of a PROOF_BACKWARDS).
 */
enum proof_fault proof_check(const struct proof_ask *asks, size_t ask_count,
			     const struct proof_answer *answer, const struct proof_key *keys,
			     size_t key_count, int64_t *out_sequence);
/* The name of the key that a header says it is signed by; "" if it is no header of ours. */
struct str proof_key_named(struct str header);

/* The header Hoc-Report of a write. `r->body_hash` is filled in here. */
MUST int proof_report(const struct key *k, const struct signed_report *r, struct str body,
		      struct arena *a, struct str *out, struct err *e);
