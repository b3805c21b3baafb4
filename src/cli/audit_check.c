/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* The checker: what it is told first, whom it believes, and what it found. */
#include <stdarg.h>

#include "cli/audit.h"
#include "core/audit.h"
#include "trust/jose.h"

enum { OUT_OF_ORDER_MAX = 4096 };
#define SEQUENCE_MAX (INT64_C(1) << 60)
#define YEAR_9999_MS INT64_C(253402300799999)

void audit_init(struct audit *au, struct arena *a, struct str roots, int64_t now_ms)
{
	*au = (struct audit){.a = a, .roots = roots, .now_ms = now_ms};
	au->newest_point.at = au->newest_head.at = -1;
}

void audit_fini(struct audit *au)
{
	cert_trust_freep(&au->trust);
}

void audit_say(struct audit *au, const char *about, enum audit_state state, const char *format,
	       ...)
{
	char text[ERR_TEXT_MAX];
	va_list args;
	if (au->finding_count == AUDIT_FINDINGS_MAX)
		return; /* those that are there are bad enough */
	va_start(args, format);
	(void)vsnprintf(text, sizeof text, format, args);
	va_end(args);
	au->findings[au->finding_count++] = (struct audit_finding){
		.about = about, .state = state, .text = arena_dup(au->a, str_from(text))};
}

enum audit_state audit_verdict(const struct audit *au)
{
	enum audit_state worst = AUDIT_HOLDS;
	for (size_t i = 0; i < au->finding_count; i++)
		worst = MAX_OF(worst, au->findings[i].state);
	return worst;
}

struct str audit_when(struct arena *a, int64_t at_ms)
{
	char text[CLOCK_TEXT_SIZE];
	clock_text(MIN_OF(MAX_OF(at_ms, (int64_t)0), YEAR_9999_MS), text);
	return arena_dup(a, str_from(text));
}

MUST int audit_marks_add(struct audit *au, struct audit_marks *m, const struct audit_mark *mark,
			 struct err *e)
{
	if (m->n == AUDIT_MARKS_MAX)
		return err_fail(e, ERR_TOO_LARGE, "more than %d marks", AUDIT_MARKS_MAX);
	if (m->n == m->cap) {
		size_t cap = m->cap ? 2 * m->cap : 64;
		struct audit_mark *grown = ARENA_ARRAY(au->a, struct audit_mark, cap);
		if (!grown)
			return arena_check(au->a, e);
		if (m->n)
			memcpy(grown, m->items, m->n * sizeof *grown);
		m->items = grown;
		m->cap = cap;
	}
	size_t i = m->n++;
	/* They come nearly in order; what does not is meant to keep us busy. */
	for (; i > 0 && m->items[i - 1].at > mark->at; i--) {
		if (m->n - i > OUT_OF_ORDER_MAX)
			return err_fail(e, ERR_CORRUPT, "what was signed is not in order");
		m->items[i] = m->items[i - 1];
	}
	m->items[i] = *mark;
	return 0;
}

MUST int audit_remember(struct audit *au, const struct audit_mark *point,
			const struct audit_mark *head, struct err *e)
{
	if (point->at > 0 && audit_marks_add(au, &au->points, point, e) < 0)
		return -1;
	return head->at < 0 ? 0 : audit_marks_add(au, &au->heads, head, e);
}

/* ---- whom to believe ----------------------------------------------------------------------- */

MUST static int take_header(struct audit *au, const struct json *record, struct err *e)
{
	if (au->cloud.p)
		return err_fail(e, ERR_CORRUPT, "there are two beginnings");
	au->cloud = arena_dup(au->a, client_text(record, "cloud"));
	au->is_signed = json_bool_of(json_get(record, S("signed")), false);
	if (client_i64(record, "version") != 1)
		return err_fail(e, ERR_UNSUPPORTED, "not an audit of version 1");
	/* An archive is as old as it says; its certificates were good then. */
	au->now_ms = client_i64(record, "at_ms");
	au->first = au->expected =
		MIN_OF(MAX_OF(client_i64(record, "from"), (int64_t)1), SEQUENCE_MAX);
	if (au->first == 1)
		memcpy(au->previous, AUDIT_ZEROS, sizeof AUDIT_ZEROS);
	return arena_check(au->a, e);
}

MUST static int take_roots(struct audit *au, const struct json *record, struct err *e)
{
	struct hash print;
	struct cert *chain;
	char hex[HASH_TEXT_SIZE];
	size_t n;
	bool is_own = au->roots.n > 0;
	if (au->trust)
		return err_fail(e, ERR_CORRUPT, "there are roots twice");
	if (!is_own)
		au->roots = arena_dup(au->a, client_text(record, "pem"));
	if (cert_trust_new(au->roots, &au->trust, e) < 0 ||
	    cert_chain_read(au->roots, au->a, &chain, &n, e) < 0)
		return err_in(e, "roots");
	if (is_own || n == 0)
		return 0;
	print = cert_fingerprint(&chain[0]);
	hash_text(&print, hex);
	audit_say(au, "roots", AUDIT_NOT_CHECKED,
		  "this client has no identity: the archive's own roots are believed; compare "
		  "the fingerprint %s with that of your cloud",
		  hex);
	return 0;
}

static void take_master(struct audit *au, const struct json *record)
{
	struct err why;
	struct cert *chain = NULL;
	size_t n = 0;
	char name[HASH_TEXT_SIZE];
	struct str pem = client_text(record, "certificate");
	if (!au->trust || au->master_count == AUDIT_MASTERS_MAX)
		return;
	if (cert_chain_read(pem, au->a, &chain, &n, &why) < 0 || n == 0) {
		audit_say(au, "master", AUDIT_BROKEN, "a certificate cannot be read: %s",
			  n ? why.text : "it is empty");
		return;
	}
	enum cert_fault fault =
		cert_check(au->trust, chain, n, au->now_ms, true, (struct str){"", 0});
	hash_text(&chain[0].key, name);
	if (fault != CERT_GOOD || chain[0].kind != CERT_MASTER) {
		audit_say(au, "master", AUDIT_BROKEN, "key %.16s…: its certificate is %s", name,
			  fault == CERT_GOOD ? "not that of a master" : cert_fault_word(fault));
		return;
	}
	au->masters[au->master_count++] =
		(struct audit_master){.name = arena_dup(au->a, str_from(name)),
				      .public = arena_dup(au->a, chain[0].public)};
}

enum audit_signed audit_signature(const struct audit *au, struct str key, struct str signature,
				  const struct buf *said)
{
	struct err ignored;
	struct str bytes;
	for (size_t i = 0; i < au->master_count; i++) {
		if (!str_eq(au->masters[i].name, key))
			continue;
		if (base64url_read(signature, au->a, &bytes, &ignored) < 0 ||
		    !key_is_signed_by(au->masters[i].public, buf_str(said), bytes))
			return AUDIT_BAD_SIGNATURE;
		return AUDIT_SIGNED;
	}
	return AUDIT_STRANGE_KEY;
}

/* ---- the stream ---------------------------------------------------------------------------- */

/* The caller's own certificate has to be in the log. */
MUST static int take_certificate(struct audit *au, const struct json *record, struct err *e)
{
	struct cert *chain;
	char hex[HASH_TEXT_SIZE];
	size_t n;
	struct audit_wanted *grown =
		ARENA_ARRAY(au->a, struct audit_wanted, au->wanted_count + 1);
	if (cert_chain_read(client_text(record, "pem"), au->a, &chain, &n, e) < 0 ||
	    arena_check(au->a, e) < 0)
		return -1;
	if (au->wanted_count)
		memcpy(grown, au->wanted, au->wanted_count * sizeof *grown);
	if (n == 0)
		return err_fail(e, ERR_CORRUPT, "a certificate is empty");
	struct hash print = cert_fingerprint(&chain[0]);
	hash_text(&print, hex);
	grown[au->wanted_count++] =
		(struct audit_wanted){.what = S("your certificate"),
				      .subject = arena_dup(au->a, str_from(chain[0].serial)),
				      .sha256 = arena_dup(au->a, str_from(hex))};
	au->wanted = grown;
	return arena_check(au->a, e);
}

/* What vouches comes before what it vouches for: later it would not be compared. */
MUST static int check_order(const struct audit *au, const char *type, struct err *e)
{
	bool is_point = strcmp(type, "checkpoint") == 0 || strcmp(type, "master") == 0,
	     is_head = strcmp(type, "head") == 0 || strcmp(type, "witness") == 0;
	if ((is_point && (au->events || au->is_chain_broken)) ||
	    ((is_head || is_point) && (au->entries || au->is_log_broken)))
		return err_fail(e, ERR_CORRUPT, "a %s stands behind what it vouches for", type);
	return 0;
}

int audit_check(void *user, const char *type, const struct json *record, struct arena *page,
		struct err *e)
{
	struct audit *au = user;
	if (check_order(au, type, e) < 0)
		return -1;
	if (strcmp(type, "event") == 0)
		audit_take_event(au, record, page);
	else if (strcmp(type, "entry") == 0)
		audit_take_entry(au, record, page);
	else if (strcmp(type, "checkpoint") == 0)
		return audit_take_point(au, record, e);
	else if (strcmp(type, "head") == 0)
		return audit_take_head(au, record, e);
	else if (strcmp(type, "witness") == 0)
		return audit_take_witness(au, record, e);
	else if (strcmp(type, "master") == 0)
		take_master(au, record);
	else if (strcmp(type, "roots") == 0)
		return take_roots(au, record, e);
	else if (strcmp(type, "certificate") == 0)
		return take_certificate(au, record, e);
	else if (strcmp(type, "closed") == 0)
		au->is_closed_to_us = true;
	else if (strcmp(type, "audit") == 0)
		return take_header(au, record, e);
	else
		return err_fail(e, ERR_CORRUPT, "no record is called %.40s", type);
	return arena_check(au->a, e);
}

void audit_end(struct audit *au)
{
	audit_end_chain(au);
	audit_end_log(au);
}
