/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "master/issuers.h"

#include "base/file.h"
#include "base/log.h"
#include "trust/renewal.h"
#include "trust/wipe.h"

enum { DAY_MS = 24 * 3600 * 1000 };

/* How long what it signs may live. */
static int64_t below_days(enum ca_kind kind)
{
	return kind == CA_SERVICES ? CA_DELEGATED_DAYS : CA_LEAF_DAYS;
}

enum issuer_look master_issuer_look(const struct ca *ca, int64_t now_ms)
{
	int64_t to_ms = ca_issuer_to_ms(ca);
	if (now_ms < renewal_issuer_due_ms(to_ms, below_days(ca_kind_of(ca))))
		return ISSUER_GOOD;
	return ca_root_to_ms(ca) - to_ms < DAY_MS ? ISSUER_ROOT_DUE : ISSUER_DUE;
}

static const struct ca *authority(const struct master_identity *i, enum ca_kind kind)
{
	return kind == CA_USERS ? i->users : i->services;
}

bool master_issuers_are_due(const struct master_identity *i, int64_t now_ms)
{
	return master_issuer_look(i->users, now_ms) == ISSUER_DUE ||
	       master_issuer_look(i->services, now_ms) == ISSUER_DUE;
}

static void tell(const struct ca *ca, struct err *e)
{
	log_err(LOG_WARN, "master.issuer.ending", e,
		KV_C("authority", ca_kind_word(ca_kind_of(ca))),
		KV_I("until_ms", ca_issuer_to_ms(ca)));
}

void master_issuers_tell(const struct master_identity *i, int64_t now_ms)
{
	for (int kind = 0; kind < CA_KINDS; kind++) {
		const struct ca *ca = authority(i, (enum ca_kind)kind);
		enum issuer_look look = master_issuer_look(ca, now_ms);
		struct err e = ERR_INIT;
		if (look == ISSUER_GOOD)
			continue;
		(void)err_fail(&e, ERR_UNSUPPORTED,
			       look == ISSUER_ROOT_DUE
				       ? "the root ends: roll it over (hoc ca roll-root)"
				       : "the issuer ends and could not be rolled over here");
		tell(ca, &e);
	}
}

/* A root that is sealed beside an issuer in a token takes both secrets: see ca_open. */
MUST static int roll(const struct master_identity *i, enum ca_kind kind,
		     const struct master_secrets *s, int64_t now_ms, struct arena *a,
		     struct err *e)
{
	const char *dir = arena_fmt(a, "%s/ca/%s", i->dir, ca_kind_word(kind)).p;
	struct str secret = s->passphrase;
	const char *token = arena_fmt(a, "%s/issuer.uri", dir).p;
	if (arena_check(a, e) < 0)
		return -1;
	bool is_token = file_exists(token);
	if (is_token)
		secret = arena_fmt(a, "%" STR_F "\n%" STR_F, STR_A(s->pin),
				   STR_A(s->passphrase));
	if (arena_check(a, e) < 0)
		return -1;
	int rc = ca_roll_issuer(dir, secret, now_ms, e);
	if (is_token)
		trust_wipe_str(&secret);
	return rc;
}

int master_issuers_roll(const struct master_identity *i, const struct master_secrets *s,
			int64_t now_ms, struct arena *a, bool *out_failed)
{
	int rolled = 0;
	*out_failed = false;
	for (int kind = 0; kind < CA_KINDS; kind++) {
		const struct ca *ca = authority(i, (enum ca_kind)kind);
		struct err e = ERR_INIT;
		if (master_issuer_look(ca, now_ms) != ISSUER_DUE)
			continue;
		if (roll(i, (enum ca_kind)kind, s, now_ms, a, &e) < 0) {
			*out_failed = true;
			tell(ca, &e);
			continue;
		}
		rolled = 1;
		log_event(LOG_INFO, "master.issuer.rolled",
			  KV_C("authority", ca_kind_word((enum ca_kind)kind)));
	}
	return rolled;
}
