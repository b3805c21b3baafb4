/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * The child that evaluates. Order of its life: limits, bundle, then one Jsonnet evaluation of a
 * list whose elements are computed one after the other; each asks for a question with the
 * native function `next`, and hands its answer to the native function `answer`. The natives are
 * not pure, but every element is forced exactly once and in order, when the list is written
 * out.
 *
 * Limits are set before the first byte of the profile is read. The natives have random names: a
 * profile that could call `next` would read the question of another instance, with its secrets.
 */
#include <libjsonnet.h>

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "json/json.h"
#include "profile/eval_impl.h"

enum { NOBODY = 65534, ARENA_BYTES = 12 << 20, STACK_MAX = 300 };

struct child {
	int in_fd, out_fd;
	struct JsonnetVm *vm;
	struct arena *a;
	struct buf question;
	const struct profile_bundle *b;
};

/* ---- frames ---- */

static bool read_all(int fd, char *p, size_t n)
{
	while (n) {
		ssize_t r = read(fd, p, n);
		if (r < 0 && errno == EINTR)
			continue;
		if (r <= 0)
			return false;
		p += r;
		n -= (size_t)r;
	}
	return true;
}

/* One frame into *b (cleared first). False: the parent went away, or broke the rules. */
static bool read_frame(int fd, struct buf *b)
{
	unsigned char head[4];
	char chunk[4096];
	struct err ignored;
	if (!read_all(fd, (char *)head, sizeof head))
		return false;
	size_t n =
		(size_t)head[0] << 24 | (size_t)head[1] << 16 | (size_t)head[2] << 8 | head[3];
	buf_clear(b);
	while (n) {
		size_t part = MIN_OF(n, sizeof chunk);
		if (!read_all(fd, chunk, part))
			return false;
		buf_add(b, str_of(chunk, part));
		n -= part;
	}
	return buf_check(b, &ignored) == 0;
}

/* Sends one frame, mark and text; ends the process if nobody listens. */
static void send_frame(const struct child *c, char mark, struct str text)
{
	size_t n = text.n + 1;
	char head[5] = {(char)(n >> 24), (char)(n >> 16), (char)(n >> 8), (char)n, mark};
	struct err ignored;
	if (file_write_fd(c->out_fd, str_of(head, sizeof head), &ignored) < 0 ||
	    file_write_fd(c->out_fd, text, &ignored) < 0)
		_exit(0);
}

/* ---- limits ---- */

static bool limit(int resource, rlim_t soft, rlim_t hard)
{
	struct rlimit r = {soft, hard};
	return setrlimit((enum __rlimit_resource)resource, &r) == 0;
}

/* Bytes mapped now: what the program itself (and a sanitizer) needs does not count. */
static size_t mapped_bytes(struct arena *a)
{
	struct str text, first;
	struct err e;
	int64_t pages = 0;
	if (file_read("/proc/self/statm", 256, a, &text, &e) != 0)
		return 0;
	(void)str_split(&text, ' ', &first);
	if (str_to_i64(first, 0, INT64_MAX / 65536, &pages, &e) < 0)
		return 0;
	return (size_t)pages * (size_t)sysconf(_SC_PAGESIZE);
}

static bool drop_root(void)
{
	if (geteuid() != 0)
		return true;
	return setgroups(0, NULL) == 0 && setresgid(NOBODY, NOBODY, NOBODY) == 0 &&
	       setresuid(NOBODY, NOBODY, NOBODY) == 0;
}

/* CPU seconds used so far, plus what one question may use. */
static void allow_cpu(void)
{
	struct rusage u;
	rlim_t used = 0;
	if (getrusage(RUSAGE_SELF, &u) == 0)
		used = (rlim_t)(u.ru_utime.tv_sec + u.ru_stime.tv_sec + 1);
	(void)limit(RLIMIT_CPU, used + PROFILE_EVAL_CPU_SECONDS, RLIM_INFINITY);
}

static bool confine(struct child *c)
{
	size_t mapped = mapped_bytes(c->a);
	rlim_t memory = mapped + ((rlim_t)PROFILE_EVAL_MEMORY_MIB << 20);
	if (close_range((unsigned)MAX_OF(c->in_fd, c->out_fd) + 1, ~0U, 0) < 0)
		return false;
	(void)signal(SIGPIPE, SIG_IGN);
	allow_cpu();
	return mapped && drop_root() && prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 &&
	       limit(RLIMIT_AS, memory, memory) && limit(RLIMIT_FSIZE, 0, 0) &&
	       limit(RLIMIT_CORE, 0, 0) && limit(RLIMIT_NPROC, 0, 0) &&
	       limit(RLIMIT_NOFILE, 0, 0);
}

/* ---- what Jsonnet calls ---- */

static char *vm_text(struct child *c, struct str s)
{
	char *p = jsonnet_realloc(c->vm, NULL, s.n + 1);
	memcpy(p, s.p, s.n);
	p[s.n] = 0;
	return p;
}

/* `base` is "" or the importing file's folder with a '/' at its end. */
static char *on_import(void *user, const char *base, const char *rel, char **found,
		       int *success)
{
	struct child *c = user;
	const struct profile_file *f =
		profile_bundle_import(c->b, str_from(base), str_from(rel));
	*success = f != NULL;
	if (!f)
		return vm_text(c, S("it is not in the profile's bundle"));
	*found = vm_text(c, f->path);
	return vm_text(c, f->text);
}

static struct JsonnetJsonValue *
on_next(void *user, const struct JsonnetJsonValue *const *argv UNUSED, int *success)
{
	struct child *c = user;
	if (!read_frame(c->in_fd, &c->question))
		_exit(0);
	allow_cpu();
	*success = 1;
	return jsonnet_json_make_string(c->vm, c->question.p);
}

static struct JsonnetJsonValue *
on_answer(void *user, const struct JsonnetJsonValue *const *argv, int *success)
{
	struct child *c = user;
	struct str text = str_from(jsonnet_json_extract_string(c->vm, argv[0]));
	*success = 1;
	if (text.n > PROFILE_EVAL_ANSWER_MAX) {
		send_frame(c, '!', S("the result is larger than 1 MiB"));
		_exit(1);
	}
	send_frame(c, '=', text);
	return jsonnet_json_make_null(c->vm);
}

/* ---- the evaluation ---- */

static const char driver[] =
	"local next = std.native('%1$s'), answer = std.native('%2$s');\n"
	"local object(x, what) = if std.isObject(x) then '' + x\n"
	"  else error what + ' must be an object, and is of type ' + std.type(x);\n"
	"local type(q) = if std.isObject(profile) && std.objectHas(profile, 'types')\n"
	"    && std.isObject(profile.types) && std.objectHas(profile.types, q.type)\n"
	"  then profile.types[q.type] else error 'the profile has no type ' + q.type;\n"
	"local reply(q) = if q.op == 'manifest' then object(profile, 'the profile')\n"
	"  else if q.op == 'warm' then (if std.isObject(profile) then '{}' else '{}')\n"
	"  else object(type(q).instance(q.input), 'instance()');\n"
	"[answer(reply(std.parseJson(next(i)))) for i in std.range(1, %3$d)]\n";

/* Where in the profile: the first line of the stack trace that names a file of the bundle. */
static struct str find_place(const struct child *c, struct str trace)
{
	struct str line;
	while (str_split(&trace, '\n', &line)) {
		struct str place = str_trim(line);
		place = str_sub(place, 0, str_find_char(place, '\t'));
		if (profile_bundle_file(c->b, str_sub(place, 0, str_find_char(place, ':'))))
			return place;
	}
	return S("");
}

/*
 * "RUNTIME ERROR: text\n\tfile:line:column…\n" and "STATIC ERROR: file:line:column: text\n"
 * both become "file:line:column: text".
 */
static void send_error(const struct child *c, struct str raw)
{
	struct str first, place = find_place(c, raw);
	(void)str_split(&raw, '\n', &first);
	static const char *const marks[] = {"RUNTIME ERROR: ", "STATIC ERROR: "};
	for (size_t i = 0; i < ARRAY_LEN(marks); i++)
		if (str_starts(first, str_from(marks[i])))
			first = str_sub(first, strlen(marks[i]), first.n);
	struct buf text CLEAN(buf_fini) = BUF_INIT(2048);
	if (place.n && !str_starts(first, place))
		buf_addf(&text, "%.*s: ", (int)MIN_OF(place.n, 160), place.p);
	buf_addf(&text, "%.*s", (int)MIN_OF(first.n, 400), first.p);
	send_frame(c, '!', buf_str(&text));
}

static void evaluate(struct child *c)
{
	static const char *const one[] = {"i", NULL};
	enum { SECRET_CHARACTERS = 40 };
	char next[SECRET_CHARACTERS + 1], answer[SECRET_CHARACTERS + 1];
	int failed = 0;
	rng_text(rng_system(), next, SECRET_CHARACTERS);
	rng_text(rng_system(), answer, SECRET_CHARACTERS);
	c->vm = jsonnet_make();
	jsonnet_max_stack(c->vm, STACK_MAX);
	jsonnet_import_callback(c->vm, on_import, c);
	jsonnet_native_callback(c->vm, next, on_next, c, one);
	jsonnet_native_callback(c->vm, answer, on_answer, c, one);
	struct buf text CLEAN(buf_fini) = BUF_INIT(4096);
	buf_addf(&text, "local profile = import '%" STR_F "';\n", STR_A(c->b->entry));
	buf_addf(&text, driver, next, answer, EVAL_QUESTIONS_PER_CHILD);
	char *result = jsonnet_evaluate_snippet(c->vm, "evaluation", text.p, &failed);
	if (failed)
		send_error(c, str_from(result));
}

int profile_eval_child_main(int in_fd, int out_fd)
{
	struct child c = {.in_fd = in_fd,
			  .out_fd = out_fd,
			  .question = BUF_INIT(EVAL_QUESTION_FRAME_MAX)};
	struct profile_bundle b;
	struct err e = ERR_INIT;
	if (arena_new(ARENA_BYTES, &c.a, &e) < 0 || !confine(&c)) {
		send_frame(&c, '!', S("the evaluator could not confine itself"));
		_exit(1);
	}
	struct buf text = BUF_INIT(PROFILE_BUNDLE_MAX_BYTES);
	if (!read_frame(in_fd, &text))
		_exit(0);
	if (profile_bundle_parse(buf_str(&text), c.a, &b, &e) < 0) {
		send_frame(&c, '!', str_from(e.text));
		_exit(1);
	}
	c.b = &b;
	evaluate(&c);
	_exit(0); /* the kernel frees faster than destructors do */
}
