/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "api/door.h"

/* Ways to become somebody: method and how the path starts. */
static const struct {
	enum http_method method;
	struct str path;
} logins[] = {
	{HTTP_POST, S_INIT("/v1/enrol")},	  {HTTP_POST, S_INIT("/v1/renew")},
	{HTTP_POST, S_INIT("/v1/sessions")},	  {HTTP_POST, S_INIT("/v1/passkeys")},
	{HTTP_POST, S_INIT("/acme/new-account")},
};

static bool is_request(const struct http_call *c, const struct api_request *req,
		       enum http_method method, struct str path)
{
	return http_call_method(c) == method && str_starts(req->target, path) &&
	       (req->target.n == path.n || req->target.p[path.n] == '/');
}

/* ---- who ----------------------------------------------------------------------------------- */

/*
 * What is wrong with the chain, its leaf's end aside. Kept with the connection as fault + 1;
 * what time can heal is not kept.
 */
static enum cert_fault judge(const struct door *d, struct http_call *c,
			     const struct cert *chain, size_t count, int64_t now_ms)
{
	unsigned *mark = http_call_mark(c);
	if (*mark)
		return (enum cert_fault)(*mark - 1);
	enum cert_fault fault = cert_check(d->trust, chain, count,
					   MIN_OF(now_ms, chain->to_ms - 1), false, S(""));
	if (fault != CERT_NOT_YET)
		*mark = fault + 1;
	return fault;
}

static const char *hint_of(enum cert_fault fault)
{
	static const char *const hints[CERT_FAULTS] = {
		[CERT_UNTRUSTED] = "it is not of this cloud",
		[CERT_EXPIRED] = "renew it: POST /v1/renew takes it for some time yet",
		[CERT_NOT_YET] = "is the clock where it is used right?",
		[CERT_REVOKED] = "ask the operator for a token and join again",
		[CERT_WRONG_PURPOSE] = "it is not made for clients",
		[CERT_WRONG_NAME] = "it is not for what it was made for",
	};
	return hints[fault];
}

MUST static int refuse(const struct cert *leaf, enum cert_fault fault, struct err *e)
{
	return err_fail(e, ERR_FORBIDDEN, "your certificate (%s \"%.*s\") is %s: %s",
			cert_kind_word(leaf->kind), STR_A(str_sub(leaf->name, 0, 60)),
			cert_fault_word(fault), hint_of(fault));
}

MUST static int identify(const struct door *d, struct http_call *c, struct api_request *req,
			 struct err *e)
{
	const struct cert *chain;
	size_t count;
	int64_t now_ms = clock_now_ms(d->clock);
	if (!d->trust)
		return 0;
	if (http_call_certificate(c, &chain, &count, e) < 0)
		return e->kind == ERR_INVALID
			       ? err_fail(e, ERR_FORBIDDEN, "your certificate cannot be read")
			       : -1;
	if (count == 0)
		return 0;
	enum cert_fault fault = judge(d, c, chain, count, now_ms);
	bool is_renewal = is_request(c, req, HTTP_POST, S("/v1/renew"));
	if (fault == CERT_GOOD && chain->to_ms <= now_ms && !is_renewal)
		fault = CERT_EXPIRED;
	if (fault != CERT_GOOD)
		return refuse(chain, fault, e);
	if (chain->kind != CERT_PERSON && chain->kind != CERT_NODE)
		return err_fail(
			e, ERR_FORBIDDEN,
			"your certificate is one of kind %s: only persons and nodes may call",
			cert_kind_word(chain->kind));
	req->caller.kind = chain->kind == CERT_PERSON ? API_PERSON : API_NODE;
	req->caller.name = chain->name;
	req->caller.key = chain->key;
	return 0;
}

/* ---- how often ----------------------------------------------------------------------------- */

MUST static int take(const struct door *d, enum rate_class class, struct str who,
		     int64_t *wait_s, struct err *e)
{
	int64_t wait_ms = rate_take(d->rate, class, who, clock_mono_ms(d->clock));
	if (wait_ms == 0)
		return 0;
	*wait_s = (wait_ms + 999) / 1000;
	return err_fail(e, ERR_BUSY, "too many requests%s: again in %lld s",
			class == RATE_LOGIN ? " to log in or enrol" : "", (long long)*wait_s);
}

MUST static int limit(const struct door *d, struct http_call *c, const struct api_request *req,
		      int64_t *wait_s, struct err *e)
{
	char address[RATE_KEY_SIZE];
	struct str from = rate_address(req->caller.address, address);
	if (!d->rate)
		return 0;
	for (size_t i = 0; i < ARRAY_LEN(logins); i++)
		if (is_request(c, req, logins[i].method, logins[i].path) &&
		    take(d, RATE_LOGIN, from, wait_s, e) < 0)
			return -1;
	if (req->caller.kind == API_ANYONE)
		return take(d, RATE_ADDRESS, from, wait_s, e);
	struct str who = arena_fmt(http_call_arena(c), "%d %.*s", (int)req->caller.kind,
				   STR_A(req->caller.name));
	return take(d, RATE_IDENTITY, who, wait_s, e);
}

/* ---- the request --------------------------------------------------------------------------- */

/* A header lives no longer than the handler; the request may wait in a queue. */
static struct str header(struct http_call *c, const char *name)
{
	return arena_dup(http_call_arena(c), http_call_header(c, name));
}

MUST int door_enter(const struct door *d, struct http_call *c, struct api_request *req,
		    int64_t *wait_s, struct err *e)
{
	*wait_s = 0;
	req->caller = (struct api_caller){.kind = API_ANYONE, .address = http_call_peer(c)};
	req->is_tls = http_call_is_tls(c);
	req->content_type = header(c, "Content-Type");
	req->accept = header(c, "Accept");
	req->host = header(c, "Host");
	req->nonce = header(c, "Hoc-Nonce");
	req->report = header(c, "Hoc-Report");
	req->cookie = header(c, "Cookie");
	req->origin = header(c, "Origin");
	req->agent = header(c, "User-Agent");
	int rc = identify(d, c, req, e);
	/* A bad certificate has no identity: whoever shows it counts by his address. */
	struct err busy = ERR_INIT;
	if (limit(d, c, req, wait_s, &busy) < 0) {
		*e = busy;
		return -1;
	}
	return rc;
}
