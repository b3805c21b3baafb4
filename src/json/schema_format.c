/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * Formats that a caller may ask to be asserted: validation section 7.3. Each judges one text by
 * a cursor that moves from left to right.
 */
#include <arpa/inet.h>

#include "json/schema_impl.h"

struct cursor {
	struct str s;
	size_t at;
};

static char peek(const struct cursor *c)
{
	return c->at < c->s.n ? c->s.p[c->at] : 0;
}

static bool take(struct cursor *c, char wanted)
{
	bool is_there = c->at < c->s.n && c->s.p[c->at] == wanted;
	c->at += is_there;
	return is_there;
}

static bool is_end(const struct cursor *c)
{
	return c->at == c->s.n;
}

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

static bool is_hex(char c)
{
	return is_digit(c) || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
}

static bool is_alnum(char c)
{
	return is_digit(c) || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

/* strchr would find the NUL that ends the set. */
static bool is_one_of(char c, const char *set)
{
	return c && strchr(set, c);
}

/* Exactly n digits. */
static bool take_number(struct cursor *c, int n, int *out)
{
	*out = 0;
	for (; n > 0 && is_digit(peek(c)); n--)
		*out = *out * 10 + (c->s.p[c->at++] - '0');
	return n == 0;
}

/* At least one digit. */
static bool take_digits(struct cursor *c)
{
	size_t from = c->at;
	while (is_digit(peek(c)))
		c->at++;
	return c->at > from;
}

/* RFC 3339 section 5.6 full-date. */
static bool take_date(struct cursor *c)
{
	static const int days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
	int year, month, day;
	if (!take_number(c, 4, &year) || !take(c, '-') || !take_number(c, 2, &month) ||
	    !take(c, '-') || !take_number(c, 2, &day) || month < 1 || month > 12)
		return false;
	bool is_leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
	return day >= 1 && day <= days[month - 1] + (month == 2 && is_leap);
}

static bool take_zone(struct cursor *c, int *minutes)
{
	int hour, minute;
	*minutes = 0;
	if (take(c, 'Z') || take(c, 'z'))
		return true;
	int sign = peek(c) == '-' ? -1 : 1;
	if (!take(c, '+') && !take(c, '-'))
		return false;
	if (!take_number(c, 2, &hour) || !take(c, ':') || !take_number(c, 2, &minute))
		return false;
	*minutes = sign * (hour * 60 + minute);
	return hour <= 23 && minute <= 59;
}

/* full-time; a leap second stands at 23:59:60 UTC only. */
static bool take_time(struct cursor *c)
{
	int hour, minute, second, zone;
	if (!take_number(c, 2, &hour) || !take(c, ':') || !take_number(c, 2, &minute) ||
	    !take(c, ':') || !take_number(c, 2, &second))
		return false;
	if (take(c, '.') && !take_digits(c))
		return false;
	if (!take_zone(c, &zone) || hour > 23 || minute > 59 || second > 60)
		return false;
	int utc = (hour * 60 + minute - zone + 2 * 1440) % 1440;
	return second < 60 || utc == 1439;
}

static bool is_date(struct str s)
{
	struct cursor c = {s, 0};
	return take_date(&c) && is_end(&c);
}

static bool is_time(struct str s)
{
	struct cursor c = {s, 0};
	return take_time(&c) && is_end(&c);
}

static bool is_date_time(struct str s)
{
	struct cursor c = {s, 0};
	return take_date(&c) && (take(&c, 'T') || take(&c, 't')) && take_time(&c) && is_end(&c);
}

/* Numbers with units, each the next smaller one after the one before (RFC 3339 appendix A). */
static bool take_parts(struct cursor *c, const char *units)
{
	const char *next = NULL;
	while (is_digit(peek(c))) {
		if (!take_digits(c) || !peek(c))
			return false;
		const char *unit = strchr(units, c->s.p[c->at++]);
		if (!unit || (next && unit != next))
			return false;
		next = unit + 1;
	}
	return next != NULL;
}

static bool is_duration(struct str s)
{
	struct cursor c = {s, 0};
	if (!take(&c, 'P'))
		return false;
	if (str_ends(s, S("W")))
		return take_digits(&c) && take(&c, 'W') && is_end(&c);
	bool has_date = is_digit(peek(&c));
	if (has_date && !take_parts(&c, "YMD"))
		return false;
	if (take(&c, 'T'))
		return take_parts(&c, "HMS") && is_end(&c);
	return has_date && is_end(&c);
}

static bool is_ip(struct str s, int family)
{
	char text[INET6_ADDRSTRLEN + 1], address[16];
	if (s.n >= sizeof text || memchr(s.p, 0, s.n))
		return false;
	memcpy(text, s.p, s.n);
	text[s.n] = 0;
	return inet_pton(family, text, address) == 1;
}

static bool is_ipv4(struct str s)
{
	return s.n && is_ip(s, AF_INET);
}

static bool is_ipv6(struct str s)
{
	return s.n && is_ip(s, AF_INET6);
}

/* RFC 1123: labels of 1 … 63 letters, digits and inner hyphens; 253 bytes. */
static bool is_hostname(struct str s)
{
	struct str part;
	if (!s.n || s.n > 253)
		return false;
	while (str_split(&s, '.', &part)) {
		if (!part.n || part.n > 63 || part.p[0] == '-' || part.p[part.n - 1] == '-')
			return false;
		for (size_t i = 0; i < part.n; i++)
			if (!is_alnum(part.p[i]) && part.p[i] != '-')
				return false;
	}
	return true;
}

/* RFC 5321 mailbox without quoted local parts. */
static bool is_email(struct str s)
{
	size_t at = s.n;
	while (at && s.p[at - 1] != '@')
		at--;
	if (at < 2 || at > 65)
		return false;
	struct str local = str_sub(s, 0, at - 1), domain = str_sub(s, at, s.n), part;
	while (str_split(&local, '.', &part)) {
		if (!part.n)
			return false;
		for (size_t i = 0; i < part.n; i++)
			if (!is_alnum(part.p[i]) &&
			    !is_one_of(part.p[i], "!#$%&'*+/=?^_`{|}~-"))
				return false;
	}
	return is_hostname(domain);
}

static bool has_uri_characters(struct str s)
{
	for (size_t i = 0; i < s.n; i++) {
		bool is_escape = s.p[i] == '%' && i + 2 < s.n && is_hex(s.p[i + 1]) &&
				 is_hex(s.p[i + 2]);
		if (!is_escape && !is_alnum(s.p[i]) &&
		    !is_one_of(s.p[i], "-._~:/?#[]@!$&'()*+,;="))
			return false;
	}
	return true;
}

/* RFC 3986: a scheme, and only characters a URI may have. */
static bool is_uri(struct str s)
{
	size_t n = str_find_char(s, ':');
	if (n == 0 || n == s.n || is_digit(s.p[0]))
		return false;
	for (size_t i = 0; i < n; i++)
		if (!is_alnum(s.p[i]) && !is_one_of(s.p[i], "+-."))
			return false;
	return has_uri_characters(s);
}

static bool is_uuid(struct str s)
{
	for (size_t i = 0; i < s.n; i++) {
		bool is_dash = i == 8 || i == 13 || i == 18 || i == 23;
		if (is_dash ? s.p[i] != '-' : !is_hex(s.p[i]))
			return false;
	}
	return s.n == 36;
}

/* RFC 6901. */
static bool is_pointer(struct str s)
{
	if (s.n && s.p[0] != '/')
		return false;
	for (size_t i = 0; i < s.n; i++)
		if (s.p[i] == '~' && (i + 1 == s.n || (s.p[i + 1] != '0' && s.p[i + 1] != '1')))
			return false;
	return true;
}

static bool is_regex(struct str s)
{
	struct arena *a CLEAN(arena_freep) = NULL;
	struct schema_regex *ignored;
	struct err e;
	return arena_new((size_t)1 << 20, &a, &e) == 0 &&
	       schema_regex_new(s, a, &ignored, &e) == 0;
}

bool schema_format_holds(struct str format, struct str s)
{
	static const struct {
		const char *name;
		bool (*holds)(struct str s);
	} formats[] = {
		{"date-time", is_date_time}, {"date", is_date},	  {"time", is_time},
		{"duration", is_duration},   {"email", is_email}, {"hostname", is_hostname},
		{"ipv4", is_ipv4},	     {"ipv6", is_ipv6},	  {"uri", is_uri},
		{"uuid", is_uuid},	     {"regex", is_regex}, {"json-pointer", is_pointer},
	};
	for (size_t i = 0; i < ARRAY_LEN(formats); i++)
		if (str_is(format, formats[i].name))
			return formats[i].holds(s);
	return true;
}
