/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * Clients are taken under a lock; what is known of the master is behind the same one, and no
 * request is made while it is held.
 *
 * Answers overtake each other: an answer may be older than another that came before it. So an
 * answer is measured by what was known when its request was sent.
 */
#include "agent/talkers.h"

#include <pthread.h>

#include "base/log.h"
#include "base/mem.h"
#include "trust/jose.h"
#include "trust/wipe.h"

enum {
	ASKS_MAX = 64, /* earlier requests that are remembered, to name replays */
	TARGET_MAX = 256,
	BLOCK = 1000,
	CLOUD_BYTES = 4 << 20,
	CLOUD_AGE_MS = 3600000, /* certificates of the cloud are fetched anew after */
	CLOUD_RETRY_MS = 10000, /* for an unknown key, not more often than */
};

#define KEY_SEQUENCE S("master_sequence")
#define KEY_REPORTS S("report_numbers")

struct ask {
	char method[8], target[TARGET_MAX], nonce[PROOF_NONCE_SIZE];
};

struct talkers {
	pthread_mutex_t cloud_lock; /* taken before `lock`: who fetches certificates */
	pthread_mutex_t lock;
	pthread_cond_t is_free;
	struct http_client *clients[TALKERS_MAX];
	bool is_taken[TALKERS_MAX], is_ending;
	size_t client_count;
	struct talkers_options o;

	struct arena *memory; /* of cloud and crl; NULL: not fetched */
	struct cloud cloud;
	struct str crl;
	int64_t cloud_at_ms, cloud_tried_ms;
	int64_t sequence, sequence_kept;
	int64_t report, report_end; /* next number; end of the block that is reserved */
	struct ask asks[ASKS_MAX];
	size_t ask_at;
	bool is_backwards;
	char trouble[CLOUD_TEXT_MAX];
};

/* ---- life ---------------------------------------------------------------------------------- */

/* 1: there is none. */
static int read_number(struct talkers *t, struct str key, int64_t *out, struct err *e)
{
	struct arena *a CLEAN(arena_freep) = NULL;
	struct str text;
	if (arena_new(65536, &a, e) < 0)
		return -1;
	int rc = ndb_get(t->o.ndb, key, a, &text, e);
	if (rc != 0)
		return rc;
	return str_to_i64(text, 0, INT64_MAX, out, e);
}

static int save_number(struct talkers *t, struct str key, int64_t v, struct err *e)
{
	char text[24];
	(void)snprintf(text, sizeof text, "%lld", (long long)v);
	const struct str value = str_from(text);
	return ndb_set(t->o.ndb, &key, &value, 1, e);
}

/*
 * The first number of a node's first write is the moment: a node whose directory was lost, and
 * that joins again, goes on above what its master saw before.
 */
static int read_numbers(struct talkers *t, struct err *e)
{
	if (read_number(t, KEY_SEQUENCE, &t->sequence, e) < 0)
		return -1;
	int rc = read_number(t, KEY_REPORTS, &t->report_end, e);
	if (rc > 0)
		t->report_end = clock_now_ms(t->o.clock);
	t->sequence_kept = t->sequence;
	t->report = t->report_end;
	return rc < 0 ? -1 : 0;
}

MUST int talkers_new(const struct talkers_options *o, struct talkers **out, struct err *e)
{
	struct talkers *t = MEM_NEW(struct talkers, e);
	struct http_client_options ho = {.base = o->master};
	ASSERT(o->clients && o->clients <= TALKERS_MAX);
	if (!t)
		return -1;
	t->o = *o;
	(void)pthread_mutex_init(&t->cloud_lock, NULL);
	(void)pthread_mutex_init(&t->lock, NULL);
	(void)pthread_cond_init(&t->is_free, NULL);
	int rc = 0;
	if (o->keys) {
		ho.ca_file = keys_roots_file(o->keys);
		ho.cert_file = keys_cert_file(o->keys);
		ho.key_file = keys_key_file(o->keys);
		rc = read_numbers(t, e);
	}
	for (; rc == 0 && t->client_count < o->clients; t->client_count += rc == 0)
		rc = http_client_open(&ho, &t->clients[t->client_count], e);
	if (rc < 0) {
		talkers_free(t);
		return -1;
	}
	*out = t;
	return 0;
}

MUST int talkers_forget(struct ndb *n, struct err *e)
{
	const struct str key = KEY_SEQUENCE, value = S("0");
	return ndb_set(n, &key, &value, 1, e);
}

void talkers_cancel(struct talkers *t)
{
	if (!t)
		return;
	(void)pthread_mutex_lock(&t->lock);
	t->is_ending = true;
	for (size_t i = 0; i < t->client_count; i++)
		http_client_cancel(t->clients[i]);
	(void)pthread_cond_broadcast(&t->is_free);
	(void)pthread_mutex_unlock(&t->lock);
}

struct talkers *talkers_free(struct talkers *t)
{
	if (!t)
		return NULL;
	for (size_t i = 0; i < t->client_count; i++)
		t->clients[i] = http_client_close(t->clients[i]);
	arena_free(t->memory);
	(void)pthread_cond_destroy(&t->is_free);
	(void)pthread_mutex_destroy(&t->lock);
	(void)pthread_mutex_destroy(&t->cloud_lock);
	mem_free(t);
	return NULL;
}

struct keys *talkers_keys(struct talkers *t)
{
	return t->o.keys;
}

/* ---- clients ------------------------------------------------------------------------------- */

static size_t free_client(const struct talkers *t)
{
	size_t i = 0;
	while (i < t->client_count && t->is_taken[i])
		i++;
	return i;
}

static int take_client(struct talkers *t, size_t *out, struct err *e)
{
	(void)pthread_mutex_lock(&t->lock);
	while (!t->is_ending && free_client(t) == t->client_count)
		(void)pthread_cond_wait(&t->is_free, &t->lock);
	bool is_ending = t->is_ending;
	*out = free_client(t);
	if (!is_ending)
		t->is_taken[*out] = true;
	(void)pthread_mutex_unlock(&t->lock);
	return is_ending ? err_fail(e, ERR_UNREACHABLE, "the node is stopping") : 0;
}

static void give_client(struct talkers *t, size_t i)
{
	(void)pthread_mutex_lock(&t->lock);
	t->is_taken[i] = false;
	(void)pthread_cond_signal(&t->is_free);
	(void)pthread_mutex_unlock(&t->lock);
}

static int fetch_plain(struct talkers *t, size_t client, const struct http_request *r,
		       struct arena *a, struct http_response *out, struct err *e)
{
	int rc = http_fetch(t->clients[client], r, a, out, e);
	return rc == HTTP_CANCELLED ? err_fail(e, ERR_UNREACHABLE, "the node is stopping") : rc;
}

/* ---- what is known of the cloud ------------------------------------------------------------ */

static int read_cloud(struct talkers *t, size_t client, struct arena *a, struct cloud *cloud,
		      struct str *crl, struct err *e)
{
	struct http_response response;
	const struct http_request ca = {.target = S("/v1/ca")},
				  list = {.target = S("/v1/ca/users/crl")};
	if (fetch_plain(t, client, &ca, a, &response, e) < 0)
		return -1;
	if (response.status != 200)
		return http_error_from_response(&response, e);
	if (cloud_read(response.body, keys_roots(t->o.keys, a), clock_now_ms(t->o.clock), a,
		       cloud, e) < 0)
		return -1;
	/* A list that does not come does not stop the node: certificates are short-lived. */
	struct err none = ERR_INIT;
	*crl = S("");
	if (fetch_plain(t, client, &list, a, &response, &none) == 0 && response.status == 200)
		*crl = response.body;
	return 0;
}

/* Fetches what the cloud's certificates say. */
static int renew_cloud(struct talkers *t, size_t client, struct err *e)
{
	struct arena *a = NULL;
	struct cloud cloud;
	struct str crl;
	int64_t now_ms = clock_now_ms(t->o.clock);
	if (arena_new(CLOUD_BYTES, &a, e) < 0)
		return -1;
	int rc = read_cloud(t, client, a, &cloud, &crl, e);
	(void)pthread_mutex_lock(&t->lock);
	t->cloud_tried_ms = now_ms;
	if (rc == 0) {
		struct arena *old = t->memory;
		t->memory = a;
		t->cloud = cloud;
		t->crl = crl;
		t->cloud_at_ms = now_ms;
		a = old;
	}
	(void)pthread_mutex_unlock(&t->lock);
	arena_free(a);
	return rc;
}

static bool is_cloud_due(struct talkers *t, bool is_wanted)
{
	int64_t now_ms = clock_now_ms(t->o.clock);
	(void)pthread_mutex_lock(&t->lock);
	bool is_old = is_wanted || now_ms - t->cloud_at_ms > CLOUD_AGE_MS;
	bool is_due = !t->memory || (is_old && now_ms - t->cloud_tried_ms > CLOUD_RETRY_MS);
	(void)pthread_mutex_unlock(&t->lock);
	return is_due;
}

/*
 * Sees to it that the cloud's certificates are known, and not old; `is_wanted`: they do not tell
 * enough. One thread fetches, others wait for it. What was known before is better than nothing.
 */
static int refresh_cloud(struct talkers *t, size_t client, bool is_wanted, struct err *e)
{
	int rc = 0;
	(void)pthread_mutex_lock(&t->cloud_lock);
	if (is_cloud_due(t, is_wanted))
		rc = renew_cloud(t, client, e);
	bool has_one = t->memory != NULL;
	(void)pthread_mutex_unlock(&t->cloud_lock);
	if (rc < 0 && has_one) {
		log_err(LOG_DEBUG, "agent.link.failed", e, KV_C("path", "/v1/ca"));
		err_clear(e);
		rc = 0;
	}
	return rc;
}

MUST int talkers_certificates(struct talkers *t, struct arena *a, struct str *out_chain,
			      struct str *out_crl, struct err *e)
{
	size_t client;
	if (take_client(t, &client, e) < 0)
		return -1;
	int rc = refresh_cloud(t, client, false, e);
	give_client(t, client);
	if (rc < 0)
		return -1;
	(void)pthread_mutex_lock(&t->lock);
	*out_chain = arena_dup(a, t->cloud.chain);
	*out_crl = arena_dup(a, t->crl);
	(void)pthread_mutex_unlock(&t->lock);
	return arena_check(a, e);
}

/* ---- proof --------------------------------------------------------------------------------- */

/* Remembers a request; what the answer is measured by. */
static int64_t note_ask(struct talkers *t, const struct http_request *r, const char *nonce)
{
	(void)pthread_mutex_lock(&t->lock);
	struct ask *a = &t->asks[t->ask_at++ % ASKS_MAX];
	(void)snprintf(a->method, sizeof a->method, "%s", http_method_name(r->method));
	(void)snprintf(a->target, sizeof a->target, "%" STR_F, STR_A(r->target));
	memcpy(a->nonce, nonce, sizeof a->nonce);
	int64_t floor = t->sequence;
	(void)pthread_mutex_unlock(&t->lock);
	return floor;
}

/* The fault of an answer, by what is known now. */
static enum proof_fault judge(struct talkers *t, const struct proof_ask *mine,
			      const struct proof_answer *answer, int64_t *sequence)
{
	struct proof_ask asks[ASKS_MAX + 1] = {*mine};
	size_t n = 1;
	(void)pthread_mutex_lock(&t->lock);
	for (size_t i = 0; i < MIN_OF(t->ask_at, (size_t)ASKS_MAX); i++) {
		const struct ask *old = &t->asks[(t->ask_at - 1 - i) % ASKS_MAX];
		if (str_is(mine->nonce, old->nonce))
			continue;
		asks[n++] = (struct proof_ask){.node = mine->node,
					       .method = str_from(old->method),
					       .target = str_from(old->target),
					       .nonce = str_from(old->nonce)};
	}
	enum proof_fault f = proof_check(asks, n, answer, t->cloud.masters,
					 t->memory ? t->cloud.master_count : 0, sequence);
	(void)pthread_mutex_unlock(&t->lock);
	return f;
}

/* The answer is good: what it teaches. Polls are kept, for the node acts on them. */
static int learn(struct talkers *t, bool is_read, int64_t sequence, struct err *e)
{
	(void)pthread_mutex_lock(&t->lock);
	t->sequence = MAX_OF(t->sequence, sequence);
	t->is_backwards = false;
	t->trouble[0] = 0;
	int64_t highest = t->sequence;
	bool is_news = is_read && highest > t->sequence_kept;
	if (is_news)
		t->sequence_kept = highest;
	(void)pthread_mutex_unlock(&t->lock);
	return is_news ? save_number(t, KEY_SEQUENCE, highest, e) : 0;
}

static int refuse(struct talkers *t, enum proof_fault f, const struct http_request *r,
		  int64_t sequence, int64_t floor, struct err *e)
{
	log_event(LOG_ERROR, proof_fault_event(f), KV_C("master", t->o.master),
		  KV_S("path", str_sub(r->target, 0, TARGET_MAX)), KV_I("sequence", sequence),
		  KV_I("known", floor));
	(void)pthread_mutex_lock(&t->lock);
	t->is_backwards = t->is_backwards || f == PROOF_BACKWARDS;
	(void)snprintf(t->trouble, sizeof t->trouble, "an answer of the master %s",
		       proof_fault_text(f));
	(void)pthread_mutex_unlock(&t->lock);
	return err_fail(e, f == PROOF_BACKWARDS ? ERR_CONFLICT : ERR_CORRUPT,
			"the answer to %s %" STR_F " %s", http_method_name(r->method),
			STR_A(str_sub(r->target, 0, TARGET_MAX)), proof_fault_text(f));
}

static int prove(struct talkers *t, size_t client, const struct http_request *r,
		 const struct proof_ask *ask, const struct http_response *got, struct err *e)
{
	const struct proof_answer answer = {
		.status = (int)got->status,
		.header = http_response_header(got, SIGNED_STATE_HEADER),
		.body = got->body,
	};
	int64_t sequence = 0;
	if (refresh_cloud(t, client, false, e) < 0)
		return -1;
	enum proof_fault f = judge(t, ask, &answer, &sequence);
	if (f == PROOF_STRANGER) { /* a master that has a new key, perhaps */
		if (refresh_cloud(t, client, true, e) < 0)
			return -1;
		f = judge(t, ask, &answer, &sequence);
	}
	if (f != PROOF_GOOD)
		return refuse(t, f, r, sequence, ask->floor, e);
	return learn(t, r->method == HTTP_GET, sequence, e);
}

/* ---- reports ------------------------------------------------------------------------------- */

/* The next number of a write; a block of them is reserved before any is used. */
static int next_report(struct talkers *t, int64_t *out, struct err *e)
{
	int rc = 0;
	(void)pthread_mutex_lock(&t->lock);
	if (t->report == t->report_end) {
		rc = save_number(t, KEY_REPORTS, t->report_end + BLOCK, e);
		if (rc == 0)
			t->report_end += BLOCK;
	}
	if (rc == 0)
		*out = ++t->report;
	(void)pthread_mutex_unlock(&t->lock);
	return rc;
}

static int sign_report(struct talkers *t, const struct http_request *r, struct arena *a,
		       struct http_request_header *out, struct err *e)
{
	struct signed_report report = {.node = t->o.node,
				       .method = str_from(http_method_name(r->method)),
				       .target = r->target,
				       .at_ms = clock_now_ms(t->o.clock)};
	out->name = SIGNED_REPORT_HEADER;
	if (next_report(t, &report.sequence, e) < 0)
		return -1;
	return proof_report(keys_identity(t->o.keys), &report, r->body, a, &out->value, e);
}

/* ---- fetching ------------------------------------------------------------------------------ */

static int fetch_signed(struct talkers *t, size_t client, const struct http_request *r,
			bool is_proven, struct arena *a, struct http_response *out,
			struct err *e)
{
	char nonce[PROOF_NONCE_SIZE] = {0};
	struct http_request_header headers[2] = {{.name = SIGNED_NONCE_HEADER}};
	struct http_request mine = *r;
	ASSERT(r->header_count == 0 && !r->on_body);
	if (mine.method == HTTP_OTHER)
		mine.method = HTTP_GET;
	trust_random_text(SIGNED_NONCE_BYTES, nonce, sizeof nonce);
	headers[0].value = str_from(nonce);
	mine.headers = headers;
	mine.header_count = 1;
	if (mine.method != HTTP_GET &&
	    sign_report(t, &mine, a, &headers[mine.header_count++], e) < 0)
		return -1;
	const struct proof_ask ask = {.node = t->o.node,
				      .method = str_from(http_method_name(mine.method)),
				      .target = mine.target,
				      .nonce = str_from(nonce),
				      .floor = note_ask(t, &mine, nonce)};
	if (fetch_plain(t, client, &mine, a, out, e) < 0)
		return -1;
	return is_proven ? 0 : prove(t, client, &mine, &ask, out, e);
}

static bool is_behind(struct talkers *t)
{
	(void)pthread_mutex_lock(&t->lock);
	bool is_backwards = t->is_backwards;
	(void)pthread_mutex_unlock(&t->lock);
	return is_backwards;
}

/* A master that was put back is asked whether it has caught up, before it is told anything. */
static int await_forwards(struct talkers *t, size_t client, struct arena *a, struct err *e)
{
	struct http_response response;
	const struct http_request look = {
		.target = arena_fmt(a, "/v1/nodes/%" STR_F "/changes?since=0&wait=0",
				    STR_A(t->o.node))};
	return fetch_signed(t, client, &look, false, a, &response, e);
}

static int fetch(struct talkers *t, const struct http_request *r, bool is_proven,
		 struct arena *a, struct http_response *out, struct err *e)
{
	size_t client;
	if (take_client(t, &client, e) < 0)
		return -1;
	int rc = 0;
	bool is_write = r->method != HTTP_OTHER && r->method != HTTP_GET;
	if (!t->o.keys)
		rc = fetch_plain(t, client, r, a, out, e);
	else if (is_write && !is_proven && is_behind(t))
		rc = await_forwards(t, client, a, e);
	if (t->o.keys && rc == 0)
		rc = fetch_signed(t, client, r, is_proven, a, out, e);
	give_client(t, client);
	return rc;
}

MUST int talkers_fetch(struct talkers *t, const struct http_request *r, struct arena *a,
		       struct http_response *out, struct err *e)
{
	return fetch(t, r, false, a, out, e);
}

MUST int talkers_fetch_proven(struct talkers *t, const struct http_request *r, struct arena *a,
			      struct http_response *out, struct err *e)
{
	return fetch(t, r, true, a, out, e);
}

MUST int talkers_fetch_ok(struct talkers *t, const struct http_request *r, struct arena *a,
			  struct http_response *out, struct err *e)
{
	if (talkers_fetch(t, r, a, out, e) < 0)
		return -1;
	return out->status / 100 == 2 ? 0 : http_error_from_response(out, e);
}

void talkers_trouble(struct talkers *t, char out[static CLOUD_TEXT_MAX])
{
	(void)pthread_mutex_lock(&t->lock);
	memcpy(out, t->trouble, CLOUD_TEXT_MAX);
	(void)pthread_mutex_unlock(&t->lock);
}
