/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Who may read an instance's secrets, how a customer keeps them, which reports were seen. */
#include "../db/engines.h"

#include "store/customer.h"
#include "store/guard.h"
#include "store/instance.h"
#include "store/node.h"
#include "store/release.h"

static void in_write(struct scene *s, db_work_fn *fn)
{
	struct err e = ERR_INIT;
	OK(store_migrate(s->db, &e));
	OK(db_write(s->db, fn, s, &e));
}

#define DO(call) \
	do { \
		if ((call) < 0) \
			fail_msg("%s: %s", #call, e->text); \
	} while (0)

static struct instance add(struct scene *s, struct db_tx *tx, const char *title,
			   const char *person, int64_t requester, struct err *e)
{
	struct customer owner;
	struct release r;
	struct instance i = {
		.guid = arena_fmt(s->a, "inst-%s", title),
		.title = str_from(title),
		.type = S("default"),
		.parameters_json = S("{}"),
		.where_json = S("{}"),
		.refusals = S(""),
		.person = str_from(person),
		.requester_id = requester,
		.timestamp = 5,
		.is_live = true,
	};
	DO(store_customer_get(tx, s->a, S("c"), 1, &owner, e));
	int rc = store_release_by_uri(tx, s->a, S("u"), &r, e);
	DO(rc);
	if (rc == 0) {
		r = (struct release){.uri = S("u"),
				     .name = S("r"),
				     .title = S("R"),
				     .category = S("x"),
				     .hash = S("ab"),
				     .manifest_json = S("{}")};
		DO(store_release_add(tx, &r, S("{}"), e));
	}
	i.customer_id = owner.id;
	i.release_id = r.id;
	DO(store_instance_add(tx, &i, e));
	assert_int_equal(store_instance_by_id(tx, s->a, i.id, &i, e), 1);
	return i;
}

static int customers_body(struct db_tx *tx, void *user, struct err *e)
{
	struct scene *s = user;
	struct customer c;
	assert_int_equal(store_customer_get(tx, s->a, S("c"), 1, &c, e), 1);
	assert_false(c.takes_clear);
	assert_int_equal(store_customer_get(tx, s->a, S("c"), 2, &c, e), 0);
	assert_int_equal(c.created_at_ms, 1);
	c.takes_clear = true;
	DO(store_customer_save(tx, &c, e));
	assert_int_equal(store_customer_find(tx, s->a, S("c"), &c, e), 1);
	assert_true(c.takes_clear);
	return 0;
}

static void a_customer_keeps_secrets_sealed_until_told(struct scene *s)
{
	in_write(s, customers_body);
}

static int readers_body(struct db_tx *tx, void *user, struct err *e)
{
	struct scene *s = user;
	struct instance *list = NULL;
	size_t n = 0;
	struct instance a = add(s, tx, "a", "alice", 0, e), b = add(s, tx, "b", "bob", 0, e);
	assert_true(str_is(a.person, "alice"));
	assert_true(str_is(a.readers_json, "[]"));
	assert_int_equal(a.rotation, 0);
	assert_false(a.takes_clear);
	b.readers_json = S("[\"alice\",\"al\"]");
	b.rotation = 3;
	DO(store_instance_save(tx, &b, e));
	assert_int_equal(store_instance_by_id(tx, s->a, b.id, &b, e), 1);
	assert_true(str_is(b.readers_json, "[\"alice\",\"al\"]"));
	assert_int_equal(b.rotation, 3);
	assert_true(str_is(b.person, "bob"));
	DO(store_instance_read_by(tx, s->a, S("alice"), 0, 10, &list, &n, e));
	assert_int_equal(n, 2);
	DO(store_instance_read_by(tx, s->a, S("alice"), a.id, 10, &list, &n, e));
	assert_int_equal(n, 1);
	assert_int_equal(list[0].id, b.id);
	DO(store_instance_read_by(tx, s->a, S("al"), 0, 10, &list, &n, e));
	assert_int_equal(n, 1);
	DO(store_instance_read_by(tx, s->a, S("lice"), 0, 10, &list, &n, e));
	assert_int_equal(n, 0);
	DO(store_instance_read_by(tx, s->a, S("bob"), 0, 10, &list, &n, e));
	assert_int_equal(n, 1);
	return 0;
}

static void instances_are_found_by_who_may_read(struct scene *s)
{
	in_write(s, readers_body);
}

static int asked_body(struct db_tx *tx, void *user, struct err *e)
{
	struct scene *s = user;
	struct instance *list = NULL;
	size_t n = 0;
	struct node node = {.name = S("n"),
			    .title = S("n"),
			    .region = S(""),
			    .network = S(""),
			    .capabilities_json = S("{}")};
	DO(store_node_add(tx, &node, e));
	struct instance parent = add(s, tx, "parent", "alice", 0, e);
	struct instance child = add(s, tx, "child", "", parent.id, e);
	DO(store_instance_asked_from(tx, s->a, node.id, 0, 10, &list, &n, e));
	assert_int_equal(n, 0);
	parent.node_id = node.id;
	DO(store_instance_save(tx, &parent, e));
	DO(store_instance_asked_from(tx, s->a, node.id, 0, 10, &list, &n, e));
	assert_int_equal(n, 1);
	assert_int_equal(list[0].id, child.id);
	return 0;
}

static void instances_are_found_by_the_node_that_asked(struct scene *s)
{
	in_write(s, asked_body);
}

static int guard_body(struct db_tx *tx, void *user, struct err *e)
{
	struct scene *s = user;
	struct guard g, back;
	struct node node = {.name = S("n"),
			    .title = S("n"),
			    .region = S(""),
			    .network = S(""),
			    .capabilities_json = S("{}")};
	DO(store_node_add(tx, &node, e));
	DO(store_guard_load(tx, s->a, node.id, &g, e));
	assert_int_equal(g.newest, 0);
	for (int64_t n = 1; n < 5000; n += 7) {
		assert_int_equal(guard_take(&g, n), GUARD_TAKEN);
		DO(store_guard_save(tx, node.id, &g, e));
		DO(store_guard_load(tx, s->a, node.id, &back, e));
		assert_memory_equal(&back, &g, sizeof g);
	}
	assert_int_equal(guard_take(&back, 4999), GUARD_REPLAYED);
	return 0;
}

static void a_node_s_numbers_come_back(struct scene *s)
{
	in_write(s, guard_body);
}

int main(void)
{
	static const struct scene_row rows[] = {
		{"a customer keeps secrets sealed until told",
		 a_customer_keeps_secrets_sealed_until_told},
		{"instances are found by who may read", instances_are_found_by_who_may_read},
		{"instances are found by the node that asked",
		 instances_are_found_by_the_node_that_asked},
		{"a node's numbers come back", a_node_s_numbers_come_back},
	};
	return scenes_run(rows, ARRAY_LEN(rows));
}
