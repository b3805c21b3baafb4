/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * Using an identity. Whatever verb is called, its requests pass identity_use: so renewal needs no
 * daemon, only somebody who works now and then. A renewal that fails is not the verb's failure as
 * long as the certificate holds.
 *
 * A new key comes in four steps: key.next, its certificate in cert.next, then both are renamed,
 * key first. Cut off before the renames, the old pair still works; between them, the next call
 * finishes what cert.next is there for.
 */
#include "cli/identity.h"

#include <errno.h>
#include <stdio.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "cli/settings.h"
#include "trust/join.h"
#include "trust/jose.h"
#include "trust/key.h"
#include "trust/roots.h"
#include "trust/wipe.h"

MUST int identity_paths(struct cli_call *c, struct identity *out, struct err *e)
{
	struct arena *a = c->arena;
	struct identity i = {.dir = NULL};
	(void)trust_harden(); /* what comes next touches keys */
	if (settings_identity(cli_value(c, "identity"), a, &i.dir, e) < 0)
		return -1;
	i.key_path = arena_fmt(a, "%s/key.pem", i.dir).p;
	i.cert_path = arena_fmt(a, "%s/cert.pem", i.dir).p;
	i.roots_path = arena_fmt(a, "%s/roots.pem", i.dir).p;
	i.seal_path = arena_fmt(a, "%s/seal.age", i.dir).p;
	i.name_path = arena_fmt(a, "%s/name", i.dir).p;
	i.key_next = arena_fmt(a, "%s/key.next", i.dir).p;
	i.cert_next = arena_fmt(a, "%s/cert.next", i.dir).p;
	i.roots_next = arena_fmt(a, "%s/roots.next", i.dir).p;
	if (arena_check(a, e) < 0)
		return -1;
	*out = i;
	return 0;
}

MUST int identity_cert(struct cli_call *c, const struct identity *i, struct cert *out,
		       struct err *e)
{
	struct str pem;
	struct cert *chain = NULL;
	size_t n = 0;
	int rc = file_read(i->cert_path, IDENTITY_FILE_MAX, c->arena, &pem, e);
	if (rc != 0)
		return rc;
	if (cert_chain_read(pem, c->arena, &chain, &n, e) < 0)
		return err_in(e, "%s", i->cert_path);
	*out = chain[0];
	return 0;
}

MUST int identity_key(const struct identity *i, struct key **out, struct err *e)
{
	int rc = key_load(i->key_path, out, e);
	if (rc > 0)
		return err_fail(e, ERR_NOT_FOUND, "there is no key %s", i->key_path);
	return rc;
}

static struct client_as as_self(const struct cli_call *c, const struct identity *i)
{
	return (struct client_as){.master = c->master,
				  .ca_file = i->roots_path,
				  .cert_file = i->cert_path,
				  .key_file = i->key_path};
}

/* ---- what the master answers --------------------------------------------------------------- */

/* Is the chain for this key, and does it hold under the roots it came with? */
MUST static int check_answer(struct cli_call *c, const struct key *k, struct str pem,
			     struct str roots, struct err *e)
{
	struct cert_trust *trust CLEAN(cert_trust_freep) = NULL;
	struct cert *chain = NULL;
	struct hash name = key_name(k);
	size_t n = 0;
	if (cert_chain_read(pem, c->arena, &chain, &n, e) < 0 ||
	    cert_trust_new(roots, &trust, e) < 0)
		return err_in(e, "the master's answer");
	if (!hash_eq(&chain[0].key, &name))
		return err_fail(e, ERR_CORRUPT, "the master's certificate is for another key");
	enum cert_fault fault =
		cert_check(trust, chain, n, clock_now_ms(clock_system()), false, S(""));
	return fault == CERT_GOOD ? 0
				  : err_fail(e, ERR_CORRUPT,
					     "the master's certificate does not hold: %s "
					     "(is this machine's clock right?)",
					     cert_fault_word(fault));
}

MUST int identity_install(struct cli_call *c, const struct identity *i, const struct key *k,
			  const struct json *answer, struct str roots, const char *cert_path,
			  struct err *e)
{
	struct str pem = client_text(answer, "certificate"), believed,
		   name = arena_fmt(c->arena, "%" STR_F " %" STR_F " of %" STR_F "\n",
				    STR_A(client_text(answer, "kind")),
				    STR_A(client_text(answer, "name")),
				    STR_A(client_text(answer, "cloud")));
	size_t refused = 0;
	if (check_answer(c, k, pem, roots, e) < 0 ||
	    roots_follow(roots, client_text(answer, "roots"), pem, clock_now_ms(clock_system()),
			 c->arena, &believed, &refused, e) < 0 ||
	    arena_check(c->arena, e) < 0)
		return -1;
	if (refused)
		(void)fprintf(stderr,
			      "hoc: the master names %zu roots that no root of %s vouches for: "
			      "they are not believed\n",
			      refused, i->dir);
	if (file_write(i->roots_path, believed, 0644, e) < 0 ||
	    file_write(i->name_path, name, 0644, e) < 0)
		return -1;
	return file_write(cert_path, pem, 0644, e);
}

MUST int identity_renew(struct cli_call *c, const struct identity *i, const struct key *k,
			const char *cert_path, struct err *e)
{
	const struct client_as as = as_self(c, i);
	const struct cert_names none = {.count = 0};
	struct json *answer, *body = json_object_new(c->arena);
	struct str csr, roots;
	int rc = file_read(i->roots_path, IDENTITY_FILE_MAX, c->arena, &roots, e);
	if (rc > 0)
		return err_fail(e, ERR_NOT_FOUND, "there are no roots %s", i->roots_path);
	if (rc < 0 || cert_request_make(k, S(""), &none, c->arena, &csr, e) < 0)
		return -1;
	json_set_str(c->arena, body, S("csr"), csr);
	if (client_send_as(c, &as, "POST", S("/v1/renew"), body, &answer, e) < 0)
		return -1;
	return identity_install(c, i, k, answer, roots, cert_path, e);
}

/* ---- before a request ---------------------------------------------------------------------- */

static int move(const char *from, const char *to, struct err *e)
{
	if (rename(from, to) < 0 && errno != ENOENT)
		return err_os(e, errno, "rename %s", from);
	return 0;
}

/* Finishes a change of key: cert.next is there only when the master knows the new key. */
MUST static int settle(const struct identity *i, struct err *e)
{
	if (!file_exists(i->cert_next))
		return 0;
	if (move(i->key_next, i->key_path, e) < 0 || move(i->cert_next, i->cert_path, e) < 0)
		return -1;
	return file_sync_dir(i->dir, e);
}

static const char *day_of(struct cli_call *c, int64_t at_ms)
{
	char text[CLOCK_TEXT_SIZE];
	clock_text(at_ms, text);
	return arena_cstr(c->arena, str_of(text, 10));
}

/* One of several hoc at once renews; the others go on with what is there. */
MUST static int renew_locked(struct cli_call *c, const struct identity *i, struct err *e)
{
	struct key *k CLEAN(key_freep) = NULL;
	int lock CLEAN(file_closep) = -1;
	int rc = file_lock(arena_fmt(c->arena, "%s/lock", i->dir).p, &lock, e);
	if (rc != 0)
		return rc < 0 ? -1 : err_fail(e, ERR_BUSY, "another hoc is renewing it");
	return identity_key(i, &k, e) < 0 ? -1 : identity_renew(c, i, k, i->cert_path, e);
}

MUST static int keep_fresh(struct cli_call *c, const struct identity *i, const struct cert *x,
			   struct err *e)
{
	int64_t now_ms = clock_now_ms(clock_system());
	enum renewal_state due = renewal_of(x->from_ms, x->to_ms, now_ms);
	if (due == RENEWAL_FRESH)
		return 0;
	if (due == RENEWAL_OVER)
		return err_fail(e, ERR_FORBIDDEN,
				"the certificate in %s ended on %s, too long ago to renew it: "
				"ask for a token and run hoc login %s",
				i->dir, day_of(c, x->to_ms), c->master);
	if (renew_locked(c, i, e) == 0)
		return 0;
	if (due == RENEWAL_LATE)
		return err_in(e, "the certificate in %s ended on %s and could not be renewed",
			      i->dir, day_of(c, x->to_ms));
	if (e->kind != ERR_BUSY)
		(void)fprintf(stderr,
			      "hoc: the certificate ends on %s and could not be renewed: %s\n",
			      day_of(c, x->to_ms), e->text);
	return 0;
}

MUST int identity_use(struct cli_call *c, struct client_as *out, struct err *e)
{
	struct identity i;
	struct cert x;
	if (identity_paths(c, &i, e) < 0 || settle(&i, e) < 0)
		return -1;
	int rc = identity_cert(c, &i, &x, e);
	if (rc < 0)
		return -1;
	if (rc > 0 || !file_exists(i.key_path))
		return err_fail(e, ERR_FORBIDDEN,
				"there is no identity in %s: ask an operator of %s for a token "
				"and run hoc login %s, or name another with --identity",
				i.dir, c->master, c->master);
	if (keep_fresh(c, &i, &x, e) < 0)
		return -1;
	*out = as_self(c, &i);
	return 0;
}

/* Asks without a certificate: a revoked one would be refused. */
int identity_explain(struct cli_call *c, struct err *e)
{
	struct identity i;
	struct cert x;
	struct json *status;
	struct err ignored = ERR_INIT;
	if (e->kind != ERR_FORBIDDEN || identity_paths(c, &i, &ignored) < 0 ||
	    identity_cert(c, &i, &x, &ignored) != 0)
		return -1;
	const struct client_as as = {.master = c->master, .ca_file = i.roots_path};
	struct str path = client_path(c, "/v1/certificates/", x.serial, "");
	if (client_send_as(c, &as, "GET", path, NULL, &status, &ignored) == 0 &&
	    str_is(client_text(status, "status"), "revoked"))
		return err_fail(e, ERR_FORBIDDEN,
				"the key in %s was revoked on %" STR_F
				": run hoc logout, ask for a token, run hoc login %s",
				i.dir, STR_A(str_sub(client_text(status, "revoked_at"), 0, 10)),
				c->master);
	return -1;
}

/* ---- what secrets are sealed to ------------------------------------------------------------ */

MUST int identity_seal(struct cli_call *c, const struct identity *i, struct err *e)
{
	struct key *k CLEAN(key_freep) = NULL;
	struct age_identity *seal CLEAN(age_identity_freep) = NULL;
	char recipient[AGE_RECIPIENT_SIZE], name[HASH_TEXT_SIZE];
	const struct client_as as = as_self(c, i);
	struct json *answer, *body = json_object_new(c->arena);
	struct cert x;
	struct str signature;
	int rc = identity_cert(c, i, &x, e);
	if (rc > 0)
		return err_fail(e, ERR_NOT_FOUND, "there is no certificate %s", i->cert_path);
	if (rc < 0 || identity_key(i, &k, e) < 0 ||
	    age_identity_open(i->seal_path, &seal, e) < 0)
		return -1;
	age_identity_recipient(seal, recipient);
	struct str text = join_statement(str_from(cert_kind_word(x.kind)), x.name,
					 str_from(recipient), c->arena);
	if (key_sign(k, text, c->arena, &signature, e) < 0)
		return -1;
	json_set_str(c->arena, body, S("seal_key"), str_from(recipient));
	json_set_str(c->arena, body, S("statement"), base64url(signature, c->arena));
	struct hash h = key_name(k);
	hash_text(&h, name);
	return client_send_as(c, &as, "PUT", client_path(c, "/v1/keys/", name, "/seal"), body,
			      &answer, e);
}
