/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* rooms: supervise */
/* The supervisor's messages without memory: written, and read back. */
#include "fault.h"

#include "supervise/protocol.h"

enum { LIMIT_BYTES = 1 << 20 };

static int only_memory(int rc, struct err *e)
{
	struct err was = *e;
	if (rc < 0 && was.kind != ERR_MEMORY)
		return err_fail(e, ERR_INTERNAL, "not of memory: %s", was.text);
	return rc;
}

static int request(struct err *e)
{
	struct arena *a CLEAN(arena_freep) = NULL;
	struct buf b CLEAN(buf_fini) = BUF_INIT(SUPERVISE_LINE_MAX);
	struct supervise_spec spec = {
		.id = S("p0/postgres"), .bundle = S("/b"), .log = S("/l"), .stop_seconds = 7};
	struct supervise_request rq = {.verb = SUPERVISE_START, .serial = 5, .service = &spec},
				 got;
	supervise_request_write(&rq, &b);
	if (buf_check(&b, e) < 0 || arena_new(LIMIT_BYTES, &a, e) < 0 ||
	    supervise_request_read(buf_str(&b), a, &got, e) < 0)
		return only_memory(-1, e);
	FAULT_CHECK(got.serial == 5 && str_eq(got.service->id, spec.id));
	return 0;
}

static int reply(struct err *e)
{
	struct arena *a CLEAN(arena_freep) = NULL;
	struct buf b CLEAN(buf_fini) = BUF_INIT(SUPERVISE_LINE_MAX);
	struct supervise_status services[] = {
		{.id = S("p0/a"), .state = SUPERVISE_UP, .pid = 7, .message = S("")},
		{.id = S("p0/b"), .state = SUPERVISE_BACKOFF, .message = S("no such file")},
	};
	struct supervise_reply r = {.serial = 9,
				    .outcome = SUPERVISE_DONE,
				    .services = services,
				    .service_count = ARRAY_LEN(services)},
			       got;
	struct supervise_event ev;
	supervise_reply_write(&r, &b);
	if (buf_check(&b, e) < 0 || arena_new(LIMIT_BYTES, &a, e) < 0)
		return only_memory(-1, e);
	int rc = supervise_answer_read(buf_str(&b), a, &got, &ev, e);
	if (rc < 0)
		return only_memory(-1, e);
	FAULT_CHECK(rc == 0 && got.serial == 9 && got.service_count == 2);
	return 0;
}

static int event(struct err *e)
{
	struct arena *a CLEAN(arena_freep) = NULL;
	struct buf b CLEAN(buf_fini) = BUF_INIT(SUPERVISE_LINE_MAX);
	struct supervise_event ev = {.kind = SUPERVISE_EVENT_FAILED,
				     .id = S("p0/a"),
				     .message = S("a \"text\" that has to grow a little")},
			       got;
	struct supervise_reply r;
	supervise_event_write(&ev, &b);
	if (buf_check(&b, e) < 0 || arena_new(LIMIT_BYTES, &a, e) < 0)
		return only_memory(-1, e);
	int rc = supervise_answer_read(buf_str(&b), a, &r, &got, e);
	if (rc < 0)
		return only_memory(-1, e);
	FAULT_CHECK(rc == 1 && str_eq(got.message, ev.message));
	return 0;
}

static const struct fault_scenario scenarios[] = {
	{.name = "supervise.request", .run = request},
	{.name = "supervise.reply", .run = reply},
	{.name = "supervise.event", .run = event},
};

FAULT_MAIN(scenarios)
