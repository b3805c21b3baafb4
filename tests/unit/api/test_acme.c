/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* The ACME server as its clients see it, and what it refuses: RFC 8555, RFC 9773. */
#include "acme_client.h"
#include "store/certificate.h"
#include "trust/cert.h"
#include "trust/jose.h"
#include "trust/jose_cert.h"

enum { HOUR_MS = 3600000, DAY_MS = 86400000 };

static const char *const shop[] = {"shop.lila.cloud.test"};

static struct key *fresh_key(enum key_kind kind)
{
	struct err e = ERR_INIT;
	struct key *k = NULL;
	assert_int_equal(key_make(kind, &k, &e), 0);
	return k;
}

/* Orders, proves, finalizes; gives the path of the order, and the chain's leaf. */
static const char *certificate(struct acme_user *u, const struct key *k, struct cert *leaf)
{
	struct err e = ERR_INIT;
	struct acme_world *w = u->w;
	struct cert *chain;
	size_t n = 0;
	const char *order = acme_order(u, shop[0], "http-01");
	(void)acme_post(u, text(w->c, "%s/finalize", order),
			text(w->c, "{'csr':'%s'}", acme_csr(w, k, "", shop, 1)));
	acme_expect(w, "", 0);
	assert_at(w->c, w->answer, "status", "valid");
	const char *path = acme_path(at(w->c, w->answer, "certificate"));
	(void)acme_post(u, path, "");
	assert_int_equal(w->c->status, 200);
	assert_string_equal(w->c->out.content_type, "application/pem-certificate-chain");
	if (cert_chain_read(w->c->out.body, w->c->a, &chain, &n, &e) < 0)
		fail_msg("%s", e.text);
	assert_true(n >= 2);
	*leaf = chain[0];
	struct cert_trust *t = NULL;
	assert_int_equal(cert_trust_new(ca_roots(w->services), &t, &e), 0);
	assert_int_equal(cert_check(t, chain, n, w->c->now_ms, true, str_from(shop[0])),
			 CERT_GOOD);
	cert_trust_free(t);
	return order;
}

static const char *der64(struct acme_world *w, const struct cert *x)
{
	return arena_cstr(w->c->a, base64url(x->der, w->c->a));
}

/* ---- the directory, nonces ----------------------------------------------------------------- */

static void clients_find_their_way(struct cloud *c)
{
	struct acme_world w;
	acme_begin(&w, c);
	struct json *d = acme_get(&w, "GET", "/acme/directory");
	assert_int_equal(c->status, 200);
	assert_at(c, d, "newNonce", "https://acme.test/acme/new-nonce");
	assert_at(c, d, "renewalInfo", "https://acme.test/acme/renewal-info");
	assert_true(json_bool_of(json_path(d, S("meta.externalAccountRequired")), false));
	(void)acme_get(&w, "HEAD", "/acme/new-nonce");
	assert_int_equal(c->status, 200);
	const char *first = acme_header_of(&w, "Replay-Nonce");
	(void)acme_get(&w, "GET", "/acme/new-nonce");
	assert_int_equal(c->status, 204);
	assert_string_not_equal(first, acme_header_of(&w, "Replay-Nonce"));
	assert_string_equal(acme_header_of(&w, "Cache-Control"), "no-store");
	assert_string_equal(acme_header_of(&w, "Link"),
			    "<https://acme.test/acme/directory>;rel=\"index\"");
	(void)acme_get(&w, "GET", "/acme/nothing");
	assert_int_equal(c->status, 404);
	assert_string_equal(c->out.content_type, "application/problem+json");
	assert_at(c, w.answer, "type", "urn:ietf:params:acme:error:malformed");
	(void)acme_get(&w, "GET", "/acme/new-account");
	assert_int_equal(c->status, 405);
	acme_end(&w);
	/* Now without authorities. */
	(void)acme_get(&w, "GET", "/acme/directory");
	assert_true(c->status >= 500);
	assert_at(c, w.answer, "type", "urn:ietf:params:acme:error:serverInternal");
}

static void a_nonce_is_used_once(struct cloud *c)
{
	struct acme_world w;
	struct acme_user u;
	acme_begin(&w, c);
	acme_user_begin(&u, &w);
	acme_join(&u, "lila");
	const struct acme_wrong same = {.nonce = w.nonce};
	(void)acme_post_wrong(&u, acme_path(u.url), "", &same);
	acme_expect(&w, "", 0);
	(void)acme_post_wrong(&u, acme_path(u.url), "", &same);
	acme_expect(&w, "badNonce", 400);
	/* The answer's own nonce is good for a second try. */
	(void)acme_post(&u, acme_path(u.url), "");
	acme_expect(&w, "", 0);
	const struct acme_wrong old = {.nonce = w.nonce};
	c->now_ms += 2 * HOUR_MS;
	(void)acme_post_wrong(&u, acme_path(u.url), "", &old);
	acme_expect(&w, "badNonce", 400);
	/* A refusal that is an answer uses the nonce up, too. */
	const struct acme_wrong again = {.nonce = w.nonce};
	(void)acme_post_wrong(&u, "/acme/order/none", "", &again);
	acme_expect(&w, "malformed", 404);
	(void)acme_post_wrong(&u, "/acme/order/none", "", &again);
	acme_expect(&w, "badNonce", 400);
	acme_user_end(&u);
	acme_end(&w);
}

/* ---- hostile messages ---------------------------------------------------------------------- */

static void what_is_no_right_message_is_refused(struct cloud *c)
{
	struct acme_world w;
	struct acme_user u, other;
	acme_begin(&w, c);
	acme_user_begin(&u, &w);
	acme_user_begin(&other, &w);
	acme_join(&u, "lila");
	const char *nonce = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";
	/* clang-format off */
	const struct { const char *what; struct acme_wrong x; const char *type; int status; } cases[] = {
		{"foreign nonce", {.nonce = nonce}, "badNonce", 400},
		{"no nonce", {.nonce = ""}, "badNonce", 400},
		{"other url", {.url = "https://acme.test/acme/new-account"}, "unauthorized", 403},
		{"other host", {.url = text(c, "https://evil.test%s", acme_path(u.url))}, "unauthorized", 403},
		{"plain url", {.url = text(c, "http://acme.test%s", acme_path(u.url))}, "unauthorized", 403},
		{"alg none", {.alg = "none"}, "badSignatureAlgorithm", 400},
		{"alg HS256", {.alg = "HS256"}, "badSignatureAlgorithm", 400},
		{"alg RS512", {.alg = "RS512"}, "badSignatureAlgorithm", 400},
		{"alg of another key", {.alg = "ES256"}, "unauthorized", 403},
		{"jwk and kid", {.with_jwk = true, .with_kid = true}, "malformed", 400},
		{"jwk for kid", {.with_jwk = true}, "malformed", 400},
		{"neither", {.header = text(c, "{'alg':'EdDSA','nonce':'%s','url':'%s'}", w.nonce, u.url)}, "malformed", 400},
		{"crit", {.more = ",'crit':['exp'],'exp':1"}, "malformed", 400},
		{"foreign kid", {.header = text(c, "{'alg':'EdDSA','nonce':'%s','url':'%s','kid':'https://evil.test/acme/account/1'}", w.nonce, u.url)}, "accountDoesNotExist", 400},
		{"no such account", {.header = text(c, "{'alg':'EdDSA','nonce':'%s','url':'%s','kid':'https://acme.test/acme/account/none'}", w.nonce, u.url)}, "accountDoesNotExist", 400},
		{"another's signature", {.key = other.key}, "unauthorized", 403},
		{"signature of something else", {.is_signature_bad = true}, "unauthorized", 403},
		{"padding", {.is_padded = true}, "malformed", 400},
		{"media", {.media = "application/json"}, "malformed", 415},
		{"no json", {.body = "{"}, "malformed", 400},
		{"an array", {.body = "[]"}, "malformed", 400},
		{"unprotected header", {.body = "{'protected':'e30','payload':'','signature':'AA','header':{}}"}, "malformed", 400},
		{"several signatures", {.body = "{'payload':'','signatures':[]}"}, "malformed", 400},
		{"header is no json", {.body = "{'protected':'AAAA','payload':'','signature':'AA'}"}, "malformed", 400},
		{"header twice", {.body = "{'protected':'e30','protected':'e30','payload':'','signature':'AA'}"}, "malformed", 400},
	};
	/* clang-format on */
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		print_message("%s\n", cases[i].what);
		(void)acme_post_wrong(&u, acme_path(u.url), "", &cases[i].x);
		acme_expect(&w, cases[i].type, cases[i].status);
	}
	assert_int_equal(cloud_number(c, "SELECT COUNT(*) FROM acme_nonce"), 1);
	char *big = arena_alloc(c->a, 200001);
	memset(big, 'A', 200000);
	const struct acme_wrong oversized = {.body = big};
	(void)acme_post_wrong(&u, acme_path(u.url), "", &oversized);
	acme_expect(&w, "malformed", 400);
	acme_user_end(&other);
	acme_user_end(&u);
	acme_end(&w);
}

/* ---- accounts ------------------------------------------------------------------------------ */

static void an_account_is_bound_to_a_customer(struct cloud *c)
{
	struct acme_world w;
	struct acme_user u, other;
	acme_begin(&w, c);
	acme_user_begin(&u, &w);
	acme_user_begin(&other, &w);
	(void)acme_post(&u, "/acme/new-account", "{'onlyReturnExisting':true}");
	acme_expect(&w, "accountDoesNotExist", 400);
	(void)acme_post(&u, "/acme/new-account", "{'termsOfServiceAgreed':true}");
	acme_expect(&w, "externalAccountRequired", 403);
	const char *binding = acme_binding(&u, "lila", NULL, NULL);
	const char *payload = text(c, "{'externalAccountBinding':%s}", binding);
	(void)acme_post(&u, "/acme/new-account", payload);
	acme_expect(&w, "", 0);
	assert_int_equal(c->status, 201);
	assert_at(c, w.answer, "status", "valid");
	assert_true(at(c, w.answer, "externalAccountBinding.signature")[0]);
	u.url = acme_header_of(&w, "Location");
	/* The same again is the same account. */
	const struct acme_wrong by_key = {.with_jwk = true};
	(void)acme_post_wrong(&u, "/acme/new-account", payload, &by_key);
	assert_int_equal(c->status, 200);
	assert_string_equal(acme_header_of(&w, "Location"), u.url);
	(void)acme_post_wrong(&u, "/acme/new-account", "{'onlyReturnExisting':true}", &by_key);
	assert_int_equal(c->status, 200);
	assert_int_equal(cloud_number(c, "SELECT COUNT(*) FROM acme_account"), 1);
	/* What is stored tells no key. */
	assert_int_equal(cloud_number(c, "SELECT COUNT(*) FROM acme_eab WHERE account_id > 0"),
			 1);
	(void)acme_post(&other, "/acme/new-account", payload);
	acme_expect(&w, "malformed", 400); /* over another key */
	acme_user_end(&other);
	acme_user_end(&u);
	acme_end(&w);
}

static void a_wrong_binding_binds_nobody(struct cloud *c)
{
	struct acme_world w;
	struct acme_user u, other;
	acme_begin(&w, c);
	acme_user_begin(&u, &w);
	acme_user_begin(&other, &w);
	const char *url = "https://acme.test/acme/new-account";
	const char *wrong_url = acme_binding(&u, "lila", "https://acme.test/acme/x", NULL);
	const char *over = acme_binding(&u, "lila", NULL, other.key);
	const char *unknown = acme_message(
		&w, u.key, text(c, "{'alg':'HS256','kid':'nobody','url':'%s'}", url),
		acme_jwk(&w, u.key));
	const char *not_hmac = acme_message(
		&w, u.key, text(c, "{'alg':'EdDSA','kid':'nobody','url':'%s'}", url),
		acme_jwk(&w, u.key));
	const char *with_nonce = acme_message(
		&w, u.key, text(c, "{'alg':'HS256','kid':'x','nonce':'y','url':'%s'}", url),
		acme_jwk(&w, u.key));
	/* clang-format off */
	const struct { const char *what, *binding, *type; int status; } cases[] = {
		{"another url", wrong_url, "malformed", 400},
		{"over another key", over, "malformed", 400},
		{"unknown kid", unknown, "unauthorized", 403},
		{"no HMAC", not_hmac, "malformed", 400},
		{"a nonce", with_nonce, "malformed", 400},
		{"empty", "{}", "malformed", 400},
	};
	/* clang-format on */
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		print_message("%s\n", cases[i].what);
		(void)acme_post(&u, "/acme/new-account",
				text(c, "{'externalAccountBinding':%s}", cases[i].binding));
		acme_expect(&w, cases[i].type, cases[i].status);
	}
	assert_int_equal(cloud_number(c, "SELECT COUNT(*) FROM acme_account"), 0);
	/* One kid binds one account: a second one needs another. */
	struct json *eab = OK_POST(c, "/v1/customers/lila/eab", "");
	struct err e = ERR_INIT;
	struct str key;
	assert_int_equal(base64url_read(str_from(at(c, eab, "hmac_key")), c->a, &key, &e), 0);
	const struct acme_user *both[] = {&u, &other};
	for (size_t i = 0; i < 2; i++) {
		struct acme_user *x = i ? &other : &u;
		struct str p = base64url(
			str_from(text(c, "{\"alg\":\"HS256\",\"kid\":\"%s\",\"url\":\"%s\"}",
				      at(c, eab, "kid"), url)),
			c->a);
		char jwk[200];
		(void)snprintf(jwk, sizeof jwk, "%s", acme_jwk(&w, both[i]->key));
		for (size_t k = 0; jwk[k]; k++)
			jwk[k] = jwk[k] == '\'' ? '"' : jwk[k];
		struct str q = base64url(str_from(jwk), c->a);
		struct hash h =
			hmac_sha256(key, str_from(text(c, "%.*s.%.*s", STR_A(p), STR_A(q))));
		struct str s = base64url(str_of((const char *)h.bytes, sizeof h.bytes), c->a);
		(void)acme_post(
			x, "/acme/new-account",
			text(c,
			     "{'externalAccountBinding':{'protected':'%.*s','payload':'%"
			     ".*s','signature':'%.*s'}}",
			     STR_A(p), STR_A(q), STR_A(s)));
		acme_expect(&w, i ? "unauthorized" : "", i ? 403 : 0);
	}
	acme_user_end(&other);
	acme_user_end(&u);
	acme_end(&w);
}

static void a_key_that_was_allowed_needs_no_binding(struct cloud *c)
{
	struct acme_world w;
	struct acme_user u;
	acme_begin(&w, c);
	acme_user_begin(&u, &w);
	const char *thumbprint = acme_thumbprint(&w, u.key);
	const char *path = text(c, "/v1/customers/lila/acme-keys/%s", thumbprint);
	(void)PUT(c, "/v1/customers/lila/acme-keys/short", "");
	assert_int_equal(c->status, 400);
	assert_string_equal(c->field, "thumbprint");
	(void)OK_PUT(c, path, "");
	(void)OK_PUT(c, path, "");
	(void)PUT(c, text(c, "/v1/customers/otto/acme-keys/%s", thumbprint), "");
	assert_int_equal(c->status, 409);
	(void)acme_post(&u, "/acme/new-account", "{'termsOfServiceAgreed':true}");
	acme_expect(&w, "", 0);
	assert_int_equal(c->status, 201);
	u.url = acme_header_of(&w, "Location");
	assert_non_null(acme_order(&u, "a.lila.example", NULL));
	(void)cloud_ok(c, "DELETE", path, "");
	(void)cloud_call(c, "DELETE", path, "");
	assert_int_equal(c->status, 404);
	acme_user_end(&u);
	acme_end(&w);
}

static void an_account_changes_and_ends(struct cloud *c)
{
	struct acme_world w;
	struct acme_user u, other;
	acme_begin(&w, c);
	acme_user_begin(&u, &w);
	acme_user_begin(&other, &w);
	acme_join(&u, "lila");
	acme_join(&other, "otto");
	(void)acme_post(&u, acme_path(u.url), "{'contact':['mailto:b@lila.example']}");
	assert_at(c, w.answer, "contact[0]", "mailto:b@lila.example");
	(void)acme_post(&u, acme_path(u.url), "{'contact':['tel:1']}");
	acme_expect(&w, "unsupportedContact", 400);
	(void)acme_post(&u, acme_path(u.url), "{'contact':['mailto:a@b,c@d']}");
	acme_expect(&w, "invalidContact", 400);
	(void)acme_post(&u, acme_path(other.url), "");
	acme_expect(&w, "unauthorized", 403);
	(void)acme_post(&u, acme_path(u.url), "{'status':'revoked'}");
	acme_expect(&w, "malformed", 400);
	const char *order = acme_order(&u, "shop.lila.cloud.test", NULL);
	(void)acme_post(&u, text(c, "%s/orders", acme_path(u.url)), "");
	assert_string_equal(acme_path(at(c, w.answer, "orders[0]")), order);
	(void)acme_post(&u, acme_path(u.url), "{'status':'deactivated'}");
	assert_at(c, w.answer, "status", "deactivated");
	(void)acme_post(&u, order, "");
	acme_expect(&w, "unauthorized", 403);
	const struct acme_wrong by_key = {.with_jwk = true};
	(void)acme_post_wrong(&u, "/acme/new-account", "{'onlyReturnExisting':true}", &by_key);
	acme_expect(&w, "unauthorized", 403);
	acme_user_end(&other);
	acme_user_end(&u);
	acme_end(&w);
}

static void a_key_is_changed_by_both(struct cloud *c)
{
	struct acme_world w;
	struct acme_user u, other;
	acme_begin(&w, c);
	acme_user_begin(&u, &w);
	acme_user_begin(&other, &w);
	acme_join(&u, "lila");
	acme_join(&other, "lila");
	struct key *fresh = fresh_key(KEY_ED25519), *old = u.key;
	const char *url = "https://acme.test/acme/key-change";
	const char *head =
		text(c, "{'alg':'EdDSA','jwk':%s,'url':'%s'}", acme_jwk(&w, fresh), url);
	const char *body = text(c, "{'account':'%s','oldKey':%s}", u.url, acme_jwk(&w, old));
	/* clang-format off */
	const struct { const char *what, *inner, *type; int status; } cases[] = {
		{"inner by the old key", acme_message(&w, old, head, body), "malformed", 400},
		{"another account", acme_message(&w, fresh, head, text(c, "{'account':'%s','oldKey':%s}", other.url, acme_jwk(&w, old))), "malformed", 400},
		{"another old key", acme_message(&w, fresh, head, text(c, "{'account':'%s','oldKey':%s}", u.url, acme_jwk(&w, other.key))), "malformed", 400},
		{"another url", acme_message(&w, fresh, text(c, "{'alg':'EdDSA','jwk':%s,'url':'%sx'}", acme_jwk(&w, fresh), url), body), "malformed", 400},
		{"a nonce inside", acme_message(&w, fresh, text(c, "{'alg':'EdDSA','nonce':'x','jwk':%s,'url':'%s'}", acme_jwk(&w, fresh), url), body), "malformed", 400},
		{"a key that has an account", acme_message(&w, other.key, text(c, "{'alg':'EdDSA','jwk':%s,'url':'%s'}", acme_jwk(&w, other.key), url), body), "malformed", 409},
		{"no message", "{}", "malformed", 400},
	};
	/* clang-format on */
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		print_message("%s\n", cases[i].what);
		(void)acme_post(&u, "/acme/key-change", cases[i].inner);
		acme_expect(&w, cases[i].type, cases[i].status);
	}
	(void)acme_post(&u, "/acme/key-change", acme_message(&w, fresh, head, body));
	acme_expect(&w, "", 0);
	(void)acme_post(&u, acme_path(u.url), "");
	acme_expect(&w, "unauthorized", 403);
	u.key = fresh;
	(void)acme_post(&u, acme_path(u.url), "");
	acme_expect(&w, "", 0);
	key_free(old);
	acme_user_end(&other);
	acme_user_end(&u);
	acme_end(&w);
}

/* ---- orders -------------------------------------------------------------------------------- */

static void names_are_the_customers(struct cloud *c)
{
	struct acme_world w;
	struct acme_user u;
	acme_begin(&w, c);
	acme_user_begin(&u, &w);
	acme_join(&u, "lila");
	/* clang-format off */
	const struct { const char *names, *type; int status; } cases[] = {
		{"{'type':'dns','value':'shop.otto.cloud.test'}", "rejectedIdentifier", 400},
		{"{'type':'dns','value':'otto.cloud.test'}", "rejectedIdentifier", 400},
		{"{'type':'dns','value':'cloud.test'}", "rejectedIdentifier", 400},
		{"{'type':'dns','value':'*.cloud.test'}", "rejectedIdentifier", 400},
		{"{'type':'dns','value':'notlila.example'}", "rejectedIdentifier", 400},
		{"{'type':'dns','value':'lila.example.org'}", "rejectedIdentifier", 400},
		{"{'type':'dns','value':'xlila.cloud.test'}", "rejectedIdentifier", 400},
		{"{'type':'ip','value':'192.0.2.1'}", "unsupportedIdentifier", 400},
		{"{'type':'dns','value':'192.0.2.1'}", "malformed", 400},
		{"{'type':'dns','value':'a.*.lila.example'}", "malformed", 400},
		{"{'type':'dns','value':'lila.example.'}", "malformed", 400},
		{"{'type':'dns','value':'a_b.lila.example/'}", "malformed", 400},
		{"", "malformed", 400},
	};
	/* clang-format on */
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		print_message("%s\n", cases[i].names);
		(void)acme_post(&u, "/acme/new-order",
				text(c, "{'identifiers':[%s]}", cases[i].names));
		acme_expect(&w, cases[i].type, cases[i].status);
	}
	(void)acme_post(
		&u, "/acme/new-order",
		"{'identifiers':[{'type':'dns','value':'a.lila.example'},"
		"{'type':'dns','value':'b.example'},{'type':'dns','value':'c.example'}]}");
	acme_expect(&w, "rejectedIdentifier", 400);
	assert_at(c, w.answer, "subproblems[1].identifier.value", "c.example");
	(void)acme_post(&u, "/acme/new-order",
			"{'identifiers':[{'type':'dns','value':'lila.example'}],"
			"'notAfter':'2030-01-01T00:00:00Z'}");
	acme_expect(&w, "malformed", 400);
	assert_int_equal(cloud_number(c, "SELECT COUNT(*) FROM acme_order"), 0);
	(void)acme_order(&u, "LILA.Example lila.example *.lila.example", NULL);
	assert_int_equal(json_count(json_path(w.answer, S("identifiers"))), 2);
	(void)acme_post(&u, acme_path(at(c, w.answer, "authorizations[1]")), "");
	assert_true(json_bool_of(json_path(w.answer, S("wildcard")), false));
	assert_at(c, w.answer, "identifier.value", "lila.example");
	assert_int_equal(json_count(json_path(w.answer, S("challenges"))), 1);
	assert_at(c, w.answer, "challenges[0].type", "dns-01");
	acme_user_end(&u);
	acme_end(&w);
}

static void an_order_becomes_a_certificate(struct cloud *c)
{
	struct acme_world w;
	struct acme_user u, other;
	struct key *k = fresh_key(KEY_P256);
	acme_begin(&w, c);
	acme_user_begin(&u, &w);
	acme_user_begin(&other, &w);
	acme_join(&u, "lila");
	acme_join(&other, "lila");
	const char *order = acme_order(&u, shop[0], NULL);
	const char *csr = text(c, "{'csr':'%s'}", acme_csr(&w, k, shop[0], shop, 1));
	const char *finalize = text(c, "%s/finalize", order);
	(void)acme_post(&u, finalize, csr);
	acme_expect(&w, "orderNotReady", 403);
	(void)acme_post(&other, order, "");
	acme_expect(&w, "malformed", 404);
	acme_answer_all(&u, order, "tls-alpn-01");
	assert_at(c, w.answer, "status", "processing");
	assert_string_equal(acme_header_of(&w, "Retry-After"), "1");
	assert_int_equal(acme_validate(&w, ACME_PROVEN), 1);
	(void)acme_post(&u, order, "");
	assert_at(c, w.answer, "status", "ready");
	/* clang-format off */
	static const char *const two[] = {"shop.lila.cloud.test", "more.lila.cloud.test"};
	static const char *const none[] = {"more.lila.cloud.test"};
	const struct { const char *what, *csr; const char *type; int status; } cases[] = {
		{"more names", acme_csr(&w, k, "", two, 2), "badCSR", 400},
		{"other names", acme_csr(&w, k, "", none, 1), "badCSR", 400},
		{"another common name", acme_csr(&w, k, "more.lila.cloud.test", shop, 1), "badCSR", 400},
		{"no names", acme_csr(&w, k, "", none, 0), "badCSR", 400},
		{"the account's key", acme_csr(&w, u.key, "", shop, 1), "badCSR", 400},
		{"no request", "AAAA", "badCSR", 400},
		{"padding", "AAA=", "malformed", 400},
	};
	/* clang-format on */
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		print_message("%s\n", cases[i].what);
		(void)acme_post(&u, finalize, text(c, "{'csr':'%s'}", cases[i].csr));
		acme_expect(&w, cases[i].type, cases[i].status);
	}
	(void)acme_post(&other, finalize, csr);
	acme_expect(&w, "malformed", 404);
	(void)acme_post(&u, finalize, csr);
	acme_expect(&w, "", 0);
	assert_at(c, w.answer, "status", "valid");
	const char *path = acme_path(at(c, w.answer, "certificate"));
	(void)acme_post(&other, path, "");
	acme_expect(&w, "malformed", 404);
	(void)acme_post(&u, finalize, csr);
	acme_expect(&w, "orderNotReady", 403);
	assert_int_equal(
		cloud_number(c, "SELECT COUNT(*) FROM certificate WHERE kind = 'service'"), 1);
	assert_int_equal(cloud_number(c, "SELECT COUNT(*) FROM log_leaf"), 1);
	key_free(k);
	acme_user_end(&other);
	acme_user_end(&u);
	acme_end(&w);
}

static void a_name_that_changed_hands_is_not_signed(struct cloud *c)
{
	struct acme_world w;
	struct acme_user u;
	struct key *k = fresh_key(KEY_P256);
	static const char *const name[] = {"www.lila.example"};
	acme_begin(&w, c);
	acme_user_begin(&u, &w);
	acme_join(&u, "lila");
	const char *order = acme_order(&u, name[0], "dns-01");
	(void)cloud_ok(c, "DELETE", "/v1/customers/lila/domains/lila.example", "");
	(void)acme_post(&u, text(c, "%s/finalize", order),
			text(c, "{'csr':'%s'}", acme_csr(&w, k, "", name, 1)));
	acme_expect(&w, "rejectedIdentifier", 400);
	key_free(k);
	acme_user_end(&u);
	acme_end(&w);
}

static void a_validation_is_tried_again_and_given_up(struct cloud *c)
{
	struct acme_world w;
	struct acme_user u;
	acme_begin(&w, c);
	acme_user_begin(&u, &w);
	acme_join(&u, "lila");
	const char *order = acme_order(&u, "a.lila.example b.lila.example", NULL);
	const char *auth = acme_path(at(c, w.answer, "authorizations[0]"));
	acme_answer_all(&u, order, "http-01");
	for (int64_t tries = 1; tries <= ACME_TRIES_MAX; tries++) {
		assert_int_equal(acme_validate(&w, ACME_NO_CONNECTION), 2);
		assert_int_equal(acme_validate(&w, ACME_NO_CONNECTION), 0);
		(void)acme_post(&u, auth, "");
		bool is_over = tries == ACME_TRIES_MAX;
		assert_at(c, w.answer, "status", is_over ? "invalid" : "pending");
		assert_at(c, w.answer, "challenges[0].status",
			  is_over ? "invalid" : "processing");
		assert_at(c, w.answer, "challenges[0].error.type",
			  "urn:ietf:params:acme:error:connection");
		c->now_ms += acme_retry_ms(tries);
	}
	(void)acme_post(&u, order, "");
	assert_at(c, w.answer, "status", "invalid");
	assert_at(c, w.answer, "error.detail", "as the test says");
	/* A challenge that is decided stays so. */
	(void)acme_post(&u, text(c, "/acme/challenge/%s/http-01", strrchr(auth, '/') + 1),
			"{}");
	assert_at(c, w.answer, "status", "invalid");
	assert_int_equal(acme_validate(&w, ACME_PROVEN), 0);
	acme_user_end(&u);
	acme_end(&w);
}

static void what_a_dead_master_claimed_is_due_again(struct cloud *c)
{
	struct acme_world w;
	struct acme_user u;
	acme_begin(&w, c);
	acme_user_begin(&u, &w);
	acme_join(&u, "lila");
	const char *order = acme_order(&u, "a.lila.example", NULL);
	const char *auth = strrchr(at(c, w.answer, "authorizations[0]"), '/') + 1;
	acme_answer_all(&u, order, "dns-01");
	acme_claim_only(&w);
	assert_int_equal(acme_validate(&w, ACME_PROVEN), 0);
	(void)acme_post(&u, text(c, "/acme/challenge/%s/dns-01", auth), "{}");
	assert_int_equal(acme_validate(&w, ACME_PROVEN), 0); /* a client cannot hurry it */
	(void)acme_post(&u, text(c, "/acme/challenge/%s/http-01", auth), "{}");
	acme_expect(&w, "malformed", 400);
	c->now_ms += ACME_LEASE_MS;
	assert_int_equal(acme_validate(&w, ACME_PROVEN), 1);
	(void)acme_post(&u, order, "");
	assert_at(c, w.answer, "status", "ready");
	/* Deactivated by its owner, it takes the order along. */
	(void)acme_post(&u, text(c, "/acme/authorization/%s", auth),
			"{'status':'deactivated'}");
	assert_at(c, w.answer, "status", "deactivated");
	(void)acme_post(&u, order, "");
	assert_at(c, w.answer, "status", "invalid");
	acme_user_end(&u);
	acme_end(&w);
}

static void what_is_over_is_forgotten(struct cloud *c)
{
	struct acme_world w;
	struct acme_user u;
	acme_begin(&w, c);
	acme_user_begin(&u, &w);
	acme_join(&u, "lila");
	const char *order = acme_order(&u, "a.lila.example", NULL);
	c->now_ms += ACME_ORDER_FOR_MS;
	w.nonce = NULL;
	(void)acme_post(&u, order, "");
	assert_at(c, w.answer, "status", "invalid");
	acme_forget(&w);
	assert_int_equal(cloud_number(c, "SELECT COUNT(*) FROM acme_nonce"), 1);
	assert_int_equal(cloud_number(c, "SELECT COUNT(*) FROM acme_order"), 1);
	c->now_ms += ACME_KEEP_FOR_MS;
	acme_forget(&w);
	assert_int_equal(cloud_number(c, "SELECT COUNT(*) FROM acme_nonce"), 0);
	assert_int_equal(cloud_number(c, "SELECT COUNT(*) FROM acme_order"), 0);
	assert_int_equal(cloud_number(c, "SELECT COUNT(*) FROM acme_authorization"), 0);
	acme_user_end(&u);
	acme_end(&w);
}

static void open_orders_are_limited(struct cloud *c)
{
	struct acme_world w;
	struct acme_user u;
	acme_begin(&w, c);
	acme_user_begin(&u, &w);
	acme_join(&u, "lila");
	for (int i = 0; i < ACME_OPEN_MAX; i++) {
		(void)acme_order(&u, "a.lila.example", NULL);
		if (i % 20 == 0)
			c->now_ms += 1000;
	}
	(void)acme_post(&u, "/acme/new-order",
			"{'identifiers':[{'type':'dns','value':'a.lila.example'}]}");
	acme_expect(&w, "rateLimited", 429);
	assert_non_null(acme_header_of(&w, "Retry-After"));
	/* The list of them has pages. */
	(void)acme_post(&u, text(c, "%s/orders", acme_path(u.url)), "");
	assert_int_equal(json_count(json_path(w.answer, S("orders"))), 100);
	const char *link = c->out.headers[c->out.header_count - 1].value.p;
	assert_non_null(strstr(link, "rel=\"next\""));
	char next[300];
	(void)snprintf(next, sizeof next, "%.*s", (int)strcspn(link + 1, ">"), link + 1);
	(void)acme_post(&u, acme_path(next), "");
	assert_int_equal(json_count(json_path(w.answer, S("orders"))), 100);
	acme_user_end(&u);
	acme_end(&w);
}

/* ---- after it ------------------------------------------------------------------------------ */

static void a_certificate_is_revoked_by_who_may(struct cloud *c)
{
	struct acme_world w;
	struct acme_user u, other, by_key;
	struct cert leaf, second;
	struct key *k = fresh_key(KEY_ED25519), *k2 = fresh_key(KEY_ED25519);
	acme_begin(&w, c);
	acme_user_begin(&u, &w);
	acme_user_begin(&other, &w);
	acme_join(&u, "lila");
	acme_join(&other, "otto");
	(void)certificate(&u, k, &leaf);
	(void)certificate(&u, k2, &second);
	const char *body = text(c, "{'certificate':'%s'}", der64(&w, &leaf));
	(void)acme_post(&other, "/acme/revoke-cert", body);
	acme_expect(&w, "unauthorized", 403);
	by_key = (struct acme_user){.w = &w, .key = k2};
	(void)acme_post(&by_key, "/acme/revoke-cert", body);
	acme_expect(&w, "unauthorized", 403);
	(void)acme_post(&u, "/acme/revoke-cert",
			text(c, "{'certificate':'%s','reason':7}", der64(&w, &leaf)));
	acme_expect(&w, "badRevocationReason", 400);
	(void)acme_post(&u, "/acme/revoke-cert", "{'certificate':'AAAA'}");
	acme_expect(&w, "malformed", 400);
	(void)acme_post(&u, "/acme/revoke-cert", body);
	assert_int_equal(c->status, 200);
	(void)acme_post(&u, "/acme/revoke-cert", body);
	acme_expect(&w, "alreadyRevoked", 400);
	/* By the certificate's own key, as compromised: that key gets no other one. */
	(void)acme_post(&by_key, "/acme/revoke-cert",
			text(c, "{'certificate':'%s','reason':1}", der64(&w, &second)));
	assert_int_equal(c->status, 200);
	const char *order = acme_order(&u, shop[0], "http-01");
	(void)acme_post(&u, text(c, "%s/finalize", order),
			text(c, "{'csr':'%s'}", acme_csr(&w, k2, "", shop, 1)));
	acme_expect(&w, "badPublicKey", 400);
	assert_int_equal(
		cloud_number(c, "SELECT COUNT(*) FROM certificate WHERE revoked_at > 0"), 2);
	key_free(k);
	key_free(k2);
	acme_user_end(&other);
	acme_user_end(&u);
	acme_end(&w);
}

static void who_proves_all_names_may_revoke(struct cloud *c)
{
	struct acme_world w;
	struct acme_user u, heir;
	struct cert leaf;
	struct key *k = fresh_key(KEY_P256);
	acme_begin(&w, c);
	acme_user_begin(&u, &w);
	acme_user_begin(&heir, &w);
	acme_join(&u, "lila");
	acme_join(&heir, "lila");
	(void)certificate(&u, k, &leaf);
	const char *body = text(c, "{'certificate':'%s'}", der64(&w, &leaf));
	(void)acme_post(&heir, "/acme/revoke-cert", body);
	acme_expect(&w, "unauthorized", 403);
	(void)acme_order(&heir, shop[0], "http-01");
	(void)acme_post(&heir, "/acme/revoke-cert", body);
	assert_int_equal(c->status, 200);
	key_free(k);
	acme_user_end(&heir);
	acme_user_end(&u);
	acme_end(&w);
}

static void renewal_has_a_window(struct cloud *c)
{
	struct err e = ERR_INIT;
	struct acme_world w;
	struct acme_user u;
	struct cert leaf;
	struct str id;
	int64_t start, end;
	struct key *k = fresh_key(KEY_P256);
	acme_begin(&w, c);
	acme_user_begin(&u, &w);
	acme_join(&u, "lila");
	(void)certificate(&u, k, &leaf);
	assert_int_equal(jose_cert_id(leaf.der, c->a, &id, &e), 0);
	const char *path = text(c, "/acme/renewal-info/%.*s", STR_A(id));
	(void)acme_get(&w, "GET", path);
	assert_int_equal(c->status, 200);
	assert_string_equal(acme_header_of(&w, "Retry-After"), "21600");
	assert_int_equal(
		clock_parse(str_from(at(c, w.answer, "suggestedWindow.start")), &start, &e), 0);
	assert_int_equal(
		clock_parse(str_from(at(c, w.answer, "suggestedWindow.end")), &end, &e), 0);
	assert_true(start > leaf.from_ms + 19 * (int64_t)DAY_MS && start < end &&
		    end < leaf.to_ms);
	(void)acme_get(&w, "GET", "/acme/renewal-info/AAAA.AAAA");
	assert_int_equal(c->status, 404);
	(void)acme_get(&w, "GET", text(c, "/acme/renewal-info/AAAA%s", strchr(path, '.')));
	assert_int_equal(c->status, 404);
	/* An order may say what it renews: once. */
	const char *renew =
		text(c, "{'identifiers':[{'type':'dns','value':'%s'}],'replaces':'%.*s'}",
		     shop[0], STR_A(id));
	(void)acme_post(&u, "/acme/new-order", renew);
	assert_int_equal(c->status, 201);
	assert_true(str_eq(str_from(at(c, w.answer, "replaces")), id));
	(void)acme_post(&u, "/acme/new-order", renew);
	acme_expect(&w, "alreadyReplaced", 409);
	(void)acme_post(&u, "/acme/new-order",
			text(c,
			     "{'identifiers':[{'type':'dns','value':'lila.example'}],'replaces'"
			     ":'%.*s'}",
			     STR_A(id)));
	acme_expect(&w, "malformed", 400);
	/* A revoked one is to be renewed at once. */
	(void)acme_post(&u, "/acme/revoke-cert",
			text(c, "{'certificate':'%s'}", der64(&w, &leaf)));
	c->now_ms += HOUR_MS / 2;
	(void)acme_get(&w, "GET", path);
	assert_int_equal(
		clock_parse(str_from(at(c, w.answer, "suggestedWindow.end")), &end, &e), 0);
	assert_true(end < c->now_ms);
	key_free(k);
	acme_user_end(&u);
	acme_end(&w);
}

int main(int argc, char **argv)
{
#define CASE(f) \
	{ \
#f, f \
	}
	const struct cloud_case cases[] = {
		CASE(clients_find_their_way),
		CASE(a_nonce_is_used_once),
		CASE(what_is_no_right_message_is_refused),
		CASE(an_account_is_bound_to_a_customer),
		CASE(a_wrong_binding_binds_nobody),
		CASE(a_key_that_was_allowed_needs_no_binding),
		CASE(an_account_changes_and_ends),
		CASE(a_key_is_changed_by_both),
		CASE(names_are_the_customers),
		CASE(an_order_becomes_a_certificate),
		CASE(a_name_that_changed_hands_is_not_signed),
		CASE(a_validation_is_tried_again_and_given_up),
		CASE(what_a_dead_master_claimed_is_due_again),
		CASE(what_is_over_is_forgotten),
		CASE(open_orders_are_limited),
		CASE(a_certificate_is_revoked_by_who_may),
		CASE(who_proves_all_names_may_revoke),
		CASE(renewal_has_a_window),
	};
	return cloud_run(argc, argv, cases, ARRAY_LEN(cases));
}
