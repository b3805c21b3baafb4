/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "api/call.h"

#include "api/promises.h"
#include "api/rows.h"
#include "store/event.h"
#include "store/node.h"

MUST int call_answer_text(struct api_call *c, int status, const char *media, struct str text,
			  struct err *e)
{
	c->out->status = status;
	c->out->content_type = media;
	c->out->body = text;
	return arena_check(c->a, e);
}

MUST int call_answer(struct api_call *c, int status, const struct json_desc *d,
		     const void *view, struct err *e)
{
	struct buf b CLEAN(buf_fini) = BUF_INIT(API_ARENA_BYTES);
	if (arena_check(c->a, e) < 0)
		return -1;
	json_write_struct(d, view, &b);
	if (buf_check(&b, e) < 0)
		return -1;
	return call_answer_text(c, status, "application/json", arena_dup(c->a, buf_str(&b)), e);
}

MUST int call_park(struct api_call *c, int64_t wait_s, struct str topic, struct str topic2)
{
	if (!c->may_wait || wait_s <= 0)
		return 0;
	c->out->park_until_ms = c->opened_at_ms + wait_s * 1000;
	c->out->topics[0] = topic;
	c->out->topics[1] = topic2;
	return API_PARK;
}

void call_event(struct api_call *c, enum event_kind kind, struct str subject, struct json *body)
{
	c->events =
		rows_room(c->a, c->events, c->event_count, &c->event_cap, sizeof *c->events);
	if (!c->events)
		return; /* the arena has failed, and with it the call */
	c->events[c->event_count++] = (struct event){
		.subject = subject,
		.kind = str_from(event_kind_word(kind)),
		.body_json = body ? json_text(body, c->a) : S("{}"),
	};
}

void call_event_str(struct api_call *c, enum event_kind kind, struct str subject,
		    const char *key, struct str value)
{
	struct json *body = json_object_new(c->a);
	json_set_str(c->a, body, str_from(key), value);
	call_event(c, kind, subject, body);
}

void call_wake(struct api_call *c, const char *prefix, struct str name)
{
	struct api_response *out = c->out;
	struct str topic = arena_fmt(c->a, "%s%" STR_F, prefix, STR_A(name));
	for (size_t i = 0; i < out->wake_count; i++)
		if (str_eq(out->wakes[i], topic))
			return;
	if (out->wake_count == API_TOPICS_MAX)
		out->is_wake_all = true;
	else
		out->wakes[out->wake_count++] = topic;
}

struct str call_cut(struct str message)
{
	struct str cut = str_sub(message, 0, MODEL_MESSAGE_MAX);
	/* Bytes 10xxxxxx continue a character. */
	while (cut.n && cut.n < message.n && ((unsigned char)message.p[cut.n] & 0xC0) == 0x80)
		cut.n--;
	return cut;
}

MUST int call_contact(struct api_call *c, const struct node *n, struct err *e)
{
	if (c->now_ms - n->last_contact_at_ms < CONTACT_EVERY_MS && n->liveness == PROMISE_KEPT)
		return 0;
	if (c->op && !c->op->is_write) {
		c->out->contact = n->name;
		return 0;
	}
	struct node heard = *n;
	heard.last_contact_at_ms = c->now_ms;
	if (store_node_contact(c->tx, n->id, c->now_ms, e) < 0)
		return -1;
	return promises_liveness(c, &heard, e) < 0 ? -1 : 0;
}

void call_begin(struct api_call *c, struct api *api, struct db_tx *tx, struct arena *a,
		struct api_response *out)
{
	*out = (struct api_response){.status = 200, .content_type = "application/json"};
	c->api = api;
	c->a = a;
	c->tx = tx;
	c->now_ms = clock_now_ms(api->options.clock);
	c->out = out;
	c->events = NULL;
	c->event_count = c->event_cap = 0;
}

MUST int call_end(struct api_call *c, struct err *e)
{
	if (arena_check(c->a, e) < 0)
		return -1;
	if (c->event_count)
		call_wake(c, "events", S(""));
	return store_event_append(c->tx, c->a, c->events, c->event_count, c->now_ms, e);
}
