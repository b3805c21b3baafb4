/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * Bech32: groups of 5 bits, and a checksum of 6 groups over prefix and data (BIP 173).
 *
 * What it holds may be a secret: local copies are zeroed. Of the 260 bits that 32 bytes take, the
 * last 4 must be zero.
 */
#include "trust/bech32.h"

#include "trust/wipe.h"

enum { DATA = 52, CHECK = 6 };

static const char digits[] = "qpzry9x8gf2tvdw0s3jn54khce6mua7l";

static uint32_t check_step(uint32_t c, uint8_t v)
{
	static const uint32_t gen[] = {0x3b6a57b2, 0x26508e6d, 0x1ea119fa, 0x3d4233dd,
				       0x2a1462b3};
	uint32_t top = c >> 25, next = (c & 0x1ffffff) << 5 ^ v;
	for (unsigned i = 0; i < ARRAY_LEN(gen); i++)
		next ^= gen[i] & -(top >> i & 1);
	return next;
}

static uint32_t check_prefix(struct str prefix)
{
	uint32_t c = 1;
	for (size_t i = 0; i < prefix.n; i++)
		c = check_step(c, (uint8_t)prefix.p[i] >> 5);
	c = check_step(c, 0);
	for (size_t i = 0; i < prefix.n; i++)
		c = check_step(c, prefix.p[i] & 31);
	return c;
}

void bech32_write(struct str prefix, const uint8_t bytes[static BECH32_BYTES], char *out)
{
	ASSERT(prefix.n <= BECH32_PREFIX_MAX);
	uint32_t check = check_prefix(prefix), bits = 0;
	unsigned have = 0;
	size_t at = prefix.n;
	memcpy(out, prefix.p, prefix.n);
	out[at++] = '1';
	for (unsigned i = 0; i < BECH32_BYTES + 1; i++) {
		bits = bits << 8 | (i < BECH32_BYTES ? bytes[i] : 0);
		have += i < BECH32_BYTES ? 8 : 4;
		if (i == BECH32_BYTES)
			bits >>= 4;
		for (; have >= 5; have -= 5) {
			uint8_t v = bits >> (have - 5) & 31;
			check = check_step(check, v);
			out[at++] = digits[v];
		}
	}
	for (unsigned i = 0; i < CHECK; i++)
		check = check_step(check, 0);
	check ^= 1;
	for (unsigned i = 0; i < CHECK; i++)
		out[at++] = digits[check >> 5 * (CHECK - 1 - i) & 31];
	out[at] = '\0';
	trust_wipe(&bits, sizeof bits);
}

/* The text in lower case; false if it mixes cases, or has another length or prefix. */
static bool lower(struct str text, struct str prefix, char *out)
{
	bool has_upper = false, has_lower = false;
	if (text.n != prefix.n + 1 + DATA + CHECK)
		return false;
	for (size_t i = 0; i < text.n; i++) {
		bool is_upper = text.p[i] >= 'A' && text.p[i] <= 'Z';
		has_upper |= is_upper;
		has_lower |= text.p[i] >= 'a' && text.p[i] <= 'z';
		out[i] = (char)(is_upper ? text.p[i] + ('a' - 'A') : text.p[i]);
	}
	return !(has_upper && has_lower) && str_starts(str_of(out, text.n), prefix) &&
	       out[prefix.n] == '1';
}

static bool read_lower(const char *p, struct str prefix, uint8_t *out)
{
	uint32_t check = check_prefix(prefix), bits = 0;
	unsigned have = 0, at = 0;
	for (unsigned i = 0; i < DATA + CHECK; i++) {
		const char *d = p[i] ? strchr(digits, p[i]) : NULL;
		if (!d)
			return false;
		check = check_step(check, (uint8_t)(d - digits));
		if (i >= DATA)
			continue;
		bits = bits << 5 | (uint32_t)(d - digits);
		have += 5;
		if (have >= 8 && at < BECH32_BYTES) {
			have -= 8;
			out[at++] = (uint8_t)(bits >> have);
		}
	}
	bool is_good = check == 1 && (bits & 15) == 0;
	trust_wipe(&bits, sizeof bits);
	return is_good;
}

bool bech32_read(struct str text, struct str prefix, uint8_t out[static BECH32_BYTES])
{
	char small[BECH32_SIZE(BECH32_PREFIX_MAX)];
	ASSERT(prefix.n <= BECH32_PREFIX_MAX);
	uint8_t bytes[BECH32_BYTES];
	bool is_good =
		lower(text, prefix, small) && read_lower(small + prefix.n + 1, prefix, bytes);
	if (is_good)
		memcpy(out, bytes, sizeof bytes);
	trust_wipe(bytes, sizeof bytes);
	trust_wipe(small, sizeof small);
	return is_good;
}
