/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* rooms: profile trust json base */
/*
 * What a profile evaluated to, from strange bytes: as manifest, as spec, as bundle, as lock. What is
 * accepted keeps its promises: names exist, paths stay below, canonical texts read back.
 */
#include "profile/bundle.h"
#include "profile/lock.h"
#include "profile/spec.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static void try_manifest(struct str text, struct arena *a)
{
	struct profile_manifest m;
	struct err e = ERR_INIT;
	if (profile_manifest_read(text, a, &m, &e) < 0) {
		ASSERT(e.kind == ERR_INVALID || e.kind == ERR_MEMORY ||
		       e.kind == ERR_TOO_LARGE);
		return;
	}
	ASSERT(m.type_count > 0 && m.software.packages.count > 0);
	for (size_t i = 0; i < m.type_count; i++) {
		struct str out;
		if (profile_parameters_check(&m.types[i], S("{}"), a, &out, &e) == 0)
			ASSERT(out.n >= 2 && out.p[0] == '{');
		err_clear(&e);
	}
}

static bool is_below(struct str path)
{
	return path.n && path.p[0] != '/' && !str_is(path, "..") &&
	       !str_starts(path, S("../")) && !str_ends(path, S("/..")) &&
	       str_find(path, S("/../")) == path.n;
}

static void try_spec(struct str text, struct arena *a)
{
	struct profile_spec s;
	struct err e = ERR_INIT;
	if (profile_spec_read(text, a, &s, &e) < 0) {
		ASSERT(e.kind == ERR_INVALID || e.kind == ERR_MEMORY ||
		       e.kind == ERR_TOO_LARGE);
		ASSERT(e.text[0]);
		return;
	}
	for (size_t i = 0; i < s.file_count; i++)
		ASSERT(is_below(s.files[i].path) && s.files[i].mode <= 0777);
	for (size_t i = 0; i < s.service_count; i++) {
		ASSERT(s.services[i].exec.count && s.services[i].exec.items[0].p[0] == '/');
		for (size_t k = 0; k < s.services[i].after.count; k++)
			ASSERT(profile_spec_service(&s, s.services[i].after.items[k]));
	}
	for (size_t i = 0; i < s.promise_count; i++)
		ASSERT(!s.promises[i].repair_restart.n ||
		       profile_spec_service(&s, s.promises[i].repair_restart));
}

static void try_bundle(struct str text, struct arena *a)
{
	struct profile_bundle b, again;
	struct err e = ERR_INIT;
	if (profile_bundle_parse(text, a, &b, &e) < 0)
		return;
	ASSERT(profile_bundle_file(&b, b.entry));
	for (size_t i = 0; i < b.file_count; i++)
		ASSERT(is_below(b.files[i].path));
	if (profile_bundle_parse(b.canonical, a, &again, &e) < 0)
		ASSERT(e.kind == ERR_MEMORY || e.kind == ERR_TOO_LARGE);
	else
		ASSERT(str_eq(b.canonical, again.canonical));
}

static void try_lock(struct str text, struct arena *a)
{
	struct profile_lock l;
	struct err e = ERR_INIT;
	if (profile_lock_parse(text, a, &l, &e) < 0)
		return;
	for (size_t i = 0; i < l.package_count; i++)
		ASSERT(str_find_char(l.packages[i].file, '/') == l.packages[i].file.n);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	static void (*const tries[])(struct str, struct arena *) = {try_manifest, try_spec,
								    try_bundle, try_lock};
	for (size_t i = 0; i < ARRAY_LEN(tries); i++) {
		struct arena *a CLEAN(arena_freep) = NULL;
		struct err e = ERR_INIT;
		ASSERT(arena_new((size_t)16 << 20, &a, &e) == 0);
		tries[i](str_of((const char *)data, n), a);
	}
	return 0;
}
