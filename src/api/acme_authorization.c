/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * Authorizations and challenges (RFC 8555 7.5). The client answers one challenge; the master's job
 * (api/acme_work.h) then asks the network, a few times if need be, and what it found decides both
 * the authorization and its order.
 */
#include "api/acme.h"
#include "api/acme_work.h"
#include "api/views.h"

enum { FORGET_ROWS = 200 };

/*
 * Each challenge has a token of its own (8.1): the authorization's and four letters. Both are whole
 * groups of base64url: some clients decode a token, and must write the same text again.
 */
static const char *const token_ends[ACME_METHODS] = {
	[ACME_HTTP_01] = "http", [ACME_DNS_01] = "-dns", [ACME_TLS_ALPN_01] = "alpn"};

static struct str token_of(struct arena *a, const struct acme_authorization *x,
			   enum acme_method m)
{
	return arena_fmt(a, "%" STR_F "%s", STR_A(x->token), token_ends[m]);
}

/* clang-format off */
struct challenge_out { struct str type, url, status, token, validated; struct json *error; };
static const struct json_field challenge_fields[] = {
	JSON_STR(struct challenge_out, type, "type", 0, INT64_MAX, 0, "http-01, dns-01 or tls-alpn-01."),
	JSON_STR(struct challenge_out, url, "url", 0, INT64_MAX, 0, "Where it is answered."),
	JSON_STR(struct challenge_out, status, "status", 0, INT64_MAX, 0, "pending, processing, valid or invalid."),
	JSON_STR(struct challenge_out, token, "token", 0, INT64_MAX, 0, "What is to be shown."),
	JSON_STR(struct challenge_out, validated, "validated", 0, INT64_MAX, JSON_OMIT_EMPTY, "When."),
	JSON_TREE_OBJECT(struct challenge_out, error, "error", JSON_OMIT_EMPTY, "What was found last."),
};
static const struct json_desc challenge_desc = JSON_DESC(struct challenge_out, challenge_fields, "AcmeChallenge", "A way to prove a name.");

struct identifier { struct str type, value; };
static const struct json_field identifier_fields[] = {
	JSON_STR(struct identifier, type, "type", 0, INT64_MAX, 0, "dns."),
	JSON_STR(struct identifier, value, "value", 0, INT64_MAX, 0, "The name, without *."),
};
static const struct json_desc identifier_desc = JSON_DESC(struct identifier, identifier_fields, "AcmeIdentifier", "A name.");

struct authorization_out { struct str status, expires; struct identifier identifier; bool is_wildcard; struct challenge_out *challenges; size_t n; };
static const struct json_field authorization_fields[] = {
	JSON_STR(struct authorization_out, status, "status", 0, INT64_MAX, 0, "pending, valid, invalid, deactivated or expired."),
	JSON_STR(struct authorization_out, expires, "expires", 0, INT64_MAX, 0, "Its end."),
	JSON_STRUCT(struct authorization_out, identifier, struct identifier, "identifier", &identifier_desc, 0, "The name."),
	JSON_BOOL(struct authorization_out, is_wildcard, "wildcard", JSON_OMIT_EMPTY, "All names one label below."),
	JSON_STRUCTS(struct authorization_out, challenges, n, struct challenge_out, "challenges", &challenge_desc, 0, INT64_MAX, 0, "Any one is enough."),
};
static const struct json_desc authorization_desc = JSON_DESC(struct authorization_out, authorization_fields, "AcmeAuthorization", "That a name is the account's.");

struct status_in { struct str status; };
static const struct json_field status_fields[] = {
	JSON_STR(struct status_in, status, "status", 1, 40, JSON_REQUIRED, "deactivated."),
};
static const struct json_desc status_desc = {
	.name = "AcmeStatus", .help = "A state.", .bytes = sizeof(struct status_in),
	.fields = status_fields, .n_fields = ARRAY_LEN(status_fields), .is_open = true};
/* clang-format on */

/* ---- views --------------------------------------------------------------------------------- */

MUST static int view_challenge(struct acme *m, const struct acme_authorization *x,
			       enum acme_method method, struct challenge_out *v, struct err *e)
{
	struct api_call *c = m->c;
	enum acme_status status = acme_challenge_status(x, method);
	bool is_meant = str_is(x->method_word, acme_method_word(method));
	*v = (struct challenge_out){
		.type = str_from(acme_method_word(method)),
		.url = acme_url(c, "challenge", x->name,
				arena_fmt(c->a, "/%s", acme_method_word(method)).p),
		.status = str_from(acme_status_word(status)),
		.token = token_of(c->a, x, method),
		.validated = is_meant && x->validated_at_ms ? view_at(c->a, x->validated_at_ms)
							    : S(""),
	};
	if (is_meant && x->error_json.n && json_parse(x->error_json, c->a, &v->error, e) < 0)
		return -1;
	return arena_check(c->a, e);
}

/* A pending one offers all ways; a decided one shows the way that decided it. */
static bool is_shown(const struct acme_authorization *x, enum acme_method method)
{
	if (!acme_method_fits(method, x->is_wildcard))
		return false;
	return x->status == ACME_PENDING || !x->method_word.n ||
	       str_is(x->method_word, acme_method_word(method));
}

/* While a validation is under way, the client is told when to look again. */
static void add_retry(struct api_call *c, const struct acme_authorization *x)
{
	if (x->status == ACME_PENDING && x->due_at_ms)
		acme_header(c, "Retry-After", S("1"));
}

MUST static int answer_authorization(struct acme *m, const struct acme_authorization *x,
				     struct err *e)
{
	struct api_call *c = m->c;
	struct challenge_out challenges[ACME_METHODS];
	struct authorization_out v = {
		.status = str_from(acme_status_word(acme_authorization_status(x, c->now_ms))),
		.expires = view_at(c->a, x->expires_at_ms),
		.identifier = {S("dns"), x->identifier},
		.is_wildcard = x->is_wildcard,
		.challenges = challenges,
	};
	for (unsigned i = 0; i < ACME_METHODS; i++)
		if (is_shown(x, (enum acme_method)i) &&
		    view_challenge(m, x, (enum acme_method)i, &challenges[v.n++], e) < 0)
			return -1;
	add_retry(c, x);
	return call_answer(c, 200, &authorization_desc, &v, e);
}

MUST static int answer_challenge(struct acme *m, const struct acme_authorization *x,
				 enum acme_method method, struct err *e)
{
	struct api_call *c = m->c;
	struct challenge_out v;
	if (view_challenge(m, x, method, &v, e) < 0)
		return -1;
	acme_header(c, "Link",
		    arena_fmt(c->a, "<%" STR_F ">;rel=\"up\"",
			      STR_A(acme_url(c, "authorization", x->name, ""))));
	add_retry(c, x);
	return call_answer(c, 200, &challenge_desc, &v, e);
}

/* ---- requests ------------------------------------------------------------------------------ */

MUST static int authorization_of(struct acme *m, struct acme_authorization *out, struct err *e)
{
	int rc = store_acme_authorization_find(m->c->tx, m->c->a, m->c->params[0], out, e);
	if (rc < 0)
		return -1;
	if (rc == 0 || out->account_id != m->account.id)
		return acme_fail(m, e, ACME_NOT_FOUND,
				 "this account has no such authorization");
	return 0;
}

/* What became of an authorization decides its order (7.1.6). */
MUST static int move_order(struct db_tx *tx, struct arena *a,
			   const struct acme_authorization *x, int64_t now_ms, struct err *e)
{
	struct acme_order o;
	struct acme_authorization *list = NULL;
	size_t n = 0, valid = 0;
	int rc = store_acme_order_get(tx, a, x->order_id, &o, e);
	if (rc <= 0)
		return rc;
	enum acme_status status = acme_order_status(&o, now_ms);
	if (status != ACME_PENDING && status != ACME_READY)
		return 0;
	if (store_acme_authorizations(tx, a, o.id, &list, &n, e) < 0)
		return -1;
	for (size_t i = 0; i < n; i++)
		valid += list[i].status == ACME_VALID;
	if (x->status == ACME_PENDING || (x->status == ACME_VALID && valid < n))
		return 0;
	if (x->status != ACME_VALID && x->error_json.n)
		o.error_json = x->error_json;
	if (acme_order_move(&o, x->status == ACME_VALID ? ACME_READY : ACME_INVALID, e) < 0)
		return -1;
	return store_acme_order_save(tx, &o, e);
}

MUST static int deactivate(struct acme *m, struct acme_authorization *x, struct err *e)
{
	struct api_call *c = m->c;
	struct status_in in;
	if (acme_payload(m, &status_desc, &in, e) < 0)
		return -1;
	if (!str_is(in.status, "deactivated"))
		return acme_fail(m, e, ACME_MALFORMED, "status may become deactivated only");
	int rc = acme_authorization_move(x, ACME_DEACTIVATED, e);
	if (rc < 0)
		return acme_fail(m, e, ACME_MALFORMED, "the authorization is %s",
				 acme_status_word(x->status));
	x->due_at_ms = 0;
	if (rc == 0 && (store_acme_authorization_save(c->tx, x, e) < 0 ||
			move_order(c->tx, c->a, x, c->now_ms, e) < 0))
		return -1;
	return answer_authorization(m, x, e);
}

MUST static int authorization_post(struct acme *m, struct err *e)
{
	struct acme_authorization x;
	if (authorization_of(m, &x, e) < 0)
		return -1;
	return m->payload.n ? deactivate(m, &x, e) : answer_authorization(m, &x, e);
}

MUST int acme_authorization_post(struct api_call *c, struct err *e)
{
	return acme_serve(c, authorization_post, e);
}

/* The client is ready: the validation is due now. Asked again while it waits: now, too (8.2). */
MUST static int start(struct acme *m, struct acme_authorization *x, enum acme_method method,
		      struct err *e)
{
	struct str word = str_from(acme_method_word(method));
	if (acme_authorization_status(x, m->c->now_ms) != ACME_PENDING)
		return 0;
	if (x->method_word.n && !str_eq(x->method_word, word))
		return acme_fail(m, e, ACME_MALFORMED,
				 "challenge %" STR_F " was answered already",
				 STR_A(x->method_word));
	/* A lease of a validation that runs now stays. */
	if (x->due_at_ms > m->c->now_ms + acme_retry_ms(ACME_TRIES_MAX - 1))
		return 0;
	x->method_word = word;
	x->due_at_ms = m->c->now_ms;
	return store_acme_authorization_save(m->c->tx, x, e);
}

MUST static int challenge_post(struct acme *m, struct err *e)
{
	struct api_call *c = m->c;
	struct acme_authorization x;
	enum acme_method method;
	struct json *tree;
	if (authorization_of(m, &x, e) < 0)
		return -1;
	if (!acme_method_read(c->params[1], &method) || !is_shown(&x, method))
		return acme_fail(m, e, ACME_NOT_FOUND,
				 "the authorization has no such challenge");
	if (m->payload.n) {
		if (json_parse(m->payload, c->a, &tree, e) < 0)
			return acme_fail_as(m, ACME_MALFORMED, e);
		if (!json_is(tree, JSON_IS_OBJECT))
			return acme_fail(m, e, ACME_MALFORMED, "the payload is no object");
		if (start(m, &x, method, e) < 0)
			return -1;
	}
	return answer_challenge(m, &x, method, e);
}

MUST int acme_challenge_post(struct api_call *c, struct err *e)
{
	return acme_serve(c, challenge_post, e);
}

/* ---- the job ------------------------------------------------------------------------------- */

MUST int acme_work_next(struct db_tx *tx, int64_t now_ms, int64_t *due_at_ms, struct err *e)
{
	return store_acme_due_next(tx, now_ms + ACME_LEASE_MS, due_at_ms, e);
}

MUST static int describe(struct db_tx *tx, struct arena *a, const struct acme_authorization *x,
			 struct acme_work *out, struct err *e)
{
	struct acme_account account;
	enum acme_method method = ACME_HTTP_01;
	int rc = store_acme_account_get(tx, a, x->account_id, &account, e);
	if (rc < 0)
		return -1;
	if (rc == 0 || !acme_method_read(x->method_word, &method))
		return err_fail(e, ERR_CORRUPT, "authorization %" STR_F " has no way",
				STR_A(x->name));
	struct str token = token_of(a, x, method);
	*out = (struct acme_work){
		.id = x->id,
		.tries = x->tries,
		.name = x->name,
		.method = method,
		.identifier = x->identifier,
		.token = token,
		.key_authorization = arena_fmt(a, "%" STR_F ".%" STR_F, STR_A(token),
					       STR_A(account.thumbprint)),
	};
	return arena_check(a, e);
}

MUST int acme_work_claim(struct api *api, struct db_tx *tx, size_t limit, struct arena *a,
			 struct acme_work **out, size_t *count, struct err *e)
{
	int64_t now = clock_now_ms(api->options.clock);
	struct acme_authorization *list = NULL;
	size_t n = 0;
	if (store_acme_due(tx, a, now, (int64_t)limit, &list, &n, e) < 0)
		return -1;
	struct acme_work *work = ARENA_ARRAY(a, struct acme_work, n);
	if (!work)
		return arena_check(a, e);
	for (size_t i = 0; i < n; i++) {
		list[i].due_at_ms = now + ACME_LEASE_MS;
		list[i].tries++;
		if (store_acme_authorization_save(tx, &list[i], e) < 0 ||
		    describe(tx, a, &list[i], &work[i], e) < 0)
			return -1;
	}
	*out = work;
	*count = n;
	return 0;
}

static struct str error_of(enum acme_finding finding, struct str text, struct arena *a)
{
	static const enum acme_error errors[ACME_FINDINGS] = {
		[ACME_NO_NAME] = ACME_DNS,
		[ACME_NO_CONNECTION] = ACME_CONNECTION,
		[ACME_NO_TLS] = ACME_TLS,
		[ACME_OTHER_ANSWER] = ACME_INCORRECT_RESPONSE,
	};
	const struct acme_problem p = {.error = errors[finding], .text = text};
	return finding == ACME_PROVEN ? S("") : acme_problem_text(&p, a);
}

MUST int acme_work_settle(struct api *api, struct db_tx *tx, const struct acme_work *w,
			  enum acme_finding finding, struct str text, struct arena *a,
			  struct err *e)
{
	int64_t now = clock_now_ms(api->options.clock), wait = acme_retry_ms(w->tries);
	struct acme_authorization x;
	int rc = store_acme_authorization_find(tx, a, w->name, &x, e);
	if (rc <= 0)
		return rc;
	/* Deactivated meanwhile, or claimed by another master after our lease. */
	if (x.status != ACME_PENDING || x.tries != w->tries)
		return 0;
	x.error_json = error_of(finding, text, a);
	x.due_at_ms = 0;
	if (finding == ACME_PROVEN) {
		x.validated_at_ms = now;
		rc = acme_authorization_move(&x, ACME_VALID, e);
	} else if (wait) {
		x.due_at_ms = now + wait;
	} else {
		rc = acme_authorization_move(&x, ACME_INVALID, e);
	}
	if (rc < 0 || arena_check(a, e) < 0 || store_acme_authorization_save(tx, &x, e) < 0)
		return -1;
	return move_order(tx, a, &x, now, e);
}

MUST int acme_work_forget(struct api *api, struct db_tx *tx, struct arena *a, struct err *e)
{
	return store_acme_forget(tx, a, clock_now_ms(api->options.clock), FORGET_ROWS, e);
}
