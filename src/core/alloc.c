/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Filters, the order of refusals, and the choice. */
#include "core/alloc.h"

#include "base/date.h"

MUST static int add_capabilities(struct alloc_where *w, struct str value, struct err *e)
{
	struct str part;
	while (str_split(&value, ',', &part)) {
		part = str_trim(part);
		size_t at = str_find_char(part, '=');
		struct pair p = {.key = str_sub(part, 0, at)};
		if (at < part.n)
			p.value = str_sub(part, at + 1, part.n);
		if (!p.key.n)
			return err_field(e, "where.capability", "has an empty name");
		if (w->capability_count == ALLOC_CAPABILITIES_MAX)
			return err_field(e, "where.capability",
					 "names more than %d capabilities",
					 ALLOC_CAPABILITIES_MAX);
		w->capabilities[w->capability_count++] = p;
	}
	return 0;
}

MUST static int set_retention(struct alloc_where *w, struct str value, struct err *e)
{
	/* Python clients send 7.0; whole days are what we keep. */
	if (str_ends(value, S(".0")))
		value = str_sub(value, 0, value.n - 2);
	struct err why;
	if (str_to_i64(value, 0, ALLOC_RETENTION_DAYS_MAX, &w->retention_days, &why) < 0)
		return err_field(e, "where.retention_delay", "%s (whole days)", why.text);
	return 0;
}

MUST int alloc_where_add(struct alloc_where *w, struct str key, struct str value, struct err *e)
{
	static const struct {
		const char *key;
		size_t offset;
	} texts[] = {
		{"node", offsetof(struct alloc_where, node)},
		{"computer_guid", offsetof(struct alloc_where, node)},
		{"region", offsetof(struct alloc_where, region)},
		{"network", offsetof(struct alloc_where, network)},
		{"network_guid", offsetof(struct alloc_where, network)},
		{"instance", offsetof(struct alloc_where, instance)},
		{"instance_guid", offsetof(struct alloc_where, instance)},
	};
	char path[ERR_FIELD_MAX];
	(void)snprintf(path, sizeof path, "where.%" STR_F, STR_A(str_sub(key, 0, 100)));
	if (!value.n)
		return err_field(e, path, "is empty");
	if (value.n > MODEL_TITLE_MAX)
		return err_field(e, path, "is longer than %d bytes", MODEL_TITLE_MAX);
	for (size_t i = 0; i < ARRAY_LEN(texts); i++)
		if (str_is(key, texts[i].key)) {
			*(struct str *)(void *)((char *)w + texts[i].offset) = value;
			return 0;
		}
	if (str_is(key, "capability"))
		return add_capabilities(w, value, e);
	if (str_is(key, "retention_delay"))
		return set_retention(w, value, e);
	return err_field(e, path,
			 "is not known: node, region, network, capability, instance and "
			 "retention_delay are");
}

static bool has_capability(const struct alloc_node *n, const struct pair *wanted)
{
	for (size_t i = 0; i < n->capability_count; i++)
		if (str_eq(n->capabilities[i].key, wanted->key))
			return !wanted->value.p ||
			       str_eq(n->capabilities[i].value, wanted->value);
	return false;
}

/* The first capability that the node lacks, or NULL. */
static const struct pair *missing_capability(const struct alloc_where *w,
					     const struct alloc_node *n)
{
	for (size_t i = 0; i < w->capability_count; i++)
		if (!has_capability(n, &w->capabilities[i]))
			return &w->capabilities[i];
	return NULL;
}

enum alloc_verdict alloc_judge(const struct alloc_where *w, const struct alloc_node *n)
{
	if (w->node.n && !str_eq(w->node, n->name))
		return ALLOC_OTHER_NODE;
	if (w->region.n && !str_eq(w->region, n->region))
		return ALLOC_REGION;
	if (w->network.n && !str_eq(w->network, n->network))
		return ALLOC_NETWORK;
	if (missing_capability(w, n))
		return ALLOC_CAPABILITY;
	if (!n->is_supplied)
		return ALLOC_NOT_SUPPLIED;
	if (n->liveness == PROMISE_BROKEN)
		return ALLOC_LOST;
	if (n->build == BUILD_ERROR)
		return ALLOC_NOT_BUILT;
	return n->free > 0 ? ALLOC_FITS : ALLOC_FULL;
}

static void explain_lost(const struct alloc_node *n, struct buf *out)
{
	char day[DATE_TEXT_SIZE];
	date_text(n->silent_since_ms, day);
	int64_t of_day = n->silent_since_ms % 86400000 / 1000;
	buf_addf(out, "lost since %sT%02d:%02d:%02dZ", day, (int)(of_day / 3600),
		 (int)(of_day / 60 % 60), (int)(of_day % 60));
}

void alloc_explain(const struct alloc_where *w, const struct alloc_node *n, struct buf *out)
{
	enum alloc_verdict v = alloc_judge(w, n);
	if (v == ALLOC_FITS)
		return;
	buf_addf(out, "node %" STR_F ": ", STR_A(n->name));
	if (v == ALLOC_OTHER_NODE)
		buf_addf(out, "is not node %" STR_F, STR_A(w->node));
	if (v == ALLOC_REGION)
		buf_addf(out, "is not in region %" STR_F, STR_A(w->region));
	if (v == ALLOC_NETWORK)
		buf_addf(out, "is not in network %" STR_F, STR_A(w->network));
	if (v == ALLOC_CAPABILITY) {
		const struct pair *p = missing_capability(w, n);
		buf_addf(out, "lacks capability %" STR_F, STR_A(p->key));
		if (p->value.p)
			buf_addf(out, "=%" STR_F, STR_A(p->value));
	}
	if (v == ALLOC_LOST)
		explain_lost(n, out);
	if (v == ALLOC_NOT_SUPPLIED)
		buf_add(out, S("release not supplied"));
	if (v == ALLOC_NOT_BUILT)
		buf_addf(out, "release failed to build: %" STR_F,
			 STR_A(str_sub(n->build_message, 0, 200)));
	if (v == ALLOC_FULL)
		buf_addf(out, "no free partition (%lld of %lld busy)",
			 (long long)(n->total - n->free), (long long)n->total);
}

/* True if x is to be preferred. */
static bool is_better(const struct alloc_node *x, const struct alloc_node *y)
{
	bool x_ready = x->build == BUILD_AVAILABLE, y_ready = y->build == BUILD_AVAILABLE;
	if (x_ready != y_ready)
		return x_ready;
	if (x->free != y->free)
		return x->free > y->free;
	return str_cmp(x->name, y->name) < 0;
}

size_t alloc_choose(const struct alloc_where *w, const struct alloc_node *nodes, size_t count)
{
	size_t best = count;
	for (size_t i = 0; i < count; i++)
		if (alloc_judge(w, &nodes[i]) == ALLOC_FITS &&
		    (best == count || is_better(&nodes[i], &nodes[best])))
			best = i;
	return best;
}
