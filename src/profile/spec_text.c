/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * What a single text in a profile may look like. Each check is a set of characters and a few
 * rules; sentences are without subject, the reader puts the path before them.
 */
#include <signal.h>

#include "profile/spec_impl.h"

static bool is_all_of(struct str s, const char *set)
{
	for (size_t i = 0; i < s.n; i++)
		if (!s.p[i] || !strchr(set, s.p[i]))
			return false;
	return true;
}

#define LOWER "abcdefghijklmnopqrstuvwxyz"
#define UPPER "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
#define DIGITS "0123456789"

static bool starts_with_one_of(struct str s, const char *set)
{
	return s.n && is_all_of(str_sub(s, 0, 1), set);
}

MUST int spec_check_name(struct str s, struct err *e)
{
	if (s.n > SPEC_NAME_MAX || !starts_with_one_of(s, LOWER DIGITS) ||
	    !is_all_of(s, LOWER DIGITS "_-"))
		return err_fail(e, ERR_INVALID, "is not a name (a-z, 0-9, _ and -; at most %d)",
				SPEC_NAME_MAX);
	return 0;
}

static bool is_good_part(struct str part)
{
	if (!part.n || str_is(part, ".") || str_is(part, ".."))
		return false;
	for (size_t i = 0; i < part.n; i++)
		if ((unsigned char)part.p[i] < 0x21 || part.p[i] == 0x7f || part.p[i] == '\\')
			return false;
	return true;
}

MUST int spec_check_path(struct str s, struct err *e)
{
	struct str part;
	if (!s.n || s.n > 200)
		return err_fail(e, ERR_INVALID, "is not a path of 1 to 200 bytes");
	while (str_split(&s, '/', &part))
		if (!is_good_part(part))
			return err_fail(e, ERR_INVALID,
					"is not a relative path without '..', spaces and '\\'");
	return 0;
}

MUST int spec_check_env_name(struct str s, struct err *e)
{
	if (!starts_with_one_of(s, LOWER UPPER "_") || !is_all_of(s, LOWER UPPER DIGITS "_"))
		return err_fail(e, ERR_INVALID, "is not the name of an environment variable");
	return 0;
}

MUST int spec_check_url(struct str s, struct err *e)
{
	size_t n = str_starts(s, S("https://")) ? 8 : str_starts(s, S("http://")) ? 7 : 0;
	bool is_clean = n && s.n > n;
	for (size_t i = 0; i < s.n; i++)
		is_clean = is_clean && (unsigned char)s.p[i] > 0x20 && s.p[i] != 0x7f;
	return is_clean ? 0 : err_fail(e, ERR_INVALID, "is not an http:// or https:// address");
}

MUST int spec_check_package(struct str s, struct err *e)
{
	if (s.n < 2 || !starts_with_one_of(s, LOWER DIGITS) ||
	    !is_all_of(s, LOWER DIGITS "+-."))
		return err_fail(e, ERR_INVALID, "is not the name of a Debian package");
	return 0;
}

MUST int spec_check_suite(struct str s, struct err *e)
{
	if (!starts_with_one_of(s, LOWER) || !is_all_of(s, LOWER DIGITS "-"))
		return err_fail(e, ERR_INVALID, "is not the name of a Debian suite");
	return 0;
}

MUST int spec_check_address(struct str s, struct err *e)
{
	if (!s.n || !is_all_of(s, DIGITS "abcdefABCDEF.:"))
		return err_fail(e, ERR_INVALID, "is not an IP address");
	return 0;
}

/* Whether the name is his to have is for the cloud to say; here only that it looks like one. */
MUST int spec_check_host(struct str s, struct err *e)
{
	struct err ignored = ERR_INIT;
	struct str rest = str_starts(s, S("*.")) ? str_sub(s, 2, s.n) : s, label;
	bool is_name = rest.n && rest.n <= 253;
	if (spec_check_address(s, &ignored) == 0 && (str_find_char(s, ':') < s.n))
		return 0;
	while (is_name && rest.p && str_split(&rest, '.', &label))
		is_name = label.n && label.n <= 63 && is_all_of(label, LOWER DIGITS "-") &&
			  label.p[0] != '-' && label.p[label.n - 1] != '-';
	return is_name ? 0
		       : err_fail(e, ERR_INVALID,
				  "is not a DNS name in lower case or an address");
}

MUST int spec_check_octal_mode(struct str s, struct err *e)
{
	if (s.n != 4 || s.p[0] != '0' || !is_all_of(s, "01234567"))
		return err_fail(e, ERR_INVALID, "is not a file mode like \"0640\"");
	return 0;
}

int spec_signal_number(struct str name)
{
	static const struct {
		const char *name;
		int number;
	} signals[] = {
		{"SIGHUP", SIGHUP},   {"SIGINT", SIGINT},     {"SIGQUIT", SIGQUIT},
		{"SIGTERM", SIGTERM}, {"SIGUSR1", SIGUSR1},   {"SIGUSR2", SIGUSR2},
		{"SIGKILL", SIGKILL}, {"SIGWINCH", SIGWINCH}, {"SIGCONT", SIGCONT},
	};
	for (size_t i = 0; i < ARRAY_LEN(signals); i++)
		if (str_is(name, signals[i].name))
			return signals[i].number;
	return 0;
}

MUST int spec_check_signal(struct str s, struct err *e)
{
	if (!spec_signal_number(s))
		return err_fail(e, ERR_INVALID,
				"is not the name of a signal that services take");
	return 0;
}
