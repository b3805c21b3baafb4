/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* The table of operations, part passkeys: people in browsers. */
#include "api/passkey.h"

/* clang-format off */
static const struct op rows[] = {
	/* route, id, may (api/access.h), is_write, in, query, out, prepare, run, media, help */
	{GET_("/login"), "login_page", "aaaaaaaa", false, NULL, NULL, NULL, NULL, passkey_page, "text/html; charset=utf-8",
		"The page to log in with a passkey, and to see one's passkeys and sessions."},
	{GET_("/passkey"), "passkey_page", "aaaaaaaa", false, NULL, NULL, NULL, NULL, passkey_page, "text/html; charset=utf-8",
		"The page to make a passkey with; a link that lets one do so is its fragment."},
	{GET_("/passkey.js"), "passkey_page_script", "aaaaaaaa", false, NULL, NULL, NULL, NULL, passkey_page_script, "text/javascript; charset=utf-8",
		"What moves these pages."},
	{GET_("/passkey.css"), "passkey_page_style", "aaaaaaaa", false, NULL, NULL, NULL, NULL, passkey_page_style, "text/css; charset=utf-8",
		"How these pages look."},

	{POST_("/v1/passkeys/links"), "passkey_link", "-oooooo-", true, NULL, NULL, &passkey_link_out, NULL, passkey_link_post, NULL,
		"Makes a link to make a passkey with, in place of an earlier one; takes a certificate."},
	{POST_("/v1/passkeys/options"), "passkey_options", "aaaaaaaa", true, &passkey_options_in, NULL, &passkey_options_out, NULL, passkey_options_post, NULL,
		"What a browser makes a passkey of; by a link, a certificate or a fresh session."},
	{POST_("/v1/passkeys"), "passkey_add", "aaaaaaaa", true, &passkey_add_in, NULL, &passkey_out, passkey_add_prepare, passkey_add_post, NULL,
		"Takes a passkey that a browser made."},
	{DELETE_("/v1/passkeys/{passkey}"), "passkey_remove", "-oooooa-", true, NULL, NULL, &passkey_out, NULL, passkey_delete, NULL,
		"Revokes a passkey and ends its sessions."},
	{GET_("/v1/persons/{person}/passkeys"), "passkeys", "-ooooaa-", false, NULL, NULL, &passkey_list_out, NULL, passkey_list, NULL,
		"Passkeys of a person that are good."},

	{POST_("/v1/sessions/options"), "session_options", "aaaaaaaa", true, NULL, NULL, &session_options_out, NULL, session_options_post, NULL,
		"What a browser asks a passkey for."},
	{POST_("/v1/sessions"), "session_start", "aaaaaaaa", true, &session_login_in, NULL, &session_out, session_login_prepare, session_login_post, NULL,
		"Logs in with what a passkey signed: a cookie."},
	{GET_("/v1/sessions/current"), "session", "-oooooo-", false, NULL, NULL, &session_out, NULL, session_current, NULL,
		"The session of the caller."},
	{DELETE_("/v1/sessions/current"), "logout", "-oooooo-", true, NULL, NULL, &session_out, NULL, session_logout, NULL,
		"Ends the session of the caller."},
	{DELETE_("/v1/sessions/{session}"), "session_end", "-oooooa-", true, NULL, NULL, &session_out, NULL, session_delete, NULL,
		"Ends a session by its name."},
	{GET_("/v1/persons/{person}/sessions"), "sessions", "-ooooaa-", false, NULL, NULL, &session_list_out, NULL, session_list, NULL,
		"Sessions of a person."},
	{DELETE_("/v1/persons/{person}/sessions"), "sessions_end", "-oooooa-", true, NULL, NULL, &session_list_out, NULL, session_delete_all, NULL,
		"Ends all sessions of a person."},
};
/* clang-format on */

const struct op_table op_passkeys = {rows, ARRAY_LEN(rows)};
