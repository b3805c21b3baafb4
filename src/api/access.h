/* SPDX-License-Identifier: AGPL-3.0-or-later */
#pragma once
/*
 * Who may what: role x operation x ownership.
 *
 * Every row of the table of operations has a text of eight letters, one a role in the order of
 * enum role: '-' no, 'o' what is his own, 'a' all. A caller has several roles at once (a
 * person: those of the cloud, and owner or member in some projects); the strongest letter counts.
 * With 'o' a handler sees the caller's own objects and nothing else: what belongs to others
 * does not exist for him (ERR_NOT_FOUND), in lists as by name.
 *
 * Own is: of a member or owner what belongs to his customers; of a node itself, its partitions,
 * installations, and the instances on it with the trees they belong to.
 * A master in local mode takes every caller for the operator.
 */
#include "api/call.h"

enum role {
	ROLE_ANYONE, /* no certificate, no session */
	ROLE_MEMBER, /* of a customer */
	ROLE_OWNER,  /* of a customer: also its members, domains, tokens */
	ROLE_PUBLISHER,
	ROLE_ACCOUNTANT,
	ROLE_AUDITOR,
	ROLE_OPERATOR,
	ROLE_NODE,
	ROLES
};
