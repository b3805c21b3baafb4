/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* What registration and login have in common: the site, secrets, what a browser says. */
#include <string.h>

#include "api/passkey.h"
#include "trust/jose.h"
#include "trust/wipe.h"

/* ---- the site ------------------------------------------------------------------------------ */

/* An address can be no site (Web Authentication, 5.1.2: a domain). */
static bool is_address(struct str host)
{
	if (host.n && host.p[0] == '[')
		return true;
	for (size_t i = 0; i < host.n; i++)
		if ((host.p[i] < '0' || host.p[i] > '9') && host.p[i] != '.')
			return false;
	return true;
}

static bool is_ours(const struct api_call *c, struct str host)
{
	const struct api_options *o = &c->api->options;
	for (size_t i = 0; i < o->name_count; i++)
		if (str_eq(o->names[i], host))
			return true;
	return false;
}

MUST int passkey_site(const struct api_call *c, struct passkey_site *out, struct err *e)
{
	struct str host = c->req->host;
	struct str name = str_sub(host, 0, str_find_char(host, ':'));
	if (!c->api->options.users)
		return err_fail(e, ERR_UNSUPPORTED,
				"this master is local: it has neither passkeys nor sessions");
	if (is_address(name) || !is_ours(c, name))
		return err_fail(
			e, ERR_FORBIDDEN,
			"passkeys belong to a host name: call the master by one of its own");
	*out = (struct passkey_site){.rp_id = name,
				     .origin = arena_fmt(c->a, "https://%" STR_F, STR_A(host))};
	return arena_check(c->a, e);
}

MUST int passkey_site_own(const struct api_call *c, struct passkey_site *out, struct err *e)
{
	if (passkey_site(c, out, e) < 0)
		return -1;
	if (!str_eq(c->req->origin, out->origin))
		return err_fail(e, ERR_FORBIDDEN, "this is only taken from pages of %" STR_F,
				STR_A(str_sub(out->origin, 0, 100)));
	return 0;
}

/* ---- secrets ------------------------------------------------------------------------------- */

struct str passkey_hash(struct arena *a, struct str text)
{
	char hex[HASH_TEXT_SIZE];
	struct hash h = hash_of(text);
	hash_text(&h, hex);
	return arena_dup(a, str_from(hex));
}

struct str passkey_secret(struct arena *a, struct str *out_hash)
{
	char text[PASSKEY_SECRET_SIZE];
	trust_random_text(PASSKEY_SECRET_BYTES, text, sizeof text);
	struct str made = arena_dup(a, str_from(text));
	*out_hash = passkey_hash(a, made);
	trust_wipe(text, sizeof text);
	return made;
}

struct str passkey_handle(const struct api_call *c, struct str person)
{
	struct str cloud = str_from(c->api->options.cloud);
	struct hash h = hash_of(arena_fmt(c->a, "hoc-passkey-user-v1\n%" STR_F "\n%" STR_F "\n",
					  STR_A(cloud), STR_A(person)));
	return base64url(str_of((const char *)h.bytes, HASH_BYTES), c->a);
}

MUST int passkey_challenge(struct api_call *c, const char *purpose, int64_t person_id,
			   struct str key_name, int64_t for_ms, struct str *out, struct err *e)
{
	struct passkey_challenge k = {
		.purpose = str_from(purpose),
		.person_id = person_id,
		.key_name = key_name,
		.expires_at_ms = c->now_ms + for_ms,
	};
	*out = passkey_secret(c->a, &k.hash);
	if (arena_check(c->a, e) < 0 || store_challenge_purge(c->tx, c->now_ms, e) < 0)
		return -1;
	if (person_id && store_challenge_take_of(c->tx, person_id, k.purpose, e) < 0)
		return -1;
	return store_challenge_add(c->tx, &k, person_id ? INT32_MAX : PASSKEY_LOGINS_MAX, e);
}

/* ---- what a browser says ------------------------------------------------------------------- */

/* clang-format off */
struct client_data { struct str type, challenge, origin; bool is_cross; };
static const struct json_field client_fields[] = {
	JSON_STR(struct client_data, type, "type", 1, 100, JSON_REQUIRED, "What was done."),
	JSON_STR(struct client_data, challenge, "challenge", 1, 200, JSON_REQUIRED, "What was asked, base64url."),
	JSON_STR(struct client_data, origin, "origin", 1, 1000, JSON_REQUIRED, "Where the page is from."),
	JSON_BOOL(struct client_data, is_cross, "crossOrigin", 0, "Within a page of others."),
};
static const struct json_desc client_desc = {
	.name = "ClientData", .help = "Collected by the browser.", .bytes = sizeof(struct client_data),
	.fields = client_fields, .n_fields = ARRAY_LEN(client_fields), .is_open = true};
/* clang-format on */

static int in_field(struct err *e, const char *field)
{
	if (e->kind == ERR_INVALID)
		(void)snprintf(e->field, sizeof e->field, "%s", field);
	return -1;
}

MUST int passkey_bytes(struct str text, const char *field, struct arena *a, struct str *out,
		       struct err *e)
{
	return base64url_read(text, a, out, e) < 0 ? in_field(e, field) : 0;
}

MUST int passkey_client(struct str text, struct arena *a, struct webauthn_client *out,
			struct str *challenge, struct err *e)
{
	struct client_data d;
	struct webauthn_client c = {.json = S("")};
	if (passkey_bytes(text, "client_data", a, &c.json, e) < 0)
		return -1;
	if (json_read(&client_desc, c.json, a, &d, e) < 0)
		return in_field(e, "client_data");
	if (d.is_cross)
		return err_field(e, "client_data.crossOrigin",
				 "is true: not within pages of others");
	if (passkey_bytes(d.challenge, "client_data.challenge", a, &c.challenge, e) < 0)
		return -1;
	if (c.challenge.n != PASSKEY_SECRET_BYTES)
		return err_field(e, "client_data.challenge", "is not of %d bytes",
				 PASSKEY_SECRET_BYTES);
	c.type = d.type;
	c.origin = d.origin;
	*challenge = d.challenge;
	*out = c;
	return 0;
}
