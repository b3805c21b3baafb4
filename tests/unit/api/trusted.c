/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "trusted.h"

#include <unistd.h>

#include "base/file.h"
#include "core/signed.h"
#include "store/certificate.h"
#include "store/customer.h"
#include "store/identity.h"
#include "store/member.h"
#include "store/person.h"
#include "trust/cert.h"
#include "trust/jose.h"

enum { DAY_MS = 86400000 };

static const char *hex_of(struct cloud *c, const struct hash *h)
{
	char hex[HASH_TEXT_SIZE];
	hash_text(h, hex);
	return text(c, "%s", hex);
}

void trusted_begin(struct trusted *t, struct cloud *c)
{
	static const struct str names[] = {S_INIT("cloud.test"), S_INIT("192.0.2.1")};
	struct err e = ERR_INIT;
	*t = (struct trusted){.c = c};
	(void)snprintf(t->dir, sizeof t->dir, "/tmp/hoc-trusted-XXXXXX");
	assert_non_null(mkdtemp(t->dir));
	const char *dir = text(c, "%s/users", t->dir), *other = text(c, "%s/services", t->dir);
	struct ca_make make = {
		.dir = dir,
		.kind = CA_USERS,
		.cloud = S("test"),
		.passphrase = S(""),
		.key_kind = KEY_P256,
		.now_ms = c->now_ms - DAY_MS,
	};
	if (ca_make(&make, &e) < 0 || ca_open(dir, S(""), &t->users, &e) < 0)
		fail_msg("%s", e.text);
	make.dir = other;
	make.kind = CA_SERVICES;
	if (ca_make(&make, &e) < 0 || ca_open(other, S(""), &t->services, &e) < 0 ||
	    key_make(KEY_P256, &t->master, &e) < 0)
		fail_msg("%s", e.text);
	struct hash name = key_name(t->master);
	t->master_name = hex_of(c, &name);
	const struct api_options options = {
		.clock = &c->clock,
		.rng = &c->rng.rng,
		.eval = c->eval,
		.version = "test",
		.database = db_engine_name(c->db),
		.mode = "tls",
		.cloud = "test",
		.zone = "zone.test",
		.names = names,
		.name_count = ARRAY_LEN(names),
		.users = t->users,
		.services = t->services,
		.key = t->master,
		.key_name = str_from(t->master_name),
	};
	c->api = api_free(c->api);
	assert_int_equal(api_new(&options, &c->api, &e), 0);
}

void trusted_end(struct trusted *t)
{
	struct err e = ERR_INIT;
	for (size_t i = 0; i < t->count; i++) {
		key_free(t->people[i].key);
		age_identity_free(t->people[i].seal);
	}
	t->c->api = api_free(t->c->api);
	key_free(t->master);
	ca_free(t->users);
	ca_free(t->services);
	assert_int_equal(file_remove_tree(t->dir, &e), 0);
	/* What is checked at the end of a case is asked in local mode. */
	const struct api_options options = {
		.clock = &t->c->clock,
		.rng = &t->c->rng.rng,
		.version = "test",
		.database = db_engine_name(t->c->db),
		.mode = "local",
	};
	assert_int_equal(api_new(&options, &t->c->api, &e), 0);
}

/* ---- who ----------------------------------------------------------------------------------- */

struct work {
	struct trusted *t;
	struct who *w;
	const char *roles, *customer;
	bool is_owner;
};

static int add_certificate(struct db_tx *tx, struct work *w, struct err *e)
{
	struct cloud *c = w->t->c;
	bool is_node = strcmp(w->w->kind, "node") == 0;
	const struct ca_leaf leaf = {
		.kind = is_node ? CERT_NODE : CERT_PERSON,
		.name = str_from(w->w->name),
		.public = key_public(w->w->key),
		.now_ms = c->now_ms,
	};
	char serial[CERT_SERIAL_SIZE];
	struct str der;
	if (ca_sign(w->t->users, &leaf, c->a, &der, serial, e) < 0)
		return -1;
	struct certificate x = {
		.serial = str_from(text(c, "%s", serial)),
		.authority = S("users"),
		.kind = str_from(w->w->kind),
		.owner = str_from(w->w->name),
		.names_json = S("[]"),
		.key_name = str_from(w->w->key_name),
		.pem = cert_pem(der, c->a),
		.from_ms = c->now_ms,
		.to_ms = c->now_ms + CA_LEAF_DAYS * (int64_t)DAY_MS,
	};
	return store_certificate_add(tx, &x, e);
}

static int add_key(struct db_tx *tx, struct work *w, struct err *e)
{
	struct identity_key k = {
		.name = str_from(w->w->key_name),
		.kind = str_from(w->w->kind),
		.owner = str_from(w->w->name),
		.title = S(""),
		.seal_key = str_from(w->w->recipient),
		.statement = S("stated"),
		.created_at_ms = 1,
	};
	if (store_key_add(tx, &k, e) < 0 || store_key_seal(tx, &k, e) < 0)
		return -1;
	return add_certificate(tx, w, e);
}

static int add_who(struct db_tx *tx, void *user, struct err *e)
{
	struct work *w = user;
	struct arena *a = w->t->c->a;
	struct person p;
	struct customer owner;
	if (strcmp(w->w->kind, "node") == 0)
		return add_key(tx, w, e);
	if (store_person_get(tx, a, str_from(w->w->name), 1, &p, e) < 0)
		return -1;
	p.roles = str_from(w->roles);
	if (store_person_save(tx, &p, e) < 0 || add_key(tx, w, e) < 0)
		return -1;
	if (!w->customer)
		return 0;
	if (store_customer_get(tx, a, str_from(w->customer), 1, &owner, e) < 0)
		return -1;
	return store_member_set(tx, owner.id, p.id, w->is_owner, e);
}

static struct who *add(struct trusted *t, struct work *job, const char *kind, const char *name)
{
	struct err e = ERR_INIT;
	assert_true(t->count < TRUSTED_MAX);
	struct who *w = &t->people[t->count++];
	char recipient[AGE_RECIPIENT_SIZE];
	*w = (struct who){.kind = kind, .name = name};
	if (key_make(KEY_P256, &w->key, &e) < 0 || age_identity_make(&w->seal, &e) < 0)
		fail_msg("%s", e.text);
	struct hash h = key_name(w->key);
	w->key_name = hex_of(t->c, &h);
	age_identity_recipient(w->seal, recipient);
	w->recipient = text(t->c, "%s", recipient);
	job->t = t;
	job->w = w;
	if (db_write(t->c->db, add_who, job, &e) < 0)
		fail_msg("%s %s: %s", kind, name, e.text);
	return w;
}

struct who *trusted_person(struct trusted *t, const char *name, const char *roles,
			   const char *customer, bool is_owner)
{
	struct work job = {.roles = roles, .customer = customer, .is_owner = is_owner};
	return add(t, &job, "person", name);
}

struct who *trusted_node(struct trusted *t, const char *name)
{
	struct work job = {.roles = ""};
	return add(t, &job, "node", name);
}

static int revoke_key(struct db_tx *tx, void *user, struct err *e)
{
	struct work *w = user;
	struct identity_key k;
	if (store_key_find(tx, w->t->c->a, str_from(w->w->key_name), &k, e) <= 0)
		return -1;
	return store_key_revoke(tx, k.id, w->t->c->now_ms, S("test"), e) < 0 ? -1 : 0;
}

void trusted_revoke(struct trusted *t, struct who *w)
{
	struct err e = ERR_INIT;
	struct work job = {.t = t, .w = w};
	assert_int_equal(db_write(t->c->db, revoke_key, &job, &e), 0);
}

/* ---- calls --------------------------------------------------------------------------------- */

const char *trusted_report(struct trusted *t, struct who *w, const char *method,
			   const char *target, const char *body, int64_t sequence)
{
	struct err e = ERR_INIT;
	struct buf b CLEAN(buf_fini) = BUF_INIT(SIGNED_TEXT_MAX);
	struct hash h = hash_of(str_from(body));
	struct str signature = S("");
	const struct signed_report r = {
		.node = str_from(w->name),
		.method = str_from(method),
		.target = str_from(target),
		.sequence = sequence,
		.at_ms = t->c->now_ms,
		.body_hash = str_from(hex_of(t->c, &h)),
	};
	if (signed_report_text(&r, &b, &e) < 0 ||
	    key_sign(w->key, buf_str(&b), t->c->a, &signature, &e) < 0)
		fail_msg("%s", e.text);
	const struct signed_mark m = {sequence, r.at_ms, S(""), base64url(signature, t->c->a)};
	buf_clear(&b);
	signed_report_header(&m, &b);
	return text(t->c, "%s", b.p);
}

struct running {
	struct cloud *c;
	struct api_call *call;
};

static int run(struct db_tx *tx, void *user, struct err *e)
{
	struct running *r = user;
	return api_run(r->call, tx, false, &r->c->out, e);
}

static struct json *answer_of(struct cloud *c, const struct api_request *req)
{
	struct err e = ERR_INIT;
	struct running r = {.c = c};
	struct json *answer = NULL;
	int rc = api_open(c->api, req, c->a, &r.call, &e);
	if (rc == 0)
		rc = api_call_is_read(r.call) ? db_read(c->db, run, &r, &e)
					      : db_write(c->db, run, &r, &e);
	c->text[0] = c->field[0] = 0;
	if (rc < 0) {
		(void)snprintf(c->text, sizeof c->text, "%s", e.text);
		(void)snprintf(c->field, sizeof c->field, "%s", e.field);
		api_refuse(c->api, req, &e, c->a, &c->out);
	} else if (!api_call_is_read(r.call)) {
		api_committed(c->api, &c->out);
	}
	c->status = c->out.status;
	return json_parse(c->out.body, c->a, &answer, &e) < 0 ? NULL : answer;
}

struct json *trusted_call(struct trusted *t, struct who *w, const char *method,
			  const char *target, const char *body)
{
	struct cloud *c = t->c;
	char *copy = arena_alloc(c->a, strlen(body) + 1);
	assert_non_null(copy);
	for (size_t i = 0; body[i]; i++)
		copy[i] = body[i] == '\'' ? '"' : body[i];
	struct api_request req = {
		.method = str_from(method),
		.target = str_from(target),
		.content_type = body[0] ? S("application/json") : S(""),
		.accept = S("*/*"),
		.body = str_from(copy),
		.nonce = str_from(t->nonce ? t->nonce : "AAAAAAAAAAAAAAAAAAAAAA"),
	};
	bool is_node = w && strcmp(w->kind, "node") == 0;
	if (w) {
		req.caller.kind = is_node ? API_NODE : API_PERSON;
		req.caller.name = str_from(w->name);
		req.caller.key = key_name(w->key);
	}
	if (t->report)
		req.report = str_from(t->report);
	else if (is_node && strcmp(method, "GET") != 0)
		req.report =
			str_from(trusted_report(t, w, method, target, copy, ++w->sequence));
	return answer_of(c, &req);
}

struct json *trusted_request(struct trusted *t, const struct api_request *req)
{
	return answer_of(t->c, req);
}

struct json *trusted_ok(struct trusted *t, struct who *w, const char *method,
			const char *target, const char *body)
{
	struct json *j = trusted_call(t, w, method, target, body);
	if (t->c->status != 200 && t->c->status != 201)
		fail_msg("%s %s %s: %d %s: %s", method, target, body, t->c->status, t->c->field,
			 t->c->text);
	return j;
}

const char *trusted_header(struct trusted *t, const char *name)
{
	const struct api_response *out = &t->c->out;
	for (size_t i = 0; i < out->header_count; i++)
		if (strcmp(out->headers[i].name, name) == 0)
			return text(t->c, "%.*s", STR_A(out->headers[i].value));
	return NULL;
}

/* ---- sealing ------------------------------------------------------------------------------- */

const char *trusted_seal(struct trusted *t, const char *clear, struct who *const *to,
			 size_t count)
{
	struct err e = ERR_INIT;
	struct str keys[TRUSTED_MAX], sealed;
	for (size_t i = 0; i < count; i++)
		keys[i] = str_from(to[i]->recipient);
	if (age_seal(str_from(clear), keys, count, t->c->a, &sealed, &e) < 0)
		fail_msg("%s", e.text);
	struct buf b CLEAN(buf_fini) = BUF_INIT(100000);
	json_write_str(sealed, &b);
	return arena_cstr(t->c->a, str_sub(buf_str(&b), 1, b.n - 2));
}

const char *trusted_unseal(struct trusted *t, struct who *w, const char *sealed)
{
	struct err e = ERR_INIT;
	struct str clear;
	if (age_unseal(str_from(sealed), w->seal, t->c->a, &clear, &e) < 0) {
		assert_int_equal(e.kind, ERR_FORBIDDEN);
		return NULL;
	}
	return arena_cstr(t->c->a, clear);
}
