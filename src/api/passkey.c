/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* How a passkey becomes somebody's, and how it ends: api/passkey.h. */
#include "api/passkey.h"

#include "api/access.h"
#include "api/session.h"
#include "api/views.h"
#include "store/person.h"
#include "store/session.h"
#include "trust/jose.h"

enum { ES256 = -7, EDDSA = -8 };

/* clang-format off */
struct link_out { struct str link, path, expires_at; };
static const struct json_field link_fields[] = {
	JSON_STR(struct link_out, link, "link", 0, INT64_MAX, JSON_SECRET, "Shown once, good once."),
	JSON_STR(struct link_out, path, "path", 0, INT64_MAX, JSON_SECRET, "The page to open, with the link as its fragment."),
	JSON_STR(struct link_out, expires_at, "expires_at", 0, INT64_MAX, 0, "It is good until then."),
};
const struct json_desc passkey_link_out = JSON_DESC(struct link_out, link_fields, "PasskeyLink", "A link to make a passkey with.");

struct options_in { struct str link; };
static const struct json_field options_in_fields[] = {
	JSON_STR(struct options_in, link, "link", 1, 100, JSON_SECRET, "The link; else the caller himself."),
};
const struct json_desc passkey_options_in = JSON_DESC(struct options_in, options_in_fields, "PasskeyOptionsIn", "For whom.");

struct options_out {
	struct str challenge, rp_id, rp_name, user_id, person;
	struct json *algorithms, *exclude;
	int64_t timeout_ms;
};
static const struct json_field options_fields[] = {
	JSON_STR(struct options_out, challenge, "challenge", 0, INT64_MAX, 0, "To be signed, base64url."),
	JSON_STR(struct options_out, rp_id, "rp_id", 0, INT64_MAX, 0, "The site."),
	JSON_STR(struct options_out, rp_name, "rp_name", 0, INT64_MAX, 0, "Name of the cloud."),
	JSON_STR(struct options_out, user_id, "user_id", 0, INT64_MAX, 0, "What the authenticator knows the person by, base64url."),
	JSON_STR(struct options_out, person, "person", 0, INT64_MAX, 0, "His name."),
	JSON_TREE(struct options_out, algorithms, "algorithms", 0, "Numbers (COSE) of what is taken, best first."),
	JSON_TREE(struct options_out, exclude, "exclude", 0, "Ids of passkeys that are there, base64url."),
	JSON_I64(struct options_out, timeout_ms, "timeout_ms", 0, INT64_MAX, 0, "So long the challenge is good."),
};
const struct json_desc passkey_options_out = JSON_DESC(struct options_out, options_fields, "PasskeyOptions", "What a browser makes a passkey of.");

struct add_in { struct str link, title, client_data, attestation_object; };
static const struct json_field add_fields[] = {
	JSON_STR(struct add_in, link, "link", 1, 100, JSON_SECRET, "The link; else the caller himself."),
	JSON_STR(struct add_in, title, "title", 0, MODEL_NAME_MAX, 0, "Where it is kept: phone.", .initial_text = ""),
	JSON_STR(struct add_in, client_data, "client_data", 1, PASSKEY_FIELD_MAX, JSON_REQUIRED, "clientDataJSON, base64url."),
	JSON_STR(struct add_in, attestation_object, "attestation_object", 1, PASSKEY_FIELD_MAX, JSON_REQUIRED, "attestationObject, base64url."),
};
const struct json_desc passkey_add_in = JSON_DESC(struct add_in, add_fields, "PasskeyIn", "A passkey that a browser made.");

#define V struct view_passkey
V { int64_t passkey; struct str person, title, key, created_at, used_at; };
static const struct json_field view_fields[] = {
	JSON_I64(V, passkey, "passkey", 0, INT64_MAX, 0, "Its number."),
	JSON_STR(V, person, "person", 0, INT64_MAX, 0, "Whose."),
	JSON_STR(V, title, "title", 0, INT64_MAX, 0, "Where it is kept."),
	JSON_STR(V, key, "key", 0, INT64_MAX, 0, "The key by which it came in; it ends with that one."),
	JSON_STR(V, created_at, "created_at", 0, INT64_MAX, 0, "When it was made."),
	JSON_STR(V, used_at, "used_at", 0, INT64_MAX, JSON_OMIT_EMPTY, "The last login."),
};
const struct json_desc passkey_out = JSON_DESC(V, view_fields, "Passkey", "A passkey.");
struct list_out { V *passkeys; size_t n; };
static const struct json_field list_fields[] = {
	JSON_STRUCTS(struct list_out, passkeys, n, V, "passkeys", &passkey_out, 0, INT64_MAX, 0, "Oldest first."),
};
const struct json_desc passkey_list_out = JSON_DESC(struct list_out, list_fields, "Passkeys", "Passkeys of a person that are good.");
/* clang-format on */

static struct view_passkey view_of(struct api_call *c, const struct passkey *p)
{
	return (struct view_passkey){
		.passkey = p->id,
		.person = p->person,
		.title = p->title,
		.key = p->key_name,
		.created_at = view_at(c->a, p->created_at_ms),
		.used_at = view_at(c->a, p->used_at_ms),
	};
}

static void tell(struct api_call *c, enum event_kind kind, const struct passkey *p,
		 const char *member, struct str value)
{
	struct json *body = json_object_new(c->a);
	json_set(c->a, body, S("passkey"), json_i64_new(c->a, p->id));
	json_set_str(c->a, body, str_from(member), value);
	call_event(c, kind, p->person, body);
}

/* ---- links --------------------------------------------------------------------------------- */

static bool has_key(const struct api_call *c)
{
	static const struct hash none;
	return !hash_eq(&c->caller.key, &none);
}

MUST static int person_of(struct api_call *c, struct str name, struct person *out,
			  struct err *e)
{
	int rc = store_person_find(c->tx, c->a, name, out, e);
	if (rc == 0)
		return err_fail(e, ERR_FORBIDDEN, "only persons have passkeys");
	return rc < 0 ? -1 : 0;
}

static struct str key_of(const struct api_call *c)
{
	char hex[HASH_TEXT_SIZE];
	hash_text(&c->caller.key, hex);
	return arena_dup(c->a, str_from(hex));
}

MUST int passkey_link_post(struct api_call *c, struct err *e)
{
	struct person p;
	struct link_out v;
	if (!c->api->options.users)
		return err_fail(e, ERR_UNSUPPORTED, "this master is local: it has no passkeys");
	if (session_need_key(c, e) < 0 || person_of(c, access_person(c), &p, e) < 0 ||
	    passkey_challenge(c, "link", p.id, key_of(c), PASSKEY_LINK_MS, &v.link, e) < 0)
		return -1;
	call_event_str(c, EVENT_PASSKEY_LINK, p.name, "key", key_of(c));
	v.path = arena_fmt(c->a, "/passkey#%" STR_F, STR_A(v.link));
	v.expires_at = view_at(c->a, c->now_ms + PASSKEY_LINK_MS);
	return call_answer(c, 201, &passkey_link_out, &v, e);
}

/* ---- whose it will be ---------------------------------------------------------------------- */

struct owner {
	struct person person;
	struct str key_name;
	struct str link; /* hash of the link that was shown; "" none */
};

MUST static int owner_by_link(struct api_call *c, struct str link, struct owner *out,
			      struct err *e)
{
	struct passkey_challenge k;
	int rc = store_challenge_find(c->tx, c->a, passkey_hash(c->a, link), S("link"),
				      c->now_ms, &k, e);
	if (rc > 0)
		rc = store_person_find(c->tx, c->a, k.person, &out->person, e);
	if (rc < 0)
		return -1;
	if (rc == 0 || !out->person.is_active)
		return err_fail(
			e, ERR_FORBIDDEN,
			"this link is not good any more: hoc passkey add gives another");
	out->link = k.hash;
	out->key_name = k.key_name;
	return 0;
}

/* A session that was stolen should not leave a passkey behind: it has to be a fresh one. */
MUST static int key_by_session(struct api_call *c, struct str *out, struct err *e)
{
	struct session s;
	int rc = session_of(c, &s, e);
	if (rc <= 0)
		return rc < 0 ? -1 : err_fail(e, ERR_INTERNAL, "a person without a key");
	if (c->now_ms - s.created_at_ms > PASSKEY_FRESH_MS)
		return err_fail(e, ERR_FORBIDDEN,
				"log in once more: this takes a session of the last %d minutes",
				PASSKEY_FRESH_MS / 60000);
	*out = s.key_name;
	return 0;
}

MUST static int owner_of(struct api_call *c, struct str link, struct owner *out, struct err *e)
{
	*out = (struct owner){.link = S("")};
	if (link.p)
		return owner_by_link(c, link, out, e);
	if (!access_person(c).n) {
		(void)err_fill(e, ERR_FORBIDDEN, 401, __FILE__, __LINE__,
			       "show a link, a certificate, or log in");
		return -1;
	}
	out->key_name = has_key(c) ? key_of(c) : S("");
	if (!out->key_name.n && key_by_session(c, &out->key_name, e) < 0)
		return -1;
	return person_of(c, access_person(c), &out->person, e);
}

/* ---- making one ---------------------------------------------------------------------------- */

MUST int passkey_options_post(struct api_call *c, struct err *e)
{
	const struct options_in *in = c->in;
	struct passkey_site site;
	struct passkey *there = NULL;
	struct owner o;
	size_t n = 0;
	if (passkey_site_own(c, &site, e) < 0 || owner_of(c, in->link, &o, e) < 0 ||
	    store_passkey_list(c->tx, c->a, o.person.id, &there, &n, e) < 0)
		return -1;
	struct options_out v = {
		.rp_id = site.rp_id,
		.rp_name = str_from(c->api->options.cloud),
		.user_id = passkey_handle(c, o.person.name),
		.person = o.person.name,
		.algorithms = json_array_new(c->a),
		.exclude = json_array_new(c->a),
		.timeout_ms = PASSKEY_CHALLENGE_MS,
	};
	json_add(c->a, v.algorithms, json_i64_new(c->a, ES256));
	json_add(c->a, v.algorithms, json_i64_new(c->a, EDDSA));
	for (size_t i = 0; i < n; i++)
		json_add_str(c->a, v.exclude, there[i].credential);
	if (passkey_challenge(c, "register", o.person.id, o.key_name, PASSKEY_CHALLENGE_MS,
			      &v.challenge, e) < 0)
		return -1;
	return call_answer(c, 200, &passkey_options_out, &v, e);
}

struct
try {
	struct webauthn_client client;
	struct str challenge, attestation;
};

MUST int passkey_add_prepare(struct api_call *c, struct err *e)
{
	const struct add_in *in = c->in;
	struct try *t = ARENA_NEW(c->a, struct try);
	if (!t)
		return arena_check(c->a, e);
	c->prepared = t;
	return passkey_client(in->client_data, c->a, &t->client, &t->challenge, e) < 0
		       ? -1
		       : passkey_bytes(in->attestation_object, "attestation_object", c->a,
				       &t->attestation, e);
}

/* Takes the challenge that was given to that person. */
MUST static int take_challenge(struct api_call *c, const struct owner *o, struct str challenge,
			       struct err *e)
{
	struct passkey_challenge k;
	int rc = store_challenge_find(c->tx, c->a, passkey_hash(c->a, challenge), S("register"),
				      c->now_ms, &k, e);
	if (rc < 0)
		return -1;
	if (rc == 0 || k.person_id != o->person.id)
		return err_fail(e, ERR_FORBIDDEN,
				"this took too long, or was done already: try again");
	rc = store_challenge_take(c->tx, k.hash, e);
	return rc < 0 || !o->link.n ? MIN_OF(rc, 0)
				    : MIN_OF(store_challenge_take(c->tx, o->link, e), 0);
}

/* There is room, and the credential is nobody's. */
MUST static int check_new(struct api_call *c, const struct owner *o, struct str credential,
			  struct err *e)
{
	struct passkey *list = NULL, same;
	size_t n = 0;
	if (store_passkey_list(c->tx, c->a, o->person.id, &list, &n, e) < 0)
		return -1;
	if (n >= PASSKEYS_MAX)
		return err_fail(e, ERR_CONFLICT, "%d passkeys are enough: remove one first",
				PASSKEYS_MAX);
	int rc = store_passkey_find(c->tx, c->a, credential, &same, e);
	if (rc > 0)
		return err_fail(e, ERR_CONFLICT, "this passkey was registered before");
	return rc;
}

MUST int passkey_add_post(struct api_call *c, struct err *e)
{
	const struct add_in *in = c->in;
	const struct try *t = c->prepared;
	struct passkey_site site;
	struct webauthn_key made;
	struct owner o;
	if (passkey_site_own(c, &site, e) < 0 || owner_of(c, in->link, &o, e) < 0 ||
	    take_challenge(c, &o, t->challenge, e) < 0)
		return -1;
	const struct webauthn_expected x = {t->client.challenge, site.origin, site.rp_id};
	if (webauthn_register(&x, &t->client, t->attestation, c->a, &made, e) < 0)
		return -1;
	struct passkey p = {
		.credential = base64url(made.id, c->a),
		.person_id = o.person.id,
		.person = o.person.name,
		.public = base64url(made.public, c->a),
		.counter = made.count,
		.title = in->title,
		.key_name = o.key_name,
		.created_at_ms = c->now_ms,
	};
	if (arena_check(c->a, e) < 0 || check_new(c, &o, p.credential, e) < 0 ||
	    store_passkey_add(c->tx, &p, e) < 0)
		return -1;
	tell(c, EVENT_PASSKEY_ADDED, &p, "key", p.key_name);
	struct view_passkey v = view_of(c, &p);
	return call_answer(c, 201, &passkey_out, &v, e);
}

/* ---- showing, ending ----------------------------------------------------------------------- */

MUST int passkey_list(struct api_call *c, struct err *e)
{
	struct person p;
	struct passkey *list = NULL;
	struct list_out v = {.n = 0};
	bool is_his = access_is_all(c) || str_eq(c->params[0], access_person(c));
	int rc = is_his ? store_person_find(c->tx, c->a, c->params[0], &p, e) : 0;
	if (rc == 0)
		return err_fail(e, ERR_NOT_FOUND, "no person %" STR_F,
				STR_A(str_sub(c->params[0], 0, 100)));
	if (rc < 0 || store_passkey_list(c->tx, c->a, p.id, &list, &v.n, e) < 0)
		return -1;
	v.passkeys = ARENA_ARRAY(c->a, struct view_passkey, v.n);
	for (size_t i = 0; v.passkeys && i < v.n; i++)
		v.passkeys[i] = view_of(c, &list[i]);
	return call_answer(c, 200, &passkey_list_out, &v, e);
}

MUST int passkey_delete(struct api_call *c, struct err *e)
{
	struct passkey p;
	struct err why = ERR_INIT;
	int64_t id = 0;
	int rc = str_to_i64(c->params[0], 1, INT64_MAX, &id, &why) < 0
			 ? 0
			 : store_passkey_by_id(c->tx, c->a, id, &p, e);
	if (rc > 0 && !access_is_all(c) && !str_eq(p.person, access_person(c)))
		rc = 0;
	if (rc == 0)
		return err_fail(e, ERR_NOT_FOUND, "no such passkey");
	if (rc < 0 || passkey_revoke(c, &p, "removed", e) < 0)
		return -1;
	struct view_passkey v = view_of(c, &p);
	return call_answer(c, 200, &passkey_out, &v, e);
}

MUST int passkey_revoke(struct api_call *c, const struct passkey *p, const char *reason,
			struct err *e)
{
	int rc = store_passkey_revoke(c->tx, p->id, c->now_ms, e);
	if (rc > 0)
		tell(c, EVENT_PASSKEY_REVOKED, p, "reason", str_from(reason));
	return rc < 0 || store_session_end_by(c->tx, p->id, e) < 0 ? -1 : 0;
}

MUST int passkey_person_ended(struct api_call *c, int64_t person_id, struct str person,
			      struct err *e)
{
	int ended = store_session_end_of(c->tx, person_id, e);
	if (ended > 0)
		call_event(c, EVENT_SESSION_ENDED, person, NULL);
	return ended < 0 ? -1 : store_challenge_take_of(c->tx, person_id, S(""), e);
}

MUST int passkey_key_revoked(struct api_call *c, struct str key_name, struct str owner,
			     struct err *e)
{
	struct passkey *list = NULL;
	struct person p;
	size_t n = 0;
	if (store_passkey_of_key(c->tx, c->a, key_name, &list, &n, e) < 0)
		return -1;
	for (size_t i = 0; i < n; i++)
		if (passkey_revoke(c, &list[i], "key revoked", e) < 0)
			return -1;
	int rc = store_person_find(c->tx, c->a, owner, &p, e);
	return rc <= 0 ? rc : passkey_person_ended(c, p.id, p.name, e);
}
