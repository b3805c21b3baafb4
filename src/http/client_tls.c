/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * TLS of the client. The library says of a bad certificate only that it is bad; so the chain that the
 * server showed is kept (CERTINFO) and, when a handshake failed, judged again by room trust, which
 * names the fault.
 */
#include "base/clock.h"
#include "base/file.h"
#include "http/client_impl.h"
#include "trust/cert.h"

enum { ROOTS_MAX = 256 << 10, EXPLAIN_MAX = 2 << 20 };

bool client_is_own_tls(const struct fetch *f)
{
	return f->c->ca_file && f->is_own && str_starts(buf_str(&f->c->url), S("https://"));
}

/* --- Trust and identity ------------------------------------------------------------------- */

static void read_stamp(const struct http_client *c, struct tls_stamp *out)
{
	const char *const paths[] = {c->ca_file, c->cert_file, c->key_file};
	memset(out, 0, sizeof *out); /* compared as bytes */
	for (size_t i = 0; i < ARRAY_LEN(paths); i++) {
		struct stat st;
		if (!paths[i] || stat(paths[i], &st) < 0)
			continue;
		out->files[i].device = st.st_dev;
		out->files[i].inode = st.st_ino;
		out->files[i].size = st.st_size;
		out->files[i].changed = st.st_mtim;
	}
}

bool client_tls_prepare(struct fetch *f)
{
	struct http_client *c = f->c;
	struct tls_stamp now;
	(void)curl_easy_setopt(c->easy, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_3);
	(void)curl_easy_setopt(c->easy, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
	(void)curl_easy_setopt(c->easy, CURLOPT_SSL_VERIFYPEER, 1L);
	(void)curl_easy_setopt(c->easy, CURLOPT_SSL_VERIFYHOST, 2L);
	(void)curl_easy_setopt(c->easy, CURLOPT_SSL_SESSIONID_CACHE, 0L);
	(void)curl_easy_setopt(c->easy, CURLOPT_CERTINFO, 1L);
	(void)curl_easy_setopt(c->easy, CURLOPT_PROXY, "");
	(void)curl_easy_setopt(c->easy, CURLOPT_CAPATH, NULL);
	(void)curl_easy_setopt(c->easy, CURLOPT_CAINFO, c->ca_file);
	if (c->cert_file) {
		(void)curl_easy_setopt(c->easy, CURLOPT_SSLCERT, c->cert_file);
		(void)curl_easy_setopt(c->easy, CURLOPT_SSLKEY, c->key_file);
	}
	read_stamp(c, &now);
	bool is_changed = memcmp(&now, &c->stamp, sizeof now) != 0;
	c->stamp = now;
	return is_changed;
}

/* --- What was wrong ----------------------------------------------------------------------- */

/* The certificates that the server showed, in PEM. */
static struct str shown_chain(struct fetch *f, struct arena *a)
{
	static const struct str tag = S_INIT("Cert:");
	struct curl_certinfo *info = NULL;
	struct str all = S("");
	if (curl_easy_getinfo(f->c->easy, CURLINFO_CERTINFO, &info) != CURLE_OK || !info)
		return all;
	for (int i = 0; i < info->num_of_certs && i < CERT_CHAIN_MAX; i++)
		for (struct curl_slist *l = info->certinfo[i]; l; l = l->next)
			if (str_starts(str_from(l->data), tag))
				all = arena_fmt(a, "%.*s%s\n", STR_A(all), l->data + tag.n);
	return all;
}

static struct str host_of(const char *url, struct arena *a)
{
	char *host = NULL;
	struct str out = S("");
	CURLU *u = curl_url();
	if (u && curl_url_set(u, CURLUPART_URL, url, 0) == CURLUE_OK &&
	    curl_url_get(u, CURLUPART_HOST, &host, 0) == CURLUE_OK)
		out = arena_dup(a, str_from(host));
	curl_free(host);
	curl_url_cleanup(u);
	if (str_starts(out, S("[")) && str_ends(out, S("]")))
		out = str_sub(out, 1, out.n - 2);
	return out;
}

/* ERR_NONE in *e: the server's certificate is good as far as we see. */
static void judge(struct fetch *f, struct arena *a, struct err *e)
{
	static const char *const texts[CERT_FAULTS] = {
		[CERT_UNTRUSTED] = "its certificate comes from no authority that we trust: "
				   "this is another "
				   "cloud, or somebody stands between; if the cloud was made "
				   "anew, join again",
		[CERT_EXPIRED] =
			"its certificate has expired: its operator has to renew it, unless "
			"the clock here is wrong",
		[CERT_NOT_YET] = "its certificate is not valid yet: is the clock here right?",
		[CERT_REVOKED] = "its certificate was revoked: do not use this server",
		[CERT_WRONG_PURPOSE] = "its certificate is not one of a server: somebody else "
				       "listens there",
		[CERT_WRONG_NAME] =
			"its certificate is for other names: call it by one of those",
	};
	struct http_client *c = f->c;
	struct cert_trust *trust CLEAN(cert_trust_freep) = NULL;
	struct str roots = S("");
	struct cert *chain = NULL;
	size_t count = 0;
	struct err ignored = ERR_INIT;
	int rc = file_read(c->ca_file, ROOTS_MAX, a, &roots, e);
	if (rc == 0)
		rc = cert_trust_new(roots, &trust, e);
	if (rc != 0) {
		(void)err_fail(e, ERR_BROKEN, "%s does not hold certificates to trust",
			       c->ca_file);
		return;
	}
	if (cert_chain_read(shown_chain(f, a), a, &chain, &count, &ignored) < 0 || count == 0)
		return;
	enum cert_fault fault = cert_check(trust, chain, count, clock_now_ms(clock_system()),
					   true, host_of(c->url.p, a));
	if (fault != CERT_GOOD)
		(void)err_fail(e, ERR_UNREACHABLE, "%s (roots: %s)", texts[fault], c->ca_file);
}

static bool has_text(const struct fetch *f, const char *part)
{
	return strstr(f->text, part) != NULL;
}

bool client_tls_explain(struct fetch *f, CURLcode code, struct err *e)
{
	struct http_client *c = f->c;
	struct arena *a CLEAN(arena_freep) = NULL;
	struct str url = str_sub(buf_str(&c->url), 0, str_find_char(buf_str(&c->url), '?'));
	*e = (struct err)ERR_INIT;
	if (code == CURLE_SSL_CERTPROBLEM)
		(void)err_fail(
			e, ERR_BROKEN,
			"our own certificate (%s) and key cannot be used: %s; join again",
			c->cert_file, f->text);
	else if (has_text(f, "alert"))
		(void)err_fail(e, ERR_FORBIDDEN, "it refused the handshake: %s", f->text);
	else if (code == CURLE_PEER_FAILED_VERIFICATION || code == CURLE_SSL_CACERT_BADFILE) {
		if (arena_new(EXPLAIN_MAX, &a, e) == 0)
			judge(f, a, e);
	}
	if (e->kind == ERR_NONE)
		return false;
	(void)err_in(e, "%.*s", STR_A(url));
	return true;
}
