/* SPDX-License-Identifier: AGPL-3.0-or-later */
#pragma once
/* Settings of a master: DIR/master.json, one table. What is left out has the default shown there. */
#include "json/desc.h"
#include "master/acme.h"

enum { MASTER_NAMES_MAX = 20 };

struct master_seller {
	struct str name, address, country, vat_number;
};
struct master_limits {
	int64_t identity_per_minute, identity_burst;
	int64_t address_per_minute, address_burst;
	int64_t login_per_minute, login_burst;
	int64_t address_connections, request_seconds;
};
struct master_settings {
	struct master_seller seller;
	int64_t liveness_seconds;
	struct str cloud;  /* "": no authorities were made here */
	struct str *names; /* what the master is called from outside */
	size_t name_count;
	struct str zone;
	struct master_limits limits;
	struct str resolver; /* "": those of the host */
	struct acme_settings acme;
};
extern const struct json_desc master_settings_desc;

/* Reads `path`; a file that is not there gives the defaults. Texts live in `a`. */
MUST int master_settings_read(const char *path, struct arena *a, struct master_settings *out,
			      struct err *e);
/*
 * Writes cloud, zone (if not "") and names into the file; what else stands in it stays. Made if
 * it is not there.
 */
MUST int master_settings_name(const char *path, struct str cloud, struct str zone,
			      const struct str *names, size_t count, struct arena *a,
			      struct err *e);
