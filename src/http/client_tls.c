/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * TLS of the client. The library checks a server's chain and host, but not its purpose, and says
 * of a bad one only that it is bad. So room trust judges too: before the first request of a
 * connection, and, when the library refused, the chain that was shown (CERTINFO), to name the fault.
 */
#include "base/clock.h"
#include "base/file.h"
#include "http/client_impl.h"
#include "trust/tls.h"

enum { ROOTS_MAX = 256 << 10, EXPLAIN_MAX = 2 << 20 };

bool client_is_own_tls(const struct fetch *f)
{
	return f->c->ca_file && f->is_own && str_starts(buf_str(&f->c->url), S("https://"));
}

/* --- Whom we talk to ---------------------------------------------------------------------- */

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

/* Leaves *e alone if the chain is good. */
static void judge(struct fetch *f, const struct cert *chain, size_t count, struct arena *a,
		  struct err *e)
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
	int rc = file_read(c->ca_file, ROOTS_MAX, a, &roots, e);
	if (rc == 0)
		rc = cert_trust_new(roots, &trust, e);
	if (rc != 0) {
		(void)err_fail(e, ERR_BROKEN, "%s does not hold certificates to trust",
			       c->ca_file);
		return;
	}
	enum cert_fault fault = cert_check(trust, chain, count, clock_now_ms(clock_system()),
					   true, host_of(c->url.p, a));
	if (fault != CERT_GOOD)
		(void)err_fail(e, ERR_UNREACHABLE, "%s (roots: %s)", texts[fault], c->ca_file);
}

/* --- Before a request --------------------------------------------------------------------- */

static void judge_session(struct fetch *f, struct err *e)
{
	struct curl_tlssessioninfo *info = NULL;
	struct arena *a CLEAN(arena_freep) = NULL;
	struct cert *chain = NULL;
	size_t count = 0;
	if (curl_easy_getinfo(f->c->easy, CURLINFO_TLS_SSL_PTR, &info) != CURLE_OK || !info ||
	    !info->internals) {
		(void)err_fail(e, ERR_INTERNAL, "the HTTP client gives no session of TLS");
		return;
	}
	if (arena_new(EXPLAIN_MAX, &a, e) < 0 ||
	    tls_peer(info->internals, a, &chain, &count, e) < 0)
		return;
	judge(f, chain, count, a, e);
}

/* Called when the request could be sent; on a kept connection the server was judged before. */
static int before_request(void *fetch, char *to UNUSED, char *from UNUSED, int port UNUSED,
			  int local_port UNUSED)
{
	struct fetch *f = fetch;
	long fresh = 0;
	struct err e = ERR_INIT;
	if (curl_easy_getinfo(f->c->easy, CURLINFO_NUM_CONNECTS, &fresh) == CURLE_OK && !fresh)
		return CURL_PREREQFUNC_OK;
	judge_session(f, &e);
	if (e.kind == ERR_NONE)
		return CURL_PREREQFUNC_OK;
	*f->e = e;
	f->has_failed = true;
	struct str url =
		str_sub(buf_str(&f->c->url), 0, str_find_char(buf_str(&f->c->url), '?'));
	(void)err_in(f->e, "%.*s", STR_A(url));
	return CURL_PREREQFUNC_ABORT;
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
	(void)curl_easy_setopt(c->easy, CURLOPT_PREREQFUNCTION, before_request);
	(void)curl_easy_setopt(c->easy, CURLOPT_PREREQDATA, f);
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

static void judge_shown(struct fetch *f, struct arena *a, struct err *e)
{
	struct cert *chain = NULL;
	size_t count = 0;
	struct err ignored = ERR_INIT;
	struct str pem = shown_chain(f, a);
	/* What it showed is no chain of ours: then the library's words have to do. */
	if (cert_chain_read(pem, a, &chain, &count, &ignored) < 0 || count == 0)
		return;
	judge(f, chain, count, a, e);
}

/* Are our own files a certificate and its key? */
static void judge_own(const struct http_client *c, struct arena *a, struct err *e)
{
	struct key *k CLEAN(key_freep) = NULL;
	struct str pem = S("");
	struct cert leaf;
	struct err why = ERR_INIT;
	if (!c->cert_file)
		return;
	int rc = file_read(c->cert_file, ROOTS_MAX, a, &pem, &why);
	if (rc > 0)
		rc = err_fail(&why, ERR_NOT_FOUND, "there is no such file");
	if (rc == 0)
		rc = cert_read(pem, a, &leaf, &why);
	if (rc == 0)
		rc = key_load(c->key_file, &k, &why);
	if (rc > 0)
		rc = err_fail(&why, ERR_NOT_FOUND, "there is no %s", c->key_file);
	struct hash name = k ? key_name(k) : (struct hash){.bytes = {0}};
	if (rc == 0 && !hash_eq(&name, &leaf.key))
		rc = err_fail(&why, ERR_INVALID, "it is not for the key in %s", c->key_file);
	if (rc < 0)
		(void)err_fail(e, ERR_BROKEN, "our own certificate %s: %s; join again",
			       c->cert_file, why.text);
}

bool client_tls_explain(struct fetch *f, CURLcode code, struct err *e)
{
	struct http_client *c = f->c;
	struct arena *a CLEAN(arena_freep) = NULL;
	struct str url = str_sub(buf_str(&c->url), 0, str_find_char(buf_str(&c->url), '?'));
	*e = (struct err)ERR_INIT;
	if (arena_new(EXPLAIN_MAX, &a, e) < 0)
		return true;
	if (code == CURLE_SSL_CACERT_BADFILE)
		(void)err_fail(e, ERR_BROKEN, "%s does not hold certificates to trust",
			       c->ca_file);
	else if (code == CURLE_PEER_FAILED_VERIFICATION)
		judge_shown(f, a, e);
	else if (strstr(f->text, "alert"))
		(void)err_fail(e, ERR_FORBIDDEN, "it refused the handshake: %s", f->text);
	else if (code == CURLE_SSL_CERTPROBLEM || code == CURLE_SSL_CONNECT_ERROR)
		judge_own(c, a, e);
	if (e->kind == ERR_NONE)
		return false;
	(void)err_in(e, "%.*s", STR_A(url));
	return true;
}
