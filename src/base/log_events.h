/* SPDX-License-Identifier: AGPL-3.0-or-later */
#pragma once
/*
 * Every event that the programs log: id, meaning, what to do. Sorted by id; printed as
 * docs/generated/events.md. Rooms add their rows here.
 */
/* clang-format off */
#define LOG_EVENTS(X) \
	X("agent.child.unasked", "an instance could not ask for its children", "nothing: it goes on with what it knows and asks again") \
	X("agent.instance.unlisted", "the master does not list an instance that runs here", "nothing is removed; ask the operator of the master") \
	X("agent.link.answer", "an answer of the master could not be used", "the request is repeated; look at the text") \
	X("agent.link.lost", "the master does not answer", "the node works on alone; look at the master and the network") \
	X("agent.release.refused", "a release cannot be taken on", "supply fewer releases to this node") \
	X("agent.report.refused", "the master refused a report", "the object was probably destroyed meanwhile") \
	X("program.failed", "a program ended because of an error", "read the text; the exit code tells its kind") \
	X("program.started", "a program began its work", "nothing") \
	X("program.stopped", "a program ended as asked", "nothing")
/* clang-format on */
