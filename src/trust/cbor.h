/* SPDX-License-Identifier: AGPL-3.0-or-later */
#pragma once
/*
 * CBOR (RFC 8949) read item by item, as authenticators write it (CTAP2): definite lengths only.
 *
 * Nothing is allocated and nothing recurses: an item is a head and, of texts and bytes, a part of
 * the input. What stands inside an array, map or tag follows as the next items.
 */
#include "base/str.h"

enum cbor_kind {
	CBOR_INT,
	CBOR_BYTES,
	CBOR_TEXT,
	CBOR_LIST,   /* count items follow */
	CBOR_MAP,    /* count pairs follow */
	CBOR_TAGGED, /* one item follows */
	CBOR_OTHER,  /* true, false, null, a real */
};

struct cbor_item {
	enum cbor_kind kind;
	int64_t number; /* CBOR_INT */
	uint64_t count; /* CBOR_LIST, CBOR_MAP */
	struct str text;
};

/* Takes the next item off *rest. ERR_INVALID: cut, of indefinite length, an integer beyond
 * int64_t, or no CBOR. */
MUST int cbor_next(struct str *rest, struct cbor_item *out, struct err *e);
/* Takes an item with all that is in it off *rest. */
MUST int cbor_skip(struct str *rest, struct err *e);
