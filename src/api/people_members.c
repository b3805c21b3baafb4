/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Who is in a customer, and as what. */
#include "api/access.h"
#include "api/people.h"
#include "api/secrets.h"
#include "store/customer.h"
#include "store/member.h"
#include "store/person.h"

/* clang-format off */
struct view_member { struct str person, role; };
static const struct json_field member_fields[] = {
	JSON_STR(struct view_member, person, "person", 0, INT64_MAX, 0, "Name."),
	JSON_STR(struct view_member, role, "role", 0, INT64_MAX, 0, "owner, or member."),
};
static const struct json_desc member_desc = JSON_DESC(struct view_member, member_fields, "Member", "A person in a customer.");
struct members { struct str customer; struct view_member *members; size_t n; };
static const struct json_field members_fields[] = {
	JSON_STR(struct members, customer, "customer", 0, INT64_MAX, 0, "Name."),
	JSON_STRUCTS(struct members, members, n, struct view_member, "members", &member_desc, 0, INT64_MAX, 0, "By name."),
};
const struct json_desc people_members_out = JSON_DESC(struct members, members_fields, "Members", "Who is in a customer.");
enum place { PLACE_MEMBER, PLACE_OWNER };
static const struct json_word place_words[] = {{"member", PLACE_MEMBER}, {"owner", PLACE_OWNER}, {NULL, 0}};
struct member_in { enum place role; };
static const struct json_field member_in_fields[] = {
	JSON_ENUM(struct member_in, role, "role", place_words, JSON_REQUIRED, "owner: also manages the others."),
};
const struct json_desc people_member_in = JSON_DESC(struct member_in, member_in_fields, "MemberIn", "As what.");
/* clang-format on */

MUST static int answer(struct api_call *c, const struct customer *owner, struct err *e)
{
	struct member *list = NULL;
	struct members v = {.customer = owner->name};
	size_t n = 0;
	if (store_member_of_customer(c->tx, c->a, owner->id, &list, &n, e) < 0)
		return -1;
	v.members = ARENA_ARRAY(c->a, struct view_member, n);
	for (size_t i = 0; v.members && i < n; i++)
		v.members[v.n++] = (struct view_member){
			list[i].person, list[i].is_owner ? S("owner") : S("member")};
	return call_answer(c, 200, &people_members_out, &v, e);
}

MUST int people_members(struct api_call *c, struct err *e)
{
	struct customer owner;
	return access_customer(c, c->params[0], &owner, e) < 0 ? -1 : answer(c, &owner, e);
}

/*
 * Who it is in the customer now: 1 or 0. A customer keeps an owner as long as none but its owners
 * decide: its last one stays one.
 */
MUST static int find(struct api_call *c, const struct customer *owner, const struct person *p,
		     bool stays_owner, struct member *out, struct err *e)
{
	struct member *list = NULL;
	size_t n = 0, owners = 0;
	int rc = store_member_find(c->tx, c->a, owner->id, p->id, out, e);
	if (rc <= 0 || !out->is_owner || stays_owner || access_is_all(c))
		return rc;
	if (store_member_of_customer(c->tx, c->a, owner->id, &list, &n, e) < 0)
		return -1;
	for (size_t i = 0; i < n; i++)
		owners += list[i].is_owner;
	if (owners > 1)
		return 1;
	return err_fail(e, ERR_CONFLICT, "%" STR_F " is the only owner of %" STR_F,
			STR_A(p->name), STR_A(owner->name));
}

static void tell(struct api_call *c, const struct customer *owner, struct str person,
		 const char *role)
{
	struct json *body = json_object_new(c->a);
	json_set_str(c->a, body, S("person"), person);
	json_set_str(c->a, body, S("role"), str_from(role));
	call_event(c, EVENT_MEMBER_CHANGED, owner->name, body);
}

MUST static int check_room(struct api_call *c, const struct customer *owner,
			   const struct person *p, struct err *e)
{
	struct member *list = NULL;
	size_t persons = 0, customers = 0;
	if (store_member_of_customer(c->tx, c->a, owner->id, &list, &persons, e) < 0 ||
	    store_member_of_person(c->tx, c->a, p->id, &list, &customers, e) < 0)
		return -1;
	if (persons < MEMBER_LIST_MAX && customers < MEMBER_LIST_MAX)
		return 0;
	return err_fail(e, ERR_TOO_LARGE,
			"%d persons in a customer, and customers of a person, are the most"
			" there can be",
			MEMBER_LIST_MAX);
}

MUST int people_member_put(struct api_call *c, struct err *e)
{
	const struct member_in *in = c->in;
	struct customer owner;
	struct person p;
	struct member m;
	bool is_owner = in->role == PLACE_OWNER;
	if (access_customer(c, c->params[0], &owner, e) < 0)
		return -1;
	int rc = store_person_find(c->tx, c->a, c->params[1], &p, e);
	if (rc == 0)
		return err_fail(e, ERR_NOT_FOUND, "no person %" STR_F,
				STR_A(str_sub(c->params[1], 0, 100)));
	rc = rc < 0 ? -1 : find(c, &owner, &p, is_owner, &m, e);
	if (rc < 0 || (rc == 0 && check_room(c, &owner, &p, e) < 0))
		return -1;
	if (rc == 0 || m.is_owner != is_owner) {
		tell(c, &owner, p.name, is_owner ? "owner" : "member");
		if (store_member_set(c->tx, owner.id, p.id, is_owner, e) < 0 ||
		    (rc == 0 && secrets_people_changed(c, p.name, e) < 0))
			return -1;
	}
	return answer(c, &owner, e);
}

MUST int people_member_delete(struct api_call *c, struct err *e)
{
	struct customer owner;
	struct person p;
	struct member m;
	if (access_customer(c, c->params[0], &owner, e) < 0)
		return -1;
	int rc = store_person_find(c->tx, c->a, c->params[1], &p, e);
	if (rc > 0)
		rc = find(c, &owner, &p, false, &m, e);
	if (rc < 0)
		return -1;
	if (rc > 0) {
		tell(c, &owner, p.name, "none");
		if (store_member_delete(c->tx, owner.id, p.id, e) < 0 ||
		    secrets_people_changed(c, p.name, e) < 0)
			return -1;
	}
	return answer(c, &owner, e);
}
