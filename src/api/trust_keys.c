/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * Keys of persons and nodes: which there are, what each may read, and when one ends.
 *
 * A sealing key is believed because the identity key signed it: the master checks that before it
 * stores it, and whoever seals checks it again.
 */
#include "api/access.h"
#include "api/audit.h"
#include "api/issue.h"
#include "api/passkey.h"
#include "api/secrets.h"
#include "api/trust.h"
#include "api/trust_ca.h"
#include "api/views.h"
#include "store/person.h"
#include "store/token.h"
#include "trust/age.h"
#include "trust/join.h"
#include "trust/jose.h"

enum { STATEMENT_MAX = 2 * KEY_SIGNATURE_MAX };

/* clang-format off */
struct seal_in { struct str seal_key, statement; };
static const struct json_field seal_fields[] = {
	JSON_STR(struct seal_in, seal_key, "seal_key", 1, AGE_RECIPIENT_SIZE, JSON_REQUIRED, "age1…, what secrets are to be sealed to."),
	JSON_STR(struct seal_in, statement, "statement", 1, STATEMENT_MAX, JSON_REQUIRED, "The key's signature over it, base64url."),
};
const struct json_desc trust_seal_in = JSON_DESC(struct seal_in, seal_fields, "SealIn", "A sealing key.");
struct revoke_in { int reason; };
static const struct json_field revoke_fields[] = {
	JSON_ENUM(struct revoke_in, reason, "reason", trust_reason_words, 0, "Why."),
};
const struct json_desc trust_revoke_in = JSON_DESC(struct revoke_in, revoke_fields, "RevokeIn", "Why it is revoked.");
struct key_out { struct str key, kind, owner, title, seal_key, statement, certificate, created_at, revoked_at, reason; };
static const struct json_field key_fields[] = {
	JSON_STR(struct key_out, key, "key", 0, INT64_MAX, 0, "Its name: SHA-256 of the public half, hex."),
	JSON_STR(struct key_out, kind, "kind", 0, INT64_MAX, 0, "person or node."),
	JSON_STR(struct key_out, owner, "owner", 0, INT64_MAX, 0, "Whose."),
	JSON_STR(struct key_out, title, "title", 0, INT64_MAX, 0, "Where it is kept."),
	JSON_STR(struct key_out, seal_key, "seal_key", 0, INT64_MAX, 0, "age1…; empty: none yet."),
	JSON_STR(struct key_out, statement, "statement", 0, INT64_MAX, 0, "The key's signature over the sealing key, base64url."),
	JSON_STR(struct key_out, certificate, "certificate", 0, INT64_MAX, 0, "PEM of its newest certificate."),
	JSON_STR(struct key_out, created_at, "created_at", 0, INT64_MAX, 0, "When it was added."),
	JSON_STR(struct key_out, revoked_at, "revoked_at", 0, INT64_MAX, JSON_OMIT_EMPTY, "When it was revoked."),
	JSON_STR(struct key_out, reason, "reason", 0, INT64_MAX, JSON_OMIT_EMPTY, "Why it was revoked."),
};
const struct json_desc trust_key_out = JSON_DESC(struct key_out, key_fields, "Key", "A key of a person or node.");
struct keys_out { struct key_out *keys; size_t n; };
static const struct json_field keys_fields[] = {
	JSON_STRUCTS(struct keys_out, keys, n, struct key_out, "keys", &trust_key_out, 0, INT64_MAX, 0, "Oldest first, revoked ones too."),
};
const struct json_desc trust_keys_out = JSON_DESC(struct keys_out, keys_fields, "Keys", "All keys of an owner.");
/* clang-format on */

/* The event, and the entry of the transparency log. */
MUST static int tell(struct api_call *c, enum event_kind event, const char *change,
		     const struct identity_key *k, struct err *e)
{
	struct json *body = json_object_new(c->a);
	json_set_str(c->a, body, S("change"), str_from(change));
	json_set_str(c->a, body, S("kind"), k->kind);
	json_set_str(c->a, body, S("owner"), k->owner);
	if (event == EVENT_KEY_SEALED)
		json_set_str(c->a, body, S("seal_key"), k->seal_key);
	if (event == EVENT_KEY_REVOKED)
		json_set_str(c->a, body, S("reason"), k->reason);
	call_event(c, event, k->name, body);
	return log_append(c, "key", k->name, body, e);
}

MUST int trust_key_add(struct api_call *c, struct str name, enum cert_kind kind,
		       struct str owner, struct str title, struct err *e)
{
	struct identity_key k;
	int64_t good = 0;
	struct str word = str_from(cert_kind_word(kind));
	int rc = store_key_find(c->tx, c->a, name, &k, e);
	if (rc < 0)
		return -1;
	if (rc > 0 && (!str_eq(k.kind, word) || !str_eq(k.owner, owner)))
		return err_fail(e, ERR_CONFLICT, "this key is somebody else's");
	if (rc > 0 && k.revoked_at_ms)
		return err_fail(e, ERR_FORBIDDEN, "this key is revoked: make another");
	if (rc > 0)
		return 0;
	if (store_key_count(c->tx, word, owner, &good, e) < 0)
		return -1;
	if (good >= IDENTITY_KEYS_MAX)
		return err_fail(e, ERR_TOO_LARGE, "%" STR_F " has %d keys: revoke some first",
				STR_A(owner), IDENTITY_KEYS_MAX);
	k = (struct identity_key){.name = arena_dup(c->a, name),
				  .kind = word,
				  .owner = owner,
				  .title = title,
				  .created_at_ms = c->now_ms};
	if (store_key_add(c->tx, &k, e) < 0 || tell(c, EVENT_KEY_ADDED, "added", &k, e) < 0)
		return -1;
	return 1;
}

/* ---- showing ------------------------------------------------------------------------------- */

MUST static int view_key(struct api_call *c, const struct identity_key *k, struct key_out *out,
			 struct err *e)
{
	struct certificate x = {.pem = S("")};
	if (store_certificate_newest(c->tx, c->a, k->name, &x, e) < 0)
		return -1;
	*out = (struct key_out){
		.key = k->name,
		.kind = k->kind,
		.owner = k->owner,
		.title = k->title,
		.seal_key = k->seal_key,
		.statement = k->statement,
		.certificate = x.pem,
		.created_at = view_at(c->a, k->created_at_ms),
		.revoked_at = view_at(c->a, k->revoked_at_ms),
		.reason = k->reason,
	};
	return 0;
}

MUST static int answer_keys(struct api_call *c, const char *kind, struct err *e)
{
	struct identity_key *list = NULL;
	struct keys_out v = {.n = 0};
	if (store_key_list(c->tx, c->a, str_from(kind), c->params[0], &list, &v.n, e) < 0)
		return -1;
	v.keys = ARENA_ARRAY(c->a, struct key_out, v.n);
	for (size_t i = 0; v.keys && i < v.n; i++)
		if (view_key(c, &list[i], &v.keys[i], e) < 0)
			return -1;
	return call_answer(c, 200, &trust_keys_out, &v, e);
}

MUST int trust_person_keys(struct api_call *c, struct err *e)
{
	struct person p;
	bool is_his = access_is_all(c) || str_eq(c->params[0], access_person(c));
	int rc = is_his ? store_person_find(c->tx, c->a, c->params[0], &p, e) : 0;
	if (rc == 0)
		return err_fail(e, ERR_NOT_FOUND, "no person %" STR_F,
				STR_A(str_sub(c->params[0], 0, 100)));
	return rc < 0 ? -1 : answer_keys(c, "person", e);
}

MUST int trust_node_keys(struct api_call *c, struct err *e)
{
	if (!access_is_node(c, c->params[0]))
		return err_fail(e, ERR_NOT_FOUND, "no node %" STR_F,
				STR_A(str_sub(c->params[0], 0, 100)));
	return answer_keys(c, "node", e);
}

/* ---- changing ------------------------------------------------------------------------------ */

static bool is_mine(const struct api_call *c, const struct identity_key *k)
{
	struct str me = str_is(k->kind, "person") ? access_person(c)
			: str_is(k->kind, "node") ? access_node(c)
						  : S("");
	return me.n && str_eq(me, k->owner);
}

MUST static int find_key(struct api_call *c, bool may_all, struct identity_key *out,
			 struct err *e)
{
	int rc = store_key_find(c->tx, c->a, c->params[0], out, e);
	if (rc < 0)
		return -1;
	if (rc == 0 || (!is_mine(c, out) && !(may_all && access_is_all(c))))
		return err_fail(e, ERR_NOT_FOUND, "no such key");
	return 0;
}

MUST static int answer_key(struct api_call *c, const struct identity_key *k, struct err *e)
{
	struct key_out v;
	if (view_key(c, k, &v, e) < 0)
		return -1;
	return call_answer(c, 200, &trust_key_out, &v, e);
}

/* Did the key sign that? Its public half is in its certificate. */
MUST static int check_statement(struct api_call *c, const struct identity_key *k,
				const struct seal_in *in, struct err *e)
{
	struct certificate x;
	struct cert leaf;
	struct str signature, message = join_statement(k->kind, k->owner, in->seal_key, c->a);
	if (age_recipient_check(in->seal_key, e) < 0) {
		(void)snprintf(e->field, sizeof e->field, "seal_key");
		return -1;
	}
	int rc = store_certificate_newest(c->tx, c->a, k->name, &x, e);
	if (rc == 0)
		return err_fail(e, ERR_INTERNAL, "a key without a certificate");
	if (rc < 0 || cert_read(x.pem, c->a, &leaf, e) < 0)
		return -1;
	if (base64url_read(in->statement, c->a, &signature, e) < 0 ||
	    !key_is_signed_by(leaf.public, message, signature))
		return err_field(e, "statement", "is not this key's signature");
	return 0;
}

MUST int trust_key_seal(struct api_call *c, struct err *e)
{
	const struct seal_in *in = c->in;
	const struct ca *users;
	struct identity_key k;
	if (trust_authority(c, CA_USERS, &users, e) < 0 || find_key(c, false, &k, e) < 0)
		return -1;
	if (k.revoked_at_ms)
		return err_fail(e, ERR_FORBIDDEN, "this key is revoked");
	if (check_statement(c, &k, in, e) < 0)
		return -1;
	bool is_change = !str_eq(k.seal_key, in->seal_key);
	k.seal_key = in->seal_key;
	k.statement = in->statement;
	if (is_change && (store_key_seal(c->tx, &k, e) < 0 ||
			  tell(c, EVENT_KEY_SEALED, "sealed", &k, e) < 0 ||
			  secrets_keys_changed(c, k.kind, k.owner, e) < 0))
		return -1;
	return answer_key(c, &k, e);
}

/* What a person's key gave others a way in with ends with it: a thief leaves no door open. */
MUST static int person_key_ended(struct api_call *c, const struct identity_key *k,
				 struct err *e)
{
	if (!str_is(k->kind, "person"))
		return 0;
	return store_token_void(c->tx, k->owner, c->now_ms, e) < 0
		       ? -1
		       : passkey_key_revoked(c, k->name, k->owner, e);
}

MUST int trust_key_revoke(struct api_call *c, struct err *e)
{
	const struct revoke_in *in = c->in;
	const struct ca *users;
	struct identity_key k;
	if (trust_authority(c, CA_USERS, &users, e) < 0 || find_key(c, true, &k, e) < 0)
		return -1;
	int rc = store_key_revoke(c->tx, k.id, c->now_ms, trust_reason_word(in->reason), e);
	if (rc > 0) {
		k.revoked_at_ms = c->now_ms;
		k.reason = trust_reason_word(in->reason);
		if (issue_revoke_key(c, k.name, in->reason, e) < 0 ||
		    tell(c, EVENT_KEY_REVOKED, "revoked", &k, e) < 0 ||
		    person_key_ended(c, &k, e) < 0 ||
		    secrets_keys_changed(c, k.kind, k.owner, e) < 0)
			return -1;
	}
	return rc < 0 ? -1 : answer_key(c, &k, e);
}
