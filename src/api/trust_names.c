/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "api/trust_names.h"

#include <arpa/inet.h>
#include <string.h>

static bool is_alnum(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

MUST int trust_name(struct str name, const char *field, struct err *e)
{
	if (!name.n)
		return err_field(e, field, "is empty");
	if (name.n > TRUST_NAME_MAX)
		return err_field(e, field, "is longer than %d bytes", TRUST_NAME_MAX);
	if (!is_alnum(name.p[0]))
		return err_field(e, field, "does not begin with a letter or digit");
	for (size_t i = 0; i < name.n; i++)
		if (!is_alnum(name.p[i]) && str_find_char(S("._@+-"), name.p[i]) == 5)
			return err_field(e, field,
					 "may only have letters, digits and . _ @ + -");
	return 0;
}

bool trust_is_label(struct str label)
{
	if (!label.n || label.n > DNS_LABEL_MAX || label.p[0] == '-' ||
	    label.p[label.n - 1] == '-')
		return false;
	for (size_t i = 0; i < label.n; i++)
		if (!(label.p[i] >= 'a' && label.p[i] <= 'z') && !is_digit(label.p[i]) &&
		    label.p[i] != '-')
			return false;
	return true;
}

static bool is_number(struct str label)
{
	for (size_t i = 0; i < label.n; i++)
		if (!is_digit(label.p[i]))
			return false;
	return true;
}

MUST int trust_dns_name(struct str name, bool may_wild, const char *field, struct err *e)
{
	struct str rest = name, label = S("");
	size_t labels = 0;
	if (may_wild && str_starts(name, S("*.")))
		rest = str_sub(name, 2, name.n);
	if (!rest.n || name.n > DNS_NAME_MAX)
		return err_field(e, field, "is no DNS name: 1 to %d bytes", DNS_NAME_MAX);
	while (str_split(&rest, '.', &label)) {
		labels++;
		if (!trust_is_label(label))
			return err_field(
				e, field,
				"is no DNS name: labels are lower-case letters, digits "
				"and inner hyphens");
	}
	if (labels < 2 || is_number(label))
		return err_field(e, field, "is no DNS name of two labels or more");
	return 0;
}

bool trust_is_address(struct str text, char out[static 64])
{
	char copy[64];
	unsigned char bytes[sizeof(struct in6_addr)];
	if (!text.n || text.n >= sizeof copy || memchr(text.p, 0, text.n))
		return false;
	memcpy(copy, text.p, text.n);
	copy[text.n] = 0;
	int family = memchr(text.p, ':', text.n) ? AF_INET6 : AF_INET;
	return inet_pton(family, copy, bytes) == 1 && inet_ntop(family, bytes, out, 64) != NULL;
}

bool trust_is_below(struct str name, struct str suffix)
{
	if (str_eq(name, suffix))
		return true;
	return name.n > suffix.n + 1 && str_ends(name, suffix) &&
	       name.p[name.n - suffix.n - 1] == '.';
}
