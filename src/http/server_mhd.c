/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * The library's callbacks (libmicrohttpd, epoll or with TLS poll, a pool of threads). In order,
 * for a request:
 *
 *   on_connection  a connection begins
 *   on_uri         the request line is there: the call is made
 *   on_request     1. the headers are there: refuse, or read on
 *                  2. a piece of the body, any number of times
 *                  3. the end: the handler runs; without an answer the connection is suspended
 *                  4. after it was resumed: the answer is handed over
 *   on_completed   the answer left, or the connection broke
 *   on_connection  the connection ends (its descriptor is still open)
 *
 * A refusal in step 1 goes out as a usual answer and ends the connection. In step 2 the library
 * takes no answer, so a refusal is written to the socket by hand, and the connection closed.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <microhttpd.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/mem.h"
#include "http/server_impl.h"

enum {
	POOL_SPARE_BYTES = 8 << 10,   /* of a connection, for the answer's head */
	REFUSED_S = 5,		      /* how long a connection that only gets 503 may take */
	REPLY_BYTES_PER_S = 16 << 10, /* slower readers are cut off */
};

/* --- Connections -------------------------------------------------------------------------- */

static void set_deadline(struct conn *c, int64_t seconds)
{
	c->deadline_ms = seconds ? server_now_ms() + seconds * 1000 : 0;
}

static void write_peer(const struct sockaddr *a, char out[static PEER_SIZE])
{
	const struct sockaddr_in *v4 = (const void *)a;
	const struct sockaddr_in6 *v6 = (const void *)a;
	(void)snprintf(out, PEER_SIZE, "unix");
	if (a && a->sa_family == AF_INET)
		(void)inet_ntop(AF_INET, &v4->sin_addr, out, PEER_SIZE);
	else if (a && a->sa_family == AF_INET6)
		(void)inet_ntop(AF_INET6, &v6->sin6_addr, out, PEER_SIZE);
}

static bool is_over_limit(const struct http_server *s, const struct conn *fresh)
{
	unsigned same = 0;
	if (s->conn_count >= s->o.max_connections)
		return true;
	if (s->o.max_address_connections >= s->o.max_connections)
		return false;
	for (const struct conn *c = s->conns; c; c = c->next)
		same += strcmp(c->peer, fresh->peer) == 0;
	return same >= s->o.max_address_connections;
}

static struct conn *conn_begin(struct http_server *s, struct MHD_Connection *mhd)
{
	struct err ignored;
	struct conn *c = MEM_NEW(struct conn, &ignored);
	if (!c)
		return NULL;
	c->server = s;
	c->fd = MHD_get_connection_info(mhd, MHD_CONNECTION_INFO_CONNECTION_FD)->connect_fd;
	write_peer(
		MHD_get_connection_info(mhd, MHD_CONNECTION_INFO_CLIENT_ADDRESS)->client_addr,
		c->peer);
	if (s->o.tls) {
		c->session = MHD_get_connection_info(mhd, MHD_CONNECTION_INFO_GNUTLS_SESSION)
				     ->tls_session;
		tls_server_bind(s->o.tls, c->session);
	}
	(void)pthread_mutex_lock(&s->lock);
	c->is_over = is_over_limit(s, c);
	set_deadline(c, c->is_over ? REFUSED_S : s->o.request_timeout_s);
	c->next = s->conns;
	if (c->next)
		c->next->prev = c;
	s->conns = c;
	s->conn_count++;
	watch_wake_by(s, c->deadline_ms);
	(void)pthread_mutex_unlock(&s->lock);
	return c;
}

static void conn_end(struct conn *c)
{
	struct http_server *s = c->server;
	(void)pthread_mutex_lock(&s->lock);
	if (c->must_linger)
		watch_linger(c);
	if (c->prev)
		c->prev->next = c->next;
	else
		s->conns = c->next;
	if (c->next)
		c->next->prev = c->prev;
	s->conn_count--;
	(void)pthread_mutex_unlock(&s->lock);
	shown_unref(c->shown);
	mem_free(c);
}

static void on_connection(void *server, struct MHD_Connection *mhd, void **socket_context,
			  enum MHD_ConnectionNotificationCode code)
{
	if (code == MHD_CONNECTION_NOTIFY_STARTED) {
		*socket_context = conn_begin(server, mhd);
	} else if (*socket_context) {
		conn_end(*socket_context);
		*socket_context = NULL;
	}
}

static struct conn *conn_of(struct MHD_Connection *mhd)
{
	return MHD_get_connection_info(mhd, MHD_CONNECTION_INFO_SOCKET_CONTEXT)->socket_context;
}

/* --- A request begins and ends ------------------------------------------------------------ */

/*
 * The library gives the target as a C string and does not say its length: a NUL in it would pass
 * for its end. What follows the terminator is the version, unless there was a NUL before.
 */
static bool is_whole(const char *uri)
{
	return strncmp(uri + strlen(uri) + 1, "HTTP/", 5) == 0;
}

static void *on_uri(void *server UNUSED, const char *uri, struct MHD_Connection *mhd)
{
	struct conn *conn = conn_of(mhd);
	if (!conn)
		return NULL;
	if (!conn->is_over)
		set_deadline(conn, conn->server->o.request_timeout_s);
	/* "" is no target: it is refused when the headers are there. */
	return call_new(conn, mhd, uri && is_whole(uri) ? uri : "");
}

/* We undo percent codes ourselves, after cutting the path. */
static size_t keep_escapes(void *server UNUSED, struct MHD_Connection *mhd UNUSED, char *text)
{
	return strlen(text);
}

static void on_completed(void *server, struct MHD_Connection *mhd UNUSED, void **context,
			 enum MHD_RequestTerminationCode why UNUSED)
{
	struct http_server *s = server;
	struct http_call *c = *context;
	*context = NULL;
	if (!c)
		return;
	set_deadline(c->conn, s->o.idle_timeout_s + s->o.request_timeout_s);
	(void)pthread_mutex_lock(&s->lock);
	if (c->response)
		MHD_destroy_response(c->response);
	c->response = NULL;
	c->conn = NULL;
	c->mhd = NULL;
	if (c->was_handed) {
		s->handed_count--;
		if (s->is_stopping)
			(void)pthread_cond_broadcast(&s->has_changed);
	}
	(void)pthread_mutex_unlock(&s->lock);
	call_unref(c);
}

/* --- Refusals ----------------------------------------------------------------------------- */

static const struct http_header retry_after = {"Retry-After", S_INIT("1")};

/* The answer to a request that the handler will not see. Ends the connection. */
static enum MHD_Result refuse(struct http_call *c, const struct err *e, unsigned status)
{
	c->server->refused++;
	c->conn->must_linger = true;
	struct MHD_Response *m = call_response(&(struct http_reply){
		.status = status,
		.body = call_error_body(c->arena, e),
		.is_body_in_arena = true,
		.must_close = true,
		.headers = &retry_after,
		.header_count = status == 503,
	});
	if (!m)
		return MHD_NO;
	enum MHD_Result rc = MHD_queue_response(c->mhd, status, m);
	MHD_destroy_response(m);
	return rc;
}

static enum MHD_Result refuse_busy(struct http_call *c, const char *text)
{
	struct err e;
	(void)err_fail(&e, ERR_BUSY, "%s", text);
	return refuse(c, &e, 503);
}

/* The same in the middle of a body, where the library takes no answer. */
static enum MHD_Result refuse_by_hand(struct http_call *c, const struct err *e,
				      const char *status_line)
{
	struct buf b CLEAN(buf_fini) = BUF_INIT(16384);
	struct str body = call_error_body(c->arena, e);
	c->server->refused++;
	c->conn->must_linger = true;
	buf_addf(&b,
		 "HTTP/1.1 %s\r\nConnection: close\r\nContent-Type: application/json\r\n"
		 "Content-Length: %zu\r\n\r\n",
		 status_line, body.n);
	buf_add(&b, body);
	/* If it does not fit into the socket's buffer the client reads nothing anyway. */
	if (c->conn->session)
		tls_say(c->conn->session, buf_str(&b));
	else
		(void)send(c->conn->fd, b.p, b.n, MSG_NOSIGNAL | MSG_DONTWAIT);
	return MHD_NO;
}

/* --- Step 1: the headers are there -------------------------------------------------------- */

static size_t header_bytes(struct http_call *c)
{
	const union MHD_ConnectionInfo *info =
		MHD_get_connection_info(c->mhd, MHD_CONNECTION_INFO_REQUEST_HEADER_SIZE);
	return info ? info->header_size : 0;
}

/* The declared length, 0 if there is none or it comes in chunks. */
static uint64_t declared_bytes(struct http_call *c)
{
	int64_t n = 0;
	struct err ignored;
	struct str text = http_call_header(c, "Content-Length");
	if (text.n && str_to_i64(text, 0, INT64_MAX, &n, &ignored) < 0)
		return UINT64_MAX; /* the library took it, so it is a number: too big */
	return (uint64_t)n;
}

/* What the library asks for only in a mode whose refusals it then writes twice (0.9.75). */
static int check_host(struct http_call *c, const char *version, struct err *e)
{
	if (strcmp(version, "HTTP/1.1") == 0 &&
	    MHD_lookup_connection_value(c->mhd, MHD_HEADER_KIND, "Host") == NULL)
		return err_field(e, "Host", "the header is missing");
	return 0;
}

static enum MHD_Result begin(struct http_call *c, const char *method, const char *version)
{
	struct http_server *s = c->server;
	struct err e;
	c->has_head = true;
	c->method = http_method_of(str_from(method));
	if (c->conn->is_over || s->is_stopping)
		return refuse_busy(c, s->is_stopping ? "the server stops"
						     : "too many connections");
	if (header_bytes(c) > s->o.max_header_bytes) {
		(void)err_fail(&e, ERR_TOO_LARGE, "the headers have more than %zu bytes",
			       s->o.max_header_bytes);
		return refuse(c, &e, 431);
	}
	if (check_host(c, version, &e) < 0 ||
	    http_target_read(c->raw, c->arena, &c->target, &e) < 0)
		return refuse(c, &e, (unsigned)err_kind_info(e.kind)->http_status);
	uint64_t n = declared_bytes(c);
	if (n > s->o.max_body_bytes) {
		(void)err_fail(&e, ERR_TOO_LARGE, "the body has more than %zu bytes",
			       s->o.max_body_bytes);
		return refuse(c, &e, 413);
	}
	if (s->bodies_bytes + n > s->o.max_bodies_bytes)
		return refuse_busy(c, "too many requests with large bodies");
	return MHD_YES;
}

/* --- Step 2: the body --------------------------------------------------------------------- */

static enum MHD_Result take_piece(struct http_call *c, struct str piece)
{
	struct http_server *s = c->server;
	struct err e;
	if (atomic_fetch_add(&s->bodies_bytes, piece.n) + piece.n > s->o.max_bodies_bytes) {
		atomic_fetch_sub(&s->bodies_bytes, piece.n);
		(void)err_fail(&e, ERR_BUSY, "too many requests with large bodies");
		return refuse_by_hand(c, &e, "503 Service Unavailable\r\nRetry-After: 1");
	}
	c->charged_bytes += piece.n;
	buf_add(&c->body, piece);
	if (buf_check(&c->body, &e) == 0)
		return MHD_YES;
	if (e.kind == ERR_MEMORY)
		return refuse_by_hand(c, &e, "503 Service Unavailable\r\nRetry-After: 1");
	(void)err_fail(&e, ERR_TOO_LARGE, "the body has more than %zu bytes",
		       s->o.max_body_bytes);
	return refuse_by_hand(c, &e, "413 Content Too Large");
}

/* --- Steps 3 and 4: the handler, the answer ----------------------------------------------- */

static enum MHD_Result send_answer(struct http_call *c)
{
	struct http_server *s = c->server;
	(void)pthread_mutex_lock(&s->lock);
	struct MHD_Response *m = c->response;
	unsigned status = c->status;
	c->response = NULL;
	(void)pthread_mutex_unlock(&s->lock);
	if (!m)
		return refuse_busy(c, "out of memory");
	set_deadline(c->conn,
		     s->o.request_timeout_s + (int64_t)(c->reply_bytes / REPLY_BYTES_PER_S));
	enum MHD_Result rc = MHD_queue_response(c->mhd, status, m);
	MHD_destroy_response(m);
	return rc;
}

/* The handler returned without an answer. True if the connection is suspended now. */
static bool park(struct http_call *c)
{
	struct http_server *s = c->server;
	(void)pthread_mutex_lock(&s->lock);
	bool must_wait = c->state == CALL_RUNNING;
	if (must_wait && (s->must_abandon || s->parked_count >= s->o.max_parked)) {
		call_abandon(c);
		call_tell_gone(c);
		must_wait = false;
	} else if (must_wait) {
		MHD_suspend_connection(c->mhd);
		c->state = CALL_PARKED;
		c->next = s->parked;
		if (c->next)
			c->next->prev = c;
		s->parked = c;
		s->parked_count++;
		if (c->gone) {
			c->parked_at_ms = server_now_ms();
			watch_wake_by(s, s->is_stopping ? 0 : c->parked_at_ms + 1000);
		}
	}
	(void)pthread_mutex_unlock(&s->lock);
	return must_wait;
}

static enum MHD_Result hand_over(struct http_call *c)
{
	struct http_server *s = c->server;
	c->conn->deadline_ms = 0;
	s->requests++;
	(void)pthread_mutex_lock(&s->lock);
	c->was_handed = true;
	s->handed_count++;
	s->open_count++;
	(void)pthread_mutex_unlock(&s->lock);
	atomic_fetch_add(&c->refs, 1); /* the owner's, until http_reply */
	s->fn(c, s->user);
	return park(c) ? MHD_YES : send_answer(c);
}

static enum MHD_Result on_request(void *server UNUSED, struct MHD_Connection *mhd UNUSED,
				  const char *url UNUSED, const char *method,
				  const char *version, const char *piece, size_t *piece_bytes,
				  void **context)
{
	struct http_call *c = *context;
	if (!c)
		return MHD_NO;
	if (!c->has_head)
		return begin(c, method, version);
	if (*piece_bytes) {
		struct str bytes = str_of(piece, *piece_bytes);
		*piece_bytes = 0;
		return take_piece(c, bytes);
	}
	return c->was_handed ? send_answer(c) : hand_over(c);
}

/* --- Start and stop ----------------------------------------------------------------------- */

/* The library's options are values of one type: what is of ours and constant goes through here. */
static struct MHD_OptionItem option_of(enum MHD_OPTION option, const void *value)
{
	union {
		const void *ours;
		void *theirs;
	} p = {.ours = value};
	return (struct MHD_OptionItem){option, 0, p.theirs};
}

static struct MHD_OptionItem option_retrieve(void)
{
	union {
		tls_function *ours;
		void *theirs;
	} p = {.ours = tls_server_retrieve()};
	return (struct MHD_OptionItem){MHD_OPTION_HTTPS_CERT_CALLBACK2, 0, p.theirs};
}

MUST int mhd_start(struct http_server *s, int listen_fd, struct err *e)
{
	/* Refused connections need room too, and the library divides its limit among threads.
	 */
	unsigned connections = 2 * s->o.max_connections + 64;
	struct MHD_OptionItem some[4];
	unsigned n = 0, flags = MHD_USE_INTERNAL_POLLING_THREAD | MHD_USE_ITC |
				MHD_ALLOW_SUSPEND_RESUME;
	/* Over epoll the library (0.9.75) spins while a handshake waits for its client: half a
	 * record would cost a processor. Over poll it sleeps. */
	flags |= s->o.tls ? MHD_USE_POLL : MHD_USE_EPOLL;
	if (s->o.threads > 1)
		some[n++] = (struct MHD_OptionItem){MHD_OPTION_THREAD_POOL_SIZE,
						    (intptr_t)s->o.threads, NULL};
	if (s->o.tls) {
		flags |= MHD_USE_TLS;
		some[n++] = option_of(MHD_OPTION_HTTPS_PRIORITIES, tls_priorities);
		some[n++] = option_retrieve();
	}
	some[n] = (struct MHD_OptionItem){MHD_OPTION_END, 0, NULL};
	s->daemon = MHD_start_daemon(
		flags, 0, NULL, NULL, on_request, s,
		/* clang-format off */
		MHD_OPTION_ARRAY, some,
		MHD_OPTION_LISTEN_SOCKET, (MHD_socket)listen_fd,
		MHD_OPTION_CONNECTION_LIMIT, connections,
		MHD_OPTION_CONNECTION_TIMEOUT, s->o.idle_timeout_s,
		MHD_OPTION_CONNECTION_MEMORY_LIMIT,
			s->o.max_header_bytes + s->o.max_header_bytes / 4 + POOL_SPARE_BYTES,
		MHD_OPTION_NOTIFY_CONNECTION, on_connection, s,
		MHD_OPTION_URI_LOG_CALLBACK, on_uri, s,
		MHD_OPTION_UNESCAPE_CALLBACK, keep_escapes, s,
		MHD_OPTION_NOTIFY_COMPLETED, on_completed, s,
		MHD_OPTION_END);
	/* clang-format on */
	if (!s->daemon)
		return err_os(e, errno, "start the threads of the HTTP server");
	return 0;
}

void mhd_stop_accepting(struct http_server *s)
{
	MHD_socket fd = MHD_quiesce_daemon(s->daemon);
	if (fd == MHD_INVALID_SOCKET)
		return;
	/* Refused from now on; closed only when no worker can touch the descriptor any more. */
	(void)shutdown(fd, SHUT_RDWR);
	s->quiet_fd = fd;
}

void mhd_stop(struct http_server *s)
{
	MHD_stop_daemon(s->daemon);
	s->daemon = NULL;
	if (s->quiet_fd > 0)
		(void)close(s->quiet_fd);
	s->quiet_fd = 0;
}
