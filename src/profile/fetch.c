/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * Packages into the cache, through apt's own downloader (mirrors, proxies, retries, signatures of
 * lists are its business). It works in NODEDIR/cache/fetch/LOCKHASH: complete files there are
 * taken into the cache, a partial one is continued by apt, after whatever killed us.
 */
#include <errno.h>
#include <unistd.h>

#include "base/fail.h"
#include "base/file.h"
#include "profile/build_impl.h"
#include "profile/cache.h"
#include "profile/run_impl.h"

struct fetch {
	struct job *j;
	const char *dir;
	bool *is_missing; /* by package */
	int64_t missing, missing_bytes;
};

static struct profile_cache_object object_of(const struct lock_package *p)
{
	return (struct profile_cache_object){.sha256 = p->sha256, .size_bytes = p->size_bytes};
}

/* What the cache does not have, verified; all of it is read once here. */
static int find_missing(struct fetch *f, struct err *e)
{
	struct job *j = f->j;
	f->missing = f->missing_bytes = 0;
	for (size_t i = 0; i < j->lock.package_count; i++) {
		struct profile_cache_object o = object_of(&j->lock.packages[i]);
		int rc = profile_cache_verify(j->cache, &o, e);
		if (rc < 0)
			return -1;
		f->is_missing[i] = rc == 1;
		f->missing += rc;
		f->missing_bytes += rc ? o.size_bytes : 0;
	}
	return 0;
}

/* What apt brought goes into the cache. A file that is wrong is gone and counts as missing. */
static int take_fetched(struct fetch *f, struct err *e)
{
	struct job *j = f->j;
	for (size_t i = 0; i < j->lock.package_count; i++) {
		const struct lock_package *p = &j->lock.packages[i];
		struct profile_cache_object o = object_of(p);
		const char *path = arena_fmt(j->a, "%s/%" STR_F, f->dir, STR_A(p->file)).p;
		if (arena_check(j->a, e) < 0)
			return -1;
		if (!f->is_missing[i] || !file_exists(path))
			continue;
		if (profile_cache_take(j->cache, &o, path, e) < 0) {
			if (e->kind == ERR_CORRUPT)
				continue;
			return -1;
		}
		f->is_missing[i] = false;
		f->missing--;
		f->missing_bytes -= p->size_bytes;
	}
	err_clear(e);
	return 0;
}

/* "dlstatus:INDEX:PERCENT:Retrieving file N of M (…)" */
static void on_status(void *user, struct str line)
{
	struct fetch *f = user;
	struct str part, percent = S("0");
	struct err ignored;
	int64_t whole = 0, n = 0;
	if (!str_starts(line, S("dlstatus:")))
		return;
	for (int i = 0; i < 3; i++) {
		if (!str_split(&line, ':', &part))
			return;
		percent = part;
	}
	percent = str_sub(percent, 0, str_find_char(percent, '.'));
	size_t at = str_find(line, S("file ")) + 5;
	struct str number = str_sub(line, at, line.n);
	number = str_sub(number, 0, str_find_char(number, ' '));
	if (str_to_i64(percent, 0, 100, &whole, &ignored) < 0 ||
	    str_to_i64(number, 1, f->missing + 1, &n, &ignored) < 0)
		return;
	struct job *j = f->j;
	int64_t had = (int64_t)j->lock.package_count - f->missing;
	j->progress.bytes =
		j->lock.total_bytes - f->missing_bytes + f->missing_bytes * whole / 100;
	job_tell(j, PROFILE_PHASE_FETCH, had + n - 1, (int64_t)j->lock.package_count);
}

/* apt finds the packages that are in the cache already under the names it would give them. */
static int link_present(struct fetch *f, struct err *e)
{
	struct job *j = f->j;
	for (size_t i = 0; i < j->lock.package_count; i++) {
		const struct lock_package *p = &j->lock.packages[i];
		const char *from =
			arena_cstr(j->a, profile_cache_path(j->cache, p->sha256, j->a));
		const char *to = arena_fmt(j->a, "%s/%" STR_F, f->dir, STR_A(p->file)).p;
		if (arena_check(j->a, e) < 0)
			return -1;
		if (!f->is_missing[i] && link(from, to) < 0 && errno != EEXIST)
			return err_os(e, errno, "link %s", to);
	}
	return 0;
}

static int judge_failure(struct err *e)
{
	struct str text = str_from(e->text);
	static const char *const gone[] = {"was not found", "404", "Unable to locate"};
	if (e->kind != ERR_BROKEN)
		return -1;
	e->kind = ERR_UNREACHABLE;
	for (size_t i = 0; i < ARRAY_LEN(gone); i++)
		if (str_find(text, str_from(gone[i])) < text.n)
			e->kind = ERR_NOT_FOUND;
	return -1;
}

static int run_apt(struct fetch *f, const struct apt *apt, struct err *e)
{
	struct job *j = f->j;
	const char **argv = ARENA_ARRAY(j->a, const char *, j->lock.package_count + 16);
	size_t n = 0;
	if (arena_check(j->a, e) < 0)
		return -1;
	argv[n++] = "apt-get";
	argv[n++] = "-c";
	argv[n++] = arena_cstr(j->a, apt->conf);
	argv[n++] = "-o";
	argv[n++] = arena_fmt(j->a, "Dir::Cache::archives=%s", f->dir).p;
	argv[n++] = "-o";
	argv[n++] = "APT::Status-Fd=3";
	argv[n++] = "-qq";
	argv[n++] = "--download-only";
	argv[n++] = "install";
	for (size_t i = 0; i < j->lock.package_count; i++) {
		const struct lock_package *p = &j->lock.packages[i];
		argv[n++] =
			arena_fmt(j->a, "%" STR_F "=%" STR_F, STR_A(p->name), STR_A(p->version))
				.p;
	}
	struct run r = {.what = "apt-get (fetching packages)",
			.argv = argv,
			.output_max_bytes = 1 << 20,
			.status = on_status,
			.user = f};
	if (arena_check(j->a, e) < 0)
		return -1;
	return run_command(&r, j->a, NULL, e) < 0 ? judge_failure(e) : 0;
}

static int fetch_missing(struct fetch *f, struct err *e)
{
	struct job *j = f->j;
	struct apt apt CLEAN(apt_closep) = APT_CLOSED;
	const char *partial = arena_fmt(j->a, "%s/partial", f->dir).p;
	if (arena_check(j->a, e) < 0 || file_mkdirs(partial, 0755, e) < 0 ||
	    take_fetched(f, e) < 0)
		return -1;
	if (!f->missing)
		return 0;
	/* What others fetched while we waited for our turn is ours, too. */
	if (apt_open(&j->apt, j->b->software, false, j->a, &apt, e) < 0 ||
	    apt_lock_fetch(&apt, j->a, e) < 0 || find_missing(f, e) < 0)
		return -1;
	if (!f->missing)
		return 0;
	if (link_present(f, e) < 0)
		return -1;
	int rc = run_apt(f, &apt, e);
	fail_point("profile.fetch.done");
	struct err taken = ERR_INIT;
	if (take_fetched(f, &taken) < 0 && rc == 0) {
		*e = taken;
		return -1;
	}
	if (rc == 0 && f->missing)
		return err_fail(e, ERR_CORRUPT,
				"%d fetched packages are not what the lock says",
				(int)f->missing);
	return rc;
}

MUST int fetch_packages(struct job *j, struct err *e)
{
	struct fetch f = {.j = j};
	int64_t total = (int64_t)j->lock.package_count;
	f.dir = arena_fmt(j->a, "%s/fetch/%s", j->cache, j->lock.hash).p;
	f.is_missing = ARENA_ARRAY(j->a, bool, j->lock.package_count);
	if (arena_check(j->a, e) < 0 || find_missing(&f, e) < 0)
		return -1;
	j->progress.bytes_total = j->lock.total_bytes;
	j->progress.bytes = j->lock.total_bytes - f.missing_bytes;
	job_tell(j, PROFILE_PHASE_FETCH, total - f.missing, total);
	if (f.missing && fetch_missing(&f, e) < 0)
		return err_in(e, "fetch packages");
	j->progress.bytes = j->lock.total_bytes;
	job_tell(j, PROFILE_PHASE_FETCH, total, total);
	return file_remove_tree(f.dir, e);
}
