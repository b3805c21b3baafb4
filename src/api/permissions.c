/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "api/permissions.h"

#include "api/access.h"

enum { PAGE_MAX = 1 << 20 };

static const char head[] =
	"# Who may what\n"
	"\n"
	"Printed by `hoc docs permissions` from the table of operations; a test compares this "
	"page"
	" with the program, and another one tries every cell.\n"
	"\n"
	"A caller has several roles at once; the strongest cell counts.\n"
	"\n"
	"- **anyone**: no certificate and no session.\n"
	"- **member**, **owner**: a person in a customer (`hoc member`).\n"
	"- **publisher**, **accountant**, **auditor**, **operator**: roles of a person in the "
	"cloud"
	" (`hoc person set`).\n"
	"- **node**: a machine, by its own key.\n"
	"\n"
	"A cell is *all*, *own* or empty: not at all (401 without a certificate, else 403). "
	"With *own*"
	" a caller meets what is his; what belongs to others looks exactly like what does not "
	"exist,"
	" by name, in lists and in long polls. Own is:\n"
	"\n"
	"- of a member or owner: his customers with their instances, usage, invoices, the "
	"health of"
	" their instances and their payments. Where a cell of member is empty and that of "
	"owner is"
	" not, only the customers that he owns. Who is in one customer need not name it; who "
	"is in"
	" several has to, also in the calls of the reference protocol, which cannot.\n"
	"- of a node: itself, its partitions and installations, and the instances on it. It "
	"sees"
	" the members of their trees too, requests children for instances that are on it, and "
	"may"
	" report late of what ended there.\n"
	"- of everybody: himself, his keys and certificates.\n"
	"\n"
	"An operator alone makes customers. An auditor sees that an instance has parameters "
	"and a"
	" connection, not what they say. An owner who puts a person into his customer learns "
	"that"
	" the person exists. The audit chain is not cut by customer: only auditors and "
	"operators"
	" read it. A revoked key and a person who is not active may do nothing, from the next"
	" request on. A master in local mode takes every caller for its operator.\n"
	"\n";

static const char *cell(char letter)
{
	return letter == 'a' ? "all" : letter == 'o' ? "own" : "";
}

struct str permissions_page(struct arena *a)
{
	struct buf b CLEAN(buf_fini) = BUF_INIT(PAGE_MAX);
	struct api_op_info op;
	buf_add(&b, str_from(head));
	buf_add(&b, S("| operation | call |"));
	for (int r = 0; r < ROLES; r++)
		buf_addf(&b, " %s |", access_role_word((enum role)r));
	buf_add(&b, S("\n|---|---|"));
	for (int r = 0; r < ROLES; r++)
		buf_add(&b, S("---|"));
	buf_add_c(&b, '\n');
	for (size_t i = 0; api_op_info(i, &op); i++) {
		buf_addf(&b, "| %s | `%s %s` |", op.id, op.method, op.path);
		for (int r = 0; r < ROLES; r++)
			buf_addf(&b, " %s |", cell(op.may[r]));
		buf_add_c(&b, '\n');
	}
	return arena_dup(a, buf_str(&b));
}
