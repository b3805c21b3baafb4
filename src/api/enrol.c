/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * How a key becomes somebody's: by a token, once, or by a key that is his already.
 *
 * 1. A token's secret leaves in the answer that made it and is kept as SHA-256 only.
 * 2. The first key that shows a token has it; the same key may come again (its answer was lost),
 *    another may not.
 * 3. A token says when it is made whether its person is new. One for a new person never adds a
 *    key to somebody who came to be since: an owner of a customer may invite, and cannot
 *    become another. Only operators, and the person himself, make tokens for who is there.
 * 4. A token that no key has used ends with any key of the person who made it, and with him.
 * 5. A session of a browser makes neither tokens nor certificates: it would outlive itself.
 */
#include "api/enrol.h"

#include "api/access.h"
#include "api/issue.h"
#include "api/secrets.h"
#include "api/trust.h"
#include "api/trust_names.h"
#include "api/views.h"
#include "store/customer.h"
#include "store/person.h"
#include "store/token.h"
#include "trust/join.h"
#include "trust/wipe.h"

enum { TOKEN_LIST_MAX = 1000, ROLES_LIST_MAX = 8, WORD_MAX = 20, CSR_MAX = 2 * CERT_DER_MAX };
static const int64_t day_ms = INT64_C(24) * 3600 * 1000, forget_after_days = 30;

/* clang-format off */
static const struct json_word kind_words[] = {{"person", CERT_PERSON}, {"node", CERT_NODE}, {NULL, 0}};
enum role_in { IS_MEMBER, IS_OWNER };
static const struct json_word role_words[] = {{"member", IS_MEMBER}, {"owner", IS_OWNER}, {NULL, 0}};
struct token_in { enum cert_kind kind; struct str name; struct str *roles; size_t n; struct str customer; enum role_in role; };
static const struct json_field token_in_fields[] = {
	JSON_ENUM(struct token_in, kind, "kind", kind_words, JSON_REQUIRED, "What for."),
	JSON_STR(struct token_in, name, "name", 1, TRUST_NAME_MAX, JSON_REQUIRED, "Of the person or node."),
	JSON_STRS(struct token_in, roles, n, "roles", 0, ROLES_LIST_MAX, 0, "Of a new person: publisher, accountant, auditor, operator.", .max_bytes = WORD_MAX),
	JSON_STR(struct token_in, customer, "customer", 1, MODEL_NAME_MAX, 0, "A new person is in this customer."),
	JSON_ENUM(struct token_in, role, "role", role_words, 0, "As what.", .initial = IS_MEMBER),
};
const struct json_desc enrol_token_in = JSON_DESC(struct token_in, token_in_fields, "TokenIn", "Whom to let in.");
struct token_out { struct str token, kind, name, expires_at; };
static const struct json_field token_out_fields[] = {
	JSON_STR(struct token_out, token, "token", 0, INT64_MAX, JSON_SECRET, "Shown once."),
	JSON_STR(struct token_out, kind, "kind", 0, INT64_MAX, 0, "person or node."),
	JSON_STR(struct token_out, name, "name", 0, INT64_MAX, 0, "Of the person or node."),
	JSON_STR(struct token_out, expires_at, "expires_at", 0, INT64_MAX, 0, "It is good until then."),
};
const struct json_desc enrol_token_out = JSON_DESC(struct token_out, token_out_fields, "Token", "A token.");
struct listed { struct str kind, name, roles, customer, role, made_by, created_at, expires_at, used_at; };
static const struct json_field listed_fields[] = {
	JSON_STR(struct listed, kind, "kind", 0, INT64_MAX, 0, "person or node."),
	JSON_STR(struct listed, name, "name", 0, INT64_MAX, 0, "Of the person or node."),
	JSON_STR(struct listed, roles, "roles", 0, INT64_MAX, JSON_OMIT_EMPTY, "Of a new person."),
	JSON_STR(struct listed, customer, "customer", 0, INT64_MAX, JSON_OMIT_EMPTY, "Of a new person."),
	JSON_STR(struct listed, role, "role", 0, INT64_MAX, JSON_OMIT_EMPTY, "In the customer."),
	JSON_STR(struct listed, made_by, "made_by", 0, INT64_MAX, 0, "Who made it."),
	JSON_STR(struct listed, created_at, "created_at", 0, INT64_MAX, 0, "When."),
	JSON_STR(struct listed, expires_at, "expires_at", 0, INT64_MAX, 0, "It is good until then."),
	JSON_STR(struct listed, used_at, "used_at", 0, INT64_MAX, JSON_OMIT_EMPTY, "When it was first used."),
};
static const struct json_desc listed_desc = JSON_DESC(struct listed, listed_fields, "ListedToken", "A token that was made.");
struct tokens_out { struct listed *tokens; size_t n; };
static const struct json_field tokens_fields[] = {
	JSON_STRUCTS(struct tokens_out, tokens, n, struct listed, "tokens", &listed_desc, 0, INT64_MAX, 0, "Oldest first."),
};
const struct json_desc enrol_tokens_out = JSON_DESC(struct tokens_out, tokens_fields, "Tokens", "Tokens that have not expired.");

struct enrol_in_ { struct str token, csr, title; };
static const struct json_field enrol_fields[] = {
	JSON_STR(struct enrol_in_, token, "token", 1, JOIN_TOKEN_MAX, JSON_REQUIRED | JSON_SECRET, "The token, whole."),
	JSON_STR(struct enrol_in_, csr, "csr", 1, CSR_MAX, JSON_REQUIRED, "A request (PKCS #10) in PEM of the key that was made."),
	JSON_STR(struct enrol_in_, title, "title", 0, MODEL_NAME_MAX, 0, "Where the key is kept: laptop.", .initial_text = ""),
};
const struct json_desc enrol_in = JSON_DESC(struct enrol_in_, enrol_fields, "EnrolIn", "A key that comes in.");
struct renew_in { struct str csr, title; };
static const struct json_field renew_fields[] = {
	JSON_STR(struct renew_in, csr, "csr", 1, CSR_MAX, JSON_REQUIRED, "A request (PKCS #10) in PEM of the caller's key, or of a new one."),
	JSON_STR(struct renew_in, title, "title", 0, MODEL_NAME_MAX, 0, "Of a new key; else that of the caller's."),
};
const struct json_desc enrol_renew_in = JSON_DESC(struct renew_in, renew_fields, "RenewIn", "A certificate anew.");
struct enrol_out_ { struct str kind, name, cloud, key, certificate, roots, to; };
static const struct json_field enrol_out_fields[] = {
	JSON_STR(struct enrol_out_, kind, "kind", 0, INT64_MAX, 0, "person or node."),
	JSON_STR(struct enrol_out_, name, "name", 0, INT64_MAX, 0, "Who that is now."),
	JSON_STR(struct enrol_out_, cloud, "cloud", 0, INT64_MAX, 0, "Name of the cloud."),
	JSON_STR(struct enrol_out_, key, "key", 0, INT64_MAX, 0, "Name of the key."),
	JSON_STR(struct enrol_out_, certificate, "certificate", 0, INT64_MAX, 0, "PEM: the leaf, and what it is sent with."),
	JSON_STR(struct enrol_out_, roots, "roots", 0, INT64_MAX, 0, "PEM of the roots of authority users."),
	JSON_STR(struct enrol_out_, to, "to", 0, INT64_MAX, 0, "The certificate ends."),
};
const struct json_desc enrol_out = JSON_DESC(struct enrol_out_, enrol_out_fields, "Enrolled", "An identity.");
/* clang-format on */

/* ---- making tokens ------------------------------------------------------------------------- */

/* What a person who is there already has, no token changes. */
MUST static int check_new(struct api_call *c, const struct enrol_order *o, struct token *t,
			  struct err *e)
{
	struct person p;
	int rc = store_person_find(c->tx, c->a, o->name, &p, e);
	if (rc < 0)
		return -1;
	t->is_new = rc == 0;
	if (rc > 0 && !p.is_active)
		return err_fail(e, ERR_CONFLICT, "person %" STR_F " is not active",
				STR_A(o->name));
	if (rc > 0 && (o->roles.n || o->customer.n))
		return err_field(e, o->roles.n ? "roles" : "customer",
				 "is not for a token: %" STR_F
				 " is there already, it adds a key",
				 STR_A(o->name));
	return 0;
}

MUST static int check_order(struct api_call *c, const struct enrol_order *o, struct token *t,
			    struct err *e)
{
	if (trust_name(o->name, "name", e) < 0)
		return -1;
	if (o->is_node && (o->roles.n || o->customer.n))
		return err_field(e, o->roles.n ? "roles" : "customer", "is not for a node");
	return o->is_node ? 0 : check_new(c, o, t, e);
}

static void tell_made(struct api_call *c, const struct token *t)
{
	struct json *body = json_object_new(c->a);
	json_set_str(c->a, body, S("kind"), t->kind);
	json_set_str(c->a, body, S("made_by"), t->made_by);
	json_set_str(c->a, body, S("roles"), t->roles);
	if (t->customer.n) {
		json_set_str(c->a, body, S("customer"), t->customer);
		json_set_str(c->a, body, S("role"), t->customer_role);
	}
	call_event(c, EVENT_TOKEN_MADE, t->name, body);
}

MUST static int make(struct api_call *c, const struct enrol_order *o, struct str *out,
		     struct err *e)
{
	struct join_token read;
	struct customer owner;
	struct token t = {
		.kind = o->is_node ? S("node") : S("person"),
		.name = o->name,
		.roles = o->roles,
		.customer_role =
			o->customer.n ? (o->is_owner ? S("owner") : S("member")) : S(""),
		.customer = o->customer,
		.made_by = o->made_by,
		.created_at_ms = c->now_ms,
		.expires_at_ms = c->now_ms + ENROL_TOKEN_MS,
	};
	char name[HASH_TEXT_SIZE];
	if (check_order(c, o, &t, e) < 0 ||
	    join_token_make(o->is_node, &o->root, c->a, out, e) < 0 ||
	    join_token_read(*out, &read, e) < 0)
		return -1;
	struct hash h = join_token_name(&read);
	hash_text(&h, name);
	t.hash = str_from(name);
	if (o->customer.n) {
		if (store_customer_get(c->tx, c->a, o->customer, c->now_ms, &owner, e) < 0)
			return -1;
		t.customer_id = owner.id;
	}
	tell_made(c, &t);
	return store_token_purge(c->tx, c->now_ms - forget_after_days * day_ms, e) < 0
		       ? -1
		       : store_token_add(c->tx, &t, e);
}

MUST int enrol_token_make(struct api *api, struct db_tx *tx, const struct enrol_order *o,
			  struct arena *a, struct str *out, struct err *e)
{
	struct api_response ignored;
	struct api_call c = {.op = NULL};
	call_begin(&c, api, tx, a, &ignored);
	return make(&c, o, out, e) < 0 ? -1 : call_end(&c, e);
}

/* Roles as one text, each once, in the order of enum role. */
MUST static int read_roles(struct api_call *c, const struct token_in *in, struct str *out,
			   struct err *e)
{
	unsigned have = 0;
	enum role r;
	*out = S("");
	for (size_t i = 0; i < in->n; i++) {
		if (!access_role_read(in->roles[i], &r))
			return err_field(e, "roles",
					 "may be publisher, accountant, auditor, operator");
		have |= 1u << r;
	}
	for (int k = 0; k < ROLES; k++)
		if (have & 1u << k)
			*out = arena_fmt(c->a, "%" STR_F "%s%s", STR_A(*out), out->n ? " " : "",
					 access_role_word((enum role)k));
	return arena_check(c->a, e);
}

static bool is_owner_of(const struct api_call *c, struct str customer)
{
	for (size_t i = 0; c->access && i < c->access->member_count; i++)
		if (c->access->members[i].is_owner &&
		    str_eq(c->access->members[i].customer, customer))
			return true;
	return false;
}

/* Invariant 3, for those who are no operators. */
MUST static int may_make(struct api_call *c, const struct token_in *in, struct err *e)
{
	struct person p;
	if (access_is_all(c))
		return 0;
	if (in->kind != CERT_PERSON)
		return err_fail(e, ERR_FORBIDDEN, "only operators let nodes in");
	if (in->n)
		return err_fail(e, ERR_FORBIDDEN, "only operators give roles");
	if (str_eq(in->name, access_person(c)))
		return 0;
	if (!is_owner_of(c, in->customer))
		return err_fail(e, ERR_FORBIDDEN,
				"name a customer of which you are an owner, or yourself");
	int rc = store_person_find(c->tx, c->a, in->name, &p, e);
	if (rc > 0)
		return err_fail(e, ERR_CONFLICT,
				"person %" STR_F " is there already: add him as a member",
				STR_A(in->name));
	return rc;
}

MUST static int need_key(const struct api_call *c, struct err *e)
{
	static const struct hash none;
	if (c->caller.kind == API_ANYONE || hash_eq(&c->caller.key, &none))
		return err_fail(e, ERR_FORBIDDEN,
				"this takes a certificate: a session of a browser may not");
	return 0;
}

MUST int enrol_token_post(struct api_call *c, struct err *e)
{
	const struct token_in *in = c->in;
	const struct ca *users;
	struct enrol_order o = {
		.is_node = in->kind == CERT_NODE,
		.name = in->name,
		.customer = in->customer.p ? in->customer : S(""),
		.is_owner = in->role == IS_OWNER,
		.made_by = access_person(c),
	};
	struct token_out v = {.kind = str_from(cert_kind_word(in->kind)), .name = in->name};
	if (trust_authority(c, CA_USERS, &users, e) < 0 || need_key(c, e) < 0 ||
	    may_make(c, in, e) < 0 || read_roles(c, in, &o.roles, e) < 0)
		return -1;
	o.root = ca_root_fingerprint(users);
	if (make(c, &o, &v.token, e) < 0)
		return -1;
	v.expires_at = view_at(c->a, c->now_ms + ENROL_TOKEN_MS);
	return call_answer(c, 201, &enrol_token_out, &v, e);
}

/* ---- showing tokens ------------------------------------------------------------------------ */

/* Those that he made, and those for customers of which he is an owner. */
static bool is_shown(const struct api_call *c, const struct token *t)
{
	return access_is_all(c) || str_eq(t->made_by, access_person(c)) ||
	       (t->customer.n && is_owner_of(c, t->customer));
}

MUST int enrol_token_list(struct api_call *c, struct err *e)
{
	struct token *list = NULL;
	struct tokens_out v = {.n = 0};
	size_t n = 0;
	if (store_token_list(c->tx, c->a, 0, c->now_ms, TOKEN_LIST_MAX, &list, &n, e) < 0)
		return -1;
	v.tokens = ARENA_ARRAY(c->a, struct listed, n);
	for (size_t i = 0; v.tokens && i < n; i++)
		if (is_shown(c, &list[i]))
			v.tokens[v.n++] = (struct listed){
				.kind = list[i].kind,
				.name = list[i].name,
				.roles = list[i].roles,
				.customer = list[i].customer,
				.role = list[i].customer_role,
				.made_by = list[i].made_by,
				.created_at = view_at(c->a, list[i].created_at_ms),
				.expires_at = view_at(c->a, list[i].expires_at_ms),
				.used_at = view_at(c->a, list[i].used_at_ms),
			};
	return call_answer(c, 200, &enrol_tokens_out, &v, e);
}

/* ---- coming in ----------------------------------------------------------------------------- */

struct ask { /* a request, checked before the transaction */
	bool is_node;
	char token[HASH_TEXT_SIZE];
	char key[HASH_TEXT_SIZE];
	struct cert_request csr;
};

MUST static int read_csr(struct api_call *c, struct str text, struct ask *ask, struct err *e)
{
	if (cert_request_read(text, c->a, &ask->csr, e) < 0)
		return -1;
	if (ask->csr.kind == KEY_KINDS)
		return err_field(e, "csr", "an identity's key is P-256 or Ed25519");
	hash_text(&ask->csr.key, ask->key);
	c->prepared = ask;
	return 0;
}

/* The transaction may run again; the token is needed here only, and wiped. */
MUST int enrol_prepare(struct api_call *c, struct err *e)
{
	struct enrol_in_ *in = c->in;
	struct ask *ask = ARENA_NEW(c->a, struct ask);
	struct join_token t;
	if (!ask)
		return arena_check(c->a, e);
	int rc = join_token_read(in->token, &t, e);
	if (rc == 0) {
		struct hash h = join_token_name(&t);
		hash_text(&h, ask->token);
		ask->is_node = t.is_node;
	}
	trust_wipe_str(&in->token);
	return rc < 0 ? -1 : read_csr(c, in->csr, ask, e);
}

MUST int enrol_renew_prepare(struct api_call *c, struct err *e)
{
	const struct renew_in *in = c->in;
	struct ask *ask = ARENA_NEW(c->a, struct ask);
	return ask ? read_csr(c, in->csr, ask, e) : arena_check(c->a, e);
}

MUST static int find_token(struct api_call *c, const struct ask *ask, struct token *out,
			   struct err *e)
{
	int rc = store_token_find(c->tx, c->a, str_from(ask->token), out, e);
	if (rc < 0)
		return -1;
	if (rc == 0 || !trust_text_eq(out->hash, str_from(ask->token)) ||
	    str_is(out->kind, "node") != ask->is_node)
		return err_fail(e, ERR_FORBIDDEN, "this token is not known: ask for another");
	if (out->expires_at_ms <= c->now_ms)
		return err_fail(e, ERR_FORBIDDEN, "this token has expired: ask for another");
	if (out->bound_key.n && !trust_text_eq(out->bound_key, str_from(ask->key)))
		return err_fail(e, ERR_FORBIDDEN,
				"this token was used by another key: ask for another");
	return 0;
}

/* Makes a person who is new; else he has to be there, and active. */
MUST static int enter_person(struct api_call *c, const struct token *t, struct err *e)
{
	struct person p;
	int rc = store_person_find(c->tx, c->a, t->name, &p, e);
	if (rc < 0)
		return -1;
	if (rc > 0 && !p.is_active)
		return err_fail(e, ERR_FORBIDDEN, "person %" STR_F " is not active here",
				STR_A(t->name));
	if (t->bound_key.n || (rc > 0 && !t->is_new))
		return 0;
	if (rc > 0)
		return err_fail(e, ERR_CONFLICT,
				"person %" STR_F
				" came in since by another token: ask for a token again",
				STR_A(t->name));
	if (store_person_get(c->tx, c->a, t->name, c->now_ms, &p, e) < 0)
		return -1;
	p.roles = t->roles;
	if (store_person_save(c->tx, &p, e) < 0)
		return -1;
	return t->customer_id ? store_member_set(c->tx, t->customer_id, p.id,
						 str_is(t->customer_role, "owner"), e)
			      : 0;
}

/* Who was away so long that nobody sealed to him any more is back: nodes look again. */
MUST static int welcome_back(struct api_call *c, enum cert_kind kind, struct str name,
			     const struct ask *ask, struct err *e)
{
	struct certificate was;
	int rc = store_certificate_newest(c->tx, c->a, str_from(ask->key), &was, e);
	if (rc <= 0 || was.to_ms > c->now_ms)
		return rc < 0 ? -1 : 0;
	return secrets_keys_changed(c, str_from(cert_kind_word(kind)), name, e);
}

MUST static int answer_identity(struct api_call *c, int status, enum cert_kind kind,
				struct str name, const struct ask *ask, struct err *e)
{
	const struct ca *users;
	struct issued made;
	if (trust_authority(c, CA_USERS, &users, e) < 0 ||
	    welcome_back(c, kind, name, ask, e) < 0 ||
	    issue_identity(c, kind, name, ask->csr.public, NULL, &made, e) < 0)
		return -1;
	struct enrol_out_ v = {
		.kind = str_from(cert_kind_word(kind)),
		.name = name,
		.cloud = str_from(c->api->options.cloud),
		.key = str_from(ask->key),
		.certificate = made.pem,
		.roots = ca_roots(users),
		.to = view_at(c->a, made.to_ms),
	};
	return call_answer(c, status, &enrol_out, &v, e);
}

MUST int enrol_post(struct api_call *c, struct err *e)
{
	const struct enrol_in_ *in = c->in;
	const struct ask *ask = c->prepared;
	enum cert_kind kind = ask->is_node ? CERT_NODE : CERT_PERSON;
	const struct ca *users;
	struct token t;
	if (trust_authority(c, CA_USERS, &users, e) < 0 || find_token(c, ask, &t, e) < 0 ||
	    (!ask->is_node && enter_person(c, &t, e) < 0) ||
	    trust_key_add(c, str_from(ask->key), kind, t.name, in->title, e) < 0)
		return -1;
	if (!t.bound_key.n) {
		call_event_str(c, EVENT_TOKEN_USED, t.name, "key", str_from(ask->key));
		if (store_token_bind(c->tx, t.id, str_from(ask->key), c->now_ms, e) < 0)
			return -1;
	}
	return answer_identity(c, t.bound_key.n ? 200 : 201, kind, t.name, ask, e);
}

/* The door takes an ended certificate for renewal; here is how long. */
MUST static int check_grace(struct api_call *c, struct str key, struct err *e)
{
	struct certificate newest = {.to_ms = 0};
	if (store_certificate_newest(c->tx, c->a, key, &newest, e) < 0)
		return -1;
	return c->now_ms - newest.to_ms <= ENROL_GRACE_DAYS * day_ms
		       ? 0
		       : err_fail(
				 e, ERR_FORBIDDEN,
				 "the certificate ended more than %d days ago: ask for a token",
				 ENROL_GRACE_DAYS);
}

/* The TLS session proved the caller's key; whatever key he brings is his. */
MUST int enrol_renew(struct api_call *c, struct err *e)
{
	const struct renew_in *in = c->in;
	const struct ask *ask = c->prepared;
	enum cert_kind kind = c->caller.kind == API_NODE ? CERT_NODE : CERT_PERSON;
	const struct ca *users;
	struct identity_key mine;
	char name[HASH_TEXT_SIZE];
	if (trust_authority(c, CA_USERS, &users, e) < 0 || need_key(c, e) < 0)
		return -1;
	hash_text(&c->caller.key, name);
	int rc = store_key_find(c->tx, c->a, str_from(name), &mine, e);
	if (rc <= 0 || mine.revoked_at_ms)
		return rc < 0 ? -1 : err_fail(e, ERR_FORBIDDEN, "this key is revoked");
	if (check_grace(c, mine.name, e) < 0 ||
	    trust_key_add(c, str_from(ask->key), kind, mine.owner,
			  in->title.p ? in->title : mine.title, e) < 0)
		return -1;
	return answer_identity(c, 200, kind, mine.owner, ask, e);
}

MUST int enrol_master(struct api *api, struct db_tx *tx, struct str name, struct str public,
		      const struct cert_names *names, struct arena *a, struct str *out_pem,
		      struct err *e)
{
	struct api_response ignored;
	struct api_call c = {.op = NULL};
	struct issued made;
	struct hash h = hash_of(public);
	char key[HASH_TEXT_SIZE];
	hash_text(&h, key);
	call_begin(&c, api, tx, a, &ignored);
	if (trust_key_add(&c, str_from(key), CERT_MASTER, name, S("master"), e) < 0 ||
	    issue_identity(&c, CERT_MASTER, name, public, names, &made, e) < 0 ||
	    call_end(&c, e) < 0)
		return -1;
	*out_pem = made.pem;
	return 0;
}
