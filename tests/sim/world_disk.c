/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * What a node holds when its agent is gone: rows of its database, files and processes of its
 * partitions. The same rows are written at the same moments as agent/doer.c and agent/ndb.c do.
 */
#include "sim.h"

#include <string.h>

#include "json/json.h"

void disk_set(char **to, struct str text)
{
	struct err e = ERR_INIT;
	mem_free(*to);
	*to = mem_dup(text.p ? text.p : "", text.n, &e);
	ASSERT(*to);
}

static void put_text(char to[static SIM_TEXT_MAX], struct str text)
{
	ASSERT(text.n < SIM_TEXT_MAX);
	(void)snprintf(to, SIM_TEXT_MAX, "%" STR_F, STR_A(text));
}

void disk_save_wish(struct home *h, const struct machine_wish *w)
{
	if (h->has_wish && h->version == w->version)
		return;
	if (!h->has_wish) {
		h->applied_version = 0;
		disk_set(&h->connection, S(""));
	}
	h->has_wish = true;
	put_text(h->guid, w->guid);
	h->want = w->want;
	h->version = w->version;
	disk_set(&h->title, w->title);
	disk_set(&h->tree, w->tree);
	disk_set(&h->release, w->release);
	disk_set(&h->type, w->type);
	disk_set(&h->parameters, w->parameters);
	disk_set(&h->shared, w->shared);
}

void disk_keep_guid(struct sim_node *n, struct str guid)
{
	struct err e = ERR_INIT;
	for (size_t i = 0; i < n->kept_n; i++)
		if (str_is(guid, n->kept[i]))
			return;
	if (n->kept_n == n->kept_max) {
		n->kept_max = n->kept_max ? 2 * n->kept_max : 16;
		n->kept = mem_grow(n->kept, n->kept_max, sizeof *n->kept, &e);
		ASSERT(n->kept);
	}
	put_text(n->kept[n->kept_n++], guid);
}

void disk_forget(struct sim_node *n, size_t slot, struct str guid)
{
	struct home *h = &n->homes[slot];
	if (str_is(guid, h->guid))
		h->has_wish = false;
	if (h->child_asked && str_starts(str_from(h->child_asked), guid))
		disk_set(&h->child_asked, S(""));
	for (size_t i = n->kept_n; i-- > 0;)
		if (str_is(guid, n->kept[i]))
			memcpy(n->kept[i], n->kept[--n->kept_n], SIM_TEXT_MAX);
	for (size_t i = n->reading_n; i-- > 0;)
		if (str_is(guid, n->readings[i].guid))
			n->readings[i] = n->readings[--n->reading_n];
}

void disk_apply(struct sim_node *n, size_t slot, const struct machine_wish *w)
{
	struct home *h = &n->homes[slot];
	if (!str_is(w->guid, h->spec_of))
		h->promise = -1;
	put_text(h->spec_of, w->guid);
	h->spec_version = w->version;
	h->is_running = true;
	disk_set(&h->run_parameters, w->parameters);
	disk_set(&h->run_release, w->release);
	disk_set(&h->child_used, str_from(h->child_known ? h->child_known : ""));
}

void disk_wipe(struct sim_node *n, size_t slot)
{
	struct home *h = &n->homes[slot];
	h->is_running = h->is_net_up = false;
	h->files_of[0] = h->spec_of[0] = 0;
	h->promise = -1;
}

void disk_put(struct sim_node *n, bool is_usage, struct str body)
{
	struct err e = ERR_INIT;
	if (n->outbox_n == n->outbox_max) {
		n->outbox_max = n->outbox_max ? 2 * n->outbox_max : 64;
		n->outbox = mem_grow(n->outbox, n->outbox_max, sizeof *n->outbox, &e);
		ASSERT(n->outbox);
	}
	struct outbox_row *row = &n->outbox[n->outbox_n++];
	*row = (struct outbox_row){.is_usage = is_usage};
	disk_set(&row->body, body);
}

void disk_drop(struct sim_node *n, size_t rows)
{
	for (size_t i = 0; i < rows; i++)
		mem_free(n->outbox[i].body);
	n->outbox_n -= rows;
	memmove(n->outbox, n->outbox + rows, n->outbox_n * sizeof *n->outbox);
}

/* ---- the meter ----------------------------------------------------------------------------- */

static void keep_reading(struct sim_node *n, const struct ndb_reading *r)
{
	struct err e = ERR_INIT;
	size_t i = 0;
	while (i < n->reading_n &&
	       !(str_is(r->guid, n->readings[i].guid) && str_is(r->name, n->readings[i].name)))
		i++;
	if (i == n->reading_max) {
		n->reading_max = n->reading_max ? 2 * n->reading_max : 64;
		n->readings = mem_grow(n->readings, n->reading_max, sizeof *n->readings, &e);
		ASSERT(n->readings);
	}
	n->reading_n = MAX_OF(n->reading_n, i + 1);
	struct reading *to = &n->readings[i];
	put_text(to->guid, r->guid);
	(void)snprintf(to->name, sizeof to->name, "%" STR_F, STR_A(r->name));
	to->value = r->value;
	to->at_ms = r->at_ms;
}

static void put_usage(struct sim_node *n, struct str body, struct arena *a)
{
	struct json *doc;
	struct sim *s = n->sim;
	SIM_TRY(s, json_parse(body, a, &doc, &e_));
	ledger_add(s, n->name, json_str_of(json_get(doc, S("id")), S("")),
		   json_str_of(json_get(doc, S("quantity")), S("")));
	disk_put(n, true, body);
	s->stats.usage_events++;
}

bool disk_meter(struct sim_node *n, size_t slot)
{
	struct home *h = &n->homes[slot];
	struct sim *s = n->sim;
	struct arena *a CLEAN(arena_freep) = NULL;
	struct ndb_row rows[METER_ROWS];
	struct ndb_reading keep[METER_READINGS], old[METER_READINGS];
	size_t row_count, keep_count, old_count = 0;
	int64_t age = s->now_ms - s->started_ms;
	SIM_TRY(s, arena_new(1 << 20, &a, &e_));
	struct meter_reading now = {
		.guid = str_from(h->spec_of),
		.at_ms = s->now_ms,
		.is_running = h->is_running,
		.cpu_usec = age * 13 + (int64_t)slot,
		.memory_bytes = h->is_running ? (8 << 20) + age % 4096 : 0,
		.disk_bytes = (1 << 20) + age / 7,
		.in_bytes = age * 3,
		.out_bytes = age * 5,
	};
	for (size_t i = 0; i < n->reading_n && old_count < METER_READINGS; i++) {
		const struct reading *r = &n->readings[i];
		if (strcmp(r->guid, h->spec_of) == 0)
			old[old_count++] = (struct ndb_reading){
				str_from(r->guid), str_from(r->name), r->value, r->at_ms};
	}
	SIM_TRY(s, meter_events(&now, old, old_count, a, rows, &row_count, keep, &keep_count,
				&e_));
	for (size_t i = 0; i < row_count; i++)
		put_usage(n, rows[i].body, a);
	for (size_t i = 0; i < keep_count; i++)
		keep_reading(n, &keep[i]);
	return row_count > 0;
}

void disk_fini(struct sim_node *n)
{
	for (size_t i = 0; i < SIM_PARTITIONS; i++) {
		struct home *h = &n->homes[i];
		char *texts[] = {h->title,	 h->tree,	    h->release,
				 h->type,	 h->parameters,	    h->shared,
				 h->connection,	 h->run_parameters, h->run_release,
				 h->child_asked, h->child_known,    h->child_used};
		for (size_t k = 0; k < ARRAY_LEN(texts); k++)
			mem_free(texts[k]);
	}
	disk_drop(n, n->outbox_n);
	mem_free(n->outbox);
	mem_free(n->readings);
	mem_free(n->kept);
}
