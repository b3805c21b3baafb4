/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Who calls, and the persons of the cloud. */
#include "api/people.h"

#include "api/access.h"
#include "api/passkey.h"
#include "api/secrets.h"
#include "api/views.h"
#include "store/member.h"
#include "store/person.h"
#include "store/token.h"

/* clang-format off */
static const struct json_field place_fields[] = {
	JSON_STR(struct people_place, customer, "customer", 0, INT64_MAX, 0, "Name."),
	JSON_STR(struct people_place, role, "role", 0, INT64_MAX, 0, "owner, or member."),
};
const struct json_desc people_place_desc =
	JSON_DESC(struct people_place, place_fields, "Membership", "A customer that the person is in.");

struct me {
	struct str kind, name, key;
	struct str *roles;
	size_t role_count;
	struct people_place *customers;
	size_t customer_count;
};
static const struct json_field me_fields[] = {
	JSON_STR(struct me, kind, "kind", 0, INT64_MAX, 0, "person, node; local: everybody on this machine."),
	JSON_STR(struct me, name, "name", 0, INT64_MAX, 0, "Of the person or node."),
	JSON_STRS(struct me, roles, role_count, "roles", 0, INT64_MAX, 0, "In the cloud: publisher, accountant, auditor, operator."),
	JSON_STRUCTS(struct me, customers, customer_count, struct people_place, "customers", &people_place_desc, 0, INT64_MAX, 0, "By name."),
	JSON_STR(struct me, key, "key", 0, INT64_MAX, 0, "Name of the key that was shown; empty: a session of a browser."),
};
const struct json_desc people_me_out = JSON_DESC(struct me, me_fields, "Me", "Who calls.");

struct people_query { struct str after; int64_t limit; };
static const struct json_field query_fields[] = {
	JSON_STR(struct people_query, after, "after", 0, MODEL_NAME_MAX, 0, "Only persons behind this name.", .initial_text = ""),
	JSON_I64(struct people_query, limit, "limit", 1, STORE_LIST_MAX, 0, "At most so many.", .initial = 1000),
};
const struct json_desc people_query = JSON_DESC(struct people_query, query_fields, "PersonsQuery", "Which persons.");

#define V struct view_person
V {
	struct str person;
	struct str *roles;
	size_t role_count;
	bool active;
	struct people_place *customers;
	size_t customer_count;
	struct str created_at;
};
static const struct json_field person_fields[] = {
	JSON_STR(V, person, "person", 0, INT64_MAX, 0, "Name."),
	JSON_STRS(V, roles, role_count, "roles", 0, INT64_MAX, 0, "In the cloud: publisher, accountant, auditor, operator."),
	JSON_BOOL(V, active, "active", 0, "False: may do nothing."),
	JSON_STRUCTS(V, customers, customer_count, struct people_place, "customers", &people_place_desc, 0, INT64_MAX, 0, "By name; in lists left out."),
	JSON_STR(V, created_at, "created_at", 0, INT64_MAX, 0, "When the name first came."),
};
const struct json_desc people_person_out = JSON_DESC(V, person_fields, "Person", "A person.");
struct persons { V *persons; size_t n; };
static const struct json_field persons_fields[] = {
	JSON_STRUCTS(struct persons, persons, n, V, "persons", &people_person_out, 0, INT64_MAX, 0, "By name."),
};
const struct json_desc people_list_out = JSON_DESC(struct persons, persons_fields, "Persons", "Persons.");
#undef V

static int check_role(struct str word, struct err *e)
{
	enum role ignored;
	if (access_role_read(word, &ignored))
		return 0;
	return err_fail(e, ERR_INVALID, "is none of publisher, accountant, auditor, operator");
}
struct person_in { struct str *roles; size_t role_count; bool active; };
static const struct json_field person_in_fields[] = {
	JSON_STRS(struct person_in, roles, role_count, "roles", 0, 8, JSON_REQUIRED, "All that the person has from now on.", .check = check_role, .max_bytes = 20),
	JSON_BOOL(struct person_in, active, "active", JSON_REQUIRED, "False: may do nothing, at once."),
};
const struct json_desc people_person_in = JSON_DESC(struct person_in, person_in_fields, "PersonIn", "What a person is to be.");
/* clang-format on */

/* ---- views --------------------------------------------------------------------------------- */

static void view_words(struct api_call *c, struct str text, struct str **out, size_t *count)
{
	struct str *words = ARENA_ARRAY(c->a, struct str, ROLES);
	size_t n = 0;
	struct str word;
	while (words && text.n && n < ROLES && str_split(&text, ' ', &word))
		if (word.n)
			words[n++] = word;
	*out = words;
	*count = n;
}

static void view_places(struct api_call *c, const struct member *list, size_t n,
			struct people_place **out, size_t *count)
{
	struct people_place *places = ARENA_ARRAY(c->a, struct people_place, n);
	for (size_t i = 0; places && i < n; i++)
		places[i] = (struct people_place){list[i].customer,
						  list[i].is_owner ? S("owner") : S("member")};
	*out = places;
	*count = places ? n : 0;
}

static void view_person_of(struct api_call *c, const struct person *p, struct view_person *out)
{
	*out = (struct view_person){
		.person = p->name,
		.active = p->is_active,
		.created_at = view_at(c->a, p->created_at_ms),
	};
	view_words(c, p->roles, &out->roles, &out->role_count);
}

MUST static int answer_person(struct api_call *c, const struct person *p, struct err *e)
{
	struct view_person v;
	struct member *list = NULL;
	size_t n = 0;
	view_person_of(c, p, &v);
	if (store_member_of_person(c->tx, c->a, p->id, &list, &n, e) < 0)
		return -1;
	view_places(c, list, n, &v.customers, &v.customer_count);
	return call_answer(c, 200, &people_person_out, &v, e);
}

/* ---- the calls ----------------------------------------------------------------------------- */

MUST int people_me(struct api_call *c, struct err *e)
{
	static const struct hash no_key;
	char key[HASH_TEXT_SIZE] = "";
	struct str roles = S("");
	struct person p;
	struct me v = {.kind = S("local"), .name = S("")};
	if (!hash_eq(&c->caller.key, &no_key))
		hash_text(&c->caller.key, key);
	v.key = arena_dup(c->a, str_from(key));
	if (access_node(c).n) {
		v.kind = S("node");
		v.name = access_node(c);
	} else if (access_person(c).n) {
		v.kind = S("person");
		v.name = access_person(c);
		int rc = store_person_find(c->tx, c->a, v.name, &p, e);
		if (rc <= 0)
			return rc < 0 ? -1 : err_fail(e, ERR_INTERNAL, "person vanished");
		roles = p.roles;
	} else {
		roles = S("operator");
	}
	view_words(c, roles, &v.roles, &v.role_count);
	view_places(c, c->access->members, c->access->member_count, &v.customers,
		    &v.customer_count);
	return call_answer(c, 200, &people_me_out, &v, e);
}

MUST int people_list(struct api_call *c, struct err *e)
{
	const struct people_query *q = c->query;
	struct person *list = NULL;
	struct persons v = {.n = 0};
	size_t n = 0;
	if (store_person_list(c->tx, c->a, q->after, q->limit, &list, &n, e) < 0)
		return -1;
	v.persons = ARENA_ARRAY(c->a, struct view_person, n);
	for (size_t i = 0; v.persons && i < n; i++)
		view_person_of(c, &list[i], &v.persons[v.n++]);
	return call_answer(c, 200, &people_list_out, &v, e);
}

/* The person of the path; who sees only himself finds nobody else. */
MUST static int find(struct api_call *c, struct person *out, struct err *e)
{
	struct str name = c->params[0];
	int rc = store_person_find(c->tx, c->a, name, out, e);
	if (rc > 0 && !access_is_all(c) && !str_eq(name, access_person(c)))
		rc = 0;
	if (rc == 0)
		return err_fail(e, ERR_NOT_FOUND, "no person %" STR_F,
				STR_A(str_sub(name, 0, 100)));
	return rc < 0 ? -1 : 0;
}

MUST int people_get(struct api_call *c, struct err *e)
{
	struct person p;
	return find(c, &p, e) < 0 ? -1 : answer_person(c, &p, e);
}

static bool has(const struct person_in *in, enum role r)
{
	for (size_t i = 0; i < in->role_count; i++)
		if (str_is(in->roles[i], access_role_word(r)))
			return true;
	return false;
}

/* In the order of enum role, each once. */
static struct str roles_text(struct api_call *c, const struct person_in *in)
{
	struct str text = S("");
	for (int r = ROLE_PUBLISHER; r <= ROLE_OPERATOR; r++)
		if (has(in, (enum role)r))
			text = arena_fmt(c->a, "%" STR_F "%s%s", STR_A(text), text.n ? " " : "",
					 access_role_word((enum role)r));
	return text;
}

MUST int people_put(struct api_call *c, struct err *e)
{
	const struct person_in *in = c->in;
	struct person p;
	if (find(c, &p, e) < 0)
		return -1;
	if (str_eq(p.name, access_person(c)) && !(in->active && has(in, ROLE_OPERATOR)))
		return err_fail(e, ERR_CONFLICT,
				"nobody ends his own power: another operator has to");
	struct person was = p;
	p.roles = roles_text(c, in);
	p.is_active = in->active;
	if (!str_eq(p.roles, was.roles) || p.is_active != was.is_active) {
		struct json *body = json_object_new(c->a);
		json_set_str(c->a, body, S("roles"), p.roles);
		json_set_bool(c->a, body, S("active"), p.is_active);
		call_event(c, EVENT_PERSON_CHANGED, p.name, body);
		if (store_person_save(c->tx, &p, e) < 0 ||
		    secrets_people_changed(c, p.name, e) < 0 ||
		    (!p.is_active && store_token_void(c->tx, p.name, c->now_ms, e) < 0) ||
		    (!p.is_active && passkey_person_ended(c, p.id, p.name, e) < 0))
			return -1;
	}
	return answer_person(c, &p, e);
}
