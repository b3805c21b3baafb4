/* SPDX-License-Identifier: AGPL-3.0-or-later */
#pragma once
/*
 * Inside room api: sessions of people in browsers.
 *
 * A session is 32 random bytes in the cookie __Host-hoc (Secure, HttpOnly, SameSite=Strict), kept
 * as SHA-256. It ends 15 minutes after its last use, 8 hours after the login, at logout, with its
 * passkey, and when its person is not active any more. It is bound to the user agent that logged
 * in: docs/passkeys.md says what that is worth.
 *
 * 1. A caller with a session is a person whose key is all zero. What would outlive it (tokens,
 *    certificates, links, keys of ACME clients) takes a key and refuses him.
 * 2. What is not GET needs the header Origin of the site itself and the content type of JSON.
 * 3. A certificate counts more than a cookie; a cookie that is not good counts as none.
 * 4. A request that waits for news is no use: an open page alone keeps no session.
 */
#include "api/call.h"

enum {
	SESSION_IDLE_MS = 15 * 60 * 1000,
	SESSION_TOTAL_MS = 8 * 3600 * 1000,
	SESSION_TOUCH_MS = 60 * 1000, /* a use is noted so often */
};

/* Before the input is read: is there a cookie? Then the caller may be a person. */
void session_offer(struct api_call *c);
/* In the transaction: who that is; anyone if the session is not good. ERR_FORBIDDEN: a change
 * that did not come from a page of the site. */
MUST int session_enter(struct api_call *c, struct err *e);
/* ERR_FORBIDDEN if the caller is a session: what would outlive it takes a key. */
MUST int session_need_key(const struct api_call *c, struct err *e);
/* 1: the session of the call, 0: it has none. */
struct session;
MUST int session_of(struct api_call *c, struct session *out, struct err *e);
