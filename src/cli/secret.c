/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Sealing and unsealing with the identity's keys, and which keys are believed. */
#include "cli/secret.h"

#include <string.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/utf8.h"
#include "cli/identity.h"
#include "trust/join.h"
#include "trust/jose.h"

MUST int secret_me_open(struct cli_call *c, struct secret_me *out, struct err *e)
{
	struct identity i;
	struct cert mine;
	struct str roots;
	char recipient[AGE_RECIPIENT_SIZE];
	*out = (struct secret_me){.is_local = strncmp(c->master, "https://", 8) != 0,
				  .name = S(""),
				  .recipient = S("")};
	if (out->is_local)
		return 0;
	if (identity_paths(c, &i, e) < 0)
		return -1;
	int rc = identity_cert(c, &i, &mine, e);
	if (rc == 0)
		rc = file_read(i.roots_path, IDENTITY_FILE_MAX, c->arena, &roots, e);
	if (rc > 0)
		return err_fail(e, ERR_FORBIDDEN,
				"there is no identity in %s: run hoc login %s", i.dir,
				c->master);
	if (rc < 0 || cert_trust_new(roots, &out->trust, e) < 0)
		return -1;
	out->name = mine.name;
	rc = age_identity_load(i.seal_path, &out->seal, e);
	if (rc < 0) {
		secret_me_close(out);
		return err_in(e, "%s", i.seal_path);
	}
	if (out->seal) {
		age_identity_recipient(out->seal, recipient);
		out->recipient = arena_dup(c->arena, str_from(recipient));
	}
	return arena_check(c->arena, e);
}

void secret_me_close(struct secret_me *me)
{
	me->seal = age_identity_free(me->seal);
	me->trust = cert_trust_free(me->trust);
}

/* ---- whom to believe ----------------------------------------------------------------------- */

/* One that ended a while ago still says whose key it is: its owner renews it when he comes back. */
static int64_t moment_for(const struct cert *leaf)
{
	int64_t now_ms = clock_now_ms(clock_system());
	int64_t grace_ms = IDENTITY_GRACE_DAYS * INT64_C(24) * 3600 * 1000;
	bool has_grace = now_ms >= leaf->to_ms && now_ms < leaf->to_ms + grace_ms;
	return has_grace ? leaf->to_ms - 1 : now_ms;
}

static const char *fault_text(enum cert_fault fault)
{
	static const char *const texts[CERT_FAULTS] = {
		[CERT_UNTRUSTED] = "its certificate is not of this cloud",
		[CERT_EXPIRED] = "its certificate has ended",
		[CERT_NOT_YET] = "its certificate has not begun",
		[CERT_REVOKED] = "its certificate is revoked",
		[CERT_WRONG_PURPOSE] = "its certificate is for something else",
		[CERT_WRONG_NAME] = "its certificate has another name",
	};
	ASSERT((unsigned)fault < CERT_FAULTS && texts[fault]);
	return texts[fault];
}

static const char *judge_certificate(const struct secret_me *me, const struct cert *chain,
				     size_t count, const struct json *r)
{
	char key[HASH_TEXT_SIZE];
	enum cert_fault fault =
		cert_check(me->trust, chain, count, moment_for(&chain[0]), false, S(""));
	hash_text(&chain[0].key, key);
	if (fault != CERT_GOOD)
		return fault_text(fault);
	if (!str_is(client_text(r, "kind"), cert_kind_word(chain[0].kind)) ||
	    !str_eq(client_text(r, "name"), chain[0].name))
		return "its certificate is somebody else's";
	return str_is(client_text(r, "key"), key) ? NULL : "its certificate is for another key";
}

/* Why a recipient is not believed; NULL: it holds. */
static const char *judge(struct cli_call *c, const struct secret_me *me, const struct json *r)
{
	struct cert *chain = NULL;
	struct err why;
	size_t n = 0;
	struct str signature, seal_key = client_text(r, "seal_key");
	if (cert_chain_read(client_text(r, "certificate"), c->arena, &chain, &n, &why) < 0)
		return "it has no certificate";
	const char *fault = judge_certificate(me, chain, n, r);
	if (fault)
		return fault;
	struct str statement =
		join_statement(client_text(r, "kind"), chain[0].name, seal_key, c->arena);
	if (age_recipient_check(seal_key, &why) < 0 ||
	    base64url_read(client_text(r, "statement"), c->arena, &signature, &why) < 0 ||
	    !key_is_signed_by(chain[0].public, statement, signature))
		return "its owner did not state that it is his";
	return NULL;
}

MUST static int add_key(struct secret_keys *keys, struct str key, struct err *e)
{
	for (size_t i = 0; i < keys->count; i++)
		if (str_eq(keys->items[i], key))
			return 0;
	if (keys->count == AGE_RECIPIENTS_MAX)
		return err_fail(e, ERR_TOO_LARGE, "more than %d keys to seal to",
				AGE_RECIPIENTS_MAX);
	keys->items[keys->count++] = key;
	return 0;
}

/* Names are the master's words: none may move the cursor. */
static void say_left_out(const struct json *r, const char *fault)
{
	struct buf b CLEAN(buf_fini) = BUF_INIT(2000);
	utf8_add_line(&b, str_sub(client_text(r, "key"), 0, 16));
	buf_add(&b, S(" of "));
	utf8_add_line(&b, str_sub(client_text(r, "name"), 0, 100));
	(void)fprintf(stderr, "hoc: not sealed to key %" STR_F ": %s\n", STR_A(buf_str(&b)),
		      fault);
}

MUST int secret_keys_add(struct cli_call *c, const struct secret_me *me,
			 const struct json *list, struct str only, struct secret_keys *keys,
			 struct err *e)
{
	for (size_t i = 0; i < json_count(list); i++) {
		const struct json *r = json_at(list, i);
		struct str name = client_text(r, "name");
		if (only.n && !str_eq(name, only))
			continue;
		const char *fault = judge(c, me, r);
		if (fault) {
			say_left_out(r, fault);
			continue;
		}
		if (add_key(keys, client_text(r, "seal_key"), e) < 0)
			return -1;
	}
	return arena_check(c->arena, e);
}

MUST int secret_keys_add_own(const struct secret_me *me, struct secret_keys *keys,
			     struct err *e)
{
	if (!me->recipient.n)
		return err_fail(e, ERR_FORBIDDEN,
				"the identity has no sealing key: run hoc key renew");
	return add_key(keys, me->recipient, e);
}

/* ---- sealing ------------------------------------------------------------------------------- */

MUST int secret_seal(struct cli_call *c, struct str clear, const struct secret_keys *keys,
		     struct str *out, struct err *e)
{
	if (!keys->count)
		return err_fail(e, ERR_FORBIDDEN, "there is nobody to seal to");
	return age_seal(clear, keys->items, keys->count, c->arena, out, e);
}

MUST int secret_unseal(struct cli_call *c, const struct secret_me *me, struct str sealed,
		       struct str *out, struct err *e)
{
	if (!me->seal)
		return 1;
	if (age_unseal(sealed, me->seal, c->arena, out, e) == 0)
		return 0;
	if (e->kind != ERR_FORBIDDEN)
		return -1;
	err_clear(e);
	return 1;
}
