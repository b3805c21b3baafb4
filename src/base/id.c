/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Identifiers: 13 random bytes as 20 base-32 digits (the last 4 bits are dropped). */
#include "base/id.h"

struct id id_new(const struct rng *r, const char *prefix)
{
	static const char digits[] = "0123456789abcdefghjkmnpqrstvwxyz";
	uint8_t bytes[13];
	r->fill(r->user, bytes, sizeof bytes);
	char text[21];
	for (size_t i = 0; i < 20; i++) {
		size_t bit = 5 * i;
		unsigned pair = (unsigned)bytes[bit / 8] << 8;
		if (bit / 8 + 1 < sizeof bytes)
			pair |= bytes[bit / 8 + 1];
		text[i] = digits[pair >> (11 - bit % 8) & 31];
	}
	text[20] = 0;
	struct id id;
	int n = snprintf(id.text, sizeof id.text, "%s-%s", prefix, text);
	ASSERT(n > 0 && n < (int)sizeof id.text);
	return id;
}

struct str id_str(const struct id *id)
{
	return str_from(id->text);
}
