/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* rooms: base */
/*
 * Bytes of strangers as text, numbers and moments. What is accepted must survive being written
 * and read again.
 */
#include "base/clock.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static void moments(struct str s)
{
	struct err e = ERR_INIT;
	int64_t at_ms, again_ms;
	if (clock_parse(s, &at_ms, &e) < 0) {
		ASSERT(e.kind == ERR_INVALID && e.text[0]);
		return;
	}
	char text[CLOCK_TEXT_SIZE];
	clock_text(at_ms, text);
	ASSERT(clock_parse(str_from(text), &again_ms, &e) == 0 && again_ms == at_ms);
}

static void numbers(struct str s)
{
	struct err e = ERR_INIT;
	int64_t v;
	if (str_to_i64(s, -1000, 1000, &v, &e) == 0)
		ASSERT(v >= -1000 && v <= 1000);
	else
		ASSERT(e.kind == ERR_INVALID);
}

static void parts(struct str s)
{
	struct str rest = s, part;
	size_t bytes = 0, count = 0;
	while (str_split(&rest, ',', &part)) {
		ASSERT(str_find_char(part, ',') == part.n);
		bytes += part.n;
		count++;
	}
	ASSERT(count && bytes + count - 1 == s.n);
	ASSERT(str_trim(s).n <= s.n);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct str s = str_of(n ? (const char *)data : "", n);
	uint8_t bytes[8];
	struct err e = ERR_INIT;
	moments(s);
	numbers(s);
	parts(s);
	(void)str_is_utf8(s);
	if (str_unhex(s, bytes, sizeof bytes, &e) == 0)
		ASSERT(s.n == 2 * sizeof bytes);
	return 0;
}
