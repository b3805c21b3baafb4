/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* The streaming decoder of libcbor, one item at a time. */
#include "trust/cbor.h"

#include <cbor.h>

/* An item in the making; what CTAP2 does not allow is refused. */
struct taking {
	struct cbor_item item;
	bool is_refused;
};

static void take_unsigned(void *user, uint64_t v)
{
	struct taking *t = user;
	t->item.kind = CBOR_INT;
	t->item.number = (int64_t)v;
	t->is_refused = v > INT64_MAX;
}

static void take_negative(void *user, uint64_t v)
{
	struct taking *t = user;
	t->item.kind = CBOR_INT;
	t->is_refused = v > INT64_MAX;
	t->item.number = t->is_refused ? 0 : -1 - (int64_t)v;
}

/* clang-format off */
static void take_u8(void *user, uint8_t v) { take_unsigned(user, v); }
static void take_u16(void *user, uint16_t v) { take_unsigned(user, v); }
static void take_u32(void *user, uint32_t v) { take_unsigned(user, v); }
static void take_n8(void *user, uint8_t v) { take_negative(user, v); }
static void take_n16(void *user, uint16_t v) { take_negative(user, v); }
static void take_n32(void *user, uint32_t v) { take_negative(user, v); }
static void take_real(void *user, float v) { (void)v; ((struct taking *)user)->item.kind = CBOR_OTHER; }
static void take_double(void *user, double v) { (void)v; ((struct taking *)user)->item.kind = CBOR_OTHER; }
static void take_bool(void *user, bool v) { (void)v; ((struct taking *)user)->item.kind = CBOR_OTHER; }
static void take_other(void *user) { ((struct taking *)user)->item.kind = CBOR_OTHER; }
static void refuse(void *user) { ((struct taking *)user)->is_refused = true; }
/* clang-format on */

static void take_tag(void *user, uint64_t v UNUSED)
{
	((struct taking *)user)->item.kind = CBOR_TAGGED;
}

static void take_bytes(void *user, cbor_data p, size_t n)
{
	struct taking *t = user;
	t->item.kind = CBOR_BYTES;
	t->item.text = str_of((const char *)p, n);
}

static void take_text(void *user, cbor_data p, size_t n)
{
	take_bytes(user, p, n);
	((struct taking *)user)->item.kind = CBOR_TEXT;
}

static void take_list(void *user, size_t n)
{
	struct taking *t = user;
	t->item.kind = CBOR_LIST;
	t->item.count = n;
}

static void take_map(void *user, size_t n)
{
	take_list(user, n);
	((struct taking *)user)->item.kind = CBOR_MAP;
}

static const struct cbor_callbacks callbacks = {
	.uint8 = take_u8,
	.uint16 = take_u16,
	.uint32 = take_u32,
	.uint64 = take_unsigned,
	.negint8 = take_n8,
	.negint16 = take_n16,
	.negint32 = take_n32,
	.negint64 = take_negative,
	.byte_string_start = refuse,
	.byte_string = take_bytes,
	.string = take_text,
	.string_start = refuse,
	.indef_array_start = refuse,
	.array_start = take_list,
	.indef_map_start = refuse,
	.map_start = take_map,
	.tag = take_tag,
	.float2 = take_real,
	.float4 = take_real,
	.float8 = take_double,
	.undefined = take_other,
	.null = take_other,
	.boolean = take_bool,
	.indef_break = refuse,
};

MUST int cbor_next(struct str *rest, struct cbor_item *out, struct err *e)
{
	struct taking t = {.item = {.kind = CBOR_OTHER}};
	struct cbor_decoder_result r =
		cbor_stream_decode((cbor_data)rest->p, rest->n, &callbacks, &t);
	if (rest->n == 0 || r.status != CBOR_DECODER_FINISHED || t.is_refused ||
	    r.read > rest->n)
		return err_fail(e, ERR_INVALID, "is not the CBOR of an authenticator");
	*rest = str_sub(*rest, r.read, rest->n);
	*out = t.item;
	return 0;
}

MUST int cbor_skip(struct str *rest, struct err *e)
{
	struct cbor_item item;
	for (uint64_t left = 1; left > 0; left--) {
		if (cbor_next(rest, &item, e) < 0)
			return -1;
		uint64_t more = item.kind == CBOR_LIST	   ? item.count
				: item.kind == CBOR_TAGGED ? 1
				: item.kind == CBOR_MAP && item.count <= rest->n
					? 2 * item.count
					: 0;
		/* Each item that is still to come takes a byte at least. */
		if (more > rest->n || left > rest->n + 1 ||
		    (item.kind == CBOR_MAP && item.count > rest->n))
			return err_fail(e, ERR_INVALID, "is not the CBOR of an authenticator");
		left += more;
	}
	return 0;
}
