/* SPDX-License-Identifier: AGPL-3.0-or-later */
#pragma once
/* Inside room api: names of persons and nodes, DNS names, addresses. Pure. */
#include "core/model.h"

enum {
	TRUST_NAME_MAX = 64, /* of a person or node that enrols: it stands in a certificate */
	DNS_NAME_MAX = 253,
	DNS_LABEL_MAX = 63
};

/*
 * Letters, digits and . _ @ + - , the first a letter or digit; at most TRUST_NAME_MAX bytes.
 * ERR_INVALID names `field`.
 */
MUST int trust_name(struct str name, const char *field, struct err *e);
/* Lower-case letters, digits and inner hyphens: one label of a DNS name. */
bool trust_is_label(struct str label);
/*
 * A DNS name of at least two labels, in lower case, without a point at the end; `may_wild`: with
 * "*." before it. The last label is not a number (that would be an address). ERR_INVALID names
 * `field`.
 */
MUST int trust_dns_name(struct str name, bool may_wild, const char *field, struct err *e);
/* Is it an IPv4 or IPv6 address? Then *out is its usual text. */
bool trust_is_address(struct str text, char out[static 64]);
/* Is `name` the suffix itself, or below it? */
bool trust_is_below(struct str name, struct str suffix);
