/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* The OpenAPI 3.1 document, from the table of operations and the tables of their bodies. */
#include "api/call.h"

static void set_schema(struct arena *a, struct json *holder, const struct json_desc *d)
{
	struct json *media = json_object_new(a), *content = json_object_new(a);
	if (d->n_fields) {
		json_set(a, media, S("schema"), json_desc_schema(d, a));
	} else {
		struct json *schema = json_object_new(a);
		json_set_str(a, schema, S("type"), S("object"));
		json_set_bool(a, schema, S("additionalProperties"), false);
		json_set(a, media, S("schema"), schema);
	}
	json_set(a, content, S("application/json"), media);
	json_set(a, holder, S("content"), content);
}

static struct json *parameter(struct arena *a, struct str name, const char *in,
			      bool is_required, struct json *schema)
{
	struct json *p = json_object_new(a);
	json_set_str(a, p, S("name"), name);
	json_set_str(a, p, S("in"), str_from(in));
	json_set_bool(a, p, S("required"), is_required);
	json_set(a, p, S("schema"), schema);
	return p;
}

/* The {names} of the path, then the fields of the query. */
static struct json *parameters(struct arena *a, const struct op *op)
{
	struct json *list = json_array_new(a);
	struct str rest = str_from(op->route.path), part;
	while (str_split(&rest, '/', &part)) {
		if (part.n < 3 || part.p[0] != '{')
			continue;
		struct json *schema = json_object_new(a);
		json_set_str(a, schema, S("type"), S("string"));
		json_add(a, list,
			 parameter(a, str_sub(part, 1, part.n - 2), "path", true, schema));
	}
	if (!op->query)
		return list;
	struct json *schema = json_desc_schema(op->query, a);
	struct json *fields = json_get(schema, S("properties"));
	for (size_t i = 0; i < op->query->n_fields; i++) {
		const struct json_field *f = &op->query->fields[i];
		json_add(a, list,
			 parameter(a, str_from(f->key), "query", f->flags & JSON_REQUIRED,
				   json_get(fields, str_from(f->key))));
	}
	return list;
}

static struct json *responses(struct arena *a, const struct op *op)
{
	struct json *out = json_object_new(a), *ok = json_object_new(a),
		    *bad = json_object_new(a);
	json_set_str(a, ok, S("description"), S("Done."));
	if (op->out)
		set_schema(a, ok, op->out);
	json_set(a, out, S("200"), ok);
	json_set_str(a, bad, S("description"),
		     S("Refused: {\"error\": {\"kind\", \"field\", \"text\"}}; slapos calls: "
		       "{\"status\", \"type\", \"title\"}."));
	json_set(a, out, S("default"), bad);
	return out;
}

static struct json *operation(struct arena *a, const struct op *op)
{
	struct json *out = json_object_new(a), *tags = json_array_new(a);
	json_set_str(a, out, S("operationId"), str_from(op->id));
	json_set_str(a, out, S("summary"), str_from(op->help));
	json_set_str(a, out, S("x-may"), str_from(op->may));
	json_set_bool(a, out, S("x-writes"), op->is_write);
	json_add_str(a, tags, op_is_v0(str_from(op->route.path)) ? S("slapos v0") : S("v1"));
	json_set(a, out, S("tags"), tags);
	json_set(a, out, S("parameters"), parameters(a, op));
	if (op->in) {
		struct json *body = json_object_new(a);
		json_set_bool(a, body, S("required"), true);
		set_schema(a, body, op->in);
		json_set(a, out, S("requestBody"), body);
	}
	json_set(a, out, S("responses"), responses(a, op));
	return out;
}

static struct str lower_case(struct arena *a, const char *word)
{
	struct str s = arena_dup(a, str_from(word));
	char *copy = arena_alloc(a, s.n + 1);
	for (size_t i = 0; copy && i < s.n; i++)
		copy[i] = (char)(s.p[i] | 0x20);
	return copy ? str_of(copy, s.n) : S("");
}

struct str api_openapi(const struct api *api, struct arena *a)
{
	struct json *doc = json_object_new(a), *info = json_object_new(a),
		    *paths = json_object_new(a);
	json_set_str(a, doc, S("openapi"), S("3.1.0"));
	json_set_str(a, info, S("title"), S("Hyper Open Cloud"));
	json_set_str(a, info, S("version"), str_from(api->options.version));
	json_set(a, doc, S("info"), info);
	const struct op *row;
	for (size_t i = 0; (row = op_at(i)); i++) {
		struct str path = str_from(row->route.path);
		struct json *item = json_get(paths, path);
		if (!item) {
			item = json_object_new(a);
			json_set(a, paths, path, item);
		}
		json_set(a, item, lower_case(a, http_method_name(row->route.method)),
			 operation(a, row));
	}
	json_set(a, doc, S("paths"), paths);
	return json_text(doc, a);
}
