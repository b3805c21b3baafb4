/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * Hardening with prctl(2), setrlimit(2), mlockall(2).
 *
 * All pages are only locked where no limit stands: under a limit, memory that is taken later would
 * fail instead of being swapped. Keys are in pages that libsodium locks by themselves either way.
 */
#include "trust/wipe.h"

#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>

#include "trust/sodium_impl.h"

enum { TEXT_BYTES_MAX = 64 };

bool trust_harden(void)
{
	struct rlimit core = {0}, lock = {RLIM_INFINITY, RLIM_INFINITY};
	/* The hard limit of core files stays for the programs that this one starts. */
	if (getrlimit(RLIMIT_CORE, &core) == 0) {
		core.rlim_cur = 0;
		(void)setrlimit(RLIMIT_CORE, &core);
	}
	(void)prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
	return setrlimit(RLIMIT_MEMLOCK, &lock) == 0 &&
	       mlockall(MCL_CURRENT | MCL_FUTURE | MCL_ONFAULT) == 0;
}

void trust_wipe(void *p, size_t n)
{
	if (n)
		sodium_memzero(p, n);
}

void trust_wipe_str(struct str *s)
{
	union {
		const char *read;
		char *write;
	} p = {.read = s->p};
	if (p.write)
		trust_wipe(p.write, s->n);
	*s = str_of("", 0);
}

void trust_random(void *p, size_t n)
{
	ASSERT(sodium_init() >= 0);
	if (n)
		randombytes_buf(p, n);
}

void trust_random_text(size_t n, char *out, size_t size)
{
	static const char digits[] =
		"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
	uint8_t bytes[TEXT_BYTES_MAX];
	ASSERT(n <= sizeof bytes && size >= 4 * n / 3 + 3);
	trust_random(bytes, n);
	size_t at = 0;
	uint32_t bits = 0;
	unsigned have = 0;
	for (size_t i = 0; i < n; i++) {
		bits = bits << 8 | bytes[i];
		for (have += 8; have >= 6; have -= 6)
			out[at++] = digits[bits >> (have - 6) & 63];
	}
	if (have)
		out[at++] = digits[bits << (6 - have) & 63];
	out[at] = '\0';
	trust_wipe(bytes, sizeof bytes);
	trust_wipe(&bits, sizeof bits);
}
