/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * apt's private directory: DIR/SUITE-XXXXXXXX (of the sources' hash), with lists of its own and an
 * empty dpkg status. apt is called with -c, so the host's own configuration (a proxy, say) is read
 * first and ours overrides it; what the host does after an update is switched off.
 */
#include <errno.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "profile/lock_impl.h"
#include "profile/run_impl.h"
#include "trust/hash.h"

enum { PATH_SAFE_MAX = 3000 };

static const char conf_text[] =
	"Dir::State \"%1$s\";\nDir::State::lists \"%1$s/lists\";\nDir::State::status "
	"\"%1$s/status\";\n"
	"Dir::State::extended_states \"%1$s/extended\";\nDir::Cache \"%1$s\";\n"
	"Dir::Cache::archives \"%1$s/archives\";\nDir::Cache::pkgcache \"\";\n"
	"Dir::Cache::srcpkgcache \"\";\nDir::Etc::sourcelist \"%1$s/hoc.sources\";\n"
	"Dir::Etc::sourceparts \"%1$s/empty\";\nDir::Etc::preferences \"%1$s/empty/none\";\n"
	"Dir::Etc::preferencesparts \"%1$s/empty\";\nDir::Log \"%1$s/log\";\n"
	"#clear APT::Architectures;\nAPT::Install-Recommends \"false\";\n"
	"APT::Install-Suggests \"false\";\nAPT::Default-Release \"\";\nAcquire::Languages "
	"\"none\";\n"
	"Acquire::Retries \"2\";\nAcquire::http::Timeout \"30\";\nAcquire::https::Timeout "
	"\"30\";\n"
	"Acquire::IndexTargets::deb::DEP-11::DefaultEnabled \"false\";\n"
	"Acquire::IndexTargets::deb::Contents-deb::DefaultEnabled \"false\";\n"
	"pkgCacheGen::ForceEssential \",\";\nAPT::Get::Assume-Yes \"true\";\n"
	"#clear APT::Update::Pre-Invoke;\n#clear APT::Update::Post-Invoke;\n"
	"#clear APT::Update::Post-Invoke-Success;\n#clear DPkg::Pre-Invoke;\n"
	"#clear DPkg::Post-Invoke;\n#clear DPkg::Pre-Install-Pkgs;\n";

/* The path goes into apt's configuration and an URI: nothing that needs quoting there. */
static int check_dir(const char *dir, struct err *e)
{
	size_t n = strlen(dir);
	bool is_plain = n > 0 && n < PATH_SAFE_MAX && dir[0] == '/';
	for (size_t i = 0; i < n; i++) {
		char c = dir[i];
		is_plain = is_plain && ((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
					(c >= '0' && c <= '9') || strchr("/._+-", c));
	}
	return is_plain ? 0
			: err_fail(e, ERR_INVALID,
				   "the folder \"%.200s\" must be an absolute path of letters, "
				   "digits and "
				   "/ . _ + -",
				   dir);
}

static int find_sources(const struct profile_apt *o, const struct spec_software *s,
			struct arena *a, struct str *out, struct err *e)
{
	if (o->sources) {
		*out = str_from(o->sources);
		return 0;
	}
	if (s->mirror.n) {
		*out = arena_fmt(a,
				 "Types: deb\nURIs: %" STR_F "\nSuites: %" STR_F
				 "\nComponents: main\n"
				 "Signed-By: /usr/share/keyrings/debian-archive-keyring.gpg\n",
				 STR_A(s->mirror), STR_A(s->suite));
		return arena_check(a, e);
	}
	if (sources_of_host(o->host_etc ? o->host_etc : "/etc/apt", s->suite, a, out, e) < 0)
		return -1;
	return out->n ? 0
		      : err_fail(e, ERR_UNSUPPORTED,
				 "this host has no apt sources for Debian %" STR_F,
				 STR_A(s->suite));
}

static int write_files(const struct apt *apt, struct str sources, struct arena *a,
		       struct err *e)
{
	static const char *const folders[] = {"lists/partial", "archives/partial", "empty",
					      "log"};
	const char *dir = arena_cstr(a, apt->dir);
	for (size_t i = 0; i < ARRAY_LEN(folders); i++)
		if (file_mkdirs(arena_fmt(a, "%s/%s", dir, folders[i]).p, 0755, e) < 0)
			return -1;
	struct buf conf CLEAN(buf_fini) = BUF_INIT(64 << 10);
	buf_addf(&conf, conf_text, dir);
	if (buf_check(&conf, e) < 0 ||
	    file_write_if_changed(arena_fmt(a, "%s/status", dir).p, S(""), 0644, e) < 0 ||
	    file_write_if_changed(arena_fmt(a, "%s/hoc.sources", dir).p, sources, 0644, e) <
		    0 ||
	    file_write_if_changed(arena_cstr(a, apt->conf), buf_str(&conf), 0644, e) < 0)
		return -1;
	return arena_check(a, e);
}

static int wait_lock(const char *path, bool is_exclusive, int *out_fd, struct err *e)
{
	int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0644);
	if (fd < 0)
		return err_os(e, errno, "open %s", path);
	while (flock(fd, is_exclusive ? LOCK_EX : LOCK_SH) < 0) {
		if (errno == EINTR)
			continue;
		int os = errno;
		file_closep(&fd);
		return err_os(e, os, "lock %s", path);
	}
	*out_fd = fd;
	return 0;
}

void apt_closep(struct apt *apt)
{
	file_closep(&apt->fetch_fd);
	file_closep(&apt->lock_fd);
}

MUST int apt_lock_fetch(struct apt *apt, struct arena *a, struct err *e)
{
	struct str path = arena_fmt(a, "%" STR_F "/fetch.lock", STR_A(apt->dir));
	if (arena_check(a, e) < 0)
		return -1;
	return wait_lock(path.p, true, &apt->fetch_fd, e);
}

MUST int apt_open(const struct profile_apt *options, const struct spec_software *s,
		  bool is_exclusive, struct arena *a, struct apt *out, struct err *e)
{
	struct str sources;
	struct apt apt = APT_CLOSED;
	if (check_dir(options->dir, e) < 0 || find_sources(options, s, a, &sources, e) < 0)
		return -1;
	struct hash h = hash_of(sources);
	char hex[HASH_TEXT_SIZE];
	hash_text(&h, hex);
	apt.dir = arena_fmt(a, "%s/%" STR_F "-%.8s", options->dir, STR_A(s->suite), hex);
	apt.conf = arena_fmt(a, "%" STR_F "/apt.conf", STR_A(apt.dir));
	if (arena_check(a, e) < 0 || file_mkdirs(arena_cstr(a, apt.dir), 0755, e) < 0 ||
	    wait_lock(arena_fmt(a, "%" STR_F "/hoc.lock", STR_A(apt.dir)).p, is_exclusive,
		      &apt.lock_fd, e) < 0)
		return -1;
	if (is_exclusive && write_files(&apt, sources, a, e) < 0) {
		apt_closep(&apt);
		return -1;
	}
	*out = apt;
	return 0;
}

/* Milliseconds since the last good update, or -1. */
static int64_t lists_age_ms(const char *stamp)
{
	struct stat st;
	if (stat(stamp, &st) < 0)
		return -1;
	return clock_now_ms(clock_system()) - (int64_t)st.st_mtim.tv_sec * 1000;
}

MUST int apt_update(const struct apt *apt, int64_t lists_max_age_ms, struct arena *a,
		    struct err *e)
{
	const char *stamp = arena_fmt(a, "%" STR_F "/updated", STR_A(apt->dir)).p;
	const char *argv[] = {
		"apt-get", "-c", arena_cstr(a, apt->conf), "-o", "APT::Update::Error-Mode=any",
		"update",  NULL};
	struct run r = {.what = "apt-get update", .argv = argv, .output_max_bytes = 1 << 20};
	if (arena_check(a, e) < 0)
		return -1;
	int64_t age_ms = lists_age_ms(stamp);
	if (age_ms >= 0 && age_ms < lists_max_age_ms)
		return 0;
	if (run_command(&r, a, NULL, e) < 0) {
		if (e->kind == ERR_BROKEN && age_ms >= 0)
			return 0; /* no mirror answers: what we know must do */
		if (e->kind == ERR_BROKEN)
			e->kind = ERR_UNREACHABLE;
		return -1;
	}
	return file_write(stamp, S(""), 0644, e);
}
