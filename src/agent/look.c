/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Looking at a node from outside of its daemon. */
#include <errno.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "agent/agent.h"
#include "agent/identity.h"
#include "base/file.h"
#include "json/json.h"

enum { LOOK_TIMEOUT_S = 10, LOOK_MAX = 16 << 20 };

/* The first line that node.sock sends; 1 if nobody listens. */
static int ask(const char *dir, struct arena *a, struct str *out, struct err *e)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int n = snprintf(address.sun_path, sizeof address.sun_path, "%s/node.sock", dir);
	if (n < 0 || (size_t)n >= sizeof address.sun_path)
		return 1;
	int fd CLEAN(file_closep) = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	struct timeval limit = {.tv_sec = LOOK_TIMEOUT_S};
	if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit) < 0)
		return err_os(e, errno, "open a socket");
	if (connect(fd, (struct sockaddr *)&address, sizeof address) < 0)
		return 1;
	struct buf b CLEAN(buf_fini) = BUF_INIT(LOOK_MAX);
	char chunk[16384];
	ssize_t got;
	while ((got = read(fd, chunk, sizeof chunk)) > 0) {
		buf_add(&b, str_of(chunk, (size_t)got));
		if (memchr(chunk, '\n', (size_t)got))
			break;
	}
	if (got < 0)
		return err_os(e, errno, "read the node's status");
	if (got == 0 || buf_check(&b, e) < 0)
		return 1;
	*out = arena_dup(a, str_trim(buf_str(&b)));
	return arena_check(a, e);
}

static struct json *kept_partition(const struct ndb_partition *p, const struct ndb_wish *wishes,
				   size_t count, struct arena *a)
{
	struct json *o = json_object_new(a);
	json_set_str(a, o, S("partition"), p->name);
	json_set_str(a, o, S("ipv4"), p->ipv4);
	json_set_str(a, o, S("ipv6"), p->ipv6);
	json_set_i64(a, o, S("uid_base"), p->uid_base);
	json_set_str(a, o, S("now"), S("unknown"));
	json_set_str(a, o, S("wanted"), S("free"));
	for (size_t i = 0; i < count; i++) {
		static const char *const wants[] = {"free", "started", "stopped", "destroyed"};
		if (wishes[i].slot != p->slot)
			continue;
		json_set_str(a, o, S("wanted"), str_from(wants[wishes[i].wish.want]));
		json_set_str(a, o, S("instance"), wishes[i].wish.guid);
		json_set_str(a, o, S("title"), wishes[i].wish.title);
		json_set_str(a, o, S("release"), wishes[i].wish.release);
	}
	return o;
}

/* What node.db says while no daemon runs. */
static int read_kept(const char *dir, struct arena *a, struct str *out, struct err *e)
{
	struct ndb *n = NULL;
	struct identity id;
	struct ndb_wish *wishes;
	size_t count;
	int64_t outbox = 0;
	if (!file_exists(arena_fmt(a, "%s/node.db", dir).p))
		return err_fail(e, ERR_NOT_FOUND, "%s holds no node", dir);
	if (ndb_open(dir, &n, e) < 0)
		return -1;
	int rc = identity_load(n, dir, a, &id, e);
	if (rc == 0)
		rc = ndb_wishes(n, a, &wishes, &count, e);
	if (rc == 0)
		rc = ndb_outbox_count(n, &outbox, e);
	ndb_close(n);
	if (rc < 0)
		return -1;
	struct json *o = json_object_new(a), *list = json_array_new(a);
	for (size_t i = 0; i < id.count; i++)
		json_add(a, list, kept_partition(&id.partitions[i], wishes, count, a));
	json_set_str(a, o, S("node"), id.node);
	json_set_bool(a, o, S("running"), false);
	json_set_bool(a, o, S("linked"), false);
	json_set_i64(a, o, S("outbox"), outbox);
	json_set(a, o, S("partitions"), list);
	json_set(a, o, S("releases"), json_array_new(a));
	*out = json_text(o, a);
	return arena_check(a, e);
}

MUST int agent_status(const char *dir, struct arena *a, struct str *out, struct err *e)
{
	int rc = ask(dir, a, out, e);
	return rc > 0 ? read_kept(dir, a, out, e) : rc;
}
