/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* rooms: trust */
/*
 * Sealed texts, recipients and shares of strangers. The inputs of the corpus are sealed to a key
 * that is written here, so that changed ones get past the first lock too.
 */
#include <unistd.h>

#include "base/file.h"
#include "trust/age.h"
#include "trust/age_impl.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

enum { ARENA_BYTES = 8 << 20 };

static void unsealing(struct str s, const struct age_identity *i, struct arena *a)
{
	struct err e = ERR_INIT;
	struct str clear, again, to;
	char name[AGE_RECIPIENT_SIZE];
	size_t stanzas;
	bool is_formed = age_check(s, &stanzas, &e) == 0;
	if (!is_formed)
		ASSERT(e.kind == ERR_CORRUPT && e.text[0] && str_is_utf8(str_from(e.text)));
	if (age_unseal(s, i, a, &clear, &e) < 0) {
		ASSERT(e.kind == ERR_CORRUPT || (is_formed && e.kind == ERR_FORBIDDEN));
		return;
	}
	age_identity_recipient(i, name);
	to = str_from(name);
	ASSERT(age_seal(clear, &to, 1, a, &again, &e) == 0);
	ASSERT(age_unseal(again, i, a, &again, &e) == 0 && str_eq(again, clear));
}

static void recipients(struct str s)
{
	struct err e = ERR_INIT;
	if (age_recipient_check(s, &e) < 0)
		ASSERT(e.kind == ERR_INVALID && e.text[0]);
	else
		ASSERT(s.n == AGE_RECIPIENT_SIZE - 1);
}

static void shares(struct str s)
{
	struct err e = ERR_INIT;
	struct str lines[4];
	size_t count = 0;
	while (count < ARRAY_LEN(lines) && str_split(&s, '\n', &lines[count]))
		count++;
	/* Real shares get as far as this place, where nothing can be written. */
	ASSERT(age_identity_join(lines, count, "/proc/no-such-place", &e) < 0);
	ASSERT(e.kind == ERR_INVALID || e.kind == ERR_IO);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct str s = str_of(n ? (const char *)data : "", n);
	struct err e = ERR_INIT;
	struct arena *a CLEAN(arena_freep) = NULL;
	struct age_identity *i CLEAN(age_identity_freep) = NULL;
	static const uint8_t known[AGE_X_BYTES] = "the key of this test is known...";
	ASSERT(arena_new(ARENA_BYTES, &a, &e) == 0 && age_identity_of(known, &i, &e) == 0);
	unsealing(s, i, a);
	recipients(s);
	shares(s);
	return 0;
}
