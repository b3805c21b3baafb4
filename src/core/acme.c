/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Allowed moves as tables: row = from, column = to. Networks that are not public: RFC 6890. */
#include "core/acme.h"

#include <arpa/inet.h>
#include <string.h>

enum { RETRY_FIRST_MS = 1000, V4_BITS = 96, WINDOW_MS = 2 * 86400 * 1000, ADDRESS_MAX = 64 };

static const char *const status_words[ACME_STATUSES] = {
	[ACME_PENDING] = "pending",	  [ACME_READY] = "ready",
	[ACME_PROCESSING] = "processing", [ACME_VALID] = "valid",
	[ACME_INVALID] = "invalid",	  [ACME_DEACTIVATED] = "deactivated",
	[ACME_REVOKED] = "revoked",	  [ACME_EXPIRED] = "expired",
};

const char *acme_status_word(enum acme_status s)
{
	ASSERT((unsigned)s < ACME_STATUSES);
	return status_words[s];
}

MUST int acme_status_read(struct str word, enum acme_status *out, struct err *e)
{
	for (unsigned i = 0; i < ACME_STATUSES; i++)
		if (str_is(word, status_words[i])) {
			*out = (enum acme_status)i;
			return 0;
		}
	return err_fail(e, ERR_CORRUPT, "%.20s is no status", word.n ? word.p : "");
}

static const char *const method_words[ACME_METHODS] = {
	[ACME_HTTP_01] = "http-01",
	[ACME_DNS_01] = "dns-01",
	[ACME_TLS_ALPN_01] = "tls-alpn-01",
};

const char *acme_method_word(enum acme_method m)
{
	ASSERT((unsigned)m < ACME_METHODS);
	return method_words[m];
}

bool acme_method_read(struct str word, enum acme_method *out)
{
	for (unsigned i = 0; i < ACME_METHODS; i++)
		if (str_is(word, method_words[i])) {
			*out = (enum acme_method)i;
			return true;
		}
	return false;
}

bool acme_method_fits(enum acme_method m, bool is_wildcard)
{
	return !is_wildcard || m == ACME_DNS_01;
}

/* ---- states -------------------------------------------------------------------------------- */

typedef bool moves[ACME_STATUSES][ACME_STATUSES];
/* clang-format off */
static const moves account_moves = {
	[ACME_VALID]   = {[ACME_DEACTIVATED] = true},
};
static const moves order_moves = {
	[ACME_PENDING] = {[ACME_READY] = true, [ACME_INVALID] = true},
	[ACME_READY]   = {[ACME_VALID] = true, [ACME_INVALID] = true},
};
static const moves authorization_moves = {
	[ACME_PENDING] = {[ACME_VALID] = true, [ACME_INVALID] = true, [ACME_DEACTIVATED] = true},
	[ACME_VALID]   = {[ACME_DEACTIVATED] = true},
};
/* clang-format on */

MUST static int move(const moves *allowed, const char *what, enum acme_status *status,
		     enum acme_status to, struct err *e)
{
	if (*status == to)
		return 1;
	if (!(*allowed)[*status][to])
		return err_fail(e, ERR_CONFLICT, "the %s is %s and cannot become %s", what,
				acme_status_word(*status), acme_status_word(to));
	*status = to;
	return 0;
}

MUST int acme_account_move(struct acme_account *x, enum acme_status to, struct err *e)
{
	return move(&account_moves, "account", &x->status, to, e);
}

MUST int acme_order_move(struct acme_order *x, enum acme_status to, struct err *e)
{
	return move(&order_moves, "order", &x->status, to, e);
}

MUST int acme_authorization_move(struct acme_authorization *x, enum acme_status to,
				 struct err *e)
{
	return move(&authorization_moves, "authorization", &x->status, to, e);
}

enum acme_status acme_order_status(const struct acme_order *x, int64_t now_ms)
{
	bool is_open = x->status == ACME_PENDING || x->status == ACME_READY;
	return is_open && x->expires_at_ms <= now_ms ? ACME_INVALID : x->status;
}

enum acme_status acme_authorization_status(const struct acme_authorization *x, int64_t now_ms)
{
	if (x->expires_at_ms > now_ms)
		return x->status;
	if (x->status == ACME_PENDING)
		return ACME_INVALID;
	return x->status == ACME_VALID ? ACME_EXPIRED : x->status;
}

enum acme_status acme_challenge_status(const struct acme_authorization *x, enum acme_method m)
{
	if (!str_is(x->method_word, acme_method_word(m)))
		return ACME_PENDING;
	if (x->validated_at_ms)
		return ACME_VALID;
	if (x->status != ACME_PENDING)
		return ACME_INVALID;
	return x->due_at_ms ? ACME_PROCESSING : ACME_PENDING;
}

int64_t acme_retry_ms(int64_t tries)
{
	return tries < 1 || tries >= ACME_TRIES_MAX ? 0 : RETRY_FIRST_MS << (tries - 1);
}

void acme_window(int64_t from_ms, int64_t to_ms, int64_t revoked_at_ms, int64_t *start_ms,
		 int64_t *end_ms)
{
	int64_t start = to_ms - (to_ms - from_ms) / 3;
	int64_t last = to_ms - (to_ms - from_ms) / 6;
	*start_ms = revoked_at_ms ? MIN_OF(start, revoked_at_ms) : start;
	*end_ms = revoked_at_ms ? *start_ms + 1000 : MIN_OF(start + WINDOW_MS, last);
}

/* ---- addresses ----------------------------------------------------------------------------- */

static bool is_in(const uint8_t *bytes, const struct acme_network *n)
{
	size_t whole = n->bits / 8;
	unsigned rest = n->bits % 8;
	if (memcmp(bytes, n->bytes, whole) != 0)
		return false;
	return !rest || (bytes[whole] ^ n->bytes[whole]) >> (8 - rest) == 0;
}

/* Reads the address alone. */
static bool read_address(const char *text, uint8_t bytes[static 16], bool *is_v4)
{
	static const uint8_t mapped[12] = {[10] = 0xff, [11] = 0xff};
	memcpy(bytes, mapped, sizeof mapped);
	*is_v4 = inet_pton(AF_INET, text, bytes + 12) == 1;
	return *is_v4 || inet_pton(AF_INET6, text, bytes) == 1;
}

MUST int acme_network_read(struct str text, struct acme_network *out, struct err *e)
{
	char address[ADDRESS_MAX];
	size_t slash = str_find_char(text, '/');
	struct acme_network n = {.bits = 128};
	int64_t bits = -1;
	bool is_v4;
	(void)snprintf(address, sizeof address, "%" STR_F, STR_A(str_sub(text, 0, slash)));
	if (slash >= ADDRESS_MAX || !read_address(address, n.bytes, &is_v4))
		return err_fail(e, ERR_INVALID, "is no address");
	if (slash < text.n &&
	    str_to_i64(str_sub(text, slash + 1, text.n), 0, is_v4 ? 32 : 128, &bits, e) < 0)
		return err_fail(e, ERR_INVALID, "is no network: 10.0.0.0/8");
	if (bits >= 0)
		n.bits = (unsigned)bits + (is_v4 ? V4_BITS : 0);
	*out = n;
	return 0;
}

/* clang-format off */
#define V4(a, b, c, d, bits_) {{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, a, b, c, d}, V4_BITS + (bits_)}
static const struct acme_network not_public[] = {
	V4(0, 0, 0, 0, 8),      V4(10, 0, 0, 0, 8),      V4(100, 64, 0, 0, 10),
	V4(127, 0, 0, 0, 8),    V4(169, 254, 0, 0, 16),  V4(172, 16, 0, 0, 12),
	V4(192, 0, 0, 0, 24),   V4(192, 0, 2, 0, 24),    V4(192, 88, 99, 0, 24),
	V4(192, 168, 0, 0, 16), V4(198, 18, 0, 0, 15),   V4(198, 51, 100, 0, 24),
	V4(203, 0, 113, 0, 24), V4(224, 0, 0, 0, 3),
};
/* Only 2000::/3 is given out; of it, these are not public. */
static const struct acme_network global_v6 = {{0x20}, 3};
static const struct acme_network not_public_v6[] = {
	{{0x20, 0x01, 0x00}, 23},             /* protocol assignments, Teredo */
	{{0x20, 0x01, 0x0d, 0xb8}, 32},       /* documentation */
	{{0x3f, 0xff}, 20},                   /* documentation */
};
static const struct acme_network v4_mapped = V4(0, 0, 0, 0, 0);
static const struct acme_network nat64 = {{0x00, 0x64, 0xff, 0x9b}, 96}; /* carries IPv4 at its end */
static const struct acme_network six_to_four = {{0x20, 0x02}, 16};       /* … in bytes 2 to 5 */
/* clang-format on */

static bool is_in_any(const uint8_t *bytes, const struct acme_network *list, size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (is_in(bytes, &list[i]))
			return true;
	return false;
}

static bool is_public_v4(const uint8_t *v4)
{
	uint8_t bytes[16];
	memcpy(bytes, v4_mapped.bytes, 12);
	memcpy(bytes + 12, v4, 4);
	return !is_in_any(bytes, not_public, ARRAY_LEN(not_public));
}

bool acme_address_may(const uint8_t bytes[static 16], const struct acme_network *allowed,
		      size_t count)
{
	if (is_in_any(bytes, allowed, count))
		return true;
	if (is_in(bytes, &v4_mapped) || is_in(bytes, &nat64))
		return is_public_v4(bytes + 12);
	if (is_in(bytes, &six_to_four))
		return is_public_v4(bytes + 2);
	return is_in(bytes, &global_v6) &&
	       !is_in_any(bytes, not_public_v6, ARRAY_LEN(not_public_v6));
}
