/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Problem documents: type, status, detail (RFC 7807; RFC 8555 6.7). */
#include "api/acme.h"

#define URN "urn:ietf:params:acme:error:"
#define PROBLEM_MEDIA "application/problem+json"

/* clang-format off */
static const struct { const char *word; int status; } errors[ACME_ERRORS] = {
	[ACME_NO_ERROR]                  = {"serverInternal", 500},
	[ACME_ACCOUNT_DOES_NOT_EXIST]    = {"accountDoesNotExist", 400},
	[ACME_ALREADY_REPLACED]          = {"alreadyReplaced", 409},
	[ACME_ALREADY_REVOKED]           = {"alreadyRevoked", 400},
	[ACME_BAD_CSR]                   = {"badCSR", 400},
	[ACME_BAD_NONCE]                 = {"badNonce", 400},
	[ACME_BAD_PUBLIC_KEY]            = {"badPublicKey", 400},
	[ACME_BAD_REVOCATION_REASON]     = {"badRevocationReason", 400},
	[ACME_BAD_SIGNATURE_ALGORITHM]   = {"badSignatureAlgorithm", 400},
	[ACME_CONFLICT]                  = {"malformed", 409},
	[ACME_CONNECTION]                = {"connection", 400},
	[ACME_DNS]                       = {"dns", 400},
	[ACME_EXTERNAL_ACCOUNT_REQUIRED] = {"externalAccountRequired", 403},
	[ACME_INCORRECT_RESPONSE]        = {"incorrectResponse", 403},
	[ACME_INVALID_CONTACT]           = {"invalidContact", 400},
	[ACME_MALFORMED]                 = {"malformed", 400},
	[ACME_NOT_FOUND]                 = {"malformed", 404},
	[ACME_ORDER_NOT_READY]           = {"orderNotReady", 403},
	[ACME_RATE_LIMITED]              = {"rateLimited", 429},
	[ACME_REJECTED_IDENTIFIER]       = {"rejectedIdentifier", 400},
	[ACME_SERVER_INTERNAL]           = {"serverInternal", 500},
	[ACME_TLS]                       = {"tls", 400},
	[ACME_TYPE]                      = {"malformed", 415},
	[ACME_UNAUTHORIZED]              = {"unauthorized", 403},
	[ACME_UNSUPPORTED_CONTACT]       = {"unsupportedContact", 400},
	[ACME_UNSUPPORTED_IDENTIFIER]    = {"unsupportedIdentifier", 400},
};
/* clang-format on */

bool acme_is_path(struct str target)
{
	return str_starts(target, S("/acme/"));
}

static void add_text(struct buf *b, const char *key, struct str text)
{
	buf_addf(b, ",\"%s\":", key);
	json_write_str(str_is_utf8(text) ? text : S("the request is not UTF-8"), b);
}

static void add_head(struct buf *b, enum acme_error error, struct str text)
{
	buf_addf(b, "{\"type\":\"" URN "%s\"", errors[error].word);
	add_text(b, "detail", text);
}

struct str acme_problem_text(const struct acme_problem *p, struct arena *a)
{
	struct buf b CLEAN(buf_fini) = BUF_INIT(128 << 10);
	add_head(&b, p->error, p->text);
	buf_addf(&b, ",\"status\":%d", errors[p->error].status);
	if (p->error == ACME_BAD_SIGNATURE_ALGORITHM)
		buf_add(&b, S(",\"algorithms\":[\"ES256\",\"ES384\",\"RS256\",\"EdDSA\"]"));
	for (size_t i = 0; i < p->sub_count; i++) {
		buf_add(&b, i ? S(",") : S(",\"subproblems\":["));
		add_head(&b, p->subs[i].error, p->subs[i].text);
		buf_add(&b, S(",\"identifier\":{\"type\":\"dns\""));
		add_text(&b, "value", p->subs[i].name);
		buf_add(&b, S("}}"));
	}
	buf_add(&b, p->sub_count ? S("]}") : S("}"));
	return arena_dup(a, buf_str(&b));
}

MUST int acme_answer_problem(struct api_call *c, const struct acme_problem *p, struct err *e)
{
	return call_answer_text(c, errors[p->error].status, PROBLEM_MEDIA,
				acme_problem_text(p, c->a), e);
}

int acme_problem_fill(struct acme *m, enum acme_error error, struct err *e, struct str text)
{
	m->problem = (struct acme_problem){.error = error, .text = text};
	return err_fail(e, ERR_INVALID, "%" STR_F, STR_A(text));
}

int acme_fail_as(struct acme *m, enum acme_error error, struct err *e)
{
	bool is_input = e->kind == ERR_INVALID || e->kind == ERR_UNSUPPORTED ||
			e->kind == ERR_FORBIDDEN || e->kind == ERR_TOO_LARGE ||
			e->kind == ERR_CORRUPT;
	if (!is_input)
		return -1;
	m->problem = (struct acme_problem){
		.error = error,
		.text = e->field[0] ? arena_fmt(m->c->a, "%s: %s", e->field, e->text)
				    : arena_dup(m->c->a, str_from(e->text)),
	};
	return -1;
}

/* What is refused before or beside a handler: an unknown path, no memory, a failed statement. */
void acme_refuse(const struct err *why, struct buf *b, struct api_response *out)
{
	int status = why->kind == ERR_USAGE ? why->os : err_kind_info(why->kind)->http_status;
	bool is_ours = status >= 500;
	out->status = status;
	out->content_type = PROBLEM_MEDIA;
	add_head(b, is_ours ? ACME_SERVER_INTERNAL : ACME_MALFORMED, str_from(why->text));
	buf_addf(b, ",\"status\":%d}", status);
}
