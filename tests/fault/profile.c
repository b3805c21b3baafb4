/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* rooms: profile */
/* Profiles without memory: bundles, manifests, specifications of instances, locks. */
#include "fault.h"

#include <string.h>

#include "profile/bundle.h"
#include "profile/lock.h"

enum { LIMIT_BYTES = 32 << 20 };

static int bundle_is_collected(struct err *e)
{
	struct arena *a CLEAN(arena_freep) = NULL;
	struct profile_bundle b, again;
	if (arena_new(LIMIT_BYTES, &a, e) < 0 ||
	    profile_bundle_collect("profiles/nginx/profile.jsonnet", NULL, a, &b, e) < 0 ||
	    profile_bundle_parse(b.canonical, a, &again, e) < 0)
		return -1;
	FAULT_CHECK(strcmp(b.hash, again.hash) == 0 && b.file_count == again.file_count);
	return 0;
}

#define MANIFEST \
	"{\"name\":\"x\",\"title\":\"X\",\"category\":\"web\",\"software\":{\"debian\":{" \
	"\"suite\":\"bookworm\",\"packages\":[\"nginx\",\"bash\"]}},\"types\":{\"default\":{" \
	"\"parameters\":{\"properties\":{\"port\":{\"type\":\"integer\",\"default\":80}}}," \
	"\"connection\":{\"properties\":{\"url\":{\"type\":\"string\"}}},\"secrets\":{\"p\":{" \
	"\"length\":32}},\"usage\":[\"requests\"],\"shared\":true},\"a-first\":{}}}"

static int manifest_is_read(struct err *e)
{
	struct arena *a CLEAN(arena_freep) = NULL;
	struct profile_manifest m;
	struct str filled;
	if (arena_new(LIMIT_BYTES, &a, e) < 0 ||
	    profile_manifest_read(S(MANIFEST), a, &m, e) < 0)
		return -1;
	const struct spec_type *t = profile_manifest_type(&m, S(""));
	FAULT_CHECK(t && t->is_shared);
	if (profile_parameters_check(t, S("{}"), a, &filled, e) < 0)
		return -1;
	FAULT_CHECK(str_is(filled, "{\"port\":80}"));
	return 0;
}

#define SPEC \
	"{\"files\":{\"etc/x.conf\":\"text\",\"etc/y\":{\"text\":\"y\",\"mode\":\"0600\"," \
	"\"reload\":\"restart\",\"services\":[\"s\"]}},\"setup\":[{\"name\":\"init\"," \
	"\"exec\":" \
	"[\"/bin/true\"],\"env\":{\"A\":\"1\"},\"once\":true}],\"services\":{\"s\":{\"exec\":" \
	"[\"/bin/s\",\"-x\"],\"ready\":{\"tcp\":{\"port\":80}},\"limits\":{\"pids\":9}}}," \
	"\"promises\":{\"up\":{\"http\":{\"url\":\"http://127.0.0.1/\"}},\"file\":{\"file\":{" \
	"\"path\":\"run/x\"}}},\"publish\":{\"url\":\"http://x\"},\"requests\":{\"db\":{" \
	"\"release\":\"postgresql\",\"parameters\":{\"n\":1}}},\"ports\":{\"http\":{\"port\":" \
	"80," \
	"\"protocol\":\"tcp\"}}}"

static int spec_is_read(struct err *e)
{
	struct arena *a CLEAN(arena_freep) = NULL;
	struct profile_spec s;
	if (arena_new(LIMIT_BYTES, &a, e) < 0 || profile_spec_read(S(SPEC), a, &s, e) < 0)
		return -1;
	FAULT_CHECK(profile_spec_service(&s, S("s")));
	return 0;
}

#define HEX "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
#define LOCK \
	"{\"suite\":\"bookworm\",\"kind\":\"debian\",\"recipe\":1,\"architecture\":\"amd64\"," \
	"\"packages\":[{\"name\":\"bash\",\"version\":\"1:2.0-1\",\"architecture\":\"amd64\"," \
	"\"file\":\"bash_1%3a2.0-1_amd64.deb\",\"size\":7,\"sha256\":\"" HEX "\"}]}"

static int lock_is_read(struct err *e)
{
	struct arena *a CLEAN(arena_freep) = NULL;
	struct profile_lock l;
	if (arena_new(LIMIT_BYTES, &a, e) < 0 || profile_lock_parse(S(LOCK), a, &l, e) < 0)
		return -1;
	FAULT_CHECK(l.package_count == 1 && l.total_bytes == 7);
	return 0;
}

/* Nothing here may say that the input is wrong because memory ran out. */
#define ONLY_MEMORY(name) \
	static int name##_or_memory(struct err *e) \
	{ \
		int rc = name(e); \
		if (rc < 0 && e->kind != ERR_MEMORY) \
			return err_fail(e, ERR_INTERNAL, "wrong kind"); \
		return rc; \
	}
ONLY_MEMORY(bundle_is_collected)
ONLY_MEMORY(manifest_is_read)
ONLY_MEMORY(spec_is_read)
ONLY_MEMORY(lock_is_read)

static const struct fault_scenario scenarios[] = {
	{.name = "profile.bundle_is_collected", .run = bundle_is_collected_or_memory},
	{.name = "profile.manifest_is_read", .run = manifest_is_read_or_memory},
	{.name = "profile.spec_is_read", .run = spec_is_read_or_memory},
	{.name = "profile.lock_is_read", .run = lock_is_read_or_memory},
};

FAULT_MAIN(scenarios)
