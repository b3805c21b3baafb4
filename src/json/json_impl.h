/* SPDX-License-Identifier: AGPL-3.0-or-later */
#pragma once
/*
 * What the files of this room share: the place in a tree where a reader stands.
 *
 * A step is a local of the function that went one level down; it points up to its caller's. So
 * a path costs nothing until an error wants its text.
 */
#include "json/json.h"

struct json_step {
	const struct json_step *up; /* NULL at the top */
	struct str key;		    /* a member; .p is NULL for an item */
	size_t index;		    /* an item */
};

/* The path as in `services.postgres.exec[2]`, `prefix` before it, cut to fit. */
void json_step_text(const struct json_step *at, struct str prefix, char out[ERR_FIELD_MAX]);
/* Steps from the top. */
size_t json_step_depth(const struct json_step *at);

/* A whole real within int64_t; then *out is its value. */
bool json_real_is_whole(double v, int64_t *out);
/* The value of a number (integer or whole real) as int64_t. */
bool json_is_whole(const struct json *j, int64_t *out);
