/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * Looking at what runs: promises with their history, logs.
 *
 * Logs stand on the node that runs the instance; this verb reads them there, so it works where
 * the node's directory is (--node DIR, HOC_NODE or the settings).
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/inotify.h>
#include <unistd.h>

#include "base/file.h"
#include "cli/client.h"
#include "cli/orders.h"
#include "cli/settings.h"
#include "cli/verbs.h"

/* ---- promises ------------------------------------------------------------------------------ */

static int print_history(struct cli_call *c, const char *title, struct str name, struct err *e)
{
	struct json *doc;
	struct str path = client_query(c, S("/v1/promises/history"), "subject", title);
	path = client_query(c, path, "name", arena_cstr(c->arena, name));
	if (client_get(c, path, &doc, e) < 0)
		return -1;
	const struct json *list = json_get(doc, S("history"));
	for (size_t i = 0; i < json_count(list); i++) {
		const struct json *h = json_at(list, i);
		(void)fprintf(c->out, "    %" STR_F "  %-7" STR_F "  %" STR_F "\n",
			      STR_A(client_text(h, "at")), STR_A(client_text(h, "state")),
			      STR_A(client_text(h, "message")));
	}
	return 0;
}

int verb_promise(struct cli_call *c, struct err *e)
{
	struct json *doc;
	const char *title = c->arguments[0];
	if (client_get(c, client_query(c, S("/v1/promises"), "subject", title), &doc, e) < 0)
		return -1;
	if (c->is_json) {
		client_print_json(c, doc);
		return 0;
	}
	const struct json *list = json_get(doc, S("promises"));
	for (size_t i = 0; i < json_count(list); i++) {
		const struct json *p = json_at(list, i);
		(void)fprintf(c->out,
			      "%-7" STR_F "  %" STR_F " (%" STR_F ") since %" STR_F "  %" STR_F
			      "\n",
			      STR_A(client_text(p, "state")), STR_A(client_text(p, "name")),
			      STR_A(client_text(p, "kind")), STR_A(client_text(p, "since")),
			      STR_A(client_text(p, "message")));
		if (cli_has(c, "history") &&
		    print_history(c, title, client_text(p, "name"), e) < 0)
			return -1;
	}
	if (!json_count(list))
		(void)fprintf(c->out, "no promises\n");
	return 0;
}

/* ---- logs ---------------------------------------------------------------------------------- */

enum { SPEC_MAX = 4 << 20, TAIL_MAX = 64 << 10 };

/* The first service of the partition's spec, or the one that was named. */
static int log_path(struct cli_call *c, const char *node, struct str partition,
		    const char *service, struct str *out, struct err *e)
{
	struct str text;
	struct json *spec;
	if (!partition.n)
		return err_fail(e, ERR_NOT_FOUND, "%s has no place on a node yet",
				c->arguments[0]);
	struct str dir = arena_fmt(c->arena, "%s/partitions/%" STR_F, node, STR_A(partition));
	int rc = file_read(arena_fmt(c->arena, "%" STR_F "/spec.json", STR_A(dir)).p, SPEC_MAX,
			   c->arena, &text, e);
	if (rc > 0)
		return err_fail(e, ERR_NOT_FOUND, "nothing of %s runs on the node in %s",
				c->arguments[0], node);
	if (rc < 0 || json_parse(text, c->arena, &spec, e) < 0)
		return -1;
	const struct json *services = json_get(spec, S("services"));
	for (size_t i = 0; i < json_count(services); i++)
		if (!service || str_is(services->members[i].key, service)) {
			*out = arena_fmt(c->arena, "%" STR_F "/%" STR_F ".log", STR_A(dir),
					 STR_A(services->members[i].key));
			return 0;
		}
	return err_field(e, "service", "the instance has no service %s",
			 service ? service : "");
}

/* 1: the reader of our output went away. */
static int copy_new(FILE *out, int fd, struct err *e)
{
	char chunk[16384];
	ssize_t n;
	while ((n = read(fd, chunk, sizeof chunk)) > 0)
		(void)fwrite(chunk, 1, (size_t)n, out);
	if (n < 0)
		return err_os(e, errno, "read the log");
	if (fflush(out) == 0 && !ferror(out))
		return 0;
	return errno == EPIPE ? 1 : err_os(e, errno, "write the log");
}

/*
 * Writes what is appended until interrupted. A log that got shorter was cut: begins anew. What
 * came before the watch was there is copied first.
 */
static int follow(FILE *out, int fd, const char *path, struct err *e)
{
	char events[4096];
	int watch CLEAN(file_closep) = inotify_init1(IN_CLOEXEC);
	if (watch < 0 || inotify_add_watch(watch, path, IN_MODIFY) < 0)
		return err_os(e, errno, "watch %s", path);
	do {
		off_t at = lseek(fd, 0, SEEK_CUR), end = lseek(fd, 0, SEEK_END);
		(void)lseek(fd, end < at ? 0 : at, SEEK_SET);
		int rc = copy_new(out, fd, e);
		if (rc != 0)
			return rc < 0 ? -1 : 0;
	} while (read(watch, events, sizeof events) > 0 || errno == EINTR);
	return 0;
}

int verb_log(struct cli_call *c, struct err *e)
{
	struct json *instance;
	struct str path;
	const char *node;
	if (orders_find(c, c->arguments[0], &instance, e) < 0 ||
	    settings_node(cli_value(c, "node"), c->arena, &node, e) < 0)
		return -1;
	if (!node)
		return err_fail(e, ERR_USAGE,
				"which node's directory? give --node DIR, or set HOC_NODE");
	if (log_path(c, node, client_text(instance, "partition"), cli_value(c, "service"),
		     &path, e) < 0)
		return -1;
	int fd CLEAN(file_closep) = open(path.p, O_RDONLY | O_CLOEXEC);
	if (fd < 0 && errno == ENOENT)
		return err_fail(e, ERR_NOT_FOUND, "its service has no log yet");
	if (fd < 0)
		return err_os(e, errno, "open %s", path.p);
	off_t size = lseek(fd, 0, SEEK_END);
	(void)lseek(fd, cli_has(c, "all") || size < TAIL_MAX ? 0 : size - TAIL_MAX, SEEK_SET);
	int rc = copy_new(c->out, fd, e);
	if (rc != 0)
		return rc < 0 ? -1 : 0;
	return cli_has(c, "follow") ? follow(c->out, fd, path.p, e) : 0;
}
