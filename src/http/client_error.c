/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * Answers that are errors, as struct err: the error body of the API if it is one, else the
 * status.
 */
#include "http/client.h"
#include "json/desc.h"

enum { ERROR_BODY_MAX = 65536, EXCERPT_MAX = 200 };

struct error_inner {
	struct str kind, field, text;
};

struct error_body {
	struct error_inner error;
};

static const struct json_field inner_fields[] = {
	JSON_STR(struct error_inner, kind, "kind", 1, 64, JSON_REQUIRED, "The kind's name."),
	JSON_STR(struct error_inner, field, "field", 0, 4096, JSON_NULL_OK, "The place."),
	JSON_STR(struct error_inner, text, "text", 0, 16384, JSON_REQUIRED, "For a person."),
};
static const struct json_desc inner_desc = {
	.name = "ErrorInner",
	.help = "What went wrong.",
	.bytes = sizeof(struct error_inner),
	.fields = inner_fields,
	.n_fields = ARRAY_LEN(inner_fields),
	.is_open = true,
};
static const struct json_field body_fields[] = {
	JSON_STRUCT(struct error_body, error, struct error_inner, "error", &inner_desc,
		    JSON_REQUIRED, "What went wrong."),
};
static const struct json_desc body_desc = {
	.name = "Error",
	.help = "An error.",
	.bytes = sizeof(struct error_body),
	.fields = body_fields,
	.n_fields = ARRAY_LEN(body_fields),
	.is_open = true,
};

/* ERR_NONE if no kind has that name. */
static enum err_kind kind_named(struct str name)
{
	for (unsigned k = ERR_NONE + 1; k < ERR_KINDS; k++)
		if (str_is(name, err_kind_info((enum err_kind)k)->name))
			return (enum err_kind)k;
	return ERR_NONE;
}

static enum err_kind kind_of_status(unsigned status)
{
	static const struct {
		unsigned status;
		enum err_kind kind;
	} others[] = {
		{401, ERR_FORBIDDEN}, {402, ERR_FORBIDDEN}, {408, ERR_TIMEOUT},
		{410, ERR_NOT_FOUND}, {429, ERR_BUSY},	    {431, ERR_TOO_LARGE},
		{500, ERR_BROKEN},
	};
	for (size_t i = 0; i < ARRAY_LEN(others); i++)
		if (others[i].status == status)
			return others[i].kind;
	for (unsigned k = ERR_NONE + 1; k < ERR_KINDS; k++)
		if (err_kind_info((enum err_kind)k)->http_status == (int)status)
			return (enum err_kind)k;
	return status >= 400 && status <= 499 ? ERR_INVALID : ERR_BROKEN;
}

/* True if the body was an error of the API: then *e is filled. */
static bool read_api_error(struct str body, struct err *e)
{
	struct arena *a CLEAN(arena_freep) = NULL;
	struct err ignored;
	struct error_body got;
	if (body.n > ERROR_BODY_MAX || arena_new(4 * ERROR_BODY_MAX, &a, &ignored) < 0 ||
	    json_read(&body_desc, body, a, &got, &ignored) < 0)
		return false;
	enum err_kind kind = kind_named(got.error.kind);
	if (kind == ERR_NONE)
		return false;
	(void)err_fail(e, kind, "%.*s", STR_A(got.error.text));
	(void)snprintf(e->field, sizeof e->field, "%.*s", STR_A(got.error.field));
	return true;
}

/* The start of the body on one line, with nothing in it that a terminal would obey. */
static void write_excerpt(struct str body, char out[static EXCERPT_MAX + 1])
{
	size_t n = 0;
	body = str_trim(body);
	for (size_t i = 0; i < body.n && n < EXCERPT_MAX; i++) {
		unsigned char c = (unsigned char)body.p[i];
		bool is_space = c <= ' ';
		if (c >= 0x7f || (is_space && n && out[n - 1] == ' '))
			continue;
		out[n++] = is_space ? ' ' : (char)c;
	}
	out[n] = 0;
}

int http_error_from_response(const struct http_response *r, struct err *e)
{
	char excerpt[EXCERPT_MAX + 1];
	if (read_api_error(r->body, e))
		return -1;
	write_excerpt(r->body, excerpt);
	return err_fail(e, kind_of_status(r->status), "the server answered with status %u%s%s",
			r->status, excerpt[0] ? ": " : "", excerpt);
}
