/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "api/access.h"

#include <string.h>

#include "api/order.h"
#include "api/session.h"
#include "store/customer.h"
#include "store/identity.h"
#include "store/instance.h"
#include "store/node.h"
#include "store/own.h"
#include "store/person.h"

static const char *const role_words[ROLES] = {
	[ROLE_ANYONE] = "anyone",	  [ROLE_MEMBER] = "member",
	[ROLE_OWNER] = "owner",		  [ROLE_PUBLISHER] = "publisher",
	[ROLE_ACCOUNTANT] = "accountant", [ROLE_AUDITOR] = "auditor",
	[ROLE_OPERATOR] = "operator",	  [ROLE_NODE] = "node",
};

const char *access_role_word(enum role r)
{
	ASSERT((unsigned)r < ROLES);
	return role_words[r];
}

MUST int access_role_read(struct str word, enum role *out)
{
	for (int r = ROLE_PUBLISHER; r <= ROLE_OPERATOR; r++)
		if (str_is(word, role_words[r])) {
			*out = (enum role)r;
			return 1;
		}
	return 0;
}

/* ---- letters ------------------------------------------------------------------------------- */

static bool is_local(const struct api_call *c)
{
	return strcmp(c->api->options.mode, "local") == 0;
}

/* The strongest letter of the roles in a row. */
static char strongest(const char *may, unsigned roles)
{
	char best = '-';
	for (int r = 0; r < ROLES; r++) {
		if (!(roles & 1u << r))
			continue;
		if (may[r] == 'a')
			return 'a';
		if (may[r] == 'o')
			best = 'o';
	}
	return best;
}

/* Every role that a caller of that kind could have. */
static unsigned possible(enum api_caller_kind kind)
{
	unsigned people = 0;
	for (int r = ROLE_MEMBER; r <= ROLE_OPERATOR; r++)
		people |= 1u << r;
	return 1u << ROLE_ANYONE | (kind == API_PERSON ? people
				    : kind == API_NODE ? 1u << ROLE_NODE
						       : 0);
}

MUST static int refuse(const struct api_call *c, struct err *e)
{
	char who[120] = "";
	for (int r = 0; r < ROLES; r++)
		if (c->op->may[r] != '-') {
			size_t n = strlen(who);
			(void)snprintf(who + n, sizeof who - n, " %s", role_words[r]);
		}
	if (c->caller.kind == API_ANYONE) {
		(void)err_fill(e, ERR_FORBIDDEN, 401, __FILE__, __LINE__,
			       c->session.n ? "this session has ended: log in again"
					    : "show a certificate: hoc login");
		return -1;
	}
	return err_fail(e, ERR_FORBIDDEN, "you may not do %s; who may:%s", c->op->id, who);
}

MUST int access_door(const struct api_call *c, struct err *e)
{
	if (is_local(c) || strongest(c->op->may, possible(c->caller.kind)) != '-')
		return 0;
	return refuse(c, e);
}

/* ---- who calls ----------------------------------------------------------------------------- */

static const struct hash no_key;

MUST static int check_key(struct api_call *c, const char *kind, struct err *e)
{
	char name[HASH_TEXT_SIZE];
	struct identity_key key;
	if (c->caller.kind == API_PERSON && hash_eq(&c->caller.key, &no_key))
		return 0; /* a session; whoever made it checked the key that was shown */
	hash_text(&c->caller.key, name);
	int rc = store_key_find(c->tx, c->a, str_from(name), &key, e);
	if (rc < 0)
		return -1;
	if (rc == 0 || !str_is(key.kind, kind) || !str_eq(key.owner, c->caller.name))
		return err_fail(e, ERR_FORBIDDEN, "this key is not known here");
	return key.revoked_at_ms ? err_fail(e, ERR_FORBIDDEN, "this key is revoked") : 0;
}

static unsigned roles_of(struct str words)
{
	unsigned roles = 0;
	struct str word;
	enum role r;
	while (words.n && str_split(&words, ' ', &word))
		if (access_role_read(word, &r))
			roles |= 1u << r;
	return roles;
}

/* Which of the person's customers the row is about: by the letter of what he is in each. */
MUST static int own_customers(struct api_call *c, struct access *x, struct err *e)
{
	int64_t *ids = ARENA_ARRAY(c->a, int64_t, x->member_count);
	if (!ids)
		return arena_check(c->a, e);
	for (size_t i = 0; i < x->member_count; i++) {
		enum role r = x->members[i].is_owner ? ROLE_OWNER : ROLE_MEMBER;
		x->roles |= 1u << r;
		if (c->op->may[r] != '-')
			ids[x->owned_count++] = x->members[i].customer_id;
	}
	x->owned = ids;
	return 0;
}

MUST static int load_person(struct api_call *c, struct access *x, struct err *e)
{
	struct person p;
	struct member *members = NULL;
	int rc = store_person_find(c->tx, c->a, c->caller.name, &p, e);
	if (rc < 0)
		return -1;
	if (rc == 0 || !p.is_active)
		return err_fail(e, ERR_FORBIDDEN, "person %" STR_F " is not active here",
				STR_A(str_sub(c->caller.name, 0, 100)));
	if (check_key(c, "person", e) < 0 ||
	    store_member_of_person(c->tx, c->a, p.id, &members, &x->member_count, e) < 0)
		return -1;
	x->person = p.name;
	x->members = members;
	x->roles |= roles_of(p.roles);
	if (x->roles == 1u << ROLE_ANYONE && !x->member_count)
		x->roles |= 1u << ROLE_MEMBER;
	return own_customers(c, x, e);
}

MUST static int load_node(struct api_call *c, struct access *x, struct err *e)
{
	struct node n;
	if (check_key(c, "node", e) < 0)
		return -1;
	int rc = store_node_find(c->tx, c->a, c->caller.name, &n, e);
	if (rc < 0)
		return -1;
	x->node = c->caller.name;
	x->node_id = rc ? n.id : 0;
	x->roles |= 1u << ROLE_NODE;
	return 0;
}

MUST int access_load(struct api_call *c, struct err *e)
{
	struct access *x = ARENA_NEW(c->a, struct access);
	if (!x)
		return arena_check(c->a, e);
	*x = (struct access){.roles = 1u << ROLE_ANYONE, .person = S(""), .node = S("")};
	c->access = x;
	if (is_local(c)) {
		x->scope = ACCESS_ALL;
		x->roles |= 1u << ROLE_OPERATOR;
		return 0;
	}
	if (c->session.n && session_enter(c, e) < 0)
		return -1;
	if (c->caller.kind == API_PERSON && load_person(c, x, e) < 0)
		return -1;
	if (c->caller.kind == API_NODE && load_node(c, x, e) < 0)
		return -1;
	char letter = strongest(c->op->may, x->roles);
	if (letter == '-')
		return refuse(c, e);
	x->scope = letter == 'a' ? ACCESS_ALL : ACCESS_OWN;
	return 0;
}

bool access_is_all(const struct api_call *c)
{
	return !c->access || c->access->scope == ACCESS_ALL;
}

bool access_has(const struct api_call *c, enum role role)
{
	return c->access && (c->access->roles & 1u << role);
}

bool access_owns(const struct api_call *c, int64_t customer_id)
{
	if (access_is_all(c))
		return true;
	for (size_t i = 0; i < c->access->owned_count; i++)
		if (c->access->owned[i] == customer_id)
			return true;
	return false;
}

int access_customers(const struct api_call *c, const int64_t **ids, size_t *n)
{
	*ids = c->access ? c->access->owned : NULL;
	*n = c->access ? c->access->owned_count : 0;
	return access_is_all(c);
}

struct str access_person(const struct api_call *c)
{
	return c->access ? c->access->person : S("");
}

struct str access_node(const struct api_call *c)
{
	return c->access ? c->access->node : S("");
}

bool access_is_node(const struct api_call *c, struct str name)
{
	return access_is_all(c) || (c->access->node.n && str_eq(c->access->node, name));
}

/* ---- customers ----------------------------------------------------------------------------- */

/* The name of the caller's customer, if the row is about exactly one of his. */
MUST static int only_customer(struct api_call *c, struct str *out, struct err *e)
{
	const struct access *x = c->access;
	size_t n = 0;
	for (size_t i = 0; x && i < x->member_count; i++)
		if (access_owns(c, x->members[i].customer_id)) {
			*out = x->members[i].customer;
			n++;
		}
	if (n > 1)
		return err_field(e, "customer", "is required: you are in %zu customers", n);
	if (n == 0 && !access_is_all(c))
		return err_field(e, "customer", "is required: you are in no customer");
	if (n == 0)
		*out = S(ORDER_CUSTOMER);
	return 0;
}

MUST int access_customer_name(struct api_call *c, struct str name, struct str *out,
			      struct err *e)
{
	*out = name;
	return name.n ? 0 : only_customer(c, out, e);
}

MUST int access_customer_find(struct api_call *c, struct str name, struct customer *out,
			      struct err *e)
{
	struct customer found;
	int rc = store_customer_find(c->tx, c->a, name, &found, e);
	if (rc <= 0 || !access_owns(c, found.id))
		return rc < 0 ? -1 : 0;
	*out = found;
	return 1;
}

MUST int access_customer(struct api_call *c, struct str name, struct customer *out,
			 struct err *e)
{
	struct str meant;
	if (access_customer_name(c, name, &meant, e) < 0)
		return -1;
	int rc = access_customer_find(c, meant, out, e);
	if (rc == 0)
		return err_fail(e, ERR_NOT_FOUND, "no customer %" STR_F,
				STR_A(str_sub(meant, 0, 100)));
	return rc < 0 ? -1 : 0;
}

/* ---- instances ----------------------------------------------------------------------------- */

MUST int access_sees(struct api_call *c, const struct instance *i, struct err *e)
{
	if (access_owns(c, i->customer_id))
		return 1;
	if (!c->access->node_id)
		return 0;
	if (i->node_id == c->access->node_id)
		return 1;
	return store_own_tree(c->tx, c->access->node_id, i->id, i->tree_id, e);
}

MUST int access_changes(struct api_call *c, const struct instance *i, struct err *e)
{
	if (access_owns(c, i->customer_id))
		return 1;
	if (!c->access->node_id)
		return 0;
	if (i->node_id || i->is_live)
		return i->node_id == c->access->node_id;
	return store_own_past(c->tx, c->access->node_id, i->id, e);
}

MUST int access_instance_find(struct api_call *c, struct str guid, struct instance *out,
			      struct err *e)
{
	int rc = store_instance_by_guid(c->tx, c->a, guid, out, e);
	return rc > 0 ? access_sees(c, out, e) : rc;
}

bool access_reads(const struct api_call *c, const struct instance *i)
{
	const struct access *x = c->access;
	if (!x || x->node.n || (x->roles & 1u << ROLE_OPERATOR))
		return true;
	for (size_t k = 0; k < x->member_count; k++)
		if (x->members[k].customer_id == i->customer_id)
			return true;
	return false;
}

/* Roots of that title of all of a caller's customers: see access_titled. */
MUST static int titled_of_own(struct api_call *c, struct str title, const int64_t *ids,
			      size_t owned, struct instance **out, size_t *count, struct err *e)
{
	struct instance *best = ARENA_ARRAY(c->a, struct instance, 2);
	size_t n = 0;
	for (size_t i = 0; best && i < owned; i++) {
		struct instance *one = NULL;
		size_t found = 0;
		if (store_instance_titled(c->tx, c->a, title, ids[i], 0, 1, &one, &found, e) <
		    0)
			return -1;
		if (found && (!n || (one->is_live && !best[0].is_live))) {
			best[0] = *one;
			n = 1;
		} else if (found && one->is_live && n < 2) {
			best[n++] = *one;
		}
	}
	*out = best;
	*count = n;
	return arena_check(c->a, e);
}

MUST int access_titled(struct api_call *c, struct str title, struct str customer,
		       struct instance **out, size_t *count, struct err *e)
{
	const int64_t *ids;
	struct customer owner = {.id = 0};
	size_t owned;
	bool is_all = access_customers(c, &ids, &owned);
	*count = 0;
	if (customer.n) {
		int rc = access_customer_find(c, customer, &owner, e);
		if (rc <= 0)
			return rc;
	}
	if (!is_all && !owner.id)
		return titled_of_own(c, title, ids, owned, out, count, e);
	return store_instance_titled(c->tx, c->a, title, owner.id, 0, 2, out, count, e);
}
