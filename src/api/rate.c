/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * One array of places in sets of RATE_WAYS, under one lock: a look is a hash and eight comparisons.
 * A place whose bucket is full again is free; it needs no cleaning.
 */
#include "api/rate.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <pthread.h>

#include "base/mem.h"
#include "trust/hash.h"
#include "trust/wipe.h"

enum { SECRET_BYTES = 16, NAME_BYTES = 12, US_PER_MS = 1000, US_PER_MINUTE = 60000000 };

struct bucket {
	uint8_t name[NAME_BYTES]; /* start of the keyed hash of class and caller */
	int64_t full_at_us;	  /* 0: never used */
};

struct rate {
	struct rate_limits limits;
	pthread_mutex_t lock;
	char secret[SECRET_BYTES];
	struct bucket buckets[RATE_BUCKETS];
};

MUST int rate_new(const struct rate_limits *limits, struct rate **out, struct err *e)
{
	struct rate *r = MEM_NEW(struct rate, e);
	if (!r)
		return -1;
	r->limits = *limits;
	trust_random(r->secret, sizeof r->secret);
	ASSERT(pthread_mutex_init(&r->lock, NULL) == 0);
	*out = r;
	return 0;
}

struct rate *rate_free(struct rate *r)
{
	if (!r)
		return NULL;
	(void)pthread_mutex_destroy(&r->lock);
	mem_free(r);
	return NULL;
}

static struct hash name_of(const struct rate *r, enum rate_class class, struct str who)
{
	struct hasher h;
	const char letter = (char)('a' + class);
	hasher_init(&h);
	hasher_add(&h, str_of(r->secret, sizeof r->secret));
	hasher_add(&h, str_of(&letter, 1));
	hasher_add(&h, who);
	return hasher_end(&h);
}

/* The bucket of that name, or the one in its set that is nearest to full, emptied of its owner. */
static struct bucket *find(struct rate *r, const struct hash *name)
{
	uint32_t at;
	memcpy(&at, name->bytes + NAME_BYTES, sizeof at);
	struct bucket *set = &r->buckets[at % (RATE_BUCKETS / RATE_WAYS) * RATE_WAYS],
		      *least = set;
	for (size_t i = 0; i < RATE_WAYS; i++) {
		if (memcmp(set[i].name, name->bytes, NAME_BYTES) == 0)
			return &set[i];
		if (set[i].full_at_us < least->full_at_us)
			least = &set[i];
	}
	memcpy(least->name, name->bytes, NAME_BYTES);
	least->full_at_us = 0;
	return least;
}

int64_t rate_take(struct rate *r, enum rate_class class, struct str who, int64_t now_ms)
{
	const struct rate_limit *l = &r->limits.of[class];
	if (l->per_minute <= 0)
		return 0;
	int64_t token_us = MAX_OF(US_PER_MINUTE / l->per_minute, 1),
		now_us = now_ms * US_PER_MS;
	int64_t room_us = token_us * MAX_OF(l->burst, 1), wait_us;
	struct hash name = name_of(r, class, who);
	(void)pthread_mutex_lock(&r->lock);
	struct bucket *b = find(r, &name);
	int64_t full_at_us = MAX_OF(b->full_at_us, now_us) + token_us;
	wait_us = full_at_us - room_us - now_us;
	if (wait_us <= 0)
		b->full_at_us = full_at_us;
	(void)pthread_mutex_unlock(&r->lock);
	return wait_us <= 0 ? 0 : (wait_us + US_PER_MS - 1) / US_PER_MS;
}

struct str rate_address(struct str address, char *out)
{
	struct in6_addr v6;
	size_t n = MIN_OF(address.n, RATE_KEY_SIZE - 1);
	memcpy(out, address.p, n);
	out[n] = 0;
	if (inet_pton(AF_INET6, out, &v6) != 1)
		return str_of(out, n);
	if (IN6_IS_ADDR_V4MAPPED(&v6)) {
		(void)inet_ntop(AF_INET, v6.s6_addr + 12, out, RATE_KEY_SIZE);
		return str_from(out);
	}
	memset(v6.s6_addr + 8, 0, 8);
	(void)inet_ntop(AF_INET6, &v6, out, RATE_KEY_SIZE);
	return str_from(out);
}
