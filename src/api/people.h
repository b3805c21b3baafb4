/* SPDX-License-Identifier: AGPL-3.0-or-later */
#pragma once
/*
 * Inside room api: persons and members; the part op_people of the table of operations.
 *
 * A person comes by enrolment. An operator says which roles he has in the cloud and whether he is
 * active; owners say who is in their customers. Nobody ends his own power as operator, and no
 * owner the last ownership of a customer: somebody above has to.
 */
#include "api/call.h"

#define HANDLER(name) MUST int name(struct api_call *c, struct err *e)
#define TABLE(name) extern const struct json_desc name

extern const struct op_table op_people;

/* people.c: who one is, persons */
HANDLER(people_me);
HANDLER(people_list);
HANDLER(people_get);
HANDLER(people_put);
TABLE(people_me_out);
TABLE(people_query);
TABLE(people_list_out);
TABLE(people_person_in);
TABLE(people_person_out);
/* people_members.c */
HANDLER(people_members);
HANDLER(people_member_put);
HANDLER(people_member_delete);
TABLE(people_members_out);
TABLE(people_member_in);

/* One of a person's customers, or of a customer's persons. */
struct people_place {
	struct str customer, role;
};
extern const struct json_desc people_place_desc;

#undef HANDLER
#undef TABLE
