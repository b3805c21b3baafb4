/* SPDX-License-Identifier: AGPL-3.0-or-later */
#pragma once
/*
 * Inside room api: revocation lists, kept per process.
 *
 * One is made when what it says has changed (its mark) or it is a day old; else asking for it
 * costs one small query. Many threads.
 */
#include "base/arena.h"
#include "store/certificate.h"
#include "trust/ca.h"

struct trust_crls;
/* Empty: nothing is kept yet. */
MUST int trust_crls_new(struct trust_crls **out, struct err *e);
/* NULL is accepted; returns NULL. */
struct trust_crls *trust_crls_free(struct trust_crls *t);
/* The list (DER) that is kept, if it still says what is so, in `a`; else the empty text. */
struct str trust_crls_get(struct trust_crls *t, enum ca_kind kind,
			  const struct certificate_mark *mark, int64_t now_ms, struct arena *a);
/* Keeps a list; without memory nothing is kept, and the next one makes it again. */
void trust_crls_put(struct trust_crls *t, enum ca_kind kind,
		    const struct certificate_mark *mark, int64_t now_ms, struct str der);
