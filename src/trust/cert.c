/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * Reading certificates. The library parses; what it gives is held to our own, narrower rules: one
 * name of ours at most, DNS names of plain characters without NUL, serials that fit, version 3.
 */
#include "trust/cert.h"

#include <arpa/inet.h>

#include "trust/cert_impl.h"

enum { SAN_BYTES = 1024, CN_BYTES = 256 };

static const char *const kind_words[CERT_KINDS] = {
	[CERT_PERSON] = "person", [CERT_NODE] = "node",	      [CERT_INSTANCE] = "instance",
	[CERT_MASTER] = "master", [CERT_SERVICE] = "service", [CERT_AUTHORITY] = "authority",
};

const char *cert_kind_word(enum cert_kind kind)
{
	ASSERT(kind < CERT_KINDS);
	return kind_words[kind];
}

MUST int cert_kind_read(struct str word, enum cert_kind *out, struct err *e)
{
	for (enum cert_kind k = 0; k < CERT_KINDS; k++)
		if (str_is(word, kind_words[k])) {
			*out = k;
			return 0;
		}
	return err_field(e, "kind", "is no kind of certificate");
}

void crt_freep(gnutls_x509_crt_t *c)
{
	if (*c)
		gnutls_x509_crt_deinit(*c);
}

/* ---- names ---- */

bool cert_is_name(struct str name)
{
	if (!name.n || name.n > 64)
		return false;
	for (size_t i = 0; i < name.n; i++) {
		char c = name.p[i];
		bool is_word = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
			       (c >= '0' && c <= '9');
		if (!is_word && !strchr("._@-", c ? c : ' '))
			return false;
	}
	return true;
}

bool cert_uri_read(struct str uri, enum cert_kind *out_kind, struct str *out_name)
{
	if (!str_starts(uri, S("hoc:")))
		return false;
	struct str rest = str_sub(uri, 4, uri.n);
	size_t n = str_find_char(rest, ':');
	struct str word = str_sub(rest, 0, n), name = str_sub(rest, n + 1, rest.n);
	for (enum cert_kind k = 0; k < CERT_SERVICE; k++)
		if (str_is(word, kind_words[k]) && cert_is_name(name)) {
			*out_kind = k;
			*out_name = name;
			return true;
		}
	return false;
}

size_t cert_address(struct str text, uint8_t out[static 16])
{
	char c[INET6_ADDRSTRLEN];
	if (text.n >= sizeof c)
		return 0;
	(void)snprintf(c, sizeof c, "%" STR_F, STR_A(text));
	if (inet_pton(AF_INET, c, out) == 1)
		return 4;
	return inet_pton(AF_INET6, c, out) == 1 ? 16 : 0;
}

static struct str address_text(const uint8_t *bytes, size_t n, struct arena *a)
{
	char c[INET6_ADDRSTRLEN];
	if (!inet_ntop(n == 4 ? AF_INET : AF_INET6, bytes, c, sizeof c))
		return S("");
	return arena_dup(a, str_from(c));
}

static bool is_dns_label(struct str label)
{
	if (!label.n || label.n > 63 || label.p[0] == '-' || label.p[label.n - 1] == '-')
		return false;
	for (size_t i = 0; i < label.n; i++) {
		char c = label.p[i];
		if (!((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '_'))
			return false;
	}
	return true;
}

static bool is_dns_name(struct str name)
{
	struct str rest = str_starts(name, S("*.")) ? str_sub(name, 2, name.n) : name, label;
	if (!name.n || name.n > CERT_NAME_MAX)
		return false;
	while (str_split(&rest, '.', &label))
		if (!is_dns_label(label))
			return false;
	return true;
}

MUST int cert_name_take(struct str text, struct arena *a, struct str *out, struct err *e)
{
	uint8_t bytes[16];
	size_t n = cert_address(text, bytes);
	if (n) {
		*out = address_text(bytes, n, a);
		return arena_check(a, e);
	}
	char *copy = arena_alloc(a, text.n + 1);
	if (!copy)
		return arena_check(a, e);
	for (size_t i = 0; i < text.n; i++)
		copy[i] = text.p[i] >= 'A' && text.p[i] <= 'Z' ? (char)(text.p[i] | 0x20)
							       : text.p[i];
	if (!is_dns_name(str_of(copy, text.n)))
		return err_field(e, "names", "has a name that is no DNS name and no address");
	*out = str_of(copy, text.n);
	return 0;
}

static int san_add(struct cert_san *s, unsigned type, struct str text, struct arena *a,
		   struct err *e)
{
	struct str *to = &s->names.items[s->names.count];
	if (type == GNUTLS_SAN_URI && str_starts(text, S("hoc:"))) {
		if (s->uri.n)
			return err_fail(e, ERR_INVALID, "it has two names of ours");
		s->uri = arena_dup(a, text);
		return arena_check(a, e);
	}
	if (type == GNUTLS_SAN_DNSNAME) {
		uint8_t bytes[16];
		if (cert_address(text, bytes))
			return err_field(e, "names", "has an address as a DNS name");
		if (cert_name_take(text, a, to, e) < 0)
			return -1;
	} else if (type == GNUTLS_SAN_IPADDRESS) {
		if (text.n != 4 && text.n != 16)
			return err_field(e, "names", "has an address of %zu bytes", text.n);
		*to = address_text((const uint8_t *)text.p, text.n, a);
	} else {
		return 0; /* other kinds mean nothing to us */
	}
	s->names.count++;
	return arena_check(a, e);
}

MUST int cert_san_read(cert_san_fn *read, const void *of, struct arena *a, struct cert_san *out,
		       struct err *e)
{
	struct cert_san s = {.names.items = ARENA_ARRAY(a, struct str, CERT_NAMES_MAX),
			     .uri = S("")};
	if (!s.names.items)
		return arena_check(a, e);
	for (unsigned i = 0; i < 2 * CERT_NAMES_MAX; i++) {
		char text[SAN_BYTES];
		size_t n = sizeof text;
		unsigned type = 0;
		int rc = read(of, i, text, &n, &type);
		if (rc == GNUTLS_E_REQUESTED_DATA_NOT_AVAILABLE) {
			*out = s;
			return 0;
		}
		if (rc < 0)
			return gnutls_fail_impl(e, ERR_INVALID, rc, "names");
		if (s.names.count == CERT_NAMES_MAX)
			break;
		if (san_add(&s, type, str_of(text, n), a, e) < 0)
			return -1;
	}
	return err_field(e, "names", "are more than %d", CERT_NAMES_MAX);
}

static int crt_san(const void *of, unsigned n, void *out, size_t *size, unsigned *type)
{
	gnutls_x509_crt_t const *crt = of;
	return gnutls_x509_crt_get_subject_alt_name2(*crt, n, out, size, type, NULL);
}

bool cert_has_host(const struct cert *c, struct str host)
{
	uint8_t want[16], have[16];
	size_t n = cert_address(host, want);
	for (size_t i = 0; i < c->names.count; i++) {
		struct str name = c->names.items[i];
		size_t m = cert_address(name, have);
		if (n || m) {
			if (n == m && memcmp(want, have, n) == 0)
				return true;
			continue;
		}
		struct str left = host;
		if (str_starts(name, S("*."))) {
			size_t dot = str_find_char(host, '.');
			if (dot == 0)
				continue;
			name = str_sub(name, 1, name.n);
			left = str_sub(host, dot, host.n);
		}
		if (name.n && name.n == left.n && strncasecmp(name.p, left.p, name.n) == 0)
			return true;
	}
	return false;
}

/* ---- one certificate ---- */

bool cert_serial_text(const uint8_t *bytes, size_t n, char out[static CERT_SERIAL_SIZE])
{
	while (n > 1 && !*bytes) {
		bytes++;
		n--;
	}
	if (!n || 2 * n >= CERT_SERIAL_SIZE)
		return false;
	str_hex(bytes, n, out);
	return true;
}

static int learn_serial(gnutls_x509_crt_t crt, struct cert *c, struct err *e)
{
	uint8_t bytes[64];
	size_t n = sizeof bytes;
	int rc = gnutls_x509_crt_get_serial(crt, bytes, &n);
	if (rc < 0)
		return gnutls_fail_impl(e, ERR_INVALID, rc, "serial");
	if (!cert_serial_text(bytes, n, c->serial))
		return err_fail(e, ERR_INVALID, "its serial is too long");
	return 0;
}

static int learn_public(gnutls_x509_crt_t crt, struct arena *a, struct cert *c, struct err *e)
{
	gnutls_pubkey_t p CLEAN(pubkey_freep) = NULL;
	int rc = gnutls_pubkey_init(&p);
	if (rc == 0)
		rc = gnutls_pubkey_import_x509(p, crt, 0);
	if (rc < 0)
		return gnutls_fail_impl(e, ERR_INVALID, rc, "public key");
	if (key_public_der(p, a, &c->public, e) < 0)
		return -1;
	c->key = hash_of(c->public);
	return 0;
}

static int learn_purposes(gnutls_x509_crt_t crt, struct cert *c, struct err *e)
{
	unsigned is_ca = 0;
	for (unsigned i = 0;; i++) {
		char oid[128];
		size_t n = sizeof oid;
		int rc = gnutls_x509_crt_get_key_purpose_oid(crt, i, oid, &n, NULL);
		if (rc == GNUTLS_E_REQUESTED_DATA_NOT_AVAILABLE)
			break;
		if (rc < 0)
			return gnutls_fail_impl(e, ERR_INVALID, rc, "purposes");
		c->is_client |= strcmp(oid, CERT_OID_CLIENT) == 0;
		c->is_server |= strcmp(oid, CERT_OID_SERVER) == 0;
	}
	int rc = gnutls_x509_crt_get_basic_constraints(crt, NULL, &is_ca, NULL);
	if (rc < 0 && rc != GNUTLS_E_REQUESTED_DATA_NOT_AVAILABLE)
		return gnutls_fail_impl(e, ERR_INVALID, rc, "basic constraints");
	c->is_authority = rc >= 0 && is_ca;
	return 0;
}

static int learn_times(gnutls_x509_crt_t crt, struct cert *c, struct err *e)
{
	time_t from = gnutls_x509_crt_get_activation_time(crt);
	time_t to = gnutls_x509_crt_get_expiration_time(crt);
	if (from == (time_t)-1 || to == (time_t)-1)
		return err_fail(e, ERR_INVALID, "its times are not readable");
	c->from_ms = (int64_t)from * 1000;
	c->to_ms = (int64_t)to * 1000;
	return 0;
}

/* The common name of the subject, or of the issuer; "" if there is none. */
static int learn_common(gnutls_x509_crt_t crt, bool is_issuer, struct arena *a, struct str *out,
			struct err *e)
{
	char text[CN_BYTES];
	size_t n = sizeof text;
	int rc = is_issuer ? gnutls_x509_crt_get_issuer_dn_by_oid(
				     crt, GNUTLS_OID_X520_COMMON_NAME, 0, 0, text, &n)
			   : gnutls_x509_crt_get_dn_by_oid(crt, GNUTLS_OID_X520_COMMON_NAME, 0,
							   0, text, &n);
	if (rc == GNUTLS_E_REQUESTED_DATA_NOT_AVAILABLE)
		n = 0;
	else if (rc < 0)
		return gnutls_fail_impl(e, ERR_INVALID, rc, "common name");
	if (!str_is_utf8(str_of(text, n)) || memchr(text, 0, n))
		return err_fail(e, ERR_INVALID, "its common name is no text");
	*out = arena_dup(a, str_of(text, n));
	return arena_check(a, e);
}

static int learn_name(gnutls_x509_crt_t crt, struct arena *a, struct cert *c, struct err *e)
{
	struct cert_san san;
	if (cert_san_read(crt_san, &crt, a, &san, e) < 0 ||
	    learn_common(crt, true, a, &c->issuer, e) < 0 ||
	    learn_common(crt, false, a, &c->name, e) < 0)
		return -1;
	c->names = san.names;
	c->kind = c->is_authority ? CERT_AUTHORITY : CERT_SERVICE;
	if (c->kind == CERT_SERVICE && san.uri.n && !cert_uri_read(san.uri, &c->kind, &c->name))
		return err_fail(e, ERR_INVALID, "its name of ours is not readable");
	if (!c->name.n && c->names.count)
		c->name = c->names.items[0];
	return 0;
}

MUST int cert_learn(gnutls_x509_crt_t crt, struct arena *a, struct cert *out, struct err *e)
{
	struct cert c = {.kind = CERT_SERVICE};
	gnutls_datum_t der CLEAN(datum_freep) = {NULL, 0};
	int rc = gnutls_x509_crt_export2(crt, GNUTLS_X509_FMT_DER, &der);
	if (rc < 0)
		return gnutls_fail_impl(e, ERR_INVALID, rc, "certificate");
	if (der.size > CERT_DER_MAX)
		return err_fail(e, ERR_INVALID, "the certificate has %u bytes", der.size);
	if (gnutls_x509_crt_get_version(crt) != 3)
		return err_fail(e, ERR_INVALID, "the certificate is not of version 3");
	c.der = arena_dup(a, datum_str(&der));
	if (arena_check(a, e) < 0 || learn_serial(crt, &c, e) < 0 ||
	    learn_public(crt, a, &c, e) < 0 || learn_purposes(crt, &c, e) < 0 ||
	    learn_times(crt, &c, e) < 0 || learn_name(crt, a, &c, e) < 0)
		return err_in(e, "certificate");
	*out = c;
	return 0;
}

/* ---- texts ---- */

/* A DER text is one SEQUENCE and nothing after it. */
static bool is_one_sequence(struct str s)
{
	const uint8_t *p = (const uint8_t *)s.p;
	if (s.n < 2 || p[0] != 0x30)
		return false;
	size_t n = p[1], head = 2;
	if (n & 0x80) {
		size_t bytes = n & 0x7f;
		if (!bytes || bytes > 3 || s.n < 2 + bytes)
			return false;
		for (n = 0; bytes; bytes--)
			n = n << 8 | p[head++];
	}
	return n == s.n - head;
}

MUST int cert_import(struct str text, gnutls_x509_crt_t *out, size_t max, size_t *count,
		     struct err *e)
{
	gnutls_datum_t d = datum_of(text);
	unsigned n = (unsigned)max;
	bool is_der = text.n && text.p[0] == 0x30;
	if (!text.n || text.n > max * 2 * CERT_DER_MAX)
		return err_fail(e, ERR_INVALID, "%zu bytes are no certificate", text.n);
	if (is_der && !is_one_sequence(text))
		return err_fail(e, ERR_INVALID, "bytes are missing, or too many, in the DER");
	int rc = gnutls_x509_crt_list_import(out, &n, &d,
					     is_der ? GNUTLS_X509_FMT_DER : GNUTLS_X509_FMT_PEM,
					     GNUTLS_X509_CRT_LIST_IMPORT_FAIL_IF_EXCEED);
	/* The library frees what it read before it failed, and leaves the pointers. */
	if (rc <= 0)
		memset(out, 0, max * sizeof *out);
	if (rc == GNUTLS_E_SHORT_MEMORY_BUFFER)
		return err_fail(e, ERR_INVALID, "more than %zu certificates", max);
	if (rc <= 0)
		return gnutls_fail_impl(e, ERR_INVALID, rc ? rc : GNUTLS_E_NO_CERTIFICATE_FOUND,
					"certificate");
	*count = (size_t)rc;
	return 0;
}

MUST int cert_read(struct str text, struct arena *a, struct cert *out, struct err *e)
{
	gnutls_x509_crt_t crt CLEAN(crt_freep) = NULL;
	size_t n = 0;
	if (cert_import(text, &crt, 1, &n, e) < 0)
		return -1;
	return cert_learn(crt, a, out, e);
}

MUST int cert_chain_read(struct str pem, struct arena *a, struct cert **out, size_t *count,
			 struct err *e)
{
	gnutls_x509_crt_t crt[CERT_CHAIN_MAX] = {NULL};
	struct cert *chain = ARENA_ARRAY(a, struct cert, CERT_CHAIN_MAX);
	size_t n = 0;
	int rc = arena_check(a, e);
	if (rc == 0)
		rc = cert_import(pem, crt, CERT_CHAIN_MAX, &n, e);
	if (rc < 0)
		return -1;
	for (size_t i = 0; i < n; i++) {
		if (rc == 0)
			rc = cert_learn(crt[i], a, &chain[i], e);
		crt_freep(&crt[i]);
	}
	if (rc == 0) {
		*out = chain;
		*count = n;
	}
	return rc;
}

struct str cert_pem(struct str der, struct arena *a)
{
	gnutls_datum_t d = datum_of(der), pem CLEAN(datum_freep) = {NULL, 0};
	if (gnutls_pem_base64_encode2("CERTIFICATE", &d, &pem) < 0)
		return S("");
	return arena_dup(a, datum_str(&pem));
}

struct hash cert_fingerprint(const struct cert *c)
{
	return hash_of(c->der);
}
