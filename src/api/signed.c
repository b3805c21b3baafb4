/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "api/signed.h"

#include <stdatomic.h>

#include "api/access.h"
#include "core/guard.h"
#include "core/signed.h"
#include "store/certificate.h"
#include "store/event.h"
#include "store/guard.h"
#include "store/node.h"
#include "trust/cert.h"
#include "trust/jose.h"
#include "trust/key.h"

/* ---- what is signed ------------------------------------------------------------------------ */

/* The target as it was sent: the door hands in the one that it has read. */
static struct str target_of(const struct api_request *req)
{
	return req->parsed ? req->parsed->raw : req->target;
}

static struct str hash_hex(struct str body, struct arena *a)
{
	char text[HASH_TEXT_SIZE];
	struct hash h = hash_of(body);
	hash_text(&h, text);
	return arena_dup(a, str_from(text));
}

MUST static int sign_state(const struct api_options *o, const struct api_request *req,
			   int64_t sequence, struct arena *a, struct api_response *out,
			   struct err *e)
{
	struct buf b CLEAN(buf_fini) = BUF_INIT(SIGNED_TEXT_MAX);
	const struct signed_state s = {
		.node = req->caller.name,
		.method = req->method,
		.target = target_of(req),
		.nonce = req->nonce.p ? req->nonce : S(""),
		.status = out->status,
		.sequence = sequence,
		.at_ms = clock_now_ms(o->clock),
		.body_hash = hash_hex(out->body, a),
	};
	struct str signature;
	if (s.nonce.n > SIGNED_NONCE_MAX)
		return err_fail(e, ERR_INVALID, "header " SIGNED_NONCE_HEADER " is too long");
	if (signed_state_text(&s, &b, e) < 0 ||
	    key_sign(o->key, buf_str(&b), a, &signature, e) < 0)
		return -1;
	const struct signed_mark m = {s.sequence, s.at_ms, o->key_name,
				      base64url(signature, a)};
	buf_clear(&b);
	signed_state_header(&m, &b);
	if (buf_check(&b, e) < 0)
		return -1;
	ASSERT(out->header_count < API_HEADERS_MAX);
	out->headers[out->header_count++] =
		(struct api_header){SIGNED_STATE_HEADER, arena_dup(a, buf_str(&b))};
	return arena_check(a, e);
}

static bool is_signed_for(const struct api_options *o, const struct api_request *req)
{
	return o->key && req->caller.kind == API_NODE;
}

static void raise_newest(struct api *api, int64_t sequence)
{
	int64_t known = atomic_load(&api->newest);
	while (known < sequence &&
	       !atomic_compare_exchange_weak(&api->newest, &known, sequence))
		;
}

MUST int signed_note_newest(struct api *api, struct db_tx *tx, struct err *e)
{
	int64_t sequence = 0;
	if (!api->options.key)
		return 0;
	if (store_event_last(tx, &sequence, e) < 0)
		return -1;
	raise_newest(api, sequence);
	return 0;
}

MUST int signed_answer(struct api_call *c, struct err *e)
{
	int64_t sequence = 0;
	if (!is_signed_for(&c->api->options, c->req))
		return 0;
	if (store_event_last(c->tx, &sequence, e) < 0)
		return -1;
	c->out->sequence = sequence;
	if (!c->op->is_write)
		raise_newest(c->api, sequence);
	return sign_state(&c->api->options, c->req, sequence, c->a, c->out, e);
}

void api_committed(struct api *api, const struct api_response *out)
{
	raise_newest(api, out->sequence);
}

void signed_refusal(struct api *api, const struct api_request *req, struct arena *a,
		    struct api_response *out)
{
	struct err ignored;
	size_t n = out->header_count;
	if (is_signed_for(&api->options, req) &&
	    sign_state(&api->options, req, atomic_load(&api->newest), a, out, &ignored) < 0)
		out->header_count = n;
}

/* ---- reports ------------------------------------------------------------------------------- */

/* Calls about the caller's own key: enrolment and renewal prove it by a request that it signed. */
static bool is_about_its_key(struct str path)
{
	return str_starts(path, S("/v1/keys/")) || str_is(path, "/v1/renew") ||
	       str_is(path, "/v1/enrol");
}

/* The public key by which the node came in, from the certificate that was issued for it. */
MUST static int public_of(struct api_call *c, struct str *out, struct err *e)
{
	char name[HASH_TEXT_SIZE];
	struct certificate x;
	struct cert cert;
	hash_text(&c->caller.key, name);
	int rc = store_certificate_newest(c->tx, c->a, str_from(name), &x, e);
	if (rc < 0)
		return -1;
	if (rc == 0)
		return err_fail(e, ERR_FORBIDDEN,
				"the report cannot be checked: no certificate was issued here "
				"for key %.16s",
				name);
	if (cert_read(x.pem, c->a, &cert, e) < 0)
		return err_in(e, "stored certificate %" STR_F, STR_A(x.serial));
	*out = cert.public;
	return 0;
}

MUST static int check_signature(struct api_call *c, const struct signed_mark *m, struct err *e)
{
	struct buf b CLEAN(buf_fini) = BUF_INIT(SIGNED_TEXT_MAX);
	const struct signed_report r = {
		.node = c->caller.name,
		.method = c->req->method,
		.target = target_of(c->req),
		.sequence = m->sequence,
		.at_ms = m->at_ms,
		.body_hash = hash_hex(c->req->body, c->a),
	};
	struct str public, signature;
	if (public_of(c, &public, e) < 0 || signed_report_text(&r, &b, e) < 0)
		return -1;
	int rc = base64url_read(m->signature, c->a, &signature, e);
	if (rc < 0 && e->kind != ERR_INVALID)
		return -1;
	if (rc < 0 || !key_is_signed_by(public, buf_str(&b), signature))
		return err_fail(e, ERR_FORBIDDEN,
				"the report is not what node %" STR_F
				" signed: it was changed on its way, or is another node's",
				STR_A(c->caller.name));
	return 0;
}

MUST static int check_number(struct api_call *c, int64_t sequence, struct err *e)
{
	struct guard *g = ARENA_NEW(c->a, struct guard);
	if (!g)
		return arena_check(c->a, e);
	if (c->access->node_id && store_guard_load(c->tx, c->a, c->access->node_id, g, e) < 0)
		return -1;
	switch (guard_take(g, sequence)) {
	case GUARD_TAKEN:
		c->guard = g;
		return 0;
	case GUARD_REPLAYED:
		return err_fail(e, ERR_FORBIDDEN,
				"report %lld of node %" STR_F " came before: it is replayed",
				(long long)sequence, STR_A(c->caller.name));
	case GUARD_TOO_OLD:
		break;
	}
	return err_fail(e, ERR_FORBIDDEN,
			"report %lld of node %" STR_F
			" is too old to tell whether it came before; the newest is %lld",
			(long long)sequence, STR_A(c->caller.name), (long long)g->newest);
}

MUST int signed_report_check(struct api_call *c, struct err *e)
{
	struct signed_mark m;
	c->guard = NULL;
	if (!is_signed_for(&c->api->options, c->req))
		return 0;
	if (signed_note_newest(c->api, c->tx, e) < 0)
		return -1;
	if (!c->op->is_write || is_about_its_key(c->target.path))
		return 0;
	if (signed_report_read(c->req->report.p ? c->req->report : S(""), &m, e) < 0) {
		e->kind = ERR_FORBIDDEN;
		return err_in(e, "the report is not signed");
	}
	return check_signature(c, &m, e) < 0 ? -1 : check_number(c, m.sequence, e);
}

MUST int signed_report_keep(struct api_call *c, struct err *e)
{
	struct node n = {.id = c->access ? c->access->node_id : 0};
	if (!c->guard)
		return 0;
	if (!n.id) { /* its first report may have made it known */
		int rc = store_node_find(c->tx, c->a, c->caller.name, &n, e);
		if (rc <= 0)
			return rc;
	}
	return store_guard_save(c->tx, n.id, c->guard, e);
}
