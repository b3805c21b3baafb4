/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * The order of a build. Each durable thing appears by rename after its content reached the disk,
 * and stands for a step that need not be done again:
 *
 *     lock.json → cache objects → commit → statement → checkout → built.json
 *
 * A release that was killed anywhere is continued from the last of them.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fail.h"
#include "base/file.h"
#include "json/desc.h"
#include "profile/build_impl.h"
#include "trust/hash.h"

enum { LISTS_MAX_AGE_MS = 3600 * 1000, WORK_ARENA_BYTES = 64 << 20, RELEASES_MAX = 4096 };

const char *profile_phase_name(enum profile_phase phase)
{
	static const char *const names[] = {
		[PROFILE_PHASE_RESOLVE] = "resolve",   [PROFILE_PHASE_FETCH] = "fetch",
		[PROFILE_PHASE_UNPACK] = "unpack",     [PROFILE_PHASE_COMMIT] = "commit",
		[PROFILE_PHASE_CHECKOUT] = "checkout",
	};
	return names[phase];
}

void job_tell(struct job *j, enum profile_phase phase, int64_t done, int64_t total)
{
	j->progress.phase = phase;
	j->progress.done = done;
	j->progress.total = total;
	if (j->b->progress)
		j->b->progress(j->b->user, &j->progress);
}

/* ---- the record of a finished build ---- */

struct record {
	struct str lock, commit;
	int64_t ms;
};

/* clang-format off */
static const struct json_field record_fields[] = {
	JSON_STR(struct record, commit, "commit", 64, 64, JSON_REQUIRED, "OSTree commit."),
	JSON_STR(struct record, lock, "lock", 64, 64, JSON_REQUIRED, "Hash of the lock."),
	JSON_I64(struct record, ms, "ms", 0, INT64_MAX, 0, "Time of the build."),
};
/* clang-format on */
static const struct json_desc record_desc =
	JSON_DESC(struct record, record_fields, "Built", "A release is present.");

static int check_hash(const char *release_hash, struct err *e)
{
	struct hash h;
	return hash_parse(str_from(release_hash), &h, e) < 0
		       ? err_fail(e, ERR_INVALID, "\"%.80s\" is not the hash of a release",
				  release_hash)
		       : 0;
}

MUST int profile_build_find(const char *node_dir, const char *release_hash, struct arena *a,
			    struct profile_built *out, struct err *e)
{
	struct record r;
	struct str text;
	if (check_hash(release_hash, e) < 0)
		return -1;
	const char *path = arena_fmt(a, "%s/releases/%s/built.json", node_dir, release_hash).p;
	struct str root = arena_fmt(a, "%s/releases/%s/root", node_dir, release_hash);
	if (arena_check(a, e) < 0)
		return -1;
	int rc = file_read(path, 4096, a, &text, e);
	if (rc)
		return rc;
	if (json_read(&record_desc, text, a, &r, e) < 0)
		return err_in(e, "%s", path);
	if (!file_exists(root.p))
		return 1;
	*out = (struct profile_built){.root = root, .was_shared = true};
	(void)snprintf(out->lock_hash, sizeof out->lock_hash, "%" STR_F, STR_A(r.lock));
	(void)snprintf(out->commit, sizeof out->commit, "%" STR_F, STR_A(r.commit));
	return 0;
}

static int write_record(struct job *j, const char *commit, int64_t took_ms, struct err *e)
{
	struct record r = {
		.lock = str_from(j->lock.hash), .commit = str_from(commit), .ms = took_ms};
	struct buf text CLEAN(buf_fini) = BUF_INIT(4096);
	json_write_struct(&record_desc, &r, &text);
	const char *path = arena_fmt(j->a, "%s/built.json", j->release).p;
	if (buf_check(&text, e) < 0 || arena_check(j->a, e) < 0)
		return -1;
	return file_write(path, buf_str(&text), 0644, e);
}

/* ---- locks between processes ---- */

/* 1: somebody else has it and `waits` is false. */
static int take_lock(const char *node_dir, const char *kind, const char *hash, bool waits,
		     int *out_fd, struct err *e)
{
	char dir[4096], path[4200];
	(void)snprintf(dir, sizeof dir, "%s/building", node_dir);
	(void)snprintf(path, sizeof path, "%s/%s-%s.lock", dir, kind, hash);
	if (file_mkdirs(dir, 0755, e) < 0)
		return -1;
	int fd CLEAN(file_closep) = open(path, O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0644);
	if (fd < 0)
		return err_os(e, errno, "open %s", path);
	while (flock(fd, LOCK_EX | (waits ? 0 : LOCK_NB)) < 0) {
		if (errno == EWOULDBLOCK)
			return 1;
		if (errno != EINTR)
			return err_os(e, errno, "lock %s", path);
	}
	*out_fd = fd;
	fd = -1;
	return 0;
}

/* ---- the steps ---- */

static int resolve(struct job *j, struct err *e)
{
	const char *path = arena_fmt(j->a, "%s/lock.json", j->release).p;
	job_tell(j, PROFILE_PHASE_RESOLVE, 0, 1);
	if (arena_check(j->a, e) < 0 || file_mkdirs(j->release, 0755, e) < 0 ||
	    profile_lock_resolve(j->b->software, &j->apt, j->a, &j->lock, e) < 0)
		return -1;
	fail_point("profile.build.resolved");
	if (file_write(path, j->lock.canonical, 0644, e) < 0)
		return -1;
	fail_point("profile.build.locked");
	return 0;
}

/* The lock of an earlier try, else a new one. */
static int open_lock(struct job *j, struct err *e)
{
	struct str text;
	struct err old = ERR_INIT;
	const char *path = arena_fmt(j->a, "%s/lock.json", j->release).p;
	int rc = file_read(path, PROFILE_LOCK_MAX_BYTES, j->a, &text, e);
	if (rc < 0)
		return -1;
	if (rc == 0 && profile_lock_parse(text, j->a, &j->lock, &old) == 0)
		return 0;
	return resolve(j, e);
}

static int build_tree(struct job *j, char commit[static 65], struct err *e)
{
	if (fetch_packages(j, e) < 0)
		return -1;
	fail_point("profile.build.fetched");
	int rc = root_make(j, e);
	if (rc == 0)
		rc = tree_commit(j, commit, e);
	struct err ignored = ERR_INIT;
	if (file_remove_tree(j->work, rc < 0 ? &ignored : e) < 0)
		return -1;
	return rc;
}

/* The tree of j->lock, from the repository or new. *was_there tells which. */
static int provide_tree(struct job *j, char commit[static 65], bool *was_there, struct err *e)
{
	int lock_fd CLEAN(file_closep) = -1;
	j->work = arena_fmt(j->a, "%s/building/%s", j->b->node_dir, j->lock.hash).p;
	if (arena_check(j->a, e) < 0 ||
	    take_lock(j->b->node_dir, "tree", j->lock.hash, true, &lock_fd, e) < 0)
		return -1;
	int rc = tree_find(j, commit, e);
	/* A statement that is wrong (another key, a damaged file) is worth nothing: build again. */
	if (rc < 0 && e->kind != ERR_CORRUPT && e->kind != ERR_INVALID)
		return -1;
	*was_there = rc == 0;
	err_clear(e);
	/* What a killed build left is in nobody's way, but takes room. */
	return rc == 0 ? file_remove_tree(j->work, e) : build_tree(j, commit, e);
}

static int run_job(struct job *j, struct profile_built *out, struct err *e)
{
	struct profile_built built = {.was_shared = false};
	int64_t start_ms = clock_mono_ms(clock_system());
	if (open_lock(j, e) < 0)
		return -1;
	int rc = provide_tree(j, built.commit, &built.was_shared, e);
	if (rc < 0 && e->kind == ERR_NOT_FOUND) {
		/* The mirrors went on to newer versions: resolve anew, once. */
		j->apt.lists_max_age_ms = 0;
		err_clear(e);
		if (resolve(j, e) < 0)
			return -1;
		rc = provide_tree(j, built.commit, &built.was_shared, e);
	}
	if (rc < 0 || tree_checkout(j, built.commit, e) < 0 ||
	    write_record(j, built.commit, clock_mono_ms(clock_system()) - start_ms, e) < 0)
		return -1;
	fail_point("profile.build.done");
	job_tell(j, PROFILE_PHASE_CHECKOUT, 1, 1);
	(void)snprintf(built.lock_hash, sizeof built.lock_hash, "%s", j->lock.hash);
	*out = built;
	return 0;
}

/* Sources: given, else of the node, else of the host (NULL). */
static int find_sources(struct job *j, struct err *e)
{
	struct str text;
	j->apt.sources = j->b->sources;
	if (j->apt.sources)
		return 0;
	const char *path = arena_fmt(j->a, "%s/apt.sources", j->b->node_dir).p;
	int rc = arena_check(j->a, e) < 0 ? -1 : file_read(path, 256 << 10, j->a, &text, e);
	if (rc == 0)
		j->apt.sources = text.p;
	return rc < 0 ? -1 : 0;
}

static int build_locked(const struct profile_build *b, struct arena *a,
			struct profile_built *out, struct err *e)
{
	struct arena *scratch CLEAN(arena_freep) = NULL;
	if (arena_new(WORK_ARENA_BYTES, &scratch, e) < 0)
		return -1;
	struct job j = {.b = b, .a = scratch};
	j.cache = arena_fmt(scratch, "%s/cache", b->node_dir).p;
	j.repo = arena_fmt(scratch, "%s/repo", b->node_dir).p;
	j.release = arena_fmt(scratch, "%s/releases/%s", b->node_dir, b->release_hash).p;
	j.apt.dir = arena_fmt(scratch, "%s/apt", b->node_dir).p;
	j.apt.lists_max_age_ms = LISTS_MAX_AGE_MS;
	if (arena_check(scratch, e) < 0 || find_sources(&j, e) < 0 || run_job(&j, out, e) < 0)
		return -1;
	out->root = arena_fmt(a, "%s/root", j.release);
	return arena_check(a, e);
}

MUST int profile_build_run(const struct profile_build *b, struct arena *a,
			   struct profile_built *out, struct err *e)
{
	int lock_fd CLEAN(file_closep) = -1;
	int rc = profile_build_find(b->node_dir, b->release_hash, a, out, e);
	if (rc <= 0)
		return rc;
	if (geteuid() != 0)
		return err_fail(e, ERR_FORBIDDEN, "building a release needs root");
	rc = take_lock(b->node_dir, "release", b->release_hash, false, &lock_fd, e);
	if (rc)
		return rc; /* 1: PROFILE_BUILD_ELSEWHERE */
	rc = profile_build_find(b->node_dir, b->release_hash, a, out, e);
	return rc <= 0 ? rc : build_locked(b, a, out, e);
}

/* ---- removal ---- */

/* What the releases that stay need: hashes of packages, and whether the lock is among them. */
struct uses {
	const char *lock_hash;
	bool is_lock_used;
	struct str *packages; /* SHA-256 texts, sorted */
	size_t count;
};

static int is_release(const struct dirent *d)
{
	return strlen(d->d_name) == 64;
}

static int add_uses(struct uses *u, const char *releases, const char *name, struct arena *a,
		    struct err *e)
{
	struct str text;
	struct profile_lock l;
	const char *path = arena_fmt(a, "%s/%s/lock.json", releases, name).p;
	int rc = arena_check(a, e) < 0 ? -1
				       : file_read(path, PROFILE_LOCK_MAX_BYTES, a, &text, e);
	if (rc)
		return rc < 0 ? -1 : 0;
	if (profile_lock_parse(text, a, &l, e) < 0)
		return err_in(e, "%s", path);
	u->is_lock_used = u->is_lock_used || strcmp(l.hash, u->lock_hash) == 0;
	struct str *all = ARENA_ARRAY(a, struct str, u->count + l.package_count);
	if (arena_check(a, e) < 0)
		return -1;
	if (u->count)
		memcpy(all, u->packages, u->count * sizeof *all);
	for (size_t i = 0; i < l.package_count; i++)
		all[u->count + i] = str_from(l.packages[i].sha256);
	u->packages = all;
	u->count += l.package_count;
	return 0;
}

static int find_uses(struct uses *u, const char *node_dir, struct arena *a, struct err *e)
{
	struct dirent **names = NULL;
	const char *releases = arena_fmt(a, "%s/releases", node_dir).p;
	int n = scandir(releases, &names, is_release, alphasort);
	int rc = n > RELEASES_MAX
			 ? err_fail(e, ERR_TOO_LARGE, "too many releases in %s", releases)
			 : 0;
	for (int i = 0; i < n; i++) {
		if (rc == 0)
			rc = add_uses(u, releases, names[i]->d_name, a, e);
		free(names[i]);
	}
	free(names);
	return rc;
}

static bool uses_package(const struct uses *u, const char *sha256)
{
	for (size_t i = 0; i < u->count; i++)
		if (str_is(u->packages[i], sha256))
			return true;
	return false;
}

static int drop_unused(const char *node_dir, const struct profile_lock *l, struct arena *a,
		       struct err *e)
{
	struct uses u = {.lock_hash = l->hash};
	if (find_uses(&u, node_dir, a, e) < 0)
		return -1;
	for (size_t i = 0; i < l->package_count; i++) {
		const char *sha256 = l->packages[i].sha256;
		const char *path = arena_fmt(a, "%s/cache/sha256/%s", node_dir, sha256).p;
		if (arena_check(a, e) < 0)
			return -1;
		if (!uses_package(&u, sha256) && file_remove_tree(path, e) < 0)
			return -1;
	}
	if (u.is_lock_used)
		return 0;
	return tree_forget(arena_fmt(a, "%s/repo", node_dir).p, l->hash, a, e);
}

/* built.json first: a half removed release must not look present. */
static int remove_locked(const char *node_dir, const char *release_hash, struct arena *a,
			 struct err *e)
{
	struct profile_lock l;
	struct str text;
	const char *dir = arena_fmt(a, "%s/releases/%s", node_dir, release_hash).p;
	const char *built = arena_fmt(a, "%s/built.json", dir).p;
	const char *lock = arena_fmt(a, "%s/lock.json", dir).p;
	const char *gone = arena_fmt(a, "%s/building/gone-%s.json", node_dir, release_hash).p;
	if (arena_check(a, e) < 0 || file_remove_tree(built, e) < 0)
		return -1;
	fail_point("profile.remove.unmarked");
	/* The lock outlives the folder until everything that only it used is gone. */
	int rc = file_read(lock, PROFILE_LOCK_MAX_BYTES, a, &text, e);
	if (rc == 0)
		rc = file_write(gone, text, 0644, e);
	if (rc < 0 || file_remove_tree(dir, e) < 0)
		return -1;
	fail_point("profile.remove.folder");
	rc = file_read(gone, PROFILE_LOCK_MAX_BYTES, a, &text, e);
	if (rc == 0 && profile_lock_parse(text, a, &l, e) == 0 &&
	    drop_unused(node_dir, &l, a, e) < 0)
		return -1;
	err_clear(e);
	return file_remove_tree(gone, e);
}

MUST int profile_build_remove(const char *node_dir, const char *release_hash, struct err *e)
{
	struct arena *a CLEAN(arena_freep) = NULL;
	int lock_fd CLEAN(file_closep) = -1;
	if (check_hash(release_hash, e) < 0 || arena_new(WORK_ARENA_BYTES, &a, e) < 0)
		return -1;
	int rc = take_lock(node_dir, "release", release_hash, false, &lock_fd, e);
	return rc ? rc : remove_locked(node_dir, release_hash, a, e);
}
