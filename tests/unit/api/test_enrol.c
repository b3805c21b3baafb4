/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * How keys come in, are renewed and end. The clock is the test's: a day passes where a token
 * ends, a month where a certificate does.
 */
#include "stage.h"

#include "trust/cert.h"
#include "trust/join.h"
#include "trust/jose.h"

static const char *token_by(struct stage *s, struct who *w, const char *body)
{
	return at(s->t.c, trusted_ok(&s->t, w, "POST", "/v1/tokens", body), "token");
}

/* The chain holds for a client, and is for that key. */
static void holds(struct stage *s, const char *pem, const char *roots, const struct key *k)
{
	struct err e = ERR_INIT;
	struct cert_trust *trust = NULL;
	struct cert *chain = NULL;
	size_t n = 0;
	struct hash name = key_name(k);
	if (cert_trust_new(str_from(roots), &trust, &e) < 0 ||
	    cert_chain_read(str_from(pem), s->t.c->a, &chain, &n, &e) < 0)
		fail_msg("%s", e.text);
	assert_true(n >= 2);
	assert_int_equal(cert_check(trust, chain, n, s->t.c->now_ms, false, S("")), CERT_GOOD);
	assert_true(hash_eq(&chain[0].key, &name));
	cert_trust_free(trust);
}

/* ---- tokens -------------------------------------------------------------------------------- */

static void a_token_lets_one_key_in(struct cloud *c)
{
	struct stage s;
	struct key *k CLEAN(key_freep) = stage_key(KEY_ED25519),
		      *other CLEAN(key_freep) = stage_key(KEY_P256);
	stage_begin(&s, c);
	int64_t issued = cloud_number(c, "SELECT COUNT(*) FROM certificate"),
		leaves = cloud_number(c, "SELECT COUNT(*) FROM log_leaf");
	const char *token = token_by(&s, s.op,
				     "{'kind': 'person', 'name': 'eve', 'roles': ['auditor', "
				     "'publisher', 'auditor'], 'customer': 'shop'}");
	assert_int_equal(c->status, 201);
	struct json *j = stage_enrol(&s, token, k);
	assert_int_equal(c->status, 201);
	assert_at(c, j, "kind", "person");
	assert_at(c, j, "name", "eve");
	assert_at(c, j, "cloud", "test");
	assert_at(c, j, "key", stage_key_name(&s, k));
	holds(&s, at(c, j, "certificate"), at(c, j, "roots"), k);
	struct who eve = stage_as(&s, "person", "eve", k);
	j = trusted_ok(&s.t, &eve, "GET", "/v1/me", "");
	assert_at(c, j, "customers[0].customer", "shop");
	assert_at(c, j, "customers[0].role", "member");
	assert_at(c, j, "roles[0]", "publisher");
	assert_at(c, j, "roles[1]", "auditor");
	/* The answer was lost: the same key may ask again, no other. */
	j = stage_enrol(&s, token, k);
	assert_int_equal(c->status, 200);
	holds(&s, at(c, j, "certificate"), at(c, j, "roots"), k);
	(void)stage_enrol(&s, token, other);
	stage_refused(&s, 403, "used by another key");
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
	stage_begin(&s, c);
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
	stage_refused(&s, 400, "hoc1");
	assert_null(strstr(c->text, arena_cstr(c->a, t.secret)));
	trusted_end(&s.t);
}

static void a_token_ends_after_a_day(struct cloud *c)
{
	struct stage s;
	struct key *k CLEAN(key_freep) = stage_key(KEY_P256);
	stage_begin(&s, c);
	const char *early = token_by(&s, s.op, "{'kind': 'person', 'name': 'eve'}"),
		   *late = token_by(&s, s.op, "{'kind': 'node', 'name': 'n9'}");
	c->now_ms += day_ms - 1;
	(void)stage_enrol(&s, early, k);
	assert_int_equal(c->status, 201);
	c->now_ms += 1;
	(void)stage_enrol(&s, late, k);
	stage_refused(&s, 403, "expired");
	/* Also the key that was in may not come again. */
	(void)stage_enrol(&s, early, k);
	stage_refused(&s, 403, "expired");
	(void)trusted_call(&s.t, NULL, "POST", "/v1/enrol",
			   text(c, "{'token': 'hoc1.p.%s.%s', 'csr': '%s'}",
				"47DEQpj8HBSa-_TImW-5JCeuQeRkm5NMpJWZG3hSuFU",
				"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA", stage_csr(&s, k)));
	stage_refused(&s, 403, "not known");
	trusted_end(&s.t);
}

static void a_key_is_one_owners(struct cloud *c)
{
	struct stage s;
	stage_begin(&s, c);
	const char *node = token_by(&s, s.op, "{'kind': 'node', 'name': 'n9'}");
	(void)stage_enrol(&s, node, s.ann->key);
	stage_refused(&s, 409, "somebody else's");
	/* An RSA key is for services. */
	(void)trusted_call(&s.t, NULL, "POST", "/v1/enrol",
			   text(c, "{'token': '%s', 'csr': 'nonsense'}", node));
	assert_int_equal(c->status, 400);
	assert_string_equal(c->field, "csr");
	struct key *k CLEAN(key_freep) = stage_key(KEY_P256);
	struct json *j = stage_enrol(&s, node, k);
	assert_at(c, j, "kind", "node");
	struct who n9 = stage_as(&s, "node", "n9", k);
	j = trusted_ok(&s.t, &n9, "GET", "/v1/nodes/n9/keys", "");
	assert_at(c, j, "keys[0].title", "laptop");
	(void)trusted_call(&s.t, &n9, "GET", "/v1/nodes/n1/keys", "");
	assert_int_equal(c->status, 404);
	trusted_end(&s.t);
}

static void owners_invite_and_become_nobody(struct cloud *c)
{
	struct stage s;
	struct key *k CLEAN(key_freep) = stage_key(KEY_P256),
		      *evil CLEAN(key_freep) = stage_key(KEY_P256);
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
	stage_begin(&s, c);
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		(void)trusted_call(&s.t, s.mallory, "POST", "/v1/tokens", rows[i].body);
		stage_refused(&s, rows[i].status, rows[i].words);
	}
	(void)trusted_call(&s.t, s.bob, "POST", "/v1/tokens",
			   "{'kind': 'person', 'name': 'eve', 'customer': 'shop'}");
	stage_refused(&s, 403, "of which you are an owner");
	/* An invitation for who is not there yet does not make its holder him once he is. */
	const char *trap = token_by(&s, s.mallory,
				    "{'kind': 'person', 'name': 'chief', 'customer': 'evil'}"),
		   *real = token_by(
			   &s, s.op,
			   "{'kind': 'person', 'name': 'chief', 'roles': ['operator']}");
	(void)stage_enrol(&s, real, k);
	assert_int_equal(c->status, 201);
	(void)stage_enrol(&s, trap, evil);
	stage_refused(&s, 409, "came in since");
	/* One that is used in time works. */
	const char *good = token_by(
		&s, s.ann,
		"{'kind': 'person', 'name': 'carl', 'customer': 'shop', 'role': 'owner'}");
	(void)stage_enrol(&s, good, evil);
	assert_int_equal(c->status, 201);
	struct who carl = stage_as(&s, "person", "carl", evil);
	struct json *j = trusted_ok(&s.t, &carl, "GET", "/v1/me", "");
	assert_at(c, j, "customers[0].role", "owner");
	trusted_end(&s.t);
}

static void a_person_has_a_second_key(struct cloud *c)
{
	struct stage s;
	struct key *k CLEAN(key_freep) = stage_key(KEY_P256),
		      *third CLEAN(key_freep) = stage_key(KEY_P256);
	stage_begin(&s, c);
	const char *token = token_by(&s, s.bob, "{'kind': 'person', 'name': 'bob'}"),
		   *late = token_by(&s, s.op, "{'kind': 'person', 'name': 'bob'}");
	struct json *j = stage_enrol(&s, token, k);
	assert_at(c, j, "name", "bob");
	struct who second = stage_as(&s, "person", "bob", k);
	j = trusted_ok(&s.t, &second, "GET", "/v1/persons/bob/keys", "");
	assert_int_equal(json_count(json_get(j, S("keys"))), 2);
	/* The lost one goes, by the other. */
	(void)trusted_ok(&s.t, &second, "POST", text(c, "/v1/keys/%s/revoke", s.bob->key_name),
			 "{'reason': 'key-compromise'}");
	(void)trusted_call(&s.t, s.bob, "GET", "/v1/me", "");
	stage_refused(&s, 403, "revoked");
	(void)trusted_ok(&s.t, &second, "GET", "/v1/me", "");
	/* A revoked key comes in by no token. */
	(void)stage_enrol(&s, late, s.bob->key);
	stage_refused(&s, 403, "revoked");
	(void)trusted_ok(&s.t, s.op, "PUT", "/v1/persons/bob",
			 "{'roles': [], 'active': false}");
	(void)stage_enrol(&s, late, third);
	stage_refused(&s, 403, "not active");
	(void)trusted_call(&s.t, s.op, "POST", "/v1/tokens",
			   "{'kind': 'person', 'name': 'bob'}");
	stage_refused(&s, 409, "not active");
	trusted_end(&s.t);
}

/* ---- renewing ------------------------------------------------------------------------------ */

static void certificates_are_renewed(struct cloud *c)
{
	struct stage s;
	struct key *k CLEAN(key_freep) = stage_key(KEY_ED25519);
	stage_begin(&s, c);
	c->now_ms += 20 * day_ms;
	struct json *j = stage_renew(&s, s.ann, s.ann->key);
	assert_int_equal(c->status, 200);
	assert_at(c, j, "name", "ann");
	holds(&s, at(c, j, "certificate"), at(c, j, "roots"), s.ann->key);
	/* With a new key: the old one stays until it is revoked. */
	j = stage_renew(&s, s.ann, k);
	assert_at(c, j, "key", stage_key_name(&s, k));
	holds(&s, at(c, j, "certificate"), at(c, j, "roots"), k);
	struct who ann = stage_as(&s, "person", "ann", k);
	(void)trusted_ok(&s.t, s.ann, "GET", "/v1/me", "");
	(void)trusted_ok(&s.t, &ann, "GET", "/v1/me", "");
	/* Not with somebody else's. */
	(void)stage_renew(&s, s.bob, s.ann->key);
	stage_refused(&s, 409, "somebody else's");
	j = stage_renew(&s, s.n1, s.n1->key);
	assert_at(c, j, "kind", "node");
	(void)trusted_call(&s.t, NULL, "POST", "/v1/renew",
			   text(c, "{'csr': '%s'}", stage_csr(&s, k)));
	assert_int_equal(c->status, 401);
	/* 30 days after the end of the newest one it is too late. */
	c->now_ms += 60 * day_ms;
	(void)stage_renew(&s, s.ann, s.ann->key);
	assert_int_equal(c->status, 200);
	c->now_ms += 60 * day_ms + 1;
	(void)stage_renew(&s, s.ann, s.ann->key);
	stage_refused(&s, 403, "more than 30 days ago");
	trusted_end(&s.t);
}

static void a_revoked_key_renews_nothing(struct cloud *c)
{
	struct stage s;
	struct key *k CLEAN(key_freep) = stage_key(KEY_P256);
	stage_begin(&s, c);
	(void)trusted_ok(&s.t, s.op, "POST", text(c, "/v1/keys/%s/revoke", s.ann->key_name),
			 "{}");
	(void)stage_renew(&s, s.ann, s.ann->key);
	stage_refused(&s, 403, "revoked");
	(void)stage_renew(&s, s.ann, k);
	stage_refused(&s, 403, "revoked");
	/* Nor does another of his bring it back. */
	(void)stage_renew(&s, s.bob, s.ann->key);
	stage_refused(&s, 409, "somebody else's");
	/* A session of a browser has no key. */
	const struct api_request req = {
		.caller = {.kind = API_PERSON, .name = S("bob")},
		.method = S("POST"),
		.target = S("/v1/tokens"),
		.content_type = S("application/json"),
		.body = S("{\"kind\": \"person\", \"name\": \"bob\"}"),
	};
	(void)trusted_request(&s.t, &req);
	stage_refused(&s, 403, "certificate");
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
	stage_begin(&s, c);
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
	stage_refused(&s, 400, "not this key's signature");
	(void)seal(&s, s.ann, s.ann, s.ann->recipient, mine);
	stage_refused(&s, 400, "not this key's signature");
	(void)seal(&s, s.ann, s.ann, s.ann->recipient, "!");
	stage_refused(&s, 400, "not this key's signature");
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
	stage_begin(&s, c);
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
	stage_refused(&s, 403, "revoked");
	trusted_end(&s.t);
}

/* A thief who had a key for an hour left tokens behind: they end with the key, or with its owner. */
static void tokens_end_with_who_made_them(struct cloud *c)
{
	struct stage s;
	struct key *eve CLEAN(key_freep) = stage_key(KEY_P256),
			*again CLEAN(key_freep) = stage_key(KEY_P256);
	stage_begin(&s, c);
	const char *own = token_by(&s, s.ann, "{'kind': 'person', 'name': 'ann'}");
	const char *invited =
		token_by(&s, s.ann, "{'kind': 'person', 'name': 'eve', 'customer': 'shop'}");
	const char *used =
		token_by(&s, s.ann, "{'kind': 'person', 'name': 'dan', 'customer': 'shop'}");
	const char *others =
		token_by(&s, s.op, "{'kind': 'person', 'name': 'fay', 'customer': 'shop'}");
	(void)stage_enrol(&s, used, eve);
	assert_int_equal(c->status, 201);
	(void)trusted_ok(&s.t, s.op, "POST", text(c, "/v1/keys/%s/revoke", s.ann->key_name),
			 "{'reason': 'key-compromise'}");
	(void)stage_enrol(&s, own, again);
	stage_refused(&s, 403, "expired");
	(void)stage_enrol(&s, invited, again);
	stage_refused(&s, 403, "expired");
	/* What was used before, and what others made, is as it was. */
	(void)stage_enrol(&s, used, eve);
	assert_int_equal(c->status, 200);
	(void)stage_enrol(&s, others, again);
	assert_int_equal(c->status, 201);
	const char *bobs = token_by(&s, s.bob, "{'kind': 'person', 'name': 'bob'}");
	assert_int_equal(c->status, 201);
	(void)trusted_ok(&s.t, s.op, "PUT", "/v1/persons/bob",
			 "{'roles': [], 'active': false}");
	(void)trusted_ok(&s.t, s.op, "PUT", "/v1/persons/bob", "{'roles': [], 'active': true}");
	struct key *third CLEAN(key_freep) = stage_key(KEY_P256);
	(void)stage_enrol(&s, bobs, third);
	stage_refused(&s, 403, "expired");
	trusted_end(&s.t);
}

/* With a certificate for it, a customer could show the master's pages to browsers. */
static void nobody_lists_the_masters_name(struct cloud *c)
{
	struct stage s;
	stage_begin(&s, c);
	(void)trusted_call(&s.t, s.ann, "PUT", "/v1/customers/shop/domains/cloud.test", "{}");
	stage_refused(&s, 400, "is the master's");
	(void)trusted_ok(&s.t, s.ann, "PUT", "/v1/customers/shop/domains/other.test", "{}");
	trusted_end(&s.t);
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
		{"tokens end with who made them", tokens_end_with_who_made_them},
		{"nobody lists the master's name", nobody_lists_the_masters_name},
	};
	return cloud_run(argc, argv, cases, ARRAY_LEN(cases));
}
