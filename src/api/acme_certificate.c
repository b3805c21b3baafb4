/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Certificates: handed out (RFC 8555 7.4.2), revoked (7.6), and when to renew them (RFC 9773). */
#include "api/acme.h"
#include "api/issue.h"
#include "api/views.h"
#include "store/certificate.h"
#include "trust/jose_cert.h"

#define PEM_MEDIA "application/pem-certificate-chain"
#define RENEWAL_RETRY_S "21600"

enum { REASON_NONE = 0, REASON_COMPROMISE = 1 };

/* clang-format off */
struct revoke_in { struct str certificate; int64_t reason; };
static const struct json_field revoke_fields[] = {
	JSON_STR(struct revoke_in, certificate, "certificate", 1, 32768, JSON_REQUIRED, "Its DER, base64url."),
	JSON_I64(struct revoke_in, reason, "reason", INT64_MIN, INT64_MAX, 0, "RFC 5280 5.3.1."),
};
static const struct json_desc revoke_desc = {
	.name = "AcmeRevoke", .help = "A certificate.", .bytes = sizeof(struct revoke_in),
	.fields = revoke_fields, .n_fields = ARRAY_LEN(revoke_fields), .is_open = true};

struct window { struct str start, end; };
static const struct json_field window_fields[] = {
	JSON_STR(struct window, start, "start", 0, INT64_MAX, 0, "From."),
	JSON_STR(struct window, end, "end", 0, INT64_MAX, 0, "To."),
};
static const struct json_desc window_desc = JSON_DESC(struct window, window_fields, "AcmeWindow", "A span.");
struct renewal { struct window window; };
static const struct json_field renewal_fields[] = {
	JSON_STRUCT(struct renewal, window, struct window, "suggestedWindow", &window_desc, 0, "When to renew."),
};
const struct json_desc acme_renewal_out = JSON_DESC(struct renewal, renewal_fields, "AcmeRenewal", "When a certificate is to be renewed.");
/* clang-format on */

MUST static int certificate_get(struct acme *m, struct err *e)
{
	struct acme_order o;
	if (acme_order_of(m, m->c->params[0], &o, e) < 0)
		return -1;
	if (m->payload.n)
		return acme_fail(m, e, ACME_MALFORMED,
				 "a certificate is read with an empty payload");
	if (o.status != ACME_VALID)
		return acme_fail(m, e, ACME_NOT_FOUND, "the order has no certificate");
	return call_answer_text(m->c, 200, PEM_MEDIA, o.certificate, e);
}

MUST int acme_certificate_get(struct api_call *c, struct err *e)
{
	return acme_serve(c, certificate_get, e);
}

/* ---- revocation ---------------------------------------------------------------------------- */

static bool is_reason(int64_t reason)
{
	/* Of RFC 5280, those that the holder of a key can know: unspecified, keyCompromise,
	 * affiliationChanged, superseded, cessationOfOperation. */
	return reason == 0 || reason == 1 || reason == 3 || reason == 4 || reason == 5;
}

/* Does the account hold authorizations for all its names now? 1 or 0. */
MUST static int holds_all(struct acme *m, const struct certificate *x, struct err *e)
{
	struct api_call *c = m->c;
	struct json *list;
	if (json_parse(x->names_json, c->a, &list, e) < 0)
		return -1;
	for (size_t i = 0; i < json_count(list); i++) {
		struct str name = json_str_of(json_at(list, i), S(""));
		bool is_wildcard = str_starts(name, S("*."));
		int rc = store_acme_authorization_holds(
			c->tx, m->account.id, str_sub(name, is_wildcard ? 2 : 0, name.n),
			is_wildcard, c->now_ms, e);
		if (rc <= 0)
			return rc;
	}
	return json_count(list) > 0;
}

/* The account that ordered it, one that proves all its names, or its own key (7.6). */
MUST static int check_right(struct acme *m, const struct cert *cert,
			    const struct certificate *x, struct err *e)
{
	int rc;
	if (m->signer == ACME_BY_KEY)
		rc = str_eq(m->key, cert->public);
	else if (str_eq(x->owner, m->account.name))
		rc = 1;
	else
		rc = holds_all(m, x, e);
	if (rc < 0)
		return -1;
	if (rc == 0)
		return acme_fail(m, e, ACME_UNAUTHORIZED,
				 "the certificate is not this %s's to revoke",
				 m->signer == ACME_BY_KEY ? "key" : "account");
	return 0;
}

/* The stored certificate that is, byte for byte, the one given. */
MUST static int find_certificate(struct acme *m, struct str der, struct cert *cert,
				 struct certificate *out, struct err *e)
{
	struct api_call *c = m->c;
	struct cert stored;
	if (cert_read(der, c->a, cert, e) < 0)
		return acme_fail_as(m, ACME_MALFORMED, e);
	int rc = store_certificate_find(c->tx, c->a, str_from(cert->serial), out, e);
	if (rc < 0)
		return -1;
	if (rc > 0 && cert_read(out->pem, c->a, &stored, e) < 0)
		return err_in(e, "stored certificate");
	if (rc == 0 || !str_is(out->kind, "service") || !str_eq(stored.der, cert->der))
		return acme_fail(m, e, ACME_NOT_FOUND, "no such certificate was issued here");
	return 0;
}

MUST static int revoke(struct acme *m, struct err *e)
{
	struct api_call *c = m->c;
	struct revoke_in in;
	struct str der;
	struct cert cert;
	struct certificate x;
	if (acme_payload(m, &revoke_desc, &in, e) < 0)
		return -1;
	if (base64url_read(in.certificate, c->a, &der, e) < 0)
		return acme_fail_as(m, ACME_MALFORMED, e);
	if (find_certificate(m, der, &cert, &x, e) < 0 || check_right(m, &cert, &x, e) < 0)
		return -1;
	if (!is_reason(in.reason))
		return acme_fail(m, e, ACME_BAD_REVOCATION_REASON, "reason is 0, 1, 3, 4 or 5");
	if (x.revoked_at_ms)
		return acme_fail(m, e, ACME_ALREADY_REVOKED, "the certificate is revoked");
	if (issue_revoke(c, x.serial, (int)in.reason, e) < 0)
		return -1;
	return call_answer_text(c, 200, "application/json", S(""), e);
}

MUST int acme_revoke(struct api_call *c, struct err *e)
{
	return acme_serve(c, revoke, e);
}

/* ---- when to renew ------------------------------------------------------------------------- */

MUST int acme_renewal_find(struct api_call *c, struct str id, struct certificate *out,
			   struct err *e)
{
	struct str serial, real;
	struct cert cert;
	if (jose_cert_id_serial(id, c->a, &serial, e) < 0)
		return e->kind == ERR_INVALID ? 0 : -1;
	int rc = store_certificate_find(c->tx, c->a, serial, out, e);
	if (rc <= 0)
		return rc;
	if (cert_read(out->pem, c->a, &cert, e) < 0 ||
	    jose_cert_id(cert.der, c->a, &real, e) < 0)
		return err_in(e, "stored certificate");
	return str_eq(id, real);
}

MUST int acme_renewal_info(struct api_call *c, struct err *e)
{
	struct certificate x;
	int64_t start, end;
	if (acme_check_master(c, e) < 0)
		return -1;
	acme_headers(c);
	int rc = acme_renewal_find(c, c->params[0], &x, e);
	if (rc < 0)
		return -1;
	if (rc == 0 || !str_is(x.kind, "service"))
		return acme_answer_problem(
			c,
			&(struct acme_problem){
				.error = ACME_NOT_FOUND,
				.text = S("no such certificate was issued here")},
			e);
	acme_window(x.from_ms, x.to_ms, x.revoked_at_ms, &start, &end);
	const struct renewal v = {.window = {view_at(c->a, start), view_at(c->a, end)}};
	acme_header(c, "Retry-After", S(RENEWAL_RETRY_S));
	return call_answer(c, 200, &acme_renewal_out, &v, e);
}
