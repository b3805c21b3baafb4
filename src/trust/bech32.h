/* SPDX-License-Identifier: AGPL-3.0-or-later */
#pragma once
/*
 * Bech32 (BIP 173) of 32 bytes, without its limit of 90 characters: names of age keys.
 */
#include "base/str.h"

enum { BECH32_BYTES = 32, BECH32_PREFIX_MAX = 20 };
/* Size of the text with its NUL. */
#define BECH32_SIZE(prefix_n) ((prefix_n) + 1 + 52 + 6 + 1)

/* "PREFIX1…" in lower case into `out` of BECH32_SIZE(prefix.n) bytes; `prefix` is lower case, at
 * most BECH32_PREFIX_MAX bytes. */
void bech32_write(struct str prefix, const uint8_t bytes[static BECH32_BYTES], char *out);
/* Undoes it; all lower or all upper case. False: another prefix, a wrong checksum or length. */
bool bech32_read(struct str text, struct str prefix, uint8_t out[static BECH32_BYTES]);
