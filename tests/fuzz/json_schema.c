/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* rooms: json base */
/*
 * A schema and an instance of strangers, separated by a byte 0x1E. The first byte chooses the
 * options. Checking must end within its bounds and say why; the defaults of a schema that were
 * once applied must be there the second time.
 */
#include "json/schema.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

enum { CLOSED = 1, FORMATS = 2 };

static void check(const struct schema *s, const struct json *instance, struct arena *a)
{
	struct err e = ERR_INIT;
	struct json *filled = NULL, *again = NULL;
	if (schema_check(s, instance, S("p"), a, &e) < 0) {
		ASSERT(e.kind == ERR_INVALID || e.kind == ERR_TOO_LARGE ||
		       e.kind == ERR_MEMORY);
		ASSERT(e.text[0] && str_is_utf8(str_from(e.field)));
	}
	if (schema_apply_defaults(s, instance, a, &filled, &e) == 0 &&
	    schema_apply_defaults(s, filled, a, &again, &e) == 0)
		ASSERT(json_is_equal(filled, again));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct arena *a CLEAN(arena_freep) = NULL;
	struct err e = ERR_INIT;
	struct json *tree = NULL, *instance = NULL;
	struct schema *s = NULL;
	if (!n)
		return 0;
	struct str schema = str_of((const char *)data + 1, n - 1);
	size_t at = str_find_char(schema, '\x1e');
	struct str rest = str_sub(schema, at + 1, schema.n);
	const struct schema_options options = {.is_closed = data[0] & CLOSED,
					       .asserts_format = data[0] & FORMATS};
	ASSERT(arena_new((size_t)16 << 20, &a, &e) == 0);
	if (json_parse(str_sub(schema, 0, at), a, &tree, &e) < 0 ||
	    json_parse(rest, a, &instance, &e) < 0)
		return 0;
	if (schema_compile(tree, &options, a, &s, &e) == 0)
		check(s, instance, a);
	else
		ASSERT(e.text[0] && str_is_utf8(str_from(e.field)));
	return 0;
}
