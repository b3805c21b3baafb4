/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * Packages → lock. apt simulates an installation into nothing (empty dpkg status) of everything
 * essential and of the packages asked for; each "Inst" line of it is one locked package, whose
 * size and hash come from the same lists.
 */
#include "base/file.h"
#include "profile/lock_impl.h"
#include "profile/run_impl.h"
#include "trust/hash.h"

enum { OUTPUT_MAX_BYTES = 8 << 20 };

/* /usr is merged by the build itself; without this apt takes a converter that needs all of Perl. */
static bool has_usr_is_merged(struct str suite)
{
	return !str_is(suite, "buster") && !str_is(suite, "bullseye");
}

/* apt's complaint about a package, as an error of the profile. */
static int explain(const struct spec_software *s, struct err *e)
{
	static const struct {
		const char *before, *after;
	} marks[] = {
		{"Unable to locate package ", ""},
		{"Package '", "' has no installation candidate"},
		{"Package ", " is not available"},
	};
	struct str text = str_from(e->text);
	for (size_t i = 0; e->kind == ERR_BROKEN && i < ARRAY_LEN(marks); i++) {
		size_t at = str_find(text, str_from(marks[i].before));
		if (at == text.n || str_find(text, str_from(marks[i].after)) == text.n)
			continue;
		struct str rest = str_sub(text, at + strlen(marks[i].before), text.n);
		char name[128];
		size_t n = 0;
		while (n < rest.n && n < sizeof name - 1 && !strchr(" '|\n", rest.p[n]))
			n++;
		(void)snprintf(name, sizeof name, "%.*s", (int)n, rest.p);
		return err_field(e, "software.debian.packages",
				 "Debian %" STR_F " has no package %s", STR_A(s->suite), name);
	}
	return -1;
}

static int simulate(const struct apt *apt, const struct spec_software *s, struct arena *a,
		    struct str *out, struct err *e)
{
	const char *argv[SPEC_PACKAGES_MAX + 16];
	size_t n = 0;
	argv[n++] = "apt-get";
	argv[n++] = "-c";
	argv[n++] = arena_cstr(a, apt->conf);
	argv[n++] = "-s";
	argv[n++] = "install";
	argv[n++] = "?essential";
	if (has_usr_is_merged(s->suite))
		argv[n++] = "usr-is-merged";
	for (size_t i = 0; i < s->packages.count; i++)
		argv[n++] = arena_cstr(a, s->packages.items[i]);
	argv[n] = NULL;
	if (arena_check(a, e) < 0)
		return -1;
	struct run r = {.what = "apt-get (resolving packages)",
			.argv = argv,
			.output_max_bytes = OUTPUT_MAX_BYTES};
	return run_command(&r, a, out, e) < 0 ? explain(s, e) : 0;
}

/* "Inst NAME (VERSION Origin:suite … [arch]) …" as "NAME=VERSION". */
static bool read_inst(struct str line, struct arena *a, const char **out)
{
	if (!str_starts(line, S("Inst ")))
		return false;
	struct str rest = str_sub(line, 5, line.n), name;
	(void)str_split(&rest, ' ', &name);
	size_t open = str_find_char(rest, '(');
	struct str version = str_sub(rest, open + 1, rest.n);
	version = str_sub(version, 0, str_find_char(version, ' '));
	if (!name.n || !version.n)
		return false;
	*out = arena_fmt(a, "%" STR_F "=%" STR_F, STR_A(name), STR_A(version)).p;
	return true;
}

/* The records of all packages of the simulation. */
static int show(const struct apt *apt, struct str simulation, struct arena *a, struct str *out,
		size_t *count, struct err *e)
{
	const char **argv = ARENA_ARRAY(a, const char *, PROFILE_LOCK_PACKAGES_MAX + 8);
	size_t n = 0;
	struct str line;
	if (arena_check(a, e) < 0)
		return -1;
	argv[n++] = "apt-cache";
	argv[n++] = "-c";
	argv[n++] = arena_cstr(a, apt->conf);
	argv[n++] = "show";
	*count = 0;
	while (str_split(&simulation, '\n', &line)) {
		if (*count == PROFILE_LOCK_PACKAGES_MAX)
			return err_fail(e, ERR_TOO_LARGE, "a release has at most %d packages",
					PROFILE_LOCK_PACKAGES_MAX);
		if (!read_inst(line, a, &argv[n]))
			continue;
		n++;
		++*count;
	}
	struct run r = {
		.what = "apt-cache show", .argv = argv, .output_max_bytes = OUTPUT_MAX_BYTES};
	if (arena_check(a, e) < 0)
		return -1;
	return run_command(&r, a, out, e);
}

/* name_version_architecture.deb as apt names it: a colon becomes %3a. */
static struct str file_name(const struct lock_package *p, struct arena *a)
{
	size_t colon = str_find_char(p->version, ':');
	if (colon == p->version.n)
		return arena_fmt(a, "%" STR_F "_%" STR_F "_%" STR_F ".deb", STR_A(p->name),
				 STR_A(p->version), STR_A(p->architecture));
	struct str after = str_sub(p->version, colon + 1, p->version.n);
	return arena_fmt(a, "%" STR_F "_%.*s%%3a%" STR_F "_%" STR_F ".deb", STR_A(p->name),
			 (int)colon, p->version.p, STR_A(after), STR_A(p->architecture));
}

static int read_field(struct lock_package *p, struct str key, struct str value, struct err *e)
{
	struct hash h;
	if (str_is(key, "Package"))
		p->name = value;
	else if (str_is(key, "Version"))
		p->version = value;
	else if (str_is(key, "Architecture"))
		p->architecture = value;
	else if (str_is(key, "Size"))
		return str_to_i64(value, 1, (int64_t)4 << 30, &p->size_bytes, e);
	else if (str_is(key, "SHA256")) {
		if (hash_parse(value, &h, e) < 0)
			return -1;
		hash_text(&h, p->sha256);
	}
	return 0;
}

static bool is_known(const struct profile_lock *l, const struct lock_package *p)
{
	for (size_t i = 0; i < l->package_count; i++)
		if (str_eq(l->packages[i].name, p->name))
			return true;
	return false;
}

static int end_record(struct profile_lock *l, size_t max, struct lock_package *p,
		      struct arena *a, struct err *e)
{
	struct lock_package done = *p;
	*p = (struct lock_package){.size_bytes = 0};
	if (!done.name.n || is_known(l, &done))
		return 0;
	if (!done.version.n || !done.architecture.n || !done.size_bytes || !done.sha256[0] ||
	    l->package_count == max)
		return err_fail(e, ERR_BROKEN, "apt-cache gives no size and SHA-256 of %" STR_F,
				STR_A(done.name));
	done.file = file_name(&done, a);
	l->packages[l->package_count++] = done;
	return 0;
}

/* Records are separated by empty lines. */
static int read_records(struct str text, size_t max, struct arena *a, struct profile_lock *l,
			struct err *e)
{
	struct lock_package p = {.size_bytes = 0};
	struct str line;
	while (str_split(&text, '\n', &line)) {
		if (!line.n && end_record(l, max, &p, a, e) < 0)
			return -1;
		size_t colon = str_find_char(line, ':');
		struct str key = str_sub(line, 0, colon);
		if (line.n && line.p[0] != ' ' &&
		    read_field(&p, key, str_trim(str_sub(line, colon + 1, line.n)), e) < 0)
			return err_in(e, "apt-cache: %" STR_F " of %" STR_F, STR_A(key),
				      STR_A(p.name));
	}
	return end_record(l, max, &p, a, e);
}

static int host_architecture(struct arena *a, struct str *out, struct err *e)
{
	const char *argv[] = {"dpkg", "--print-architecture", NULL};
	struct run r = {.what = "dpkg", .argv = argv, .output_max_bytes = 100};
	if (run_command(&r, a, out, e) < 0)
		return -1;
	*out = str_trim(*out);
	return 0;
}

MUST int profile_lock_resolve(const struct spec_software *s, const struct profile_apt *options,
			      struct arena *a, struct profile_lock *out, struct err *e)
{
	struct apt apt CLEAN(apt_closep) = APT_CLOSED;
	struct profile_lock l = {.suite = s->suite, .files = s->files};
	struct str simulation, records;
	size_t count = 0;
	if (apt_open(options, s, true, a, &apt, e) < 0 ||
	    apt_update(&apt, options->lists_max_age_ms, a, e) < 0 ||
	    host_architecture(a, &l.architecture, e) < 0 ||
	    simulate(&apt, s, a, &simulation, e) < 0 ||
	    show(&apt, simulation, a, &records, &count, e) < 0)
		return -1;
	l.packages = ARENA_ARRAY(a, struct lock_package, count);
	if (arena_check(a, e) < 0 || read_records(records, count, a, &l, e) < 0)
		return -1;
	if (!count || l.package_count != count)
		return err_fail(e, ERR_BROKEN, "apt knows %zu of %zu packages", l.package_count,
				count);
	/* Read back: what apt said passes the same checks as a lock of somebody else. */
	if (lock_finish(&l, a, e) < 0 || profile_lock_parse(l.canonical, a, &l, e) < 0)
		return err_in(e, "lock of Debian %" STR_F, STR_A(s->suite));
	*out = l;
	return 0;
}
