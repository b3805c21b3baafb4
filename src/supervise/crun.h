/* SPDX-License-Identifier: AGPL-3.0-or-later */
#pragma once
/*
 * The crun that is executed: a sealed copy in memory.
 *
 * So that no container can write to the host's program (CVE-2019-5736), crun copies itself and
 * executes the copy at every start, unless it already runs from a sealed memory file. Given one,
 * it starts once instead of twice: 1 ms instead of 4. The copy is made again when the file
 * changed, so that an upgrade is used from the next start on.
 */
#include "base/err.h"

struct crun;

/* `name` is a path, or searched in PATH. A script, or what is not there, is kept by its name. */
MUST int crun_open(const char *name, struct crun **out, struct err *e);
/* What to execute; valid until the crun is closed. Looks whether the file changed. */
const char *crun_program(struct crun *c);
/* NULL is accepted; returns NULL. */
struct crun *crun_close(struct crun *c);
