/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * A day of year.h: who has to renew does, then everything that is in use is judged by whoever
 * has to believe it.
 *
 *     always              the certificates on n3, and revocations that were known
 *     while the master    everybody's identity, by master and nodes; the master's own, by
 *     is there            everybody; every service, by who trusts the first root and by who
 *                         follows the cloud's
 *     without it          nodes still know persons, by their grace
 *     after it            everybody renews on the first day, alone
 */
#include "year.h"

#include <stdio.h>
#include <string.h>

#include "agent/authority.h"
#include "base/file.h"
#include "master/issuers.h"
#include "trust/renewal.h"
#include "trust/roots.h"

enum { AWAY_DAYS = 30, BOB_EVERY = 7 };

#define WWW "www.shop.zone.example"

static bool is_away(const struct year *y)
{
	return y->day >= y->plan->away_day && y->day < y->plan->away_day + AWAY_DAYS;
}

/* Bob looks in once a week only. */
static bool is_at_work(const struct year *y, const struct party *p)
{
	return p->name[0] != 'b' || y->day % BOB_EVERY == 0;
}

/* ---- judging ------------------------------------------------------------------------------- */

struct chain {
	struct cert *certs;
	size_t n;
};

static struct chain chain_of(struct year *y, struct str pem)
{
	struct chain c = {.n = 0};
	YEAR_TRY(cert_chain_read(pem, y->a, &c.certs, &c.n, &e_));
	return c;
}

/* What somebody trusts: roots, what helps to find a way, a list; the texts of his files. */
static struct cert_trust *trust_of(struct year *y, const char *whose, struct str roots,
				   struct str chain, struct str crl)
{
	struct cert_trust *t = NULL;
	struct err e = ERR_INIT;
	struct str pem = arena_fmt(y->a, "%" STR_F "%" STR_F, STR_A(roots), STR_A(chain));
	YEAR_TRY(cert_trust_new(pem, &t, &e_));
	if (crl.n && cert_trust_add_crl(t, crl, &e) < 0)
		year_fail(y, "%s does not take the revocation list: %s", whose, e.text);
	return t;
}

static enum cert_fault judge(struct year *y, const struct cert_trust *t, const struct chain *c,
			     const char *host)
{
	y->checked++;
	return cert_check(t, c->certs, c->n, y->now_ms, host[0], str_from(host));
}

/* It is used now, so it has to hold. */
static void must_hold(struct year *y, enum year_use use, const char *who, const char *what,
		      const struct cert_trust *t, const struct chain *c, const char *host)
{
	enum cert_fault fault = judge(y, t, c, host);
	if (fault != CERT_GOOD)
		year_fail(y, "%s finds the certificate of %s %s", who, what,
			  cert_fault_word(fault));
	else
		y->shortest_ms[use] =
			MIN_OF(y->shortest_ms[use], c->certs[0].to_ms - y->now_ms);
}

static void judge_master(struct year *y, const struct party *p)
{
	struct chain c = chain_of(y, year_read(y, NULL, "identity/cert.pem"));
	struct cert_trust *t CLEAN(cert_trust_freep) =
		trust_of(y, p->name, year_read(y, p, "roots.pem"), S(""), S(""));
	must_hold(y, YEAR_MASTER, p->name, "the master", t, &c, YEAR_HOST);
}

static void judge_identities(struct year *y, const char *who, const struct cert_trust *t)
{
	for (size_t i = 0; i < YEAR_PARTIES; i++) {
		const struct party *p = &y->parties[i];
		struct chain c = chain_of(y, year_read(y, p, "cert.pem"));
		enum renewal_state state =
			renewal_of(c.certs[0].from_ms, c.certs[0].to_ms, y->now_ms);
		if (!is_away(y) && is_at_work(y, p)) {
			must_hold(y, YEAR_IDENTITY, who, p->name, t, &c, "");
			continue;
		}
		enum cert_fault fault = judge(y, t, &c, "");
		if (fault != CERT_GOOD && (fault != CERT_EXPIRED || state == RENEWAL_OVER))
			year_fail(y, "%s finds %s %s, beyond grace", who, p->name,
				  cert_fault_word(fault));
	}
}

static void judge_services(struct year *y, const struct party *who)
{
	struct cert_trust *t CLEAN(cert_trust_freep) = trust_of(
		y, who->name, year_read(y, who, "services.pem"),
		year_read(y, who, "services.chain"), year_read(y, who, "services.crl"));
	for (size_t i = 0; i < YEAR_NODES; i++) {
		const struct party *n = &y->parties[i];
		struct chain c = chain_of(y, year_read(y, n, "www.pem"));
		if (!is_away(y) || strcmp(n->name, "n3") == 0)
			must_hold(y, is_away(y) ? YEAR_ALONE : YEAR_SERVICE, who->name, n->name,
				  t, &c, WWW);
		else
			y->ended += judge(y, t, &c, WWW) != CERT_GOOD;
	}
	struct str revoked = year_read(y, who, "revoked.pem");
	if (!revoked.n)
		return;
	struct chain c = chain_of(y, revoked);
	enum cert_fault fault = judge(y, t, &c, WWW);
	if (fault != CERT_REVOKED && !(fault == CERT_EXPIRED && y->now_ms >= c.certs[0].to_ms))
		year_fail(y, "%s finds what was revoked %s", who->name, cert_fault_word(fault));
}

static void judge_all(struct year *y)
{
	const struct party *n1 = &y->parties[0], *ann = &y->parties[4], *bob = &y->parties[5];
	struct cert_trust *node CLEAN(cert_trust_freep) =
		trust_of(y, "n1", year_read(y, n1, "roots.pem"),
			 year_read(y, n1, "users.chain"), year_read(y, n1, "users.crl"));
	judge_identities(y, "n1", node);
	judge_services(y, ann);
	judge_services(y, bob);
	if (is_away(y))
		return;
	struct str text;
	(void)year_ask(y, NULL, "GET", "/v1/ca/users/crl", S(""), &text);
	struct cert_trust *master CLEAN(cert_trust_freep) = trust_of(
		y, "the master", ca_roots(y->master.users), ca_chain(y->master.users), text);
	judge_identities(y, "the master", master);
	judge_master(y, n1);
	judge_master(y, ann);
	if (is_at_work(y, bob))
		judge_master(y, bob);
}

/* ---- renewing ------------------------------------------------------------------------------ */

static struct str text_of(struct json *j, const char *name)
{
	return json_str_of(json_get(j, str_from(name)), S(""));
}

static void renew_node(struct year *y, struct party *p)
{
	struct str csr;
	size_t refused = 0;
	if (y->now_ms < keys_due_ms(p->keys))
		return;
	YEAR_TRY(keys_request(p->keys, y->a, &csr, &e_));
	struct json *body = json_object_new(y->a);
	json_set_str(y->a, body, S("csr"), csr);
	struct json *j = year_ok(y, p, "POST", "/v1/renew", json_text(body, y->a));
	if (!j)
		return;
	YEAR_TRY(keys_renewed(p->keys, text_of(j, "certificate"), text_of(j, "roots"),
			      y->now_ms, &refused, &e_));
	if (refused)
		year_fail(y, "%s does not believe %zu roots", p->name, refused);
	y->renewed++;
	y->signed_++;
}

/* As the command line does in passing. */
static void renew_person(struct year *y, struct party *p)
{
	struct chain c = chain_of(y, year_read(y, p, "cert.pem"));
	struct str believed, roots = year_read(y, p, "roots.pem");
	size_t refused = 0;
	enum renewal_state state = renewal_of(c.certs[0].from_ms, c.certs[0].to_ms, y->now_ms);
	if (state == RENEWAL_FRESH)
		return;
	if (state == RENEWAL_OVER)
		year_fail(y, "%s would have to be let in again", p->name);
	struct json *j = year_ok(y, p, "POST", "/v1/renew", year_csr(y, p->key, ""));
	if (!j)
		return;
	YEAR_TRY(roots_follow(roots, text_of(j, "roots"), text_of(j, "certificate"), y->now_ms,
			      y->a, &believed, &refused, &e_));
	if (refused)
		year_fail(y, "%s does not believe %zu roots", p->name, refused);
	year_write(y, p, "roots.pem", believed);
	year_write(y, p, "cert.pem", text_of(j, "certificate"));
	y->renewed++;
	y->signed_++;
}

/* The certificate of the instance: by the master, or else by the node's own issuer. */
static void sign_alone(struct year *y, struct party *p, const struct key *k)
{
	struct ndb *ndb = NULL;
	struct str name = S(WWW), own = S("shop.zone.example"), chain = S(""), roots;
	struct err e = ERR_INIT;
	const struct recipients owner = {.customer = S("shop"), .names = &own, .name_count = 1};
	YEAR_TRY(ndb_open(p->dir, &ndb, &e_));
	const struct authority_order o = {.node_dir = p->dir,
					  .ndb = ndb,
					  .guid = str_from(p->guid),
					  .owner = &owner,
					  .names = {&name, 1},
					  .public = key_public(k),
					  .now_ms = y->now_ms};
	if (authority_issue(&o, y->a, &chain, &roots, &e) < 0) {
		year_fail(y, "%s cannot sign: %s", p->name, e.text);
	} else {
		year_write(y, p, "www.pem", chain);
		y->alone++;
	}
	ndb_close(ndb);
}

static void renew_service(struct year *y, struct party *p)
{
	struct key *k CLEAN(key_freep) = NULL;
	struct str had = year_read(y, p, "www.pem");
	struct cert leaf;
	if (had.n) {
		leaf = chain_of(y, had).certs[0];
		if (y->now_ms <
		    renewal_spread_due_ms(leaf.from_ms, leaf.to_ms, str_from(leaf.serial)))
			return;
	}
	YEAR_TRY(key_open(year_path(y, p, "www.key"), KEY_P256, &k, &e_));
	if (is_away(y)) {
		if (strcmp(p->name, "n3") == 0)
			sign_alone(y, p, k);
		return;
	}
	struct json *j = year_ok(
		y, p, "POST", arena_fmt(y->a, "/v1/nodes/%s/certificates", p->name).p,
		year_csr(y, k,
			 arena_fmt(y->a, "\"instance\": \"%s\", \"names\": [\"" WWW "\"], ",
				   p->guid)
				 .p));
	if (!j)
		return;
	year_write(y, p, "www.pem", text_of(j, "certificate"));
	y->renewed += had.n > 0;
	y->signed_++;
}

static void renew_issuer(struct year *y, struct party *p)
{
	struct key *k CLEAN(key_freep) = NULL;
	struct str had = year_read(y, p, "issuer.pem");
	if (had.n && y->now_ms < authority_due_ms(&chain_of(y, had).certs[0]))
		return;
	YEAR_TRY(key_open(year_path(y, p, "issuer.key"), KEY_P256, &k, &e_));
	struct json *j =
		year_ok(y, p, "POST", arena_fmt(y->a, "/v1/nodes/%s/authority", p->name).p,
			year_csr(y, k, ""));
	if (!j)
		return;
	year_write(y, p, "issuer.pem", text_of(j, "certificate"));
	year_write(y, p, "services.pem", text_of(j, "roots"));
	y->delegated++;
	y->signed_++;
}

/* What somebody keeps of the cloud: ann took the roots of services on the first day and no more. */
static void look_at_cloud(struct year *y, struct party *p)
{
	struct str crl;
	struct json *j = year_ok(y, NULL, "GET", "/v1/ca", S(""));
	struct json *services = json_get(j, S("services"));
	if (year_ask(y, NULL, "GET", "/v1/ca/users/crl", S(""), &crl) == 200)
		year_write(y, p, "users.crl", crl);
	if (year_ask(y, NULL, "GET", "/v1/ca/services/crl", S(""), &crl) == 200)
		year_write(y, p, "services.crl", crl);
	year_write(y, p, "users.chain", text_of(json_get(j, S("users")), "chain"));
	year_write(y, p, "services.chain", text_of(services, "chain"));
	if (p->name[0] != 'a' || y->day == 0)
		year_write(y, p, "services.pem", text_of(services, "roots"));
}

/* ---- days ---------------------------------------------------------------------------------- */

static void roll_roots(struct year *y)
{
	year_master_down(y);
	for (int kind = 0; kind < CA_KINDS; kind++)
		YEAR_TRY(ca_roll_root(arena_fmt(y->a, "%s/ca/%s", y->master_dir,
						ca_kind_word((enum ca_kind)kind))
					      .p,
				      S(""), y->now_ms, &e_));
	year_master_up(y);
}

/* The certificate on n1, which gets another; everybody keeps what was revoked. */
static void revoke_one(struct year *y)
{
	struct party *n1 = &y->parties[0];
	struct str pem = year_read(y, n1, "www.pem");
	year_ok(y, &y->parties[3], "POST",
		arena_fmt(y->a, "/v1/certificates/%s/revoke", chain_of(y, pem).certs[0].serial)
			.p,
		S("{\"reason\": \"superseded\"}"));
	for (size_t i = 0; i < YEAR_PARTIES; i++)
		year_write(y, &y->parties[i], "revoked.pem", pem);
	year_write(y, n1, "www.pem", S(""));
}

static void do_master(struct year *y)
{
	if (y->day == y->plan->away_day + AWAY_DAYS)
		year_master_up(y);
	if (master_issuers_are_due(&y->master, y->now_ms)) {
		year_master_down(y);
		year_master_up(y);
	}
	if (y->plan->roll_root_day && y->day == y->plan->roll_root_day)
		roll_roots(y);
	year_master_certify(y);
	if (y->day == y->plan->away_day - 1)
		revoke_one(y);
}

static void do_day(struct year *y)
{
	if (y->day == y->plan->away_day)
		year_master_down(y);
	if (!is_away(y))
		do_master(y);
	for (size_t i = 0; i < YEAR_PARTIES; i++) {
		struct party *p = &y->parties[i];
		if (!is_away(y) && is_at_work(y, p)) {
			if (p->is_node)
				renew_node(y, p);
			else
				renew_person(y, p);
			if (strcmp(p->name, "n3") == 0)
				renew_issuer(y, p);
		}
		if (p->is_node)
			renew_service(y, p);
	}
	if (!is_away(y)) {
		look_at_cloud(y, &y->parties[0]);
		look_at_cloud(y, &y->parties[4]);
		if (is_at_work(y, &y->parties[5]) || y->day == y->plan->away_day - 1)
			look_at_cloud(y, &y->parties[5]);
	}
	if (y->day >= y->plan->judged_from_day)
		judge_all(y);
	arena_clear(y->a);
}

static double days(int64_t ms)
{
	return (double)ms / YEAR_DAY_MS;
}

static void tell(const struct year *y)
{
	printf("year: %s: %d days, %u certificates judged, %u renewed, %u signed (%u alone), "
	       "%u "
	       "of the master, issuers: %u rolled, %u delegated\n"
	       "    shortest life left: identity %.1f days, master %.1f, service %.1f, on the "
	       "node alone %.1f; %u had ended where nothing was delegated\n",
	       y->plan->name, y->day, y->checked, y->renewed, y->signed_ + y->alone, y->alone,
	       y->masters, y->issuers, y->delegated, days(y->shortest_ms[YEAR_IDENTITY]),
	       days(y->shortest_ms[YEAR_MASTER]), days(y->shortest_ms[YEAR_SERVICE]),
	       days(y->shortest_ms[YEAR_ALONE]), y->ended);
}

static void expect(struct year *y, bool is_so, const char *text)
{
	if (!is_so)
		year_fail(y, "%s", text);
}

static void run_plan(const struct year_plan *plan, unsigned *passed, unsigned *failed)
{
	static struct year year;
	struct year *y = &year;
	year_begin(y, plan);
	for (; y->day < plan->days; y->day++, y->now_ms += YEAR_DAY_MS)
		do_day(y);
	expect(y, y->alone > 0, "the node alone never had to sign");
	expect(y, y->issuers > 0 || plan->days < CA_ISSUER_DAYS, "no issuer was ever due");
	expect(y, y->ended > 0, "a month did no harm to anybody: it proves nothing");
	tell(y);
	*passed += y->failed == 0;
	*failed += y->failed != 0;
	year_end(y);
}

void year_run(unsigned *passed, unsigned *failed)
{
	static const struct year_plan plans[] = {
		{"a year, a month without master", 400, 0, 223, 0},
		{"a root rolled over, then a month", 400, 180, 230, 228},
		{"two years, a month when issuers are due", 760, 440, 459, 0},
	};
	for (size_t i = 0; i < ARRAY_LEN(plans); i++)
		run_plan(&plans[i], passed, failed);
}
