/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* rooms: api store db trust profile trade core http json ev base */
/*
 * Bytes of strangers as requests of /v1. The first byte chooses a row of the table of
 * operations, up to a newline follow the names in the path and the query, the rest is the body.
 * Each request runs against a small cloud in memory and is rolled back: a request may be refused,
 * but never by an error of ours, and an answer is JSON.
 */
#include "fuzz_api.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	return fuzz_api(data, n, false);
}
