/* SPDX-License-Identifier: AGPL-3.0-or-later */
#pragma once
/*
 * Asks the network whether a challenge is met. Names lead where their owners say, so:
 *
 *  1. An address that is not public is not connected to, unless its network is allowed
 *     (acme_address_may); this is asked of the address that is then connected to.
 *  2. http-01 follows at most ACME_REDIRECTS redirects, only to http:// on the same port and a DNS
 *     name, whose address is judged as the first. https:// is not followed: who proves a name
 *     here has, as a rule, no certificate yet.
 *  3. Time, size of answers and number of addresses tried are bounded; no proxy is used.
 *  4. What a server answered is never told, only that it was something else.
 */
#include <stdatomic.h>

#include "api/acme_work.h"

enum {
	ACME_ASK_MS = 5000, /* of a connection, and of a question to DNS */
	ACME_REDIRECTS = 3,
	ACME_ADDRESSES = 2, /* of a name and a kind that are tried */
	ACME_BODY_MAX = 4096,
	ACME_RECORDS_MAX = 64,
};

struct acme_net {
	const struct acme_network *allowed;
	size_t allowed_count;
	struct str resolver; /* "IPv4:port", "": those of the host */
	uint16_t http_port, tls_port;
	const atomic_bool *is_stopping; /* ends asking at the next step */
};

struct acme_answer {
	enum acme_finding finding;
	struct str text; /* why not */
};

/* Never fails: a failure is a finding. */
void acme_ask(const struct acme_net *n, const struct acme_work *w, struct arena *a,
	      struct acme_answer *out);

/* ---- acme_dns.c ------------------------------------------------------------------------------- */

struct acme_address {
	uint8_t bytes[16]; /* IPv4 as ::ffff:a.b.c.d */
	char text[46];
	bool is_v6;
};
/* Checks the text of a resolver: ERR_INVALID. */
MUST int acme_resolver_check(struct str text, struct err *e);
/* TXT records of a name, each put together from its pieces. ERR_NOT_FOUND: there are none;
 * ERR_UNREACHABLE: the resolver did not tell. */
MUST int acme_dns_txt(const struct acme_net *n, struct str name, struct arena *a,
		      struct str **out, size_t *count, struct err *e);
/* Addresses, IPv6 first, ACME_ADDRESSES of each kind at most. Errors as above. */
MUST int acme_dns_addresses(const struct acme_net *n, struct str name, struct arena *a,
			    struct acme_address **out, size_t *count, struct err *e);
