/* SPDX-License-Identifier: AGPL-3.0-or-later */
#pragma once
/*
 * A node's directory that its tenants' users can reach.
 *
 * Containers run as users of the partition's range. A directory above the node's that only its
 * owner may search (/root, a home of mode 0700) would keep them from their own root and home.
 * Nobody's permissions are changed for that: inside the supervisor's own mount namespace the
 * first such directory is covered by an empty one that holds nothing but the way to the node's
 * directory, under the same path.
 *
 *     host             /root 0700 ─ cloud ─ node
 *     supervisor       /root 0755 (tmpfs) ─ cloud 0755 ─ node (bound from the host)
 */
#include "base/err.h"

/*
 * Makes `node_dir` (absolute, existing) searchable for everybody. In a mount namespace of one's
 * own, before the process has a second thread. Returns 1 if there was nothing to do.
 */
MUST int reach_open(const char *node_dir, struct err *e);
