/* SPDX-License-Identifier: AGPL-3.0-or-later */
#pragma once
/*
 * Inside room api: what everybody can check afterwards (docs/audit.md).
 *
 * Entries of the transparency log, their kind, subject and the members of their body:
 *
 *     certificate  SERIAL     {serial, authority, kind, owner, key, sha256}     sha256 of the DER
 *     key          KEY NAME   {change, kind, owner, …}    change: added, seal key set, revoked
 *     release      URI        {uri, hash}
 *
 * `kind` and `owner` of a body say whose it is (kind "person", owner his name): he, operators
 * and auditors see the body, others its hash alone. Releases are for all.
 *
 * Heads of the log and checkpoints of the event chain are signed by the master's key. In local mode
 * there is no key: the log grows all the same, heads and checkpoints are not made, and
 * answers say "signed": false.
 */
#include "api/call.h"

enum { AUDIT_EVERY_MS = 3000 };

extern const struct op_table op_audit;

/*
 * Appends an entry to the transparency log, in the call's transaction. `kind` is a word without
 * line ends; `body` an object. Errors of store_log_append.
 */
MUST int log_append(struct api_call *c, const char *kind, struct str subject,
		    const struct json *body, struct err *e);

/*
 * Signs a checkpoint of the newest event and a head of the log, each if there is something new
 * since the last one and that is AUDIT_EVERY_MS old. Does nothing without a key.
 */
MUST int audit_sign(struct api_call *c, struct err *e);
