/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * What is signed is a text of lines (docs/audit.md), so that anybody can write it down again and
 * check it. A head of a size is signed once; so is a checkpoint of a sequence.
 */
#include "api/audit.h"

#include "core/audit.h"
#include "store/checkpoint.h"
#include "store/event.h"
#include "store/log.h"
#include "trust/jose.h"
#include "trust/key.h"

enum { SAID_MAX = 1000 };

MUST int log_append(struct api_call *c, const char *kind, struct str subject,
		    const struct json *body, struct err *e)
{
	struct buf b CLEAN(buf_fini) = BUF_INIT(STORE_LOG_BODY_MAX);
	json_write_canonical(body, &b);
	struct log_entry entry = {
		.kind = str_from(kind), .subject = subject, .at_ms = c->now_ms};
	if (buf_check(&b, e) < 0)
		return -1;
	entry.body_json = buf_str(&b);
	return store_log_append(c->tx, c->a, &entry, e);
}

/* The signature of a text by this master, as base64url. */
MUST static int sign_text(struct api_call *c, const struct buf *said, struct str *out,
			  struct err *e)
{
	struct str signature;
	if (buf_check(said, e) < 0 ||
	    key_sign(c->api->options.key, buf_str(said), c->a, &signature, e) < 0)
		return -1;
	*out = base64url(signature, c->a);
	return arena_check(c->a, e);
}

/* A moment in the future is none: the clock was set back since. */
static bool is_fresh(const struct api_call *c, int64_t at_ms)
{
	return c->now_ms >= at_ms && c->now_ms - at_ms < AUDIT_EVERY_MS;
}

MUST static int sign_checkpoint(struct api_call *c, struct err *e)
{
	const struct api_options *o = &c->api->options;
	struct buf said CLEAN(buf_fini) = BUF_INIT(SAID_MAX);
	struct checkpoint last = {.sequence = 0};
	struct event *newest = NULL;
	size_t n = 0;
	int64_t sequence;
	if (store_checkpoint_last(c->tx, c->a, &last, e) < 0 ||
	    store_event_last(c->tx, &sequence, e) < 0)
		return -1;
	if (sequence <= last.sequence || is_fresh(c, last.at_ms))
		return 0;
	if (store_event_list(c->tx, c->a, sequence - 1, 1, &newest, &n, e) < 0)
		return -1;
	ASSERT(n == 1);
	struct checkpoint cp = {.sequence = sequence,
				.hash = newest->hash,
				.at_ms = c->now_ms,
				.key_name = o->key_name};
	audit_checkpoint_text(str_from(o->cloud), cp.sequence, cp.hash, cp.at_ms, &said);
	if (sign_text(c, &said, &cp.signature, e) < 0)
		return -1;
	return store_checkpoint_add(c->tx, c->a, &cp, e);
}

MUST static int sign_head(struct api_call *c, struct err *e)
{
	const struct api_options *o = &c->api->options;
	struct buf said CLEAN(buf_fini) = BUF_INIT(SAID_MAX);
	struct log_head last = {.size = -1};
	struct hash root;
	char hex[HASH_TEXT_SIZE];
	int64_t size;
	if (store_log_head_last(c->tx, c->a, &last, e) < 0 ||
	    store_log_size(c->tx, &size, e) < 0)
		return -1;
	if (size <= last.size || is_fresh(c, last.at_ms))
		return 0;
	if (store_log_root(c->tx, c->a, size, &root, e) < 0)
		return -1;
	hash_text(&root, hex);
	struct log_head head = {.size = size,
				.root = str_from(hex),
				.at_ms = c->now_ms,
				.key_name = o->key_name};
	audit_head_text(str_from(o->cloud), head.size, head.root, head.at_ms, &said);
	if (sign_text(c, &said, &head.signature, e) < 0)
		return -1;
	return store_log_head_add(c->tx, c->a, &head, e);
}

MUST int audit_sign(struct api_call *c, struct err *e)
{
	if (!c->api->options.key)
		return 0;
	return sign_checkpoint(c, e) < 0 || sign_head(c, e) < 0 ? -1 : 0;
}
