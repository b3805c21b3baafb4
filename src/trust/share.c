/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * Arithmetic of GF(256) by shifts and masks, and the lines that people keep:
 *
 *     hoc-share-v1 NEED INDEX HEX CHECK
 *
 * HEX is 4 bytes that name the identity (of the SHA-256 of its recipient: they tell nothing of the
 * secret) and the 32 bytes of the share; CHECK is 4 bytes of the SHA-256 of the line before it, so
 * that a slip of the pen is found in the share where it was made.
 */
#include "trust/share.h"

#include "trust/age_impl.h"
#include "trust/hash.h"
#include "trust/wipe.h"

#define LINE_HEAD "hoc-share-v1"

enum { TAG_BYTES = 4, CHECK_BYTES = 4, HEX_BYTES = TAG_BYTES + SHARE_BYTES };

_Static_assert((int)SHARE_BYTES == (int)AGE_X_BYTES, "a share is as long as an identity");

static uint8_t gf_mul(uint8_t a, uint8_t b)
{
	uint8_t product = 0;
	for (unsigned i = 0; i < 8; i++) {
		product ^= (uint8_t)(a & -(b & 1));
		a = (uint8_t)(a << 1 ^ (0x1b & -(a >> 7)));
		b >>= 1;
	}
	return product;
}

/* a²⁵⁴, which is 1/a. */
static uint8_t gf_inverse(uint8_t a)
{
	uint8_t power = a, result = 1;
	for (unsigned i = 1; i < 8; i++) {
		power = gf_mul(power, power);
		result = gf_mul(result, power);
	}
	return result;
}

void share_split(const uint8_t secret[static SHARE_BYTES], unsigned need, unsigned n,
		 struct share *out)
{
	uint8_t factors[SHARE_MAX][SHARE_BYTES];
	ASSERT(need >= 2 && need <= n && n <= SHARE_MAX);
	trust_random(factors, sizeof factors);
	memcpy(factors[0], secret, SHARE_BYTES);
	for (unsigned s = 0; s < n; s++) {
		out[s].index = (uint8_t)(s + 1);
		for (unsigned i = 0; i < SHARE_BYTES; i++) {
			uint8_t v = 0; /* Horner's scheme */
			for (unsigned f = need; f-- > 0;)
				v = gf_mul(v, out[s].index) ^ factors[f][i];
			out[s].bytes[i] = v;
		}
	}
	trust_wipe(factors, sizeof factors);
}

void share_join(const struct share *shares, unsigned count, uint8_t out[static SHARE_BYTES])
{
	memset(out, 0, SHARE_BYTES);
	for (unsigned s = 0; s < count; s++) {
		uint8_t weight = 1; /* Lagrange's polynomial of this share at 0 */
		for (unsigned o = 0; o < count; o++) {
			if (o == s)
				continue;
			uint8_t gap = shares[o].index ^ shares[s].index;
			ASSERT(gap && shares[o].index);
			weight = gf_mul(weight, gf_mul(shares[o].index, gf_inverse(gap)));
		}
		for (unsigned i = 0; i < SHARE_BYTES; i++)
			out[i] ^= gf_mul(weight, shares[s].bytes[i]);
	}
}

/* A share as it was read. */
struct line {
	int64_t need;
	uint8_t tag[TAG_BYTES];
	struct share share;
};

struct lines {
	struct line items[SHARE_MAX];
	struct share shares[SHARE_MAX];
	uint8_t secret[SHARE_BYTES];
};

static void lines_wipe(struct lines *l)
{
	trust_wipe(l, sizeof *l);
}

static void tag_of(const struct age_identity *i, uint8_t out[static TAG_BYTES])
{
	char recipient[AGE_RECIPIENT_SIZE];
	age_identity_recipient(i, recipient);
	struct hash h = hash_of(str_from(recipient));
	memcpy(out, h.bytes, TAG_BYTES);
}

static struct str write_line(const struct share *s, unsigned need, const uint8_t *tag,
			     struct arena *a)
{
	uint8_t bytes[HEX_BYTES];
	char hex[2 * HEX_BYTES + 1], check[2 * CHECK_BYTES + 1];
	memcpy(bytes, tag, TAG_BYTES);
	memcpy(bytes + TAG_BYTES, s->bytes, SHARE_BYTES);
	str_hex(bytes, sizeof bytes, hex);
	struct str line = arena_fmt(a, LINE_HEAD " %u %u %s", need, s->index, hex);
	struct hash h = hash_of(line);
	str_hex(h.bytes, CHECK_BYTES, check);
	struct str out = arena_fmt(a, "%" STR_F " %s", STR_A(line), check);
	trust_wipe_str(&line);
	trust_wipe(bytes, sizeof bytes);
	trust_wipe(hex, sizeof hex);
	return out;
}

MUST int age_identity_split(const struct age_identity *i, unsigned need, unsigned n,
			    struct arena *a, struct str *out, struct err *e)
{
	struct lines l CLEAN(lines_wipe) = {0};
	uint8_t tag[TAG_BYTES];
	if (need < 2 || need > n || n > SHARE_MAX)
		return err_field(e, "need", "2 ≤ need ≤ shares ≤ %d is wanted", SHARE_MAX);
	share_split(i->secret, need, n, l.shares);
	tag_of(i, tag);
	struct str texts[SHARE_MAX];
	for (unsigned s = 0; s < n; s++)
		texts[s] = write_line(&l.shares[s], need, tag, a);
	if (arena_check(a, e) < 0)
		return -1;
	memcpy(out, texts, n * sizeof texts[0]);
	return 0;
}

static bool read_line(struct str text, struct line *out)
{
	struct err ignored = ERR_INIT;
	struct str rest = text, words[5];
	uint8_t bytes[HEX_BYTES], check[CHECK_BYTES];
	int64_t index;
	unsigned count = 0;
	for (struct str word; str_split(&rest, ' ', &word); count++)
		if (count < ARRAY_LEN(words))
			words[count] = word;
	if (count != ARRAY_LEN(words) || !str_is(words[0], LINE_HEAD) ||
	    str_to_i64(words[1], 2, SHARE_MAX, &out->need, &ignored) < 0 ||
	    str_to_i64(words[2], 1, SHARE_MAX, &index, &ignored) < 0 ||
	    str_unhex(words[3], bytes, sizeof bytes, &ignored) < 0 ||
	    str_unhex(words[4], check, sizeof check, &ignored) < 0)
		return false;
	struct hash h = hash_of(str_of(text.p, (size_t)(words[4].p - text.p) - 1));
	out->share.index = (uint8_t)index;
	memcpy(out->tag, bytes, TAG_BYTES);
	memcpy(out->share.bytes, bytes + TAG_BYTES, SHARE_BYTES);
	trust_wipe(bytes, sizeof bytes);
	return memcmp(h.bytes, check, CHECK_BYTES) == 0;
}

/* Share number `at` beside those before it. */
static int fits(const struct lines *l, size_t at, struct err *e)
{
	const struct line *mine = &l->items[at], *first = &l->items[0];
	if (mine->need != first->need || memcmp(mine->tag, first->tag, TAG_BYTES) != 0)
		return err_fail(e, ERR_INVALID, "share %zu belongs to another identity",
				at + 1);
	for (size_t i = 0; i < at; i++)
		if (l->items[i].share.index == mine->share.index)
			return err_fail(e, ERR_INVALID, "share %zu is share %zu again", at + 1,
					i + 1);
	return 0;
}

static int read_lines(const struct str *shares, size_t count, struct lines *l, struct err *e)
{
	if (count == 0 || count > SHARE_MAX)
		return err_fail(e, ERR_INVALID, "%zu shares: 2 to %d are wanted", count,
				SHARE_MAX);
	for (size_t i = 0; i < count; i++) {
		if (!read_line(str_trim(shares[i]), &l->items[i]))
			return err_fail(e, ERR_INVALID,
					"share %zu is changed or cut (%s NEED INDEX HEX CHECK)",
					i + 1, LINE_HEAD);
		if (fits(l, i, e) < 0)
			return -1;
		l->shares[i] = l->items[i].share;
	}
	if ((int64_t)count < l->items[0].need)
		return err_fail(e, ERR_INVALID, "%zu shares: %lld are needed", count,
				(long long)l->items[0].need);
	return 0;
}

MUST int age_identity_join(const struct str *shares, size_t count, const char *path,
			   struct err *e)
{
	struct lines l CLEAN(lines_wipe) = {0};
	struct age_identity *i CLEAN(age_identity_freep) = NULL;
	uint8_t tag[TAG_BYTES];
	if (read_lines(shares, count, &l, e) < 0)
		return -1;
	share_join(l.shares, (unsigned)count, l.secret);
	if (age_identity_of(l.secret, &i, e) < 0)
		return -1;
	tag_of(i, tag);
	if (memcmp(tag, l.items[0].tag, TAG_BYTES) != 0)
		return err_fail(e, ERR_INVALID, "the shares are not of one set");
	int rc = age_identity_write(i, path, e);
	if (rc > 0)
		return err_fail(e, ERR_CONFLICT, "%s exists: it is not written over", path);
	return rc;
}
