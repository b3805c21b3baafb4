/* SPDX-License-Identifier: AGPL-3.0-or-later */
#pragma once
/* Inside room api: handlers and tables of ops_audit.c. */
#include "api/call.h"

#define HANDLER(name) MUST int name(struct api_call *c, struct err *e)
#define TABLE(name) extern const struct json_desc name

/* audit_head.c: what the master signs */
HANDLER(audit_checkpoints);
HANDLER(audit_head);
HANDLER(audit_heads);
HANDLER(audit_witness);
TABLE(audit_checkpoints_query);
TABLE(audit_checkpoints_out);
TABLE(audit_head_out);
TABLE(audit_heads_query);
TABLE(audit_heads_out);
TABLE(audit_witness_in);
TABLE(audit_witness_out);
/* audit_log.c: what the log holds */
HANDLER(audit_entries);
HANDLER(audit_proof);
HANDLER(audit_consistency);
TABLE(audit_entries_query);
TABLE(audit_entries_out);
TABLE(audit_proof_query);
TABLE(audit_proof_out);
TABLE(audit_consistency_query);
TABLE(audit_consistency_out);

#undef HANDLER
#undef TABLE
