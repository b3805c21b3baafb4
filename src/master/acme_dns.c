/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Questions to DNS with the resolver of libc (res_nquery), each with a state of its own. */
#include <arpa/inet.h>
#include <arpa/nameser.h>
#include <netdb.h>
#include <netinet/in.h>
#include <resolv.h>
#include <string.h>

#include "master/acme_ask.h"

enum { ANSWER_MAX = 65536, TRY_S = 2, TRIES = 2, NAME_MAX_BYTES = 256, RESOLVER_MAX = 40 };

MUST static int read_resolver(struct str text, struct sockaddr_in *out, struct err *e)
{
	char address[RESOLVER_MAX];
	size_t colon = str_find_char(text, ':');
	int64_t port = 53;
	struct sockaddr_in at = {.sin_family = AF_INET};
	(void)snprintf(address, sizeof address, "%" STR_F, STR_A(str_sub(text, 0, colon)));
	if (inet_pton(AF_INET, address, &at.sin_addr) != 1 ||
	    (colon < text.n &&
	     str_to_i64(str_sub(text, colon + 1, text.n), 1, 65535, &port, e) < 0))
		return err_fail(e, ERR_INVALID,
				"a resolver is an IPv4 address and a port: "
				"127.0.0.1:53");
	at.sin_port = htons((uint16_t)port);
	*out = at;
	return 0;
}

MUST int acme_resolver_check(struct str text, struct err *e)
{
	struct sockaddr_in at;
	return text.n ? read_resolver(text, &at, e) : 0;
}

static void state_close(struct __res_state *s)
{
	res_nclose(s);
}

MUST static int state_open(const struct acme_net *n, struct __res_state *s, struct err *e)
{
	memset(s, 0, sizeof *s);
	if (res_ninit(s) != 0)
		return err_fail(e, ERR_UNREACHABLE, "no resolver");
	s->retrans = TRY_S;
	s->retry = TRIES;
	if (!n->resolver.n)
		return 0;
	s->nscount = 1;
	return read_resolver(n->resolver, &s->nsaddr_list[0], e);
}

MUST static int failed(const struct __res_state *s, const char *name, struct err *e)
{
	if (s->res_h_errno == HOST_NOT_FOUND || s->res_h_errno == NO_DATA)
		return err_fail(e, ERR_NOT_FOUND, "DNS has no such record of %s", name);
	return err_fail(e, ERR_UNREACHABLE, "DNS did not tell about %s", name);
}

struct records {
	struct str *items; /* bytes of each */
	size_t count;
};

/* Records of one type; what else the answer holds (CNAME) is passed over. */
MUST static int ask(const struct acme_net *n, struct str name, ns_type type, struct arena *a,
		    struct records *out, struct err *e)
{
	struct __res_state state CLEAN(state_close) = {.nscount = 0};
	char text[NAME_MAX_BYTES];
	unsigned char *answer = arena_alloc(a, ANSWER_MAX);
	struct records found = {.items = ARENA_ARRAY(a, struct str, ACME_RECORDS_MAX)};
	ns_msg msg;
	ns_rr rr;
	(void)snprintf(text, sizeof text, "%" STR_F, STR_A(name));
	if (arena_check(a, e) < 0 || state_open(n, &state, e) < 0)
		return -1;
	int bytes = res_nquery(&state, text, ns_c_in, (int)type, answer, ANSWER_MAX);
	if (bytes < 0)
		return failed(&state, text, e);
	if (ns_initparse(answer, MIN_OF(bytes, (int)ANSWER_MAX), &msg) < 0)
		return err_fail(e, ERR_UNREACHABLE, "DNS answered no message about %s", text);
	for (int i = 0; i < ns_msg_count(msg, ns_s_an); i++) {
		if (ns_parserr(&msg, ns_s_an, i, &rr) < 0 || found.count == ACME_RECORDS_MAX)
			break;
		if (ns_rr_type(rr) == type)
			found.items[found.count++] =
				str_of((const char *)ns_rr_rdata(rr), ns_rr_rdlen(rr));
	}
	*out = found;
	return 0;
}

/* A TXT record is pieces, each with its length before it. */
static struct str join_pieces(struct str rdata, struct arena *a)
{
	char *text = arena_alloc(a, rdata.n + 1);
	size_t n = 0;
	for (size_t at = 0; text && at < rdata.n;) {
		size_t piece = (unsigned char)rdata.p[at++];
		piece = MIN_OF(piece, rdata.n - at);
		memcpy(text + n, rdata.p + at, piece);
		n += piece;
		at += piece;
	}
	return text ? str_of(text, n) : S("");
}

MUST int acme_dns_txt(const struct acme_net *n, struct str name, struct arena *a,
		      struct str **out, size_t *count, struct err *e)
{
	struct records r;
	if (ask(n, name, ns_t_txt, a, &r, e) < 0)
		return -1;
	for (size_t i = 0; i < r.count; i++)
		r.items[i] = join_pieces(r.items[i], a);
	*out = r.items;
	*count = r.count;
	return arena_check(a, e);
}

static void take_addresses(const struct records *r, bool is_v6, struct acme_address *list,
			   size_t *count)
{
	size_t want = is_v6 ? 16 : 4, taken = 0;
	for (size_t i = 0; i < r->count && taken < ACME_ADDRESSES; i++) {
		if (r->items[i].n != want)
			continue;
		struct acme_address *x = &list[*count];
		*x = (struct acme_address){.is_v6 = is_v6, .bytes = {[10] = 0xff, [11] = 0xff}};
		memcpy(x->bytes + (16 - want), r->items[i].p, want);
		if (!inet_ntop(is_v6 ? AF_INET6 : AF_INET, r->items[i].p, x->text,
			       sizeof x->text))
			continue;
		*count += 1;
		taken++;
	}
}

MUST int acme_dns_addresses(const struct acme_net *n, struct str name, struct arena *a,
			    struct acme_address **out, size_t *count, struct err *e)
{
	struct records v6 = {.count = 0}, v4 = {.count = 0};
	struct acme_address *list = ARENA_ARRAY(a, struct acme_address, 2 * ACME_ADDRESSES);
	size_t found = 0;
	if (!list)
		return arena_check(a, e);
	if (ask(n, name, ns_t_aaaa, a, &v6, e) < 0 && e->kind != ERR_NOT_FOUND &&
	    e->kind != ERR_UNREACHABLE)
		return -1;
	if (ask(n, name, ns_t_a, a, &v4, e) < 0 && !v6.count)
		return -1;
	take_addresses(&v6, true, list, &found);
	take_addresses(&v4, false, list, &found);
	if (!found)
		return err_fail(e, ERR_NOT_FOUND, "DNS has no address of %" STR_F, STR_A(name));
	*out = list;
	*count = found;
	return 0;
}
