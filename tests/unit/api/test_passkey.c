/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * People in browsers: passkeys and sessions, with an authenticator in software that can be told to
 * lie. Every lie is refused, and what could tell who is here is refused in the same words.
 */
#include "api/passkey.h"
#include "api/session.h"
#include "trust/cert.h"
#include "trust/jose.h"
#include "trusted.h"

#define ORIGIN "https://cloud.test:8443"
#define HIDDEN "this passkey is not known here, or not good any more"

enum {
	PRESENT = 1,
	VERIFIED = 4,
	CREDENTIAL = 64,
	GOOD = PRESENT | VERIFIED,
	MINUTE_MS = 60000
};

/* What a browser sends with every request. */
struct browser {
	const char *cookie, *origin, *host, *agent, *type;
};
static const struct browser plain = {"", ORIGIN, "cloud.test:8443", "Browser/1",
				     "application/json"};

/* An authenticator with one key, and what it says; a lie changes a field. */
struct device {
	struct key *key, *signer; /* signer: what it signs with, if not that key */
	const char *id, *rp, *origin, *create, *get, *handle;
	unsigned flags;
	uint32_t count;
	bool is_cross;
};

struct house {
	struct trusted t;
	struct cloud *c;
	struct who *op, *ana, *ben;
	struct device phone;
};

static struct device device_new(const char *id)
{
	struct err e = ERR_INIT;
	struct device d = {.id = id,
			   .rp = "cloud.test",
			   .origin = ORIGIN,
			   .create = "webauthn.create",
			   .get = "webauthn.get",
			   .flags = GOOD};
	assert_int_equal(key_make(KEY_P256, &d.key, &e), 0);
	return d;
}

static void house_open(struct house *h, struct cloud *c)
{
	*h = (struct house){.c = c, .phone = device_new("phone-phone-phone")};
	trusted_begin(&h->t, c);
	h->op = trusted_person(&h->t, "op", "operator", NULL, false);
	h->ana = trusted_person(&h->t, "ana", "", "acme", true);
	h->ben = trusted_person(&h->t, "ben", "", "beta", true);
}

static void house_close(struct house *h)
{
	key_free(h->phone.key);
	trusted_end(&h->t);
}

/* ---- calls of a browser -------------------------------------------------------------------- */

static struct json *web(struct house *h, const struct browser *b, const char *method,
			const char *target, const char *body)
{
	struct cloud *c = h->c;
	char *copy = arena_alloc(c->a, strlen(body) + 1);
	assert_non_null(copy);
	for (size_t i = 0; body[i]; i++)
		copy[i] = body[i] == '\'' ? '"' : body[i];
	const struct api_request req = {
		.method = str_from(method),
		.target = str_from(target),
		.host = str_from(b->host),
		.is_tls = true,
		.cookie = str_from(b->cookie),
		.origin = strcmp(method, "GET") == 0 ? S("") : str_from(b->origin),
		.agent = str_from(b->agent),
		.content_type = str_from(b->type),
		.accept = S("*/*"),
		.body = str_from(copy),
	};
	struct json *j = trusted_request(&h->t, &req);
	/* A refusal may be an answer that was committed: its text is in the body then. */
	if (c->status >= 400 && !c->text[0])
		(void)snprintf(c->text, sizeof c->text, "%.*s", STR_A(c->out.body));
	return j;
}

static void is_refused(struct house *h, int status, const char *words, const char *what)
{
	if (h->c->status != status || !strstr(h->c->text, words))
		fail_msg("%s: %d %s '%s' instead of %d '%s'", what, h->c->status, h->c->field,
			 h->c->text, status, words);
}

static void refused(struct house *h, const struct browser *b, const char *method,
		    const char *target, const char *body, int status, const char *words)
{
	web(h, b, method, target, body);
	is_refused(h, status, words, target);
}

static struct json *fine(struct house *h, const struct browser *b, const char *method,
			 const char *target, const char *body)
{
	struct json *j = web(h, b, method, target, body);
	if (h->c->status != 200 && h->c->status != 201)
		fail_msg("%s %s: %d %s %s", method, target, h->c->status, h->c->field,
			 h->c->text);
	return j;
}

/* ---- the authenticator --------------------------------------------------------------------- */

static struct str join(struct house *h, struct str x, struct str y)
{
	char *p = arena_alloc(h->c->a, x.n + y.n + 1);
	memcpy(p, x.p, x.n);
	memcpy(p + x.n, y.p, y.n);
	return str_of(p, x.n + y.n);
}

static struct str unhex(struct house *h, const char *hex)
{
	struct err e = ERR_INIT;
	size_t n = strlen(hex) / 2;
	uint8_t *p = arena_alloc(h->c->a, n + 1);
	assert_int_equal(str_unhex(str_from(hex), p, n, &e), 0);
	return str_of((const char *)p, n);
}

static struct str client_data(struct house *h, const struct device *d, const char *type,
			      const char *challenge)
{
	return str_from(text(h->c,
			     "{\"type\":\"%s\",\"challenge\":\"%s\",\"origin\":\"%s\","
			     "\"crossOrigin\":%s,\"more\":1}",
			     type, challenge, d->origin, d->is_cross ? "true" : "false"));
}

static struct str authenticator_data(struct house *h, const struct device *d, unsigned flags)
{
	struct hash rp = hash_of(str_from(d->rp));
	char tail[5] = {(char)flags, (char)(d->count >> 24), (char)(d->count >> 16),
			(char)(d->count >> 8), (char)d->count};
	return join(h, str_of((const char *)rp.bytes, HASH_BYTES), str_of(tail, 5));
}

static struct str attestation(struct house *h, const struct device *d)
{
	struct str public = key_public(d->key);
	struct str x = str_sub(public, public.n - 64, 32),
		   y = str_sub(public, public.n - 32, 32);
	char length[2] = {0, (char)strlen(d->id)};
	struct str data = authenticator_data(h, d, d->flags | CREDENTIAL);
	data = join(h, data, unhex(h, "00000000000000000000000000000000"));
	data = join(h, data, join(h, str_of(length, 2), str_from(d->id)));
	data = join(h, data, join(h, unhex(h, "a5010203262001215820"), x));
	data = join(h, data, join(h, unhex(h, "225820"), y));
	char head[2] = {0x58, (char)data.n};
	struct str start = unhex(h, "a363666d74646e6f6e656761747453746d74a0686175746844617461");
	return join(h, join(h, start, str_of(head, 2)), data);
}

static const char *b64(struct house *h, struct str bytes)
{
	return arena_cstr(h->c->a, base64url(bytes, h->c->a));
}

/* The body of POST /v1/passkeys; `link` may be NULL. */
static const char *registration(struct house *h, const struct device *d, const char *link,
				const char *challenge)
{
	return text(h->c,
		    "{%s%s%s'title':'phone','client_data':'%s','attestation_object':'%s'}",
		    link ? "'link':'" : "", link ? link : "", link ? "'," : "",
		    b64(h, client_data(h, d, d->create, challenge)), b64(h, attestation(h, d)));
}

/* The body of POST /v1/sessions. */
static const char *login(struct house *h, const struct device *d, const char *challenge)
{
	struct err e = ERR_INIT;
	struct str client = client_data(h, d, d->get, challenge), signature;
	struct str data = authenticator_data(h, d, d->flags);
	struct hash said = hash_of(client);
	assert_int_equal(key_sign(d->signer ? d->signer : d->key,
				  join(h, data, str_of((const char *)said.bytes, HASH_BYTES)),
				  h->c->a, &signature, &e),
			 0);
	return text(h->c,
		    "{'credential':'%s','client_data':'%s','authenticator_data':'%s',"
		    "'signature':'%s','user_handle':'%s'}",
		    b64(h, str_from(d->id)), b64(h, client), b64(h, data), b64(h, signature),
		    d->handle ? d->handle : "none");
}

/* ---- whole ways ---------------------------------------------------------------------------- */

static const char *link_of(struct house *h, struct who *w)
{
	return at(h->c, trusted_ok(&h->t, w, "POST", "/v1/passkeys/links", ""), "link");
}

static const char *by_link(struct house *h, const char *link)
{
	return text(h->c, "{'link':'%s'}", link);
}

static const char *login_challenge(struct house *h)
{
	return at(h->c, fine(h, &plain, "POST", "/v1/sessions/options", ""), "challenge");
}

/* A passkey of `w` in the device: its number. */
static int64_t register_device(struct house *h, struct who *w, struct device *d)
{
	const char *link = link_of(h, w);
	struct json *j = fine(h, &plain, "POST", "/v1/passkeys/options", by_link(h, link));
	d->handle = at(h->c, j, "user_id");
	j = fine(h, &plain, "POST", "/v1/passkeys",
		 registration(h, d, link, at(h->c, j, "challenge")));
	return number_at(j, "passkey");
}

static struct browser logged_in(struct house *h, struct device *d, const char *agent)
{
	struct browser b = plain;
	b.agent = agent;
	const char *challenge = login_challenge(h);
	if (d->count)
		d->count++;
	fine(h, &b, "POST", "/v1/sessions", login(h, d, challenge));
	const char *cookie = trusted_header(&h->t, "Set-Cookie");
	assert_non_null(cookie);
	b.cookie = text(h->c, "a=b; %.*s; c=d", (int)strcspn(cookie, ";"), cookie);
	return b;
}

static int64_t count(struct house *h, const char *sql)
{
	return cloud_number(h->c, sql);
}
#define SESSIONS(h) count((h), "SELECT COUNT(*) FROM session")

/* ---- the way in ---------------------------------------------------------------------------- */

static void a_link_makes_a_passkey_and_that_logs_in(struct cloud *c)
{
	struct house h;
	house_open(&h, c);
	int64_t number = register_device(&h, h.ana, &h.phone);
	struct browser b = logged_in(&h, &h.phone, "Browser/1");
	const char *cookie = trusted_header(&h.t, "Set-Cookie");
	assert_non_null(strstr(cookie, "; Path=/; Secure; HttpOnly; SameSite=Strict"));
	assert_null(strstr(cookie, "Max-Age"));
	assert_int_equal(strncmp(cookie, "__Host-hoc=", 11), 0);
	assert_int_equal(strcspn(cookie, ";"), 11 + 43);
	struct json *j = fine(&h, &b, "GET", "/v1/me", "");
	assert_at(c, j, "kind", "person");
	assert_at(c, j, "name", "ana");
	assert_at(c, j, "key", "");
	assert_at(c, j, "customers", "[{\"customer\":\"acme\",\"role\":\"owner\"}]");
	j = fine(&h, &b, "GET", "/v1/sessions/current", "");
	assert_int_equal(number_at(j, "passkey"), number);
	assert_at(c, j, "title", "phone");
	/* What is at rest is no cookie. */
	const char *name = at(c, j, "session");
	struct browser thief = b;
	thief.cookie = text(c, "__Host-hoc=%s", name);
	refused(&h, &thief, "GET", "/v1/me", "", 401, "this session has ended");
	assert_int_equal(count(&h, "SELECT COUNT(*) FROM event WHERE kind IN "
				   "('passkey.link.made', 'passkey.added', 'session.started')"),
			 3);
	fine(&h, &b, "DELETE", "/v1/sessions/current", "");
	assert_non_null(strstr(trusted_header(&h.t, "Set-Cookie"), "Max-Age=0"));
	refused(&h, &b, "GET", "/v1/me", "", 401, "this session has ended");
	fine(&h, &b, "GET", "/v1/status", ""); /* anyone may */
	house_close(&h);
}

static void links_are_good_once_for_ten_minutes(struct cloud *c)
{
	struct house h;
	house_open(&h, c);
	const char *options = "/v1/passkeys/options";
	const char *first = link_of(&h, h.ana), *link = link_of(&h, h.ana);
	/* Another link in its place; nobody's link; a link as a login challenge. */
	refused(&h, &plain, "POST", options, by_link(&h, first), 403, "link is not good");
	refused(&h, &plain, "POST", options, by_link(&h, "AAAA"), 403, "link is not good");
	refused(&h, &plain, "POST", options, by_link(&h, login_challenge(&h)), 403,
		"link is not good");
	refused(&h, &plain, "POST", options, "{}", 401, "show a link");
	c->now_ms += PASSKEY_LINK_MS - 1;
	struct json *j = fine(&h, &plain, "POST", options, by_link(&h, link));
	h.phone.handle = at(c, j, "user_id");
	const char *body = registration(&h, &h.phone, link, at(c, j, "challenge"));
	c->now_ms += 1;
	refused(&h, &plain, "POST", "/v1/passkeys", body, 403, "link is not good");
	register_device(&h, h.ana, &h.phone);
	/* A person who is out, a link or not. */
	link = link_of(&h, h.ben);
	trusted_ok(&h.t, h.op, "PUT", "/v1/persons/ben", "{'roles': [], 'active': false}");
	refused(&h, &plain, "POST", options, by_link(&h, link), 403, "link is not good");
	/* Links are for keys. */
	struct browser b = logged_in(&h, &h.phone, "Browser/1");
	refused(&h, &b, "POST", "/v1/passkeys/links", "", 403, "takes a certificate");
	trusted_call(&h.t, NULL, "POST", "/v1/passkeys/links", "");
	assert_int_equal(c->status, 401);
	house_close(&h);
}

/* ---- lies ---------------------------------------------------------------------------------- */

static void lies_about_a_new_passkey_are_refused(struct cloud *c)
{
	struct house h;
	house_open(&h, c);
	struct device lies[6];
	static const char *const fields[] = {"client_data.origin",	"attestation_object",
					     "attestation_object",	"client_data.type",
					     "client_data.crossOrigin", "attestation_object"};
	for (size_t i = 0; i < ARRAY_LEN(lies); i++)
		lies[i] = h.phone;
	lies[0].origin = "https://cloud.test.example";
	lies[1].rp = "other.test";
	lies[2].flags = PRESENT;
	lies[3].create = "webauthn.get";
	lies[4].is_cross = true;
	lies[5].flags = VERIFIED;
	for (size_t i = 0; i < ARRAY_LEN(lies); i++) {
		const char *link = link_of(&h, h.ana);
		struct json *j =
			fine(&h, &plain, "POST", "/v1/passkeys/options", by_link(&h, link));
		web(&h, &plain, "POST", "/v1/passkeys",
		    registration(&h, &lies[i], link, at(c, j, "challenge")));
		assert_int_equal(c->status, 400);
		assert_string_equal(c->field, fields[i]);
	}
	/* The challenge of somebody else; one that was used; one that is too old. */
	const char *mine = link_of(&h, h.ana), *his = link_of(&h, h.ben);
	const char *options = "/v1/passkeys/options", *add = "/v1/passkeys";
	struct json *j = fine(&h, &plain, "POST", options, by_link(&h, his));
	const char *other = at(c, j, "challenge");
	refused(&h, &plain, "POST", add, registration(&h, &h.phone, mine, other), 403,
		"try again");
	refused(&h, &plain, "POST", add, registration(&h, &h.phone, mine, login_challenge(&h)),
		403, "try again");
	fine(&h, &plain, "POST", add, registration(&h, &h.phone, his, other));
	j = fine(&h, &plain, "POST", options, by_link(&h, mine));
	refused(&h, &plain, "POST", add,
		registration(&h, &h.phone, mine, at(c, j, "challenge")), 409,
		"registered before");
	c->now_ms += PASSKEY_CHALLENGE_MS;
	struct device fresh = h.phone;
	fresh.id = "other-other-other";
	refused(&h, &plain, "POST", add, registration(&h, &fresh, mine, at(c, j, "challenge")),
		403, "try again");
	assert_int_equal(count(&h, "SELECT COUNT(*) FROM passkey"), 1);
	house_close(&h);
}

/* All in the same words: nobody learns whether a passkey or a person is here. */
static void lies_at_login_are_refused_alike(struct cloud *c)
{
	struct house h;
	house_open(&h, c);
	struct device other = device_new("nobody-knows-this");
	h.phone.count = 5;
	register_device(&h, h.ana, &h.phone);
	struct device lies[9];
	for (size_t i = 0; i < ARRAY_LEN(lies); i++) {
		lies[i] = h.phone;
		lies[i].count++;
	}
	lies[0].origin = "https://cloud.test.example";
	lies[1].rp = "other.test";
	lies[2].flags = PRESENT;
	lies[3].get = "webauthn.create";
	lies[4].signer = other.key;
	lies[5].handle = "another";
	lies[6].flags = VERIFIED;
	lies[7].origin = "https://cloud.test";
	lies[8] = other;
	const char *said = NULL;
	for (size_t i = 0; i < ARRAY_LEN(lies); i++) {
		web(&h, &plain, "POST", "/v1/sessions",
		    login(&h, &lies[i], login_challenge(&h)));
		is_refused(&h, 403, HIDDEN, "a lie");
		assert_null(trusted_header(&h.t, "Set-Cookie"));
		const char *body = arena_cstr(c->a, c->out.body);
		assert_string_equal(said ? said : body, body);
		said = body;
	}
	lies[0] = h.phone;
	lies[0].is_cross = true;
	refused(&h, &plain, "POST", "/v1/sessions", login(&h, &lies[0], login_challenge(&h)),
		400, "within pages");
	assert_int_equal(SESSIONS(&h), 0);
	logged_in(&h, &h.phone, "Browser/1");
	key_free(other.key);
	house_close(&h);
}

static void challenges_are_answered_once_and_soon(struct cloud *c)
{
	struct house h;
	house_open(&h, c);
	register_device(&h, h.ana, &h.phone);
	const char *challenge = login_challenge(&h), *body = login(&h, &h.phone, challenge);
	fine(&h, &plain, "POST", "/v1/sessions", body);
	refused(&h, &plain, "POST", "/v1/sessions", body, 403, "took too long");
	/* Also one that a lie used up. */
	struct device lie = h.phone;
	lie.flags = PRESENT;
	challenge = login_challenge(&h);
	refused(&h, &plain, "POST", "/v1/sessions", login(&h, &lie, challenge), 403, HIDDEN);
	refused(&h, &plain, "POST", "/v1/sessions", login(&h, &h.phone, challenge), 403,
		"took too long");
	challenge = login_challenge(&h);
	c->now_ms += PASSKEY_CHALLENGE_MS;
	refused(&h, &plain, "POST", "/v1/sessions", login(&h, &h.phone, challenge), 403,
		"took too long");
	/* One that nobody gave, and one of another kind. */
	refused(&h, &plain, "POST", "/v1/sessions",
		login(&h, &h.phone, "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"), 403,
		"took too long");
	refused(&h, &plain, "POST", "/v1/sessions", login(&h, &h.phone, link_of(&h, h.ana)),
		403, "took too long");
	refused(&h, &plain, "POST", "/v1/sessions", login(&h, &h.phone, "AAAA"), 400,
		"not of 32 bytes");
	house_close(&h);
}

static void a_copied_passkey_ends(struct cloud *c)
{
	struct house h;
	house_open(&h, c);
	h.phone.count = 7;
	register_device(&h, h.ana, &h.phone);
	struct browser b = logged_in(&h, &h.phone, "Browser/1");
	h.phone.count = 8; /* the same as at the last login */
	refused(&h, &plain, "POST", "/v1/sessions", login(&h, &h.phone, login_challenge(&h)),
		403, HIDDEN);
	refused(&h, &b, "GET", "/v1/me", "", 401, "session has ended");
	h.phone.count = 9;
	refused(&h, &plain, "POST", "/v1/sessions", login(&h, &h.phone, login_challenge(&h)),
		403, HIDDEN);
	assert_int_equal(count(&h, "SELECT COUNT(*) FROM event WHERE kind = 'passkey.revoked' "
				   "AND body LIKE '%copied%' AND subject = 'ana'"),
			 1);
	house_close(&h);
}

/* As many as there may be, with the one that is there; all later than that. */
static int ask_a_lot(struct db_tx *tx, void *user UNUSED, struct err *e)
{
	static const struct db_sql sql = {
		"test_ask_a_lot",
		"WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < "
		"4095)"
		" INSERT INTO passkey_challenge (hash, purpose, key_name, expires_at)"
		" SELECT 'h' || i, 'login', '', (SELECT MAX(expires_at) + 60000 FROM"
		" passkey_challenge) FROM n",
		""};
	return db_exec(db_prepare(tx, &sql), e) < 0 ? -1 : 0;
}

static void logins_at_once_are_bounded(struct cloud *c)
{
	struct house h;
	struct err e = ERR_INIT;
	house_open(&h, c);
	const char *logins = "SELECT COUNT(*) FROM passkey_challenge WHERE purpose = 'login'";
	const char *first = login_challenge(&h);
	register_device(&h, h.ana, &h.phone);
	c->now_ms++;
	assert_int_equal(db_write(c->db, ask_a_lot, NULL, &e), 0);
	assert_int_equal(count(&h, logins), PASSKEY_LOGINS_MAX);
	login_challenge(&h);
	assert_int_equal(count(&h, logins), PASSKEY_LOGINS_MAX);
	refused(&h, &plain, "POST", "/v1/sessions", login(&h, &h.phone, first), 403,
		"took too long");
	c->now_ms += MINUTE_MS * 3;
	login_challenge(&h);
	assert_int_equal(count(&h, logins), 1);
	house_close(&h);
}

/* ---- the site ------------------------------------------------------------------------------ */

static void other_sites_get_nothing(struct cloud *c)
{
	struct house h;
	house_open(&h, c);
	register_device(&h, h.ana, &h.phone);
	struct browser b = logged_in(&h, &h.phone, "Browser/1");
	static const char *const origins[] = {"",
					      "null",
					      "https://cloud.test",
					      "http://cloud.test:8443",
					      "https://cloud.test:8443.example",
					      "https://evil.example"};
	for (size_t i = 0; i < ARRAY_LEN(origins); i++) {
		struct browser x = b, y = plain;
		x.origin = y.origin = origins[i];
		refused(&h, &x, "PUT", "/v1/customers/acme", "{'country':'DE'}", 403,
			"only taken from pages");
		refused(&h, &x, "DELETE", "/v1/sessions/current", "", 403,
			"only taken from pages");
		refused(&h, &x, "POST", "/slapos.get.v0.instance_tree", "{'title':'x'}", 403,
			"only taken from pages");
		refused(&h, &y, "POST", "/v1/sessions/options", "", 403,
			"only taken from pages");
		refused(&h, &y, "POST", "/v1/passkeys/options", "{'link':'x'}", 403,
			"only taken from pages");
	}
	/* A form of others sends no JSON. */
	struct browser form = b;
	form.type = "text/plain";
	refused(&h, &form, "DELETE", "/v1/sessions/current", "", 403, "application/json");
	/* Names that are not the master's, and addresses, are no sites. */
	static const char *const hosts[] = {"evil.example", "", "192.0.2.1", "[::1]:8443",
					    "CLOUD.test"};
	for (size_t i = 0; i < ARRAY_LEN(hosts); i++) {
		struct browser x = plain;
		x.host = hosts[i];
		x.origin = text(c, "https://%s", hosts[i]);
		refused(&h, &x, "POST", "/v1/sessions/options", "", 403,
			"belong to a host name");
	}
	fine(&h, &b, "PUT", "/v1/customers/acme", "{'country':'DE'}");
	house_close(&h);
}

/* ---- sessions ------------------------------------------------------------------------------ */

static void sessions_are_short(struct cloud *c)
{
	struct house h;
	house_open(&h, c);
	register_device(&h, h.ana, &h.phone);
	struct browser b = logged_in(&h, &h.phone, "Browser/1");
	int64_t began = c->now_ms;
	c->now_ms += SESSION_IDLE_MS - 1;
	fine(&h, &b, "GET", "/v1/me", "");
	/* A read is noted after it, by who sends the answer. */
	assert_int_equal(c->out.session.n, 64);
	c->now_ms += 1;
	refused(&h, &b, "GET", "/v1/me", "", 401, "session has ended");
	refused(&h, &b, "PUT", "/v1/customers/acme", "{}", 401, "session has ended");
	/* Used all the time, it ends after eight hours. */
	b = logged_in(&h, &h.phone, "Browser/1");
	began = c->now_ms;
	while (c->now_ms + SESSION_IDLE_MS - MINUTE_MS < began + SESSION_TOTAL_MS) {
		c->now_ms += SESSION_IDLE_MS - MINUTE_MS;
		fine(&h, &b, "PUT", "/v1/customers/acme", "{'country':'DE'}");
	}
	c->now_ms = began + SESSION_TOTAL_MS - 1;
	fine(&h, &b, "PUT", "/v1/customers/acme", "{'country':'DE'}");
	c->now_ms++;
	refused(&h, &b, "GET", "/v1/me", "", 401, "session has ended");
	/* Waiting for news is no use. */
	b = logged_in(&h, &h.phone, "Browser/1");
	c->now_ms += 2 * MINUTE_MS;
	fine(&h, &b, "GET", "/v1/instances", "");
	assert_int_equal(c->out.session.n, 64);
	web(&h, &b, "GET", "/v1/instances/none?since=1&wait=1", "");
	assert_int_equal(c->out.session.n, 0);
	house_close(&h);
}

/* A good request for a certificate, as a body. */
static const char *request_of(struct house *h, const struct who *w)
{
	struct err e = ERR_INIT;
	const struct cert_names none = {.count = 0};
	struct buf b CLEAN(buf_fini) = BUF_INIT(100000);
	struct str pem;
	assert_int_equal(cert_request_make(w->key, S(""), &none, h->c->a, &pem, &e), 0);
	buf_add(&b, S("{\"csr\":"));
	json_write_str(pem, &b);
	buf_add_c(&b, '}');
	return arena_cstr(h->c->a, buf_str(&b));
}

static void a_stolen_cookie_is_worth_little(struct cloud *c)
{
	struct house h;
	house_open(&h, c);
	register_device(&h, h.ana, &h.phone);
	struct browser b = logged_in(&h, &h.phone, "Browser/1"), thief = b;
	thief.agent = "Browser/2";
	refused(&h, &thief, "GET", "/v1/me", "", 401, "session has ended");
	thief.agent = "";
	refused(&h, &thief, "GET", "/v1/me", "", 401, "session has ended");
	thief = b;
	thief.cookie = text(c, "%s; __Host-hoc=x", b.cookie); /* which of them? */
	refused(&h, &thief, "GET", "/v1/me", "", 401, "show a certificate");
	thief.cookie = text(c, "__Host-hoc=x%s", strstr(b.cookie, "__Host-hoc=") + 11);
	refused(&h, &thief, "GET", "/v1/me", "", 401, "session has ended");
	/* Nothing that outlives it comes of it; a passkey only while it is fresh. */
	const char *thumbprint = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";
	const char *asks[][2] = {
		{"/v1/tokens", "{'kind':'person','name':'ana'}"},
		{"/v1/renew", request_of(&h, h.ana)},
		{"/v1/passkeys/links", ""},
		{"/v1/customers/acme/eab", ""},
	};
	for (size_t i = 0; i < ARRAY_LEN(asks); i++)
		refused(&h, &b, "POST", asks[i][0], asks[i][1], 403, "takes a certificate");
	refused(&h, &b, "PUT", text(c, "/v1/customers/acme/acme-keys/%s", thumbprint), "", 403,
		"takes a certificate");
	fine(&h, &b, "POST", "/v1/passkeys/options", "{}");
	c->now_ms += PASSKEY_FRESH_MS + 1;
	refused(&h, &b, "POST", "/v1/passkeys/options", "{}", 403, "log in once more");
	fine(&h, &b, "GET", "/v1/me", "");
	house_close(&h);
}

static void one_sees_and_ends_ones_own(struct cloud *c)
{
	struct house h;
	house_open(&h, c);
	struct device bens = device_new("bens-bens-bens-bens");
	int64_t number = register_device(&h, h.ana, &h.phone);
	int64_t other = register_device(&h, h.ben, &bens);
	struct browser a1 = logged_in(&h, &h.phone, "Browser/1"),
		       a2 = logged_in(&h, &h.phone, "Browser/2"),
		       b = logged_in(&h, &bens, "Browser/1");
	struct json *j = fine(&h, &a1, "GET", "/v1/persons/ana/sessions", "");
	assert_int_equal(json_count(json_get(j, S("sessions"))), 2);
	const char *name = at(c, fine(&h, &a2, "GET", "/v1/sessions/current", ""), "session");
	/* Another's is as good as none. */
	const char *his = text(c, "/v1/sessions/%s", name);
	refused(&h, &b, "DELETE", his, "", 404, "no such session");
	refused(&h, &b, "DELETE", "/v1/sessions/00", "", 404, "no such session");
	refused(&h, &b, "DELETE", text(c, "/v1/passkeys/%lld", (long long)number), "", 404,
		"no such passkey");
	refused(&h, &b, "DELETE", "/v1/passkeys/999", "", 404, "no such passkey");
	refused(&h, &b, "DELETE", "/v1/passkeys/x", "", 404, "no such passkey");
	static const char *const theirs[] = {"/v1/persons/ana/sessions",
					     "/v1/persons/ana/passkeys"};
	for (size_t i = 0; i < ARRAY_LEN(theirs); i++)
		refused(&h, &b, "GET", theirs[i], "", 404, "no person ana");
	refused(&h, &b, "DELETE", theirs[0], "", 404, "no person ana");
	fine(&h, &a1, "DELETE", his, "");
	refused(&h, &a2, "GET", "/v1/me", "", 401, "session has ended");
	fine(&h, &a1, "GET", "/v1/me", "");
	fine(&h, &a1, "DELETE", theirs[0], "");
	refused(&h, &a1, "GET", "/v1/me", "", 401, "session has ended");
	/* By the one who keeps the cloud. */
	trusted_ok(&h.t, h.op, "DELETE", text(c, "/v1/passkeys/%lld", (long long)other), "");
	refused(&h, &b, "GET", "/v1/me", "", 401, "session has ended");
	refused(&h, &plain, "POST", "/v1/sessions", login(&h, &bens, login_challenge(&h)), 403,
		HIDDEN);
	trusted_call(&h.t, h.ana, "GET", "/v1/sessions/current", "");
	assert_int_equal(c->status, 404);
	key_free(bens.key);
	house_close(&h);
}

static void what_it_hangs_on_ends_it(struct cloud *c)
{
	struct house h;
	house_open(&h, c);
	struct device second = device_new("second-second-second");
	register_device(&h, h.ana, &h.phone);
	struct browser b = logged_in(&h, &h.phone, "Browser/1");
	/* A second passkey from within the session hangs on the same key. */
	struct json *j = fine(&h, &b, "POST", "/v1/passkeys/options", "{}");
	second.handle = at(c, j, "user_id");
	j = fine(&h, &b, "POST", "/v1/passkeys",
		 registration(&h, &second, NULL, at(c, j, "challenge")));
	assert_at(c, j, "key", h.ana->key_name);
	struct browser b2 = logged_in(&h, &second, "Browser/1");
	/* Not active: out, and not back by becoming active again. */
	trusted_ok(&h.t, h.op, "PUT", "/v1/persons/ana", "{'roles': [], 'active': false}");
	refused(&h, &b, "GET", "/v1/me", "", 401, "session has ended");
	refused(&h, &plain, "POST", "/v1/sessions", login(&h, &h.phone, login_challenge(&h)),
		403, HIDDEN);
	trusted_ok(&h.t, h.op, "PUT", "/v1/persons/ana", "{'roles': [], 'active': true}");
	refused(&h, &b2, "GET", "/v1/me", "", 401, "session has ended");
	b = logged_in(&h, &h.phone, "Browser/1");
	/* The key of her laptop is revoked: what came in by it is gone. */
	trusted_ok(&h.t, h.op, "POST", text(c, "/v1/keys/%s/revoke", h.ana->key_name),
		   "{'reason': 'key-compromise'}");
	refused(&h, &b, "GET", "/v1/me", "", 401, "session has ended");
	refused(&h, &plain, "POST", "/v1/sessions", login(&h, &second, login_challenge(&h)),
		403, HIDDEN);
	assert_int_equal(count(&h, "SELECT COUNT(*) FROM passkey WHERE revoked_at IS NULL"), 0);
	key_free(second.key);
	house_close(&h);
}

static void a_local_master_has_none(struct cloud *c)
{
	static const struct {
		const char *method, *target, *body;
	} asks[] = {
		{"POST", "/v1/passkeys/links", ""},
		{"POST", "/v1/passkeys/options", "{}"},
		{"POST", "/v1/sessions/options", ""},
	};
	for (size_t i = 0; i < ARRAY_LEN(asks); i++) {
		cloud_call(c, asks[i].method, asks[i].target, asks[i].body);
		assert_int_equal(c->status, 501);
	}
}

int main(int argc, char **argv)
{
	static const struct cloud_case cases[] = {
		{"a link makes a passkey, and that logs in",
		 a_link_makes_a_passkey_and_that_logs_in},
		{"links are good once, for ten minutes", links_are_good_once_for_ten_minutes},
		{"lies about a new passkey are refused", lies_about_a_new_passkey_are_refused},
		{"lies at login are refused alike", lies_at_login_are_refused_alike},
		{"challenges are answered once, and soon",
		 challenges_are_answered_once_and_soon},
		{"a copied passkey ends", a_copied_passkey_ends},
		{"logins at once are bounded", logins_at_once_are_bounded},
		{"other sites get nothing", other_sites_get_nothing},
		{"sessions are short", sessions_are_short},
		{"a stolen cookie is worth little", a_stolen_cookie_is_worth_little},
		{"one sees and ends one's own", one_sees_and_ends_ones_own},
		{"what it hangs on ends it", what_it_hangs_on_ends_it},
		{"a local master has none", a_local_master_has_none},
	};
	return cloud_run(argc, argv, cases, ARRAY_LEN(cases));
}
