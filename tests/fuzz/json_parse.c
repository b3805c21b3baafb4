/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* rooms: json base */
/*
 * JSON of strangers. What is read must come back equal from each of the writers, and canonical
 * text must be its own canonical text.
 */
#include "json/json.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static struct json *read_again(const struct buf *b, struct arena *a)
{
	struct err e = ERR_INIT;
	struct json *j = NULL;
	ASSERT(!b->has_failed && json_parse_nul(buf_str(b), a, &j, &e) == 0);
	return j;
}

static void round_trip(const struct json *j, struct arena *a)
{
	struct buf text CLEAN(buf_fini) = BUF_INIT((size_t)64 << 20);
	struct buf again CLEAN(buf_fini) = BUF_INIT((size_t)64 << 20);
	json_write_pretty(j, &text);
	ASSERT(json_is_equal(read_again(&text, a), j));
	buf_clear(&text);
	json_write(j, &text);
	ASSERT(json_is_equal(read_again(&text, a), j));
	buf_clear(&text);
	json_write_canonical(j, &text);
	json_write_canonical(read_again(&text, a), &again);
	ASSERT(str_eq(buf_str(&text), buf_str(&again)));
	ASSERT(json_is_equal(json_dup_tree(a, j), j));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct arena *a CLEAN(arena_freep) = NULL;
	struct err e = ERR_INIT;
	struct json *j = NULL;
	struct str s = str_of((const char *)data, n);
	ASSERT(arena_new((size_t)64 << 20, &a, &e) == 0);
	(void)json_path(NULL, s);
	if (json_parse_nul(s, a, &j, &e) < 0) {
		ASSERT(e.kind == ERR_INVALID || e.kind == ERR_MEMORY);
		ASSERT(e.text[0] && str_is_utf8(str_from(e.text)));
		return 0;
	}
	round_trip(j, a);
	(void)json_path(j, s);
	return 0;
}
