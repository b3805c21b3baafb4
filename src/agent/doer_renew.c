/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * The node's certificate is renewed after two thirds of its life. While no master answers it is
 * tried again, ever more seldom, up to once an hour; a master renews one that ended too, for some
 * time. New connections show the new certificate: the clients look at its file.
 */
#include "agent/doer_impl.h"
#include "base/log.h"
#include "base/mem.h"
#include "json/json.h"

enum {
	LOOK_MS = 30000,
	RETRY_MS = 60000,
	RETRY_MAX_MS = 3600000,
	RENEW_BYTES = 4 << 20,
};

struct renewal {
	struct doer *doer;
	bool is_ok;
};

static int take_certificate(struct doer *d, struct str body, struct arena *a, struct err *e)
{
	struct json *doc;
	size_t refused = 0;
	if (json_parse(body, a, &doc, e) < 0)
		return -1;
	struct str certificate = json_str_of(json_get(doc, S("certificate")), S("")),
		   roots = json_str_of(json_get(doc, S("roots")), S(""));
	if (keys_renewed(d->keys, certificate, roots, clock_now_ms(d->world.clock), &refused,
			 e) < 0)
		return -1;
	if (refused)
		log_event(LOG_ERROR, "agent.identity.roots", KV_I("refused", (int64_t)refused));
	return 0;
}

static int renew(struct doer *d, struct arena *a, struct err *e)
{
	struct str csr;
	struct http_response response;
	struct json *body = json_object_new(a);
	if (keys_request(d->keys, a, &csr, e) < 0)
		return -1;
	json_set_str(a, body, S("csr"), csr);
	const struct http_request r = {
		.method = HTTP_POST, .target = S("/v1/renew"), .body = json_text(body, a)};
	if (arena_check(a, e) < 0 || talkers_fetch_proven(d->talkers, &r, a, &response, e) < 0)
		return -1;
	if (response.status / 100 != 2)
		return http_error_from_response(&response, e);
	return take_certificate(d, response.body, a, e);
}

static void renew_work(void *user)
{
	struct renewal *r = user;
	struct doer *d = r->doer;
	struct arena *a CLEAN(arena_freep) = NULL;
	struct err e = ERR_INIT;
	r->is_ok = arena_new(RENEW_BYTES, &a, &e) == 0 && renew(d, a, &e) == 0;
	if (r->is_ok)
		log_event(LOG_INFO, "agent.identity.renewed",
			  KV_I("until_ms", keys_to_ms(d->keys)));
	else
		log_err(LOG_WARN, "agent.identity.kept", &e,
			KV_I("until_ms", keys_to_ms(d->keys)));
}

static void renew_done(void *user)
{
	struct renewal *r = user;
	struct doer *d = r->doer;
	d->renewal = NULL;
	d->renew_failures = r->is_ok ? 0 : MIN_OF(d->renew_failures + 1, 10U);
	int64_t pause_ms = (int64_t)RETRY_MS << d->renew_failures;
	d->renew_after_ms =
		clock_now_ms(d->world.clock) + MIN_OF(pause_ms, (int64_t)RETRY_MAX_MS);
	mem_free(r);
	doer_changed(d);
}

static void renew_look(void *user)
{
	struct doer *d = user;
	struct err e = ERR_INIT;
	int64_t now_ms = clock_now_ms(d->world.clock);
	if (d->renewal || now_ms < d->renew_after_ms || now_ms < keys_due_ms(d->keys))
		return;
	struct renewal *r = MEM_NEW(struct renewal, &e);
	if (!r)
		return; /* looks again soon */
	r->doer = d;
	if (crew_do(d->talk, renew_work, renew_done, mem_free, r, &e) < 0)
		mem_free(r);
	else
		d->renewal = r;
}

MUST int doer_renew_start(struct doer *d, struct err *e)
{
	return ev_timer_every(d->ev, 0, LOOK_MS, renew_look, d, &d->renew, e);
}
