/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * The manifest: what a profile says of itself. Read by table into the public structs; schemas
 * are kept as text and compiled when something is checked against them.
 */
#include "json/schema.h"
#include "profile/bundle.h"
#include "profile/secrets.h"
#include "profile/spec_impl.h"

enum { SCHEMA_ARENA_BYTES = 16 << 20 };

struct type_raw {
	struct spec_type t;
	struct json *parameters, *connection;
};

struct software_raw {
	struct spec_software debian;
};

struct manifest_raw {
	struct profile_manifest m;
	struct software_raw software;
	struct type_raw *types;
	size_t type_count;
};

static int check_profile_name(struct str s, struct err *e)
{
	return profile_name_is_valid(s)
		       ? 0
		       : err_fail(e, ERR_INVALID, "is not a profile name (a-z, 0-9 and -)");
}

/* clang-format off */
static const struct json_field secret_fields[] = {
	JSON_I64(struct spec_secret, length, "length", 8, 256, 0, "Characters.", .initial = 24),
};
static const struct json_desc secret_desc = JSON_DESC(struct spec_secret, secret_fields, "Secret",
	"A text made on the node.");

static const struct json_field type_fields[] = {
	JSON_STR(struct type_raw, t.title, "title", 1, 200, 0, "What people read.", .initial_text = ""),
	JSON_TREE_OBJECT(struct type_raw, parameters, "parameters", 0, "JSON Schema of the parameters."),
	JSON_TREE_OBJECT(struct type_raw, connection, "connection", 0, "JSON Schema of what is published."),
	JSON_NAMED(struct type_raw, t.secrets, t.secret_count, struct spec_secret, name, "secrets", &secret_desc,
		   0, SPEC_SECRETS_MAX, 0, "Texts made on the node.", .check_key = spec_check_name),
	JSON_STRS(struct type_raw, t.usage.items, t.usage.count, "usage", 0, 32, 0, "Metrics.",
		  .check = spec_check_name),
	JSON_BOOL(struct type_raw, t.is_shared, "shared", 0, "Hosts shared instances."),
};
static const struct json_desc type_desc = JSON_DESC(struct type_raw, type_fields, "Type", "A type of instance.");

static const struct json_field debian_fields[] = {
	JSON_STR(struct spec_software, suite, "suite", 1, 40, JSON_REQUIRED, "Debian suite.",
		 .check = spec_check_suite),
	JSON_STRS(struct spec_software, packages.items, packages.count, "packages", 1, SPEC_PACKAGES_MAX,
		  JSON_REQUIRED, "Packages to install.", .max_bytes = 120, .check = spec_check_package),
	JSON_PAIRS(struct spec_software, files.items, files.count, "files", 0, 32, 0,
		   "Files that exist before the packages are installed.", .max_bytes = 16 << 10,
		   .check_key = spec_check_path),
	JSON_STR(struct spec_software, mirror, "mirror", 1, 300, 0, "Where packages are fetched.",
		 .check = spec_check_url, .initial_text = ""),
};
static const struct json_desc debian_desc = JSON_DESC(struct spec_software, debian_fields, "Debian",
	"Packages of a Debian suite.");

static const struct json_field software_fields[] = {
	JSON_STRUCT(struct software_raw, debian, struct spec_software, "debian", &debian_desc, JSON_REQUIRED,
		    "Packages of a Debian suite."),
};
static const struct json_desc software_desc = JSON_DESC(struct software_raw, software_fields, "Software",
	"What the release is built of.");

static const struct json_field manifest_fields[] = {
	JSON_STR(struct manifest_raw, m.name, "name", 1, PROFILE_NAME_MAX, JSON_REQUIRED, "Name.",
		 .check = check_profile_name),
	JSON_STR(struct manifest_raw, m.title, "title", 1, 200, JSON_REQUIRED, "What people read."),
	JSON_STR(struct manifest_raw, m.category, "category", 1, SPEC_NAME_MAX, JSON_REQUIRED, "Shelf.",
		 .check = spec_check_name),
	JSON_STR(struct manifest_raw, m.description, "description", 0, 4000, 0, "A paragraph.",
		 .initial_text = ""),
	JSON_STR(struct manifest_raw, m.homepage, "homepage", 1, 300, 0, "Where the software lives.",
		 .check = spec_check_url, .initial_text = ""),
	JSON_STRUCT(struct manifest_raw, software, struct software_raw, "software", &software_desc,
		    JSON_REQUIRED, "What the release is built of."),
	JSON_NAMED(struct manifest_raw, types, type_count, struct type_raw, t.name, "types", &type_desc, 1,
		   SPEC_TYPES_MAX, JSON_REQUIRED, "Types of instances.", .check_key = spec_check_name),
};
/* clang-format on */
static const struct json_desc manifest_desc =
	JSON_DESC(struct manifest_raw, manifest_fields, "Manifest", "What a profile offers.");

static int by_text(const void *x, const void *y)
{
	const struct str *a = x, *b = y;
	return str_cmp(*a, *b);
}

static void sort_without_doubles(struct spec_list *l)
{
	size_t kept = 0;
	qsort(l->items, l->count, sizeof *l->items, by_text);
	for (size_t i = 0; i < l->count; i++)
		if (!kept || !str_eq(l->items[i], l->items[kept - 1]))
			l->items[kept++] = l->items[i];
	l->count = kept;
}

static struct str schema_text(const struct json *tree, struct arena *a)
{
	return tree ? json_text(tree, a) : S("{\"type\":\"object\"}");
}

MUST int profile_manifest_read(struct str json, struct arena *a, struct profile_manifest *out,
			       struct err *e)
{
	struct manifest_raw r;
	if (json_read(&manifest_desc, json, a, &r, e) < 0)
		return -1;
	r.m.software = r.software.debian;
	sort_without_doubles(&r.m.software.packages);
	r.m.type_count = r.type_count;
	r.m.types = ARENA_ARRAY(a, struct spec_type, r.type_count);
	if (arena_check(a, e) < 0)
		return -1;
	for (size_t i = 0; i < r.type_count; i++) {
		r.m.types[i] = r.types[i].t;
		r.m.types[i].parameters_schema = schema_text(r.types[i].parameters, a);
		r.m.types[i].connection_schema = schema_text(r.types[i].connection, a);
		if (profile_secret_names(r.types[i].parameters, a,
					 &r.m.types[i].secret_parameters, e) < 0 ||
		    profile_secret_names(r.types[i].connection, a,
					 &r.m.types[i].secret_connection, e) < 0)
			return -1;
	}
	if (arena_check(a, e) < 0)
		return -1;
	*out = r.m;
	return 0;
}

const struct spec_type *profile_manifest_type(const struct profile_manifest *m, struct str name)
{
	if (!name.n)
		name = S("default");
	for (size_t i = 0; i < m->type_count; i++)
		if (str_eq(m->types[i].name, name))
			return &m->types[i];
	return NULL;
}

/* ---- checking against schemas ---- */

static int compile(struct str text, struct arena *a, struct schema **out, struct err *e)
{
	static const struct schema_options options = {.asserts_format = true,
						      .is_closed = true};
	struct json *tree;
	if (json_parse(text, a, &tree, e) < 0)
		return -1;
	return schema_compile(tree, &options, a, out, e);
}

static int parse_object(struct str text, struct arena *a, struct json **out, struct err *e)
{
	if (json_parse(text.n ? text : S("{}"), a, out, e) < 0)
		return -1;
	return json_is(*out, JSON_IS_OBJECT) ? 0
					     : err_field(e, "parameters", "is not an object");
}

MUST int profile_parameters_check(const struct spec_type *t, struct str parameters,
				  struct arena *a, struct str *out, struct err *e)
{
	struct arena *scratch CLEAN(arena_freep) = NULL;
	struct schema *schema;
	struct json *given, *full;
	if (arena_new(SCHEMA_ARENA_BYTES, &scratch, e) < 0)
		return -1;
	if (compile(t->parameters_schema, scratch, &schema, e) < 0)
		return err_in(e, "schema of parameters of type %" STR_F, STR_A(t->name));
	if (parse_object(parameters, scratch, &given, e) < 0 ||
	    schema_apply_defaults(schema, given, scratch, &full, e) < 0 ||
	    schema_check(schema, full, S("parameters"), scratch, e) < 0)
		return -1;
	struct buf text CLEAN(buf_fini) = BUF_INIT(1 << 20);
	json_write_canonical(full, &text);
	if (buf_check(&text, e) < 0)
		return -1;
	struct str copy = arena_dup(a, buf_str(&text));
	if (arena_check(a, e) < 0)
		return -1;
	*out = copy;
	return 0;
}

MUST int profile_connection_check(const struct spec_type *t, const struct spec_pairs *publish,
				  struct arena *a, struct err *e)
{
	struct schema *schema;
	if (compile(t->connection_schema, a, &schema, e) < 0)
		return err_in(e, "schema of connection of type %" STR_F, STR_A(t->name));
	struct json *object = json_object_new(a);
	for (size_t i = 0; i < publish->count; i++)
		json_set_str(a, object, publish->items[i].key, publish->items[i].value);
	if (arena_check(a, e) < 0)
		return -1;
	return schema_check(schema, object, S("publish"), a, e);
}
