/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Keys and certificates: list, revoke, change, and shares of the sealing key. */
#include <errno.h>
#include <stdio.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "cli/identity.h"
#include "trust/key.h"
#include "trust/wipe.h"

enum { SHARES_MAX = 20, SHARE_FILE_MAX = 4096 };

static struct str day(struct cli_call *c, const struct json *row, const char *key)
{
	struct str at = client_text(row, key);
	return at.n ? str_sub(at, 0, 10) : arena_dup(c->arena, S("-"));
}

/* ---- keys ---------------------------------------------------------------------------------- */

/* Whose keys: --person, --node, else the own. */
MUST static int keys_path(struct cli_call *c, struct str *out, struct err *e)
{
	const char *person = cli_value(c, "person"), *node = cli_value(c, "node");
	struct identity i;
	struct cert x;
	if (person && node)
		return err_field(e, "node", "goes without --person");
	if (person || node) {
		*out = client_path(c, person ? "/v1/persons/" : "/v1/nodes/",
				   person ? person : node, "/keys");
		return 0;
	}
	if (identity_paths(c, &i, e) < 0)
		return -1;
	int rc = identity_cert(c, &i, &x, e);
	if (rc > 0)
		return err_fail(e, ERR_NOT_FOUND, "there is no identity in %s: name a --person",
				i.dir);
	if (rc < 0)
		return -1;
	*out = client_path(c, x.kind == CERT_NODE ? "/v1/nodes/" : "/v1/persons/",
			   arena_cstr(c->arena, x.name), "/keys");
	return 0;
}

int verb_key_list(struct cli_call *c, struct err *e)
{
	static const char *const heads[] = {"KEY", "SINCE", "REVOKED", "SEALS", "TITLE", NULL};
	struct json *doc;
	struct str path;
	struct table t;
	if (keys_path(c, &path, e) < 0 || client_get(c, path, &doc, e) < 0)
		return -1;
	if (c->is_json) {
		client_print_json(c, doc);
		return 0;
	}
	const struct json *list = json_get(doc, S("keys"));
	table_start(&t, c, heads);
	for (size_t i = 0; i < json_count(list); i++) {
		const struct json *k = json_at(list, i);
		table_cell(&t, client_text(k, "key"));
		table_cell(&t, day(c, k, "created_at"));
		table_cell(&t, day(c, k, "revoked_at"));
		table_cell(&t, client_text(k, "seal_key").n ? S("yes") : S("no"));
		table_cell(&t, client_text(k, "title"));
	}
	table_end(&t, "no keys");
	return 0;
}

MUST static int send_revoke(struct cli_call *c, const char *before, const char *name,
			    struct json **out, struct err *e)
{
	struct json *body = json_object_new(c->arena);
	json_set_str(c->arena, body, S("reason"), str_from(cli_value(c, "reason")));
	return client_send(c, "POST", client_path(c, before, name, "/revoke"), body, out, e);
}

int verb_key_revoke(struct cli_call *c, struct err *e)
{
	struct json *answer;
	if (send_revoke(c, "/v1/keys/", c->arguments[0], &answer, e) < 0)
		return -1;
	if (c->is_json)
		client_print_json(c, answer);
	else
		(void)fprintf(c->out, "revoked %s of %" STR_F " %" STR_F "\n", c->arguments[0],
			      STR_A(client_text(answer, "kind")),
			      STR_A(client_text(answer, "owner")));
	return 0;
}

/* ---- renewing ------------------------------------------------------------------------------ */

MUST static int put_in_place(const struct identity *i, struct err *e)
{
	if (rename(i->key_next, i->key_path) < 0 || rename(i->cert_next, i->cert_path) < 0)
		return err_os(e, errno, "put the new key into %s", i->dir);
	return file_sync_dir(i->dir, e);
}

/* See the steps in identity.c. The old key is revoked by the new one, last. */
MUST static int change_key(struct cli_call *c, const struct identity *i, struct err *e)
{
	struct key *old CLEAN(key_freep) = NULL, *k CLEAN(key_freep) = NULL;
	char name[HASH_TEXT_SIZE];
	enum key_kind kind;
	struct json *answer, *body = json_object_new(c->arena);
	if (identity_key(i, &old, e) < 0)
		return -1;
	kind = key_kind_of(old);
	if (cli_value(c, "key") && key_kind_read(str_from(cli_value(c, "key")), &kind, e) < 0)
		return -1;
	if (key_open(i->key_next, kind, &k, e) < 0 ||
	    identity_renew(c, i, k, i->cert_next, e) < 0 || put_in_place(i, e) < 0 ||
	    identity_seal(c, i, e) < 0)
		return -1;
	struct hash h = key_name(old);
	hash_text(&h, name);
	json_set_str(c->arena, body, S("reason"), S("superseded"));
	return client_send(c, "POST", client_path(c, "/v1/keys/", name, "/revoke"), body,
			   &answer, e);
}

MUST static int renew(struct cli_call *c, const struct identity *i, struct err *e)
{
	struct key *k CLEAN(key_freep) = NULL;
	if (identity_key(i, &k, e) < 0 || identity_renew(c, i, k, i->cert_path, e) < 0)
		return -1;
	return identity_seal(c, i, e);
}

static void print_cert(struct cli_call *c, const struct cert *x)
{
	char key[HASH_TEXT_SIZE], from[CLOCK_TEXT_SIZE], to[CLOCK_TEXT_SIZE];
	hash_text(&x->key, key);
	clock_text(x->from_ms, from);
	clock_text(x->to_ms, to);
	if (c->is_json) {
		struct json *doc = json_object_new(c->arena);
		json_set_str(c->arena, doc, S("kind"), str_from(cert_kind_word(x->kind)));
		json_set_str(c->arena, doc, S("name"), x->name);
		json_set_str(c->arena, doc, S("serial"), str_from(x->serial));
		json_set_str(c->arena, doc, S("key"), str_from(key));
		json_set_str(c->arena, doc, S("from"), str_from(from));
		json_set_str(c->arena, doc, S("to"), str_from(to));
		client_print_json(c, doc);
		return;
	}
	(void)fprintf(c->out,
		      "%-9s %" STR_F "\nserial    %s\nkey       %s\nissuer    %" STR_F
		      "\nfrom      %s\nto        %s\n",
		      cert_kind_word(x->kind), STR_A(x->name), x->serial, key, STR_A(x->issuer),
		      from, to);
}

MUST static int show_own(struct cli_call *c, const struct identity *i, struct err *e)
{
	struct cert x;
	int rc = identity_cert(c, i, &x, e);
	if (rc > 0)
		return err_fail(e, ERR_NOT_FOUND, "there is no identity in %s", i->dir);
	if (rc == 0)
		print_cert(c, &x);
	return rc;
}

int verb_key_renew(struct cli_call *c, struct err *e)
{
	struct client_as ignored;
	struct identity i;
	if (identity_paths(c, &i, e) < 0 || identity_use(c, &ignored, e) < 0)
		return -1;
	if ((cli_has(c, "new-key") ? change_key(c, &i, e) : renew(c, &i, e)) < 0)
		return identity_explain(c, e);
	return show_own(c, &i, e);
}

/* ---- certificates -------------------------------------------------------------------------- */

int verb_cert_show(struct cli_call *c, struct err *e)
{
	static const char *const rows[] = {"serial", "status", "authority",  "kind",
					   "from",   "to",     "revoked_at", "reason"};
	struct identity i;
	struct json *doc;
	if (!c->argument_count)
		return identity_paths(c, &i, e) < 0 ? -1 : show_own(c, &i, e);
	if (client_get(c, client_path(c, "/v1/certificates/", c->arguments[0], ""), &doc, e) <
	    0)
		return -1;
	if (c->is_json) {
		client_print_json(c, doc);
		return 0;
	}
	for (size_t k = 0; k < ARRAY_LEN(rows); k++)
		if (client_text(doc, rows[k]).n)
			(void)fprintf(c->out, "%-11s%" STR_F "\n", rows[k],
				      STR_A(client_text(doc, rows[k])));
	return 0;
}

int verb_cert_revoke(struct cli_call *c, struct err *e)
{
	struct json *answer;
	if (send_revoke(c, "/v1/certificates/", c->arguments[0], &answer, e) < 0)
		return -1;
	if (c->is_json)
		client_print_json(c, answer);
	else
		(void)fprintf(c->out, "revoked %s\n", c->arguments[0]);
	return 0;
}

/* ---- shares of the sealing key ------------------------------------------------------------- */

MUST static int write_share(struct cli_call *c, const char *dir, size_t n, struct str share,
			    struct err *e)
{
	struct str path = arena_fmt(c->arena, "%s/share-%zu", dir, n),
		   text = arena_fmt(c->arena, "%" STR_F "\n", STR_A(share));
	if (arena_check(c->arena, e) < 0)
		return -1;
	if (file_exists(path.p))
		return err_fail(e, ERR_CONFLICT, "%s is there already", path.p);
	int rc = file_write(path.p, text, 0600, e);
	trust_wipe_str(&text);
	if (rc == 0)
		(void)fprintf(c->out, "%s\n", path.p);
	return rc;
}

int verb_key_split(struct cli_call *c, struct err *e)
{
	struct age_identity *seal CLEAN(age_identity_freep) = NULL;
	struct str shares[SHARES_MAX];
	const char *into;
	struct identity i;
	int64_t need, of;
	if (cli_i64(c, "need", 2, SHARES_MAX, &need, e) < 0 ||
	    cli_i64(c, "of", 2, SHARES_MAX, &of, e) < 0 || cli_path(c, "into", &into, e) < 0 ||
	    identity_paths(c, &i, e) < 0)
		return -1;
	if (need > of)
		return err_field(e, "need", "is more than there are shares");
	int rc = age_identity_load(i.seal_path, &seal, e);
	if (rc > 0)
		return err_fail(e, ERR_NOT_FOUND, "there is no sealing key %s", i.seal_path);
	if (rc < 0 || file_mkdirs(into, 0700, e) < 0 ||
	    age_identity_split(seal, (unsigned)need, (unsigned)of, c->arena, shares, e) < 0)
		return -1;
	for (int64_t n = 0; n < of; n++) {
		if (rc == 0)
			rc = write_share(c, into, (size_t)n + 1, shares[n], e);
		trust_wipe_str(&shares[n]);
	}
	return rc;
}

int verb_key_join(struct cli_call *c, struct err *e)
{
	struct str shares[CLI_ARGUMENTS_MAX];
	struct identity i;
	size_t n = 0;
	int rc = identity_paths(c, &i, e) < 0 ? -1 : file_mkdirs(i.dir, 0700, e);
	for (; rc == 0 && n < c->argument_count; n++) {
		rc = file_read(c->arguments[n], SHARE_FILE_MAX, c->arena, &shares[n], e);
		if (rc > 0)
			rc = err_fail(e, ERR_NOT_FOUND, "%s does not exist", c->arguments[n]);
		if (rc < 0)
			break;
		shares[n] = str_trim(shares[n]);
	}
	if (rc == 0)
		rc = age_identity_join(shares, n, i.seal_path, e);
	for (size_t k = 0; k < n; k++)
		trust_wipe_str(&shares[k]);
	if (rc == 0)
		(void)fprintf(c->out, "%s is back; run hoc key renew to tell the master\n",
			      i.seal_path);
	return rc;
}
