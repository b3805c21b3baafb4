/* SPDX-License-Identifier: AGPL-3.0-or-later */
#pragma once
/* Inside room api: revocation lists, and why something was revoked. */
#include "api/call.h"
#include "trust/ca.h"

/* The newest revocation list (DER) of an authority, in the call's arena. Its number is the
 * moment it was made. */
MUST int trust_crl(struct api_call *c, enum ca_kind kind, struct str *out, struct err *e);

/* Reasons of a revocation (RFC 5280, 5.3.1) as words of the API, and back. */
extern const struct json_word trust_reason_words[];
struct str trust_reason_word(int64_t reason);
