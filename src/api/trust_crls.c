/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "api/trust_crls.h"

#include <pthread.h>
#include <string.h>

#include "base/mem.h"

enum { FRESH_MS = 24 * 3600 * 1000 };

struct kept_crl {
	char *der;
	size_t n;
	struct certificate_mark mark;
	int64_t made_ms;
};
struct trust_crls {
	pthread_mutex_t lock;
	struct kept_crl of[CA_KINDS];
};

MUST int trust_crls_new(struct trust_crls **out, struct err *e)
{
	struct trust_crls *t = MEM_NEW(struct trust_crls, e);
	if (!t)
		return -1;
	(void)pthread_mutex_init(&t->lock, NULL);
	*out = t;
	return 0;
}

struct trust_crls *trust_crls_free(struct trust_crls *t)
{
	if (!t)
		return NULL;
	for (size_t i = 0; i < CA_KINDS; i++)
		mem_free(t->of[i].der);
	(void)pthread_mutex_destroy(&t->lock);
	mem_free(t);
	return NULL;
}

struct str trust_crls_get(struct trust_crls *t, enum ca_kind kind,
			  const struct certificate_mark *mark, int64_t now_ms, struct arena *a)
{
	struct str der = S("");
	(void)pthread_mutex_lock(&t->lock);
	const struct kept_crl *k = &t->of[kind];
	if (k->der && k->mark.count == mark->count && k->mark.newest_ms == mark->newest_ms &&
	    now_ms >= k->made_ms && now_ms - k->made_ms < FRESH_MS)
		der = arena_dup(a, str_of(k->der, k->n));
	(void)pthread_mutex_unlock(&t->lock);
	return der;
}

void trust_crls_put(struct trust_crls *t, enum ca_kind kind,
		    const struct certificate_mark *mark, int64_t now_ms, struct str der)
{
	struct err ignored = ERR_INIT;
	(void)pthread_mutex_lock(&t->lock);
	struct kept_crl *k = &t->of[kind];
	char *grown = mem_grow(k->der, der.n, 1, &ignored);
	if (grown) {
		memcpy(grown, der.p, der.n);
		*k = (struct kept_crl){grown, der.n, *mark, now_ms};
	}
	(void)pthread_mutex_unlock(&t->lock);
}
