/* SPDX-License-Identifier: AGPL-3.0-or-later */
#pragma once
/*
 * The states of instances and installations, and which moves between them are allowed.
 *
 * What is wanted of an instance:
 *
 *     ┌─────────┐  ◀─────▶  ┌─────────┐
 *     │ started │           │ stopped │
 *     └────┬────┘           └────┬────┘
 *          └──────▶ destroyed ◀──┘          destroyed is for ever: a new request is a new
 * instance
 *
 * What its node reports: none ─▶ started, stopped, error in any order, again and again;
 * destroyed only from a node that was told to destroy, and only once.
 *
 * What is wanted of an installation: available ◀─▶ destroyed (it may be wanted again while the
 * node deletes it). What the node reports: none ─▶ building ─▶ available | error ─▶ building …,
 * and destroyed, after which the row is forgotten. `building` after `available` changes nothing:
 * reports may be repeated by an unsure network and come late.
 *
 * What a person is told (status) is derived from all of that by one function.
 */
#include "core/model.h"

/* Moves i->want; ERR_CONFLICT if the diagram has no such arrow. Returns 1 if already there. */
MUST int instance_want_move(struct instance *i, enum instance_want to, struct err *e);
/*
 * Records what the node said about its instance, at `now_ms`, with a message that the caller
 * owns. ERR_CONFLICT for `destroyed` where destruction was not requested (wire b.4). Returns 1
 * if this is what was already known and the report was already about this timestamp.
 */
MUST int instance_report_move(struct instance *i, enum instance_report to, struct str message,
			      int64_t now_ms, struct err *e);
/* The same pair for an installation. */
MUST int supply_want_move(struct installation *s, enum supply_want to, struct err *e);
MUST int supply_report_move(struct installation *s, enum supply_report to, struct str message,
			    struct err *e);

/*
 * The derived status. `i->build` and the promise counts have to be loaded.
 *   waiting     nowhere yet
 *   building    placed, but its release is not yet available on that node
 *   allocated   placed, and the node said nothing about it yet
 *   starting    wanted started; its newest version is not yet reported, or a promise is unknown
 *   running     started, its newest version reported, every promise kept
 *   broken      the node reported an error, or a promise is broken
 *   stopping, stopped; destroying, destroyed
 */
enum instance_status instance_status(const struct instance *i);
