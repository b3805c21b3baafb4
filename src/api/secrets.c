/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "api/secrets.h"

#include <string.h>

#include "api/life.h"
#include "api/params.h"
#include "api/views.h"
#include "profile/secrets.h"
#include "store/customer.h"
#include "store/instance.h"
#include "store/node.h"
#include "trust/age.h"

enum { PAGE = 32 };

bool secrets_are_guarded(const struct api_call *c)
{
	return strcmp(c->api->options.mode, "local") != 0;
}

MUST int secrets_customer(struct api_call *c, struct str name, struct customer *out,
			  struct err *e)
{
	int made = store_customer_get(c->tx, c->a, name, c->now_ms, out, e);
	if (made <= 0 || secrets_are_guarded(c))
		return made < 0 ? -1 : 0;
	out->takes_clear = true;
	return store_customer_save(c->tx, out, e);
}

/* ---- what may be stored -------------------------------------------------------------------- */

MUST static int check_one(struct str name, const struct json *value, const char *prefix,
			  bool takes_clear, struct err *e)
{
	char field[ERR_FIELD_MAX];
	struct str text = json_str_of(value, S(""));
	struct err why;
	size_t stanzas;
	(void)snprintf(field, sizeof field, "%s.%" STR_F, prefix, STR_A(str_sub(name, 0, 100)));
	if (!age_is_sealed(text))
		return takes_clear ? 0 : err_field(e, field, "is secret: seal it");
	if (age_check(text, &stanzas, &why) == 0)
		return 0;
	if (why.kind == ERR_CORRUPT)
		return err_field(e, field, "is no whole sealed text: %s", why.text);
	*e = why;
	return -1;
}

MUST int secrets_check(const struct api_call *c, const struct spec_list *names,
		       const struct json *values, const char *prefix, bool takes_clear,
		       struct err *e)
{
	if (!secrets_are_guarded(c))
		return 0;
	for (size_t i = 0; i < names->count; i++) {
		const struct json *v = json_get(values, names->items[i]);
		if (v && check_one(names->items[i], v, prefix, takes_clear, e) < 0)
			return -1;
	}
	return 0;
}

MUST int secrets_check_connection(struct api_call *c, const struct instance *i,
				  const struct json *connection, struct err *e)
{
	struct params_secrets names;
	if (!secrets_are_guarded(c))
		return 0;
	if (params_secrets(c, i->release_id, i->release_name, i->type, &names, e) < 0)
		return -1;
	return secrets_check(c, &names.connection, connection, "connection", i->takes_clear, e);
}

/* ---- what is shown ------------------------------------------------------------------------- */

/* Adds what is there of `names` in `values` to *out under `key`. */
static void mark(struct arena *a, struct json *out, struct str key,
		 const struct spec_list *names, const struct json *values)
{
	struct json *marks = json_object_new(a);
	for (size_t i = 0; i < names->count; i++) {
		const struct json *v = json_get(values, names->items[i]);
		if (!v)
			continue;
		bool is_sealed = age_is_sealed(json_str_of(v, S("")));
		json_set_str(a, marks, names->items[i], is_sealed ? S("sealed") : S("clear"));
	}
	if (json_count(marks))
		json_set(a, out, key, marks);
}

struct json *secrets_marks(struct api_call *c, const struct instance *i)
{
	struct params_secrets names;
	struct err e;
	if (!secrets_are_guarded(c) ||
	    params_secrets(c, i->release_id, i->release_name, i->type, &names, &e) < 0)
		return NULL;
	struct json *out = json_object_new(c->a);
	mark(c->a, out, S("parameters"), &names.parameters,
	     view_json(c->a, i->parameters_json));
	mark(c->a, out, S("connection"), &names.connection,
	     view_json(c->a, i->connection_json));
	return json_count(out) ? out : NULL;
}

/* ---- nodes look again ---------------------------------------------------------------------- */

/* By person or, if that is "", by the node of the requester. */
MUST static int touch_all(struct api_call *c, struct str person, int64_t node_id, struct err *e)
{
	struct arena *page CLEAN(arena_freep) = NULL;
	int64_t after = 0;
	for (size_t n = PAGE; n == PAGE;) {
		struct instance *list = NULL;
		page = arena_free(page);
		if (arena_new(API_ARENA_BYTES, &page, e) < 0)
			return -1;
		int rc = person.n ? store_instance_read_by(c->tx, page, person, after, PAGE,
							   &list, &n, e)
				  : store_instance_asked_from(c->tx, page, node_id, after, PAGE,
							      &list, &n, e);
		if (rc < 0)
			return -1;
		for (size_t i = 0; i < n; i++) {
			after = list[i].id;
			if (life_stamp(c, &list[i], STAMP_REQUEST_CHANGED, e) < 0 ||
			    store_instance_save(c->tx, &list[i], e) < 0)
				return -1;
		}
	}
	return 0;
}

MUST int secrets_people_changed(struct api_call *c, struct str person, struct err *e)
{
	return person.n ? touch_all(c, person, 0, e) : 0;
}

MUST int secrets_keys_changed(struct api_call *c, struct str kind, struct str owner,
			      struct err *e)
{
	struct node n;
	if (str_is(kind, "person"))
		return secrets_people_changed(c, owner, e);
	if (!str_is(kind, "node"))
		return 0;
	int rc = store_node_find(c->tx, c->a, owner, &n, e);
	return rc <= 0 ? rc : touch_all(c, S(""), n.id, e);
}
