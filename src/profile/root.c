/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * A root from locked packages. A repository is made of hard links to the cache and of the control
 * records of the packages themselves; mmdebstrap knows no other source, so what is not locked
 * cannot get in. What differs from build to build (logs, caches, keys made at installation) is
 * taken out at the end.
 */
#include <dirent.h>
#include <errno.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fail.h"
#include "base/file.h"
#include "profile/build_impl.h"
#include "profile/cache.h"
#include "profile/run_impl.h"

enum { PACKAGES_MAX_BYTES = 8 << 20, DPKG_LOG_MAX_BYTES = 8 << 20 };

static const char finish_script[] =
	"set -e; r=$1\n"
	"echo 'hoc:x:1000:1000:service:/hoc:/usr/sbin/nologin' >> \"$r/etc/passwd\"\n"
	"echo 'hoc:x:1000:' >> \"$r/etc/group\"\n"
	"echo 'hoc:!:19000:0:99999:7:::' >> \"$r/etc/shadow\"\n"
	"if [ -e \"$r/etc/gshadow\" ]; then echo 'hoc:!::' >> \"$r/etc/gshadow\"; fi\n"
	"mkdir -p \"$r/hoc\"; chown 1000:1000 \"$r/hoc\"\n"
	"rm -rf \"$r\"/var/log/* \"$r\"/var/cache/* \"$r\"/var/backups/* \"$r\"/tmp/* "
	"\"$r\"/run/* \\\n"
	"	\"$r\"/var/tmp/* \"$r\"/var/lib/apt/lists \"$r\"/var/lib/dpkg/*-old "
	"\"$r\"/etc/*- \\\n"
	"	\"$r\"/etc/.pwd.lock \"$r\"/etc/resolv.conf \"$r\"/etc/hostname "
	"\"$r\"/etc/mtab \\\n"
	"	\"$r\"/var/lib/dbus/machine-id \"$r\"/var/lib/systemd/random-seed "
	"\"$r\"/root/.* \\\n"
	"	\"$r\"/etc/ssl/private/* \"$r\"/etc/ssl/certs/ssl-cert-snakeoil.pem "
	"2>/dev/null || true\n"
	"find \"$r/etc/ssl/certs\" -xtype l -delete 2>/dev/null || true\n"
	": > \"$r/etc/machine-id\"; : > \"$r/etc/resolv.conf\"; echo hoc > "
	"\"$r/etc/hostname\"\n"
	"ln -s /proc/self/mounts \"$r/etc/mtab\"\n"
	"printf '127.0.0.1 localhost\\n::1 localhost\\n' > \"$r/etc/hosts\"\n";

/* Set files exist before the scripts of the packages beyond the essential ones run. */
static const char preset_script[] = "cp -R \"$HOC_PRESET/.\" \"$1/\"";

static int make_preset(struct job *j, const char *dir, struct err *e)
{
	if (file_mkdirs(dir, 0755, e) < 0)
		return -1;
	for (size_t i = 0; i < j->lock.files.count; i++) {
		const struct json_pair *f = &j->lock.files.items[i];
		struct str path = arena_fmt(j->a, "%s/%" STR_F, dir, STR_A(f->key));
		size_t slash = path.n;
		while (path.p[slash - 1] != '/')
			slash--;
		const char *parent = arena_cstr(j->a, str_sub(path, 0, slash - 1));
		if (arena_check(j->a, e) < 0 || file_mkdirs(parent, 0755, e) < 0 ||
		    file_write(arena_cstr(j->a, path), f->value, 0644, e) < 0)
			return -1;
	}
	return 0;
}

/* Links one package into the repository and appends its record. */
static int add_package(struct job *j, const char *repository, const struct lock_package *p,
		       struct buf *records, struct err *e)
{
	struct arena *a CLEAN(arena_freep) = NULL;
	struct str control;
	if (arena_new(512 << 10, &a, e) < 0)
		return -1;
	const char *to = arena_fmt(a, "%s/%s.deb", repository, p->sha256).p;
	if (arena_check(a, e) < 0)
		return -1;
	if (profile_cache_give(j->cache, p->sha256, to, e) < 0)
		return err_in(e, "package %" STR_F, STR_A(p->name));
	const char *argv[] = {"dpkg-deb", "-f", to, NULL};
	struct run r = {.what = "dpkg-deb", .argv = argv, .output_max_bytes = 256 << 10};
	if (run_command(&r, a, &control, e) < 0)
		return err_in(e, "package %" STR_F, STR_A(p->name));
	buf_add(records, str_trim(control));
	buf_addf(records, "\nFilename: ./%s.deb\nSize: %lld\nSHA256: %s\n\n", p->sha256,
		 (long long)p->size_bytes, p->sha256);
	return 0;
}

static int make_repository(struct job *j, const char *dir, struct err *e)
{
	struct buf records CLEAN(buf_fini) = BUF_INIT(PACKAGES_MAX_BYTES);
	if (file_mkdirs(dir, 0755, e) < 0)
		return -1;
	for (size_t i = 0; i < j->lock.package_count; i++)
		if (add_package(j, dir, &j->lock.packages[i], &records, e) < 0)
			return -1;
	struct str suite = j->lock.suite;
	struct str release = arena_fmt(j->a,
				       "Origin: hoc\nSuite: %" STR_F "\nCodename: %" STR_F
				       "\nArchitectures: %" STR_F "\n",
				       STR_A(suite), STR_A(suite), STR_A(j->lock.architecture));
	if (buf_check(&records, e) < 0 || arena_check(j->a, e) < 0)
		return -1;
	if (file_write(arena_fmt(j->a, "%s/Packages", dir).p, buf_str(&records), 0644, e) < 0)
		return -1;
	return file_write(arena_fmt(j->a, "%s/Release", dir).p, release, 0644, e);
}

static size_t count_lines(struct str text, struct str with)
{
	size_t n = 0;
	struct str line;
	while (str_split(&text, '\n', &line))
		n += str_find(line, with) < line.n;
	return n;
}

/* How many packages dpkg has configured, from its own log inside the new root. */
static void on_tick(void *user)
{
	struct job *j = user;
	struct arena *a CLEAN(arena_freep) = NULL;
	struct err ignored;
	struct str log;
	if (arena_new(2 * DPKG_LOG_MAX_BYTES, &a, &ignored) < 0)
		return;
	const char *path = arena_fmt(a, "%s/root/var/log/dpkg.log", j->work).p;
	if (file_read(path, DPKG_LOG_MAX_BYTES, a, &log, &ignored) != 0)
		return;
	int64_t total = (int64_t)j->lock.package_count;
	int64_t done = (int64_t)count_lines(log, S(" status installed "));
	if (done != j->progress.done && done <= total)
		job_tell(j, PROFILE_PHASE_UNPACK, done, total);
}

static int run_mmdebstrap(struct job *j, const char *root, struct err *e)
{
	struct buf include CLEAN(buf_fini) = BUF_INIT(256 << 10);
	buf_add(&include, S("--include="));
	for (size_t i = 0; i < j->lock.package_count; i++)
		buf_addf(&include, "%s%" STR_F, i ? "," : "", STR_A(j->lock.packages[i].name));
	if (buf_check(&include, e) < 0)
		return -1;
	const char *argv[] = {
		"mmdebstrap",
		"--mode=root",
		"--variant=essential",
		"--format=directory",
		"--hook-dir=/usr/share/mmdebstrap/hooks/merged-usr",
		"--dpkgopt=force-unsafe-io",
		"--dpkgopt=path-exclude=/usr/share/man/*",
		"--dpkgopt=path-exclude=/usr/share/info/*",
		"--dpkgopt=path-exclude=/usr/share/locale/*",
		"--dpkgopt=path-exclude=/usr/share/doc/*",
		"--dpkgopt=path-include=/usr/share/doc/*/copyright",
		"--aptopt=APT::Install-Recommends \"false\"",
		arena_fmt(j->a, "--architectures=%" STR_F, STR_A(j->lock.architecture)).p,
		arena_fmt(j->a, "--essential-hook=%s", preset_script).p,
		arena_fmt(j->a, "--customize-hook=%s", finish_script).p,
		include.p,
		arena_cstr(j->a, j->lock.suite),
		root,
		arena_fmt(j->a, "deb [trusted=yes] copy://%s/repository ./", j->work).p,
		NULL,
	};
	const char *env[] = {"SOURCE_DATE_EPOCH=1672531200", /* 1 January 2023, for ever */
			     arena_fmt(j->a, "HOC_PRESET=%s/preset", j->work).p, NULL};
	struct run r = {.what = "mmdebstrap",
			.argv = argv,
			.extra_env = env,
			.is_contained = true,
			.output_max_bytes = 4 << 20,
			.tick = on_tick,
			.user = j};
	if (arena_check(j->a, e) < 0)
		return -1;
	return run_command(&r, j->a, NULL, e);
}

/*
 * The release has no device nodes (the container brings its own), and does not know the folder
 * it was built in: equal locks give equal commits.
 */
static int take_out_traces(struct job *j, const char *root, struct err *e)
{
	const char *dev = arena_fmt(j->a, "%s/dev", root).p;
	const char *sources = arena_fmt(j->a, "%s/etc/apt/sources.list", root).p;
	if (arena_check(j->a, e) < 0 || file_remove_tree(dev, e) < 0 ||
	    file_remove_tree(sources, e) < 0)
		return -1;
	return file_mkdirs(dev, 0755, e);
}

MUST int root_make(struct job *j, struct err *e)
{
	const char *root = arena_fmt(j->a, "%s/root", j->work).p;
	const char *repository = arena_fmt(j->a, "%s/repository", j->work).p;
	const char *preset = arena_fmt(j->a, "%s/preset", j->work).p;
	job_tell(j, PROFILE_PHASE_UNPACK, 0, (int64_t)j->lock.package_count);
	if (arena_check(j->a, e) < 0 || file_remove_tree(j->work, e) < 0 ||
	    make_repository(j, repository, e) < 0 || make_preset(j, preset, e) < 0)
		return -1;
	fail_point("profile.root.before_unpack");
	if (run_mmdebstrap(j, root, e) < 0)
		return -1;
	fail_point("profile.root.after_unpack");
	return take_out_traces(j, root, e);
}
