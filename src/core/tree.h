/* SPDX-License-Identifier: AGPL-3.0-or-later */
#pragma once
/*
 * Trees and requests (wire d.1, d.3, d.7, d.8).
 *
 * The key of an instance is (tree, title): a person's request names a root, of that customer;
 * an instance's request names a member of the requester's own tree, which is flat however deep
 * the requests go. The same request again changes nothing; another one for the same key updates
 * in place, and an instance never moves, nor turns into a shared one or back.
 */
#include "core/model.h"

/* A request, read and with its names resolved. */
struct request {
	struct str title, type;
	int64_t release_id;
	struct str parameters_json, where_json; /* canonical */
	bool is_shared;
	bool has_state; /* false: leave the state as it is; started at first */
	enum instance_want state;
};

/* What a request changes; bits. */
enum request_change {
	CHANGE_RELEASE = 1,
	CHANGE_TYPE = 2,
	CHANGE_PARAMETERS = 4,
	CHANGE_STATE = 8,
	CHANGE_WHERE =
		16 /* of one that waits; an allocated one never moves, its filter is kept */
};

/*
 * The state in force for a member whose root is wanted `root` and who was asked to be `asked`:
 * a started root leaves its members alone, any other takes them along.
 */
enum instance_want tree_want(enum instance_want root, enum instance_want asked);
/*
 * Applies `r` to the instance that has its key, `root_want` being the state of its tree's root
 * (its own old one for a root). Returns the bits of what changed, 0 if nothing.
 * ERR_CONFLICT: it is being destroyed, and something else is asked of it.
 * ERR_INVALID: `shared` differs.
 */
MUST int tree_apply(struct instance *i, const struct request *r, enum instance_want root_want,
		    struct err *e);
/* A name that a member may have: ERR_INVALID naming `title` where not. */
MUST int tree_check_title(struct str title, struct err *e);
/* May `child` be requested in the tree whose root is titled `root`? */
MUST int tree_check_member(struct str root, struct str child, struct err *e);
