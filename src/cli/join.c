/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * login, join, logout.
 *
 * The first byte goes to a server that has proven itself: tls_anchor takes the root whose
 * fingerprint the token carries, or ends everything before anything was sent. The key is made and
 * on disk before the token is shown, so that a lost answer is got again with the same key.
 */
#include <stdio.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "cli/identity.h"
#include "cli/settings.h"
#include "trust/join.h"
#include "trust/key.h"
#include "trust/tls.h"
#include "trust/wipe.h"

enum { ANCHOR_TIMEOUT_MS = 15000, HOST_MAX = 255, HTTPS_PORT = 443 };

/* ---- where to ------------------------------------------------------------------------------ */

struct place {
	const char *url, *host;
	uint16_t port;
};

/* https://HOST[:PORT][/], HOST an IPv6 address in brackets or not. */
MUST static int read_url(struct cli_call *c, const char *url, struct place *out, struct err *e)
{
	struct str rest = str_from(url), host;
	int64_t port = HTTPS_PORT;
	if (!str_starts(rest, S("https://")))
		return err_field(e, "URL", "'%s' does not begin with https://", url);
	rest = str_sub(rest, 8, rest.n);
	if (str_ends(rest, S("/")))
		rest.n--;
	bool is_v6 = str_starts(rest, S("["));
	size_t end = is_v6 ? str_find_char(rest, ']') : str_find_char(rest, ':');
	host = str_sub(rest, is_v6, end - is_v6);
	rest = str_sub(rest, end + (is_v6 && end < rest.n), rest.n);
	if (!host.n || host.n > HOST_MAX || str_find_char(host, '/') < host.n)
		return err_field(e, "URL", "'%s' is not https://HOST:PORT", url);
	if (rest.n && (rest.p[0] != ':' ||
		       str_to_i64(str_sub(rest, 1, rest.n), 1, UINT16_MAX, &port, e) < 0))
		return err_field(e, "URL", "'%s' is not https://HOST:PORT", url);
	size_t n = strlen(url);
	*out = (struct place){
		.url = arena_cstr(c->arena, str_of(url, n - (url[n - 1] == '/'))),
		.host = arena_cstr(c->arena, host),
		.port = (uint16_t)port,
	};
	return arena_check(c->arena, e);
}

/* ---- with what ----------------------------------------------------------------------------- */

MUST static int read_stdin(struct cli_call *c, struct str *out, struct err *e)
{
	char text[JOIN_TOKEN_MAX + 2];
	if (!fgets(text, sizeof text, stdin))
		return err_field(e, "token", "nothing came on standard input");
	*out = arena_dup(c->arena, str_from(text));
	trust_wipe(text, sizeof text);
	return arena_check(c->arena, e);
}

/* The token's text: wipe it. */
MUST static int read_token(struct cli_call *c, struct str *text, struct join_token *out,
			   struct err *e)
{
	const char *file = cli_value(c, "token-file"),
		   *given = c->argument_count > 1 ? c->arguments[1] : NULL;
	int rc = 0;
	if (!file == !given)
		return err_field(e, "token",
				 "give TOKEN, - for standard input, or --token-file");
	if (file)
		rc = file_read(file, JOIN_TOKEN_MAX + 1, c->arena, text, e);
	else if (strcmp(given, "-") == 0)
		rc = read_stdin(c, text, e);
	else
		*text = arena_dup(c->arena, str_from(given));
	if (rc > 0)
		return err_field(e, "token-file", "%s does not exist", file);
	return rc < 0 || arena_check(c->arena, e) < 0 ? -1 : join_token_read(*text, out, e);
}

/* ---- enrolling ----------------------------------------------------------------------------- */

/* An identity that still holds is not replaced unasked. */
MUST static int check_free(struct cli_call *c, const struct identity *i, struct err *e)
{
	struct cert x;
	int rc = identity_cert(c, i, &x, e);
	if (rc != 0)
		return rc < 0 ? -1 : 0;
	if (x.to_ms <= clock_now_ms(clock_system()))
		return 0;
	return err_fail(e, ERR_CONFLICT,
			"%s holds the identity of %s %" STR_F
			": run hoc logout first, or name another directory with --identity",
			i->dir, cert_kind_word(x.kind), STR_A(x.name));
}

MUST static int ask_body(struct cli_call *c, const struct key *k, struct str token,
			 struct json **out, struct err *e)
{
	const struct cert_names none = {.count = 0};
	const char *title = cli_value(c, "title");
	char host[HOST_MAX + 1] = "";
	struct str csr;
	if (cert_request_make(k, S(""), &none, c->arena, &csr, e) < 0)
		return -1;
	if (!title && gethostname(host, sizeof host - 1) == 0)
		title = host;
	*out = json_object_new(c->arena);
	json_set_str(c->arena, *out, S("token"), str_trim(token));
	json_set_str(c->arena, *out, S("csr"), csr);
	json_set_str(c->arena, *out, S("title"), str_sub(str_from(title), 0, 100));
	return arena_check(c->arena, e);
}

/* Pins the root and shows the token: the master's answer. */
MUST static int enrol(struct cli_call *c, const struct place *to, const struct identity *i,
		      const struct join_token *token, struct str text, const struct key *k,
		      struct str *root, struct json **out, struct err *e)
{
	struct client_as as = {.master = to->url, .ca_file = i->roots_next};
	struct json *body = NULL;
	if (tls_anchor(to->host, to->port, &token->root, clock_system(), ANCHOR_TIMEOUT_MS,
		       c->arena, root, e) < 0)
		return err_in(e, "%s", to->url);
	if (file_write(i->roots_next, *root, 0644, e) < 0 || ask_body(c, k, text, &body, e) < 0)
		return -1;
	return client_send_as(c, &as, "POST", S("/v1/enrol"), body, out, e);
}

static void say_who(struct cli_call *c, const struct json *answer, const struct identity *i,
		    const char *url, bool is_kept)
{
	if (c->is_json) {
		client_print_json(c, answer);
		return;
	}
	(void)fprintf(c->out, "you are %" STR_F " %" STR_F " of %" STR_F " (%s)\n",
		      STR_A(client_text(answer, "kind")), STR_A(client_text(answer, "name")),
		      STR_A(client_text(answer, "cloud")), url);
	(void)fprintf(c->out, "key       %" STR_F "\nidentity  %s\n",
		      STR_A(client_text(answer, "key")), i->dir);
	if (is_kept)
		(void)fprintf(c->out, "master    %s is now the one to ask\n", url);
}

MUST static int login(struct cli_call *c, const struct place *to, struct str text,
		      const struct join_token *token, struct err *e)
{
	struct key *k CLEAN(key_freep) = NULL;
	struct json *answer = NULL;
	struct str root = S("");
	struct identity i;
	enum key_kind kind;
	bool is_kept = false;
	if (key_kind_read(str_from(cli_value(c, "key")), &kind, e) < 0 ||
	    identity_paths(c, &i, e) < 0 || check_free(c, &i, e) < 0 ||
	    file_mkdirs(i.dir, 0700, e) < 0 || key_open(i.key_path, kind, &k, e) < 0 ||
	    enrol(c, to, &i, token, text, k, &root, &answer, e) < 0 ||
	    identity_install(c, &i, k, answer, root, i.cert_path, e) < 0 ||
	    file_remove_tree(i.roots_next, e) < 0)
		return -1;
	c->master = to->url;
	if (identity_seal(c, &i, e) < 0)
		return err_in(
			e, "you are in, but the sealing key was not taken: run hoc key renew");
	if (!cli_has(c, "identity") && settings_keep_master(to->url, c->arena, &is_kept, e) < 0)
		(void)fprintf(stderr, "hoc: the master is not remembered: %s\n", e->text);
	say_who(c, answer, &i, to->url, is_kept);
	return 0;
}

int verb_login(struct cli_call *c, struct err *e)
{
	struct str text CLEAN(trust_wipe_str) = S("");
	struct join_token token;
	struct place to;
	if (read_url(c, c->arguments[0], &to, e) < 0 || read_token(c, &text, &token, e) < 0)
		return -1;
	if (token.is_node)
		return err_fail(e, ERR_USAGE,
				"this token is for a node: on the node, as root, run "
				"hoc node join --dir DIR %s -",
				to.url);
	return login(c, &to, text, &token, e);
}

/* ---- leaving ------------------------------------------------------------------------------- */

MUST static int revoke_own(struct cli_call *c, const struct cert *x, struct err *e)
{
	char name[HASH_TEXT_SIZE];
	struct json *answer, *body = json_object_new(c->arena);
	hash_text(&x->key, name);
	json_set_str(c->arena, body, S("reason"), S("ceased"));
	return client_send(c, "POST", client_path(c, "/v1/keys/", name, "/revoke"), body,
			   &answer, e);
}

int verb_logout(struct cli_call *c, struct err *e)
{
	struct identity i;
	struct cert x;
	if (identity_paths(c, &i, e) < 0)
		return -1;
	int rc = identity_cert(c, &i, &x, e);
	if (rc > 0 && !file_exists(i.key_path))
		return err_fail(e, ERR_NOT_FOUND, "there is no identity in %s", i.dir);
	if (rc == 0 && !cli_has(c, "local-only") && revoke_own(c, &x, e) < 0) {
		(void)fprintf(
			stderr,
			"hoc: the key is removed here, but the master did not revoke it: %s\n",
			e->text);
		err_clear(e);
	}
	const char *const files[] = {i.cert_path,  i.cert_next, i.key_path,  i.key_next,
				     i.roots_path, i.name_path, i.roots_next};
	for (size_t n = 0; n < ARRAY_LEN(files); n++)
		if (file_remove_tree(files[n], e) < 0)
			return -1;
	if (cli_has(c, "all") && file_remove_tree(i.dir, e) < 0)
		return -1;
	if (!c->is_json)
		(void)fprintf(c->out, "logged out%s%s\n",
			      file_exists(i.seal_path) ? "; what opens sealed secrets stays: "
						       : "",
			      file_exists(i.seal_path) ? i.seal_path : "");
	return 0;
}
