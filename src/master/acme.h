/* SPDX-License-Identifier: AGPL-3.0-or-later */
#pragma once
/*
 * The job that validates ACME challenges (RFC 8555 8): looks every ACME_LOOK_MS for some that are
 * due, asks the network with up to ACME_WORKERS threads, outside of any transaction, and stores
 * what was found (api/acme_work.h). What is over is forgotten every ACME_FORGET_MS.
 *
 * Several masters may share a database: a validation is claimed by one.
 */
#include "api/api.h"
#include "db/db.h"
#include "json/desc.h"

enum { ACME_WORKERS = 8, ACME_LOOK_MS = 500, ACME_FORGET_MS = 60000 };

/* master.json "acme". */
struct acme_settings {
	int64_t http_port, tls_port; /* 80 and 443, but in tests */
	struct str *allow_networks;
	size_t allow_count;
};
extern const struct json_desc acme_settings_desc;

struct master_acme;
/* Starts the threads; api and db must outlive it. `resolver`: "127.0.0.1:5353", "": those of the
 * host. ERR_INVALID: a network, or the resolver, is none. */
MUST int master_acme_open(const struct acme_settings *s, struct str resolver, struct api *api,
			  struct db *db, struct master_acme **out, struct err *e);
/* Waits for what is being asked (ACME_ASK_MS at most). NULL accepted; gives NULL. */
struct master_acme *master_acme_close(struct master_acme *m);
