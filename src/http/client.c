/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * The client over libcurl: one easy handle for the requests, in a multi handle of its own, since
 * only that can be woken by another thread (http_client_cancel). The multi handle keeps the
 * connections; the easy handle is reset for each request, so that none inherits anything.
 */
#include "http/client_impl.h"

#include <strings.h>

#include "base/mem.h"

enum {
	KEPT_CONNECTIONS = 4,
	KEPT_BODY_BYTES = 1 << 20, /* more is given back after each fetch */
	POLL_MS = 60000,	   /* curl wakes earlier for its own timeouts */
	URL_MAX = 64 << 10,
};

/* --- Life --------------------------------------------------------------------------------- */

/* Splits "unix:/path" off the base: the path is the socket's, the base a placeholder. */
static int set_base(struct http_client *c, struct str base, struct err *e)
{
	while (str_ends(base, S("/")) && !str_starts(base, S("unix:")))
		base.n--;
	if (str_starts(base, S("unix:/"))) {
		struct str path = str_sub(base, 5, base.n);
		c->unix_path = mem_dup(path.p, path.n, e);
		if (!c->unix_path)
			return -1;
		base = S("http://localhost");
	} else if (base.n && !str_starts(base, S("http://")) &&
		   !str_starts(base, S("https://"))) {
		return err_field(e, "base", "\"%.*s\" is neither http://, https:// nor unix:/",
				 STR_A(base));
	}
	c->base = mem_dup(base.p, base.n, e);
	return c->base ? 0 : -1;
}

static int copy_path(const char *path, char **out, struct err *e)
{
	if (path)
		*out = mem_dup(path, strlen(path), e);
	return path && !*out ? -1 : 0;
}

static int set_files(struct http_client *c, const struct http_client_options *o, struct err *e)
{
	c->o.ca_file = c->o.cert_file = c->o.key_file = NULL;
	if ((o->cert_file == NULL) != (o->key_file == NULL))
		return err_field(e, "key_file", "a certificate and its key go together");
	if (copy_path(o->ca_file, &c->ca_file, e) < 0 ||
	    copy_path(o->cert_file, &c->cert_file, e) < 0)
		return -1;
	return copy_path(o->key_file, &c->key_file, e);
}

/* A fresh set of kept connections: the old ones are closed. */
static int renew_multi(struct http_client *c, struct err *e)
{
	CURLM *fresh = curl_multi_init(), *old = c->multi;
	if (!fresh)
		return err_fail(e, ERR_MEMORY, "the HTTP client did not start");
	(void)curl_multi_setopt(fresh, CURLMOPT_MAXCONNECTS, (long)KEPT_CONNECTIONS);
	(void)pthread_mutex_lock(&c->lock);
	c->multi = fresh;
	(void)pthread_mutex_unlock(&c->lock);
	if (old)
		(void)curl_multi_cleanup(old);
	return 0;
}

MUST int http_client_open(const struct http_client_options *options, struct http_client **out,
			  struct err *e)
{
	struct http_client *c CLEAN(http_client_closep) = MEM_NEW(struct http_client, e);
	if (!c)
		return -1;
	(void)pthread_mutex_init(&c->lock, NULL);
	c->o = *options;
	c->o.connect_timeout_ms = c->o.connect_timeout_ms ? c->o.connect_timeout_ms : 5000;
	c->o.timeout_ms = c->o.timeout_ms ? c->o.timeout_ms : 30000;
	c->o.max_response_bytes = c->o.max_response_bytes ? c->o.max_response_bytes : 16 << 20;
	c->url = (struct buf)BUF_INIT(URL_MAX);
	c->o.base = NULL;
	if (set_base(c, str_from(options->base), e) < 0 || set_files(c, options, e) < 0)
		return -1;
	/* Counted by the library, and safe from many threads in Debian's build. */
	if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK)
		return err_fail(e, ERR_MEMORY, "the HTTP client did not start");
	c->easy = curl_easy_init();
	if (!c->easy)
		return err_fail(e, ERR_MEMORY, "the HTTP client did not start");
	if (renew_multi(c, e) < 0)
		return -1;
	*out = c;
	c = NULL;
	return 0;
}

struct http_client *http_client_close(struct http_client *c)
{
	if (!c)
		return NULL;
	if (c->easy)
		curl_easy_cleanup(c->easy);
	if (c->multi)
		(void)curl_multi_cleanup(c->multi);
	buf_fini(&c->url);
	buf_fini(&c->body);
	mem_free(c->base);
	mem_free(c->unix_path);
	mem_free(c->ca_file);
	mem_free(c->cert_file);
	mem_free(c->key_file);
	(void)pthread_mutex_destroy(&c->lock);
	mem_free(c);
	return NULL;
}

void http_client_closep(struct http_client **c)
{
	*c = http_client_close(*c);
}

void http_client_cancel(struct http_client *c)
{
	atomic_store(&c->is_cancelled, true);
	(void)pthread_mutex_lock(&c->lock);
	(void)curl_multi_wakeup(c->multi);
	(void)pthread_mutex_unlock(&c->lock);
}

void http_client_reset(struct http_client *c)
{
	atomic_store(&c->is_cancelled, false);
}

/* --- What the server sends ---------------------------------------------------------------- */

static size_t failed(struct fetch *f)
{
	f->has_failed = true;
	return 0; /* the library ends the transfer */
}

static size_t on_body(char *p, size_t size, size_t n, void *fetch)
{
	struct fetch *f = fetch;
	struct str piece = str_of(p, size * n);
	long status = 0;
	(void)curl_easy_getinfo(f->c->easy, CURLINFO_RESPONSE_CODE, &status);
	f->got_bytes += piece.n;
	if (f->got_bytes > f->max_bytes) {
		(void)err_fail(f->e, ERR_TOO_LARGE, "the answer has more than %zu bytes",
			       f->max_bytes);
		return failed(f);
	}
	if (f->r->on_body && status >= 200 && status <= 299)
		return f->r->on_body(f->r->on_body_user, piece, f->e) < 0 ? failed(f) : piece.n;
	buf_add(&f->c->body, piece);
	return buf_check(&f->c->body, f->e) < 0 ? failed(f) : piece.n;
}

static size_t on_header(char *p, size_t size, size_t n, void *fetch)
{
	struct fetch *f = fetch;
	struct http_response *r = &f->response;
	struct str line = str_of(p, size * n);
	size_t colon = str_find_char(line, ':');
	if (str_starts(line, S("HTTP/"))) {
		r->header_count = 0; /* what came before was "100 Continue" */
	} else if (colon < line.n && r->header_count < HTTP_RESPONSE_HEADERS_MAX) {
		struct http_param *h = &r->headers[r->header_count++];
		h->name = arena_dup(f->a, str_trim(str_sub(line, 0, colon)));
		h->value = arena_dup(f->a, str_trim(str_sub(line, colon + 1, line.n)));
	}
	return arena_check(f->a, f->e) < 0 ? failed(f) : line.n;
}

struct str http_response_header(const struct http_response *r, const char *name)
{
	size_t n = strlen(name);
	for (size_t i = 0; i < r->header_count; i++)
		if (r->headers[i].name.n == n && !strncasecmp(r->headers[i].name.p, name, n))
			return r->headers[i].value;
	return S("");
}

/* --- What we send ------------------------------------------------------------------------- */

static bool is_under(struct str url, struct str base)
{
	return str_starts(url, base) && (url.n == base.n || strchr("/?#", url.p[base.n]));
}

/* The URL of the request into c->url. */
static int write_url(struct fetch *f, struct err *e)
{
	struct http_client *c = f->c;
	struct str target = f->r->target;
	bool is_full = str_starts(target, S("http://")) || str_starts(target, S("https://"));
	if (!is_full && (!str_starts(target, S("/")) || !c->base[0]))
		return err_field(e, "target", "\"%.*s\" is not a path on a server, nor a URL",
				 STR_A(target));
	for (size_t i = 0; i < target.n; i++)
		if ((unsigned char)target.p[i] <= ' ' || target.p[i] == 0x7f)
			return err_field(e, "target", "holds a space or control character");
	f->is_own = !is_full || !c->base[0] || is_under(target, str_from(c->base));
	buf_clear(&c->url);
	if (!is_full)
		buf_add(&c->url, str_from(c->base));
	buf_add(&c->url, target);
	return buf_check(&c->url, e);
}

static bool is_loopback(const char *url)
{
	bool is = false;
	char *host = NULL;
	CURLU *u = curl_url();
	if (u && curl_url_set(u, CURLUPART_URL, url, 0) == CURLUE_OK &&
	    curl_url_get(u, CURLUPART_HOST, &host, 0) == CURLUE_OK)
		is = str_starts(str_from(host), S("127.")) || str_is(S("localhost"), host) ||
		     str_is(S("[::1]"), host);
	curl_free(host);
	curl_url_cleanup(u);
	return is;
}

static int add_header_line(struct fetch *f, const char *name, struct str value, struct err *e)
{
	struct str line = arena_fmt(f->a, "%s: %.*s", name, STR_A(value));
	if (arena_check(f->a, e) < 0)
		return -1;
	if (str_find_char(line, '\n') < line.n || str_find_char(line, '\r') < line.n)
		return err_field(e, "headers", "a line break in %s", name);
	struct curl_slist *longer = curl_slist_append(f->headers, line.p);
	if (!longer)
		return err_fail(e, ERR_MEMORY, "out of memory");
	f->headers = longer;
	return 0;
}

static int set_headers(struct fetch *f, struct err *e)
{
	const struct http_request *r = f->r;
	const char *type = r->content_type ? r->content_type : "application/json";
	bool has_type = r->body.n > 0 || r->content_type;
	if (has_type && add_header_line(f, "Content-Type", str_from(type), e) < 0)
		return -1;
	for (size_t i = 0; i < r->header_count; i++)
		if (add_header_line(f, r->headers[i].name, r->headers[i].value, e) < 0)
			return -1;
	(void)curl_easy_setopt(f->c->easy, CURLOPT_HTTPHEADER, f->headers);
	return 0;
}

static void set_method_and_body(CURL *easy, const struct http_request *r)
{
	enum http_method m = r->method == HTTP_OTHER ? HTTP_GET : r->method;
	if (r->body.n > 0 || m == HTTP_POST || m == HTTP_PUT || m == HTTP_PATCH) {
		(void)curl_easy_setopt(easy, CURLOPT_POST, 1L);
		(void)curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE_LARGE,
				       (curl_off_t)r->body.n);
		(void)curl_easy_setopt(easy, CURLOPT_POSTFIELDS, r->body.n ? r->body.p : "");
	}
	if (m == HTTP_HEAD)
		(void)curl_easy_setopt(easy, CURLOPT_NOBODY, 1L);
	else
		(void)curl_easy_setopt(easy, CURLOPT_CUSTOMREQUEST, http_method_name(m));
}

static int prepare(struct fetch *f, struct err *e)
{
	struct http_client *c = f->c;
	unsigned timeout_ms = f->r->timeout_ms ? f->r->timeout_ms : c->o.timeout_ms;
	if (write_url(f, e) < 0)
		return -1;
	curl_easy_reset(c->easy);
	(void)curl_easy_setopt(c->easy, CURLOPT_NOSIGNAL, 1L);
	(void)curl_easy_setopt(c->easy, CURLOPT_PROTOCOLS_STR, "http,https");
	(void)curl_easy_setopt(c->easy, CURLOPT_ERRORBUFFER, f->text);
	(void)curl_easy_setopt(c->easy, CURLOPT_USERAGENT, "hoc");
	(void)curl_easy_setopt(c->easy, CURLOPT_CONNECTTIMEOUT_MS,
			       (long)c->o.connect_timeout_ms);
	(void)curl_easy_setopt(c->easy, CURLOPT_TIMEOUT_MS, (long)timeout_ms);
	(void)curl_easy_setopt(c->easy, CURLOPT_WRITEFUNCTION, on_body);
	(void)curl_easy_setopt(c->easy, CURLOPT_WRITEDATA, f);
	(void)curl_easy_setopt(c->easy, CURLOPT_HEADERFUNCTION, on_header);
	(void)curl_easy_setopt(c->easy, CURLOPT_HEADERDATA, f);
	if (c->unix_path)
		(void)curl_easy_setopt(c->easy, CURLOPT_UNIX_SOCKET_PATH, c->unix_path);
	if (c->unix_path || c->o.is_direct || is_loopback(c->url.p))
		(void)curl_easy_setopt(c->easy, CURLOPT_PROXY, "");
	if (client_is_own_tls(f) && client_tls_prepare(f) && renew_multi(c, e) < 0)
		return -1;
	set_method_and_body(c->easy, f->r);
	if (curl_easy_setopt(c->easy, CURLOPT_URL, c->url.p) != CURLE_OK)
		return err_fail(e, ERR_MEMORY, "out of memory");
	return set_headers(f, e);
}

/* --- The fetch ---------------------------------------------------------------------------- */

static enum err_kind kind_of(CURLcode code)
{
	/* The library's list is long and open: what is not named here did not get through. */
	if (code == CURLE_OPERATION_TIMEDOUT)
		return ERR_TIMEOUT;
	if (code == CURLE_OUT_OF_MEMORY)
		return ERR_MEMORY;
	if (code == CURLE_URL_MALFORMAT || code == CURLE_UNSUPPORTED_PROTOCOL)
		return ERR_INVALID;
	return ERR_UNREACHABLE;
}

static int tell(struct fetch *f, CURLcode code, struct err *e)
{
	struct str url = buf_str(&f->c->url);
	if (client_is_own_tls(f) && client_tls_explain(f, code, e))
		return -1;
	/* Without the query, which may hold what is nobody's business. */
	url = str_sub(url, 0, str_find_char(url, '?'));
	if (f->c->unix_path)
		(void)err_fail(e, kind_of(code), "%s: %s", f->c->unix_path,
			       f->text[0] ? f->text : curl_easy_strerror(code));
	else
		(void)err_fail(e, kind_of(code), "%.*s: %s", STR_A(url),
			       f->text[0] ? f->text : curl_easy_strerror(code));
	return -1;
}

/* Runs the transfer to its end; 0, HTTP_CANCELLED, or -1. */
static int transfer(struct fetch *f, struct err *e)
{
	struct http_client *c = f->c;
	int running = 1, left;
	CURLMcode rc = curl_multi_add_handle(c->multi, c->easy);
	while (rc == CURLM_OK && !atomic_load(&c->is_cancelled)) {
		rc = curl_multi_perform(c->multi, &running);
		if (rc != CURLM_OK || !running)
			break;
		rc = curl_multi_poll(c->multi, NULL, 0, POLL_MS, NULL);
	}
	CURLcode code = CURLE_OUT_OF_MEMORY;
	const CURLMsg *m = rc == CURLM_OK ? curl_multi_info_read(c->multi, &left) : NULL;
	if (m)
		code = m->data.result;
	(void)curl_multi_remove_handle(c->multi, c->easy);
	if (f->has_failed)
		return -1;
	if (!m && rc == CURLM_OK)
		return HTTP_CANCELLED;
	return code == CURLE_OK ? 0 : tell(f, code, e);
}

static int take_answer(struct fetch *f, struct http_response *out, struct err *e)
{
	long status = 0;
	(void)curl_easy_getinfo(f->c->easy, CURLINFO_RESPONSE_CODE, &status);
	f->response.status = (unsigned)status;
	f->response.body = arena_dup(f->a, buf_str(&f->c->body));
	f->response.content_type = http_response_header(&f->response, "Content-Type");
	if (arena_check(f->a, e) < 0)
		return -1;
	*out = f->response;
	return 0;
}

MUST int http_fetch(struct http_client *c, const struct http_request *r, struct arena *a,
		    struct http_response *out, struct err *e)
{
	struct fetch f = {.c = c, .r = r, .a = a, .e = e};
	if (atomic_load(&c->is_cancelled))
		return HTTP_CANCELLED;
	f.max_bytes = r->max_response_bytes ? r->max_response_bytes : c->o.max_response_bytes;
	c->body = (struct buf){.p = c->body.p, .cap = c->body.cap, .max = f.max_bytes};
	int rc = prepare(&f, e);
	if (rc == 0)
		rc = transfer(&f, e);
	if (rc == 0)
		rc = take_answer(&f, out, e);
	curl_slist_free_all(f.headers);
	if (c->body.cap > KEPT_BODY_BYTES)
		buf_fini(&c->body);
	return rc;
}

MUST int http_fetch_ok(struct http_client *c, const struct http_request *r, struct arena *a,
		       struct http_response *out, struct err *e)
{
	struct http_response got;
	int rc = http_fetch(c, r, a, &got, e);
	if (rc != 0)
		return rc;
	if (got.status < 200 || got.status > 299)
		return http_error_from_response(&got, e);
	*out = got;
	return 0;
}
