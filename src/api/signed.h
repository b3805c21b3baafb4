/* SPDX-License-Identifier: AGPL-3.0-or-later */
#pragma once
/*
 * Inside room api: answers to nodes are signed, reports of nodes are checked (core/signed.h).
 *
 *     node ── write, Hoc-Report ─▶ whose key? good signature? number not seen? ─▶ handler
 *          ◀── answer or refusal, Hoc-State ── signed by the master's identity key
 *
 * The window of numbers seen is kept in the transaction of the write: what was refused or rolled
 * back is not seen. Calls about the node's own key (enrolment, renewal, /v1/keys) need no report:
 * what they carry is signed by that key itself. Nothing of this in a local master.
 *
 * A refusal has the newest sequence that any answer of this process had; a node compares it like
 * any other, and learns nothing from it.
 */
#include "api/call.h"

/* Before the handler: notes the newest event for refusals, and checks a node's write. ERR_FORBIDDEN:
 * the report is missing, forged, changed, another node's, replayed or too old; the text says which. */
MUST int signed_report_check(struct api_call *c, struct err *e);
/* After the handler: remembers the report's number. */
MUST int signed_report_keep(struct api_call *c, struct err *e);
/* Signs the answer of a run in its transaction. What a write tells of counts for refusals only
 * once it is committed: api_committed. */
MUST int signed_answer(struct api_call *c, struct err *e);
/* Signs a refusal; without memory it goes unsigned. */
void signed_refusal(struct api *api, const struct api_request *req, struct arena *a,
		    struct api_response *out);
/* Notes the newest event of a transaction of this process. */
MUST int signed_note_newest(struct api *api, struct db_tx *tx, struct err *e);
