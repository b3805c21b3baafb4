/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * A small table searched from end to end: a thousand keys of 32 bytes are compared in less time
 * than one hash of a question takes. Texts may hold secrets of instances and are wiped when
 * they go.
 */
#include "base/mem.h"
#include "profile/eval_impl.h"

enum { EVAL_ANSWERS_MAX = 1024 };

struct answer {
	struct hash key;
	char *text; /* NULL: free slot */
	size_t n;
	uint64_t used_at; /* counts uses */
};

struct answers {
	size_t max_bytes, bytes;
	uint64_t uses;
	struct answer slots[EVAL_ANSWERS_MAX];
};

MUST int answers_new(size_t max_bytes, struct answers **out, struct err *e)
{
	struct answers *c = MEM_NEW(struct answers, e);
	if (!c)
		return -1;
	c->max_bytes = max_bytes;
	*out = c;
	return 0;
}

static void forget(struct answers *c, struct answer *x)
{
	if (!x->text)
		return;
	explicit_bzero(x->text, x->n);
	mem_free(x->text);
	c->bytes -= x->n;
	*x = (struct answer){.text = NULL};
}

struct answers *answers_free(struct answers *c)
{
	if (!c)
		return NULL;
	for (size_t i = 0; i < EVAL_ANSWERS_MAX; i++)
		forget(c, &c->slots[i]);
	mem_free(c);
	return NULL;
}

static struct answer *find(struct answers *c, const struct hash *key)
{
	for (size_t i = 0; i < EVAL_ANSWERS_MAX; i++)
		if (c->slots[i].text && memcmp(&c->slots[i].key, key, sizeof *key) == 0)
			return &c->slots[i];
	return NULL;
}

bool answers_find(struct answers *c, const struct hash *key, struct arena *a, struct str *out)
{
	struct answer *x = find(c, key);
	if (!x)
		return false;
	struct str copy = arena_dup(a, str_of(x->text, x->n));
	if (copy.n != x->n)
		return false;
	x->used_at = ++c->uses;
	*out = copy;
	return true;
}

/* A free slot with room for n bytes; the oldest answers make place. */
static struct answer *make_room(struct answers *c, size_t n)
{
	for (;;) {
		struct answer *unused = NULL, *oldest = NULL;
		for (size_t i = 0; i < EVAL_ANSWERS_MAX; i++) {
			struct answer *x = &c->slots[i];
			if (!x->text)
				unused = x;
			else if (!oldest || x->used_at < oldest->used_at)
				oldest = x;
		}
		if (unused && c->bytes + n <= c->max_bytes)
			return unused;
		ASSERT(oldest);
		forget(c, oldest);
	}
}

void answers_keep(struct answers *c, const struct hash *key, struct str answer)
{
	struct err ignored;
	if (!answer.n || answer.n > c->max_bytes / 4 || find(c, key))
		return;
	char *text = mem_dup(answer.p, answer.n, &ignored);
	if (!text)
		return;
	struct answer *x = make_room(c, answer.n);
	*x = (struct answer){.key = *key, .text = text, .n = answer.n, .used_at = ++c->uses};
	c->bytes += answer.n;
}

size_t answers_bytes(const struct answers *c)
{
	return c->bytes;
}
