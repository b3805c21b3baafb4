/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * An archive: a text file, a record a line, in the order of cli/audit.h. Every line is a JSON object
 * {"type": TYPE, "record": {…}}; the last one is {"type": "end", "record": {"lines": N,
 * "sha256": HEX}} over the N lines before it. docs/audit.md
 */
#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "base/file.h"
#include "cli/audit.h"

enum { LINE_ARENA = 64 << 20, FILE_MODE = 0644 };

/* ---- writing ------------------------------------------------------------------------------- */

struct archive {
	FILE *file;
	struct hasher hasher;
	int64_t lines;
};

static void closep(FILE **f)
{
	if (*f)
		(void)fclose(*f);
	*f = NULL;
}

MUST static int put(struct archive *x, const char *type, const struct json *record,
		    struct err *e)
{
	struct buf b CLEAN(buf_fini) = BUF_INIT(AUDIT_RECORD_MAX);
	buf_addf(&b, "{\"type\":\"%s\",\"record\":", type);
	json_write(record, &b);
	buf_add(&b, S("}\n"));
	if (buf_check(&b, e) < 0)
		return -1;
	hasher_add(&x->hasher, buf_str(&b));
	x->lines++;
	if (fwrite(b.p, 1, b.n, x->file) != b.n)
		return err_os(e, errno, "write the archive");
	return 0;
}

static int put_record(void *user, const char *type, const struct json *record,
		      struct arena *page UNUSED, struct err *e)
{
	return put(user, type, record, e);
}

MUST static int put_end(struct archive *x, struct arena *a, struct err *e)
{
	struct json *record = json_object_new(a);
	char hex[HASH_TEXT_SIZE];
	struct hash sum = hasher_end(&x->hasher);
	hash_text(&sum, hex);
	json_set_i64(a, record, S("lines"), x->lines);
	json_set_str(a, record, S("sha256"), str_from(hex));
	hasher_init(&x->hasher);
	if (arena_check(a, e) < 0 || put(x, "end", record, e) < 0)
		return -1;
	if (fflush(x->file) != 0 || fsync(fileno(x->file)) != 0)
		return err_os(e, errno, "flush the archive");
	return 0;
}

MUST int audit_write(struct cli_call *c, const struct audit_question *q, const char *path,
		     int64_t *lines, struct err *e)
{
	struct str made = arena_fmt(c->arena, "%s.tmp-%lld", path, (long long)getpid());
	if (arena_check(c->arena, e) < 0)
		return -1;
	FILE *file CLEAN(closep) = fopen(made.p, "wxe");
	if (!file)
		return err_os(e, errno, "make %s", made.p);
	struct archive x = {.file = file};
	hasher_init(&x.hasher);
	int rc = audit_ask(c, q, put_record, &x, e);
	if (rc == 0)
		rc = put_end(&x, c->arena, e);
	if (rc == 0 && rename(made.p, path) < 0)
		rc = err_os(e, errno, "name the archive %s", path);
	if (rc < 0)
		(void)unlink(made.p);
	*lines = x.lines;
	return rc;
}

/* ---- reading ------------------------------------------------------------------------------- */

struct reading {
	struct arena *page;
	struct hasher hasher;
	int64_t lines;
	bool is_over;
	audit_sink_fn *sink;
	void *user;
};

MUST static int take_end(struct reading *r, const struct json *record, struct err *e)
{
	char hex[HASH_TEXT_SIZE];
	struct hash sum = hasher_end(&r->hasher);
	hash_text(&sum, hex);
	r->is_over = true;
	if (client_i64(record, "lines") != r->lines ||
	    !str_is(client_text(record, "sha256"), hex))
		return err_fail(e, ERR_CORRUPT, "the archive was changed after it was written");
	return 0;
}

MUST static int take_line(struct reading *r, struct str line, struct err *e)
{
	struct json *j;
	arena_clear(r->page);
	if (r->is_over)
		return err_fail(e, ERR_CORRUPT, "something stands behind the archive's end");
	if (json_parse(line, r->page, &j, e) < 0)
		return err_fail(e, ERR_CORRUPT, "line %lld is no record of an archive",
				(long long)r->lines + 1);
	const char *type = arena_cstr(r->page, client_text(j, "type"));
	const struct json *record = json_get(j, S("record"));
	if (strcmp(type, "end") == 0)
		return take_end(r, record, e);
	if (r->lines == 0 && strcmp(type, "audit") != 0)
		return err_fail(e, ERR_CORRUPT, "this is no archive of an audit");
	hasher_add(&r->hasher, line);
	r->lines++;
	return r->sink(r->user, type, record, r->page, e);
}

MUST static int read_all(struct reading *r, FILE *file, char *line, struct err *e)
{
	while (fgets(line, AUDIT_RECORD_MAX, file)) {
		struct str text = str_from(line);
		if (!str_ends(text, S("\n")))
			return err_fail(e, ERR_CORRUPT,
					"line %lld is cut off, or larger than %d bytes",
					(long long)r->lines + 1, AUDIT_RECORD_MAX);
		if (take_line(r, text, e) < 0)
			return -1;
	}
	if (ferror(file))
		return err_os(e, errno, "read");
	if (!r->is_over)
		return err_fail(e, ERR_CORRUPT, "the archive has no end: it was cut off");
	return 0;
}

MUST int audit_read(const char *path, audit_sink_fn *sink, void *user, struct err *e)
{
	struct reading r = {.sink = sink, .user = user};
	FILE *file CLEAN(closep) = fopen(path, "re");
	if (!file && errno == ENOENT)
		return err_fail(e, ERR_NOT_FOUND, "there is no file %s", path);
	if (!file)
		return err_os(e, errno, "open %s", path);
	struct arena *lines CLEAN(arena_freep) = NULL;
	if (arena_new(LINE_ARENA, &r.page, e) < 0)
		return -1;
	hasher_init(&r.hasher);
	int rc = arena_new(2 * AUDIT_RECORD_MAX, &lines, e);
	char *line = rc < 0 ? NULL : ARENA_ARRAY(lines, char, AUDIT_RECORD_MAX);
	if (rc == 0)
		rc = line ? read_all(&r, file, line, e) : arena_check(lines, e);
	arena_free(r.page);
	return rc < 0 ? err_in(e, "%s", path) : 0;
}
