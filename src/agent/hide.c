/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "agent/hide.h"

#include <stdio.h>

#include "base/str.h"

#define HIDDEN "[secret]"

enum { SHORT_SECRET = 6 };

/* The place of a secret in a text, or of the beginning of one that the text's end cut off. */
static size_t find_secret(struct str text, struct str secret, size_t *n)
{
	size_t at = str_find(text, secret);
	*n = secret.n;
	if (at < text.n)
		return at;
	for (size_t k = MIN_OF(secret.n - 1, text.n); k >= SHORT_SECRET; k--) {
		*n = k;
		if (str_ends(text, str_sub(secret, 0, k)))
			return text.n - k;
	}
	return text.n;
}

/* One secret out of a text of `size` bytes. A short one would be found by its gaps. */
static void hide_one(char *text, size_t size, struct str secret)
{
	struct str rest = str_from(text);
	size_t n, at = find_secret(rest, secret, &n);
	if (at == rest.n)
		return;
	if (secret.n < SHORT_SECRET) {
		(void)snprintf(text, size, "%s: its text is withheld", HIDDEN);
		return;
	}
	struct buf b CLEAN(buf_fini) = BUF_INIT(65536);
	while (at < rest.n) {
		buf_add(&b, str_sub(rest, 0, at));
		buf_add(&b, S(HIDDEN));
		rest = str_sub(rest, at + n, rest.n);
		at = find_secret(rest, secret, &n);
	}
	buf_add(&b, rest);
	bool is_whole = !b.has_failed;
	(void)snprintf(text, size, "%s", is_whole ? b.p : HIDDEN);
}

void hide_secrets(char *text, size_t size, const struct str *secrets, size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (secrets[i].n)
			hide_one(text, size, secrets[i]);
}
