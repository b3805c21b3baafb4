/* SPDX-License-Identifier: AGPL-3.0-or-later */
#pragma once
/*
 * What a master and a node sign on the way to each other, byte for byte.
 *
 * An answer of the master to a node carries, in the header Hoc-State,
 *
 *     v1;SEQUENCE;AT_MS;KEYNAME;SIGNATURE
 *
 * and a report (every write) of a node carries, in the header Hoc-Report,
 *
 *     v1;SEQUENCE;AT_MS;SIGNATURE
 *
 * SIGNATURE is base64url of the signature, by the master's or the node's identity key, of
 *
 *     hoc-state-v1 NODE METHOD TARGET NONCE STATUS SEQUENCE AT_MS SHA256HEX(body)
 *     hoc-report-v1 NODE METHOD TARGET SEQUENCE AT_MS SHA256HEX(body)
 *
 * each part ended by a newline instead of a space. TARGET is path and query as sent. NONCE is the
 * request's header Hoc-Nonce: the answer is to this request and no other. SEQUENCE of a state is
 * that of the newest event: a master that was put back shows a smaller one. SEQUENCE of a report
 * grows with each: core/guard.h remembers which were seen.
 *
 * Pure: hashing and signing is the caller's business.
 */
#include "base/str.h"

#define SIGNED_STATE_HEADER "Hoc-State"
#define SIGNED_REPORT_HEADER "Hoc-Report"
#define SIGNED_NONCE_HEADER "Hoc-Nonce"

enum {
	SIGNED_NONCE_BYTES = 16,
	SIGNED_NONCE_MAX = 64,	 /* bytes of the header Hoc-Nonce */
	SIGNED_HEADER_MAX = 512, /* bytes of the other two */
	SIGNED_TEXT_MAX = 16384, /* of a text to sign: a target is at most 8 KiB */
};

/* What an answer to a node says. */
struct signed_state {
	struct str node, method, target, nonce;
	int status;
	int64_t sequence, at_ms;
	struct str body_hash; /* 64 hex digits */
};
/* What a report of a node says. */
struct signed_report {
	struct str node, method, target;
	int64_t sequence, at_ms;
	struct str body_hash; /* 64 hex digits */
};
/* Either header as it was read. Texts are parts of the header. */
struct signed_mark {
	int64_t sequence, at_ms;
	struct str key;	      /* of a state: name of the master's key, 64 hex digits; else "" */
	struct str signature; /* base64url */
};

/* Adds the text to sign to `out`. ERR_INVALID: a part holds a control character (a newline would
 * make two messages one text); ERR_TOO_LARGE. */
MUST int signed_state_text(const struct signed_state *s, struct buf *out, struct err *e);
/* As signed_state_text, of a report. */
MUST int signed_report_text(const struct signed_report *r, struct buf *out, struct err *e);

/* Adds the header's value to `out` (which is sticky). */
void signed_state_header(const struct signed_mark *m, struct buf *out);
/* As signed_state_header; m->key does not count. */
void signed_report_header(const struct signed_mark *m, struct buf *out);
/* Reads a header's value, strictly. ERR_INVALID naming the header and what is wrong. */
MUST int signed_state_read(struct str header, struct signed_mark *out, struct err *e);
/* As signed_state_read; out->key is "". */
MUST int signed_report_read(struct str header, struct signed_mark *out, struct err *e);
