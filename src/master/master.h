/* SPDX-License-Identifier: AGPL-3.0-or-later */
#pragma once
/*
 * The master as a program: starts, does its jobs, stops.
 *
 *     DIR/lock          held while it runs; a second master on DIR refuses
 *     DIR/master.db     its database, unless --db names another
 *     DIR/master.json   settings, if there (master/settings.h)
 *     DIR/address       "127.0.0.1:40123" while it listens, written when it is ready
 *
 * Jobs, every MASTER_JOB_MS: assess what time alone can break (liveness of nodes, payments); at
 * start: the last MASTER_CHAIN_ROWS events of the audit chain are checked.
 */
#include "base/err.h"

enum { MASTER_JOB_MS = 2000, MASTER_CHAIN_ROWS = 1000 };

struct master_options {
	const char *data;    /* DIR; made if it is not there */
	const char *listen;  /* "127.0.0.1:8000"; port 0 takes a free one */
	bool is_local;	     /* no login: loopback only */
	const char *db;	     /* sqlite:PATH or postgresql://…; NULL: DIR/master.db */
	const char *program; /* this program, for evaluating profiles; NULL: /proc/self/exe */
	int ready_fd; /* > 0: gets the address and a newline when it listens, then is closed */
};

/*
 * Runs until SIGTERM or SIGINT, which it takes; long polls are answered before it ends. Errors:
 * ERR_INVALID (field "listen": not loopback; "local": without TLS it has to be said),
 * ERR_CONFLICT (another master runs on DIR, or the address is taken), those of the database.
 */
MUST int master_run(const struct master_options *options, struct err *e);
