/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "core/audit.h"

static void add_field(struct buf *out, struct str s)
{
	buf_addf(out, "%zu:", s.n);
	buf_add(out, s);
	buf_add_c(out, ',');
}

static void add_number(struct buf *out, int64_t v)
{
	char text[24];
	int n = snprintf(text, sizeof text, "%lld", (long long)v);
	add_field(out, str_of(text, (size_t)n));
}

void audit_event_text(struct str previous, const struct event *ev, struct buf *out)
{
	buf_add(out, previous);
	add_number(out, ev->sequence);
	add_number(out, ev->at_ms);
	add_field(out, ev->subject);
	add_field(out, ev->kind);
	add_field(out, ev->body_json);
}

void audit_entry_text(struct str kind, struct str subject, int64_t at_ms, struct str body,
		      struct buf *out)
{
	buf_addf(out, "hoc-log-entry-v1\n%" STR_F "\n%" STR_F "\n%lld\n", STR_A(kind),
		 STR_A(subject), (long long)at_ms);
	buf_add(out, body);
	buf_add_c(out, '\n');
}

void audit_head_text(struct str cloud, int64_t size, struct str root, int64_t at_ms,
		     struct buf *out)
{
	buf_addf(out, "hoc-log-head-v1\n%" STR_F "\n%lld\n%" STR_F "\n%lld\n", STR_A(cloud),
		 (long long)size, STR_A(root), (long long)at_ms);
}

void audit_checkpoint_text(struct str cloud, int64_t sequence, struct str hash, int64_t at_ms,
			   struct buf *out)
{
	buf_addf(out, "hoc-checkpoint-v1\n%" STR_F "\n%lld\n%" STR_F "\n%lld\n", STR_A(cloud),
		 (long long)sequence, STR_A(hash), (long long)at_ms);
}

void audit_witness_text(struct str cloud, int64_t size, struct str root, struct buf *out)
{
	buf_addf(out, "hoc-log-witness-v1\n%" STR_F "\n%lld\n%" STR_F "\n", STR_A(cloud),
		 (long long)size, STR_A(root));
}
