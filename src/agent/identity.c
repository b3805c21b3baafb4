/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Identity of a node: kept as texts in the table `node`, one key a fact. */
#include "agent/identity.h"

#include <sys/utsname.h>

#include "json/json.h"

MUST int identity_load(struct ndb *n, const char *dir, struct arena *a, struct identity *out,
		       struct err *e)
{
	struct identity id = {.count = 0};
	struct str bridge, ipv4, bits, ipv6;
	int64_t number = 0, width = 0;
	int rc = ndb_get(n, S("name"), a, &id.node, e);
	if (rc > 0)
		return err_fail(e, ERR_NOT_FOUND,
				"%s holds no node: run `hoc node format` first", dir);
	if (rc < 0 || ndb_get(n, S("bridge"), a, &bridge, e) != 0 ||
	    ndb_get(n, S("ipv4"), a, &ipv4, e) != 0 ||
	    ndb_get(n, S("ipv4_bits"), a, &bits, e) != 0 ||
	    ndb_get(n, S("ipv6"), a, &ipv6, e) != 0)
		return e->kind == ERR_NONE
			       ? err_fail(e, ERR_CORRUPT,
					  "identity of the node in %s is not whole", dir)
			       : -1;
	if (str_to_i64(ipv4, 0, UINT32_MAX, &number, e) < 0 ||
	    str_to_i64(bits, 8, 30, &width, e) < 0 ||
	    str_unhex(ipv6, id.net.ipv6, sizeof id.net.ipv6, e) < 0)
		return err_in(e, "identity of the node in %s", dir);
	(void)snprintf(id.net.bridge, sizeof id.net.bridge, "%" STR_F, STR_A(bridge));
	id.net.ipv4 = (uint32_t)number;
	id.net.ipv4_bits = (unsigned)width;
	if (ndb_partitions(n, a, &id.partitions, &id.count, e) < 0)
		return -1;
	*out = id;
	return 0;
}

MUST int identity_save(struct ndb *n, const struct identity *id, struct err *e)
{
	char ipv4[16], bits[8], ipv6[2 * sizeof id->net.ipv6 + 1];
	(void)snprintf(ipv4, sizeof ipv4, "%lu", (unsigned long)id->net.ipv4);
	(void)snprintf(bits, sizeof bits, "%u", id->net.ipv4_bits);
	str_hex(id->net.ipv6, sizeof id->net.ipv6, ipv6);
	const struct str keys[] = {S("name"), S("bridge"), S("ipv4"), S("ipv4_bits"),
				   S("ipv6")};
	const struct str values[] = {id->node, str_from(id->net.bridge), str_from(ipv4),
				     str_from(bits), str_from(ipv6)};
	if (ndb_set_partitions(n, id->partitions, id->count, e) < 0)
		return -1;
	return ndb_set(n, keys, values, ARRAY_LEN(keys), e);
}

struct str identity_partition_name(size_t slot, struct arena *a)
{
	return arena_fmt(a, "p%zu", slot);
}

static void add_address(struct arena *a, struct json *list, const char *interface,
			struct str address, const char *netmask)
{
	struct json *one = json_object_new(a);
	json_set_str(a, one, S("ip-address"), address);
	json_set_str(a, one, S("network-interface"), str_from(interface));
	json_set_str(a, one, S("netmask"), str_from(netmask));
	json_add(a, list, one);
}

struct str identity_format_body(const struct identity *id, struct arena *a)
{
	struct json *body = json_object_new(a), *list = json_array_new(a);
	for (size_t i = 0; i < id->count; i++) {
		struct json *p = json_object_new(a), *addresses = json_array_new(a);
		add_address(a, addresses, id->net.bridge, id->partitions[i].ipv4,
			    "255.255.255.255");
		add_address(a, addresses, id->net.bridge, id->partitions[i].ipv6,
			    "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff");
		json_set_str(a, p, S("partition_id"), id->partitions[i].name);
		json_set(a, p, S("ip_list"), addresses);
		json_add(a, list, p);
	}
	json_set_str(a, body, S("computer_guid"), id->node);
	json_set(a, body, S("compute_partition_list"), list);
	return json_text(body, a);
}

struct str identity_node_body(const struct identity *id, struct str capabilities,
			      struct arena *a)
{
	struct json *body = json_object_new(a), *all = json_object_new(a);
	struct str rest = capabilities, word;
	struct utsname host;
	while (rest.n && str_split(&rest, ' ', &word))
		if (word.n)
			json_set_str(a, all, word, S("yes"));
	if (uname(&host) == 0)
		json_set_str(a, all, S("arch"), str_from(host.machine));
	json_set_str(a, all, S("hoc"), S("yes"));
	json_set_str(a, body, S("title"), id->node);
	json_set(a, body, S("capabilities"), all);
	return json_text(body, a);
}
