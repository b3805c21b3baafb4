/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* The part of the table of operations that lets everybody check the master: docs/audit.md. */
#include "api/audit.h"
#include "api/audit_ops.h"

/* clang-format off */
static const struct op rows[] = {
	/* route, id, may (api/access.h), is_write, in, query, out, prepare, run, media, help */
	{GET_("/v1/checkpoints"), "checkpoints", "-aaaaaaa", false, NULL, &audit_checkpoints_query, &audit_checkpoints_out, NULL, audit_checkpoints, NULL,
		"What the master signed of the audit chain, in order."},
	{GET_("/v1/log/head"), "log_head", "-aaaaaaa", false, NULL, NULL, &audit_head_out, NULL, audit_head, NULL,
		"The newest head of the transparency log, and who else saw which."},
	{GET_("/v1/log/heads"), "log_heads", "-aaaaaaa", false, NULL, &audit_heads_query, &audit_heads_out, NULL, audit_heads, NULL,
		"Signed heads that were kept: the first of each hour, and the newest."},
	{GET_("/v1/log/entries"), "log_entries", "-ooooaao", false, NULL, &audit_entries_query, &audit_entries_out, NULL, audit_entries, NULL,
		"Entries of the transparency log, in order; of those that are not the caller's only the hash."},
	{GET_("/v1/log/proof"), "log_proof", "-aaaaaaa", false, NULL, &audit_proof_query, &audit_proof_out, NULL, audit_proof, NULL,
		"That an entry is in the log (RFC 9162, 2.1.3)."},
	{GET_("/v1/log/consistency"), "log_consistency", "-aaaaaaa", false, NULL, &audit_consistency_query, &audit_consistency_out, NULL, audit_consistency, NULL,
		"That a log continues a smaller one (RFC 9162, 2.1.4)."},
	{POST_("/v1/log/witness"), "log_witness", "-ooooooo", true, &audit_witness_in, NULL, &audit_witness_out, NULL, audit_witness, NULL,
		"Takes the caller's signature over a head that he checked against the one he remembers."},
};
/* clang-format on */

const struct op_table op_audit = {rows, ARRAY_LEN(rows)};
