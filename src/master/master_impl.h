/* SPDX-License-Identifier: AGPL-3.0-or-later */
#pragma once
/*
 * What the files of the room share: a master half or wholly opened.
 *
 *   master.c    start, jobs, stop
 *   open.c      data, database, authorities, api: what running and init both need
 *   init.c      makes the authorities
 *   issuers.c   rolls issuers over that come to their end
 *   identity.c  the authorities and the master's own certificate, as files
 */
#include <signal.h>

#include "api/http.h"
#include "master/identity.h"
#include "master/master.h"
#include "master/settings.h"

struct profile_eval;

struct master {
	const struct master_options *options;
	struct arena *a;
	struct arena *job_arena;
	struct master_settings settings;
	int lock_fd;
	struct master_identity identity; /* all NULL in local mode */
	struct db *db;
	struct profile_eval *eval;
	struct api *api;
	struct api_http *http;
	struct master_acme *acme; /* NULL in local mode */
	struct str address_path;
	sigset_t signals;
	int64_t issuers_at_ms; /* when they are looked at next */
	bool has_stuck_issuer; /* due, and could not be rolled over: a fresh start does not help */
	bool begins_anew;
};

/* Memory, lock, settings. */
MUST int master_open_data(struct master *m, struct err *e);
/* The authorities, unless it is local. */
MUST int master_open_identity(struct master *m, struct err *e);
MUST int master_open_database(struct master *m, struct err *e);
MUST int master_open_api(struct master *m, struct err *e);
/*
 * The certificate to show: the one on disk, or a fresh one if that will not do. Uses job_arena.
 */
MUST int master_certify(struct master *m, struct err *e);
/* Closes what is open; a zeroed one too. */
void master_close(struct master *m);
/* DIR/name. */
const char *master_path(struct master *m, const char *name);
