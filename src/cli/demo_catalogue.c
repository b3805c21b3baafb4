/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Step 2: every profile is published by its content; three are built on the node. */
#include <dirent.h>
#include <errno.h>

#include "base/clock.h"
#include "base/file.h"
#include "cli/demo.h"
#include "cli/publish.h"

enum { PROFILES_MAX = 200, BUILD_MS = 1800000, FAILURES_MAX = 4, RECORD_MAX = 16 << 20 };

/* ---- publishing ---------------------------------------------------------------------------- */

static int by_name(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* Folders of DIR that hold a profile.jsonnet, sorted. */
static int list_profiles(struct demo *d, const char **names, size_t *count, struct err *e)
{
	DIR *dir = opendir(d->profiles);
	struct dirent *entry;
	if (!dir)
		return err_os(e, errno, "look at %s", d->profiles);
	while ((entry = readdir(dir)) && *count < PROFILES_MAX) {
		struct str path = arena_fmt(d->call->arena, "%s/%s/profile.jsonnet",
					    d->profiles, entry->d_name);
		if (entry->d_name[0] != '.' && file_exists(path.p))
			names[(*count)++] = arena_cstr(d->call->arena, str_from(entry->d_name));
	}
	(void)closedir(dir);
	qsort(names, *count, sizeof *names, by_name);
	if (!*count)
		return err_fail(e, ERR_NOT_FOUND, "no profile in %s", d->profiles);
	return arena_check(d->call->arena, e);
}

static int publish_all(struct demo *d, struct err *e)
{
	const char **names = ARENA_ARRAY(d->call->arena, const char *, PROFILES_MAX);
	struct json *all = json_object_new(d->call->arena);
	size_t count = 0;
	int created = 0;
	demo_check_begin(&d->ui, "publish");
	if (!names || list_profiles(d, names, &count, e) < 0)
		return names ? -1 : arena_check(d->call->arena, e);
	for (size_t i = 0; i < count; i++) {
		struct json *doc;
		struct str path = arena_fmt(d->call->arena, "%s/%s/profile.jsonnet",
					    d->profiles, names[i]);
		struct str bar = demo_bar(d->call->arena, (int64_t)i, (int64_t)count);
		demo_check_live(&d->ui, "%" STR_F " %s", STR_A(bar), names[i]);
		if (publish_bundle(d->call, path.p, &doc, e) < 0)
			return err_in(e, "publish %s", names[i]);
		created += json_bool_of(json_get(doc, S("created")), false);
		json_set(d->call->arena, all, str_from(names[i]), json_get(doc, S("release")));
	}
	demo_check_ok(&d->ui, "%zu profiles by content hash, %d new", count, created);
	for (size_t i = 0; i < count; i++) {
		struct str uri = client_text(all, names[i]);
		demo_line(&d->ui, "%" STR_F,
			  STR_A(str_sub(uri, 0, str_find_char(uri, '@') + 20)));
	}
	demo_fact(&d->ui, "releases", all);
	return 0;
}

/* ---- building ------------------------------------------------------------------------------ */

/* What the demo watches: the three installations it asked for. */
struct watch {
	struct demo *demo;
	struct str uri[DEMO_ORDERS];
	bool was_built[DEMO_ORDERS]; /* before this run */
	int failures;
	char last[300]; /* message of a failed attempt */
};

static struct str mib(struct arena *a, int64_t bytes)
{
	return arena_fmt(a, "%lld.%lld MB", (long long)(bytes / 1000000),
			 (long long)(bytes % 1000000 / 100000));
}

static const char *phase_words(struct str phase)
{
	static const char *const words[][2] = {{"resolve", "looks up packages"},
					       {"fetch", "fetches"},
					       {"unpack", "unpacks"},
					       {"commit", "commits to OSTree"},
					       {"checkout", "checks out"}};
	for (size_t i = 0; i < ARRAY_LEN(words); i++)
		if (str_is(phase, words[i][0]))
			return words[i][1];
	return "builds";
}

/* What a release that is under way does, for a person. */
static void describe(struct buf *b, const struct json *r, struct arena *a)
{
	struct str phase = client_text(r, "phase"), state = client_text(r, "state");
	int64_t done = client_i64(r, "done"), total = client_i64(r, "total"),
		bytes = client_i64(r, "bytes"), all = client_i64(r, "bytes_total");
	bool is_fetching = str_is(phase, "fetch") && all > 0;
	if (str_is(state, "available"))
		buf_addf(b, "%" STR_F " is built", STR_A(demo_bar(a, 1, 1)));
	else if (!str_is(state, "building"))
		buf_add(b, S("waits"));
	else if (is_fetching)
		buf_addf(b, "%" STR_F " %s %lld of %lld, %" STR_F " of %" STR_F,
			 STR_A(demo_bar(a, bytes, all)), phase_words(phase), (long long)done,
			 (long long)total, STR_A(mib(a, bytes)), STR_A(mib(a, all)));
	else if (total > 0)
		buf_addf(b, "%" STR_F " %s %lld of %lld", STR_A(demo_bar(a, done, total)),
			 phase_words(phase), (long long)done, (long long)total);
	else
		buf_addf(b, "%s", phase_words(phase));
}

static const struct json *release_of(const struct json *status, struct str uri)
{
	const struct json *list = json_get(status, S("releases"));
	for (size_t i = 0; i < json_count(list); i++)
		if (str_eq(client_text(json_at(list, i), "release"), uri))
			return json_at(list, i);
	return NULL;
}

/* A failed attempt is repeated by the node; several in a row end the demo's patience. */
static int note_failure(struct watch *w, const struct json *r, struct err *e)
{
	struct str message = client_text(r, "message");
	if (!message.n || str_is(str_sub(message, 0, sizeof w->last - 1), w->last))
		return 0;
	(void)snprintf(w->last, sizeof w->last, "%" STR_F, STR_A(message));
	demo_line(&w->demo->ui, "tried again after: %s", w->last);
	if (++w->failures < FAILURES_MAX)
		return 0;
	return err_fail(e, ERR_BROKEN, "%s", w->last);
}

static int watch_builds(void *user, const struct json *status, struct err *e)
{
	struct watch *w = user;
	struct arena *a CLEAN(arena_freep) = NULL;
	struct buf b CLEAN(buf_fini) = BUF_INIT(2000);
	int left = 0;
	if (arena_new(65536, &a, e) < 0)
		return -1;
	for (int i = 0; i < DEMO_ORDERS; i++) {
		const struct json *r = release_of(status, w->uri[i]);
		struct str state = client_text(r, "state");
		left += !str_is(state, "available");
		if (str_is(state, "failing") && note_failure(w, r, e) < 0)
			return -1;
		buf_addf(&b, "%s%-11s", i ? "\n" : "", w->demo->orders[i].release);
		describe(&b, r, a);
	}
	if (left)
		demo_check_live(&w->demo->ui, "%" STR_F, STR_A(buf_str(&b)));
	return left == 0;
}

static int supply_all(struct demo *d, struct watch *w, struct err *e)
{
	for (int i = 0; i < DEMO_ORDERS; i++) {
		struct json *doc;
		if (supply_release(d->call, str_from(d->orders[i].release), S(DEMO_NODE),
				   "available", &doc, e) < 0)
			return err_in(e, "supply %s", d->orders[i].release);
		w->uri[i] = client_text(doc, "release");
		w->was_built[i] = str_is(client_text(doc, "reported"), "available");
	}
	return 0;
}

static int read_record(struct demo *d, struct str uri, const char *name, struct json **out)
{
	struct str hash = str_sub(uri, str_find(uri, S("@sha256:")) + 8, 64), text;
	struct err ignored = ERR_INIT;
	struct str path = arena_fmt(d->call->arena, "%s/releases/%" STR_F "/%s", d->node_dir,
				    STR_A(hash), name);
	if (file_read(path.p, RECORD_MAX, d->call->arena, &text, &ignored) != 0)
		return -1;
	return json_parse(text, d->call->arena, out, &ignored);
}

/* What the records of a build say: packages, time, commit. */
static void show_built(struct demo *d, const struct watch *w)
{
	struct arena *a = d->call->arena;
	struct json *facts = json_object_new(a), *built, *lock;
	for (int i = 0; i < DEMO_ORDERS; i++) {
		if (read_record(d, w->uri[i], "built.json", &built) < 0 ||
		    read_record(d, w->uri[i], "lock.json", &lock) < 0)
			continue;
		const struct json *packages = json_get(lock, S("packages"));
		int64_t bytes = 0, ms = client_i64(built, "ms");
		for (size_t k = 0; k < json_count(packages); k++)
			bytes += client_i64(json_at(packages, k), "size");
		demo_line(&d->ui,
			  "%-11s %3zu packages, %8" STR_F
			  ", %3lld.%lld s, OSTree commit %" STR_F,
			  d->orders[i].release, json_count(packages), STR_A(mib(a, bytes)),
			  (long long)(ms / 1000), (long long)(ms % 1000 / 100),
			  STR_A(str_sub(client_text(built, "commit"), 0, 12)));
		json_set_i64(a, built, S("packages"), (int64_t)json_count(packages));
		json_set_i64(a, built, S("package_bytes"), bytes);
		json_set(a, facts, str_from(d->orders[i].release), built);
	}
	demo_fact(&d->ui, "built", facts);
}

static int build_all(struct demo *d, struct err *e)
{
	struct watch w = {.demo = d};
	demo_check_begin(&d->ui, "build");
	if (supply_all(d, &w, e) < 0)
		return -1;
	bool was_there = w.was_built[0] && w.was_built[1] && w.was_built[2];
	if (demo_follow(d, BUILD_MS, watch_builds, &w, e) < 0)
		return -1;
	demo_check_ok(&d->ui, "postgresql, nginx and redis are on the node%s",
		      was_there ? ": built before" : "");
	show_built(d, &w);
	demo_fact(&d->ui, "built_before", json_bool_new(d->call->arena, was_there));
	return 0;
}

int demo_catalogue(struct demo *d, struct err *e)
{
	return publish_all(d, e) < 0 ? -1 : build_all(d, e);
}
