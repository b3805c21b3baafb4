/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * Web Authentication, level 2: sections 6.1 (authenticator data), 7.1, 7.2; keys are RFC 8152.
 *
 *     authenticator data   rpIdHash 32 ‖ flags 1 ‖ counter 4 ‖ [credential] ‖ [extensions]
 *     credential           aaguid 16 ‖ length 2 ‖ id ‖ key (a CBOR map)
 *     signed               authenticator data ‖ SHA-256(clientDataJSON)
 */
#include "trust/webauthn.h"

#include "trust/cbor.h"
#include "trust/jose.h"
#include "trust/key.h"

enum {
	HEAD_BYTES = 37,
	AAGUID_BYTES = 16,
	COORDINATE_BYTES = 32,
	SIGNED_MAX = 64 << 10,
	CHALLENGE_MIN = 16,
	MEMBERS_MAX = 16, /* of the maps that are read */
};
enum {
	FLAG_PRESENT = 1 << 0,
	FLAG_VERIFIED = 1 << 2,
	FLAG_MAY_BE_BACKED_UP = 1 << 3,
	FLAG_BACKED_UP = 1 << 4,
	FLAG_CREDENTIAL = 1 << 6,
	FLAG_EXTENSIONS = 1 << 7,
};

/* Authenticator data as it was read; texts are parts of it. */
struct authenticator {
	uint32_t count;
	unsigned flags;
	struct str id;
	struct str key; /* the CBOR map */
};

/* ---- what both ceremonies check -------------------------------------------------------------- */

MUST static int check_client(const struct webauthn_expected *x, const struct webauthn_client *c,
			     const char *type, struct err *e)
{
	ASSERT(x->challenge.n >= CHALLENGE_MIN && x->origin.n && x->rp_id.n);
	if (!str_is(c->type, type))
		return err_field(e, "client_data.type", "is not %s", type);
	if (!trust_text_eq(c->challenge, x->challenge))
		return err_field(e, "client_data.challenge", "is not the one that was given");
	if (!str_eq(c->origin, x->origin))
		return err_field(e, "client_data.origin", "is not %" STR_F, STR_A(x->origin));
	return 0;
}

static unsigned byte_at(struct str s, size_t i)
{
	return (unsigned char)s.p[i];
}

MUST static int cut_short(struct err *e)
{
	return err_fail(e, ERR_INVALID, "is cut short");
}

/* Takes the credential off *rest. */
MUST static int take_credential(struct str *rest, struct authenticator *out, struct err *e)
{
	if (rest->n < AAGUID_BYTES + 2)
		return cut_short(e);
	size_t n = byte_at(*rest, AAGUID_BYTES) << 8 | byte_at(*rest, AAGUID_BYTES + 1);
	*rest = str_sub(*rest, AAGUID_BYTES + 2, rest->n);
	if (n == 0 || n > WEBAUTHN_ID_MAX || n > rest->n)
		return err_fail(e, ERR_INVALID, "holds no credential id of 1 to %d bytes",
				WEBAUTHN_ID_MAX);
	out->id = str_sub(*rest, 0, n);
	*rest = str_sub(*rest, n, rest->n);
	struct str key = *rest;
	if (cbor_skip(rest, e) < 0)
		return -1;
	out->key = str_sub(key, 0, key.n - rest->n);
	return 0;
}

MUST static int take_parts(struct str rest, struct authenticator *out, struct err *e)
{
	struct str extensions;
	struct cbor_item map;
	if (out->flags & FLAG_CREDENTIAL && take_credential(&rest, out, e) < 0)
		return -1;
	if (out->flags & FLAG_EXTENSIONS) {
		extensions = rest;
		if (cbor_next(&extensions, &map, e) < 0 || cbor_skip(&rest, e) < 0)
			return -1;
		if (map.kind != CBOR_MAP)
			return err_fail(e, ERR_INVALID, "has extensions that are no map");
	}
	return rest.n ? err_fail(e, ERR_INVALID, "has bytes behind its end") : 0;
}

MUST static int check_flags(unsigned flags, struct err *e)
{
	if (!(flags & FLAG_PRESENT))
		return err_fail(e, ERR_INVALID, "says that nobody was present");
	if (!(flags & FLAG_VERIFIED))
		return err_fail(e, ERR_INVALID, "says that the person was not verified");
	if (flags & FLAG_BACKED_UP && !(flags & FLAG_MAY_BE_BACKED_UP))
		return err_fail(e, ERR_INVALID, "is backed up and may not be");
	return 0;
}

MUST static int read_authenticator(const struct webauthn_expected *x, struct str data,
				   struct authenticator *out, struct err *e)
{
	struct hash rp = hash_of(x->rp_id);
	if (data.n < HEAD_BYTES)
		return cut_short(e);
	if (!trust_text_eq(str_sub(data, 0, HASH_BYTES),
			   str_of((const char *)rp.bytes, HASH_BYTES)))
		return err_fail(e, ERR_INVALID, "is for another site than %" STR_F,
				STR_A(x->rp_id));
	*out = (struct authenticator){.flags = byte_at(data, HASH_BYTES)};
	for (size_t i = HASH_BYTES + 1; i < HEAD_BYTES; i++)
		out->count = out->count << 8 | byte_at(data, i);
	if (check_flags(out->flags, e) < 0)
		return -1;
	return take_parts(str_sub(data, HEAD_BYTES, data.n), out, e);
}

/* Names the member that is wrong, unless the text is about something else. */
static int in_member(const char *member, struct err *e)
{
	if (e->kind == ERR_INVALID)
		(void)snprintf(e->field, sizeof e->field, "%s", member);
	return -1;
}

/* ---- keys ---------------------------------------------------------------------------------- */

/* Labels of a COSE key (RFC 8152, 7 and 13). */
enum { COSE_KTY = 1, COSE_ALG = 3, COSE_CRV = -1, COSE_X = -2, COSE_Y = -3 };

struct cose_key {
	int64_t kty, alg, crv;
	struct str x, y;
};

/* Members are given once: zero and NULL are "not yet". */
MUST static int take_number(int64_t *out, const struct cbor_item *value, struct err *e)
{
	if (value->kind != CBOR_INT || *out)
		return err_fail(e, ERR_INVALID, "holds a key with a wrong or second number");
	*out = value->number;
	return 0;
}

MUST static int take_coordinate(struct str *out, const struct cbor_item *value, struct err *e)
{
	if (value->kind != CBOR_BYTES || out->p)
		return err_fail(e, ERR_INVALID,
				"holds a key with a wrong or second coordinate");
	*out = value->text;
	return 0;
}

MUST static int take_label(struct cose_key *k, int64_t label, struct str *rest, struct err *e)
{
	struct cbor_item value;
	struct str at = *rest;
	if (cbor_skip(rest, e) < 0 || cbor_next(&at, &value, e) < 0)
		return -1;
	switch (label) {
	case COSE_KTY:
		return take_number(&k->kty, &value, e);
	case COSE_ALG:
		return take_number(&k->alg, &value, e);
	case COSE_CRV:
		return take_number(&k->crv, &value, e);
	case COSE_X:
		return take_coordinate(&k->x, &value, e);
	case COSE_Y:
		return take_coordinate(&k->y, &value, e);
	default:
		return 0;
	}
}

MUST static int read_cose(struct str text, struct cose_key *out, struct err *e)
{
	struct cbor_item map, label;
	struct cose_key k = {.kty = 0};
	if (cbor_next(&text, &map, e) < 0)
		return -1;
	if (map.kind != CBOR_MAP || map.count > MEMBERS_MAX)
		return err_fail(e, ERR_INVALID, "holds no key");
	for (uint64_t i = 0; i < map.count; i++) {
		if (cbor_next(&text, &label, e) < 0)
			return -1;
		if (label.kind != CBOR_INT)
			return err_fail(e, ERR_INVALID,
					"holds a key with a member that is no number");
		if (take_label(&k, label.number, &text, e) < 0)
			return -1;
	}
	*out = k;
	return 0;
}

/* ES256 on P-256, EdDSA on Ed25519. */
static const struct algorithm {
	int64_t kty, alg, crv;
	const char *jwk_kty, *jwk_crv;
	bool has_y;
} algorithms[] = {
	{2, -7, 1, "EC", "P-256", true},
	{1, -8, 6, "OKP", "Ed25519", false},
};

MUST static int public_of(struct str cose, struct arena *a, struct str *out, struct err *e)
{
	struct cose_key k;
	const struct algorithm *g = NULL;
	if (read_cose(cose, &k, e) < 0)
		return -1;
	for (size_t i = 0; i < ARRAY_LEN(algorithms) && !g; i++)
		if (algorithms[i].alg == k.alg)
			g = &algorithms[i];
	if (!g || g->kty != k.kty || g->crv != k.crv)
		return err_fail(e, ERR_INVALID,
				"holds a key of another kind than ES256, EdDSA");
	if (k.x.n != COORDINATE_BYTES || k.y.n != (g->has_y ? COORDINATE_BYTES : 0))
		return err_fail(e, ERR_INVALID, "holds a key of a wrong size");
	const struct jwk jwk = {.kty = str_from(g->jwk_kty),
				.crv = str_from(g->jwk_crv),
				.x = base64url(k.x, a),
				.y = g->has_y ? base64url(k.y, a) : S("")};
	return arena_check(a, e) < 0 ? -1 : jwk_public(&jwk, a, out, e);
}

/* ---- registration -------------------------------------------------------------------------- */

/* The member authData of an attestation object; who made the key is not asked. */
MUST static int auth_data_of(struct str object, struct str *out, struct err *e)
{
	struct cbor_item map, name, value;
	struct str found = {NULL, 0};
	if (cbor_next(&object, &map, e) < 0)
		return -1;
	if (map.kind != CBOR_MAP || map.count > MEMBERS_MAX)
		return err_fail(e, ERR_INVALID, "is no attestation");
	for (uint64_t i = 0; i < map.count; i++) {
		if (cbor_next(&object, &name, e) < 0)
			return -1;
		struct str at = object;
		if (name.kind != CBOR_TEXT)
			return err_fail(e, ERR_INVALID, "has a member without a name");
		if (cbor_skip(&object, e) < 0)
			return -1;
		if (!str_is(name.text, "authData"))
			continue;
		if (cbor_next(&at, &value, e) < 0)
			return -1;
		if (value.kind != CBOR_BYTES || found.p)
			return err_fail(e, ERR_INVALID, "has a wrong or second authData");
		found = value.text;
	}
	if (!found.p || object.n)
		return err_fail(e, ERR_INVALID,
				found.p ? "has bytes behind its end" : "has no authData");
	*out = found;
	return 0;
}

MUST int webauthn_register(const struct webauthn_expected *x, const struct webauthn_client *c,
			   struct str attestation_object, struct arena *a,
			   struct webauthn_key *out, struct err *e)
{
	struct authenticator auth;
	struct str data, public;
	if (check_client(x, c, "webauthn.create", e) < 0)
		return -1;
	if (attestation_object.n > SIGNED_MAX)
		return err_fail(e, ERR_TOO_LARGE, "an attestation has at most %d bytes",
				SIGNED_MAX);
	if (auth_data_of(attestation_object, &data, e) < 0 ||
	    read_authenticator(x, data, &auth, e) < 0)
		return in_member("attestation_object", e);
	if (!(auth.flags & FLAG_CREDENTIAL))
		return err_field(e, "attestation_object", "holds no credential");
	if (public_of(auth.key, a, &public, e) < 0)
		return in_member("attestation_object", e);
	ASSERT(public.n <= WEBAUTHN_PUBLIC_MAX);
	*out = (struct webauthn_key){
		.id = arena_dup(a, auth.id),
		.public = public,
		.count = auth.count,
		.is_backed_up = auth.flags & FLAG_BACKED_UP,
	};
	return arena_check(a, e);
}

/* ---- login --------------------------------------------------------------------------------- */

MUST static int check_signature(const struct webauthn_client *c, const struct webauthn_key *k,
				struct str data, struct str signature, struct err *e)
{
	struct buf said CLEAN(buf_fini) = BUF_INIT(SIGNED_MAX + HASH_BYTES);
	struct hash client = hash_of(c->json);
	buf_add(&said, data);
	buf_add(&said, str_of((const char *)client.bytes, HASH_BYTES));
	if (buf_check(&said, e) < 0)
		return -1;
	if (!key_is_signed_by(k->public, buf_str(&said), signature))
		return err_fail(e, ERR_FORBIDDEN, "the signature is not that of this passkey");
	return 0;
}

MUST int webauthn_login(const struct webauthn_expected *x, const struct webauthn_client *c,
			const struct webauthn_key *k, struct str authenticator_data,
			struct str signature, struct arena *a UNUSED, uint32_t *out_count,
			struct err *e)
{
	struct authenticator auth;
	if (check_client(x, c, "webauthn.get", e) < 0)
		return -1;
	if (authenticator_data.n > SIGNED_MAX)
		return err_fail(e, ERR_TOO_LARGE, "authenticator data has at most %d bytes",
				SIGNED_MAX);
	if (read_authenticator(x, authenticator_data, &auth, e) < 0)
		return in_member("authenticator_data", e);
	if (check_signature(c, k, authenticator_data, signature, e) < 0)
		return -1;
	/* Zero: this authenticator does not count. */
	if ((auth.count || k->count) && auth.count <= k->count)
		return err_fail(e, ERR_FORBIDDEN,
				"the passkey's counter went backwards: there is a copy of it");
	*out_count = auth.count;
	return 0;
}
