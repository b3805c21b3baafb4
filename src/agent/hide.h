/* SPDX-License-Identifier: AGPL-3.0-or-later */
#pragma once
/*
 * Secrets out of texts that go further: errors of steps, messages of promises.
 *
 * What a program prints may hold what it was given. A secret that the text's end cut off counts
 * as well. One of a few letters would be told by its gaps: the whole text is withheld.
 */
#include "base/str.h"

enum { HIDE_MAX = 256 }; /* secrets of an instance */

/* Replaces each of `secrets` in a text of `size` bytes, NUL included. */
void hide_secrets(char *text, size_t size, const struct str *secrets, size_t count);
