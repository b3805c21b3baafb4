/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* The part of the table of operations that is about people: who is who, who is in what. */
#include "api/people.h"

/* clang-format off */
static const struct op rows[] = {
	/* route, id, may (api/access.h), is_write, in, query, out, prepare, run, media, help */
	{GET_("/v1/me"), "me", "-ooooooo", false, NULL, NULL, &people_me_out, NULL, people_me, NULL,
		"Who calls: name, roles, customers."},
	{GET_("/v1/persons"), "persons", "-----aa-", false, NULL, &people_query, &people_list_out, NULL, people_list, NULL,
		"All persons, by name."},
	{GET_("/v1/persons/{person}"), "person", "-ooooaa-", false, NULL, NULL, &people_person_out, NULL, people_get, NULL,
		"One person with his customers; everybody may look at himself."},
	{PUT_("/v1/persons/{person}"), "person_set", "------a-", true, &people_person_in, NULL, &people_person_out, NULL, people_put, NULL,
		"Sets the roles of a person, and whether he may do anything at all."},
	{GET_("/v1/customers/{customer}/members"), "members", "-oo--aa-", false, NULL, NULL, &people_members_out, NULL, people_members, NULL,
		"Who is in a customer."},
	{PUT_("/v1/customers/{customer}/members/{person}"), "member_set", "--o---a-", true, &people_member_in, NULL, &people_members_out, NULL, people_member_put, NULL,
		"Puts a person into a customer, as owner or member."},
	{DELETE_("/v1/customers/{customer}/members/{person}"), "member_remove", "--o---a-", true, NULL, NULL, &people_members_out, NULL, people_member_delete, NULL,
		"Takes a person out of a customer; who is not in it stays out."},
};
/* clang-format on */

const struct op_table op_people = {rows, ARRAY_LEN(rows)};
