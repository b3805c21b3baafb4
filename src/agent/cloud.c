/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Certificates of others, judged by the node's own roots. */
#include "agent/cloud.h"

#include "agent/keys.h"
#include "base/log.h"
#include "json/json.h"
#include "trust/join.h"
#include "trust/jose.h"

static const int64_t grace_ms = (int64_t)KEYS_GRACE_DAYS * 86400000;

struct chain {
	struct cert at[CERT_CHAIN_MAX];
	size_t count;
};

static void add_certs(struct chain *c, struct str pem, struct arena *a)
{
	struct cert *list;
	size_t n;
	struct err ignored = ERR_INIT;
	if (!pem.n || cert_chain_read(pem, a, &list, &n, &ignored) < 0)
		return;
	for (size_t i = 0; i < n && c->count < CERT_CHAIN_MAX; i++) {
		bool is_known = false;
		for (size_t k = 0; k < c->count; k++)
			is_known |= str_eq(c->at[k].der, list[i].der);
		if (!is_known)
			c->at[c->count++] = list[i];
	}
}

/* A leaf, what came with it, and what others are sent with. */
static struct chain chain_of(struct str certificate, struct str extra, struct arena *a)
{
	struct chain c = {.count = 0};
	add_certs(&c, certificate, a);
	if (c.count)
		add_certs(&c, extra, a);
	return c;
}

static struct str text_of(const struct json *o, const char *name)
{
	return json_str_of(json_get(o, str_from(name)), S(""));
}

/* ---- masters ------------------------------------------------------------------------------- */

static void take_master(struct cloud *c, const struct json *row, const struct cert_trust *trust,
			int64_t now_ms, struct arena *a)
{
	struct chain chain = chain_of(text_of(row, "certificate"), c->chain, a);
	char hex[HASH_TEXT_SIZE];
	if (!chain.count || c->master_count == CLOUD_MASTERS_MAX)
		return;
	enum cert_fault fault = cert_check(trust, chain.at, chain.count, now_ms, true, S(""));
	str_hex(chain.at[0].key.bytes, HASH_BYTES, hex);
	if (fault != CERT_GOOD || chain.at[0].kind != CERT_MASTER) {
		log_event(LOG_WARN, "agent.master.refused", KV_C("key", hex),
			  KV_C("kind", cert_kind_word(chain.at[0].kind)),
			  KV_C("certificate", cert_fault_word(fault)));
		return;
	}
	c->masters[c->master_count++] = (struct proof_key){.name = arena_dup(a, str_from(hex)),
							   .public = chain.at[0].public};
}

MUST int cloud_read(struct str body, struct str roots, int64_t now_ms, struct arena *a,
		    struct cloud *out, struct err *e)
{
	struct cert_trust *trust CLEAN(cert_trust_freep) = NULL;
	struct json *doc;
	struct cloud c = {.master_count = 0};
	if (json_parse(body, a, &doc, e) < 0 || cert_trust_new(roots, &trust, e) < 0)
		return -1;
	c.chain = text_of(json_get(doc, S("users")), "chain");
	const struct json *masters = json_get(doc, S("masters"));
	for (size_t i = 0; i < json_count(masters); i++)
		take_master(&c, json_at(masters, i), trust, now_ms, a);
	*out = c;
	return arena_check(a, e);
}

/* ---- recipients ---------------------------------------------------------------------------- */

/*
 * The roots, and those authorities of `chain` that hold under them: a list is signed by one of
 * these. The chain is the master's word, and a root in it would be believed: none gets in, for
 * cert_check has to find a way (and then says of an authority that it is no leaf).
 */
static int trust_of(struct str roots, struct str chain, int64_t now_ms, struct arena *a,
		    struct cert_trust **out, struct err *e)
{
	struct cert_trust *only_roots CLEAN(cert_trust_freep) = NULL;
	struct buf b CLEAN(buf_fini) = BUF_INIT(2 * KEYS_PEM_MAX);
	struct chain c = {.count = 0};
	if (cert_trust_new(roots, &only_roots, e) < 0)
		return -1;
	buf_add(&b, roots);
	buf_add_c(&b, '\n');
	add_certs(&c, chain, a);
	for (size_t i = 0; i < c.count; i++) {
		struct chain from = c;
		from.at[0] = c.at[i];
		from.at[i] = c.at[0];
		if (c.at[i].is_authority && cert_check(only_roots, from.at, from.count, now_ms,
						       false, S("")) == CERT_WRONG_PURPOSE)
			buf_add(&b, cert_pem(c.at[i].der, a));
	}
	return buf_check(&b, e) < 0 ? -1 : cert_trust_new(buf_str(&b), out, e);
}

struct judge {
	const struct cert_trust *trust;
	struct str chain;
	int64_t now_ms;
	struct arena *a;
};

/* One that ended not long ago is looked at as it was before its end. */
static enum cert_fault check_with_grace(const struct judge *j, const struct chain *c)
{
	enum cert_fault f = cert_check(j->trust, c->at, c->count, j->now_ms, false, S(""));
	int64_t to_ms = c->at[0].to_ms;
	if (f != CERT_EXPIRED || j->now_ms - to_ms > grace_ms)
		return f;
	return cert_check(j->trust, c->at, c->count, to_ms - 1, false, S(""));
}

/* NULL: this is a recipient; else why not. */
static const char *objection(const struct judge *j, const struct json *row)
{
	struct str kind = text_of(row, "kind"), name = text_of(row, "name"),
		   seal_key = text_of(row, "seal_key"), signature;
	struct err e = ERR_INIT;
	char hex[HASH_TEXT_SIZE];
	struct chain c = chain_of(text_of(row, "certificate"), j->chain, j->a);
	if (!c.count)
		return "has no certificate";
	enum cert_fault f = check_with_grace(j, &c);
	if (f != CERT_GOOD)
		return cert_fault_word(f);
	str_hex(c.at[0].key.bytes, HASH_BYTES, hex);
	if (!str_is(kind, cert_kind_word(c.at[0].kind)) || !str_eq(name, c.at[0].name) ||
	    !str_is(text_of(row, "key"), hex))
		return "shows somebody else's certificate";
	if (age_recipient_check(seal_key, &e) < 0 ||
	    base64url_read(text_of(row, "statement"), j->a, &signature, &e) < 0)
		return "has no sealing key";
	struct str said = join_statement(kind, name, seal_key, j->a);
	return key_is_signed_by(c.at[0].public, said, signature)
		       ? NULL
		       : "did not sign that sealing key";
}

/* Names are the master's word: shown in part, and only what is plain. */
static void leave_out(struct recipients *r, const struct json *row, const char *why)
{
	size_t n = strlen(r->left_out);
	char name[65];
	struct str s = text_of(row, "name");
	size_t k = 0;
	for (; k < s.n && k < sizeof name - 1; k++)
		name[k] = (char)(s.p[k] > 32 && s.p[k] < 127 ? s.p[k] : '?');
	name[k] = 0;
	(void)snprintf(r->left_out + n, sizeof r->left_out - n, "%s%s: %s", n ? ", " : "", name,
		       why);
}

static bool is_listed(const struct recipients *r, struct str key)
{
	for (size_t i = 0; i < r->count; i++)
		if (str_eq(r->keys[i], key))
			return true;
	return false;
}

static void take_recipients(const struct judge *j, const struct json *list,
			    struct recipients *r)
{
	for (size_t i = 0; i < json_count(list); i++) {
		const struct json *row = json_at(list, i);
		struct str key = text_of(row, "seal_key");
		const char *why = objection(j, row);
		if (why)
			leave_out(r, row, why);
		else if (r->count < CLOUD_RECIPIENTS_MAX && !is_listed(r, key))
			r->keys[r->count++] = key;
	}
}

/* What a kept text and the master's answer have alike. */
static void read_names(const struct json *doc, struct arena *a, struct recipients *r)
{
	const struct json *names = json_get(doc, S("names"));
	r->customer = text_of(doc, "customer");
	r->zone = text_of(doc, "zone");
	r->names = ARENA_ARRAY(a, struct str, CLOUD_NAMES_MAX);
	for (size_t i = 0; r->names && i < json_count(names) && i < CLOUD_NAMES_MAX; i++)
		r->names[r->name_count++] = json_str_of(json_at(names, i), S(""));
}

static int read_list(struct str body, const char *list, struct str roots, struct str chain,
		     struct str crl, int64_t now_ms, struct arena *a, struct recipients *out,
		     struct err *e)
{
	struct cert_trust *trust CLEAN(cert_trust_freep) = NULL;
	struct json *doc;
	struct recipients r = {.keys = ARENA_ARRAY(a, struct str, CLOUD_RECIPIENTS_MAX)};
	if (!r.keys || json_parse(body, a, &doc, e) < 0)
		return r.keys ? -1 : arena_check(a, e);
	struct str mode = text_of(doc, "mode");
	if (!str_is(mode, "sealed") && !str_is(mode, "clear"))
		return err_field(e, "mode", "is missing in the master's answer");
	r.is_sealed = str_is(mode, "sealed");
	r.rotation = json_i64_of(json_get(doc, S("rotation")), 0);
	read_names(doc, a, &r);
	struct err unlisted = ERR_INIT;
	if (trust_of(roots, chain, now_ms, a, &trust, e) < 0)
		return -1;
	if (crl.n && cert_trust_add_crl(trust, crl, &unlisted) < 0)
		log_err(LOG_WARN, "agent.crl.refused", &unlisted);
	const struct judge j = {trust, chain, now_ms, a};
	if (r.is_sealed)
		take_recipients(&j, json_get(doc, str_from(list)), &r);
	*out = r;
	return arena_check(a, e);
}

MUST int recipients_read(struct str body, struct str roots, struct str chain, struct str crl,
			 int64_t now_ms, struct arena *a, struct recipients *out, struct err *e)
{
	return read_list(body, "recipients", roots, chain, crl, now_ms, a, out, e);
}

MUST int recipients_read_node(struct str body, struct str roots, struct str chain,
			      struct str crl, int64_t now_ms, struct arena *a,
			      struct recipients *out, struct err *e)
{
	return read_list(body, "node", roots, chain, crl, now_ms, a, out, e);
}

struct str recipients_text(const struct recipients *r, struct arena *a)
{
	struct json *o = json_object_new(a), *keys = json_array_new(a);
	for (size_t i = 0; i < r->count; i++)
		json_add_str(a, keys, r->keys[i]);
	json_set_bool(a, o, S("sealed"), r->is_sealed);
	json_set_i64(a, o, S("rotation"), r->rotation);
	json_set(a, o, S("keys"), keys);
	struct json *names = json_array_new(a);
	for (size_t i = 0; i < r->name_count; i++)
		json_add_str(a, names, r->names[i]);
	json_set_str(a, o, S("customer"), r->customer);
	json_set_str(a, o, S("zone"), r->zone);
	json_set(a, o, S("names"), names);
	return json_text(o, a);
}

MUST int recipients_parse(struct str text, struct arena *a, struct recipients *out,
			  struct err *e)
{
	struct json *doc;
	struct recipients r = {.keys = ARENA_ARRAY(a, struct str, CLOUD_RECIPIENTS_MAX)};
	if (!r.keys || json_parse(text, a, &doc, e) < 0)
		return r.keys ? -1 : arena_check(a, e);
	const struct json *keys = json_get(doc, S("keys"));
	r.is_sealed = json_bool_of(json_get(doc, S("sealed")), true);
	r.rotation = json_i64_of(json_get(doc, S("rotation")), 0);
	for (size_t i = 0; i < json_count(keys) && r.count < CLOUD_RECIPIENTS_MAX; i++) {
		struct str key = json_str_of(json_at(keys, i), S(""));
		if (age_recipient_check(key, e) < 0)
			return err_fail(e, ERR_CORRUPT, "kept recipients are not whole");
		r.keys[r.count++] = key;
	}
	read_names(doc, a, &r);
	*out = r;
	return arena_check(a, e);
}

static int key_cmp(const void *a, const void *b)
{
	const struct str *x = a, *y = b;
	return str_cmp(*x, *y);
}

struct str recipients_digest(const struct recipients *r, struct str clear, struct arena *a)
{
	struct hasher h;
	char hex[HASH_TEXT_SIZE];
	struct str *keys = ARENA_ARRAY(a, struct str, r->count);
	if (!keys)
		return S("");
	memcpy(keys, r->keys, r->count * sizeof *keys);
	qsort(keys, r->count, sizeof *keys, key_cmp);
	hasher_init(&h);
	for (size_t i = 0; i < r->count; i++) {
		hasher_add(&h, keys[i]);
		hasher_add(&h, S("\n"));
	}
	hasher_add(&h, S("\n"));
	hasher_add(&h, clear);
	struct hash sum = hasher_end(&h);
	str_hex(sum.bytes, HASH_BYTES, hex);
	return arena_dup(a, str_from(hex));
}
