/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "profile/secrets.h"

#include "trust/age.h"

enum { STACK_MAX = 512 };

static bool says_secret(const struct json *member)
{
	return json_bool_of(json_get(member, S("secret")), false);
}

MUST int profile_secret_names(const struct json *schema, struct arena *a, struct spec_list *out,
			      struct err *e)
{
	const struct json *properties = json_get(schema, S("properties"));
	size_t n = json_is(properties, JSON_IS_OBJECT) ? json_count(properties) : 0;
	struct spec_list names = {.items = ARENA_ARRAY(a, struct str, n)};
	for (size_t i = 0; names.items && i < n; i++)
		if (says_secret(properties->members[i].value))
			names.items[names.count++] = arena_dup(a, properties->members[i].key);
	if (arena_check(a, e) < 0)
		return -1;
	*out = names;
	return 0;
}

bool profile_is_secret(const struct spec_list *names, struct str name)
{
	for (size_t i = 0; i < names->count; i++)
		if (str_eq(names->items[i], name))
			return true;
	return false;
}

/* The members of an object in a new one: those can be replaced. */
static struct json *shallow(const struct json *object, struct arena *a)
{
	struct json *copy = json_object_new(a);
	for (size_t i = 0; i < json_count(object); i++)
		json_set(a, copy, object->members[i].key, object->members[i].value);
	return copy;
}

struct json *profile_schema_sealed(const struct json *schema, const struct spec_list *names,
				   const struct json *values, struct arena *a)
{
	struct json *out = shallow(schema, a);
	struct json *properties = shallow(json_get(schema, S("properties")), a);
	struct json *text = json_object_new(a);
	json_set_str(a, text, S("type"), S("string"));
	for (size_t i = 0; i < names->count; i++) {
		struct str value = json_str_of(json_get(values, names->items[i]), S(""));
		if (!values || age_is_sealed(value))
			json_set(a, properties, names->items[i], text);
	}
	json_set(a, out, S("properties"), properties);
	return out;
}

/* ---- misplaced ----------------------------------------------------------------------------- */

struct place {
	const struct json *at;
	struct str path;
	bool is_map; /* its members are schemas, whatever their names */
	bool is_top; /* the map `properties` of the whole schema */
};

static bool is_map_of_schemas(struct str keyword)
{
	static const char *const maps[] = {"properties", "patternProperties", "$defs",
					   "dependentSchemas"};
	for (size_t i = 0; i < ARRAY_LEN(maps); i++)
		if (str_is(keyword, maps[i]))
			return true;
	return false;
}

static struct str below(struct arena *a, struct str path, struct str name)
{
	return arena_fmt(a, "%" STR_F "%s%" STR_F, STR_A(path), path.n ? "." : "", STR_A(name));
}

/* What is wrong with what one schema says of itself; NULL: nothing. */
static const char *judge(const struct place *p, const struct place *parent)
{
	if (parent->is_map == false || !says_secret(p->at))
		return NULL;
	if (!parent->is_top)
		return "says secret: true, which only members at the top level can";
	if (!str_is(json_str_of(json_get(p->at, S("type")), S("")), "string"))
		return "is secret: its type has to be \"string\"";
	return NULL;
}

struct str profile_secret_misplaced(const struct json *schema, struct arena *a,
				    const char **why)
{
	struct place *stack = ARENA_ARRAY(a, struct place, STACK_MAX);
	size_t n = 0;
	if (!stack)
		return S("");
	stack[n++] = (struct place){.at = schema, .path = S("")};
	while (n) {
		struct place p = stack[--n];
		for (size_t i = 0; i < json_count(p.at) && n < STACK_MAX; i++) {
			bool is_object = p.at->kind == JSON_IS_OBJECT;
			struct str key = is_object ? p.at->members[i].key : S("");
			struct place q = {
				.at = is_object ? p.at->members[i].value : p.at->items[i],
				.path = is_object ? below(a, p.path, key) : p.path,
				.is_map = is_object && !p.is_map && is_map_of_schemas(key),
			};
			q.is_top = q.is_map && p.at == schema && str_is(key, "properties");
			*why = judge(&q, &p);
			if (*why)
				return q.path;
			if (json_count(q.at))
				stack[n++] = q;
		}
	}
	return S("");
}
