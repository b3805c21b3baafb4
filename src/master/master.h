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
 *     DIR/ca, identity, eab.key   of a master with TLS (master/init.h)
 *
 * Jobs, every MASTER_JOB_MS: assess what time alone can break (liveness of nodes, payments), and
 * make the master's own certificate anew when two thirds of its life are over; those who are
 * connected stay so. At start: the last MASTER_CHAIN_ROWS events of the audit chain are checked.
 */
#include "base/err.h"

enum { MASTER_JOB_MS = 2000, MASTER_CHAIN_ROWS = 1000 };

struct master_options {
	const char *data;   /* DIR; made if it is not there */
	const char *listen; /* "127.0.0.1:8000"; port 0 takes a free one */
	bool is_local;	    /* no login: loopback only; else TLS, see master/init.h */
	const char *passphrase_file, *pin_file; /* secrets of the authorities, or NULL */
	const char *db;	     /* sqlite:PATH or postgresql://…; NULL: DIR/master.db */
	const char *program; /* this program, for evaluating profiles; NULL: /proc/self/exe */
	int ready_fd; /* > 0: gets the address and a newline when it listens, then is closed */
};

/*
 * Runs until SIGTERM or SIGINT, which it takes; long polls are answered before it ends. Errors:
 * ERR_INVALID (field "listen": not loopback, though local; "local": it is local and DIR has authorities, or
 * neither),
 * ERR_CONFLICT (another master runs on DIR, or the address is taken), ERR_FORBIDDEN (not that passphrase or PIN), those of the database.
 */
MUST int master_run(const struct master_options *options, struct err *e);
