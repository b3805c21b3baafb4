/* SPDX-License-Identifier: AGPL-3.0-or-later */
#pragma once
/*
 * Identifiers of things the cloud makes: "PREFIX-" and 20 characters of Crockford's base 32 in
 * lower case (100 random bits). They carry no meaning and no order; nobody may parse them.
 */
#include "base/clock.h"

enum { ID_TEXT_SIZE = 32 };

struct id {
	char text[ID_TEXT_SIZE]; /* NUL-terminated */
};

/* A fresh id; `prefix` has at most 10 characters, e.g. "inst". */
struct id id_new(const struct rng *r, const char *prefix);
struct str id_str(const struct id *id);
