/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * Failures as values: one table of kinds, and the functions that fill a struct err.
 */
#include "base/err.h"

#include <errno.h>
#include <stdarg.h>
#include <unistd.h>

#include "base/str.h"

/* clang-format off */
static const struct err_kind_info kinds[ERR_KINDS] = {
	/*                     name           status exit  retry */
	[ERR_NONE]        = {"none",           200,   0, false},
	[ERR_INVALID]     = {"invalid",        400,   2, false},
	[ERR_USAGE]       = {"usage",          400,   2, false},
	[ERR_NOT_FOUND]   = {"not-found",      404,   3, false},
	[ERR_CONFLICT]    = {"conflict",       409,   4, false},
	[ERR_FORBIDDEN]   = {"forbidden",      403,   5, false},
	[ERR_TOO_LARGE]   = {"too-large",      413,   6, false},
	[ERR_NO_ROOM]     = {"no-room",        507,   7, true},
	[ERR_BUSY]        = {"busy",           503,   8, true},
	[ERR_TIMEOUT]     = {"timeout",        504,   9, true},
	[ERR_UNREACHABLE] = {"unreachable",    502,  10, true},
	[ERR_BROKEN]      = {"broken",         500,  11, true},
	[ERR_CORRUPT]     = {"corrupt",        500,  12, false},
	[ERR_IO]          = {"io",             500,  13, true},
	[ERR_MEMORY]      = {"memory",         503,  14, true},
	[ERR_UNSUPPORTED] = {"unsupported",    501,  15, false},
	[ERR_INTERNAL]    = {"internal",       500,  16, false},
};
/* clang-format on */

const struct err_kind_info *err_kind_info(enum err_kind kind)
{
	ASSERT((unsigned)kind < ERR_KINDS);
	return &kinds[kind];
}

void base_assert_failed(const char *what, const char *file, int line)
{
	dprintf(STDERR_FILENO, "assertion failed: %s at %s:%d\n", what, file, line);
	abort();
}

/*
 * Makes a text one line of UTF-8, whatever bytes of strangers were quoted in it: an answer in
 * JSON and a line of a log can carry it. A character that the end of the array cut goes whole.
 */
static void tidy(char *text, size_t size)
{
	size_t n = strlen(text);
	for (size_t i = 0; i < n;) {
		size_t step = str_utf8_step(str_of(text + i, n - i));
		bool is_cut = !step && n + 1 == size && n - i < 4;
		if (is_cut)
			text[n = i] = 0;
		else if (!step)
			text[i] = '?';
		else if (step == 1 && ((unsigned char)text[i] < ' ' || text[i] == 0x7f))
			text[i] = ' ';
		i += step ? step : 1;
	}
}

PRINTF(7, 0)
static void fill(struct err *e, enum err_kind kind, int os, const char *file, int line,
		 const char *field, const char *format, va_list args)
{
	/* The arguments may point into *e itself: build the new one aside. */
	struct err fresh = {.kind = kind, .os = os, .line = line, .file = file};
	(void)vsnprintf(fresh.text, sizeof fresh.text, format, args);
	(void)snprintf(fresh.field, sizeof fresh.field, "%s", field);
	tidy(fresh.text, sizeof fresh.text);
	tidy(fresh.field, sizeof fresh.field);
	*e = fresh;
}

int err_fill(struct err *e, enum err_kind kind, int os, const char *file, int line,
	     const char *format, ...)
{
	va_list args;
	va_start(args, format);
	fill(e, kind, os, file, line, "", format, args);
	va_end(args);
	return -1;
}

int err_fill_os(struct err *e, int os, const char *file, int line, const char *format, ...)
{
	enum err_kind kind = ERR_IO;
	if (os == ENOMEM)
		kind = ERR_MEMORY;
	else if (os == ENOSPC || os == EDQUOT)
		kind = ERR_NO_ROOM;
	va_list args;
	va_start(args, format);
	fill(e, kind, os, file, line, "", format, args);
	va_end(args);
	size_t n = strlen(e->text);
	const char *why = strerrordesc_np(os);
	if (why)
		(void)snprintf(e->text + n, sizeof e->text - n, ": %s", why);
	else
		(void)snprintf(e->text + n, sizeof e->text - n, ": error %d", os);
	tidy(e->text, sizeof e->text);
	return -1;
}

int err_fill_field(struct err *e, const char *path, const char *file, int line,
		   const char *format, ...)
{
	va_list args;
	va_start(args, format);
	fill(e, ERR_INVALID, 0, file, line, path, format, args);
	va_end(args);
	return -1;
}

int err_prefix(struct err *e, const char *format, ...)
{
	char joined[ERR_TEXT_MAX];
	va_list args;
	va_start(args, format);
	int n = vsnprintf(joined, sizeof joined, format, args);
	va_end(args);
	if (n < 0)
		n = 0;
	if ((size_t)n < sizeof joined)
		(void)snprintf(joined + n, sizeof joined - (size_t)n, ": %s", e->text);
	tidy(joined, sizeof joined);
	memcpy(e->text, joined, strlen(joined) + 1);
	return -1;
}

void err_clear(struct err *e)
{
	*e = (struct err)ERR_INIT;
}
