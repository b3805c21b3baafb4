/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * The roots wait in roots.next until all that was answered holds under them; a node that belonged
 * to a cloud before belongs to it until then. The certificate is written last: without it there
 * are no keys (keys_open).
 */
#include "agent/join.h"

#include <stdio.h>
#include <unistd.h>

#include "agent/keys.h"
#include "agent/talkers.h"
#include "base/file.h"
#include "json/json.h"
#include "trust/join.h"
#include "trust/tls.h"
#include "trust/wipe.h"

enum { ANCHOR_TIMEOUT_MS = 15000, HOST_SIZE = 256, HTTPS_PORT = 443, NAME_SIZE = 65 };

struct joining {
	const struct agent_join *j;
	struct arena *a;
	struct ndb *ndb;
	int lock;
	struct key *key;
	struct age_identity *seal;
	char host[HOST_SIZE];
	uint16_t port;
	char next[KEYS_PATH_SIZE]; /* roots that are not believed yet */
	struct str roots, certificate;
	struct cert leaf;
};

static void joining_fini(struct joining *s)
{
	key_free(s->key);
	age_identity_free(s->seal);
	ndb_close(s->ndb);
	file_closep(&s->lock);
}

/* https://HOST[:PORT][/], an IPv6 address in brackets. */
static int read_url(struct joining *s, struct err *e)
{
	struct str rest = str_from(s->j->url), host;
	int64_t port = HTTPS_PORT;
	if (!str_starts(rest, S("https://")))
		return err_field(e, "url", "must begin with https://");
	rest = str_sub(rest, 8, rest.n);
	if (str_ends(rest, S("/")))
		rest.n--;
	bool is_v6 = str_starts(rest, S("["));
	size_t end = str_find_char(rest, is_v6 ? ']' : ':');
	bool is_open = is_v6 && end == rest.n;
	host = str_sub(rest, is_v6, end - is_v6);
	rest = str_sub(rest, end + is_v6, rest.n);
	if (rest.n && (rest.p[0] != ':' ||
		       str_to_i64(str_sub(rest, 1, rest.n), 1, UINT16_MAX, &port, e) < 0))
		host.n = 0;
	if (is_open || !host.n || host.n >= sizeof s->host || str_find_char(host, '/') < host.n)
		return err_field(e, "url", "is not https://HOST:PORT");
	(void)snprintf(s->host, sizeof s->host, "%" STR_F, STR_A(host));
	s->port = (uint16_t)port;
	return 0;
}

/* ---- here ---------------------------------------------------------------------------------- */

static int take_dir(struct joining *s, struct err *e)
{
	const char *dir = s->j->dir;
	struct str identity = arena_fmt(s->a, "%s/identity", dir),
		   lock = arena_fmt(s->a, "%s/agent.lock", dir);
	if (dir[0] != '/')
		return err_field(e, "dir", "must be an absolute path");
	if (arena_check(s->a, e) < 0 || keys_path(dir, "roots.next", s->next, e) < 0 ||
	    file_mkdirs(dir, 0755, e) < 0 || file_mkdirs(identity.p, 0700, e) < 0)
		return -1;
	int rc = file_lock(lock.p, &s->lock, e);
	if (rc > 0)
		return err_fail(e, ERR_CONFLICT, "an agent runs on %s: stop it first", dir);
	return rc < 0 ? -1 : ndb_open(dir, &s->ndb, e);
}

static int make_keys(struct joining *s, struct err *e)
{
	char key[KEYS_PATH_SIZE], seal[KEYS_PATH_SIZE];
	if (keys_path(s->j->dir, "key.pem", key, e) < 0 ||
	    keys_path(s->j->dir, "seal.age", seal, e) < 0 ||
	    key_open(key, KEY_P256, &s->key, e) < 0)
		return -1;
	return age_identity_open(seal, &s->seal, e);
}

/* ---- there --------------------------------------------------------------------------------- */

static struct str enrol_body(struct joining *s, struct str csr)
{
	char host[NAME_SIZE] = "";
	struct str title = s->j->title;
	struct json *o = json_object_new(s->a);
	if (!title.n && gethostname(host, sizeof host - 1) == 0)
		title = str_from(host);
	json_set_str(s->a, o, S("token"), str_trim(s->j->token));
	json_set_str(s->a, o, S("csr"), csr);
	json_set_str(s->a, o, S("title"), title);
	return json_text(o, s->a);
}

static int enrol(struct joining *s, struct http_response *out, struct err *e)
{
	const struct http_client_options o = {.base = s->j->url, .ca_file = s->next};
	const struct cert_names none = {.count = 0};
	struct http_client *client CLEAN(http_client_closep) = NULL;
	struct str csr, body CLEAN(trust_wipe_str) = S("");
	if (cert_request_make(s->key, S(""), &none, s->a, &csr, e) < 0)
		return -1;
	body = enrol_body(s, csr);
	const struct http_request r = {
		.method = HTTP_POST, .target = S("/v1/enrol"), .body = body};
	if (arena_check(s->a, e) < 0 || http_client_open(&o, &client, e) < 0)
		return -1;
	return http_fetch_ok(client, &r, s->a, out, e) == 0 ? 0 : -1;
}

/* The root that the token names, from a server that proves it has a certificate below it. */
static int anchor(struct joining *s, struct err *e)
{
	struct join_token token;
	struct str root;
	if (join_token_read(s->j->token, &token, e) < 0)
		return -1;
	if (!token.is_node)
		return err_field(e, "token", "is for a person: hoc join takes it");
	if (tls_anchor(s->host, s->port, &token.root, s->j->clock, ANCHOR_TIMEOUT_MS, s->a,
		       &root, e) < 0)
		return err_in(e, "%s", s->j->url);
	s->roots = root;
	return file_write(s->next, root, 0644, e);
}

/* What was answered: it must hold under the very root that the token named. */
static int take_answer(struct joining *s, const struct http_response *response,
		       struct agent_joined *out, struct err *e)
{
	struct json *doc;
	struct str none = S(""), known;
	struct hash mine = key_name(s->key);
	char hex[HASH_TEXT_SIZE];
	if (json_parse(response->body, s->a, &doc, e) < 0)
		return -1;
	*out = (struct agent_joined){.node = json_str_of(json_get(doc, S("name")), none),
				     .cloud = json_str_of(json_get(doc, S("cloud")), none)};
	s->certificate = json_str_of(json_get(doc, S("certificate")), none);
	if (!out->node.n || out->node.n >= NAME_SIZE)
		return err_field(e, "name", "is missing in the master's answer");
	if (keys_check(s->certificate, s->roots, &mine, out->node, clock_now_ms(s->j->clock),
		       s->a, &s->leaf, e) < 0)
		return -1;
	str_hex(mine.bytes, HASH_BYTES, hex);
	out->key = arena_dup(s->a, str_from(hex));
	out->to_ms = s->leaf.to_ms;
	int rc = ndb_get(s->ndb, S("name"), s->a, &known, e);
	if (rc == 0 && !str_eq(known, out->node))
		return err_fail(e, ERR_CONFLICT,
				"%s holds node %" STR_F ", and the token is for %" STR_F,
				s->j->dir, STR_A(known), STR_A(out->node));
	return rc < 0 ? -1 : arena_check(s->a, e);
}

static int install(struct joining *s, const struct agent_joined *joined, struct err *e)
{
	char roots[KEYS_PATH_SIZE], cert[KEYS_PATH_SIZE], name[KEYS_PATH_SIZE];
	const char *dir = s->j->dir;
	struct str said = arena_fmt(s->a, "node %" STR_F " of %" STR_F "\n",
				    STR_A(joined->node), STR_A(joined->cloud));
	if (arena_check(s->a, e) < 0 || keys_path(dir, "roots.pem", roots, e) < 0 ||
	    keys_path(dir, "cert.pem", cert, e) < 0 || keys_path(dir, "name", name, e) < 0 ||
	    talkers_forget(s->ndb, e) < 0 || file_write(name, said, 0644, e) < 0 ||
	    file_write(roots, s->roots, 0644, e) < 0 ||
	    file_write(cert, s->certificate, 0644, e) < 0)
		return -1;
	(void)unlink(s->next);
	return 0;
}

/* With the certificate that was just got, as every other write. */
static int tell_seal_key(struct joining *s, const struct agent_joined *joined, struct err *e)
{
	struct keys *k CLEAN(keys_freep) = NULL;
	struct json *body = json_object_new(s->a);
	struct http_response response;
	struct str statement;
	if (keys_open(s->j->dir, &k, e) < 0)
		return -1;
	const struct talkers_options o = {.master = s->j->url,
					  .keys = k,
					  .ndb = s->ndb,
					  .node = joined->node,
					  .clock = s->j->clock,
					  .clients = 1};
	if (keys_statement(s->key, joined->node, keys_recipient(k), s->a, &statement, e) < 0)
		return -1;
	json_set_str(s->a, body, S("seal_key"), keys_recipient(k));
	json_set_str(s->a, body, S("statement"), statement);
	const struct http_request r = {
		.method = HTTP_PUT,
		.target = arena_fmt(s->a, "/v1/keys/%" STR_F "/seal", STR_A(joined->key)),
		.body = json_text(body, s->a),
	};
	struct talkers *t = NULL;
	if (arena_check(s->a, e) < 0 || talkers_new(&o, &t, e) < 0)
		return -1;
	int rc = talkers_fetch_ok(t, &r, s->a, &response, e);
	talkers_free(t);
	return rc < 0 ? err_in(e, "the sealing key was not taken (join again)") : 0;
}

MUST int agent_join(const struct agent_join *j, struct arena *a, struct agent_joined *out,
		    struct err *e)
{
	struct joining s CLEAN(joining_fini) = {.j = j, .a = a, .lock = -1};
	struct agent_joined joined;
	struct http_response response;
	if (read_url(&s, e) < 0 || take_dir(&s, e) < 0 || make_keys(&s, e) < 0 ||
	    anchor(&s, e) < 0 || enrol(&s, &response, e) < 0 ||
	    take_answer(&s, &response, &joined, e) < 0 || install(&s, &joined, e) < 0 ||
	    tell_seal_key(&s, &joined, e) < 0)
		return -1;
	*out = joined;
	return 0;
}
