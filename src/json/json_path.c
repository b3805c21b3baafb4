/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * Paths: `services.postgres.exec[2]`, `files["etc/x.conf"].mode`.
 *
 *     path = [ step *( "." name / "[" digits "]" / '["' any '"]' ) ]
 *
 * A key made of letters, digits, "_", "-" and "$" is written plainly, any other in brackets.
 */
#include "json/json.h"

#include "base/str.h"
#include "json/json_impl.h"

/* As many steps as an instance may have levels; deeper ones are told from the inside. */
enum { STEPS_SHOWN = JSON_DEPTH_MAX };

static bool is_plain_char(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
	       c == '_' || c == '-' || c == '$';
}

static bool is_plain(struct str key)
{
	for (size_t i = 0; i < key.n; i++)
		if (!is_plain_char(key.p[i]))
			return false;
	return key.n > 0;
}

struct line {
	char *out;
	size_t n;
};

static void put(struct line *l, struct str s)
{
	for (size_t i = 0; i < s.n && l->n < ERR_FIELD_MAX - 1; i++)
		l->out[l->n++] = (unsigned char)s.p[i] < ' ' || s.p[i] == 0x7F ? '?' : s.p[i];
}

static void put_step(struct line *l, const struct json_step *step)
{
	char digits[32];
	if (!step->key.p) {
		put(l, str_of(digits,
			      (size_t)snprintf(digits, sizeof digits, "[%zu]", step->index)));
	} else if (is_plain(step->key)) {
		if (l->n)
			put(l, S("."));
		put(l, step->key);
	} else {
		put(l, S("[\""));
		put(l, step->key);
		put(l, S("\"]"));
	}
}

/* A cut in the middle of a character would make the whole error invalid UTF-8. */
static void drop_half_character(struct line *l)
{
	while (l->n && !str_is_utf8(str_of(l->out, l->n)))
		l->n--;
}

void json_step_text(const struct json_step *at, struct str prefix, char out[ERR_FIELD_MAX])
{
	const struct json_step *steps[STEPS_SHOWN];
	size_t n = 0;
	for (; at && n < STEPS_SHOWN; at = at->up)
		steps[n++] = at;
	struct line l = {out, 0};
	put(&l, prefix);
	while (n)
		put_step(&l, steps[--n]);
	drop_half_character(&l);
	out[l.n] = 0;
}

size_t json_step_depth(const struct json_step *at)
{
	size_t n = 0;
	for (; at; at = at->up)
		n++;
	return n;
}

/* Takes `[2]` or `["key"]` off *path and goes there. */
static const struct json *enter_bracket(const struct json *j, struct str *path)
{
	bool is_key = str_starts(*path, S("[\""));
	struct str rest = str_sub(*path, is_key ? 2 : 1, path->n);
	struct str end = is_key ? S("\"]") : S("]");
	size_t at = str_find(rest, end);
	if (at == rest.n)
		return NULL;
	*path = str_sub(rest, at + end.n, rest.n);
	if (is_key)
		return json_get(j, str_sub(rest, 0, at));
	int64_t index;
	struct err ignored;
	if (str_to_i64(str_sub(rest, 0, at), 0, INT32_MAX, &index, &ignored) < 0)
		return NULL;
	return json_at(j, (size_t)index);
}

/* Takes a plain name off *path and goes there. */
static const struct json *enter_name(const struct json *j, struct str *path)
{
	size_t n = 0;
	while (n < path->n && is_plain_char(path->p[n]))
		n++;
	struct str name = str_sub(*path, 0, n);
	*path = str_sub(*path, n, path->n);
	return n ? json_get(j, name) : NULL;
}

const struct json *json_path(const struct json *j, struct str path)
{
	for (bool is_first = true; j && path.n; is_first = false) {
		if (path.p[0] == '[') {
			j = enter_bracket(j, &path);
			continue;
		}
		if (!is_first && path.p[0] != '.')
			return NULL;
		path = str_sub(path, !is_first, path.n);
		j = enter_name(j, &path);
	}
	return j;
}
