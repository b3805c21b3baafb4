/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Settings of the client, read anew by each command: the file is small and changes rarely. */
#include "cli/settings.h"

#include <limits.h>
#include <unistd.h>

#include "base/file.h"

static int config_path(struct arena *a, struct str *out)
{
	const char *named = getenv("HOC_CONFIG"), *home = getenv("HOME");
	if (named) {
		*out = str_from(named);
		return 0;
	}
	struct str own = arena_fmt(a, "%s/.config/hoc/hoc.conf", home ? home : "");
	*out = home && file_exists(own.p) ? own : S("/etc/hoc/hoc.conf");
	return 0;
}

static int bad_line(struct str path, int line, const char *why, struct err *e)
{
	return err_fail(e, ERR_INVALID, "%" STR_F " line %d: %s", STR_A(path), line, why);
}

static bool is_known(struct str name)
{
	return str_is(name, "master") || str_is(name, "node") || str_is(name, "identity");
}

/* The value of `key` in the file; 1 if it is not there. Unknown keys are errors. */
static int from_file(const char *key, struct arena *a, const char **out, struct err *e)
{
	struct str path, text, line;
	int number = 0, found = 1;
	if (config_path(a, &path) < 0)
		return -1;
	int rc = file_read(path.p, SETTINGS_MAX_BYTES, a, &text, e);
	if (rc != 0)
		return rc;
	while (str_split(&text, '\n', &line)) {
		number++;
		line = str_trim(str_sub(line, 0, str_find_char(line, '#')));
		if (!line.n)
			continue;
		size_t equals = str_find_char(line, '=');
		if (equals == line.n)
			return bad_line(path, number, "is not 'key = value'", e);
		struct str name = str_trim(str_sub(line, 0, equals));
		if (!is_known(name))
			return bad_line(path, number,
					"unknown key (known: master, node, identity)", e);
		if (!str_is(name, key))
			continue;
		*out = arena_cstr(a, str_trim(str_sub(line, equals + 1, line.n)));
		found = 0;
	}
	return arena_check(a, e) < 0 ? -1 : found;
}

static int setting(const char *option, const char *variable, const char *key, struct arena *a,
		   const char **out, struct err *e)
{
	const char *value = option ? option : getenv(variable);
	*out = value;
	return value ? 0 : from_file(key, a, out, e);
}

MUST int settings_master(const char *option, struct arena *a, const char **out, struct err *e)
{
	int rc = setting(option, "HOC_MASTER", "master", a, out, e);
	if (rc > 0)
		*out = "http://127.0.0.1:8000";
	return rc < 0 ? -1 : 0;
}

/* One name for one directory, however it was written; what is not there yet keeps its words. */
static const char *canonical(const char *path, struct arena *a)
{
	char real[PATH_MAX];
	return realpath(path, real) ? arena_cstr(a, str_from(real)) : path;
}

/* The directory as an absolute path. */
MUST static int absolute(const char **path, struct arena *a, struct err *e)
{
	char here[4096];
	if ((*path)[0] != '/') {
		if (!getcwd(here, sizeof here))
			return err_fail(e, ERR_IO, "the current directory is gone");
		*path = arena_fmt(a, "%s/%s", here, *path).p;
	}
	*path = canonical(*path, a);
	return arena_check(a, e);
}

MUST int settings_node(const char *option, struct arena *a, const char **out, struct err *e)
{
	int rc = setting(option, "HOC_NODE", "node", a, out, e);
	if (rc != 0) {
		*out = NULL;
		return rc < 0 ? -1 : 0;
	}
	return absolute(out, a, e);
}

MUST int settings_identity(const char *option, struct arena *a, const char **out, struct err *e)
{
	int rc = setting(option, "HOC_IDENTITY", "identity", a, out, e);
	if (rc < 0)
		return -1;
	if (rc > 0) {
		const char *home = getenv("HOME");
		if (!home)
			return err_fail(e, ERR_NOT_FOUND,
					"no identity is named: $HOME is not set");
		*out = arena_fmt(a, "%s/.config/hoc/identity", home).p;
	}
	return absolute(out, a, e);
}

MUST int settings_keep_master(const char *url, struct arena *a, bool *out_kept, struct err *e)
{
	const char *value = NULL, *named = getenv("HOC_CONFIG"), *home = getenv("HOME");
	struct str path, was, text = S("");
	*out_kept = false;
	int rc = setting(NULL, "HOC_MASTER", "master", a, &value, e);
	if (rc <= 0 || (!named && !home))
		return rc < 0 ? -1 : 0;
	if (named)
		path = str_from(named);
	else
		path = arena_fmt(a, "%s/.config/hoc/hoc.conf", home);
	if (!named && file_mkdirs(arena_fmt(a, "%s/.config/hoc", home).p, 0700, e) < 0)
		return -1;
	/* The host's file holds no longer once the user has one of his own. */
	if (config_path(a, &was) < 0 || file_read(was.p, SETTINGS_MAX_BYTES, a, &text, e) < 0)
		return -1;
	const char *end = text.n && text.p[text.n - 1] != '\n' ? "\n" : "";
	text = arena_fmt(a, "%" STR_F "%smaster = %s\n", STR_A(text), end, url);
	if (arena_check(a, e) < 0 || file_write(path.p, text, 0644, e) < 0)
		return -1;
	*out_kept = true;
	return 0;
}
