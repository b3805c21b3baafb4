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
