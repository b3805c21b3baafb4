/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* What authorities sign, and for whose names; what they say of it afterwards. */
#include "stage.h"

#include "api/enrol.h"
#include "trust/cert.h"

/* ---- what the authority says --------------------------------------------------------------- */

static void what_is_revoked_is_told(struct cloud *c)
{
	struct stage s;
	struct err e = ERR_INIT;
	struct cert_trust *trust = NULL;
	stage_begin(&s, c);
	struct str empty = stage_crl(&s, "users"), again = stage_crl(&s, "users");
	assert_true(str_eq(empty, again));
	struct json *j = stage_renew(&s, s.ann, s.ann->key);
	const char *pem = at(c, j, "certificate"), *serial = stage_serial(&s, pem);
	const char *status = text(c, "/v1/certificates/%s", serial);
	j = trusted_ok(&s.t, NULL, "GET", status, "");
	assert_at(c, j, "status", "good");
	(void)trusted_ok(&s.t, s.ann, "POST", text(c, "/v1/keys/%s/revoke", s.ann->key_name),
			 "{'reason': 'key-compromise'}");
	j = trusted_ok(&s.t, NULL, "GET", status, "");
	assert_at(c, j, "status", "revoked");
	assert_at(c, j, "reason", "key-compromise");
	struct str full = stage_crl(&s, "users");
	assert_false(str_eq(empty, full));
	/* Whoever checks the list knows the issuers: GET /v1/ca has them. */
	j = trusted_ok(&s.t, NULL, "GET", "/v1/ca", "");
	const char *known = text(c, "%s%s", at(c, j, "users.roots"), at(c, j, "users.chain"));
	assert_int_equal(cert_trust_new(str_from(known), &trust, &e), 0);
	if (cert_trust_add_crl(trust, full, &e) < 0)
		fail_msg("%s", e.text);
	struct cert *chain = NULL;
	size_t n = 0;
	assert_int_equal(cert_chain_read(str_from(pem), c->a, &chain, &n, &e), 0);
	assert_int_equal(cert_check(trust, chain, n, c->now_ms, false, S("")), CERT_REVOKED);
	cert_trust_free(trust);
	/* A list is made anew each day, and once all that is on it has ended. */
	c->now_ms += day_ms;
	struct str next = stage_crl(&s, "users");
	assert_false(str_eq(full, next));
	c->now_ms = chain[0].to_ms;
	assert_true(stage_crl(&s, "users").n < full.n);
	j = trusted_ok(&s.t, NULL, "GET", status, "");
	assert_at(c, j, "status", "revoked");
	j = trusted_ok(&s.t, NULL, "GET", "/v1/certificates/00ff", "");
	assert_at(c, j, "status", "unknown");
	(void)trusted_call(&s.t, NULL, "GET", "/v1/ca/nobody/crl", "");
	assert_int_equal(c->status, 404);
	trusted_end(&s.t);
}

struct machine {
	struct stage *s;
	const char *name;
	const char *roles;
	struct str out;
};

static int master_body(struct db_tx *tx, void *user, struct err *e)
{
	struct machine *m = user;
	struct cloud *c = m->s->t.c;
	struct str items[] = {S("localhost"), S("127.0.0.1")};
	const struct cert_names names = {items, 2};
	return enrol_master(c->api, tx, S("m1"), key_public(m->s->t.master), &names, c->a,
			    &m->out, e);
}

static int token_body(struct db_tx *tx, void *user, struct err *e)
{
	struct machine *m = user;
	struct cloud *c = m->s->t.c;
	const struct enrol_order o = {
		.name = str_from(m->name),
		.roles = str_from(m->roles),
		.customer = S(""),
		.made_by = S("this machine"),
		.root = ca_root_fingerprint(m->s->t.users),
	};
	return enrol_token_make(c->api, tx, &o, c->a, &m->out, e);
}

static void a_master_makes_its_own(struct cloud *c)
{
	struct stage s;
	struct err e = ERR_INIT;
	struct machine m = {.s = &s, .name = "root", .roles = "operator"};
	struct key *k CLEAN(key_freep) = stage_key(KEY_P256),
		      *second CLEAN(key_freep) = stage_key(KEY_P256);
	struct cert_trust *trust = NULL;
	struct cert *chain = NULL;
	size_t n = 0;
	stage_begin(&s, c);
	if (db_write(c->db, master_body, &m, &e) < 0)
		fail_msg("%s", e.text);
	assert_int_equal(cert_trust_new(ca_roots(s.t.users), &trust, &e), 0);
	assert_int_equal(cert_chain_read(m.out, c->a, &chain, &n, &e), 0);
	assert_int_equal(cert_check(trust, chain, n, c->now_ms, true, S("127.0.0.1")),
			 CERT_GOOD);
	assert_int_equal(cert_check(trust, chain, n, c->now_ms, true, S("other.test")),
			 CERT_WRONG_NAME);
	assert_int_equal(chain[0].kind, CERT_MASTER);
	cert_trust_free(trust);
	struct json *j = trusted_ok(&s.t, NULL, "GET", "/v1/ca", "");
	assert_at(c, j, "cloud", "test");
	assert_at(c, j, "masters[0].key", s.t.master_name);
	assert_int_equal(strlen(at(c, j, "users.fingerprint")), 64);
	assert_string_not_equal(at(c, j, "users.roots"), at(c, j, "services.roots"));
	/* The first operator; and a way in where none is left. */
	if (db_write(c->db, token_body, &m, &e) < 0)
		fail_msg("%s", e.text);
	(void)stage_enrol(&s, arena_cstr(c->a, m.out), k);
	assert_int_equal(c->status, 201);
	struct who root = stage_as(&s, "person", "root", k);
	(void)trusted_ok(&s.t, &root, "GET", "/v1/tokens", "");
	(void)trusted_ok(&s.t, &root, "POST", text(c, "/v1/keys/%s/revoke", root.key_name),
			 "{}");
	m.roles = "";
	if (db_write(c->db, token_body, &m, &e) < 0)
		fail_msg("%s", e.text);
	(void)stage_enrol(&s, arena_cstr(c->a, m.out), second);
	assert_int_equal(c->status, 201);
	root = stage_as(&s, "person", "root", second);
	(void)trusted_ok(&s.t, &root, "GET", "/v1/tokens", "");
	trusted_end(&s.t);
}

/* ---- names --------------------------------------------------------------------------------- */

static void names_belong_to_one_customer(struct cloud *c)
{
	struct stage s;
	static const struct {
		char by; /* o(p), a(nn), b(ob), m(allory) */
		const char *method, *customer, *name;
		int status;
	} rows[] = {
		{'a', "PUT", "shop", "example.com", 200},
		{'a', "PUT", "shop", "example.com", 200},
		{'b', "PUT", "shop", "example.org", 403},
		{'b', "GET", "shop", "", 200},
		{'m', "PUT", "evil", "example.com", 409},
		{'m', "PUT", "evil", "www.example.com", 409},
		{'m', "PUT", "evil", "a.b.example.com", 409},
		{'m', "PUT", "evil", "ample.com", 200},
		{'m', "PUT", "evil", "com", 400},
		{'m', "PUT", "evil", "EXAMPLE.net", 400},
		{'m', "PUT", "evil", "-x.net", 400},
		{'m', "PUT", "evil", "10.0.0.1", 400},
		{'m', "PUT", "evil", "*.example.net", 400},
		{'m', "PUT", "evil", "shop.zone.test", 400},
		{'m', "PUT", "evil", "zone.test", 400},
		{'m', "PUT", "shop", "example.net", 404},
		{'m', "GET", "shop", "", 404},
		{'m', "DELETE", "shop", "example.com", 404},
		{'m', "DELETE", "evil", "example.com", 200},
		{'a', "PUT", "shop", "deep.example.net", 200},
		{'m', "PUT", "evil", "example.net", 409},
		{'o', "DELETE", "shop", "deep.example.net", 200},
		{'m', "PUT", "evil", "example.net", 200},
	};
	stage_begin(&s, c);
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct who *w = rows[i].by == 'o'   ? s.op
				: rows[i].by == 'a' ? s.ann
				: rows[i].by == 'b' ? s.bob
						    : s.mallory;
		bool is_put = strcmp(rows[i].method, "PUT") == 0;
		(void)trusted_call(&s.t, w, rows[i].method,
				   text(c, "/v1/customers/%s/domains%s%s", rows[i].customer,
					rows[i].name[0] ? "/" : "", rows[i].name),
				   is_put ? "{}" : "");
		if (c->status != rows[i].status)
			fail_msg("row %zu %s: %d %s", i, rows[i].name, c->status, c->text);
	}
	struct json *j = trusted_ok(&s.t, s.ann, "GET", "/v1/customers/shop/domains", "");
	assert_at(c, j, "domains[0].domain", "shop.zone.test");
	assert_at(c, j, "domains[1].domain", "example.com");
	assert_int_equal(json_count(json_get(j, S("domains"))), 2);
	trusted_end(&s.t);
}

static struct json *service(struct stage *s, struct who *by, const char *guid,
			    const char *names, const struct key *k)
{
	return trusted_call(&s->t, by, "POST", "/v1/nodes/n1/certificates",
			    text(s->t.c, "{'instance': '%s', 'names': [%s], 'csr': '%s'}", guid,
				 names, stage_csr(s, k)));
}

static void services_have_their_tenants_names(struct cloud *c)
{
	struct stage s;
	struct err e = ERR_INIT;
	struct key *k CLEAN(key_freep) = stage_key(KEY_P256);
	static const struct {
		const char *names;
		int status;
	} rows[] = {
		{"'www.example.com'", 201},
		{"'example.com', '*.example.com', 'shop.zone.test', 'a.shop.zone.test'", 201},
		{"'10.0.0.1'", 201},
		{"'www.example.com', '10.0.0.99'", 403},
		{"'www.example.com', 'www.example.net'", 403},
		{"'evil.zone.test'", 403},
		{"'zone.test'", 403},
		{"'*.zone.test'", 403},
		{"'notexample.com'", 403},
		{"'www.example.com.'", 400},
		{"", 400},
	};
	stage_begin(&s, c);
	(void)trusted_ok(&s.t, s.ann, "PUT", "/v1/customers/shop/domains/example.com", "{}");
	(void)trusted_ok(&s.t, s.mallory, "PUT", "/v1/customers/evil/domains/example.net",
			 "{}");
	const char *guid =
		at(c,
		   trusted_ok(&s.t, s.ann, "POST", "/v1/instances",
			      "{'release': 'web', 'title': 'w', 'customer': 'shop'}"),
		   "guid");
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		(void)service(&s, s.n1, guid, rows[i].names, k);
		if (c->status != rows[i].status)
			fail_msg("row %zu %s: %d %s: %s", i, rows[i].names, c->status, c->field,
				 c->text);
	}
	struct json *j = service(&s, s.n1, guid, "'www.example.com'", k);
	const char *pem = at(c, j, "certificate"), *serial = at(c, j, "serial");
	struct cert_trust *trust = NULL;
	struct cert *chain = NULL;
	size_t n = 0;
	assert_int_equal(cert_trust_new(str_from(at(c, j, "roots")), &trust, &e), 0);
	assert_int_equal(cert_chain_read(str_from(pem), c->a, &chain, &n, &e), 0);
	assert_int_equal(cert_check(trust, chain, n, c->now_ms, true, S("www.example.com")),
			 CERT_GOOD);
	/* It is nobody's identity. */
	assert_int_equal(cert_check(trust, chain, n, c->now_ms, false, S("")),
			 CERT_WRONG_PURPOSE);
	cert_trust_free(trust);
	/* Elsewhere there is no such instance; nor for persons. */
	struct who *n2 = trusted_node(&s.t, "n2");
	(void)service(&s, n2, guid, "'www.example.com'", k);
	assert_int_equal(c->status, 404);
	(void)service(&s, s.ann, guid, "'www.example.com'", k);
	assert_int_equal(c->status, 403);
	const char *query = text(c, "/v1/certificates?kind=service&owner=%s", guid);
	j = trusted_ok(&s.t, s.bob, "GET", query, "");
	assert_int_equal(json_count(json_get(j, S("certificates"))), 4);
	j = trusted_ok(&s.t, s.mallory, "GET", query, "");
	assert_int_equal(json_count(json_get(j, S("certificates"))), 0);
	/* Revoked by its customer, not by another. */
	const char *revoke = text(c, "/v1/certificates/%s/revoke", serial);
	(void)trusted_call(&s.t, s.mallory, "POST", revoke, "{}");
	assert_int_equal(c->status, 404);
	struct str before = stage_crl(&s, "services");
	j = trusted_ok(&s.t, s.bob, "POST", revoke, "{'reason': 'superseded'}");
	assert_at(c, j, "status", "revoked");
	assert_true(stage_crl(&s, "services").n > before.n);
	(void)trusted_call(&s.t, s.op, "POST",
			   text(c, "/v1/certificates/%s/revoke",
				stage_serial(&s, at(c, stage_renew(&s, s.ann, s.ann->key),
						    "certificate"))),
			   "{}");
	stage_refused(&s, 409, "revoke the key");
	trusted_end(&s.t);
}

static struct json *authority(struct stage *s, struct who *by, const struct key *k)
{
	return trusted_call(&s->t, by, "POST", "/v1/nodes/n1/authority",
			    text(s->t.c, "{'csr': '%s'}", stage_csr(s, k)));
}

/* Does a leaf for `name`, made by the delegated issuer, hold under the cloud's roots? */
static enum cert_fault by_node(struct stage *s, const char *issuer, const struct key *k,
			       const char *name)
{
	struct err e = ERR_INIT;
	struct cloud *c = s->t.c;
	struct ca *ca CLEAN(ca_freep) = NULL;
	struct cert_trust *trust CLEAN(cert_trust_freep) = NULL;
	struct cert *chain = NULL;
	size_t n = 0;
	char serial[CERT_SERIAL_SIZE];
	struct str der, item = str_from(name);
	if (ca_open_delegated(k, str_from(issuer), &ca, &e) < 0)
		fail_msg("%s", e.text);
	const struct ca_leaf leaf = {
		.kind = CERT_SERVICE,
		.name = item,
		.names = {&item, 1},
		.public = key_public(s->ann->key),
		.is_server = true,
		.now_ms = c->now_ms,
	};
	if (ca_sign(ca, &leaf, c->a, &der, serial, &e) < 0)
		return CERT_WRONG_NAME; /* the honest node does not even sign it */
	struct str pem = arena_fmt(c->a, "%.*s%s", STR_A(cert_pem(der, c->a)), issuer);
	assert_int_equal(cert_trust_new(ca_roots(s->t.services), &trust, &e), 0);
	assert_int_equal(cert_chain_read(pem, c->a, &chain, &n, &e), 0);
	return cert_check(trust, chain, n, c->now_ms, true, item);
}

static void a_node_issues_for_its_tenants(struct cloud *c)
{
	struct stage s;
	struct key *k CLEAN(key_freep) = stage_key(KEY_P256);
	stage_begin(&s, c);
	(void)authority(&s, s.n1, k);
	stage_refused(&s, 404, "nothing is delegated");
	(void)trusted_call(&s.t, s.n1, "PUT", "/v1/nodes/n1/delegation", "{}");
	assert_int_equal(c->status, 403);
	struct json *j = trusted_ok(&s.t, s.op, "PUT", "/v1/nodes/n1/delegation", "{}");
	assert_int_equal(json_count(json_get(j, S("names"))), 0);
	(void)authority(&s, s.n1, k);
	stage_refused(&s, 409, "no tenant");
	/* What the tenants that are on it have. */
	(void)trusted_ok(&s.t, s.ann, "PUT", "/v1/customers/shop/domains/example.com", "{}");
	(void)trusted_ok(&s.t, s.mallory, "PUT", "/v1/customers/evil/domains/example.net",
			 "{}");
	(void)trusted_ok(&s.t, s.ann, "POST", "/v1/instances",
			 "{'release': 'web', 'title': 'w', 'customer': 'shop'}");
	j = authority(&s, s.n1, k);
	assert_int_equal(c->status, 201);
	const char *issuer = at(c, j, "certificate");
	assert_int_equal(by_node(&s, issuer, k, "www.example.com"), CERT_GOOD);
	assert_int_equal(by_node(&s, issuer, k, "a.shop.zone.test"), CERT_GOOD);
	assert_int_equal(by_node(&s, issuer, k, "www.example.net"), CERT_WRONG_NAME);
	assert_int_equal(by_node(&s, issuer, k, "evil.zone.test"), CERT_WRONG_NAME);
	/* What the operator listed, and nothing else. */
	(void)trusted_call(&s.t, s.op, "PUT", "/v1/nodes/n1/delegation", "{'names': ['*']}");
	assert_string_equal(c->field, "names[0]");
	j = trusted_ok(&s.t, s.op, "PUT", "/v1/nodes/n1/delegation",
		       "{'names': ['site.example.net']}");
	assert_at(c, j, "names[0]", "site.example.net");
	j = authority(&s, s.n1, k);
	issuer = at(c, j, "certificate");
	assert_int_equal(by_node(&s, issuer, k, "a.site.example.net"), CERT_GOOD);
	assert_int_equal(by_node(&s, issuer, k, "www.example.com"), CERT_WRONG_NAME);
	/* Its end revokes the issuers. */
	(void)trusted_ok(&s.t, s.op, "DELETE", "/v1/nodes/n1/delegation", "");
	j = trusted_ok(&s.t, NULL, "GET",
		       text(c, "/v1/certificates/%s", stage_serial(&s, issuer)), "");
	assert_at(c, j, "status", "revoked");
	(void)authority(&s, s.n1, k);
	assert_int_equal(c->status, 404);
	trusted_end(&s.t);
}

/* What a node reports that it issued. */
static struct json *issued(struct stage *s, struct who *by, const char *guid, const char *pem)
{
	struct cloud *c = s->t.c;
	struct buf b CLEAN(buf_fini) = BUF_INIT(65536);
	for (const char *p = pem; *p; p++)
		buf_add(&b, *p == '\n' ? S("\\n") : str_of(p, 1));
	return trusted_call(
		&s->t, by, "POST", text(c, "/v1/nodes/%s/issued", by->name),
		text(c, "{'certificates': [{'instance': '%s', 'certificate': '%.*s'}]}", guid,
		     STR_A(buf_str(&b))));
}

/* A chain of the node's issuer, whatever it may sign. */
static const char *made_by(struct stage *s, const char *issuer, const struct key *k,
			   const char *name)
{
	struct err e = ERR_INIT;
	struct cloud *c = s->t.c;
	struct ca *ca CLEAN(ca_freep) = NULL;
	char serial[CERT_SERIAL_SIZE];
	struct str der = S(""), item = str_from(name);
	const struct ca_leaf leaf = {
		.kind = CERT_SERVICE,
		.name = item,
		.names = {&item, 1},
		.public = key_public(s->ann->key),
		.is_server = true,
		.now_ms = c->now_ms,
	};
	if (ca_open_delegated(k, str_from(issuer), &ca, &e) < 0 ||
	    ca_sign(ca, &leaf, c->a, &der, serial, &e) < 0)
		fail_msg("%s", e.text);
	return text(c, "%.*s%s", STR_A(cert_pem(der, c->a)), issuer);
}

static void what_a_node_issued_is_taken_up(struct cloud *c)
{
	struct stage s;
	struct key *k CLEAN(key_freep) = stage_key(KEY_P256);
	cloud_node(c, "n2", 1);
	stage_begin(&s, c);
	(void)trusted_ok(&s.t, s.op, "PUT", "/v1/nodes/n1/delegation", "{}");
	(void)trusted_ok(&s.t, s.ann, "PUT", "/v1/customers/shop/domains/example.com", "{}");
	(void)trusted_ok(&s.t, s.mallory, "PUT", "/v1/customers/evil/domains/example.net",
			 "{}");
	struct json *j = trusted_ok(&s.t, s.ann, "POST", "/v1/instances",
				    "{'release': 'web', 'title': 'w', 'customer': 'shop'}");
	const char *guid = at(c, j, "guid");
	j = trusted_ok(&s.t, s.mallory, "POST", "/v1/instances",
		       "{'release': 'web', 'title': 'v', 'customer': 'evil'}");
	const char *evil = at(c, j, "guid");
	j = authority(&s, s.n1, k);
	const char *issuer = at(c, j, "certificate");
	const char *good = made_by(&s, issuer, k, "www.example.com");
	/* Stored, logged; twice the same. */
	for (int i = 0; i < 2; i++) {
		j = issued(&s, s.n1, guid, good);
		assert_int_equal(c->status, 200);
		assert_at(c, j, "certificates[0].status", "good");
	}
	const char *query = text(c, "/v1/certificates?kind=service&owner=%s", guid);
	j = trusted_ok(&s.t, s.bob, "GET", query, "");
	assert_int_equal(json_count(json_get(j, S("certificates"))), 1);
	assert_at(c, j, "certificates[0].serial", stage_serial(&s, good));
	/* Of another tenant's name, or of nobody here: known, and revoked at once. */
	const char *others = made_by(&s, issuer, k, "www.example.net");
	j = issued(&s, s.n1, guid, others);
	assert_at(c, j, "certificates[0].status", "revoked");
	j = trusted_ok(&s.t, NULL, "GET",
		       text(c, "/v1/certificates/%s", stage_serial(&s, others)), "");
	assert_at(c, j, "status", "revoked");
	j = issued(&s, s.n1, "inst-nowhere", made_by(&s, issuer, k, "a.example.com"));
	assert_at(c, j, "certificates[0].status", "revoked");
	j = issued(&s, s.n1, evil, made_by(&s, issuer, k, "b.example.net"));
	assert_at(c, j, "certificates[0].status", "good");
	/* What proves nothing is refused: by another node, or no certificate at all. */
	struct who *n2 = trusted_node(&s.t, "n2");
	(void)issued(&s, n2, guid, made_by(&s, issuer, k, "c.example.com"));
	assert_string_equal(c->field, "certificates[0].certificate");
	(void)issued(&s, s.n1, guid, arena_cstr(c->a, cert_pem(S("x"), c->a)));
	assert_int_equal(c->status, 400);
	const char *late = made_by(&s, issuer, k, "d.example.com");
	/* After the delegation's end its issuer is worth nothing, and what it made is told so. */
	(void)trusted_ok(&s.t, s.op, "DELETE", "/v1/nodes/n1/delegation", "");
	j = issued(&s, s.n1, guid, late);
	assert_at(c, j, "certificates[0].status", "revoked");
	/* An instance that is gone takes its certificates along. */
	(void)trusted_ok(&s.t, s.ann, "POST", "/v1/instances",
			 "{'release': 'web', 'title': 'w', 'customer': 'shop', 'state': "
			 "'destroyed'}");
	(void)trusted_ok(
		&s.t, s.n1, "POST", "/slapos.put.v0.software_instance_reported_state",
		text(c, "{'instance_guid': '%s', 'reported_state': 'destroyed'}", guid));
	j = trusted_ok(&s.t, NULL, "GET",
		       text(c, "/v1/certificates/%s", stage_serial(&s, good)), "");
	assert_at(c, j, "status", "revoked");
	trusted_end(&s.t);
}

static void a_local_master_has_no_authority(struct cloud *c)
{
	static const char *const rows[][3] = {
		{"GET", "/v1/ca", ""},
		{"GET", "/v1/ca/users/crl", ""},
		{"POST", "/v1/tokens", "{'kind': 'node', 'name': 'n1'}"},
		{"PUT", "/v1/nodes/n1/delegation", "{}"},
		{"POST", "/v1/certificates/00/revoke", "{}"},
	};
	cloud_stage(c, 1);
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		(void)cloud_call(c, rows[i][0], rows[i][1], rows[i][2]);
		if (c->status != 501 || !strstr(c->text, "local"))
			fail_msg("%s %s: %d %s", rows[i][0], rows[i][1], c->status, c->text);
	}
}

int main(int argc, char **argv)
{
	static const struct cloud_case cases[] = {
		{"what is revoked is told", what_is_revoked_is_told},
		{"a master makes its own", a_master_makes_its_own},
		{"names belong to one customer", names_belong_to_one_customer},
		{"services have their tenant's names", services_have_their_tenants_names},
		{"a node issues for its tenants", a_node_issues_for_its_tenants},
		{"what a node issued is taken up", what_a_node_issued_is_taken_up},
		{"a local master has no authority", a_local_master_has_no_authority},
	};
	return cloud_run(argc, argv, cases, ARRAY_LEN(cases));
}
