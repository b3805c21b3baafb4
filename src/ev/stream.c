/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * Message streams on non-blocking local sockets.
 *
 * What arrives is appended to `in`; whole messages are cut off its front and handed on. What is
 * sent goes to the kernel at once as far as it fits, the rest waits in `out`. `closed` is only
 * ever called from the loop. While a handler runs (`depth`), ev_stream_free only marks the
 * stream.
 */
#include "ev/stream.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/file.h"
#include "base/mem.h"
#include "ev/ev_impl.h"

enum { CHUNK = 65536, HEAD_BYTES = 4, BACKLOG = 128, REST_MS = 100, PATH_BYTES = 4096 };

struct ev_stream {
	struct ev_owned owned;
	struct ev_stream_options o;
	int fd;
	struct ev_watch *watch, *pump;
	struct buf in, out;
	size_t in_at, out_at; /* bytes of in/out that are done with */
	bool is_paused, is_closed, is_freed, has_ended;
	unsigned depth;
};

/* ---- life ---- */

static void release(struct ev_stream *s)
{
	ev_disown(&s->owned);
	ev_watch_free(s->watch);
	ev_watch_free(s->pump);
	file_closep(&s->fd);
	buf_fini(&s->in);
	buf_fini(&s->out);
	mem_free(s);
}

static void stream_fini(struct ev_owned *o)
{
	release(CONTAINER_OF(o, struct ev_stream, owned));
}

struct ev_stream *ev_stream_free(struct ev_stream *s)
{
	if (!s)
		return NULL;
	s->is_freed = s->is_closed = true;
	if (s->depth == 0)
		release(s);
	return NULL;
}

/* Ends the connection and tells the owner, who may free the stream inside. */
static void shut(struct ev_stream *s, const struct err *why)
{
	if (s->is_closed)
		return;
	s->is_closed = true;
	s->watch = ev_watch_free(s->watch);
	s->pump = ev_watch_free(s->pump);
	file_closep(&s->fd);
	if (s->o.closed)
		s->o.closed(s->o.user, why);
}

static void watch_again(struct ev_stream *s)
{
	if (!s->is_closed)
		ev_fd_change(s->watch, (s->is_paused ? 0 : EV_READ) |
					       (s->out_at < s->out.n ? EV_WRITE : 0));
}

/* ---- reading ---- */

/* Bytes to take off the front for the next message, 0 if it is not whole, -1 if it is too long.
 */
static ssize_t next_line(const struct ev_stream *s, struct str left, struct str *message)
{
	size_t n = str_find_char(left, '\n');
	if (n > s->o.message_max_bytes)
		return -1;
	*message = str_sub(left, 0, n);
	return n == left.n ? 0 : (ssize_t)n + 1;
}

static ssize_t next_frame(const struct ev_stream *s, struct str left, struct str *message)
{
	if (left.n < HEAD_BYTES)
		return 0;
	const unsigned char *h = (const unsigned char *)left.p;
	size_t n = (size_t)h[0] << 24 | (size_t)h[1] << 16 | (size_t)h[2] << 8 | h[3];
	if (n > s->o.message_max_bytes)
		return -1;
	*message = str_sub(left, HEAD_BYTES, n);
	return left.n < HEAD_BYTES + n ? 0 : (ssize_t)(HEAD_BYTES + n);
}

static void forget_read(struct ev_stream *s)
{
	if (s->in_at == 0)
		return;
	s->in.n -= s->in_at;
	memmove(s->in.p, s->in.p + s->in_at, s->in.n);
	s->in_at = 0;
}

/* Hands on every whole message that is there. */
static void deliver(struct ev_stream *s)
{
	ssize_t n = 1;
	while (!s->is_closed && !s->is_paused && n > 0) {
		struct str left = str_sub(buf_str(&s->in), s->in_at, s->in.n), message;
		n = s->o.framing == EV_LINES ? next_line(s, left, &message)
					     : next_frame(s, left, &message);
		if (n <= 0)
			break;
		s->in_at += (size_t)n;
		s->o.message(s->o.user, message);
	}
	if (s->is_closed)
		return;
	forget_read(s);
	if (n < 0) {
		struct err e = ERR_INIT;
		(void)err_fail(&e, ERR_TOO_LARGE, "a message has more than %zu bytes",
			       s->o.message_max_bytes);
		shut(s, &e);
	} else if (s->has_ended && !s->is_paused) {
		struct err none = ERR_INIT;
		shut(s, &none);
	}
}

static void receive(struct ev_stream *s)
{
	char chunk[CHUNK];
	size_t room = s->in.max - s->in.n;
	ssize_t n = recv(s->fd, chunk, MIN_OF(room, sizeof chunk), 0);
	struct err e = ERR_INIT;
	if (n < 0) {
		if (errno == EAGAIN || errno == EINTR)
			return;
		if (errno != ECONNRESET)
			(void)err_os(&e, errno, "receive");
		shut(s, &e);
		return;
	}
	s->has_ended = n == 0;
	buf_add(&s->in, str_of(chunk, (size_t)n));
	if (buf_check(&s->in, &e) < 0)
		shut(s, &e);
	else
		deliver(s);
}

/* ---- writing ---- */

/* Gives the kernel what it takes. Failures show as readiness soon after, and end the stream
 * there. */
static int flush(struct ev_stream *s, struct err *e)
{
	while (s->out_at < s->out.n) {
		ssize_t n =
			send(s->fd, s->out.p + s->out_at, s->out.n - s->out_at, MSG_NOSIGNAL);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno == EAGAIN)
			return 0;
		if (n < 0)
			return err_os(e, errno, "send");
		s->out_at += (size_t)n;
	}
	buf_clear(&s->out);
	s->out_at = 0;
	return 0;
}

static void add_frame_head(struct buf *b, size_t n)
{
	char head[HEAD_BYTES] = {(char)(n >> 24), (char)(n >> 16), (char)(n >> 8), (char)n};
	buf_add(b, str_of(head, sizeof head));
}

MUST int ev_stream_send(struct ev_stream *s, struct str message, struct err *e)
{
	if (s->is_closed)
		return err_fail(e, ERR_UNREACHABLE, "the connection is closed");
	size_t waiting = s->out.n - s->out_at;
	if (message.n > s->o.out_max_bytes || waiting > s->o.out_max_bytes - message.n)
		return err_fail(e, ERR_BUSY, "%zu bytes wait to be sent", waiting);
	if (s->out_at) {
		memmove(s->out.p, s->out.p + s->out_at, waiting);
		s->out.n = waiting;
		s->out_at = 0;
	}
	if (s->o.framing == EV_FRAMES)
		add_frame_head(&s->out, message.n);
	buf_add(&s->out, message);
	if (s->o.framing == EV_LINES)
		buf_add_c(&s->out, '\n');
	if (buf_check(&s->out, e) < 0)
		return -1;
	struct err later;
	(void)flush(s, &later);
	watch_again(s);
	return 0;
}

/* ---- events ---- */

static void on_ready(void *user, int events)
{
	struct ev_stream *s = user;
	struct err e = ERR_INIT;
	s->depth++;
	if ((events & EV_WRITE) && flush(s, &e) < 0)
		shut(s, &e);
	if ((events & EV_READ) && !s->is_closed && !s->is_paused)
		receive(s);
	watch_again(s);
	s->depth--;
	if (s->is_freed)
		release(s);
}

static void on_pump(void *user)
{
	struct ev_stream *s = user;
	s->depth++;
	deliver(s);
	watch_again(s);
	s->depth--;
	if (s->is_freed)
		release(s);
}

void ev_stream_pause(struct ev_stream *s, bool is_paused)
{
	if (s->is_closed || s->is_paused == is_paused)
		return;
	s->is_paused = is_paused;
	if (!is_paused)
		ev_timer_again(s->pump, 0);
	watch_again(s);
}

bool ev_stream_is_flushed(const struct ev_stream *s)
{
	return s->out_at == s->out.n;
}

MUST int ev_stream_peer(const struct ev_stream *s, unsigned *out_uid, int *out_pid,
			struct err *e)
{
	struct ucred who;
	socklen_t n = sizeof who;
	if (getsockopt(s->fd, SOL_SOCKET, SO_PEERCRED, &who, &n) < 0)
		return err_os(e, errno, "ask who the peer is");
	*out_uid = who.uid;
	*out_pid = who.pid;
	return 0;
}

static int start(struct ev *ev, struct ev_stream *s, struct err *e)
{
	if (ev_timer(ev, 0, on_pump, s, &s->pump, e) < 0)
		return -1;
	ev_timer_stop(s->pump);
	return ev_fd(ev, s->fd, EV_READ, on_ready, s, &s->watch, e);
}

MUST int ev_stream_open(struct ev *ev, int fd, const struct ev_stream_options *o,
			struct ev_stream **out, struct err *e)
{
	struct ev_stream *s = MEM_NEW(struct ev_stream, e);
	if (!s) {
		file_closep(&fd);
		return -1;
	}
	s->o = *o;
	s->fd = fd;
	s->in.max = o->message_max_bytes + CHUNK;
	s->out.max = o->out_max_bytes + HEAD_BYTES;
	ev_own(ev, &s->owned, stream_fini);
	if (start(ev, s, e) < 0) {
		release(s);
		return -1;
	}
	*out = s;
	return 0;
}

/* ---- addresses ---- */

/*
 * The address of a socket file. A path that does not fit is reached through *dir_fd, a
 * descriptor of its directory that stays open during bind or connect.
 */
static int make_address(const char *path, struct sockaddr_un *sa, int *dir_fd, struct err *e)
{
	*sa = (struct sockaddr_un){.sun_family = AF_UNIX};
	size_t n = strlen(path);
	if (n < sizeof sa->sun_path) {
		memcpy(sa->sun_path, path, n + 1);
		return 0;
	}
	const char *slash = strrchr(path, '/');
	char dir[PATH_BYTES];
	if (!slash || (size_t)(slash - path) >= sizeof dir)
		return err_fail(e, ERR_INVALID, "the socket's path is too long: %.80s…", path);
	(void)snprintf(dir, sizeof dir, "%.*s", (int)(slash - path), path);
	*dir_fd = open(dir, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (*dir_fd < 0)
		return err_os(e, errno, "open %s", dir);
	int m = snprintf(sa->sun_path, sizeof sa->sun_path, "/proc/self/fd/%d/%s", *dir_fd,
			 slash + 1);
	if (m < 0 || (size_t)m >= sizeof sa->sun_path)
		return err_fail(e, ERR_INVALID, "the socket's name is too long: %.80s…",
				slash + 1);
	return 0;
}

static int new_socket(struct err *e)
{
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	return fd < 0 ? err_os(e, errno, "make a socket") : fd;
}

MUST int ev_stream_connect_unix(struct ev *ev, const char *path,
				const struct ev_stream_options *o, struct ev_stream **out,
				struct err *e)
{
	struct sockaddr_un sa;
	int dir_fd CLEAN(file_closep) = -1;
	if (make_address(path, &sa, &dir_fd, e) < 0)
		return -1;
	int fd = new_socket(e);
	if (fd < 0)
		return -1;
	if (connect(fd, (struct sockaddr *)&sa, sizeof sa) < 0) {
		int os = errno;
		file_closep(&fd);
		bool is_absent = os == ENOENT || os == ECONNREFUSED || os == EAGAIN;
		return is_absent ? err_fail(e, ERR_UNREACHABLE, "nobody listens on %s", path)
				 : err_os(e, os, "connect to %s", path);
	}
	return ev_stream_open(ev, fd, o, out, e);
}

struct ev_listener {
	struct ev_owned owned;
	int fd;
	struct ev_watch *watch, *rest;
	ev_accept_fn *fn;
	void *user;
	char path[];
};

struct ev_listener *ev_listener_free(struct ev_listener *l)
{
	if (!l)
		return NULL;
	ev_disown(&l->owned);
	ev_watch_free(l->watch);
	ev_watch_free(l->rest);
	if (l->fd >= 0)
		(void)unlink(l->path);
	file_closep(&l->fd);
	mem_free(l);
	return NULL;
}

static void listener_fini(struct ev_owned *o)
{
	ev_listener_free(CONTAINER_OF(o, struct ev_listener, owned));
}

static void on_rested(void *user)
{
	struct ev_listener *l = user;
	ev_fd_change(l->watch, EV_READ);
}

/*
 * One a turn: the callee may free the listener. Without a free descriptor the connection stays
 * in the queue and would wake us for ever: rest a little.
 */
static void on_connection(void *user, int events UNUSED)
{
	struct ev_listener *l = user;
	int fd = accept4(l->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
	if (fd >= 0) {
		l->fn(l->user, fd);
	} else if (errno == EMFILE || errno == ENFILE || errno == ENOMEM || errno == ENOBUFS) {
		ev_fd_change(l->watch, 0);
		ev_timer_again(l->rest, REST_MS);
	}
}

static int bind_path(int fd, const char *path, unsigned mode, struct err *e)
{
	struct sockaddr_un sa;
	int dir_fd CLEAN(file_closep) = -1;
	if (make_address(path, &sa, &dir_fd, e) < 0)
		return -1;
	struct stat st;
	if (lstat(path, &st) == 0 && S_ISSOCK(st.st_mode))
		(void)unlink(path);
	/* Linux gives the file the socket's mode, so that it is never open to others. */
	if (fchmod(fd, (mode_t)mode) < 0 || bind(fd, (struct sockaddr *)&sa, sizeof sa) < 0 ||
	    chmod(path, (mode_t)mode) < 0 || listen(fd, BACKLOG) < 0)
		return err_os(e, errno, "listen on %s", path);
	return 0;
}

MUST int ev_listen_unix(struct ev *ev, const char *path, unsigned mode, ev_accept_fn *fn,
			void *user, struct ev_listener **out, struct err *e)
{
	size_t n = strlen(path);
	struct ev_listener *l = mem_new(sizeof *l + n + 1, e);
	if (!l)
		return -1;
	memcpy(l->path, path, n);
	l->fn = fn;
	l->user = user;
	ev_own(ev, &l->owned, listener_fini);
	l->fd = new_socket(e);
	if (l->fd < 0 || bind_path(l->fd, path, mode, e) < 0) {
		file_closep(&l->fd); /* the file, if any, is not ours */
		ev_listener_free(l);
		return -1;
	}
	if (ev_timer(ev, 0, on_rested, l, &l->rest, e) < 0 ||
	    ev_fd(ev, l->fd, EV_READ, on_connection, l, &l->watch, e) < 0) {
		ev_listener_free(l);
		return -1;
	}
	*out = l;
	return 0;
}
