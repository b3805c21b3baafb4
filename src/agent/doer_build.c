/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * Releases: the bundle from the master, the build in a child process, the removal.
 *
 *     fetch bundle (talk) ─► releases/HEX/bundle.json ─► child `hoc profile-build DIR`
 *     its lines ─► progress, its exit and last line ─► machine_release_done
 */
#include "agent/doer_impl.h"

#include <errno.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/file.h"
#include "base/log.h"
#include "base/mem.h"
#include "json/json.h"

enum { BUILD_MEMORY = 8 << 20, LINE_MAX_BYTES = 65536 };

void build_free(struct build *b)
{
	if (!b)
		return;
	ev_child_free(b->child);
	ev_stream_free(b->stream);
	mem_free(b->release);
	mem_free(b->dir);
	mem_free(b->bundle);
	mem_free(b);
}

static void build_over(struct build *b)
{
	struct doer *d = b->doer;
	bool is_ok = b->error.kind == ERR_NONE;
	enum plan_release_kind kind = b->is_removal ? PLAN_RELEASE_REMOVE : PLAN_RELEASE_BUILD;
	d->builds[b->slot] = NULL;
	if (is_ok)
		log_event(LOG_INFO,
			  b->is_removal ? "agent.release.removed" : "agent.release.built",
			  KV_C("release", b->release));
	else
		log_err(LOG_WARN, "agent.release.failed", &b->error,
			KV_C("release", b->release));
	machine_release_done(d->machine, b->slot, kind, is_ok, str_from(b->error.text));
	doer_changed(d);
	build_free(b);
}

/* ---- the child ----------------------------------------------------------------------------- */

static enum profile_phase phase_of(struct str name)
{
	for (int i = PROFILE_PHASE_RESOLVE; i <= PROFILE_PHASE_CHECKOUT; i++)
		if (str_is(name, profile_phase_name((enum profile_phase)i)))
			return (enum profile_phase)i;
	return PROFILE_PHASE_RESOLVE;
}

static void take_error(struct build *b, const struct json *error)
{
	struct str kind = json_str_of(json_get(error, S("kind")), S("broken"));
	struct str text = json_str_of(json_get(error, S("text")), S("the build failed"));
	enum err_kind k = ERR_BROKEN;
	for (int i = ERR_INVALID; i < ERR_KINDS; i++)
		if (str_is(kind, err_kind_info((enum err_kind)i)->name))
			k = (enum err_kind)i;
	(void)err_fail(&b->error, k, "%" STR_F, STR_A(text));
}

static void build_line(void *user, struct str line)
{
	struct build *b = user;
	struct arena *a CLEAN(arena_freep) = NULL;
	struct err e = ERR_INIT;
	struct json *doc;
	if (arena_new(1 << 20, &a, &e) < 0 || json_parse(line, a, &doc, &e) < 0)
		return;
	if (json_get(doc, S("error"))) {
		take_error(b, json_get(doc, S("error")));
	} else if (json_get(doc, S("ok"))) {
		b->is_built = true;
	} else {
		b->progress = (struct profile_progress){
			.phase = phase_of(json_str_of(json_get(doc, S("phase")), S(""))),
			.done = json_i64_of(json_get(doc, S("done")), 0),
			.total = json_i64_of(json_get(doc, S("total")), 0),
			.bytes = json_i64_of(json_get(doc, S("bytes")), 0),
			.bytes_total = json_i64_of(json_get(doc, S("bytes_total")), 0),
		};
		doer_changed(b->doer);
	}
}

/* Both ends have to be seen: the last line and the exit may come in either order. */
static void build_settle(struct build *b)
{
	if (!b->is_child_done || !b->is_stream_done)
		return;
	if (!b->is_built && b->error.kind == ERR_NONE)
		(void)err_fail(&b->error, ERR_BROKEN, "the build ended without a result");
	build_over(b);
}

static void build_closed(void *user, const struct err *why UNUSED)
{
	struct build *b = user;
	b->stream = ev_stream_free(b->stream);
	b->is_stream_done = true;
	build_settle(b);
}

static void build_exited(void *user, const struct ev_child_result *r UNUSED)
{
	struct build *b = user;
	b->child = NULL;
	b->is_child_done = true;
	build_settle(b);
}

static int start_child(struct build *b, struct err *e)
{
	struct doer *d = b->doer;
	int pair[2];
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0)
		return err_os(e, errno, "make a socket pair");
	const struct ev_stream_options so = {
		.framing = EV_LINES,
		.message_max_bytes = LINE_MAX_BYTES,
		.message = build_line,
		.closed = build_closed,
		.user = b,
	};
	if (ev_stream_open(d->ev, pair[0], &so, &b->stream, e) < 0) {
		(void)close(pair[1]);
		return -1;
	}
	const char *const argv[] = {d->program, PROFILE_BUILD_VERB, d->dir, NULL};
	const struct ev_child_spec cs = {.argv = argv,
					 .input = str_from(b->bundle),
					 .is_split = true,
					 .out_fd = pair[1]};
	int rc = ev_child(d->ev, &cs, build_exited, b, &b->child, e);
	(void)close(pair[1]);
	return rc;
}

/* ---- the bundle ---------------------------------------------------------------------------- */

static int keep_bundle(struct build *b, struct str text, struct arena *a, struct err *e)
{
	struct profile_ref ref;
	struct profile_bundle bundle;
	if (profile_ref_parse(str_from(b->release), &ref, e) < 0 ||
	    profile_bundle_parse(text, a, &bundle, e) < 0)
		return -1;
	if (strcmp(ref.hash, bundle.hash) != 0)
		return err_fail(e, ERR_CORRUPT, "the bundle is not what its name %s says",
				b->release);
	struct str path = arena_fmt(a, "%s/bundle.json", b->dir);
	if (arena_check(a, e) < 0 || file_mkdirs(b->dir, 0755, e) < 0 ||
	    file_write_if_changed(path.p, bundle.canonical, 0644, e) < 0)
		return -1;
	b->bundle = mem_dup(bundle.canonical.p, bundle.canonical.n, e);
	return b->bundle ? 0 : -1;
}

/* The bundle as it was kept, else from the master. */
static int find_bundle(struct build *b, struct arena *a, struct err *e)
{
	struct str path = arena_fmt(a, "%s/bundle.json", b->dir), text;
	int rc = file_read(path.p, PROFILE_BUNDLE_MAX_BYTES, a, &text, e);
	if (rc < 0)
		return -1;
	if (rc == 0 && keep_bundle(b, text, a, e) == 0)
		return 0;
	err_clear(e); /* a kept bundle that was damaged is fetched again */
	const char *hash = strrchr(b->dir, '/') + 1;
	const struct http_request r = {.target = arena_fmt(a, "/v1/releases/%s/bundle", hash)};
	struct http_response response;
	if (!b->doer->talkers)
		return err_fail(e, ERR_UNREACHABLE, "bundle of %s: no connection to a master",
				b->release);
	if (talkers_fetch_proven(b->doer->talkers, &r, a, &response, e) < 0)
		return err_in(e, "bundle of %s", b->release);
	if (response.status != 200)
		return http_error_from_response(&response, e);
	return keep_bundle(b, response.body, a, e);
}

static void bundle_work(void *user)
{
	struct build *b = user;
	struct arena *a CLEAN(arena_freep) = NULL;
	if (arena_new(BUILD_MEMORY, &a, &b->error) == 0)
		(void)find_bundle(b, a, &b->error);
}

static void bundle_done(void *user)
{
	struct build *b = user;
	if (b->error.kind == ERR_NONE && start_child(b, &b->error) == 0)
		return;
	build_over(b);
}

/* ---- removal ------------------------------------------------------------------------------- */

static void remove_work(void *user)
{
	struct build *b = user;
	const char *hash = strrchr(b->dir, '/') + 1;
	int rc = profile_build_remove(b->doer->dir, hash, &b->error);
	if (rc == PROFILE_BUILD_ELSEWHERE)
		(void)err_fail(&b->error, ERR_BUSY, "the release is being built");
	else if (rc == 0)
		rc = file_remove_tree(b->dir, &b->error);
	ASSERT(rc == 0 || b->error.kind != ERR_NONE);
}

static void remove_done(void *user)
{
	build_over(user);
}

static struct build *build_new(struct doer *d, size_t slot, struct str release, struct err *e)
{
	struct arena *a CLEAN(arena_freep) = NULL;
	struct build *b = MEM_NEW(struct build, e);
	if (!b)
		return NULL;
	*b = (struct build){.doer = d, .slot = slot};
	b->release = mem_dup(release.p, release.n, e);
	if (!b->release || arena_new(65536, &a, e) < 0) {
		build_free(b);
		return NULL;
	}
	struct str dir = deploy_release_dir(d->dir, release, a, &b->error);
	b->dir = mem_dup(dir.p, dir.n, e);
	return b;
}

static void refused(void *user)
{
	build_over(user);
}

void doer_release_step(void *user, size_t slot, enum plan_release_kind kind, struct str release)
{
	struct doer *d = user;
	struct err e = ERR_INIT;
	struct build *b = build_new(d, slot, release, &e);
	ASSERT(b && b->dir);
	b->is_removal = kind == PLAN_RELEASE_REMOVE;
	d->builds[slot] = b;
	int rc = b->error.kind == ERR_NONE ? 0 : -1;
	/* Of a release that this node cannot even name nothing is here. */
	if (rc < 0 && b->is_removal)
		err_clear(&b->error);
	if (rc == 0 && b->is_removal)
		rc = crew_do(d->work, remove_work, remove_done, NULL, b, &b->error);
	else if (rc == 0)
		rc = crew_do(d->talk, bundle_work, bundle_done, NULL, b, &b->error);
	if (rc < 0)
		ASSERT(ev_post(d->ev, refused, b, &e) == 0);
}
