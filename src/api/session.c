/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * How a person comes in with a passkey, and what his session is: api/session.h.
 *
 * A login that is refused is answered and committed, not rolled back: its challenge is used up,
 * and a passkey that turns out to have a copy ends there. Whatever is wrong with it beyond what
 * anybody can see himself (site, challenge) is told in the same words: nobody learns from it who
 * is here, and which passkeys there are.
 */
#include "api/session.h"

#include "api/access.h"
#include "api/passkey.h"
#include "api/views.h"
#include "store/person.h"
#include "store/session.h"
#include "trust/jose.h"

#define COOKIE "__Host-hoc"
enum { SESSION_COOKIE_MAX = 100, CREDENTIAL_TEXT_MAX = 4 * WEBAUTHN_ID_MAX / 3 + 4 };

/* clang-format off */
struct options_out { struct str challenge, rp_id; int64_t timeout_ms; };
static const struct json_field options_fields[] = {
	JSON_STR(struct options_out, challenge, "challenge", 0, INT64_MAX, 0, "To be signed, base64url."),
	JSON_STR(struct options_out, rp_id, "rp_id", 0, INT64_MAX, 0, "The site."),
	JSON_I64(struct options_out, timeout_ms, "timeout_ms", 0, INT64_MAX, 0, "So long the challenge is good."),
};
const struct json_desc session_options_out = JSON_DESC(struct options_out, options_fields, "LoginOptions", "What a browser asks a passkey for.");

struct login_in { struct str credential, client_data, authenticator_data, signature, user_handle; };
static const struct json_field login_fields[] = {
	JSON_STR(struct login_in, credential, "credential", 1, CREDENTIAL_TEXT_MAX, JSON_REQUIRED, "Id of the passkey, base64url."),
	JSON_STR(struct login_in, client_data, "client_data", 1, PASSKEY_FIELD_MAX, JSON_REQUIRED, "clientDataJSON, base64url."),
	JSON_STR(struct login_in, authenticator_data, "authenticator_data", 1, PASSKEY_FIELD_MAX, JSON_REQUIRED, "authenticatorData, base64url."),
	JSON_STR(struct login_in, signature, "signature", 1, 2000, JSON_REQUIRED, "Of both, base64url."),
	JSON_STR(struct login_in, user_handle, "user_handle", 1, 100, JSON_REQUIRED, "Whose passkey it says to be, base64url."),
};
const struct json_desc session_login_in = JSON_DESC(struct login_in, login_fields, "LoginIn", "What a passkey signed.");

#define V struct view_session
V { struct str session, person; int64_t passkey; struct str title, created_at, used_at, expires_at; bool is_current; };
static const struct json_field view_fields[] = {
	JSON_STR(V, session, "session", 0, INT64_MAX, 0, "Its name; not what is in the cookie."),
	JSON_STR(V, person, "person", 0, INT64_MAX, 0, "Whose."),
	JSON_I64(V, passkey, "passkey", 0, INT64_MAX, 0, "Number of the passkey."),
	JSON_STR(V, title, "title", 0, INT64_MAX, 0, "Where that is kept."),
	JSON_STR(V, created_at, "created_at", 0, INT64_MAX, 0, "The login."),
	JSON_STR(V, used_at, "used_at", 0, INT64_MAX, 0, "The last use, about."),
	JSON_STR(V, expires_at, "expires_at", 0, INT64_MAX, 0, "It ends then, or when it was not used for a while."),
	JSON_BOOL(V, is_current, "current", JSON_OMIT_EMPTY, "It is the caller's."),
};
const struct json_desc session_out = JSON_DESC(V, view_fields, "Session", "A session of a browser.");
struct list_out { V *sessions; size_t n; };
static const struct json_field list_fields[] = {
	JSON_STRUCTS(struct list_out, sessions, n, V, "sessions", &session_out, 0, INT64_MAX, 0, "Newest first."),
};
const struct json_desc session_list_out = JSON_DESC(struct list_out, list_fields, "Sessions", "Sessions of a person.");
/* clang-format on */

/* ---- who calls ----------------------------------------------------------------------------- */

/* The value of the cookie; "" if there is none, or more than one. */
static struct str cookie_of(struct str header)
{
	struct str part, found = S("");
	while (header.n && str_split(&header, ';', &part)) {
		part = str_trim(part);
		size_t at = str_find_char(part, '=');
		if (!str_is(str_sub(part, 0, at), COOKIE))
			continue;
		if (found.n)
			return S("");
		found = str_sub(part, at + 1, part.n);
	}
	return found.n <= SESSION_COOKIE_MAX ? found : S("");
}

void session_offer(struct api_call *c)
{
	struct str cookie = cookie_of(c->req->cookie);
	c->session = S("");
	if (!c->api->options.users || c->req->caller.kind != API_ANYONE || !cookie.n)
		return;
	c->session = passkey_hash(c->a, cookie);
	c->caller.kind = API_PERSON;
}

static bool is_good(const struct api_call *c, const struct session *s)
{
	return s->is_passkey_good && s->expires_at_ms > c->now_ms &&
	       c->now_ms - s->used_at_ms < SESSION_IDLE_MS &&
	       trust_text_eq(s->bound, passkey_hash(c->a, c->req->agent));
}

MUST int session_of(struct api_call *c, struct session *out, struct err *e)
{
	if (!c->session.n || c->caller.kind != API_PERSON)
		return 0;
	int rc = store_session_find(c->tx, c->a, c->session, out, e);
	return rc > 0 ? is_good(c, out) : rc;
}

/* Nobody else's page may make the browser change something (CSRF). */
MUST static int check_page(const struct api_call *c, struct err *e)
{
	struct passkey_site site;
	struct str type = c->req->content_type;
	type = str_trim(str_sub(type, 0, str_find_char(type, ';')));
	if (str_is(c->req->method, "GET"))
		return 0;
	if (passkey_site_own(c, &site, e) < 0)
		return -1;
	if (!str_is(type, "application/json"))
		return err_fail(e, ERR_FORBIDDEN,
				"a session changes things with content type application/json");
	return 0;
}

/* Does the request wait for news, which is no use? */
static bool is_waiting(const struct api_call *c)
{
	for (size_t i = 0; i < c->target.query_count; i++)
		if (str_is(c->target.query[i].name, "wait"))
			return true;
	return false;
}

MUST int session_enter(struct api_call *c, struct err *e)
{
	struct session s;
	c->caller.kind = API_PERSON;
	int rc = session_of(c, &s, e);
	if (rc < 0)
		return -1;
	if (rc == 0) {
		c->caller.kind = API_ANYONE;
		c->caller.name = S("");
		return 0;
	}
	c->caller.name = s.person;
	if (check_page(c, e) < 0)
		return -1;
	if (c->now_ms - s.used_at_ms < SESSION_TOUCH_MS || is_waiting(c))
		return 0;
	if (c->op->is_write)
		return store_session_touch(c->tx, s.hash, c->now_ms, e);
	c->out->session = s.hash;
	return 0;
}

MUST int session_need_key(const struct api_call *c, struct err *e)
{
	static const struct hash none;
	if (c->caller.kind != API_PERSON || !hash_eq(&c->caller.key, &none))
		return 0;
	return err_fail(e, ERR_FORBIDDEN,
			"this takes a certificate: a session of a browser may not");
}

MUST int api_session_used(struct api *api, struct db_tx *tx, struct str session, struct err *e)
{
	return store_session_touch(tx, session, clock_now_ms(api->options.clock), e);
}

/* ---- login --------------------------------------------------------------------------------- */

MUST int session_options_post(struct api_call *c, struct err *e)
{
	struct passkey_site site;
	struct options_out v = {.timeout_ms = PASSKEY_CHALLENGE_MS};
	if (passkey_site_own(c, &site, e) < 0 ||
	    passkey_challenge(c, "login", 0, S(""), PASSKEY_CHALLENGE_MS, &v.challenge, e) < 0)
		return -1;
	v.rp_id = site.rp_id;
	return call_answer(c, 200, &session_options_out, &v, e);
}

struct
try {
	struct webauthn_client client;
	struct str challenge, data, signature;
};

MUST int session_login_prepare(struct api_call *c, struct err *e)
{
	const struct login_in *in = c->in;
	struct try *t = ARENA_NEW(c->a, struct try);
	if (!t)
		return arena_check(c->a, e);
	c->prepared = t;
	if (passkey_client(in->client_data, c->a, &t->client, &t->challenge, e) < 0 ||
	    passkey_bytes(in->authenticator_data, "authenticator_data", c->a, &t->data, e) < 0)
		return -1;
	return passkey_bytes(in->signature, "signature", c->a, &t->signature, e);
}

/* Refuses, and what was done so far stays. */
MUST static int refuse(struct api_call *c, const char *text)
{
	struct err why = ERR_INIT;
	(void)err_fail(&why, ERR_FORBIDDEN, "%s", text);
	api_refuse(c->api, c->req, &why, c->a, c->out);
	return 0;
}

/* 1: it was given and is used up now; 0: it was not. */
MUST static int take_challenge(struct api_call *c, struct str challenge, struct err *e)
{
	struct passkey_challenge k;
	int rc = store_challenge_find(c->tx, c->a, passkey_hash(c->a, challenge), S("login"),
				      c->now_ms, &k, e);
	return rc > 0 ? store_challenge_take(c->tx, k.hash, e) : rc;
}

/* 1: it is his, and this is what he signed; 0: no. */
MUST static int verify(struct api_call *c, const struct passkey_site *site,
		       const struct passkey *p, uint32_t *count, struct err *e)
{
	const struct login_in *in = c->in;
	const struct try *t = c->prepared;
	struct err why = ERR_INIT;
	struct webauthn_key k = {.count = (uint32_t)p->counter};
	const struct webauthn_expected x = {t->client.challenge, site->origin, site->rp_id};
	if (p->revoked_at_ms || !p->is_person_active ||
	    !str_eq(in->user_handle, passkey_handle(c, p->person)))
		return 0;
	if (base64url_read(p->public, c->a, &k.public, e) < 0)
		return -1;
	if (webauthn_login(&x, &t->client, &k, t->data, t->signature, c->a, count, &why) == 0)
		return 1;
	if (why.kind == ERR_INVALID || why.kind == ERR_FORBIDDEN || why.kind == ERR_TOO_LARGE)
		return 0;
	*e = why;
	return -1;
}

/* A good signature with a counter that went backwards: somebody has a copy of the key. */
MUST static int is_copied(struct api_call *c, const struct passkey_site *site,
			  const struct passkey *p, struct err *e)
{
	struct passkey fresh = *p;
	uint32_t count = 0;
	fresh.counter = 0;
	return p->counter ? verify(c, site, &fresh, &count, e) : 0;
}

static struct view_session view_of(struct api_call *c, const struct session *s)
{
	return (struct view_session){
		.session = s->hash,
		.person = s->person,
		.passkey = s->passkey_id,
		.title = s->passkey_title,
		.created_at = view_at(c->a, s->created_at_ms),
		.used_at = view_at(c->a, s->used_at_ms),
		.expires_at = view_at(c->a, s->expires_at_ms),
		.is_current = str_eq(s->hash, c->session),
	};
}

static void set_cookie(struct api_call *c, struct str value, const char *more)
{
	struct api_response *out = c->out;
	out->headers[out->header_count++] = (struct api_header){
		"Set-Cookie",
		arena_fmt(c->a,
			  COOKIE "=%" STR_F "; Path=/; Secure; HttpOnly; SameSite=Strict%s",
			  STR_A(value), more)};
}

static void tell(struct api_call *c, enum event_kind kind, const struct session *s)
{
	struct json *body = json_object_new(c->a);
	json_set(c->a, body, S("passkey"), json_i64_new(c->a, s->passkey_id));
	json_set_str(c->a, body, S("session"), s->hash);
	call_event(c, kind, s->person, body);
}

/* A new session in place of the one that the browser had. */
MUST static int begin(struct api_call *c, const struct passkey *p, struct err *e)
{
	struct session s = {
		.person_id = p->person_id,
		.person = p->person,
		.passkey_id = p->id,
		.passkey_title = p->title,
		.bound = passkey_hash(c->a, c->req->agent),
		.created_at_ms = c->now_ms,
		.used_at_ms = c->now_ms,
		.expires_at_ms = c->now_ms + SESSION_TOTAL_MS,
	};
	struct str cookie = passkey_secret(c->a, &s.hash);
	if (arena_check(c->a, e) < 0 || store_session_purge(c->tx, c->now_ms, e) < 0 ||
	    (c->session.n && store_session_end(c->tx, c->session, e) < 0) ||
	    store_session_add(c->tx, &s, e) < 0)
		return -1;
	set_cookie(c, cookie, "");
	tell(c, EVENT_SESSION_STARTED, &s);
	struct view_session v = view_of(c, &s);
	v.is_current = true;
	return call_answer(c, 201, &session_out, &v, e);
}

MUST int session_login_post(struct api_call *c, struct err *e)
{
	static const char unknown[] = "this passkey is not known here, or not good any more";
	const struct login_in *in = c->in;
	const struct try *t = c->prepared;
	struct passkey_site site;
	struct passkey p;
	uint32_t count = 0;
	if (passkey_site_own(c, &site, e) < 0)
		return -1;
	int rc = take_challenge(c, t->challenge, e);
	if (rc <= 0)
		return rc < 0 ? -1 : refuse(c, "this login took too long: try again");
	rc = store_passkey_find(c->tx, c->a, in->credential, &p, e);
	if (rc <= 0)
		return rc < 0 ? -1 : refuse(c, unknown);
	rc = verify(c, &site, &p, &count, e);
	if (rc > 0)
		return store_passkey_used(c->tx, p.id, count, c->now_ms, e) < 0
			       ? -1
			       : begin(c, &p, e);
	if (rc == 0)
		rc = is_copied(c, &site, &p, e);
	if (rc < 0 || (rc > 0 && passkey_revoke(c, &p, "copied", e) < 0))
		return -1;
	return refuse(c, unknown);
}

/* ---- showing, ending ----------------------------------------------------------------------- */

MUST static int current(struct api_call *c, struct session *out, struct err *e)
{
	int rc = session_of(c, out, e);
	if (rc == 0)
		return err_fail(e, ERR_NOT_FOUND, "no session: you showed a certificate");
	return rc < 0 ? -1 : 0;
}

MUST int session_current(struct api_call *c, struct err *e)
{
	struct session s;
	if (current(c, &s, e) < 0)
		return -1;
	struct view_session v = view_of(c, &s);
	return call_answer(c, 200, &session_out, &v, e);
}

/* The person of the path, if the caller may see him. */
MUST static int find_person(struct api_call *c, struct person *out, struct err *e)
{
	bool is_his = access_is_all(c) || str_eq(c->params[0], access_person(c));
	int rc = is_his ? store_person_find(c->tx, c->a, c->params[0], out, e) : 0;
	if (rc == 0)
		return err_fail(e, ERR_NOT_FOUND, "no person %" STR_F,
				STR_A(str_sub(c->params[0], 0, 100)));
	return rc < 0 ? -1 : 0;
}

MUST int session_list(struct api_call *c, struct err *e)
{
	struct person p;
	struct session *list = NULL;
	struct list_out v = {.n = 0};
	if (find_person(c, &p, e) < 0 ||
	    store_session_list(c->tx, c->a, p.id, c->now_ms - SESSION_IDLE_MS, c->now_ms, &list,
			       &v.n, e) < 0)
		return -1;
	v.sessions = ARENA_ARRAY(c->a, struct view_session, v.n);
	for (size_t i = 0; v.sessions && i < v.n; i++)
		v.sessions[i] = view_of(c, &list[i]);
	return call_answer(c, 200, &session_list_out, &v, e);
}

MUST static int find(struct api_call *c, struct session *out, struct err *e)
{
	int rc = store_session_find(c->tx, c->a, c->params[0], out, e);
	if (rc > 0 && !access_is_all(c) && !str_eq(out->person, access_person(c)))
		rc = 0;
	if (rc == 0)
		return err_fail(e, ERR_NOT_FOUND, "no such session");
	return rc < 0 ? -1 : 0;
}

MUST static int end(struct api_call *c, const struct session *s, struct err *e)
{
	if (store_session_end(c->tx, s->hash, e) < 0)
		return -1;
	if (str_eq(s->hash, c->session))
		set_cookie(c, S(""), "; Max-Age=0");
	tell(c, EVENT_SESSION_ENDED, s);
	struct view_session v = view_of(c, s);
	return call_answer(c, 200, &session_out, &v, e);
}

MUST int session_logout(struct api_call *c, struct err *e)
{
	struct session s;
	return current(c, &s, e) < 0 ? -1 : end(c, &s, e);
}

MUST int session_delete(struct api_call *c, struct err *e)
{
	struct session s;
	return find(c, &s, e) < 0 ? -1 : end(c, &s, e);
}

MUST int session_delete_all(struct api_call *c, struct err *e)
{
	struct person p;
	const struct list_out none = {.n = 0};
	if (find_person(c, &p, e) < 0)
		return -1;
	int ended = store_session_end_of(c->tx, p.id, e);
	if (ended > 0)
		call_event(c, EVENT_SESSION_ENDED, p.name, NULL);
	return ended < 0 ? -1 : call_answer(c, 200, &session_list_out, &none, e);
}
