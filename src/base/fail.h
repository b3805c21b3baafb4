/* SPDX-License-Identifier: AGPL-3.0-or-later */
#pragma once
/*
 * Failpoints: named places where a crash would hurt most.
 *
 * `HOC_FAILPOINT=name` (or name:N for the N-th passage) makes the process kill itself with
 * SIGKILL exactly there; tests/crash runs through all names found in the source. Without the
 * variable a failpoint costs one look into the environment, nothing beside the flush it guards.
 */
#include "base/defs.h"

/* Dies here if `name` is armed. Place it just before and just after each durable step. */
void fail_point(const char *name);
