/* SPDX-License-Identifier: AGPL-3.0-or-later */
#pragma once
/*
 * Settings of the client: lines "key = value", '#' begins a comment.
 *
 * The file is $HOC_CONFIG, else ~/.config/hoc/hoc.conf, else /etc/hoc/hoc.conf; the first that
 * exists. Keys: master (URL of the master), node (directory of the local node), identity (directory
 * of who one is, cli/identity.h). The environment (HOC_MASTER, HOC_NODE, HOC_IDENTITY) goes
 * before the file, options go before both.
 */
#include "base/arena.h"

enum { SETTINGS_MAX_BYTES = 65536 };

/* The master: `option` if not NULL, else as above, else http://127.0.0.1:8000. */
MUST int settings_master(const char *option, struct arena *a, const char **out, struct err *e);
/* The local node's directory, absolute; *out is NULL if none is set. */
MUST int settings_node(const char *option, struct arena *a, const char **out, struct err *e);
/* The identity's directory, absolute; ~/.config/hoc/identity if none is set. */
MUST int settings_identity(const char *option, struct arena *a, const char **out,
			   struct err *e);
/* Writes "master = URL" into the user's own file, unless some master is set. */
MUST int settings_keep_master(const char *url, struct arena *a, bool *out_kept, struct err *e);
