/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * Certificates of one partition: looked at, got, put in place, told.
 *
 * What is compared and sent is ours: nothing that the tenant could have written is parsed here.
 * The key stays the same as long as the instance lives, so that key and chain in the home fit
 * together whenever somebody reads them.
 */
#include "agent/certs.h"

#include <arpa/inet.h>
#include <unistd.h>

#include "agent/authority.h"
#include "base/file.h"
#include "base/log.h"
#include "json/json.h"
#include "trust/renewal.h"
#include "trust/wipe.h"

#define PROMISE S("certificates")
/* In place of a child's name, which has no dot: what the master was told last. */
#define TOLD S(".certificates")

enum {
	PEM_MAX = KEYS_PEM_MAX,
	KEY_MAX = 16 << 10,
	RETRY_MS = 60000,
	RETRY_MAX_MS = 3600000,
};

/* A certificate on its way through the functions below. */
struct work {
	const struct deploy *d;
	struct part *p;
	const struct machine_wish *w;
	const struct spec_certificate *c;
	const struct recipients *owner; /* whose names, and which */
	struct arena *a;
	const char *dir;
	struct cert_names names;
	struct key *key;
	struct str chain; /* PEM; "" if there is none */
	struct cert leaf;
	int64_t now_ms, due_ms;
	bool is_missing;
};

static const char *path_of(const struct work *x, const char *what)
{
	return arena_fmt(x->a, "%s/%" STR_F ".%s", x->dir, STR_A(x->c->name), what).p;
}

/* ---- names --------------------------------------------------------------------------------- */

static bool is_label(struct str s)
{
	for (size_t i = 0; i < s.n; i++)
		if (!strchr("abcdefghijklmnopqrstuvwxyz0123456789-", s.p[i]))
			return false;
	return s.n && s.n <= 63 && s.p[0] != '-' && s.p[s.n - 1] != '-';
}

/* Addresses have several texts; a certificate is read with the usual one. */
static struct str usual_text(struct str name, struct arena *a)
{
	static const int families[] = {AF_INET, AF_INET6};
	char in[64], out[64];
	unsigned char raw[16];
	(void)snprintf(in, sizeof in, "%.60s", arena_cstr(a, name));
	for (size_t i = 0; i < ARRAY_LEN(families); i++)
		if (inet_pton(families[i], in, raw) == 1 &&
		    inet_ntop(families[i], raw, out, sizeof out))
			return arena_dup(a, str_from(out));
	return name;
}

/* Those of the spec, or TITLE.CUSTOMER.ZONE. */
MUST static int names_of(struct work *x, struct err *e)
{
	const struct recipients *o = x->owner;
	const struct spec_list *list = &x->c->names;
	x->names = (struct cert_names){ARENA_ARRAY(x->a, struct str, list->count), 0};
	for (size_t i = 0; x->names.items && i < list->count; i++)
		x->names.items[x->names.count++] = usual_text(list->items[i], x->a);
	if (list->count)
		return arena_check(x->a, e);
	if (!o->zone.n)
		return err_fail(e, ERR_UNSUPPORTED,
				"the cloud has no zone: the profile has to say the names");
	if (!is_label(x->w->title) || !is_label(o->customer))
		return err_fail(e, ERR_INVALID,
				"%" STR_F " of %" STR_F
				" is no DNS name: the profile has to say the names",
				STR_A(x->w->title), STR_A(o->customer));
	struct str *one = ARENA_NEW(x->a, struct str);
	if (!one)
		return arena_check(x->a, e);
	*one = arena_fmt(x->a, "%" STR_F ".%" STR_F ".%" STR_F, STR_A(x->w->title),
			 STR_A(o->customer), STR_A(o->zone));
	x->names = (struct cert_names){one, 1};
	return arena_check(x->a, e);
}

static bool are_same_names(const struct cert_names *a, const struct cert_names *b)
{
	for (size_t i = 0; i < a->count; i++) {
		bool is_there = false;
		for (size_t k = 0; k < b->count; k++)
			is_there = is_there || str_eq(a->items[i], b->items[k]);
		if (!is_there)
			return false;
	}
	return a->count == b->count;
}

/* ---- looking ------------------------------------------------------------------------------- */

static int64_t due_of(const struct cert *leaf)
{
	return renewal_spread_due_ms(leaf->from_ms, leaf->to_ms, str_from(leaf->serial));
}

/* What of it is here: fills key, chain, leaf, is_missing, due_ms. */
MUST static int look(struct work *x, struct err *e)
{
	struct cert *chain;
	size_t n;
	struct err unread = ERR_INIT;
	x->is_missing = true;
	x->chain = S("");
	x->due_ms = x->now_ms;
	if (key_open(path_of(x, "key"), KEY_P256, &x->key, e) < 0)
		return -1;
	int rc = file_read(path_of(x, "pem"), PEM_MAX, x->a, &x->chain, e);
	if (rc != 0)
		return rc < 0 ? -1 : 0;
	if (cert_chain_read(x->chain, x->a, &chain, &n, &unread) < 0 || !n)
		return 0; /* it is got anew */
	struct hash own = key_name(x->key);
	x->leaf = chain[0];
	if (memcmp(&own, &x->leaf.key, sizeof own) != 0 ||
	    !are_same_names(&x->names, &x->leaf.names))
		return 0;
	x->is_missing = false;
	x->due_ms = due_of(&x->leaf);
	return 0;
}

/* ---- getting ------------------------------------------------------------------------------- */

MUST static int ask_master(struct work *x, struct str *out_chain, struct str *out_roots,
			   struct err *e)
{
	struct http_response response;
	struct json *body = json_object_new(x->a), *names = json_array_new(x->a), *doc;
	struct str csr;
	if (!x->d->talkers)
		return err_fail(e, ERR_UNREACHABLE, "this node has no master");
	if (cert_request_make(x->key, S(""), &x->names, x->a, &csr, e) < 0)
		return -1;
	for (size_t i = 0; i < x->names.count; i++)
		json_add_str(x->a, names, x->names.items[i]);
	json_set_str(x->a, body, S("instance"), x->w->guid);
	json_set(x->a, body, S("names"), names);
	json_set_str(x->a, body, S("csr"), csr);
	const struct http_request r = {
		.method = HTTP_POST,
		.target = arena_fmt(x->a, "/v1/nodes/%s/certificates", x->d->node),
		.body = json_text(body, x->a),
	};
	if (arena_check(x->a, e) < 0 ||
	    talkers_fetch_ok(x->d->talkers, &r, x->a, &response, e) < 0 ||
	    json_parse(response.body, x->a, &doc, e) < 0)
		return -1;
	*out_chain = json_str_of(json_get(doc, S("certificate")), S(""));
	*out_roots = json_str_of(json_get(doc, S("roots")), S(""));
	return 0;
}

MUST static int ask_own(struct work *x, struct str *out_chain, struct str *out_roots,
			struct err *e)
{
	const struct authority_order o = {
		.node_dir = x->d->node_dir,
		.ndb = x->d->ndb,
		.guid = x->w->guid,
		.owner = x->owner,
		.names = x->names,
		.public = key_public(x->key),
		.now_ms = x->now_ms,
	};
	return authority_issue(&o, x->a, out_chain, out_roots, e);
}

/* Whoever made it: it must be for our key and hold for every name. */
MUST static int check_issued(struct work *x, struct str pem, struct str roots, struct err *e)
{
	struct cert_trust *trust CLEAN(cert_trust_freep) = NULL;
	struct hash own = key_name(x->key);
	struct cert *chain;
	size_t n;
	if (cert_chain_read(pem, x->a, &chain, &n, e) < 0 ||
	    cert_trust_new(roots, &trust, e) < 0)
		return -1;
	if (!n || memcmp(&own, &chain[0].key, sizeof own) != 0)
		return err_fail(e, ERR_CORRUPT, "the certificate is of another key");
	for (size_t i = 0; i < x->names.count; i++) {
		struct str host = x->names.items[i];
		if (str_starts(host, S("*.")))
			host = arena_fmt(x->a, "a%" STR_F, STR_A(str_sub(host, 1, host.n)));
		enum cert_fault f = cert_check(trust, chain, n, x->now_ms, true, host);
		if (f != CERT_GOOD)
			return err_fail(e, ERR_CORRUPT, "the certificate for %" STR_F " is %s",
					STR_A(host), cert_fault_word(f));
	}
	x->leaf = chain[0];
	return arena_check(x->a, e);
}

MUST static int get(struct work *x, struct err *e)
{
	struct str chain, roots;
	int rc = ask_master(x, &chain, &roots, e);
	if (rc < 0 && authority_is_away(e)) {
		err_clear(e);
		rc = ask_own(x, &chain, &roots, e);
	}
	if (rc < 0 || check_issued(x, chain, roots, e) < 0 ||
	    file_write(path_of(x, "roots"), roots, 0600, e) < 0 ||
	    file_write(path_of(x, "pem"), chain, 0600, e) < 0)
		return -1;
	x->chain = chain;
	x->is_missing = false;
	x->due_ms = due_of(&x->leaf);
	return 0;
}

/* ---- in place ------------------------------------------------------------------------------ */

MUST static int put_key(const struct work *x, const struct files_home *home, struct err *e)
{
	struct str key CLEAN(trust_wipe_str) = S("");
	int rc = file_read(path_of(x, "key"), KEY_MAX, x->a, &key, e);
	if (rc != 0)
		return rc < 0 ? -1 : err_fail(e, ERR_CORRUPT, "its key is gone");
	return files_put(home, x->c->key, key, 0600, e);
}

MUST static int put(const struct work *x, const struct files_home *home, struct err *e)
{
	struct str roots = S("");
	if (x->c->roots.n && file_read(path_of(x, "roots"), PEM_MAX, x->a, &roots, e) < 0)
		return -1;
	if (put_key(x, home, e) < 0 || files_put(home, x->c->chain, x->chain, 0600, e) < 0 ||
	    (roots.n && files_put(home, x->c->roots, roots, 0644, e) < 0))
		return -1;
	return 0;
}

/* Do services know the chain that is in place? */
static bool is_told(const struct work *x)
{
	struct str serial;
	struct err ignored = ERR_INIT;
	return file_read(path_of(x, "told"), 100, x->a, &serial, &ignored) == 0 &&
	       str_is(serial, x->leaf.serial);
}

static bool concerns(const struct spec_certificate *c, struct str service)
{
	for (size_t i = 0; i < c->services.count; i++)
		if (str_eq(c->services.items[i], service))
			return true;
	return c->services.count == 0;
}

static void mark(const struct work *x, const struct profile_spec *spec,
		 enum deploy_touch *touch)
{
	static const enum deploy_touch touches[] = {[SPEC_RELOAD_NONE] = DEPLOY_LEAVE,
						    [SPEC_RELOAD_RESTART] = DEPLOY_RESTART,
						    [SPEC_RELOAD_SIGNAL] = DEPLOY_SIGNAL};
	for (size_t i = 0; i < spec->service_count; i++)
		if (concerns(x->c, spec->services[i].name))
			touch[i] = MAX_OF(touch[i], touches[x->c->reload]);
}

MUST int certs_told(const struct part *p, const struct machine_wish *w,
		    const struct profile_spec *spec, struct arena *a, struct err *e)
{
	for (size_t i = 0; i < spec->certificate_count; i++) {
		struct work x = {
			.c = &spec->certificates[i],
			.a = a,
			.dir = arena_fmt(a, "%s/certs", p->dir).p,
		};
		struct cert *chain;
		size_t n;
		int rc = file_read(path_of(&x, "pem"), PEM_MAX, a, &x.chain, e);
		if (rc > 0)
			continue; /* it could not be got yet */
		if (rc < 0 || cert_chain_read(x.chain, a, &chain, &n, e) < 0)
			return -1;
		rc = file_write_if_changed(path_of(&x, "told"), str_from(chain[0].serial), 0600,
					   e);
		if (rc < 0)
			return -1;
		if (rc == 0)
			log_event(LOG_INFO, "agent.certificate.fresh",
				  KV_S("instance", w->guid), KV_S("name", x.c->name),
				  KV_C("serial", chain[0].serial),
				  KV_I("until_ms", chain[0].to_ms));
	}
	return arena_check(a, e);
}

/* ---- all of them --------------------------------------------------------------------------- */

struct round {
	const struct deploy *d;
	struct part *p;
	const struct machine_wish *w;
	const struct profile_spec *spec;
	const struct recipients *owner;
	struct arena *a;
	enum deploy_touch *touch;
	int64_t due_ms;		      /* when the first is due */
	bool is_apply;		      /* then what is missing fails */
	char trouble[CLOUD_TEXT_MAX]; /* of what stays old */
};

MUST static int take_one(struct round *r, struct work *x, const struct files_home *home,
			 struct err *e)
{
	if (names_of(x, e) < 0 || look(x, e) < 0)
		return -1;
	if (x->now_ms >= x->due_ms) {
		struct err why = ERR_INIT;
		if (get(x, &why) < 0 && (x->is_missing || why.kind == ERR_MEMORY)) {
			*e = why;
			return -1;
		}
		if (why.kind != ERR_NONE) {
			char until[CLOCK_TEXT_SIZE];
			clock_text(x->leaf.to_ms, until);
			(void)snprintf(r->trouble, sizeof r->trouble,
				       "%" STR_F " (good until %s): %.120s", STR_A(x->c->name),
				       until, why.text);
		}
	}
	r->due_ms = MIN_OF(r->due_ms, x->due_ms);
	if (put(x, home, e) < 0)
		return -1;
	if (!is_told(x))
		mark(x, r->spec, r->touch);
	return 0;
}

/* What cannot be got at an apply fails it; later it is told, and the others go on. */
MUST static int take_each(struct round *r, const struct files_home *home, struct err *e)
{
	const char *dir = arena_fmt(r->a, "%s/certs", r->p->dir).p;
	if (arena_check(r->a, e) < 0 || file_mkdirs(dir, 0700, e) < 0)
		return -1;
	for (size_t i = 0; i < r->spec->certificate_count; i++) {
		struct err why = ERR_INIT;
		struct work x = {
			.d = r->d,
			.p = r->p,
			.w = r->w,
			.c = &r->spec->certificates[i],
			.owner = r->owner,
			.a = r->a,
			.dir = dir,
			.now_ms = clock_now_ms(r->d->clock),
		};
		int rc = take_one(r, &x, home, &why);
		key_free(x.key);
		if (rc == 0)
			continue;
		if (r->is_apply || why.kind == ERR_MEMORY) {
			*e = why;
			return err_in(e, "certificate %" STR_F, STR_A(x.c->name));
		}
		(void)snprintf(r->trouble, sizeof r->trouble, "%" STR_F ": %.180s",
			       STR_A(x.c->name), why.text);
	}
	return arena_check(r->a, e);
}

/* Tells the master what is wrong, once, and that it is mended: 1 if there was news. */
MUST static int tell(const struct round *r, struct err *e)
{
	struct str told = S(""), message = str_from(r->trouble);
	if (ndb_child(r->d->ndb, r->w->guid, TOLD, r->a, &told, e) < 0)
		return -1;
	if (str_eq(told, message))
		return 0;
	const struct ndb_result result = {
		.instance = r->w->guid,
		.name = PROMISE,
		.state = message.n ? S("broken") : S("withdrawn"),
		.message = message,
		.at_ms = clock_now_ms(r->d->clock),
	};
	if (message.n)
		log_event(LOG_WARN, "agent.certificate.kept", KV_S("instance", r->w->guid),
			  KV_S("why", message));
	if (ndb_results_add(r->d->ndb, &result, 1, e) < 0 ||
	    ndb_save_child(r->d->ndb, r->w->guid, TOLD, message, e) < 0)
		return -1;
	return 1;
}

/* When to look again: what failed is tried again, ever more seldom. */
static void plan_next(struct round *r)
{
	struct part *p = r->p;
	int64_t now_ms = clock_now_ms(r->d->clock);
	p->certs_failures = r->trouble[0] ? MIN_OF(p->certs_failures + 1, 10U) : 0;
	int64_t pause_ms =
		MIN_OF((int64_t)RETRY_MS << p->certs_failures, (int64_t)RETRY_MAX_MS);
	p->certs_due_ms = r->trouble[0] ? now_ms + pause_ms : MAX_OF(r->due_ms, now_ms + 1000);
}

MUST static int round_of(struct round *r, struct err *e)
{
	struct files_home home;
	if (file_mkdirs(r->p->dir, 0711, e) < 0 ||
	    files_open(r->p->home, r->p->uid_base + DEPLOY_UID, &home, e) < 0)
		return -1;
	int rc = take_each(r, &home, e);
	files_close(&home);
	if (rc < 0)
		return -1;
	plan_next(r);
	return tell(r, e);
}

static bool is_wanted(const struct profile_spec *spec, struct str path)
{
	for (size_t i = 0; i < spec->file_count; i++)
		if (str_eq(spec->files[i].path, path))
			return true;
	for (size_t i = 0; i < spec->certificate_count; i++) {
		const struct spec_certificate *c = &spec->certificates[i];
		if (str_eq(c->key, path) || str_eq(c->chain, path) || str_eq(c->roots, path))
			return true;
	}
	return false;
}

static bool has_certificate(const struct profile_spec *spec, struct str name)
{
	for (size_t i = 0; i < spec->certificate_count; i++)
		if (str_eq(spec->certificates[i].name, name))
			return true;
	return false;
}

/* What the spec before had and this one has not. */
MUST static int remove_gone(const struct part *p, const struct profile_spec *fresh,
			    struct arena *a, struct err *e)
{
	static const char *const kinds[] = {"key", "pem", "roots", "told"};
	struct files_home home;
	int rc = 0;
	if (!p->spec.certificate_count)
		return 0;
	if (files_open(p->home, p->uid_base + DEPLOY_UID, &home, e) < 0)
		return -1;
	for (size_t i = 0; i < p->spec.certificate_count && rc == 0; i++) {
		const struct spec_certificate *c = &p->spec.certificates[i];
		const struct str paths[] = {c->key, c->chain, c->roots};
		for (size_t k = 0; k < ARRAY_LEN(paths) && rc == 0; k++)
			if (paths[k].n && !is_wanted(fresh, paths[k]))
				rc = files_remove(&home, paths[k], e);
		for (size_t k = 0; k < ARRAY_LEN(kinds) && !has_certificate(fresh, c->name);
		     k++)
			(void)unlink(arena_fmt(a, "%s/certs/%" STR_F ".%s", p->dir,
					       STR_A(c->name), kinds[k])
					     .p);
	}
	files_close(&home);
	return rc;
}

MUST int certs_apply(const struct deploy *d, struct part *p, const struct machine_wish *w,
		     struct deploy_plan *plan, struct arena *a, struct err *e)
{
	struct round r = {
		.d = d,
		.p = p,
		.w = w,
		.spec = &plan->spec,
		.owner = &plan->readers,
		.a = a,
		.touch = plan->touch,
		.due_ms = PLAN_NEVER,
		.is_apply = true,
	};
	p->certs_due_ms = PLAN_NEVER;
	if (remove_gone(p, &plan->spec, a, e) < 0)
		return -1;
	if (!plan->spec.certificate_count)
		return p->spec.certificate_count && tell(&r, e) < 0 ? -1 : 0;
	if (!d->keys || !plan->readers.customer.n)
		return err_fail(e, ERR_UNSUPPORTED,
				"certificate %" STR_F
				": the master is local: it has no authority",
				STR_A(plan->spec.certificates[0].name));
	return round_of(&r, e) < 0 ? -1 : 0;
}

int64_t certs_due_ms(const struct part *p)
{
	return p->spec.certificate_count ? p->certs_due_ms : PLAN_NEVER;
}

MUST int certs_renew(const struct deploy *d, struct part *p, const struct machine_wish *w,
		     struct arena *a, struct err *e)
{
	enum deploy_touch touch[SPEC_SERVICES_MAX] = {DEPLOY_LEAVE};
	struct recipients owner;
	struct str body, told;
	struct round r = {
		.d = d,
		.p = p,
		.w = w,
		.spec = &p->spec,
		.owner = &owner,
		.a = a,
		.touch = touch,
		.due_ms = PLAN_NEVER,
	};
	if (clock_now_ms(d->clock) < certs_due_ms(p) || !p->spec.certificate_count)
		return 0;
	p->certs_due_ms = clock_now_ms(d->clock) + RETRY_MS;
	int rc = ndb_readers(d->ndb, w->guid, a, &body, &told, e);
	if (rc != 0)
		return rc < 0 ? -1 : 0;
	if (recipients_parse(body, a, &owner, e) < 0)
		return -1;
	int news = round_of(&r, e);
	if (news < 0)
		return -1;
	for (size_t i = 0; i < p->spec.service_count; i++)
		if (touch[i] != DEPLOY_LEAVE &&
		    deploy_touch_service(d, p, &p->spec.services[i], touch[i], a, e) < 0)
			return err_in(e, "service %" STR_F, STR_A(p->spec.services[i].name));
	return certs_told(p, w, &p->spec, a, e) < 0 ? -1 : news;
}
