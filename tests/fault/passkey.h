/* SPDX-License-Identifier: AGPL-3.0-or-later */
#pragma once
/*
 * What the fault loops need of passkeys: one of Ana's with a session, a link, challenges that are
 * known; and what a browser answered to them, signed once by another implementation
 * (python3-cryptography), so that every run is the same.
 */
#include "store/passkey.h"
#include "store/session.h"

#define PASSKEY_HOST "cloud.test"
#define PASSKEY_AGENT "Browser/1"
#define PASSKEY_LINK "a-link-to-make-a-passkey-with"
#define PASSKEY_COOKIE "what-is-in-the-cookie"
#define PASSKEY_SESSION "e98aeeb3ca61b37547adaad8f0bde9233f67ec1c50f6b075daf737bf8edd499a"
/* The challenges: 32 bytes of 0, 32 bytes of 1. */
#define PASSKEY_LOGIN_CHALLENGE "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"
#define PASSKEY_REGISTER_CHALLENGE "AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE"
/* clang-format off */
#define PASSKEY_PUBLIC \
	"MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAE94pEICZH5S_p9z5sj2XrguQ3QYMKelkvjbIg" \
	"bGWTsMH410P9qGik7lsfJq4pf7kXtERYO5P9prn_obAONSoeng"
#define PASSKEY_LOGIN \
	"eyJ0eXBlIjoid2ViYXV0aG4uZ2V0IiwiY2hhbGxlbmdlIjoiQUFBQUFBQUFBQUFBQUFBQUFB" \
	"QUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQSIsIm9yaWdpbiI6Imh0dHBzOi8vY2xvdWQudGVz" \
	"dCJ9"
#define PASSKEY_REGISTER \
	"eyJ0eXBlIjoid2ViYXV0aG4uY3JlYXRlIiwiY2hhbGxlbmdlIjoiQVFFQkFRRUJBUUVCQVFF" \
	"QkFRRUJBUUVCQVFFQkFRRUJBUUVCQVFFQkFRRSIsIm9yaWdpbiI6Imh0dHBzOi8vY2xvdWQu" \
	"dGVzdCJ9"
#define PASSKEY_ATTESTATION \
	"o2NmbXRkbm9uZWdhdHRTdG10oGhhdXRoRGF0YViU_2MzxRmrhovmAPy3WcKWZhno9MA_IBo2" \
	"EqrftO7jenZFAAAAAAAAAAAAAAAAAAAAAAAAAAAAEGZhdWx0LWZhdWx0LW5ldyGlAQIDJiAB" \
	"IVgg94pEICZH5S_p9z5sj2XrguQ3QYMKelkvjbIgbGWTsMEiWCD410P9qGik7lsfJq4pf7kX" \
	"tERYO5P9prn_obAONSoeng"
#define PASSKEY_DATA \
	"_2MzxRmrhovmAPy3WcKWZhno9MA_IBo2EqrftO7jenYFAAAACQ"
#define PASSKEY_SIGNATURE \
	"MEUCIQD53WmZDyPvTpVcQtsJSP3kIE9ZsWcWCDWGl4Z08RAVSAIgZ4oojqmWIk3ZMxc4foV-" \
	"8Em12tRRCfl5iXXkPXHLwU0"
#define PASSKEY_HANDLE "9VD55_l1pp_GeY3TgcpswbszHAV1euKgzPuodMDyXBs"
#define PASSKEY_CREDENTIAL "ZmF1bHQtZmF1bHQtb2xkIQ"
/* clang-format on */

static int passkey_asked(struct db_tx *tx, const char *purpose, const char *text,
			 int64_t person_id, int64_t now_ms, struct err *e)
{
	char name[HASH_TEXT_SIZE];
	struct hash h = hash_of(str_from(text));
	hash_text(&h, name);
	const struct passkey_challenge k = {
		.hash = str_from(name),
		.purpose = str_from(purpose),
		.person_id = person_id,
		.key_name = S(TRUST_ANA),
		.expires_at_ms = now_ms + INT64_C(3600) * 1000,
	};
	return store_challenge_add(tx, &k, INT32_MAX, e);
}

/* Passkey 1 of Ana with her session, last used some minutes ago; all challenges. */
static int passkey_work(struct db_tx *tx, int64_t person_id, int64_t now_ms, struct err *e)
{
	char agent[HASH_TEXT_SIZE], cookie[HASH_TEXT_SIZE];
	struct hash bound = hash_of(S(PASSKEY_AGENT)), name = hash_of(S(PASSKEY_COOKIE));
	hash_text(&bound, agent);
	hash_text(&name, cookie);
	ASSERT(strcmp(cookie, PASSKEY_SESSION) == 0);
	struct passkey p = {
		.credential = S(PASSKEY_CREDENTIAL),
		.person_id = person_id,
		.public = S(PASSKEY_PUBLIC),
		.counter = 5,
		.title = S("phone"),
		.key_name = S(TRUST_ANA),
		.created_at_ms = now_ms,
	};
	if (store_passkey_add(tx, &p, e) < 0)
		return -1;
	const struct session s = {
		.hash = str_from(cookie),
		.person_id = person_id,
		.passkey_id = p.id,
		.bound = str_from(agent),
		.created_at_ms = now_ms,
		.used_at_ms = now_ms - INT64_C(300) * 1000,
		.expires_at_ms = now_ms + INT64_C(8) * 3600 * 1000,
	};
	if (store_session_add(tx, &s, e) < 0 ||
	    passkey_asked(tx, "link", PASSKEY_LINK, person_id, now_ms, e) < 0 ||
	    passkey_asked(tx, "register", PASSKEY_REGISTER_CHALLENGE, person_id, now_ms, e) < 0)
		return -1;
	return passkey_asked(tx, "login", PASSKEY_LOGIN_CHALLENGE, 0, now_ms, e);
}

/* A browser: "page" has no session, "session" has Ana's. */
static bool passkey_by(struct api_request *req, const char *who)
{
	bool has_session = strcmp(who, "session") == 0;
	if (!has_session && strcmp(who, "page") != 0)
		return false;
	req->host = S(PASSKEY_HOST);
	req->is_tls = true;
	req->origin = S("https://" PASSKEY_HOST);
	req->agent = S(PASSKEY_AGENT);
	req->cookie = has_session ? S("__Host-hoc=" PASSKEY_COOKIE) : S("");
	req->content_type = S("application/json");
	return true;
}
