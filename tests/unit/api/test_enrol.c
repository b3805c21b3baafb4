/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * How keys come in, are renewed and end; whose names certificates may have. The clock is the
 * test's: a day passes where a token ends, a month where a certificate does.
 */
#include "trusted.h"

#include "api/enrol.h"
#include "store/token.h"
#include "trust/cert.h"
#include "trust/join.h"
#include "trust/jose.h"

enum { DAY = 86400000 };
static const int64_t day_ms = DAY;

struct stage {
	struct trusted t;
	struct who *op, *ann, *bob, *mallory, *n1;
};

/* ann owns shop, bob is a member of it; mallory owns evil; web runs on n1 for shop. */
static void begin(struct stage *s, struct cloud *c)
{
	cloud_stage(c, 4);
	trusted_begin(&s->t, c);
	s->op = trusted_person(&s->t, "op", "operator", NULL, false);
	s->ann = trusted_person(&s->t, "ann", "", "shop", true);
	s->bob = trusted_person(&s->t, "bob", "", "shop", false);
	s->mallory = trusted_person(&s->t, "mallory", "", "evil", true);
	s->n1 = trusted_node(&s->t, "n1");
}

/* A text as it stands within quotes of JSON. */
static const char *escaped(struct cloud *c, struct str s)
{
	struct buf b CLEAN(buf_fini) = BUF_INIT(100000);
	json_write_str(s, &b);
	return arena_cstr(c->a, str_sub(buf_str(&b), 1, b.n - 2));
}

static const char *csr_of(struct stage *s, const struct key *k)
{
	struct err e = ERR_INIT;
	struct str pem;
	const struct cert_names none = {.count = 0};
	if (cert_request_make(k, S("whatever"), &none, s->t.c->a, &pem, &e) < 0)
		fail_msg("%s", e.text);
	return escaped(s->t.c, pem);
}

static const char *token_by(struct stage *s, struct who *w, const char *body)
{
	return at(s->t.c, trusted_ok(&s->t, w, "POST", "/v1/tokens", body), "token");
}

static struct json *enrol(struct stage *s, const char *token, const struct key *k)
{
	return trusted_call(&s->t, NULL, "POST", "/v1/enrol",
			    text(s->t.c, "{'token': '%s', 'csr': '%s', 'title': 'laptop'}",
				 token, csr_of(s, k)));
}

static void refused(struct stage *s, int status, const char *words)
{
	struct cloud *c = s->t.c;
	if (c->status != status || !strstr(c->text, words))
		fail_msg("%d %s: %s; wanted %d \"%s\"", c->status, c->field, c->text, status,
			 words);
}

static const char *name_of(struct stage *s, const struct key *k)
{
	char hex[HASH_TEXT_SIZE];
	struct hash h = key_name(k);
	hash_text(&h, hex);
	return text(s->t.c, "%s", hex);
}

/* Somebody who came in by enrolment, to call with. */
static struct who as(struct stage *s, const char *kind, const char *name, struct key *k)
{
	return (struct who){.kind = kind, .name = name, .key = k, .key_name = name_of(s, k)};
}

/* The chain holds for a client, and is for that key. */
static void holds(struct stage *s, const char *pem, const char *roots, const struct key *k)
{
	struct err e = ERR_INIT;
	struct cert_trust *trust;
	struct cert *chain;
	size_t n;
	struct hash name = key_name(k);
	if (cert_trust_new(str_from(roots), &trust, &e) < 0 ||
	    cert_chain_read(str_from(pem), s->t.c->a, &chain, &n, &e) < 0)
		fail_msg("%s", e.text);
	assert_true(n >= 2);
	assert_int_equal(cert_check(trust, chain, n, s->t.c->now_ms, false, S("")), CERT_GOOD);
	assert_true(hash_eq(&chain[0].key, &name));
	cert_trust_free(trust);
}

static struct key *fresh_key(enum key_kind kind)
{
	struct err e = ERR_INIT;
	struct key *k;
	assert_int_equal(key_make(kind, &k, &e), 0);
	return k;
}

/* ---- tokens -------------------------------------------------------------------------------- */

static void a_token_lets_one_key_in(struct cloud *c)
{
	struct stage s;
	struct key *k CLEAN(key_freep) = fresh_key(KEY_ED25519),
		      *other CLEAN(key_freep) = fresh_key(KEY_P256);
	begin(&s, c);
	int64_t issued = cloud_number(c, "SELECT COUNT(*) FROM certificate"),
		leaves = cloud_number(c, "SELECT COUNT(*) FROM log_leaf");
	const char *token = token_by(&s, s.op,
				     "{'kind': 'person', 'name': 'eve', 'roles': ['auditor', "
				     "'publisher', 'auditor'], 'customer': 'shop'}");
	assert_int_equal(c->status, 201);
	struct json *j = enrol(&s, token, k);
	assert_int_equal(c->status, 201);
	assert_at(c, j, "kind", "person");
	assert_at(c, j, "name", "eve");
	assert_at(c, j, "cloud", "test");
	assert_at(c, j, "key", name_of(&s, k));
	holds(&s, at(c, j, "certificate"), at(c, j, "roots"), k);
	struct who eve = as(&s, "person", "eve", k);
	j = trusted_ok(&s.t, &eve, "GET", "/v1/me", "");
	assert_at(c, j, "customers[0].customer", "shop");
	assert_at(c, j, "customers[0].role", "member");
	assert_at(c, j, "roles[0]", "publisher");
	assert_at(c, j, "roles[1]", "auditor");
	/* The answer was lost: the same key may ask again, no other. */
	j = enrol(&s, token, k);
	assert_int_equal(c->status, 200);
	holds(&s, at(c, j, "certificate"), at(c, j, "roots"), k);
	(void)enrol(&s, token, other);
	refused(&s, 403, "used by another key");
	/* Key and certificates stand in the log, and in the events. */
	assert_int_equal(cloud_number(c, "SELECT COUNT(*) FROM certificate"), issued + 2);
	assert_int_equal(cloud_number(c, "SELECT COUNT(*) FROM log_leaf"), leaves + 3);
	assert_int_equal(cloud_number(c,
				      "SELECT COUNT(*) FROM event WHERE kind IN ('token.made', "
				      "'token.used', 'key.added') AND subject <> ''"),
			 3);
	trusted_end(&s.t);
}

static int no_secret(struct db_tx *tx, void *user, struct err *e)
{
	static const struct db_sql sql = {"test_no_secret",
					  "SELECT COUNT(*) FROM enrol_token t, event v WHERE "
					  "t.hash LIKE $1 OR t.name LIKE $1"
					  " OR v.body LIKE $1",
					  "secret"};
	struct db_stmt *q = db_prepare(tx, &sql);
	db_bind_str(q, "secret", *(struct str *)user);
	assert_int_equal(db_step(q, e), 1);
	assert_int_equal(db_at_i64(q, 0), 0);
	return 0;
}

static void a_token_is_kept_as_a_hash(struct cloud *c)
{
	struct stage s;
	struct err e = ERR_INIT;
	struct join_token t;
	begin(&s, c);
	const char *token = token_by(&s, s.op, "{'kind': 'node', 'name': 'n9'}");
	assert_int_equal(join_token_read(str_from(token), &t, &e), 0);
	struct hash root = ca_root_fingerprint(s.t.users);
	assert_true(t.is_node && hash_eq(&t.root, &root));
	struct str pattern = str_from(text(c, "%%%.*s%%", STR_A(t.secret)));
	if (db_read(c->db, no_secret, &pattern, &e) < 0)
		fail_msg("%s", e.text);
	struct json *j = trusted_ok(&s.t, s.op, "GET", "/v1/tokens", "");
	assert_at(c, j, "tokens[0].name", "n9");
	assert_at(c, j, "tokens[0].made_by", "op");
	assert_null(strstr(arena_cstr(c->a, c->out.body), arena_cstr(c->a, t.secret)));
	/* What is wrong with a request is said without the token. */
	(void)trusted_call(&s.t, NULL, "POST", "/v1/enrol",
			   text(c, "{'token': '%s.', 'csr': 'x'}", token));
	refused(&s, 400, "hoc1");
	assert_null(strstr(c->text, arena_cstr(c->a, t.secret)));
	trusted_end(&s.t);
}

static void a_token_ends_after_a_day(struct cloud *c)
{
	struct stage s;
	struct key *k CLEAN(key_freep) = fresh_key(KEY_P256);
	begin(&s, c);
	const char *early = token_by(&s, s.op, "{'kind': 'person', 'name': 'eve'}"),
		   *late = token_by(&s, s.op, "{'kind': 'node', 'name': 'n9'}");
	c->now_ms += day_ms - 1;
	(void)enrol(&s, early, k);
	assert_int_equal(c->status, 201);
	c->now_ms += 1;
	(void)enrol(&s, late, k);
	refused(&s, 403, "expired");
	/* Also the key that was in may not come again. */
	(void)enrol(&s, early, k);
	refused(&s, 403, "expired");
	(void)trusted_call(&s.t, NULL, "POST", "/v1/enrol",
			   text(c, "{'token': 'hoc1.p.%s.%s', 'csr': '%s'}",
				"47DEQpj8HBSa-_TImW-5JCeuQeRkm5NMpJWZG3hSuFU",
				"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA", csr_of(&s, k)));
	refused(&s, 403, "not known");
	trusted_end(&s.t);
}

static void a_key_is_one_owners(struct cloud *c)
{
	struct stage s;
	begin(&s, c);
	const char *node = token_by(&s, s.op, "{'kind': 'node', 'name': 'n9'}");
	(void)enrol(&s, node, s.ann->key);
	refused(&s, 409, "somebody else's");
	/* An RSA key is for services. */
	(void)trusted_call(&s.t, NULL, "POST", "/v1/enrol",
			   text(c, "{'token': '%s', 'csr': 'nonsense'}", node));
	assert_int_equal(c->status, 400);
	assert_string_equal(c->field, "csr");
	struct key *k CLEAN(key_freep) = fresh_key(KEY_P256);
	struct json *j = enrol(&s, node, k);
	assert_at(c, j, "kind", "node");
	struct who n9 = as(&s, "node", "n9", k);
	j = trusted_ok(&s.t, &n9, "GET", "/v1/nodes/n9/keys", "");
	assert_at(c, j, "keys[0].title", "laptop");
	(void)trusted_call(&s.t, &n9, "GET", "/v1/nodes/n1/keys", "");
	assert_int_equal(c->status, 404);
	trusted_end(&s.t);
}

static void owners_invite_and_become_nobody(struct cloud *c)
{
	struct stage s;
	struct key *k CLEAN(key_freep) = fresh_key(KEY_P256),
		      *evil CLEAN(key_freep) = fresh_key(KEY_P256);
	static const struct {
		const char *body, *words;
		int status;
	} rows[] = {
		{"{'kind': 'node', 'name': 'n9'}", "only operators", 403},
		{"{'kind': 'person', 'name': 'eve', 'customer': 'evil', 'roles': ['auditor']}",
		 "only operators", 403},
		{"{'kind': 'person', 'name': 'eve', 'customer': 'shop'}",
		 "of which you are an owner", 403},
		{"{'kind': 'person', 'name': 'eve'}", "of which you are an owner", 403},
		{"{'kind': 'person', 'name': 'op', 'customer': 'evil'}", "there already", 409},
		{"{'kind': 'person', 'name': 'mallory', 'customer': 'evil'}", "adds a key",
		 400},
		{"{'kind': 'person', 'name': 'a b', 'customer': 'evil'}", "letters", 400},
	};
	begin(&s, c);
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		(void)trusted_call(&s.t, s.mallory, "POST", "/v1/tokens", rows[i].body);
		refused(&s, rows[i].status, rows[i].words);
	}
	(void)trusted_call(&s.t, s.bob, "POST", "/v1/tokens",
			   "{'kind': 'person', 'name': 'eve', 'customer': 'shop'}");
	refused(&s, 403, "of which you are an owner");
	/* An invitation for who is not there yet does not make its holder him once he is. */
	const char *trap = token_by(&s, s.mallory,
				    "{'kind': 'person', 'name': 'chief', 'customer': 'evil'}"),
		   *real = token_by(
			   &s, s.op,
			   "{'kind': 'person', 'name': 'chief', 'roles': ['operator']}");
	(void)enrol(&s, real, k);
	assert_int_equal(c->status, 201);
	(void)enrol(&s, trap, evil);
	refused(&s, 409, "came in since");
	/* One that is used in time works. */
	const char *good = token_by(
		&s, s.ann,
		"{'kind': 'person', 'name': 'carl', 'customer': 'shop', 'role': 'owner'}");
	(void)enrol(&s, good, evil);
	assert_int_equal(c->status, 201);
	struct who carl = as(&s, "person", "carl", evil);
	struct json *j = trusted_ok(&s.t, &carl, "GET", "/v1/me", "");
	assert_at(c, j, "customers[0].role", "owner");
	trusted_end(&s.t);
}

static void a_person_has_a_second_key(struct cloud *c)
{
	struct stage s;
	struct key *k CLEAN(key_freep) = fresh_key(KEY_P256),
		      *third CLEAN(key_freep) = fresh_key(KEY_P256);
	begin(&s, c);
	const char *token = token_by(&s, s.bob, "{'kind': 'person', 'name': 'bob'}"),
		   *late = token_by(&s, s.op, "{'kind': 'person', 'name': 'bob'}");
	struct json *j = enrol(&s, token, k);
	assert_at(c, j, "name", "bob");
	struct who second = as(&s, "person", "bob", k);
	j = trusted_ok(&s.t, &second, "GET", "/v1/persons/bob/keys", "");
	assert_int_equal(json_count(json_get(j, S("keys"))), 2);
	/* The lost one goes, by the other. */
	(void)trusted_ok(&s.t, &second, "POST", text(c, "/v1/keys/%s/revoke", s.bob->key_name),
			 "{'reason': 'key-compromise'}");
	(void)trusted_call(&s.t, s.bob, "GET", "/v1/me", "");
	refused(&s, 403, "revoked");
	(void)trusted_ok(&s.t, &second, "GET", "/v1/me", "");
	/* A revoked key comes in by no token. */
	(void)enrol(&s, late, s.bob->key);
	refused(&s, 403, "revoked");
	(void)trusted_ok(&s.t, s.op, "PUT", "/v1/persons/bob",
			 "{'roles': [], 'active': false}");
	(void)enrol(&s, late, third);
	refused(&s, 403, "not active");
	(void)trusted_call(&s.t, s.op, "POST", "/v1/tokens",
			   "{'kind': 'person', 'name': 'bob'}");
	refused(&s, 409, "not active");
	trusted_end(&s.t);
}

/* ---- renewing ------------------------------------------------------------------------------ */

static struct json *renew(struct stage *s, struct who *w, const struct key *k)
{
	return trusted_call(&s->t, w, "POST", "/v1/renew",
			    text(s->t.c, "{'csr': '%s'}", csr_of(s, k)));
}

static void certificates_are_renewed(struct cloud *c)
{
	struct stage s;
	struct key *k CLEAN(key_freep) = fresh_key(KEY_ED25519);
	begin(&s, c);
	c->now_ms += 20 * day_ms;
	struct json *j = renew(&s, s.ann, s.ann->key);
	assert_int_equal(c->status, 200);
	assert_at(c, j, "name", "ann");
	holds(&s, at(c, j, "certificate"), at(c, j, "roots"), s.ann->key);
	/* With a new key: the old one stays until it is revoked. */
	j = renew(&s, s.ann, k);
	assert_at(c, j, "key", name_of(&s, k));
	holds(&s, at(c, j, "certificate"), at(c, j, "roots"), k);
	struct who ann = as(&s, "person", "ann", k);
	(void)trusted_ok(&s.t, s.ann, "GET", "/v1/me", "");
	(void)trusted_ok(&s.t, &ann, "GET", "/v1/me", "");
	/* Not with somebody else's. */
	(void)renew(&s, s.bob, s.ann->key);
	refused(&s, 409, "somebody else's");
	j = renew(&s, s.n1, s.n1->key);
	assert_at(c, j, "kind", "node");
	(void)trusted_call(&s.t, NULL, "POST", "/v1/renew",
			   text(c, "{'csr': '%s'}", csr_of(&s, k)));
	assert_int_equal(c->status, 401);
	/* 30 days after the end of the newest one it is too late. */
	c->now_ms += 60 * day_ms;
	(void)renew(&s, s.ann, s.ann->key);
	assert_int_equal(c->status, 200);
	c->now_ms += 60 * day_ms + 1;
	(void)renew(&s, s.ann, s.ann->key);
	refused(&s, 403, "more than 30 days ago");
	trusted_end(&s.t);
}

static void a_revoked_key_renews_nothing(struct cloud *c)
{
	struct stage s;
	struct key *k CLEAN(key_freep) = fresh_key(KEY_P256);
	begin(&s, c);
	(void)trusted_ok(&s.t, s.op, "POST", text(c, "/v1/keys/%s/revoke", s.ann->key_name),
			 "{}");
	(void)renew(&s, s.ann, s.ann->key);
	refused(&s, 403, "revoked");
	(void)renew(&s, s.ann, k);
	refused(&s, 403, "revoked");
	/* Nor does another of his bring it back. */
	(void)renew(&s, s.bob, s.ann->key);
	refused(&s, 409, "somebody else's");
	/* A session of a browser has no key. */
	const struct api_request req = {
		.caller = {.kind = API_PERSON, .name = S("bob")},
		.method = S("POST"),
		.target = S("/v1/tokens"),
		.content_type = S("application/json"),
		.body = S("{\"kind\": \"person\", \"name\": \"bob\"}"),
	};
	(void)trusted_request(&s.t, &req);
	refused(&s, 403, "certificate");
	trusted_end(&s.t);
}

/* ---- keys ---------------------------------------------------------------------------------- */

static const char *statement_of(struct stage *s, struct who *w, const char *recipient)
{
	struct err e = ERR_INIT;
	struct arena *a = s->t.c->a;
	struct str signature, t = join_statement(str_from(w->kind), str_from(w->name),
						 str_from(recipient), a);
	if (key_sign(w->key, t, a, &signature, &e) < 0)
		fail_msg("%s", e.text);
	return arena_cstr(a, base64url(signature, a));
}

static struct json *seal(struct stage *s, struct who *by, struct who *of, const char *recipient,
			 const char *statement)
{
	return trusted_call(
		&s->t, by, "PUT", text(s->t.c, "/v1/keys/%s/seal", of->key_name),
		text(s->t.c, "{'seal_key': '%s', 'statement': '%s'}", recipient, statement));
}

static void a_sealing_key_is_signed_for(struct cloud *c)
{
	struct stage s;
	begin(&s, c);
	int64_t leaves = cloud_number(c, "SELECT COUNT(*) FROM log_leaf");
	const char *mine = statement_of(&s, s.ann, s.bob->recipient);
	struct json *j = seal(&s, s.ann, s.ann, s.bob->recipient, mine);
	assert_int_equal(c->status, 200);
	assert_at(c, j, "seal_key", s.bob->recipient);
	assert_at(c, j, "statement", mine);
	assert_int_equal(cloud_number(c, "SELECT COUNT(*) FROM log_leaf"), leaves + 1);
	/* The same again changes nothing. */
	(void)seal(&s, s.ann, s.ann, s.bob->recipient, mine);
	assert_int_equal(c->status, 200);
	assert_int_equal(cloud_number(c, "SELECT COUNT(*) FROM log_leaf"), leaves + 1);
	/* Signed by another, for another recipient, or garbage. */
	(void)seal(&s, s.ann, s.ann, s.ann->recipient,
		   statement_of(&s, s.bob, s.ann->recipient));
	refused(&s, 400, "not this key's signature");
	(void)seal(&s, s.ann, s.ann, s.ann->recipient, mine);
	refused(&s, 400, "not this key's signature");
	(void)seal(&s, s.ann, s.ann, s.ann->recipient, "!");
	refused(&s, 400, "not this key's signature");
	(void)seal(&s, s.ann, s.ann, "age1nonsense", mine);
	assert_string_equal(c->field, "seal_key");
	/* Nobody sets another's, not even an operator. */
	(void)seal(&s, s.op, s.ann, s.ann->recipient,
		   statement_of(&s, s.ann, s.ann->recipient));
	assert_int_equal(c->status, 404);
	j = trusted_ok(&s.t, s.op, "GET", "/v1/persons/ann/keys", "");
	assert_at(c, j, "keys[0].seal_key", s.bob->recipient);
	j = seal(&s, s.n1, s.n1, s.n1->recipient, statement_of(&s, s.n1, s.n1->recipient));
	assert_at(c, j, "kind", "node");
	trusted_end(&s.t);
}

static void keys_are_revoked_by_whom_they_are(struct cloud *c)
{
	struct stage s;
	begin(&s, c);
	const char *bob = text(c, "/v1/keys/%s/revoke", s.bob->key_name);
	/* An owner ends a membership, not a member's key. */
	(void)trusted_call(&s.t, s.ann, "POST", bob, "{}");
	assert_int_equal(c->status, 404);
	(void)trusted_call(&s.t, s.n1, "POST", bob, "{}");
	assert_int_equal(c->status, 404);
	(void)trusted_call(&s.t, s.ann, "GET", "/v1/persons/bob/keys", "");
	assert_int_equal(c->status, 404);
	(void)trusted_call(&s.t, s.op, "POST", bob, "{'reason': 'tired'}");
	assert_int_equal(c->status, 400);
	struct json *j = trusted_ok(&s.t, s.op, "POST", bob, "{'reason': 'ceased'}");
	assert_at(c, j, "reason", "ceased");
	/* Again: nothing changes. */
	int64_t events = cloud_number(c, "SELECT COUNT(*) FROM event");
	j = trusted_ok(&s.t, s.op, "POST", bob, "{'reason': 'superseded'}");
	assert_at(c, j, "reason", "ceased");
	assert_int_equal(cloud_number(c, "SELECT COUNT(*) FROM event"), events);
	(void)trusted_ok(&s.t, s.n1, "POST", text(c, "/v1/keys/%s/revoke", s.n1->key_name),
			 "{}");
	(void)trusted_call(&s.t, s.n1, "GET", "/v1/nodes/n1/keys", "");
	refused(&s, 403, "revoked");
	trusted_end(&s.t);
}

/* ---- what the authority says --------------------------------------------------------------- */

static struct str crl_of(struct stage *s, const char *authority)
{
	(void)trusted_call(&s->t, NULL, "GET", text(s->t.c, "/v1/ca/%s/crl", authority), "");
	assert_int_equal(s->t.c->status, 200);
	assert_string_equal(s->t.c->out.content_type, "application/pkix-crl");
	return arena_dup(s->t.c->a, s->t.c->out.body);
}

static const char *serial_of(struct stage *s, const char *pem)
{
	struct err e = ERR_INIT;
	struct cert *chain;
	size_t n;
	if (cert_chain_read(str_from(pem), s->t.c->a, &chain, &n, &e) < 0)
		fail_msg("%s", e.text);
	return text(s->t.c, "%s", chain[0].serial);
}

static void what_is_revoked_is_told(struct cloud *c)
{
	struct stage s;
	struct err e = ERR_INIT;
	struct cert_trust *trust;
	begin(&s, c);
	struct str empty = crl_of(&s, "users"), again = crl_of(&s, "users");
	assert_true(str_eq(empty, again));
	struct json *j = renew(&s, s.ann, s.ann->key);
	const char *pem = at(c, j, "certificate"), *serial = serial_of(&s, pem);
	const char *status = text(c, "/v1/certificates/%s", serial);
	j = trusted_ok(&s.t, NULL, "GET", status, "");
	assert_at(c, j, "status", "good");
	(void)trusted_ok(&s.t, s.ann, "POST", text(c, "/v1/keys/%s/revoke", s.ann->key_name),
			 "{'reason': 'key-compromise'}");
	j = trusted_ok(&s.t, NULL, "GET", status, "");
	assert_at(c, j, "status", "revoked");
	assert_at(c, j, "reason", "key-compromise");
	struct str full = crl_of(&s, "users");
	assert_false(str_eq(empty, full));
	/* Whoever checks the list knows the issuers: GET /v1/ca has them. */
	j = trusted_ok(&s.t, NULL, "GET", "/v1/ca", "");
	const char *known = text(c, "%s%s", at(c, j, "users.roots"), at(c, j, "users.chain"));
	assert_int_equal(cert_trust_new(str_from(known), &trust, &e), 0);
	if (cert_trust_add_crl(trust, full, &e) < 0)
		fail_msg("%s", e.text);
	struct cert *chain;
	size_t n;
	assert_int_equal(cert_chain_read(str_from(pem), c->a, &chain, &n, &e), 0);
	assert_int_equal(cert_check(trust, chain, n, c->now_ms, false, S("")), CERT_REVOKED);
	cert_trust_free(trust);
	/* A list is made anew each day, and once all that is on it has ended. */
	c->now_ms += day_ms;
	struct str next = crl_of(&s, "users");
	assert_false(str_eq(full, next));
	c->now_ms = chain[0].to_ms;
	assert_true(crl_of(&s, "users").n < full.n);
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
	struct key *k CLEAN(key_freep) = fresh_key(KEY_P256),
		      *second CLEAN(key_freep) = fresh_key(KEY_P256);
	struct cert_trust *trust;
	struct cert *chain;
	size_t n;
	begin(&s, c);
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
	(void)enrol(&s, arena_cstr(c->a, m.out), k);
	assert_int_equal(c->status, 201);
	struct who root = as(&s, "person", "root", k);
	(void)trusted_ok(&s.t, &root, "GET", "/v1/tokens", "");
	(void)trusted_ok(&s.t, &root, "POST", text(c, "/v1/keys/%s/revoke", root.key_name),
			 "{}");
	m.roles = "";
	if (db_write(c->db, token_body, &m, &e) < 0)
		fail_msg("%s", e.text);
	(void)enrol(&s, arena_cstr(c->a, m.out), second);
	assert_int_equal(c->status, 201);
	root = as(&s, "person", "root", second);
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
	begin(&s, c);
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
				 names, csr_of(s, k)));
}

static void services_have_their_tenants_names(struct cloud *c)
{
	struct stage s;
	struct err e = ERR_INIT;
	struct key *k CLEAN(key_freep) = fresh_key(KEY_P256);
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
	begin(&s, c);
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
	struct cert_trust *trust;
	struct cert *chain;
	size_t n;
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
	struct str before = crl_of(&s, "services");
	j = trusted_ok(&s.t, s.bob, "POST", revoke, "{'reason': 'superseded'}");
	assert_at(c, j, "status", "revoked");
	assert_true(crl_of(&s, "services").n > before.n);
	(void)trusted_call(
		&s.t, s.op, "POST",
		text(c, "/v1/certificates/%s/revoke",
		     serial_of(&s, at(c, renew(&s, s.ann, s.ann->key), "certificate"))),
		"{}");
	refused(&s, 409, "revoke the key");
	trusted_end(&s.t);
}

static struct json *authority(struct stage *s, struct who *by, const struct key *k)
{
	return trusted_call(&s->t, by, "POST", "/v1/nodes/n1/authority",
			    text(s->t.c, "{'csr': '%s'}", csr_of(s, k)));
}

/* Does a leaf for `name`, made by the delegated issuer, hold under the cloud's roots? */
static enum cert_fault by_node(struct stage *s, const char *issuer, const struct key *k,
			       const char *name)
{
	struct err e = ERR_INIT;
	struct cloud *c = s->t.c;
	struct ca *ca CLEAN(ca_freep) = NULL;
	struct cert_trust *trust CLEAN(cert_trust_freep) = NULL;
	struct cert *chain;
	size_t n;
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
	struct key *k CLEAN(key_freep) = fresh_key(KEY_P256);
	begin(&s, c);
	(void)authority(&s, s.n1, k);
	refused(&s, 404, "nothing is delegated");
	(void)trusted_call(&s.t, s.n1, "PUT", "/v1/nodes/n1/delegation", "{}");
	assert_int_equal(c->status, 403);
	struct json *j = trusted_ok(&s.t, s.op, "PUT", "/v1/nodes/n1/delegation", "{}");
	assert_int_equal(json_count(json_get(j, S("names"))), 0);
	(void)authority(&s, s.n1, k);
	refused(&s, 409, "no tenant");
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
	j = trusted_ok(&s.t, NULL, "GET", text(c, "/v1/certificates/%s", serial_of(&s, issuer)),
		       "");
	assert_at(c, j, "status", "revoked");
	(void)authority(&s, s.n1, k);
	assert_int_equal(c->status, 404);
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
		{"a token lets one key in", a_token_lets_one_key_in},
		{"a token is kept as a hash", a_token_is_kept_as_a_hash},
		{"a token ends after a day", a_token_ends_after_a_day},
		{"a key is one owner's", a_key_is_one_owners},
		{"owners invite and become nobody", owners_invite_and_become_nobody},
		{"a person has a second key", a_person_has_a_second_key},
		{"certificates are renewed", certificates_are_renewed},
		{"a revoked key renews nothing", a_revoked_key_renews_nothing},
		{"a sealing key is signed for", a_sealing_key_is_signed_for},
		{"keys are revoked by whom they are", keys_are_revoked_by_whom_they_are},
		{"what is revoked is told", what_is_revoked_is_told},
		{"a master makes its own", a_master_makes_its_own},
		{"names belong to one customer", names_belong_to_one_customer},
		{"services have their tenant's names", services_have_their_tenants_names},
		{"a node issues for its tenants", a_node_issues_for_its_tenants},
		{"a local master has no authority", a_local_master_has_no_authority},
	};
	return cloud_run(argc, argv, cases, ARRAY_LEN(cases));
}
