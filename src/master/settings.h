/* SPDX-License-Identifier: AGPL-3.0-or-later */
#pragma once
/* Settings of a master: DIR/master.json, one table. What is left out has the default shown there. */
#include "json/desc.h"

struct master_seller {
	struct str name, address, country, vat_number;
};
struct master_settings {
	struct master_seller seller;
	int64_t liveness_seconds;
};
extern const struct json_desc master_settings_desc;

/* Reads `path`; a file that is not there gives the defaults. Texts live in `a`. */
MUST int master_settings_read(const char *path, struct arena *a, struct master_settings *out,
			      struct err *e);
