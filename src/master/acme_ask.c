/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "master/acme_ask.h"

#include <inttypes.h>
#include <strings.h>

#include "http/client.h"
#include "trust/jose.h"
#include "trust/tls.h"

#define PATH_HEAD "/.well-known/acme-challenge/"
#define ALPN "acme-tls/1"

enum { HTTP_PORT = 80, TARGET_MAX = 2000 };

static void find(struct acme_answer *out, enum acme_finding finding, struct str text)
{
	*out = (struct acme_answer){finding, text};
}

/* The addresses that may be asked; if there is none, why. */
MUST static int addresses_of(const struct acme_net *n, struct str name, struct arena *a,
			     struct acme_address **out, size_t *count, struct acme_answer *why)
{
	struct err e = ERR_INIT;
	struct acme_address *list;
	size_t all, may = 0;
	if (acme_dns_addresses(n, name, a, &list, &all, &e) < 0) {
		find(why, ACME_NO_NAME, arena_dup(a, str_from(e.text)));
		return -1;
	}
	for (size_t i = 0; i < all; i++)
		if (acme_address_may(list[i].bytes, n->allowed, n->allowed_count))
			list[may++] = list[i];
	if (!may) {
		find(why, ACME_NO_CONNECTION,
		     arena_fmt(a,
			       "%" STR_F
			       " leads to an address that is not public; the operator "
			       "may allow its network (acme.allow_networks)",
			       STR_A(name)));
		return -1;
	}
	*out = list;
	*count = may;
	return 0;
}

static struct str digest_of(const struct acme_work *w, struct arena *a)
{
	struct hash h = hash_of(w->key_authorization);
	return base64url(str_of((const char *)h.bytes, sizeof h.bytes), a);
}

/* ---- dns-01 (8.4) -------------------------------------------------------------------------- */

static void ask_dns(const struct acme_net *n, const struct acme_work *w, struct arena *a,
		    struct acme_answer *out)
{
	struct err e = ERR_INIT;
	struct str *texts, want = digest_of(w, a);
	struct str name = arena_fmt(a, "_acme-challenge.%" STR_F, STR_A(w->identifier));
	size_t count = 0;
	if (acme_dns_txt(n, name, a, &texts, &count, &e) < 0) {
		find(out, ACME_NO_NAME, arena_dup(a, str_from(e.text)));
		return;
	}
	for (size_t i = 0; i < count; i++)
		if (str_eq(texts[i], want)) {
			find(out, ACME_PROVEN, S(""));
			return;
		}
	find(out, ACME_OTHER_ANSWER,
	     arena_fmt(a, "none of %zu TXT records of %" STR_F " is the one wanted", count,
		       STR_A(name)));
}

/* ---- http-01 (8.3) ------------------------------------------------------------------------- */

/* Letters, digits, points, hyphens; with a letter, so that it is no address. */
static bool is_host(struct str host)
{
	bool has_letter = false;
	for (size_t i = 0; i < host.n; i++) {
		char c = host.p[i];
		bool is_letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
		has_letter |= is_letter;
		if (!is_letter && !(c >= '0' && c <= '9') && c != '-' && c != '.')
			return false;
	}
	return has_letter;
}

/* Where a redirect leads, if it may be followed. */
static bool read_location(const struct acme_net *n, struct str location, struct str *host,
			  struct str *path)
{
	struct str head = S("http://");
	if (location.n > TARGET_MAX || location.n < head.n ||
	    strncasecmp(location.p, head.p, head.n) != 0)
		return false;
	struct str rest = str_sub(location, head.n, location.n);
	size_t slash = str_find_char(rest, '/');
	struct str authority = str_sub(rest, 0, slash);
	size_t colon = str_find_char(authority, ':');
	int64_t port = HTTP_PORT;
	struct err ignored;
	if (colon < authority.n && str_to_i64(str_sub(authority, colon + 1, authority.n), 1,
					      65535, &port, &ignored) < 0)
		return false;
	*host = str_sub(authority, 0, colon);
	*path = slash < rest.n ? str_sub(rest, slash, rest.n) : S("/");
	return is_host(*host) && (port == HTTP_PORT || port == n->http_port);
}

struct page {
	struct str host, path;
};

/* One request to one address. */
MUST static int fetch(const struct acme_net *n, const struct page *p,
		      const struct acme_address *x, struct arena *a, struct http_response *out,
		      struct err *e)
{
	struct http_client *client CLEAN(http_client_closep) = NULL;
	const struct http_client_options options = {.connect_timeout_ms = ACME_ASK_MS,
						    .timeout_ms = ACME_ASK_MS,
						    .max_response_bytes = ACME_BODY_MAX,
						    .is_direct = true};
	const struct http_request_header host = {"Host", p->host};
	const struct http_request req = {
		.method = HTTP_GET,
		.target =
			arena_fmt(a, x->is_v6 ? "http://[%s]:%u%" STR_F : "http://%s:%u%" STR_F,
				  x->text, n->http_port, STR_A(p->path)),
		.headers = &host,
		.header_count = 1,
	};
	if (arena_check(a, e) < 0 || http_client_open(&options, &client, e) < 0)
		return -1;
	return http_fetch(client, &req, a, out, e);
}

/* From the first address that answers. */
MUST static int fetch_any(const struct acme_net *n, const struct page *p, struct arena *a,
			  struct http_response *r, struct acme_answer *out)
{
	struct err e = ERR_INIT;
	struct acme_address *list;
	size_t count;
	if (addresses_of(n, p->host, a, &list, &count, out) < 0)
		return -1;
	for (size_t i = 0; i < count && !atomic_load(n->is_stopping); i++) {
		if (fetch(n, p, &list[i], a, r, &e) == 0)
			return 0;
		if (e.kind == ERR_TOO_LARGE) {
			find(out, ACME_OTHER_ANSWER, S("the answer is too long"));
			return -1;
		}
	}
	find(out, ACME_NO_CONNECTION,
	     arena_fmt(a, "no answer from %" STR_F " on port %u", STR_A(p->host),
		       n->http_port));
	return -1;
}

static bool is_redirect(unsigned status)
{
	return status == 301 || status == 302 || status == 303 || status == 307 ||
	       status == 308;
}

static void judge_page(const struct acme_work *w, const struct http_response *r,
		       struct arena *a, struct acme_answer *out)
{
	struct str body = r->body;
	while (body.n && (unsigned char)body.p[body.n - 1] <= ' ')
		body.n--;
	if (r->status != 200)
		find(out, ACME_OTHER_ANSWER, arena_fmt(a, "status %u, not 200", r->status));
	else if (!str_eq(body, w->key_authorization))
		find(out, ACME_OTHER_ANSWER, S("the page is not the key authorization"));
	else
		find(out, ACME_PROVEN, S(""));
}

static void ask_http(const struct acme_net *n, const struct acme_work *w, struct arena *a,
		     struct acme_answer *out)
{
	struct page p = {w->identifier, arena_fmt(a, PATH_HEAD "%" STR_F, STR_A(w->token))};
	for (unsigned i = 0;; i++) {
		struct http_response r;
		if (fetch_any(n, &p, a, &r, out) < 0)
			return;
		if (!is_redirect(r.status)) {
			judge_page(w, &r, a, out);
			return;
		}
		if (i == ACME_REDIRECTS ||
		    !read_location(n, http_response_header(&r, "Location"), &p.host, &p.path)) {
			find(out, ACME_OTHER_ANSWER,
			     S("a redirect that is not followed: only to http:// and a DNS "
			       "name, on port 80, three at most"));
			return;
		}
	}
}

/* ---- tls-alpn-01 (RFC 8737) ---------------------------------------------------------------- */

static void judge_certificate(const struct acme_work *w, const struct cert *c, struct str ext,
			      bool is_agreed, struct acme_answer *out)
{
	struct hash want = hash_of(w->key_authorization);
	if (!is_agreed)
		find(out, ACME_NO_TLS, S("the server did not agree to " ALPN));
	else if (c->names.count != 1 || !str_eq(c->names.items[0], w->identifier))
		find(out, ACME_OTHER_ANSWER,
		     S("the certificate shown is not for this name alone"));
	else if (!str_eq(ext, str_of((const char *)want.bytes, sizeof want.bytes)))
		find(out, ACME_OTHER_ANSWER,
		     S("the certificate's acmeIdentifier is not the one wanted"));
	else
		find(out, ACME_PROVEN, S(""));
}

static void ask_tls(const struct acme_net *n, const struct acme_work *w, struct arena *a,
		    struct acme_answer *out)
{
	struct acme_address *list;
	size_t count;
	const char *name = arena_cstr(a, w->identifier);
	if (addresses_of(n, w->identifier, a, &list, &count, out) < 0)
		return;
	find(out, ACME_NO_CONNECTION, S("not asked"));
	for (size_t i = 0; i < count && !atomic_load(n->is_stopping); i++) {
		struct err e = ERR_INIT;
		struct cert c;
		struct str ext;
		bool is_agreed = false;
		if (tls_alpn_probe(list[i].text, n->tls_port, name, ALPN, ACME_ASK_MS, a, &c,
				   &ext, &is_agreed, &e) < 0) {
			find(out,
			     e.kind == ERR_UNREACHABLE || e.kind == ERR_TIMEOUT
				     ? ACME_NO_CONNECTION
				     : ACME_NO_TLS,
			     arena_fmt(a, "no session with %s on port %u", name, n->tls_port));
			continue;
		}
		judge_certificate(w, &c, ext, is_agreed, out);
		return;
	}
}

/* -------------------------------------------------------------------------------------------- */

void acme_ask(const struct acme_net *n, const struct acme_work *w, struct arena *a,
	      struct acme_answer *out)
{
	static void (*const ways[ACME_METHODS])(const struct acme_net *,
						const struct acme_work *, struct arena *,
						struct acme_answer *) = {
		[ACME_HTTP_01] = ask_http,
		[ACME_DNS_01] = ask_dns,
		[ACME_TLS_ALPN_01] = ask_tls,
	};
	struct err e;
	ASSERT((unsigned)w->method < ACME_METHODS);
	ways[w->method](n, w, a, out);
	if (arena_check(a, &e) < 0)
		find(out, ACME_NO_CONNECTION, S("out of memory"));
}
