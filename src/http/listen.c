/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * Listening sockets. Texts: "127.0.0.1:8000", "[::1]:8000", "unix:/path". Names are not looked
 * up: whoever listens says where.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/file.h"
#include "http/server_impl.h"

enum { BACKLOG = 1024 };

union address {
	struct sockaddr any;
	struct sockaddr_in v4;
	struct sockaddr_in6 v6;
	struct sockaddr_un un;
};

/* Splits "HOST:PORT" at the last ':'; takes the brackets off the host. */
static int split(struct str text, char host[static INET6_ADDRSTRLEN], int64_t *port,
		 struct err *e)
{
	size_t colon = text.n;
	while (colon > 0 && text.p[colon - 1] != ':')
		colon--;
	struct str left = str_sub(text, 0, colon ? colon - 1 : 0);
	if (str_to_i64(str_sub(text, colon, text.n), 0, 65535, port, e) < 0 || left.n == 0)
		return err_field(e, "listen", "\"%.*s\" is not ADDRESS:PORT", STR_A(text));
	if (str_starts(left, S("[")) && str_ends(left, S("]")))
		left = str_sub(left, 1, left.n - 2);
	if (left.n >= INET6_ADDRSTRLEN)
		return err_field(e, "listen", "\"%.*s\" is not an address", STR_A(left));
	memcpy(host, left.p, left.n);
	host[left.n] = 0;
	return 0;
}

static int parse_tcp(struct str text, union address *out, socklen_t *size, struct err *e)
{
	char host[INET6_ADDRSTRLEN];
	int64_t port;
	if (split(text, host, &port, e) < 0)
		return -1;
	*out = (union address){.any.sa_family = AF_UNSPEC};
	if (inet_pton(AF_INET, host, &out->v4.sin_addr) == 1) {
		out->v4.sin_family = AF_INET;
		out->v4.sin_port = htons((uint16_t)port);
		*size = sizeof out->v4;
		return 0;
	}
	if (inet_pton(AF_INET6, host, &out->v6.sin6_addr) == 1) {
		out->v6.sin6_family = AF_INET6;
		out->v6.sin6_port = htons((uint16_t)port);
		*size = sizeof out->v6;
		return 0;
	}
	return err_field(e, "listen", "\"%s\" is not an IPv4 or IPv6 address", host);
}

static int parse_unix(struct str path, union address *out, socklen_t *size, struct err *e)
{
	*out = (union address){.un.sun_family = AF_UNIX};
	if (path.n == 0 || path.n >= sizeof out->un.sun_path)
		return err_field(e, "listen", "a socket's path has 1 to %zu bytes",
				 sizeof out->un.sun_path - 1);
	memcpy(out->un.sun_path, path.p, path.n);
	*size = sizeof out->un;
	return 0;
}

/* Removes a socket file that nobody listens on any more. */
static int remove_dead(const union address *a, socklen_t size, struct err *e)
{
	struct stat st;
	if (lstat(a->un.sun_path, &st) < 0)
		return 0;
	if (!S_ISSOCK(st.st_mode))
		return err_fail(e, ERR_CONFLICT, "%s is not a socket", a->un.sun_path);
	int fd CLEAN(file_closep) =
		socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return err_os(e, errno, "make a socket");
	if (connect(fd, &a->any, size) == 0 || errno != ECONNREFUSED)
		return err_fail(e, ERR_CONFLICT, "another server listens on %s",
				a->un.sun_path);
	if (unlink(a->un.sun_path) < 0 && errno != ENOENT)
		return err_os(e, errno, "remove %s", a->un.sun_path);
	return 0;
}

static void set_options(int fd, int family)
{
	int on = 1;
	(void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
	if (family == AF_INET6)
		(void)setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof on);
	if (family == AF_UNIX)
		(void)fchmod(fd, 0600); /* before bind: the file is born with this mode */
}

/* The address with the port that the kernel chose. */
static int write_address(struct http_server *s, int fd, struct err *e)
{
	union address a;
	socklen_t size = sizeof a;
	char host[INET6_ADDRSTRLEN];
	if (getsockname(fd, &a.any, &size) < 0)
		return err_os(e, errno, "read the socket's address");
	bool is_v6 = a.any.sa_family == AF_INET6;
	const void *from = is_v6 ? (const void *)&a.v6.sin6_addr : (const void *)&a.v4.sin_addr;
	unsigned port = ntohs(is_v6 ? a.v6.sin6_port : a.v4.sin_port);
	if (!inet_ntop(a.any.sa_family, from, host, sizeof host))
		return err_os(e, errno, "read the socket's address");
	(void)snprintf(s->address, sizeof s->address, is_v6 ? "[%s]:%u" : "%s:%u", host, port);
	return 0;
}

static int bind_and_listen(int fd, const union address *a, socklen_t size, const char *text,
			   struct err *e)
{
	set_options(fd, a->any.sa_family);
	if (bind(fd, &a->any, size) == 0 && listen(fd, BACKLOG) == 0)
		return 0;
	if (errno == EADDRINUSE)
		return err_fail(e, ERR_CONFLICT, "another server listens on %s", text);
	return err_os(e, errno, "listen on %s", text);
}

MUST int listen_open(struct http_server *s, const char *text, int *out_fd, struct err *e)
{
	struct str t = str_from(text);
	union address a;
	socklen_t size = 0;
	bool is_unix = str_starts(t, S("unix:"));
	if (is_unix ? parse_unix(str_sub(t, 5, t.n), &a, &size, e) : parse_tcp(t, &a, &size, e))
		return -1;
	if (is_unix && remove_dead(&a, size, e) < 0)
		return -1;
	int fd CLEAN(file_closep) =
		socket(a.any.sa_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return err_os(e, errno, "make a socket");
	if (bind_and_listen(fd, &a, size, text, e) < 0)
		return -1;
	if (is_unix) {
		(void)snprintf(s->address, sizeof s->address, "%s", text);
		(void)snprintf(s->unix_path, sizeof s->unix_path, "%s", a.un.sun_path);
	} else if (write_address(s, fd, e) < 0) {
		return -1;
	}
	*out_fd = fd;
	fd = -1;
	return 0;
}
