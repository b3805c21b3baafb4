/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* rooms: json base */
/*
 * A struct with every type of field read from strange JSON. What is accepted must be written,
 * read and written again as the same text.
 */
#include "../unit/json/sample.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct arena *a CLEAN(arena_freep) = NULL;
	struct buf first CLEAN(buf_fini) = BUF_INIT((size_t)16 << 20);
	struct buf second CLEAN(buf_fini) = BUF_INIT((size_t)16 << 20);
	struct err e = ERR_INIT;
	struct sample s;
	ASSERT(arena_new((size_t)16 << 20, &a, &e) == 0);
	if (json_read(&sample_desc, str_of((const char *)data, n), a, &s, &e) < 0) {
		ASSERT(e.kind == ERR_INVALID || e.kind == ERR_MEMORY);
		ASSERT(e.text[0] && str_is_utf8(str_from(e.field)));
		return 0;
	}
	json_write_struct(&sample_desc, &s, &first);
	if (first.has_failed)
		return 0;
	ASSERT(json_read(&sample_desc, buf_str(&first), a, &s, &e) == 0);
	json_write_struct(&sample_desc, &s, &second);
	ASSERT(str_eq(buf_str(&first), buf_str(&second)));
	return 0;
}
