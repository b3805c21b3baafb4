/* SPDX-License-Identifier: AGPL-3.0-or-later */
#pragma once
/*
 * Secrets in memory. trust_harden once at the start of a program that holds any: no core file, no
 * ptrace by others of the same user, and (where the limit allows) pages that stay out of swap.
 */
#include "base/str.h"

/* Never fails; returns false if pages could not be locked (the other walls stand). */
bool trust_harden(void);
/* Zeroes, surely. */
void trust_wipe(void *p, size_t n);
/* For CLEAN(trust_wipe_str): a struct str whose bytes are ours to zero. */
void trust_wipe_str(struct str *s);
/* `n` bytes of the kernel's randomness. */
void trust_random(void *p, size_t n);
/* `n` random bytes as base64url without padding; `out` has room for 4 * n / 3 + 3. */
void trust_random_text(size_t n, char *out, size_t size);
