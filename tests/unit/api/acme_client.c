/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "acme_client.h"

#include <unistd.h>

#include "base/file.h"
#include "store/customer.h"
#include "store/domain.h"
#include "trust/cert.h"
#include "trust/jose.h"

enum { DAY_MS = 86400000, DER_HEAD = 12, LIMIT = 100 };

static struct str secret(void)
{
	return S("0123456789abcdef0123456789abcdef");
}

static int add_domain(struct db_tx *tx, void *user, struct err *e)
{
	struct cloud *c = user;
	struct customer lila, otto;
	if (store_customer_get(tx, c->a, S("lila"), 1, &lila, e) < 0 ||
	    store_customer_get(tx, c->a, S("otto"), 1, &otto, e) < 0)
		return -1;
	return store_domain_add(tx, c->a, S("lila.example"), lila.id, 1, e) < 0 ? -1 : 0;
}

void acme_begin(struct acme_world *w, struct cloud *c)
{
	struct err e = ERR_INIT;
	*w = (struct acme_world){.c = c};
	(void)snprintf(w->dir, sizeof w->dir, "/tmp/hoc-acme-XXXXXX");
	assert_non_null(mkdtemp(w->dir));
	const char *dir = text(c, "%s/services", w->dir);
	const struct ca_make make = {
		.dir = dir,
		.kind = CA_SERVICES,
		.cloud = S("test"),
		.passphrase = S(""),
		.key_kind = KEY_P256,
		.now_ms = c->now_ms - DAY_MS,
	};
	if (ca_make(&make, &e) < 0 || ca_open(dir, S(""), &w->services, &e) < 0 ||
	    db_write(c->db, add_domain, c, &e) < 0)
		fail_msg("%s", e.text);
	const struct api_options options = {
		.clock = &c->clock,
		.rng = &c->rng.rng,
		.version = "test",
		.database = db_engine_name(c->db),
		.mode = "local",
		.cloud = "test",
		.zone = "cloud.test",
		.services = w->services,
		.eab_key = secret(),
	};
	c->api = api_free(c->api);
	assert_int_equal(api_new(&options, &c->api, &e), 0);
}

void acme_end(struct acme_world *w)
{
	struct err e = ERR_INIT;
	const struct api_options options = {
		.clock = &w->c->clock,
		.rng = &w->c->rng.rng,
		.version = "test",
		.database = db_engine_name(w->c->db),
		.mode = "local",
	};
	w->c->api = api_free(w->c->api);
	assert_int_equal(api_new(&options, &w->c->api, &e), 0);
	ca_free(w->services);
	assert_int_equal(file_remove_tree(w->dir, &e), 0);
}

/* ---- keys and messages --------------------------------------------------------------------- */

void acme_user_begin(struct acme_user *u, struct acme_world *w)
{
	struct err e = ERR_INIT;
	*u = (struct acme_user){.w = w};
	assert_int_equal(key_make(KEY_ED25519, &u->key, &e), 0);
}

void acme_user_end(struct acme_user *u)
{
	u->key = key_free(u->key);
}

static const char *x_of(struct acme_world *w, const struct key *k)
{
	struct str der = key_public(k);
	return arena_cstr(w->c->a, base64url(str_sub(der, DER_HEAD, der.n), w->c->a));
}

const char *acme_jwk(struct acme_world *w, const struct key *k)
{
	return text(w->c, "{'kty':'OKP','crv':'Ed25519','x':'%s'}", x_of(w, k));
}

const char *acme_thumbprint(struct acme_world *w, const struct key *k)
{
	struct err e = ERR_INIT;
	struct hash h;
	const struct jwk j = {.kty = S("OKP"), .crv = S("Ed25519"), .x = str_from(x_of(w, k))};
	assert_int_equal(jwk_thumbprint(&j, w->c->a, &h, &e), 0);
	return arena_cstr(w->c->a,
			  base64url(str_of((const char *)h.bytes, sizeof h.bytes), w->c->a));
}

static const char *quoted(struct acme_world *w, const char *s)
{
	char *copy = arena_alloc(w->c->a, strlen(s) + 1);
	assert_non_null(copy);
	for (size_t i = 0; s[i]; i++)
		copy[i] = s[i] == '\'' ? '"' : s[i];
	return copy;
}

static const char *encoded(struct acme_world *w, const char *s)
{
	return arena_cstr(w->c->a, base64url(str_from(quoted(w, s)), w->c->a));
}

static const char *signature_of(struct acme_world *w, const struct key *k, const char *p,
				const char *q)
{
	struct err e = ERR_INIT;
	struct str s;
	assert_int_equal(key_sign(k, str_from(text(w->c, "%s.%s", p, q)), w->c->a, &s, &e), 0);
	return arena_cstr(w->c->a, base64url(s, w->c->a));
}

const char *acme_message(struct acme_world *w, const struct key *k, const char *header,
			 const char *payload)
{
	const char *p = encoded(w, header), *q = payload[0] ? encoded(w, payload) : "";
	return text(w->c, "{'protected':'%s','payload':'%s','signature':'%s'}", p, q,
		    signature_of(w, k, p, q));
}

const char *acme_binding(struct acme_user *u, const char *customer, const char *url,
			 const struct key *over)
{
	struct acme_world *w = u->w;
	struct err e = ERR_INIT;
	struct str key;
	struct json *j = OK_POST(w->c, text(w->c, "/v1/customers/%s/eab", customer), "");
	assert_int_equal(base64url_read(str_from(at(w->c, j, "hmac_key")), w->c->a, &key, &e),
			 0);
	const char *p = encoded(w, text(w->c, "{'alg':'HS256','kid':'%s','url':'%s'}",
					at(w->c, j, "kid"),
					url ? url : "https://" ACME_HOST "/acme/new-account"));
	const char *q = encoded(w, acme_jwk(w, over ? over : u->key));
	struct hash h = hmac_sha256(key, str_from(text(w->c, "%s.%s", p, q)));
	struct str s = base64url(str_of((const char *)h.bytes, sizeof h.bytes), w->c->a);
	return text(w->c, "{'protected':'%s','payload':'%s','signature':'%.*s'}", p, q,
		    STR_A(s));
}

/* ---- calls --------------------------------------------------------------------------------- */

struct running {
	struct cloud *c;
	struct api_call *call;
};

static int run(struct db_tx *tx, void *user, struct err *e)
{
	struct running *r = user;
	return api_run(r->call, tx, false, &r->c->out, e);
}

static struct json *call(struct acme_world *w, const char *method, const char *path,
			 const char *media, const char *body)
{
	struct cloud *c = w->c;
	struct err e = ERR_INIT;
	struct running r = {.c = c};
	const struct api_request req = {
		.host = S(ACME_HOST),
		.is_tls = true,
		.method = str_from(method),
		.target = str_from(path),
		.content_type = str_from(media),
		.accept = S("*/*"),
		.body = str_from(body),
	};
	int rc = api_open(c->api, &req, c->a, &r.call, &e);
	if (rc == 0)
		rc = api_call_is_read(r.call) ? db_read(c->db, run, &r, &e)
					      : db_write(c->db, run, &r, &e);
	if (rc < 0)
		api_refuse(c->api, &req, &e, c->a, &c->out);
	c->status = c->out.status;
	const char *nonce = acme_header_of(w, "Replay-Nonce");
	w->nonce = nonce ? nonce : w->nonce;
	w->answer = NULL;
	if (c->out.body.n && json_parse(c->out.body, c->a, &w->answer, &e) < 0)
		w->answer = NULL;
	return w->answer;
}

struct json *acme_get(struct acme_world *w, const char *method, const char *path)
{
	return call(w, method, path, "", "");
}

static const char *header_for(struct acme_user *u, const char *path, const struct acme_wrong *x)
{
	struct cloud *c = u->w->c;
	bool by_key = x->with_jwk || (!u->url && !x->with_kid);
	const char *jwk = by_key ? text(c, ",'jwk':%s", acme_jwk(u->w, u->key)) : "";
	const char *kid = !by_key || x->with_kid ? text(c, ",'kid':'%s'", u->url) : "";
	return text(c, "{'alg':'%s','nonce':'%s','url':'%s'%s%s%s}", x->alg ? x->alg : "EdDSA",
		    x->nonce ? x->nonce : u->w->nonce,
		    x->url ? x->url : text(c, "https://" ACME_HOST "%s", path), jwk, kid,
		    x->more ? x->more : "");
}

struct json *acme_post_wrong(struct acme_user *u, const char *path, const char *payload,
			     const struct acme_wrong *x)
{
	struct acme_world *w = u->w;
	if (!w->nonce)
		(void)acme_get(w, "HEAD", "/acme/new-nonce");
	const char *p = encoded(w, x->header ? x->header : header_for(u, path, x));
	const char *q = payload[0] ? encoded(w, payload) : "";
	const char *s =
		signature_of(w, x->key ? x->key : u->key, p, x->is_signature_bad ? "eyJ9" : q);
	const char *body =
		text(w->c, "{\"protected\":\"%s\",\"payload\":\"%s\",\"signature\":\"%s%s\"}",
		     p, q, s, x->is_padded ? "==" : "");
	return call(w, "POST", path, x->media ? x->media : "application/jose+json",
		    x->body ? quoted(w, x->body) : body);
}

struct json *acme_post(struct acme_user *u, const char *path, const char *payload)
{
	const struct acme_wrong right = {.header = NULL};
	return acme_post_wrong(u, path, payload, &right);
}

const char *acme_header_of(struct acme_world *w, const char *name)
{
	for (size_t i = 0; i < w->c->out.header_count; i++)
		if (strcmp(w->c->out.headers[i].name, name) == 0)
			return arena_cstr(w->c->a, w->c->out.headers[i].value);
	return NULL;
}

void acme_expect(struct acme_world *w, const char *type, int status)
{
	const char *is = at(w->c, w->answer, "type"), *head = "urn:ietf:params:acme:error:";
	const char *want = type[0] ? text(w->c, "%s%s", head, type) : "";
	if (status && (w->c->status != status || strcmp(is, want) != 0))
		fail_msg("%d %s, not %d %s: %.*s", w->c->status, is, status, want,
			 STR_A(w->c->out.body));
	if (!status && w->c->status != 200 && w->c->status != 201)
		fail_msg("%d: %.*s", w->c->status, STR_A(w->c->out.body));
	if (status)
		assert_string_equal(w->c->out.content_type, "application/problem+json");
	assert_non_null(acme_header_of(w, "Replay-Nonce"));
	assert_string_equal(acme_header_of(w, "Cache-Control"), "no-store");
}

const char *acme_path(const char *url)
{
	const char *head = "https://" ACME_HOST;
	assert_int_equal(strncmp(url, head, strlen(head)), 0);
	return url + strlen(head);
}

void acme_join(struct acme_user *u, const char *customer)
{
	(void)acme_post(
		u, "/acme/new-account",
		text(u->w->c,
		     "{'contact':['mailto:a@lila.example'],'externalAccountBinding':%s}",
		     acme_binding(u, customer, NULL, NULL)));
	acme_expect(u->w, "", 0);
	assert_int_equal(u->w->c->status, 201);
	u->url = acme_header_of(u->w, "Location");
	assert_non_null(u->url);
}

/* ---- the job ------------------------------------------------------------------------------- */

struct job {
	struct acme_world *w;
	enum acme_finding finding;
	struct acme_work *work;
	size_t count;
};

static int claim(struct db_tx *tx, void *user, struct err *e)
{
	struct job *j = user;
	return acme_work_claim(j->w->c->api, tx, LIMIT, j->w->c->a, &j->work, &j->count, e);
}

static int settle(struct db_tx *tx, void *user, struct err *e)
{
	struct job *j = user;
	for (size_t i = 0; i < j->count; i++)
		if (acme_work_settle(j->w->c->api, tx, &j->work[i], j->finding,
				     S("as the test says"), j->w->c->a, e) < 0)
			return -1;
	return 0;
}

size_t acme_validate(struct acme_world *w, enum acme_finding finding)
{
	struct err e = ERR_INIT;
	struct job j = {.w = w, .finding = finding};
	if (db_write(w->c->db, claim, &j, &e) < 0 || db_write(w->c->db, settle, &j, &e) < 0)
		fail_msg("%s", e.text);
	return j.count;
}

void acme_claim_only(struct acme_world *w)
{
	struct err e = ERR_INIT;
	struct job j = {.w = w};
	assert_int_equal(db_write(w->c->db, claim, &j, &e), 0);
	assert_int_not_equal(j.count, 0);
}

static int forget(struct db_tx *tx, void *user, struct err *e)
{
	struct acme_world *w = user;
	return acme_work_forget(w->c->api, tx, w->c->a, e);
}

void acme_forget(struct acme_world *w)
{
	struct err e = ERR_INIT;
	assert_int_equal(db_write(w->c->db, forget, w, &e), 0);
}

/* ---- orders -------------------------------------------------------------------------------- */

void acme_answer_all(struct acme_user *u, const char *order_path, const char *method)
{
	struct cloud *c = u->w->c;
	struct json *order = acme_post(u, order_path, "");
	acme_expect(u->w, "", 0);
	for (size_t i = 0; i < json_count(json_path(order, S("authorizations"))); i++) {
		const char *auth = at(c, order, text(c, "authorizations[%zu]", i));
		const char *path = acme_path(auth) + strlen("/acme/authorization");
		(void)acme_post(u, text(c, "/acme/challenge%s/%s", path, method), "{}");
		acme_expect(u->w, "", 0);
	}
}

const char *acme_order(struct acme_user *u, const char *names, const char *method)
{
	struct cloud *c = u->w->c;
	struct buf b CLEAN(buf_fini) = BUF_INIT(100000);
	struct str rest = str_from(names), one;
	while (str_split(&rest, ' ', &one))
		buf_addf(&b, "%s{'type':'dns','value':'%.*s'}", b.n ? "," : "", STR_A(one));
	(void)acme_post(u, "/acme/new-order", text(c, "{'identifiers':[%s]}", b.p));
	acme_expect(u->w, "", 0);
	assert_int_equal(c->status, 201);
	const char *path = acme_path(acme_header_of(u->w, "Location"));
	if (!method)
		return path;
	acme_answer_all(u, path, method);
	(void)acme_validate(u->w, ACME_PROVEN);
	return path;
}

const char *acme_csr(struct acme_world *w, const struct key *k, const char *common,
		     const char *const *names, size_t count)
{
	struct err e = ERR_INIT;
	struct str items[100], pem;
	struct cert_request r;
	for (size_t i = 0; i < count; i++)
		items[i] = str_from(names[i]);
	const struct cert_names list = {items, count};
	if (cert_request_make(k, str_from(common), &list, w->c->a, &pem, &e) < 0 ||
	    cert_request_read(pem, w->c->a, &r, &e) < 0)
		fail_msg("%s", e.text);
	return arena_cstr(w->c->a, base64url(r.der, w->c->a));
}
