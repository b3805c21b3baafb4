/* SPDX-License-Identifier: AGPL-3.0-or-later */
#pragma once
/*
 * The door to libsodium. Its utils.h spells an attribute with a word that base/banned.h has
 * poisoned, so that header is left out by its own guard, and what this room needs of it is
 * declared here, as in libsodium 1.0.18.
 */
#include <stddef.h>
#include <stdint.h>

#define sodium_utils_H
#include <sodium.h>

void sodium_memzero(void *p, size_t n);
int sodium_memcmp(const void *a, const void *b, size_t n); /* 0 if equal, constant time */
void *sodium_malloc(size_t n);				   /* guarded, locked if possible */
void sodium_free(void *p);				   /* zeroes */
int sodium_mprotect_readonly(void *p);

enum { sodium_base64_VARIANT_ORIGINAL = 1, sodium_base64_VARIANT_URLSAFE_NO_PADDING = 7 };
size_t sodium_base64_encoded_len(size_t bytes, int variant); /* with a NUL */
char *sodium_bin2base64(char *text, size_t size, const uint8_t *bytes, size_t n, int variant);
int sodium_base642bin(uint8_t *bytes, size_t size, const char *text, size_t n,
		      const char *ignored, size_t *out_n, const char **out_end, int variant);
