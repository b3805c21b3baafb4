/* SPDX-License-Identifier: AGPL-3.0-or-later */
#pragma once
/*
 * Texts that are hashed or signed so that everybody can check a master (docs/audit.md). Pure:
 * they are written here, byte for byte, for the master that signs and the client that checks;
 * hashing and signing is the caller's business.
 *
 *     event       PREVIOUS F(sequence) F(at_ms) F(subject) F(kind) F(body)      F(x) = LENGTH ":" x ","
 *     entry       "hoc-log-entry-v1\nKIND\nSUBJECT\nAT_MS\nBODY\n"
 *     head        "hoc-log-head-v1\nCLOUD\nSIZE\nROOT\nAT_MS\n"
 *     checkpoint  "hoc-checkpoint-v1\nCLOUD\nSEQUENCE\nHASH\nAT_MS\n"
 *     witness     "hoc-log-witness-v1\nCLOUD\nSIZE\nROOT\n"
 *
 * Hashes are 64 lower-case hex digits, numbers decimal. The hash of an event is that of its
 * text, of the first one with 64 zeros before it. An entry's text is a leaf of the log's tree.
 */
#include "core/model.h"

#define AUDIT_ZEROS "0000000000000000000000000000000000000000000000000000000000000000"

/* Each adds a text to `out`, which is sticky; lines must hold no line ends. */
void audit_event_text(struct str previous, const struct event *ev, struct buf *out);
void audit_entry_text(struct str kind, struct str subject, int64_t at_ms, struct str body,
		      struct buf *out);
void audit_head_text(struct str cloud, int64_t size, struct str root, int64_t at_ms,
		     struct buf *out);
void audit_checkpoint_text(struct str cloud, int64_t sequence, struct str hash, int64_t at_ms,
			   struct buf *out);
void audit_witness_text(struct str cloud, int64_t size, struct str root, struct buf *out);
