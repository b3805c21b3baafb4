/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "master/settings.h"

#include "base/file.h"

enum { SETTINGS_MAX_BYTES = 65536 };

/* Letters of a DNS name or an address, so that it goes into a certificate and a URL. */
static int check_name(struct str s, struct err *e)
{
	for (size_t i = 0; i < s.n; i++) {
		char c = s.p[i];
		bool is_good = (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' ||
			       c == '.' || c == ':';
		if (!is_good)
			return err_fail(e, ERR_INVALID,
					"is not a host name in lower case, nor an address");
	}
	return 0;
}

/* clang-format off */
static const struct json_field seller_fields[] = {
	JSON_STR(struct master_seller, name, "name", 1, 200, 0, "Who sells, as invoices print it.", .initial_text = "Hyper Open Cloud"),
	JSON_STR(struct master_seller, address, "address", 0, 600, 0, "Lines of the address, separated by newlines.", .initial_text = ""),
	JSON_STR(struct master_seller, country, "country", 2, 2, 0, "ISO 3166-1 alpha-2; also of customers that state none.", .initial_text = "FR"),
	JSON_STR(struct master_seller, vat_number, "vat_number", 0, 30, 0, "Empty: none.", .initial_text = ""),
};
static const struct json_desc seller_desc = JSON_DESC(struct master_seller, seller_fields, "Seller", "Who sells.");


static const struct json_field limits_fields[] = {
	JSON_I64(struct master_limits, identity_per_minute, "identity_per_minute", 0, 100000000, 0, "Requests of a person or node; 0: no limit.", .initial = 60000),
	JSON_I64(struct master_limits, identity_burst, "identity_burst", 1, 100000000, 0, "So many of them at once.", .initial = 20000),
	JSON_I64(struct master_limits, address_per_minute, "address_per_minute", 0, 100000000, 0, "Requests without a certificate, of an address (IPv6: a /64); 0: no limit.", .initial = 6000),
	JSON_I64(struct master_limits, address_burst, "address_burst", 1, 100000000, 0, "So many of them at once.", .initial = 2000),
	JSON_I64(struct master_limits, login_per_minute, "login_per_minute", 0, 100000000, 0, "Enrolments, renewals, sessions and new ACME accounts of an address; 0: no limit.", .initial = 120),
	JSON_I64(struct master_limits, login_burst, "login_burst", 1, 100000000, 0, "So many of them at once.", .initial = 240),
	JSON_I64(struct master_limits, address_connections, "address_connections", 1, 8192, 0, "Connections of an address at a time.", .initial = 1024),
	JSON_I64(struct master_limits, request_seconds, "request_seconds", 1, 300, 0, "Seconds for a handshake with the head of its first request, and for a request to arrive.", .initial = 30),
};
static const struct json_desc limits_desc = JSON_DESC(struct master_limits, limits_fields, "Limits", "How often somebody may ask; not in local mode.");
static const struct json_field settings_fields[] = {
	JSON_STRUCT(struct master_settings, seller, struct master_seller, "seller", &seller_desc, 0, "Who sells; read at start."),
	JSON_I64(struct master_settings, liveness_seconds, "liveness_seconds", 70, 86400, 0, "A node that is silent for longer is lost; read at start.", .initial = 90),
	JSON_STR(struct master_settings, cloud, "cloud", 0, 63, 0, "Name of the cloud, as its authorities carry it; written by master init.", .initial_text = ""),
	JSON_STRS(struct master_settings, names, name_count, "names", 0, MASTER_NAMES_MAX, 0, "Host names and addresses that the master's certificate is for; read at start.", .max_bytes = 253, .check = check_name),
	JSON_STR(struct master_settings, zone, "zone", 0, 200, 0, "DNS zone of the cloud: each customer has CUSTOMER.zone; empty: none.", .initial_text = "", .check = check_name),
	JSON_STR(struct master_settings, resolver, "resolver", 0, 40, 0, "DNS server that ACME challenges are looked up with, 127.0.0.1:5353; empty: those of the host; read at start.", .initial_text = ""),
	JSON_STRUCT(struct master_settings, acme, struct acme_settings, "acme", &acme_settings_desc, 0, "How ACME challenges are validated; read at start."),
	JSON_STRUCT(struct master_settings, limits, struct master_limits, "limits", &limits_desc, 0, "How often somebody may ask; read at start."),
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

MUST int master_settings_name(const char *path, struct str cloud, struct str zone,
			      const struct str *names, size_t count, struct arena *a,
			      struct err *e)
{
	struct buf b CLEAN(buf_fini) = BUF_INIT(SETTINGS_MAX_BYTES);
	struct str text = S("{}");
	struct json *tree, *list = json_array_new(a);
	struct master_settings checked;
	if (file_read(path, SETTINGS_MAX_BYTES, a, &text, e) < 0 ||
	    json_parse(text, a, &tree, e) < 0)
		return err_in(e, "%s", path);
	for (size_t i = 0; i < count; i++)
		json_add_str(a, list, names[i]);
	json_set_str(a, tree, S("cloud"), cloud);
	json_set(a, tree, S("names"), list);
	if (zone.n)
		json_set_str(a, tree, S("zone"), zone);
	if (arena_check(a, e) < 0 ||
	    json_read_tree(&master_settings_desc, tree, S(""), a, &checked, e) < 0)
		return -1;
	json_write_pretty(tree, &b);
	buf_add_c(&b, '\n');
	if (buf_check(&b, e) < 0)
		return -1;
	return file_write(path, buf_str(&b), 0644, e);
}
