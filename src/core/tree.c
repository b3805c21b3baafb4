/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Rules of requests. */
#include "core/tree.h"

#include "core/state.h"

enum instance_want tree_want(enum instance_want root, enum instance_want asked)
{
	if (asked == INSTANCE_DESTROYED)
		return asked;
	return root == INSTANCE_STARTED ? asked : root;
}

/* Moves the state as asked; 1 if that changed the one in force. */
MUST static int apply_state(struct instance *i, const struct request *r,
			    enum instance_want root_want, struct err *e)
{
	enum instance_want asked = r->has_state ? r->state : i->asked;
	bool is_root = i->tree_id == i->id;
	enum instance_want to = is_root ? asked : tree_want(root_want, asked);
	int rc = instance_want_move(i, to, e);
	if (rc < 0)
		return -1;
	i->asked = asked;
	return rc == 0;
}

MUST int tree_apply(struct instance *i, const struct request *r, enum instance_want root_want,
		    struct err *e)
{
	int changed = 0;
	if (i->is_shared != r->is_shared)
		return err_field(e, "shared", "instance %" STR_F " is %s and stays so",
				 STR_A(i->title), i->is_shared ? "shared" : "not shared");
	bool is_leaving = i->want == INSTANCE_DESTROYED;
	int moved = apply_state(i, r, root_want, e);
	if (moved < 0)
		return -1;
	if (moved)
		changed |= CHANGE_STATE;
	/* Whoever destroys names the instance; the rest of the request no longer matters. */
	if (is_leaving || i->want == INSTANCE_DESTROYED)
		return changed;
	if (i->release_id != r->release_id)
		changed |= CHANGE_RELEASE;
	if (!str_eq(i->type, r->type))
		changed |= CHANGE_TYPE;
	if (!str_eq(i->parameters_json, r->parameters_json))
		changed |= CHANGE_PARAMETERS;
	if (!i->partition_id && !str_eq(i->where_json, r->where_json)) {
		changed |= CHANGE_WHERE;
		i->where_json = r->where_json;
	}
	i->release_id = r->release_id;
	i->type = r->type;
	i->parameters_json = r->parameters_json;
	return changed;
}

MUST int tree_check_title(struct str title, struct err *e)
{
	if (!title.n)
		return err_field(e, "title", "is empty");
	if (title.n > MODEL_TITLE_MAX)
		return err_field(e, "title", "is longer than %d bytes", MODEL_TITLE_MAX);
	if (!str_is_utf8(title))
		return err_field(e, "title", "is not UTF-8");
	for (size_t i = 0; i < title.n; i++)
		if ((unsigned char)title.p[i] < ' ' || title.p[i] == 0x7f)
			return err_field(e, "title", "has a control character at %zu", i);
	if (str_starts(title, S("inst-")))
		return err_field(e, "title", "begins with inst-, as guids do");
	return 0;
}

MUST int tree_check_member(struct str root, struct str child, struct err *e)
{
	if (str_eq(root, child))
		return err_field(e, "title", "'%" STR_F "' is the root of this tree",
				 STR_A(child));
	return 0;
}
