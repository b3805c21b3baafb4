/* SPDX-License-Identifier: AGPL-3.0-or-later */
#pragma once
/* Requests that succeed on the stage of cloud.h: at least one for each operation of the API. */
#include "cloud.h"

/* What the request repeated is to give. */
enum again {
	AGAIN_SAME,  /* the same answer, and nothing changed */
	AGAIN_FINE,  /* success; it says why in `help` of the operation */
	AGAIN_FAILS, /* its path names what is no more */
};

struct row {
	const char *method, *target, *body;
	enum again again;
};

/* clang-format off */
#define SEALED "-----BEGIN AGE ENCRYPTED FILE-----\\nYWdlLWVuY3J5cHRpb24ub3JnL3YxCi0+IFgyNTUxOSBUdTdJUWNRWS9Ld2JTNit3\\nYzFLSWR1bEZzVDZpZEdlcnBINlpBdHhXL0FJCk1kc2RaM2xBNEh0NXltQnhuWWJ2\\nc0UzdEduWXE5bVlhb2FqZG4xU21WeG8KLS0tIG1vNG0vSFJ6eTBvKzJONGZHaHBP\\ndG1ZU01hZHpIdkNyYjFOTm00ajlJS2cKk6DrYxJ04tXhScY2QeNFMQJUyU/57VkY\\nPSaNSi/iz3cz\\n-----END AGE ENCRYPTED FILE-----\\n"
static const struct row rows[] = {
	/* what people ask for */
	{"POST", "/v1/instances", "{'release': 'web', 'title': 'new', 'parameters': {'n': 3}}", AGAIN_SAME},
	{"POST", "/v1/instances", "{'release': 'web', 'title': 'new', 'customer': 'acme', 'where': {'region': 'fr', 'capability': 'disk=ssd'}}", AGAIN_SAME},
	{"POST", "/v1/instances", "{'release': 'web', 'title': 'new', 'where': {'network': 'moon'}}", AGAIN_SAME},
	{"POST", "/v1/instances", "{'release': 'web', 'title': 'kid', 'requester': '@c@', 'state': 'stopped'}", AGAIN_SAME},
	{"POST", "/v1/instances", "{'release': 'web', 'title': 's2', 'type': 'host', 'shared': true}", AGAIN_SAME},
	{"POST", "/v1/instances", "{'release': 'web', 'title': 'a', 'parameters': {'n': 2}}", AGAIN_SAME},
	{"POST", "/v1/instances", "{'release': 'web', 'title': 'w'}", AGAIN_SAME},
	{"POST", "/v1/instances", "{'release': 'web', 'title': 'a', 'parameters': {'n': 1}, 'state': 'stopped'}", AGAIN_SAME},
	{"POST", "/v1/instances", "{'title': 'a', 'state': 'destroyed'}", AGAIN_SAME},
	{"POST", "/v1/instances", "{'title': 's', 'state': 'destroyed'}", AGAIN_SAME},
	{"POST", "/v1/instances", "{'title': 'w', 'state': 'destroyed'}", AGAIN_SAME},
	{"POST", "/v1/instances/a/bang", "{'message': 'wake up'}", AGAIN_FINE},
	{"POST", "/v1/instances/@c@/title", "{'title': 'child'}", AGAIN_SAME},
	{"POST", "/v1/instances/a/title", "{'title': 'b'}", AGAIN_FAILS},
	{"POST", "/v1/releases", CLOUD_BUNDLE("Wiki"), AGAIN_FINE},
	{"PUT", "/v1/installations", "{'release': 'web', 'node': 'n2'}", AGAIN_SAME},
	{"PUT", "/v1/installations", "{'release': 'hoc:web@sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef', 'node': 'n2', 'state': 'destroyed'}", AGAIN_SAME},
	{"PUT", "/v1/nodes/n3", "{'title': 'Three', 'capabilities': {'disk': 'ssd'}}", AGAIN_SAME},
	{"PUT", "/v1/nodes/n1", "{'network': 'moon'}", AGAIN_SAME},
	{"PUT", "/v1/customers/acme", "{'country': 'DE', 'vat_number': 'DE1'}", AGAIN_SAME},
	{"PUT", "/v1/prices/gold", "{'currency': 'EUR', 'components': [{'kind': 'subscription', 'price': '1'}]}", AGAIN_SAME},
	{"POST", "/v1/invoices", "{'customer': 'local', 'from': '2026-11-02', 'to': '2026-11-18'}", AGAIN_SAME},

	/* what nodes tell */
	{"POST", "/v1/nodes/n1/promises", "{'results': [{'instance': '@a@', 'name': 'http', 'state': 'broken'}, {'instance': '@a@', 'name': 'disk', 'state': 'withdrawn'}, {'instance': '@c@', 'name': 'new', 'state': 'kept'}]}", AGAIN_SAME},
	{"POST", "/v1/nodes/n1/usage", "{'events': [{'id': 'u2', 'instance': '@a@', 'metric': 'cpu_seconds', 'quantity': '1', 'from': '2026-11-17T01:00:00Z', 'to': '2026-11-17T02:00:00Z'}, {'id': 'u1', 'instance': '@a@', 'metric': 'cpu_seconds', 'quantity': '7200', 'from': '2026-11-17T00:00:00Z', 'to': '2026-11-17T01:00:00Z'}]}", AGAIN_FINE},

	/* the reference protocol */
	{"POST", "/slapos.post.v0.software_instance", "{'software_release_uri': 'http://x/software.cfg', 'title': 'v0', 'software_type': 'default', 'parameters': {'k': 'v'}, 'shared': false, 'state': 'started', 'sla_parameters': {}}", AGAIN_SAME},
	{"POST", "/slapos.post.v0.software_installation", "{'software_release_uri': 'http://y/software.cfg', 'computer_guid': 'n2'}", AGAIN_SAME},
	{"POST", "/slapos.put.v0.compute_node_format", "{'computer_guid': 'n9', 'compute_partition_list': [{'partition_id': 'x0'}, {'partition_id': 'x1'}]}", AGAIN_SAME},
	{"POST", "/slapos.put.v0.compute_node_format", "{'computer_guid': 'n1', 'compute_partition_list': [{'partition_id': 'p0', 'ip_list': [{'ip-address': '10.9.0.1'}]}, {'partition_id': 'p1'}, {'partition_id': 'p6'}, {'partition_id': 'p7'}]}", AGAIN_SAME},
	{"POST", "/slapos.put.v0.compute_node_format", "{'computer_guid': 'n2', 'compute_partition_list': [{'partition_id': 'p0'}]}", AGAIN_SAME},
	{"POST", "/slapos.put.v0.compute_node_bang", "{'computer_guid': 'n1', 'message': 'm'}", AGAIN_FINE},
	{"POST", "/slapos.put.v0.software_installation_reported_state", "{'software_release_uri': 'hoc:web@sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef', 'computer_guid': 'n1', 'reported_state': 'available'}", AGAIN_SAME},
	{"POST", "/slapos.put.v0.software_installation_reported_state", "{'software_release_uri': 'hoc:web@sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef', 'computer_guid': 'n2', 'reported_state': 'destroyed'}", AGAIN_SAME},
	{"POST", "/slapos.put.v0.software_installation_error", "{'software_release_uri': 'http://x/software.cfg', 'computer_guid': 'n1', 'message': 'no compiler'}", AGAIN_SAME},
	{"POST", "/slapos.put.v0.software_instance_reported_state", "{'instance_guid': '@a@', 'reported_state': 'started'}", AGAIN_SAME},
	{"POST", "/slapos.put.v0.software_instance_reported_state", "{'instance_guid': '@gone@', 'reported_state': 'destroyed'}", AGAIN_SAME},
	{"POST", "/slapos.put.v0.software_instance_error", "{'instance_guid': '@a@', 'message': 'broken'}", AGAIN_SAME},
	{"POST", "/slapos.put.v0.software_instance_bang", "{'instance_guid': '@c@', 'message': 'm'}", AGAIN_FINE},
	{"POST", "/slapos.put.v0.software_instance_title", "{'instance_guid': '@a@', 'title': 'aa'}", AGAIN_SAME},
	{"POST", "/slapos.put.v0.software_instance_connection_parameter", "{'instance_guid': '@c@', 'connection_parameter_dict': {'url': 'http://c', 'port': 80}}", AGAIN_SAME},
	{"POST", "/slapos.put.v0.software_instance_connection_parameter", "{'instance_guid': '@s@', 'connection_parameter_dict': {'user': 's'}}", AGAIN_SAME},

	/* what nobody asks for */
	{"JOB", "assess", "", AGAIN_SAME},
	{"JOB", "contact", "", AGAIN_SAME},

	/* what is only read */
	{"GET", "/v1/status", "", AGAIN_SAME},
	{"GET", "/openapi.json", "", AGAIN_SAME},
	{"GET", "/v1/events?limit=5", "", AGAIN_SAME},
	{"GET", "/v1/checkpoints", "", AGAIN_SAME},
	{"GET", "/v1/log/head", "", AGAIN_SAME},
	{"GET", "/v1/log/heads", "", AGAIN_SAME},
	{"GET", "/v1/log/entries", "", AGAIN_SAME},
	{"GET", "/v1/log/entries?subject=k", "", AGAIN_SAME},
	{"GET", "/v1/log/proof?size=1&hash=022efe2656017de34289a69e361cd294a1e05100d4be5e18c6d335b5b2f484dd", "", AGAIN_SAME},
	{"GET", "/v1/log/consistency?first=0&second=1", "", AGAIN_SAME},
	{"GET", "/v1/customers", "", AGAIN_SAME},
	{"GET", "/v1/customers/local", "", AGAIN_SAME},
	{"GET", "/v1/releases", "", AGAIN_SAME},
	{"GET", "/v1/releases/web@0123456789", "", AGAIN_SAME},
	{"GET", "/v1/releases/web/bundle", "", AGAIN_SAME},
	{"GET", "/v1/nodes", "", AGAIN_SAME},
	{"GET", "/v1/nodes/n1", "", AGAIN_SAME},
	{"GET", "/v1/nodes/n1/changes?since=0", "", AGAIN_SAME},
	{"GET", "/v1/nodes/n1/changes?since=1", "", AGAIN_SAME},
	{"GET", "/v1/installations?node=n1", "", AGAIN_SAME},
	{"GET", "/v1/instances?customer=local", "", AGAIN_SAME},
	{"GET", "/v1/instances/a", "", AGAIN_SAME},
	{"GET", "/v1/promises?subject=a", "", AGAIN_SAME},
	{"GET", "/v1/promises/history?subject=a&name=http", "", AGAIN_SAME},
	{"GET", "/v1/usage?instance=@a@", "", AGAIN_SAME},
	{"GET", "/v1/usage/totals", "", AGAIN_SAME},
	{"GET", "/v1/prices", "", AGAIN_SAME},
	{"GET", "/v1/invoices?customer=local", "", AGAIN_SAME},
	{"GET", "/v1/invoices/HOC-2026-000001", "", AGAIN_SAME},
	{"GET", "/v1/invoices/HOC-2026-000001?format=text", "", AGAIN_SAME},
	{"POST", "/slapos.get.v0.software_instance", "{'instance_guid': '@a@'}", AGAIN_SAME},
	{"POST", "/slapos.get.v0.compute_partition", "{'computer_guid': 'n1', 'compute_partition_id': 'p0'}", AGAIN_SAME},
	{"POST", "/slapos.get.v0.instance_tree", "{'title': 'a'}", AGAIN_SAME},
	{"POST", "/slapos.allDocs.v0.instance_tree_list", "{}", AGAIN_SAME},
	{"POST", "/slapos.allDocs.v0.compute_node_software_installation_list", "{'computer_guid': 'n1'}", AGAIN_SAME},
	{"POST", "/slapos.allDocs.v0.compute_node_instance_list", "{'computer_guid': 'n1'}", AGAIN_SAME},
	{"POST", "/slapos.allDocs.v0.instance_node_instance_list", "{'instance_guid': '@h@'}", AGAIN_SAME},
	{"POST", "/slapos.allDocs.WIP.compute_node_list", "{}", AGAIN_SAME},
	{"POST", "/slapos.get.v0.compute_node_status", "{'computer_guid': 'n1'}", AGAIN_SAME},
};

/* By somebody with a certificate (cloud_by): who he is, what is his. */
static const struct {
	const char *by;
	struct row row;
} guarded_rows[] = {
	{"ana", {"GET", "/v1/me", "", AGAIN_SAME}},
	{"n1", {"GET", "/v1/me", "", AGAIN_SAME}},
	{"op", {"GET", "/v1/persons", "", AGAIN_SAME}},
	{"ana", {"GET", "/v1/persons/ana", "", AGAIN_SAME}},
	{"op", {"PUT", "/v1/persons/ana", "{'roles': ['auditor'], 'active': true}", AGAIN_SAME}},
	{NULL, {"PUT", "/v1/persons/op", "{'roles': ['operator'], 'active': false}", AGAIN_SAME}},
	{"ana", {"GET", "/v1/customers/acme/members", "", AGAIN_SAME}},
	{"ana", {"PUT", "/v1/customers/acme/members/op", "{'role': 'member'}", AGAIN_SAME}},
	{"op", {"PUT", "/v1/customers/acme/members/ana", "{'role': 'member'}", AGAIN_SAME}},
	{"op", {"DELETE", "/v1/customers/acme/members/ana", "", AGAIN_SAME}},
	{"ana", {"GET", "/v1/customers", "", AGAIN_SAME}},
	{"ana", {"PUT", "/v1/customers/acme", "{'country': 'LU'}", AGAIN_SAME}},
	{"ana", {"POST", "/v1/instances", "{'release': 'web', 'title': 'new', 'customer': 'acme'}", AGAIN_SAME}},
	{"ana", {"POST", "/v1/instances", "{'release': 'web', 'title': 's2', 'type': 'host', 'shared': true, 'customer': 'local', 'where': {'instance': '@h@'}}", AGAIN_SAME}},
	{"ana", {"GET", "/v1/instances?customer=local&limit=2", "", AGAIN_SAME}},
	{"n1", {"GET", "/v1/instances", "", AGAIN_SAME}},
	{"ana", {"GET", "/v1/instances/a", "", AGAIN_SAME}},
	{"ana", {"GET", "/v1/instances/@w@", "", AGAIN_SAME}},
	{"n1", {"GET", "/v1/instances/@a@", "", AGAIN_SAME}},
	{"ana", {"GET", "/v1/promises", "", AGAIN_SAME}},
	{"ana", {"GET", "/v1/promises?kind=health&subject=a", "", AGAIN_SAME}},
	{"ana", {"GET", "/v1/promises/history?subject=a&name=http", "", AGAIN_SAME}},
	{"ana", {"GET", "/v1/invoices?customer=local", "", AGAIN_SAME}},
	{"n1", {"GET", "/v1/nodes", "", AGAIN_SAME}},
	{"ana", {"POST", "/slapos.allDocs.v0.instance_tree_list", "{}", AGAIN_SAME}},
	{"op", {"PUT", "/v1/customers/acme/secrets", "{'mode': 'clear'}", AGAIN_SAME}},
	{"op", {"PUT", "/v1/customers/local/secrets", "{'mode': 'sealed'}", AGAIN_SAME}},
	{"ana", {"GET", "/v1/instances/a/recipients", "", AGAIN_SAME}},
	{"n1", {"GET", "/v1/instances/@c@/recipients", "", AGAIN_SAME}},
	{"ana", {"PUT", "/v1/instances/@c@/readers/ana", "", AGAIN_SAME}},
	{"ana", {"DELETE", "/v1/instances/a/readers/ana", "", AGAIN_SAME}},
	{"ana", {"POST", "/v1/instances/a/rotate", "", AGAIN_FINE}},
	{"ana", {"PUT", "/v1/instances/a/connection/url", "{'value': '" SEALED "'}", AGAIN_SAME}},
#include "api_rows_trust.h"
#include "api_rows_passkey.h"
#include "api_rows_acme.h"
};
/* clang-format on */

/* Row `i` of both tables, NULL behind the last; *by is who asks. */
static UNUSED const struct row *row_at(size_t i, const char **by)
{
	*by = NULL;
	if (i < ARRAY_LEN(rows))
		return &rows[i];
	i -= ARRAY_LEN(rows);
	if (i >= ARRAY_LEN(guarded_rows))
		return NULL;
	*by = guarded_rows[i].by;
	return &guarded_rows[i].row;
}
