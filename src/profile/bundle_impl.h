/* SPDX-License-Identifier: AGPL-3.0-or-later */
#pragma once
/* Shared by bundle.c (reading) and collect.c (making). */
#include "profile/bundle.h"

/*
 * Completes a bundle from name, entry and unsorted files (all valid, texts UTF-8): sorts, makes
 * the canonical text and the hash, checks the total size.
 */
MUST int bundle_finish(struct profile_bundle *b, struct arena *a, struct err *e);
