/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* The window is one number of 1024 bits, least significant word first; it moves by a shift. */
#include "core/guard.h"

enum { BITS = 64, DIGITS = BITS / 4 };

static void move(struct guard *g, int64_t by)
{
	uint64_t old[GUARD_WORDS];
	for (size_t i = 0; i < GUARD_WORDS; i++) {
		old[i] = g->seen[i];
		g->seen[i] = 0;
	}
	if (by >= GUARD_WINDOW)
		return;
	size_t words = (size_t)by / BITS;
	unsigned bits = (unsigned)by % BITS;
	for (size_t i = words; i < GUARD_WORDS; i++) {
		g->seen[i] = old[i - words] << bits;
		if (bits && i > words)
			g->seen[i] |= old[i - words - 1] >> (BITS - bits);
	}
}

enum guard_answer guard_take(struct guard *g, int64_t sequence)
{
	if (sequence < 1)
		return GUARD_TOO_OLD;
	if (sequence > g->newest) {
		move(g, sequence - g->newest);
		g->newest = sequence;
	}
	int64_t back = g->newest - sequence;
	if (back >= GUARD_WINDOW)
		return GUARD_TOO_OLD;
	uint64_t *word = &g->seen[back / BITS], bit = UINT64_C(1) << (back % BITS);
	if (*word & bit)
		return GUARD_REPLAYED;
	*word |= bit;
	return GUARD_TAKEN;
}

void guard_text(const struct guard *g, char out[static GUARD_TEXT_SIZE])
{
	for (size_t i = 0; i < GUARD_WORDS; i++)
		(void)snprintf(out + i * DIGITS, DIGITS + 1, "%016llx",
			       (unsigned long long)g->seen[GUARD_WORDS - 1 - i]);
}

MUST int guard_read(int64_t newest, struct str text, struct guard *out, struct err *e)
{
	uint8_t bytes[GUARD_WINDOW / 8];
	struct err why;
	if (newest < 0 || text.n != GUARD_TEXT_SIZE - 1 ||
	    str_unhex(text, bytes, sizeof bytes, &why) < 0)
		return err_fail(e, ERR_CORRUPT, "the window of numbers seen cannot be read");
	struct guard g = {.newest = newest};
	for (size_t i = 0; i < sizeof bytes; i++)
		g.seen[GUARD_WORDS - 1 - i / 8] |= (uint64_t)bytes[i] << (8 * (7 - i % 8));
	*out = g;
	return 0;
}
