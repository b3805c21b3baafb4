/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "master/settings.h"

#include "base/file.h"

enum { SETTINGS_MAX_BYTES = 65536 };

/* clang-format off */
static const struct json_field seller_fields[] = {
	JSON_STR(struct master_seller, name, "name", 1, 200, 0, "Who sells, as invoices print it.", .initial_text = "Hyper Open Cloud"),
	JSON_STR(struct master_seller, address, "address", 0, 600, 0, "Lines of the address, separated by newlines.", .initial_text = ""),
	JSON_STR(struct master_seller, country, "country", 2, 2, 0, "ISO 3166-1 alpha-2; also of customers that state none.", .initial_text = "FR"),
	JSON_STR(struct master_seller, vat_number, "vat_number", 0, 30, 0, "Empty: none.", .initial_text = ""),
};
static const struct json_desc seller_desc = JSON_DESC(struct master_seller, seller_fields, "Seller", "Who sells.");
static const struct json_field settings_fields[] = {
	JSON_STRUCT(struct master_settings, seller, struct master_seller, "seller", &seller_desc, 0, "Who sells; read at start."),
	JSON_I64(struct master_settings, liveness_seconds, "liveness_seconds", 70, 86400, 0, "A node that is silent for longer is lost; read at start.", .initial = 90),
};
const struct json_desc master_settings_desc =
	JSON_DESC(struct master_settings, settings_fields, "MasterSettings", "Settings of a master.");
/* clang-format on */

MUST int master_settings_read(const char *path, struct arena *a, struct master_settings *out,
			      struct err *e)
{
	struct str text = S("{}");
	if (file_read(path, SETTINGS_MAX_BYTES, a, &text, e) < 0)
		return -1;
	if (json_read(&master_settings_desc, text, a, out, e) < 0)
		return err_in(e, "%s", path);
	return 0;
}
