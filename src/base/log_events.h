/* SPDX-License-Identifier: AGPL-3.0-or-later */
#pragma once
/*
 * Every event that the programs log: id, meaning, what to do. Sorted by id; printed as
 * docs/generated/events.md. Rooms add their rows here.
 */
/* clang-format off */
#define LOG_EVENTS(X) \
	X("program.failed", "a program ended because of an error", "read the text; the exit code tells its kind") \
	X("program.started", "a program began its work", "nothing") \
	X("program.stopped", "a program ended as asked", "nothing")
/* clang-format on */
