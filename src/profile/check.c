/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * Lint: walks from the manifest to one instance of each type and notes what a node would stumble
 * over. Stops deeper questions where an answer is already wrong, so that one mistake gives one
 * finding.
 */
#include "profile/check.h"

#include "json/schema.h"
#include "profile/secrets.h"

enum { SCRATCH_BYTES = 48 << 20 };

struct check {
	struct profile_eval *ev;
	const struct profile_bundle *b;
	struct arena *a;
	struct profile_findings *f;
};

static void note(struct check *c, bool is_error, struct str path, struct str text)
{
	struct profile_findings *f = c->f;
	if (f->count == PROFILE_FINDINGS_MAX)
		return;
	f->items[f->count++] = (struct profile_finding){.path = arena_dup(c->a, path),
							.text = arena_dup(c->a, text),
							.is_error = is_error};
}

/*
 * Makes a finding of what is wrong with the profile: `base`.field. Other failures (no memory, no
 * child) go on as they are: -1.
 */
static int note_failure(struct check *c, struct str base, struct err *e)
{
	if (e->kind != ERR_INVALID && e->kind != ERR_TOO_LARGE)
		return -1;
	const char *dot = base.n && e->field[0] && e->field[0] != '[' ? "." : "";
	note(c, true, arena_fmt(c->a, "%" STR_F "%s%s", STR_A(base), dot, e->field),
	     str_from(e->text));
	err_clear(e);
	return 1;
}

/* 0 good, 1 noted. The schema's tree is handed out for its examples. */
static int check_schema(struct check *c, struct str text, struct str path, struct json **out,
			struct err *e)
{
	static const struct schema_options options = {.asserts_format = true,
						      .is_closed = true};
	struct arena *a CLEAN(arena_freep) = NULL;
	struct schema *schema;
	if (json_parse(text, c->a, out, e) < 0)
		return -1;
	if (arena_new(SCRATCH_BYTES, &a, e) < 0)
		return -1;
	if (schema_compile(*out, &options, a, &schema, e) < 0)
		return note_failure(c, path, e);
	const char *why = "";
	struct str place = profile_secret_misplaced(*out, c->a, &why);
	if (place.n)
		note(c, true, arena_fmt(c->a, "%" STR_F ".%" STR_F, STR_A(path), STR_A(place)),
		     str_from(why));
	return 0;
}

static struct json *sample_secrets(const struct spec_type *t, struct arena *a)
{
	struct json *secrets = json_object_new(a);
	for (size_t i = 0; i < t->secret_count; i++) {
		char text[257];
		size_t n = MIN_OF((size_t)t->secrets[i].length, sizeof text - 1);
		memset(text, 'x', n);
		json_set_str(a, secrets, t->secrets[i].name, str_of(text, n));
	}
	return secrets;
}

static struct json *sample_partition(struct arena *a)
{
	struct json *p = json_object_new(a);
	json_set_str(a, p, S("name"), S("p0"));
	json_set_str(a, p, S("ipv4"), S("10.0.0.2"));
	json_set_str(a, p, S("ipv6"), S("fd00::2"));
	json_set_str(a, p, S("home"), S("/hoc"));
	return p;
}

/* The input of instance() for an instance that nobody ordered. */
static struct str sample_input(const struct spec_type *t, struct str parameters,
			       struct arena *a, struct err *e)
{
	struct json *input = json_object_new(a), *node = json_object_new(a), *given = NULL;
	static const struct {
		const char *key, *value;
	} texts[] = {
		{"title", "sample"},
		{"guid", "inst-00000000000000000000"},
		{"tree", "inst-00000000000000000000"},
		{"state", "started"},
		{"customer", "sample"},
		{"zone", "example.com"},
	};
	for (size_t i = 0; i < ARRAY_LEN(texts); i++)
		json_set_str(a, input, str_from(texts[i].key), str_from(texts[i].value));
	json_set_str(a, node, S("name"), S("sample"));
	json_set_str(a, input, S("type"), t->name);
	json_set(a, input, S("node"), node);
	json_set(a, input, S("partition"), sample_partition(a));
	json_set(a, input, S("secrets"), sample_secrets(t, a));
	json_set(a, input, S("children"), json_object_new(a));
	json_set(a, input, S("shared"), json_array_new(a));
	if (json_parse(parameters, a, &given, e) < 0)
		return S("");
	json_set(a, input, S("parameters"), given);
	return json_text(input, a);
}

static int check_spec(struct check *c, const struct spec_type *t, struct str path,
		      struct str json, struct err *e)
{
	struct profile_spec spec;
	if (profile_spec_read(json, c->a, &spec, e) < 0)
		return note_failure(c, path, e);
	if (spec.service_count && !spec.promise_count)
		note(c, true, arena_fmt(c->a, "%" STR_F ".promises", STR_A(path)),
		     S("services without any promise: nobody can tell whether they work"));
	for (size_t i = 0; i < spec.service_count; i++)
		if (spec.services[i].ready.kind == SPEC_READY_NONE && spec.service_count > 1)
			note(c, false,
			     arena_fmt(c->a, "%" STR_F ".services.%" STR_F ".ready",
				       STR_A(path), STR_A(spec.services[i].name)),
			     S("is not said: those after it start as soon as it runs"));
	if (profile_connection_check(t, &spec.publish, c->a, e) < 0)
		return note_failure(c, path, e);
	return 0;
}

/* Somebody must choose a value: the lint cannot. */
static bool needs_choice(const struct json *schema)
{
	const struct json *required = json_get(schema, S("required"));
	for (size_t i = 0; i < json_count(required); i++) {
		struct str name = json_str_of(json_at(required, i), S(""));
		if (!json_get(json_get(json_get(schema, S("properties")), name), S("default")))
			return true;
	}
	return false;
}

static int check_instance(struct check *c, const struct spec_type *t, const struct json *schema,
			  struct str path, struct err *e)
{
	struct str parameters, json;
	struct json *example = json_at(json_get(schema, S("examples")), 0);
	struct str given = example ? json_text(example, c->a) : S("");
	struct str where = arena_fmt(c->a, "%" STR_F ".%s", STR_A(path),
				     example ? "examples" : "defaults");
	if (profile_parameters_check(t, given, c->a, &parameters, e) < 0) {
		if (e->kind == ERR_INVALID && !example && needs_choice(schema)) {
			note(c, false, where,
			     S("a parameter has no default and the schema no \"examples\": "
			       "instance() was "
			       "not tried"));
			err_clear(e);
			return 0;
		}
		return note_failure(c, where, e);
	}
	struct str input = sample_input(t, parameters, c->a, e);
	struct str call = arena_fmt(c->a, "%" STR_F ".instance()", STR_A(path));
	if (!input.n || arena_check(c->a, e) < 0)
		return -1;
	if (profile_eval_instance(c->ev, c->b, t->name, input, c->a, &json, e) < 0)
		return note_failure(c, call, e);
	return check_spec(c, t, call, json, e);
}

static int check_type(struct check *c, const struct spec_type *t, struct err *e)
{
	struct json *parameters = NULL, *connection = NULL;
	struct str path = arena_fmt(c->a, "types.%" STR_F, STR_A(t->name));
	struct str in = arena_fmt(c->a, "%" STR_F ".parameters", STR_A(path));
	struct str out = arena_fmt(c->a, "%" STR_F ".connection", STR_A(path));
	int rc = check_schema(c, t->parameters_schema, in, &parameters, e);
	if (rc == 0)
		rc = check_schema(c, t->connection_schema, out, &connection, e);
	return rc ? rc : check_instance(c, t, parameters, path, e);
}

static int check_all(struct check *c, struct err *e)
{
	struct profile_manifest m;
	struct str json;
	if (profile_eval_manifest(c->ev, c->b, c->a, &json, e) < 0 ||
	    profile_manifest_read(json, c->a, &m, e) < 0)
		return note_failure(c, S(""), e);
	if (!str_eq(m.name, c->b->name))
		note(c, true, S("name"),
		     arena_fmt(c->a, "is not the name of its folder, \"%" STR_F "\"",
			       STR_A(c->b->name)));
	if (!m.description.n)
		note(c, false, S("description"),
		     S("is missing: the catalogue has nothing to show"));
	if (!profile_manifest_type(&m, S("")))
		note(c, false, S("types"),
		     S("there is no type \"default\": every order must name one"));
	for (size_t i = 0; i < m.type_count; i++)
		if (check_type(c, &m.types[i], e) < 0)
			return -1;
	return 0;
}

MUST int profile_check(struct profile_eval *ev, const struct profile_bundle *b, struct arena *a,
		       struct profile_findings *out, struct err *e)
{
	struct profile_findings f = {.count = 0};
	struct check c = {.ev = ev, .b = b, .a = a, .f = &f};
	f.items = ARENA_ARRAY(a, struct profile_finding, PROFILE_FINDINGS_MAX);
	if (arena_check(a, e) < 0 || check_all(&c, e) < 0 || arena_check(a, e) < 0)
		return -1;
	*out = f;
	return 0;
}

size_t profile_findings_errors(const struct profile_findings *f)
{
	size_t n = 0;
	for (size_t i = 0; i < f->count; i++)
		n += f->items[i].is_error;
	return n;
}
