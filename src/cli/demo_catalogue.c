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
		demo_check_bar(&d->ui, (int64_t)i, (int64_t)count, "%s", names[i]);
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
	bool is_built[DEMO_ORDERS];
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
	static const char *const words[][2] = {{"resolve", "resolves packages"},
					       {"fetch", "fetches packages"},
					       {"unpack", "unpacks"},
					       {"commit", "commits to OSTree"},
					       {"checkout", "checks out"}};
	for (size_t i = 0; i < ARRAY_LEN(words); i++)
		if (str_is(phase, words[i][0]))
			return words[i][1];
	return "builds";
}

/* One line for what is built first, and how many others go on beside it. */
static void show_build(struct watch *w, const struct json *r, const char *name, int others)
{
	struct demo_ui *ui = &w->demo->ui;
	struct str phase = client_text(r, "phase");
	int64_t done = client_i64(r, "done"), total = client_i64(r, "total"),
		bytes = client_i64(r, "bytes"), all = client_i64(r, "bytes_total");
	char more[40] = "";
	struct arena *a CLEAN(arena_freep) = NULL;
	struct err ignored = ERR_INIT;
	if (others)
		(void)snprintf(more, sizeof more, "  (%d more under way)", others);
	if (arena_new(4096, &a, &ignored) < 0)
		return;
	if (all > 0)
		demo_check_bar(ui, bytes, all,
			       "%s %s: %lld of %lld, %" STR_F " of %" STR_F "%s", name,
			       phase_words(phase), (long long)done, (long long)total,
			       STR_A(mib(a, bytes)), STR_A(mib(a, all)), more);
	else if (total > 0)
		demo_check_bar(ui, done, total, "%s %s: %lld of %lld%s", name,
			       phase_words(phase), (long long)done, (long long)total, more);
	else
		demo_check_live(ui, "%s %s%s", name, phase_words(phase), more);
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
	const struct json *shown = NULL;
	const char *name = NULL;
	int left = 0, under_way = 0;
	for (int i = 0; i < DEMO_ORDERS; i++) {
		const struct json *r = release_of(status, w->uri[i]);
		struct str state = client_text(r, "state");
		w->is_built[i] = str_is(state, "available");
		left += !w->is_built[i];
		if (str_is(state, "failing") && note_failure(w, r, e) < 0)
			return -1;
		if (!str_is(state, "building"))
			continue;
		under_way++;
		if (!shown || !json_get(shown, S("phase"))) {
			shown = r;
			name = w->demo->orders[i].release;
		}
	}
	if (shown)
		show_build(w, shown, name, under_way - 1);
	else if (left)
		demo_check_live(&w->demo->ui, "the node takes it on");
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
		w->is_built[i] = str_is(client_text(doc, "reported"), "available");
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
	bool was_there = w.is_built[0] && w.is_built[1] && w.is_built[2];
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
