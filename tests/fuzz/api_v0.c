/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* rooms: api store db trust profile trade core http json ev base */
/* Bytes of strangers as slapos.*.v0.* calls; as api_v1.c. */
#include "fuzz_api.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	return fuzz_api(data, n, true);
}
