/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * Makes a bundle from files on disk. Imports in Jsonnet are always string literals, so a
 * scanner that knows comments and strings finds them without understanding the rest. Files are
 * opened with openat2(RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS): whatever an import says, nothing
 * outside the two folders is read.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/file.h"
#include "profile/bundle_impl.h"

/* ---- the scanner ---- */

struct scan {
	struct str text;
	size_t at;
	int line;
};

static char peek(const struct scan *s, size_t ahead)
{
	return s->at + ahead < s->text.n ? s->text.p[s->at + ahead] : 0;
}

static void step(struct scan *s, size_t n)
{
	for (; n && s->at < s->text.n; n--)
		if (s->text.p[s->at++] == '\n')
			s->line++;
}

static bool looks_at(const struct scan *s, const char *word)
{
	return str_starts(str_sub(s->text, s->at, s->text.n), str_from(word));
}

static void skip_past(struct scan *s, const char *end)
{
	while (s->at < s->text.n && !looks_at(s, end))
		step(s, 1);
	step(s, strlen(end));
}

/* A string from its first quote to after its last; the raw inside goes to *inside. */
static void skip_string(struct scan *s, bool is_verbatim, struct str *inside)
{
	char quote = peek(s, 0);
	step(s, 1);
	size_t from = s->at;
	while (s->at < s->text.n) {
		bool is_escape = is_verbatim ? peek(s, 0) == quote && peek(s, 1) == quote
					     : peek(s, 0) == '\\';
		if (!is_escape && peek(s, 0) == quote)
			break;
		step(s, is_escape ? 2 : 1);
	}
	*inside = str_sub(s->text, from, s->at - from);
	step(s, 1);
}

/* A text block ends at a line that has ||| after white space. */
static void skip_block(struct scan *s)
{
	skip_past(s, "\n");
	while (s->at < s->text.n) {
		while (peek(s, 0) == ' ' || peek(s, 0) == '\t')
			step(s, 1);
		if (looks_at(s, "|||")) {
			step(s, 3);
			return;
		}
		skip_past(s, "\n");
	}
}

static bool is_word_char(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
	       c == '_';
}

/* Skips a comment; false if there is none here. */
static bool skip_comment(struct scan *s)
{
	if (peek(s, 0) == '#' || looks_at(s, "//"))
		skip_past(s, "\n");
	else if (looks_at(s, "/*"))
		skip_past(s, "*/");
	else
		return false;
	return true;
}

enum token { TOKEN_END, TOKEN_WORD, TOKEN_STRING, TOKEN_OTHER };

static bool is_quote(char c)
{
	return c == '"' || c == '\'';
}

/* White space and comments. */
static void skip_nothing_said(struct scan *s)
{
	while (s->at < s->text.n) {
		if (strchr(" \t\r\n", peek(s, 0)))
			step(s, 1);
		else if (!skip_comment(s))
			return;
	}
}

static enum token next_token(struct scan *s, struct str *text)
{
	skip_nothing_said(s);
	if (s->at >= s->text.n)
		return TOKEN_END;
	if (looks_at(s, "|||")) {
		skip_block(s);
		return TOKEN_OTHER;
	}
	bool is_verbatim = peek(s, 0) == '@' && is_quote(peek(s, 1));
	if (is_verbatim)
		step(s, 1);
	if (is_quote(peek(s, 0))) {
		skip_string(s, is_verbatim, text);
		return TOKEN_STRING;
	}
	size_t from = s->at;
	if (!is_word_char(peek(s, 0))) {
		step(s, 1);
		return TOKEN_OTHER;
	}
	while (is_word_char(peek(s, 0)))
		step(s, 1);
	*text = str_sub(s->text, from, s->at - from);
	return TOKEN_WORD;
}

/* The next import; false at the end of the text. */
static bool next_import(struct scan *s, struct str *out)
{
	struct str text;
	bool is_after_import = false;
	enum token t;
	while ((t = next_token(s, &text)) != TOKEN_END) {
		if (t == TOKEN_STRING && is_after_import) {
			*out = text;
			return true;
		}
		is_after_import = t == TOKEN_WORD &&
				  (str_is(text, "import") || str_is(text, "importstr"));
	}
	return false;
}

/* ---- the files ---- */

struct collect {
	struct arena *a;
	struct profile_bundle *b;
	int own_fd, lib_fd; /* folders; lib_fd may be -1 */
	size_t bytes;
};

/* 1: no such file in that folder. */
static int read_beneath(struct collect *c, int dir_fd, struct str path, struct str *out,
			struct err *e)
{
	if (dir_fd < 0)
		return 1;
	const char *name = arena_cstr(c->a, path);
	struct open_how how = {.flags = O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY,
			       .resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS};
	int fd CLEAN(file_closep) = (int)syscall(SYS_openat2, dir_fd, name, &how, sizeof how);
	if (fd < 0 && (errno == ENOENT || errno == ENOTDIR))
		return 1;
	if (fd < 0)
		return errno == ELOOP || errno == EXDEV
			       ? err_fail(e, ERR_INVALID, "%s is a symbolic link", name)
			       : err_os(e, errno, "open %s", name);
	struct stat st;
	if (fstat(fd, &st) < 0)
		return err_os(e, errno, "read %s", name);
	if (!S_ISREG(st.st_mode))
		return err_fail(e, ERR_INVALID, "%s is not a file", name);
	struct buf text CLEAN(buf_fini) = BUF_INIT(PROFILE_BUNDLE_MAX_BYTES);
	char chunk[8192];
	ssize_t n;
	while ((n = read(fd, chunk, sizeof chunk)) > 0)
		buf_add(&text, str_of(chunk, (size_t)n));
	if (n < 0)
		return err_os(e, errno, "read %s", name);
	if (buf_check(&text, e) < 0)
		return err_in(e, "%s", name);
	*out = arena_dup(c->a, buf_str(&text));
	return arena_check(c->a, e);
}

static int add_file(struct collect *c, struct str path, struct str text, struct err *e)
{
	struct profile_bundle *b = c->b;
	c->bytes += path.n + text.n;
	if (b->file_count == PROFILE_BUNDLE_MAX_FILES || c->bytes > PROFILE_BUNDLE_MAX_BYTES)
		return err_fail(e, ERR_TOO_LARGE, "a bundle has at most %d files and %d bytes",
				PROFILE_BUNDLE_MAX_FILES, PROFILE_BUNDLE_MAX_BYTES);
	if (!str_is_utf8(text) || str_find_char(text, 0) != text.n)
		return err_fail(e, ERR_INVALID, "%" STR_F " is not UTF-8 text", STR_A(path));
	b->files[b->file_count++] = (struct profile_file){path, text};
	return 0;
}

/* Tries one path in both folders; 1 if neither has it. */
static int try_path(struct collect *c, struct str path, struct err *e)
{
	if (!profile_path_is_valid(path))
		return 1;
	if (profile_bundle_file(c->b, path))
		return 0;
	struct str text;
	int rc = read_beneath(c, c->own_fd, path, &text, e);
	if (rc == 1)
		rc = read_beneath(c, c->lib_fd, path, &text, e);
	return rc ? rc : add_file(c, path, text, e);
}

static int add_import(struct collect *c, struct str importer, int line, struct str rel,
		      struct err *e)
{
	struct str plain = str_starts(rel, S("./")) ? str_sub(rel, 2, rel.n) : rel;
	if (!profile_path_is_valid(plain))
		return err_fail(e, ERR_INVALID,
				"%" STR_F
				":%d: import '%.*s': write the path of a file of the profile's "
				"own folder or of the library, without '..'",
				STR_A(importer), line, (int)MIN_OF(rel.n, 100), rel.p);
	size_t dir = importer.n;
	while (dir > 0 && importer.p[dir - 1] != '/')
		dir--;
	int rc = 1;
	if (dir)
		rc = try_path(
			c, arena_fmt(c->a, "%.*s%" STR_F, (int)dir, importer.p, STR_A(plain)),
			e);
	if (rc == 1)
		rc = try_path(c, plain, e);
	if (rc == 1)
		return err_fail(e, ERR_INVALID,
				"%" STR_F ":%d: import '%" STR_F "': no such file",
				STR_A(importer), line, STR_A(plain));
	return rc;
}

/* Files are appended while they are walked through, so the list is its own queue. */
static int follow_imports(struct collect *c, struct err *e)
{
	for (size_t i = 0; i < c->b->file_count; i++) {
		struct profile_file f = c->b->files[i];
		if (!str_ends(f.path, S("sonnet")))
			continue;
		struct scan s = {.text = f.text, .line = 1};
		struct str rel;
		while (next_import(&s, &rel))
			if (add_import(c, f.path, s.line, rel, e) < 0)
				return -1;
	}
	return 0;
}

/* The name: folder of profile.jsonnet, else the file's stem. */
static int name_bundle(struct collect *c, const char *path, struct str *dir, struct err *e)
{
	char *real = realpath(path, NULL);
	if (!real)
		return errno == ENOENT ? err_fail(e, ERR_NOT_FOUND, "no profile at %s", path)
				       : err_os(e, errno, "open %s", path);
	struct str whole = arena_dup(c->a, str_from(real));
	free(real);
	size_t slash = whole.n;
	while (slash > 0 && whole.p[slash - 1] != '/')
		slash--;
	c->b->entry = str_sub(whole, slash, whole.n);
	*dir = slash > 1 ? str_sub(whole, 0, slash - 1) : S("/");
	size_t from = dir->n;
	while (from > 0 && dir->p[from - 1] != '/')
		from--;
	c->b->name = str_is(c->b->entry, "profile.jsonnet")
			     ? str_sub(*dir, from, dir->n)
			     : str_sub(c->b->entry, 0, str_find_char(c->b->entry, '.'));
	if (!profile_name_is_valid(c->b->name))
		return err_fail(e, ERR_INVALID,
				"%s: \"%" STR_F "\" is not a profile name (a-z, 0-9, -)", path,
				STR_A(c->b->name));
	if (!profile_path_is_valid(c->b->entry))
		return err_fail(e, ERR_INVALID, "%s is not a usable file name", path);
	return arena_check(c->a, e);
}

static int open_folders(struct collect *c, struct str dir, const char *lib_dir, struct err *e)
{
	c->own_fd = open(arena_cstr(c->a, dir), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (c->own_fd < 0)
		return err_os(e, errno, "open folder %" STR_F, STR_A(dir));
	const char *lib =
		lib_dir ? lib_dir : arena_fmt(c->a, "%" STR_F "/../lib", STR_A(dir)).p;
	c->lib_fd = open(lib, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (c->lib_fd < 0 && lib_dir)
		return err_os(e, errno, "open library folder %s", lib);
	return 0;
}

static int collect(struct collect *c, const char *path, const char *lib_dir, struct err *e)
{
	struct str dir;
	c->b->files = ARENA_ARRAY(c->a, struct profile_file, PROFILE_BUNDLE_MAX_FILES);
	if (arena_check(c->a, e) < 0 || name_bundle(c, path, &dir, e) < 0 ||
	    open_folders(c, dir, lib_dir, e) < 0)
		return -1;
	int rc = try_path(c, c->b->entry, e);
	if (rc == 1)
		return err_fail(e, ERR_NOT_FOUND, "no profile at %s", path);
	if (rc < 0 || follow_imports(c, e) < 0)
		return -1;
	return bundle_finish(c->b, c->a, e);
}

MUST int profile_bundle_collect(const char *path, const char *lib_dir, struct arena *a,
				struct profile_bundle *out, struct err *e)
{
	struct profile_bundle b = {.file_count = 0};
	struct collect c = {.a = a, .b = &b, .own_fd = -1, .lib_fd = -1};
	int rc = collect(&c, path, lib_dir, e);
	file_closep(&c.own_fd);
	file_closep(&c.lib_fd);
	if (rc == 0)
		*out = b;
	return rc;
}
