/* SPDX-License-Identifier: AGPL-3.0-or-later */
#pragma once
/*
 * A cloud with people for the tests of enrolment and certificates: op is its operator, ann owns
 * customer shop, bob is a member of it, mallory owns evil; node n1 has release web.
 */
#include "trusted.h"

enum { DAY = 86400000 };
static const int64_t day_ms = DAY;

struct stage {
	struct trusted t;
	struct who *op, *ann, *bob, *mallory, *n1;
};
void stage_begin(struct stage *s, struct cloud *c);
/* A request for a certificate as it stands within quotes of JSON. */
const char *stage_csr(struct stage *s, const struct key *k);
/* The last call was refused so, with these words in its text. */
void stage_refused(struct stage *s, int status, const char *words);
const char *stage_key_name(struct stage *s, const struct key *k);
/* Somebody who came in by enrolment, to call with. */
struct who stage_as(struct stage *s, const char *kind, const char *name, struct key *k);
struct key *stage_key(enum key_kind kind);
/* POST /v1/renew by `w` for the key. */
struct json *stage_renew(struct stage *s, struct who *w, const struct key *k);
/* The revocation list of an authority. */
struct str stage_crl(struct stage *s, const char *authority);
/* Serial of the leaf of a chain. */
const char *stage_serial(struct stage *s, const char *pem);
/* POST /v1/enrol with the token, for the key, titled laptop. */
struct json *stage_enrol(struct stage *s, const char *token, const struct key *k);
