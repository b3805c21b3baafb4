/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * Compiled schemas live in an arena of their own each, in a list of fixed size under one mutex;
 * an entry in use is counted and never thrown out.
 */
#include "api/params.h"

#include <pthread.h>

#include "api/secrets.h"
#include "base/mem.h"
#include "json/schema.h"
#include "profile/secrets.h"
#include "store/release.h"
#include "trust/age.h"

struct entry {
	int64_t release_id;
	struct str type;
	struct arena *arena;
	struct schema *schema; /* NULL: the type takes anything */
	struct schema *sealed; /* the same where every secret is sealed; NULL: there is none */
	struct json *tree;     /* of the schema */
	struct params_secrets secrets;
	bool is_host;
	unsigned users;
	uint64_t used_at;
};

struct checked {
	pthread_mutex_t lock;
	uint64_t tick;
	size_t count;
	struct entry *entries[PARAMS_KEPT_MAX];
};

MUST int checked_new(struct checked **out, struct err *e)
{
	struct checked *k = MEM_NEW(struct checked, e);
	if (!k)
		return -1;
	ASSERT(pthread_mutex_init(&k->lock, NULL) == 0);
	*out = k;
	return 0;
}

static void entry_free(struct entry *en)
{
	if (en)
		arena_free(en->arena);
	mem_free(en);
}

struct checked *checked_free(struct checked *k)
{
	if (!k)
		return NULL;
	for (size_t i = 0; i < k->count; i++)
		entry_free(k->entries[i]);
	(void)pthread_mutex_destroy(&k->lock);
	mem_free(k);
	return NULL;
}

/* The entry, with one more user; NULL if it is not kept. */
static struct entry *look(struct checked *k, int64_t release_id, struct str type)
{
	struct entry *found = NULL;
	(void)pthread_mutex_lock(&k->lock);
	for (size_t i = 0; i < k->count && !found; i++)
		if (k->entries[i]->release_id == release_id &&
		    str_eq(k->entries[i]->type, type))
			found = k->entries[i];
	if (found) {
		found->users++;
		found->used_at = ++k->tick;
	}
	(void)pthread_mutex_unlock(&k->lock);
	return found;
}

/* Keeps a new entry that has one user; if all others are in use it is not kept. */
static bool keep(struct checked *k, struct entry *fresh)
{
	size_t oldest = PARAMS_KEPT_MAX;
	(void)pthread_mutex_lock(&k->lock);
	fresh->used_at = ++k->tick;
	if (k->count < PARAMS_KEPT_MAX) {
		oldest = k->count++;
		k->entries[oldest] = NULL;
	} else {
		for (size_t i = 0; i < k->count; i++)
			if (!k->entries[i]->users &&
			    (oldest == PARAMS_KEPT_MAX ||
			     k->entries[i]->used_at < k->entries[oldest]->used_at))
				oldest = i;
	}
	if (oldest < PARAMS_KEPT_MAX) {
		entry_free(k->entries[oldest]);
		k->entries[oldest] = fresh;
	}
	(void)pthread_mutex_unlock(&k->lock);
	return oldest < PARAMS_KEPT_MAX;
}

static void leave(struct checked *k, struct entry *en)
{
	(void)pthread_mutex_lock(&k->lock);
	en->users--;
	(void)pthread_mutex_unlock(&k->lock);
}

/* What was published was checked then: a failure now is ours, not the caller's. */
static int stored_is_bad(struct err *e, const char *what, struct str name)
{
	if (e->kind == ERR_INVALID) {
		e->kind = ERR_CORRUPT;
		e->field[0] = 0;
	}
	return err_in(e, "%s %" STR_F, what, STR_A(name));
}

static const struct schema_options options = {.is_closed = true};

MUST static int compile_type(const struct spec_type *t, struct entry *en, struct err *e)
{
	en->is_host = t->is_shared;
	en->secrets.parameters = t->secret_parameters;
	en->secrets.connection = t->secret_connection;
	if (!t->parameters_schema.n)
		return 0;
	if (json_parse(t->parameters_schema, en->arena, &en->tree, e) < 0 ||
	    schema_compile(en->tree, &options, en->arena, &en->schema, e) < 0)
		return stored_is_bad(e, "parameters' schema of type", t->name);
	if (!t->secret_parameters.count)
		return 0;
	struct json *sealed =
		profile_schema_sealed(en->tree, &t->secret_parameters, NULL, en->arena);
	if (arena_check(en->arena, e) < 0 ||
	    schema_compile(sealed, &options, en->arena, &en->sealed, e) < 0)
		return stored_is_bad(e, "parameters' schema of type", t->name);
	return 0;
}

/* Loads the manifest and compiles the type's schema. */
MUST static int fill(struct api_call *c, const struct release *r, struct str type,
		     struct entry *en, struct err *e)
{
	struct profile_manifest m;
	struct str text;
	if (arena_new(PARAMS_ARENA_BYTES, &en->arena, e) < 0)
		return -1;
	en->release_id = r->id;
	en->type = arena_dup(en->arena, type);
	if (store_release_manifest(c->tx, c->a, r->id, &text, e) < 0)
		return -1;
	if (profile_manifest_read(text, en->arena, &m, e) < 0)
		return stored_is_bad(e, "release", r->uri);
	const struct spec_type *t = profile_manifest_type(&m, type);
	if (!t)
		return err_field(e, "type", "release %" STR_F " has no type %" STR_F,
				 STR_A(r->name), STR_A(str_sub(type, 0, 100)));
	return compile_type(t, en, e);
}

MUST static int get_entry(struct api_call *c, const struct release *r, struct str type,
			  struct entry **out, bool *is_kept, struct err *e)
{
	*is_kept = true;
	*out = look(c->api->checked, r->id, type);
	if (*out)
		return 0;
	struct entry *fresh = MEM_NEW(struct entry, e);
	if (!fresh)
		return -1;
	if (fill(c, r, type, fresh, e) < 0) {
		entry_free(fresh);
		return -1;
	}
	fresh->users = 1;
	*is_kept = keep(c->api->checked, fresh);
	*out = fresh;
	return 0;
}

static void let_go(struct api_call *c, struct entry *en, bool is_kept)
{
	if (is_kept)
		leave(c->api->checked, en);
	else
		entry_free(en);
}

/* Which schema the values are checked by: secrets may be clear, sealed, or some of both. */
MUST static int check_values(const struct entry *en, const struct json *values, struct arena *a,
			     struct err *e)
{
	const struct spec_list *names = &en->secrets.parameters;
	const struct schema *schema = en->schema;
	size_t sealed = 0, clear = 0;
	for (size_t i = 0; i < names->count; i++) {
		const struct json *v = json_get(values, names->items[i]);
		if (!v)
			continue;
		if (age_is_sealed(json_str_of(v, S(""))))
			sealed++;
		else
			clear++;
	}
	struct schema *mixed = NULL;
	if (sealed && clear) {
		struct json *tree = profile_schema_sealed(en->tree, names, values, a);
		if (arena_check(a, e) < 0 || schema_compile(tree, &options, a, &mixed, e) < 0)
			return -1;
		schema = mixed;
	} else if (sealed) {
		schema = en->sealed;
	}
	return schema_check(schema, values, S("parameters"), a, e);
}

MUST int params_check(struct api_call *c, const struct release *r, struct str type,
		      bool is_shared, const struct json *parameters, struct err *e)
{
	struct entry *en;
	bool is_kept;
	int rc = 0;
	if (!r->name.n)
		return 0; /* opaque: only the node can read it */
	if (get_entry(c, r, type, &en, &is_kept, e) < 0)
		return -1;
	if (is_shared && !en->is_host)
		rc = err_field(e, "shared",
			       "type %" STR_F " of %" STR_F " hosts no shared instances",
			       STR_A(type), STR_A(r->name));
	else if (!is_shared && en->schema && secrets_are_guarded(c))
		rc = check_values(en, parameters, c->a, e);
	else if (!is_shared && en->schema)
		rc = schema_check(en->schema, parameters, S("parameters"), c->a, e);
	let_go(c, en, is_kept);
	return rc;
}

static struct spec_list copied(const struct spec_list *l, struct arena *a)
{
	struct spec_list out = {.items = ARENA_ARRAY(a, struct str, l->count)};
	for (size_t i = 0; out.items && i < l->count; i++)
		out.items[out.count++] = arena_dup(a, l->items[i]);
	return out;
}

MUST int params_secrets(struct api_call *c, int64_t release_id, struct str release_name,
			struct str type, struct params_secrets *out, struct err *e)
{
	const struct release r = {.id = release_id, .name = release_name, .uri = release_name};
	struct entry *en;
	bool is_kept;
	*out = (struct params_secrets){.parameters = {.count = 0}};
	if (!release_name.n)
		return 0;
	if (get_entry(c, &r, type, &en, &is_kept, e) < 0) {
		if (e->kind != ERR_INVALID)
			return -1;
		err_clear(e); /* another release's type, which this one has no more */
		return 0;
	}
	out->parameters = copied(&en->secrets.parameters, c->a);
	out->connection = copied(&en->secrets.connection, c->a);
	let_go(c, en, is_kept);
	return arena_check(c->a, e);
}
