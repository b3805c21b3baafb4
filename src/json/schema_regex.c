/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * Patterns: the only file that opens PCRE2.
 *
 * PCRE2 reads all of ECMA-262 that schemas use; what it adds (recursion, verbs) is harmless
 * under its limits. Everything it allocates comes from the arena and goes with it, so nothing
 * here is ever freed. A match first gets few steps; only one that needs more is tried again with
 * many, and charged for them: so honest patterns stay cheap and a hostile one is bounded.
 */
#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

#include "json/schema_impl.h"

enum {
	FEW_STEPS = 2000,
	MANY_STEPS = 100000,
	FEW_WORK = 8,
	MANY_WORK = 4000,
	HEAP_KIB = 512,
	PARENTHESES_MAX = 32,
};

struct schema_regex {
	pcre2_code *code;
};

struct schema_regex_run {
	pcre2_match_data *data;
	pcre2_match_context *few, *many;
};

static void *from_arena(size_t n, void *arena)
{
	return arena_alloc(arena, n);
}

static void stays(void *p UNUSED, void *arena UNUSED)
{
}

static pcre2_general_context *new_context(struct arena *a)
{
	return pcre2_general_context_create(from_arena, stays, a);
}

static pcre2_compile_context *new_compile_context(struct arena *a)
{
	pcre2_general_context *general = new_context(a);
	pcre2_compile_context *c = general ? pcre2_compile_context_create(general) : NULL;
	if (!c)
		return NULL;
	(void)pcre2_set_max_pattern_length(c, SCHEMA_PATTERN_MAX);
	(void)pcre2_set_parens_nest_limit(c, PARENTHESES_MAX);
	(void)pcre2_set_compile_extra_options(c, PCRE2_EXTRA_ALT_BSUX);
	return c;
}

/* Long names of Unicode classes that ECMA-262 has and PCRE2 knows by their short ones only. */
static const struct {
	struct str name, code;
} classes[] = {
	{S_INIT("Letter}"), S_INIT("L}")},
	{S_INIT("Lowercase_Letter}"), S_INIT("Ll}")},
	{S_INIT("Uppercase_Letter}"), S_INIT("Lu}")},
	{S_INIT("Mark}"), S_INIT("M}")},
	{S_INIT("Number}"), S_INIT("N}")},
	{S_INIT("Decimal_Number}"), S_INIT("Nd}")},
	{S_INIT("digit}"), S_INIT("Nd}")},
	{S_INIT("Punctuation}"), S_INIT("P}")},
	{S_INIT("Symbol}"), S_INIT("S}")},
	{S_INIT("Separator}"), S_INIT("Z}")},
	{S_INIT("Other}"), S_INIT("C}")},
};

/* Bytes of `rest` that a class name takes; its short form goes to *code. */
static size_t class_name(struct str rest, struct str *code)
{
	for (size_t i = 0; i < ARRAY_LEN(classes); i++) {
		if (str_starts(rest, classes[i].name)) {
			*code = classes[i].code;
			return classes[i].name.n;
		}
	}
	return 0;
}

/* The pattern as PCRE2 wants it; never longer. NULL after the arena failed. */
static const char *translate(struct str pattern, struct arena *a, size_t *out_n)
{
	char *out = arena_alloc(a, pattern.n + 1);
	size_t n = 0;
	for (size_t i = 0; out && i < pattern.n;) {
		struct str rest = str_sub(pattern, i, pattern.n), code = S("");
		size_t step = rest.p[0] == '\\' && rest.n > 1 ? 2 : 1;
		memcpy(out + n, rest.p, step);
		n += step;
		i += step;
		if (!str_starts(rest, S("\\p{")) && !str_starts(rest, S("\\P{")))
			continue;
		out[n++] = '{';
		i++;
		i += class_name(str_sub(pattern, i, pattern.n), &code);
		memcpy(out + n, code.p, code.n);
		n += code.n;
	}
	*out_n = n;
	return out;
}

MUST int schema_regex_new(struct str pattern, struct arena *a, struct schema_regex **out,
			  struct err *e)
{
	const uint32_t options = PCRE2_UTF | PCRE2_ALT_BSUX | PCRE2_DOLLAR_ENDONLY |
				 PCRE2_ALLOW_EMPTY_CLASS | PCRE2_MATCH_UNSET_BACKREF |
				 PCRE2_NEVER_BACKSLASH_C;
	struct schema_regex *x = ARENA_NEW(a, struct schema_regex);
	pcre2_compile_context *c = new_compile_context(a);
	int why = 0;
	size_t at = 0;
	size_t n = 0;
	if (pattern.n > SCHEMA_PATTERN_MAX)
		return err_fail(e, ERR_INVALID, "is a pattern of more than %d bytes",
				SCHEMA_PATTERN_MAX);
	const char *text = translate(pattern, a, &n);
	if (!x || !c || !text)
		return arena_check(a, e);
	x->code = pcre2_compile((const uint8_t *)text, n, options, &why, &at, c);
	if (!x->code) {
		uint8_t message[128] = "";
		if (arena_check(a, e) < 0)
			return -1;
		(void)pcre2_get_error_message(why, message, sizeof message);
		return err_fail(e, ERR_INVALID, "is not a pattern: %s (byte %zu)",
				(const char *)message, at);
	}
	*out = x;
	return 0;
}

static pcre2_match_context *new_match_context(pcre2_general_context *general, uint32_t steps)
{
	pcre2_match_context *c = pcre2_match_context_create(general);
	if (!c)
		return NULL;
	(void)pcre2_set_match_limit(c, steps);
	(void)pcre2_set_depth_limit(c, steps);
	(void)pcre2_set_heap_limit(c, HEAP_KIB);
	return c;
}

struct schema_regex_run *schema_regex_run_new(struct arena *a)
{
	struct schema_regex_run *run = ARENA_NEW(a, struct schema_regex_run);
	pcre2_general_context *general = new_context(a);
	if (!run || !general)
		return NULL;
	run->data = pcre2_match_data_create(1, general);
	run->few = new_match_context(general, FEW_STEPS);
	run->many = new_match_context(general, MANY_STEPS);
	return run->data && run->few && run->many ? run : NULL;
}

int schema_regex_find(const struct schema_regex *x, struct schema_regex_run *run, struct str s,
		      size_t *work, struct err *e)
{
	const uint8_t *p = (const uint8_t *)(s.n ? s.p : "");
	*work = FEW_WORK + s.n / 64;
	int rc = pcre2_match(x->code, p, s.n, 0, PCRE2_NO_UTF_CHECK, run->data, run->few);
	if (rc == PCRE2_ERROR_MATCHLIMIT || rc == PCRE2_ERROR_DEPTHLIMIT) {
		*work += MANY_WORK;
		rc = pcre2_match(x->code, p, s.n, 0, PCRE2_NO_UTF_CHECK, run->data, run->many);
	}
	if (rc >= 0)
		return 1;
	if (rc == PCRE2_ERROR_NOMATCH)
		return 0;
	if (rc == PCRE2_ERROR_NOMEMORY)
		return err_fail(e, ERR_MEMORY, "out of memory while matching a pattern");
	return err_fail(e, ERR_TOO_LARGE,
			"a pattern takes too much work on a text of %zu bytes", s.n);
}
