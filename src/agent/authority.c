/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * A node that issues while its master is away.
 *
 * Two walls: the name constraints of the issuer's certificate, which everybody checks, hold the
 * node to the tenants it has; the list of the customer's names, which only the node checks, holds
 * its tenants apart from each other.
 */
#include "agent/authority.h"

#include <unistd.h>

#include "base/file.h"
#include "base/log.h"
#include "json/json.h"
#include "trust/ca.h"
#include "trust/renewal.h"

enum { PEM_MAX = KEYS_PEM_MAX, NAMES_MAX = 64 << 10 };

bool authority_is_away(const struct err *e)
{
	return e->kind == ERR_UNREACHABLE || e->kind == ERR_TIMEOUT;
}

int64_t authority_due_ms(const struct cert *issuer)
{
	return renewal_due_ms(issuer->from_ms, issuer->to_ms);
}

struct paths {
	char key[KEYS_PATH_SIZE], chain[KEYS_PATH_SIZE], names[KEYS_PATH_SIZE],
		roots[KEYS_PATH_SIZE];
};

MUST static int paths_of(const char *dir, struct paths *out, struct err *e)
{
	if (keys_path(dir, "issuer.key", out->key, e) < 0 ||
	    keys_path(dir, "issuer.pem", out->chain, e) < 0 ||
	    keys_path(dir, "issuer.names", out->names, e) < 0)
		return -1;
	return keys_path(dir, "services.pem", out->roots, e);
}

/* ---- getting it ---------------------------------------------------------------------------- */

/* The certificate, then the key: a key alone is nothing. */
static void drop(const struct paths *p)
{
	if (unlink(p->chain) == 0)
		log_event(LOG_INFO, "agent.authority.ended");
	(void)unlink(p->names);
	(void)unlink(p->key);
}

/* Is the issuer that is here for these names, and not due? */
static bool is_fresh(const struct paths *p, struct str names, int64_t now_ms, struct arena *a)
{
	struct str had, pem;
	struct cert *chain;
	size_t n;
	struct err ignored = ERR_INIT;
	if (file_read(p->names, NAMES_MAX, a, &had, &ignored) != 0 || !str_eq(had, names) ||
	    file_read(p->chain, PEM_MAX, a, &pem, &ignored) != 0 ||
	    cert_chain_read(pem, a, &chain, &n, &ignored) < 0 || !n)
		return false;
	return now_ms < authority_due_ms(&chain[0]);
}

MUST static int take(const struct paths *p, const struct key *k, struct str body,
		     struct str names, struct arena *a, struct err *e)
{
	struct ca *ca CLEAN(ca_freep) = NULL;
	struct json *doc;
	if (json_parse(body, a, &doc, e) < 0)
		return -1;
	struct str chain = json_str_of(json_get(doc, S("certificate")), S("")),
		   roots = json_str_of(json_get(doc, S("roots")), S(""));
	if (ca_open_delegated(k, chain, &ca, e) < 0)
		return -1;
	/* The names last: without them it is asked for again. */
	if (file_write(p->roots, roots, 0644, e) < 0 ||
	    file_write(p->chain, chain, 0644, e) < 0 ||
	    file_write(p->names, names, 0600, e) < 0)
		return -1;
	log_event(LOG_INFO, "agent.authority.fresh", KV_I("until_ms", ca_issuer_to_ms(ca)));
	return 1;
}

MUST static int get_issuer(const struct paths *p, struct str node, struct talkers *t,
			   struct str names, struct arena *a, struct err *e)
{
	struct key *k CLEAN(key_freep) = NULL;
	const struct cert_names none = {NULL, 0};
	struct json *body = json_object_new(a);
	struct http_response response;
	struct str csr;
	if (key_open(p->key, KEY_P256, &k, e) < 0 ||
	    cert_request_make(k, node, &none, a, &csr, e) < 0)
		return -1;
	json_set_str(a, body, S("csr"), csr);
	const struct http_request r = {
		.method = HTTP_POST,
		.target = arena_fmt(a, "/v1/nodes/%" STR_F "/authority", STR_A(node)),
		.body = json_text(body, a),
	};
	if (arena_check(a, e) < 0 || talkers_fetch_ok(t, &r, a, &response, e) < 0)
		return -1;
	return take(p, k, response.body, names, a, e);
}

MUST int authority_refresh(const char *node_dir, struct str node, struct talkers *t,
			   int64_t now_ms, struct arena *a, struct err *e)
{
	struct paths p;
	struct http_response response;
	struct json *doc;
	const struct http_request r = {
		.target = arena_fmt(a, "/v1/nodes/%" STR_F "/delegation", STR_A(node))};
	if (arena_check(a, e) < 0 || paths_of(node_dir, &p, e) < 0 ||
	    talkers_fetch(t, &r, a, &response, e) < 0)
		return -1;
	if (response.status == 404) {
		drop(&p);
		return 0;
	}
	if (response.status / 100 != 2)
		return http_error_from_response(&response, e);
	if (json_parse(response.body, a, &doc, e) < 0)
		return -1;
	struct json *list = json_get(doc, S("names"));
	if (!json_count(list)) {
		drop(&p); /* no tenant here has a name */
		return 0;
	}
	struct str names = json_text(list, a);
	if (arena_check(a, e) < 0)
		return -1;
	return is_fresh(&p, names, now_ms, a) ? 1 : get_issuer(&p, node, t, names, a, e);
}

/* ---- issuing ------------------------------------------------------------------------------- */

static bool is_below(struct str name, struct str suffix)
{
	return str_eq(name, suffix) || (name.n > suffix.n && str_ends(name, suffix) &&
					suffix.n && name.p[name.n - suffix.n - 1] == '.');
}

MUST static int check_names(const struct authority_order *o, struct err *e)
{
	for (size_t i = 0; i < o->names.count; i++) {
		struct str name = o->names.items[i];
		bool is_own = false;
		if (str_starts(name, S("*.")))
			name = str_sub(name, 2, name.n);
		for (size_t k = 0; k < o->owner->name_count; k++)
			is_own = is_own || is_below(name, o->owner->names[k]);
		if (!is_own)
			return err_fail(e, ERR_FORBIDDEN,
					"%" STR_F " is not a name of this customer",
					STR_A(o->names.items[i]));
	}
	return 0;
}

/* What tells the master: POST /v1/nodes/ID/issued. */
MUST static int queue(const struct authority_order *o, struct str chain, struct arena *a,
		      struct err *e)
{
	struct json *body = json_object_new(a);
	json_set_str(a, body, S("instance"), o->guid);
	json_set_str(a, body, S("certificate"), chain);
	const struct ndb_row row = {.kind = S("issued"), .body = json_text(body, a)};
	return arena_check(a, e) < 0 ? -1 : ndb_outbox_add(o->ndb, &row, 1, e);
}

MUST static int sign(const struct authority_order *o, const struct ca *ca, struct arena *a,
		     struct str *out, struct err *e)
{
	char serial[CERT_SERIAL_SIZE];
	struct str der, above = ca_chain(ca);
	const struct ca_leaf leaf = {
		.kind = CERT_SERVICE,
		.name = o->names.items[0],
		.names = o->names,
		.public = o->public,
		.is_server = true,
		.now_ms = o->now_ms,
	};
	if (ca_sign(ca, &leaf, a, &der, serial, e) < 0)
		return -1;
	struct str pem = cert_pem(der, a);
	*out = arena_fmt(a, "%" STR_F "%" STR_F, STR_A(pem), STR_A(above));
	if (arena_check(a, e) < 0 || queue(o, *out, a, e) < 0)
		return -1;
	log_event(LOG_INFO, "agent.authority.issued", KV_S("instance", o->guid),
		  KV_C("serial", serial));
	return 0;
}

MUST int authority_issue(const struct authority_order *o, struct arena *a,
			 struct str *out_chain, struct str *out_roots, struct err *e)
{
	struct paths p;
	struct key *k CLEAN(key_freep) = NULL;
	struct ca *ca CLEAN(ca_freep) = NULL;
	struct str above, roots;
	if (paths_of(o->node_dir, &p, e) < 0)
		return -1;
	int rc = file_read(p.chain, PEM_MAX, a, &above, e);
	if (rc == 0)
		rc = key_load(p.key, &k, e);
	if (rc == 0)
		rc = file_read(p.roots, PEM_MAX, a, &roots, e);
	if (rc != 0)
		return rc < 0 ? -1
			      : err_fail(e, ERR_UNSUPPORTED,
					 "the master does not answer, and nothing is delegated "
					 "to this node");
	if (check_names(o, e) < 0 || ca_open_delegated(k, above, &ca, e) < 0 ||
	    sign(o, ca, a, out_chain, e) < 0)
		return -1;
	*out_roots = roots;
	return 0;
}
