/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Allowed moves as tables: row = from, column = to. */
#include "core/state.h"

/* clang-format off */
static const bool want_moves[INSTANCE_WANTS][INSTANCE_WANTS] = {
	[INSTANCE_STARTED]   = {[INSTANCE_STOPPED] = true, [INSTANCE_DESTROYED] = true},
	[INSTANCE_STOPPED]   = {[INSTANCE_STARTED] = true, [INSTANCE_DESTROYED] = true},
	[INSTANCE_DESTROYED] = {false},
};
static const bool report_moves[INSTANCE_REPORTS][INSTANCE_REPORTS] = {
	[REPORT_NONE]      = {[REPORT_STARTED] = true, [REPORT_STOPPED] = true, [REPORT_ERROR] = true, [REPORT_DESTROYED] = true},
	[REPORT_STARTED]   = {[REPORT_STARTED] = true, [REPORT_STOPPED] = true, [REPORT_ERROR] = true, [REPORT_DESTROYED] = true},
	[REPORT_STOPPED]   = {[REPORT_STARTED] = true, [REPORT_STOPPED] = true, [REPORT_ERROR] = true, [REPORT_DESTROYED] = true},
	[REPORT_ERROR]     = {[REPORT_STARTED] = true, [REPORT_STOPPED] = true, [REPORT_ERROR] = true, [REPORT_DESTROYED] = true},
	[REPORT_DESTROYED] = {false},
};
static const bool supply_want_moves[SUPPLY_WANTS][SUPPLY_WANTS] = {
	[SUPPLY_AVAILABLE] = {[SUPPLY_DESTROYED] = true},
	[SUPPLY_DESTROYED] = {[SUPPLY_AVAILABLE] = true},
};
static const bool supply_report_moves[SUPPLY_REPORTS][SUPPLY_REPORTS] = {
	[BUILD_NONE]      = {[BUILD_BUILDING] = true, [BUILD_AVAILABLE] = true, [BUILD_ERROR] = true, [BUILD_DESTROYED] = true},
	[BUILD_BUILDING]  = {[BUILD_BUILDING] = true, [BUILD_AVAILABLE] = true, [BUILD_ERROR] = true, [BUILD_DESTROYED] = true},
	[BUILD_AVAILABLE] = {[BUILD_BUILDING] = true, [BUILD_AVAILABLE] = true, [BUILD_ERROR] = true, [BUILD_DESTROYED] = true},
	[BUILD_ERROR]     = {[BUILD_BUILDING] = true, [BUILD_AVAILABLE] = true, [BUILD_ERROR] = true, [BUILD_DESTROYED] = true},
	[BUILD_DESTROYED] = {false},
};
/* clang-format on */

MUST int instance_want_move(struct instance *i, enum instance_want to, struct err *e)
{
	if (i->want == to)
		return 1;
	if (!want_moves[i->want][to])
		return err_fail(e, ERR_CONFLICT, "instance %" STR_F " is %s and stays so",
				STR_A(i->title), instance_want_word(i->want));
	i->want = to;
	return 0;
}

MUST int instance_report_move(struct instance *i, enum instance_report to, struct str message,
			      int64_t now_ms, struct err *e)
{
	if (to == REPORT_DESTROYED && i->want != INSTANCE_DESTROYED)
		return err_fail(e, ERR_CONFLICT,
				"nobody asked for the destruction of instance %" STR_F
				" (%" STR_F "): it is wanted %s",
				STR_A(i->title), STR_A(i->guid), instance_want_word(i->want));
	if (i->reported == to && i->report_of == i->timestamp && str_eq(i->message, message))
		return 1;
	if (!report_moves[i->reported][to])
		return err_fail(e, ERR_CONFLICT, "instance %" STR_F " was reported %s before",
				STR_A(i->title), instance_report_word(i->reported));
	i->reported = to;
	i->reported_at_ms = now_ms;
	i->report_of = i->timestamp;
	i->message = message;
	return 0;
}

MUST int supply_want_move(struct installation *s, enum supply_want to, struct err *e)
{
	if (s->want == to)
		return 1;
	if (!supply_want_moves[s->want][to])
		return err_fail(e, ERR_INTERNAL, "no way from %s to %s",
				supply_want_word(s->want), supply_want_word(to));
	s->want = to;
	return 0;
}

MUST int supply_report_move(struct installation *s, enum supply_report to, struct str message,
			    struct err *e)
{
	if (to == BUILD_DESTROYED && s->want != SUPPLY_DESTROYED)
		return err_fail(e, ERR_CONFLICT,
				"nobody asked for the destruction of release %" STR_F
				" on node %" STR_F,
				STR_A(s->release), STR_A(s->node));
	if (s->reported == to && str_eq(s->message, message))
		return 1;
	/* What is there is not built again: such a report is an old one that came late. A node
	 * that lost it and cannot build it says so with an error. */
	if (s->reported == BUILD_AVAILABLE && to == BUILD_BUILDING)
		return 1;
	if (!supply_report_moves[s->reported][to])
		return err_fail(e, ERR_CONFLICT, "release %" STR_F " was reported %s before",
				STR_A(s->release), supply_report_word(s->reported));
	s->reported = to;
	s->message = message;
	return 0;
}

/* Of an instance that is placed and wanted started. */
static enum instance_status started_status(const struct instance *i)
{
	bool is_heard = i->reported != REPORT_NONE;
	/* A shared instance is applied by its host, which reports for itself. */
	bool is_current = i->is_shared || i->report_of == i->timestamp;
	if (!is_heard && i->build != BUILD_AVAILABLE && !i->is_shared)
		return STATUS_BUILDING;
	if (!is_heard)
		return STATUS_ALLOCATED;
	if (!is_current)
		return STATUS_STARTING;
	if (i->reported == REPORT_ERROR || i->broken > 0)
		return STATUS_BROKEN;
	if (i->reported != REPORT_STARTED || i->unknown > 0)
		return STATUS_STARTING;
	return STATUS_RUNNING;
}

enum instance_status instance_status(const struct instance *i)
{
	if (!i->is_live)
		return STATUS_DESTROYED;
	if (i->want == INSTANCE_DESTROYED)
		return STATUS_DESTROYING;
	if (!i->partition_id)
		return STATUS_WAITING;
	if (i->want == INSTANCE_STARTED)
		return started_status(i);
	if (i->reported == REPORT_ERROR && i->report_of == i->timestamp)
		return STATUS_BROKEN;
	return i->reported == REPORT_STOPPED && i->report_of == i->timestamp ? STATUS_STOPPED
									     : STATUS_STOPPING;
}
