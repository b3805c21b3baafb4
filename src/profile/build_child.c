/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* The build as a process of its own: a bundle comes in, lines of JSON go out. */
#include <signal.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "json/json.h"
#include "profile/build.h"
#include "profile/eval.h"

enum { ARENA_BYTES = 24 << 20, LINE_MAX_BYTES = 8192, LINE_EVERY_MS = 100 };

struct reporter {
	int out_fd;
	enum profile_phase phase;
	int64_t last_ms;
};

static int send_line(int fd, struct arena *a, const struct json *line)
{
	struct err ignored = ERR_INIT;
	struct buf b CLEAN(buf_fini) = BUF_INIT(LINE_MAX_BYTES);
	json_write(line, &b);
	buf_add_c(&b, '\n');
	if (arena_check(a, &ignored) < 0 || buf_check(&b, &ignored) < 0)
		return -1;
	return file_write_fd(fd, buf_str(&b), &ignored);
}

static void on_progress(void *user, const struct profile_progress *p)
{
	struct reporter *r = user;
	struct arena *a CLEAN(arena_freep) = NULL;
	struct err ignored;
	int64_t now_ms = clock_mono_ms(clock_system());
	bool is_edge = p->phase != r->phase || p->done == p->total;
	if ((!is_edge && now_ms - r->last_ms < LINE_EVERY_MS) ||
	    arena_new(LINE_MAX_BYTES, &a, &ignored))
		return;
	r->phase = p->phase;
	r->last_ms = now_ms;
	struct json *line = json_object_new(a);
	json_set_str(a, line, S("phase"), str_from(profile_phase_name(p->phase)));
	json_set_i64(a, line, S("done"), p->done);
	json_set_i64(a, line, S("total"), p->total);
	json_set_i64(a, line, S("bytes"), p->bytes);
	json_set_i64(a, line, S("bytes_total"), p->bytes_total);
	(void)!send_line(r->out_fd, a, line);
}

static int read_bundle(int fd, struct arena *a, struct profile_bundle *out, struct err *e)
{
	struct buf text CLEAN(buf_fini) = BUF_INIT(2 * PROFILE_BUNDLE_MAX_BYTES);
	char chunk[16384];
	ssize_t n;
	while ((n = read(fd, chunk, sizeof chunk)) > 0)
		buf_add(&text, str_of(chunk, (size_t)n));
	if (buf_check(&text, e) < 0)
		return err_in(e, "bundle");
	return profile_bundle_parse(buf_str(&text), a, out, e);
}

static int read_software(const struct profile_bundle *b, struct arena *a,
			 struct profile_manifest *out, struct err *e)
{
	struct profile_eval *ev CLEAN(profile_eval_freep) = NULL;
	struct str text;
	if (profile_eval_new(NULL, &ev, e) < 0 || profile_eval_manifest(ev, b, a, &text, e) < 0)
		return -1;
	return profile_manifest_read(text, a, out, e);
}

static int build(const char *node_dir, int in_fd, struct reporter *r, struct arena *a,
		 struct profile_built *out, struct err *e)
{
	struct profile_bundle bundle;
	struct profile_manifest m;
	if (read_bundle(in_fd, a, &bundle, e) < 0 || read_software(&bundle, a, &m, e) < 0)
		return -1;
	struct profile_build b = {.node_dir = node_dir,
				  .release_hash = bundle.hash,
				  .software = &m.software,
				  .progress = on_progress,
				  .user = r};
	int rc = profile_build_run(&b, a, out, e);
	if (rc == PROFILE_BUILD_ELSEWHERE)
		return err_fail(e, ERR_BUSY, "another process builds this release");
	return rc;
}

static struct json *answer_good(struct arena *a, const struct profile_built *built)
{
	struct json *line = json_object_new(a);
	json_set_bool(a, line, S("ok"), true);
	json_set_bool(a, line, S("shared"), built->was_shared);
	json_set_str(a, line, S("commit"), str_from(built->commit));
	json_set_str(a, line, S("lock"), str_from(built->lock_hash));
	json_set_str(a, line, S("root"), built->root);
	return line;
}

static struct json *answer_bad(struct arena *a, const struct err *e)
{
	struct json *line = json_object_new(a), *error = json_object_new(a);
	json_set_str(a, error, S("kind"), str_from(err_kind_info(e->kind)->name));
	json_set_str(a, error, S("field"), str_from(e->field));
	json_set_str(a, error, S("text"), str_from(e->text));
	json_set(a, line, S("error"), error);
	return line;
}

int profile_build_child_main(const char *node_dir, int in_fd, int out_fd)
{
	struct arena *a CLEAN(arena_freep) = NULL;
	struct reporter r = {.out_fd = out_fd};
	struct profile_built built;
	struct err e = ERR_INIT;
	(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
	(void)signal(SIGPIPE, SIG_IGN);
	if (arena_new(ARENA_BYTES, &a, &e) < 0)
		return err_kind_info(e.kind)->exit_code;
	int rc = build(node_dir, in_fd, &r, a, &built, &e);
	struct arena *last CLEAN(arena_freep) = NULL;
	struct err ignored;
	if (arena_new(4 * LINE_MAX_BYTES, &last, &ignored) == 0)
		(void)!send_line(out_fd, last,
				 rc == 0 ? answer_good(last, &built) : answer_bad(last, &e));
	return rc == 0 ? 0 : err_kind_info(e.kind)->exit_code;
}
