/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Rules as tables: states, requests, timestamps, allocation, promises. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "core/alloc.h"
#include "core/event.h"
#include "core/promise.h"
#include "core/stamp.h"
#include "core/state.h"
#include "core/tree.h"

static void wants_move_as_drawn(void **state UNUSED)
{
	static const struct {
		enum instance_want from, to;
		int rc;
	} cases[] = {
		{INSTANCE_STARTED, INSTANCE_STARTED, 1},
		{INSTANCE_STARTED, INSTANCE_STOPPED, 0},
		{INSTANCE_STARTED, INSTANCE_DESTROYED, 0},
		{INSTANCE_STOPPED, INSTANCE_STARTED, 0},
		{INSTANCE_STOPPED, INSTANCE_DESTROYED, 0},
		{INSTANCE_DESTROYED, INSTANCE_STARTED, -1},
		{INSTANCE_DESTROYED, INSTANCE_STOPPED, -1},
		{INSTANCE_DESTROYED, INSTANCE_DESTROYED, 1},
	};
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct err e = ERR_INIT;
		struct instance x = {.want = cases[i].from, .title = S("t")};
		assert_int_equal(instance_want_move(&x, cases[i].to, &e), cases[i].rc);
		assert_int_equal(x.want, cases[i].rc < 0 ? cases[i].from : cases[i].to);
		assert_int_equal(e.kind, cases[i].rc < 0 ? ERR_CONFLICT : ERR_NONE);
	}
}

static void reports_belong_to_a_timestamp(void **state UNUSED)
{
	struct err e = ERR_INIT;
	struct instance x = {.want = INSTANCE_STARTED, .timestamp = 7, .title = S("t")};
	assert_int_equal(instance_report_move(&x, REPORT_DESTROYED, S(""), 1, &e), -1);
	assert_int_equal(e.kind, ERR_CONFLICT);
	assert_int_equal(instance_report_move(&x, REPORT_STARTED, S(""), 1, &e), 0);
	assert_int_equal(x.report_of, 7);
	assert_int_equal(instance_report_move(&x, REPORT_STARTED, S(""), 2, &e), 1);
	x.timestamp = 8;
	assert_int_equal(instance_report_move(&x, REPORT_STARTED, S(""), 3, &e), 0);
	x.want = INSTANCE_DESTROYED;
	assert_int_equal(instance_report_move(&x, REPORT_DESTROYED, S(""), 4, &e), 0);
	assert_int_equal(instance_report_move(&x, REPORT_STARTED, S(""), 5, &e), -1);
}

static void a_status_follows(void **state UNUSED)
{
	static const struct {
		struct instance i;
		enum instance_status want;
	} cases[] = {
		{{.is_live = false}, STATUS_DESTROYED},
		{{.is_live = true}, STATUS_WAITING},
		{{.is_live = true, .want = INSTANCE_DESTROYED, .partition_id = 1},
		 STATUS_DESTROYING},
		{{.is_live = true, .partition_id = 1, .build = BUILD_BUILDING},
		 STATUS_BUILDING},
		{{.is_live = true, .partition_id = 1, .build = BUILD_AVAILABLE},
		 STATUS_ALLOCATED},
		{{.is_live = true, .partition_id = 1, .reported = REPORT_STARTED},
		 STATUS_RUNNING},
		{{.is_live = true,
		  .partition_id = 1,
		  .reported = REPORT_STARTED,
		  .timestamp = 2},
		 STATUS_STARTING},
		{{.is_live = true, .partition_id = 1, .reported = REPORT_STARTED, .unknown = 1},
		 STATUS_STARTING},
		{{.is_live = true,
		  .partition_id = 1,
		  .reported = REPORT_STARTED,
		  .broken = 1,
		  .kept = 4},
		 STATUS_BROKEN},
		{{.is_live = true, .partition_id = 1, .reported = REPORT_ERROR}, STATUS_BROKEN},
		{{.is_live = true, .partition_id = 1, .reported = REPORT_STOPPED},
		 STATUS_STARTING},
		{{.is_live = true,
		  .partition_id = 1,
		  .want = INSTANCE_STOPPED,
		  .reported = REPORT_STARTED},
		 STATUS_STOPPING},
		{{.is_live = true,
		  .partition_id = 1,
		  .want = INSTANCE_STOPPED,
		  .reported = REPORT_STOPPED},
		 STATUS_STOPPED},
		{{.is_live = true,
		  .partition_id = 1,
		  .is_shared = true,
		  .reported = REPORT_STARTED,
		  .timestamp = 9},
		 STATUS_RUNNING},
	};
	for (size_t i = 0; i < ARRAY_LEN(cases); i++)
		assert_string_equal(instance_status_word(instance_status(&cases[i].i)),
				    instance_status_word(cases[i].want));
}

static void supplies_move(void **state UNUSED)
{
	struct err e = ERR_INIT;
	struct installation s = {.release = S("r"), .node = S("n")};
	assert_int_equal(supply_report_move(&s, BUILD_DESTROYED, S(""), &e), -1);
	assert_int_equal(supply_report_move(&s, BUILD_ERROR, S("no"), &e), 0);
	assert_int_equal(supply_report_move(&s, BUILD_ERROR, S("no"), &e), 1);
	assert_int_equal(supply_report_move(&s, BUILD_AVAILABLE, S(""), &e), 0);
	assert_int_equal(supply_report_move(&s, BUILD_BUILDING, S(""), &e), 1);
	assert_int_equal(s.reported, BUILD_AVAILABLE);
	assert_int_equal(supply_want_move(&s, SUPPLY_DESTROYED, &e), 0);
	assert_int_equal(supply_want_move(&s, SUPPLY_AVAILABLE, &e), 0);
	assert_int_equal(supply_want_move(&s, SUPPLY_DESTROYED, &e), 0);
	assert_int_equal(supply_report_move(&s, BUILD_DESTROYED, S(""), &e), 0);
}

static void requests_change_what_differs(void **state UNUSED)
{
	static const struct {
		struct request r;
		int want;
	} cases[] = {
		{{.type = S_INIT("t"),
		  .release_id = 1,
		  .parameters_json = S_INIT("{}"),
		  .where_json = S_INIT("{}")},
		 0},
		{{.type = S_INIT("u"),
		  .release_id = 1,
		  .parameters_json = S_INIT("{}"),
		  .where_json = S_INIT("{}")},
		 CHANGE_TYPE},
		{{.type = S_INIT("t"),
		  .release_id = 2,
		  .parameters_json = S_INIT("[]"),
		  .where_json = S_INIT("{}")},
		 CHANGE_RELEASE | CHANGE_PARAMETERS},
		{{.type = S_INIT("t"),
		  .release_id = 1,
		  .parameters_json = S_INIT("{}"),
		  .where_json = S_INIT("{}"),
		  .has_state = true,
		  .state = INSTANCE_STOPPED},
		 CHANGE_STATE},
		/* A placed instance never moves: its filter stays. */
		{{.type = S_INIT("t"),
		  .release_id = 1,
		  .parameters_json = S_INIT("{}"),
		  .where_json = S_INIT("[1]")},
		 0},
	};
	struct err e = ERR_INIT;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct instance x = {.id = 1,
				     .tree_id = 1,
				     .type = S("t"),
				     .release_id = 1,
				     .partition_id = 1,
				     .parameters_json = S("{}"),
				     .where_json = S("{}")};
		assert_int_equal(tree_apply(&x, &cases[i].r, INSTANCE_STARTED, &e),
				 cases[i].want);
	}
	struct instance x = {.id = 1, .tree_id = 1, .title = S("x")};
	struct request shared = {.is_shared = true};
	assert_int_equal(tree_apply(&x, &shared, INSTANCE_STARTED, &e), -1);
	assert_string_equal(e.field, "shared");
}

static void roots_take_members_along(void **state UNUSED)
{
	static const struct {
		enum instance_want root, asked, want;
	} cases[] = {
		{INSTANCE_STARTED, INSTANCE_STARTED, INSTANCE_STARTED},
		{INSTANCE_STARTED, INSTANCE_STOPPED, INSTANCE_STOPPED},
		{INSTANCE_STOPPED, INSTANCE_STARTED, INSTANCE_STOPPED},
		{INSTANCE_DESTROYED, INSTANCE_STARTED, INSTANCE_DESTROYED},
		{INSTANCE_STOPPED, INSTANCE_DESTROYED, INSTANCE_DESTROYED},
	};
	for (size_t i = 0; i < ARRAY_LEN(cases); i++)
		assert_int_equal(tree_want(cases[i].root, cases[i].asked), cases[i].want);
}

static void timestamps_grow(void **state UNUSED)
{
	assert_int_equal(stamp_next(0, 5), 5000);
	assert_int_equal(stamp_next(5000, 5), 5001);
	assert_int_equal(stamp_next(9000, 5), 9001);
	/* The table of wire d.5. */
	assert_int_equal(stamp_whose(STAMP_ALLOCATED), STAMP_SELF);
	assert_int_equal(stamp_whose(STAMP_REQUEST_CHANGED), STAMP_SELF);
	assert_int_equal(stamp_whose(STAMP_REQUEST_SAME), STAMP_NOBODY);
	assert_int_equal(stamp_whose(STAMP_BANG), STAMP_TREE);
	assert_int_equal(stamp_whose(STAMP_NODE_BANG), STAMP_ON_NODE);
	assert_int_equal(stamp_whose(STAMP_PUBLISHED), STAMP_REQUESTER);
	assert_int_equal(stamp_whose(STAMP_PUBLISHED_SAME), STAMP_NOBODY);
	assert_int_equal(stamp_whose(STAMP_RENAMED), STAMP_NOBODY);
	assert_int_equal(stamp_whose(STAMP_REPORTED), STAMP_NOBODY);
}

static void filters_are_read(void **state UNUSED)
{
	static const struct {
		const char *key, *value, *field;
	} cases[] = {
		{"node", "n", ""},
		{"computer_guid", "n", ""},
		{"network_guid", "n", ""},
		{"instance_guid", "i", ""},
		{"capability", "a,b=c", ""},
		{"capability", "a,,b", "where.capability"},
		{"capability", "=x", "where.capability"},
		{"retention_delay", "7.0", ""},
		{"retention_delay", "-1", "where.retention_delay"},
		{"retention_delay", "x", "where.retention_delay"},
		{"node", "", "where.node"},
		{"mode", "unique_by_network", "where.mode"},
		{"", "x", "where."},
	};
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct err e = ERR_INIT;
		struct alloc_where w = {.node = S("")};
		int rc = alloc_where_add(&w, str_from(cases[i].key), str_from(cases[i].value),
					 &e);
		assert_int_equal(rc, cases[i].field[0] ? -1 : 0);
		assert_string_equal(e.field, cases[i].field);
	}
	struct err e = ERR_INIT;
	struct alloc_where w = {.node = S("")};
	for (int i = 0; i < ALLOC_CAPABILITIES_MAX; i++)
		assert_int_equal(alloc_where_add(&w, S("capability"), S("x"), &e), 0);
	assert_int_equal(alloc_where_add(&w, S("capability"), S("x"), &e), -1);
}

static const struct pair abilities[] = {{S_INIT("kvm"), S_INIT("1")},
					{S_INIT("arch"), S_INIT("arm64")}};
#define NODE(name_, ...) \
	{ \
		.name = S_INIT(name_), .region = S_INIT("eu"), .network = S_INIT("net"), \
		.total = 8, .free = 2, .is_supplied = true, .build = BUILD_AVAILABLE, \
		.liveness = PROMISE_KEPT, .capabilities = abilities, .capability_count = 2, \
		##__VA_ARGS__ \
	}

static void allocation_judges_and_explains(void **state UNUSED)
{
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Woverride-init"
#ifdef __clang__
#pragma clang diagnostic ignored "-Winitializer-overrides"
#endif
	static const struct {
		const char *key, *value;
		struct alloc_node n;
		enum alloc_verdict verdict;
		const char *text;
	} cases[] = {
		{"node", "n1", NODE("n1"), ALLOC_FITS, ""},
		{"node", "n2", NODE("n1"), ALLOC_OTHER_NODE, "node n1: is not node n2"},
		{"region", "us", NODE("n1"), ALLOC_REGION, "node n1: is not in region us"},
		{"network", "x", NODE("n1"), ALLOC_NETWORK, "node n1: is not in network x"},
		{"capability", "kvm", NODE("n1"), ALLOC_FITS, ""},
		{"capability", "arch=arm64", NODE("n1"), ALLOC_FITS, ""},
		{"capability", "arch=x", NODE("n1"), ALLOC_CAPABILITY,
		 "node n1: lacks capability arch=x"},
		{"capability", "gpu", NODE("n1"), ALLOC_CAPABILITY,
		 "node n1: lacks capability gpu"},
		{"region", "eu", NODE("n1", .is_supplied = false), ALLOC_NOT_SUPPLIED,
		 "node n1: release not supplied"},
		{"region", "eu", NODE("n1", .free = 0), ALLOC_FULL,
		 "node n1: no free partition (8 of 8 busy)"},
		{"region", "eu",
		 NODE("n1", .liveness = PROMISE_BROKEN, .silent_since_ms = 1000), ALLOC_LOST,
		 "node n1: lost since 1970-01-01T00:00:01Z"},
		{"region", "eu",
		 NODE("n1", .build = BUILD_ERROR, .build_message = S_INIT("no net")),
		 ALLOC_NOT_BUILT, "node n1: release failed to build: no net"},
		{"region", "eu", NODE("n1", .liveness = PROMISE_UNKNOWN), ALLOC_FITS, ""},
	};
#pragma GCC diagnostic pop
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct err e = ERR_INIT;
		struct alloc_where w = {.node = S("")};
		struct buf b CLEAN(buf_fini) = BUF_INIT(500);
		assert_int_equal(alloc_where_add(&w, str_from(cases[i].key),
						 str_from(cases[i].value), &e),
				 0);
		assert_int_equal(alloc_judge(&w, &cases[i].n), cases[i].verdict);
		alloc_explain(&w, &cases[i].n, &b);
		buf_add_c(&b, 0);
		assert_string_equal(b.p, cases[i].text);
	}
}

static void allocation_chooses_alike(void **state UNUSED)
{
	struct alloc_where w = {.node = S("")};
	struct alloc_node n[4] = {NODE("c"), NODE("b"), NODE("a"), NODE("d")};
	assert_int_equal(alloc_choose(&w, n, 4), 2); /* first by name */
	n[0].free = 5;
	assert_int_equal(alloc_choose(&w, n, 4), 0); /* most room */
	n[0].build = BUILD_BUILDING;
	assert_int_equal(alloc_choose(&w, n, 4), 2); /* built before being built */
	for (int i = 0; i < 4; i++)
		n[i].free = 0;
	assert_int_equal(alloc_choose(&w, n, 4), 4);
}

static void promises_are_assessed(void **state UNUSED)
{
	static const struct {
		enum promise_kind kind;
		struct promise_facts f;
		enum promise_state want;
	} cases[] = {
		{PROMISE_LIVENESS, {.now_ms = 100, .limit_ms = 10}, PROMISE_UNKNOWN},
		{PROMISE_LIVENESS,
		 {.now_ms = 100, .limit_ms = 10, .last_contact_at_ms = 90},
		 PROMISE_KEPT},
		{PROMISE_LIVENESS,
		 {.now_ms = 101, .limit_ms = 10, .last_contact_at_ms = 90},
		 PROMISE_BROKEN},
		{PROMISE_INSTALLATION, {.build = BUILD_AVAILABLE}, PROMISE_KEPT},
		{PROMISE_INSTALLATION, {.build = BUILD_ERROR}, PROMISE_BROKEN},
		{PROMISE_INSTALLATION, {.build = BUILD_BUILDING}, PROMISE_UNKNOWN},
		{PROMISE_HEALTH, {.found = PROMISE_BROKEN}, PROMISE_BROKEN},
		{PROMISE_PAYMENT, {.found = PROMISE_KEPT}, PROMISE_KEPT},
	};
	for (size_t i = 0; i < ARRAY_LEN(cases); i++)
		assert_int_equal(promise_assess(cases[i].kind, &cases[i].f).state,
				 cases[i].want);
	struct promise p = {.state = PROMISE_UNKNOWN, .since_ms = 1};
	struct promise_finding kept = {PROMISE_KEPT, S("m")};
	assert_true(promise_move(&p, &kept, 5));
	assert_int_equal(p.since_ms, 5);
	assert_false(promise_move(&p, &kept, 9));
	assert_int_equal(p.since_ms, 5);
	assert_int_equal(p.checked_at_ms, 9);
	assert_int_equal(promise_effect(PROMISE_LIVENESS, PROMISE_KEPT), PROMISE_EFFECT_PLACE);
	assert_int_equal(promise_effect(PROMISE_HEALTH, PROMISE_BROKEN), PROMISE_EFFECT_NONE);
}

static void words_read_back(void **state UNUSED)
{
	struct err e = ERR_INIT;
	for (int v = 0; v < INSTANCE_WANTS; v++) {
		enum instance_want got;
		assert_int_equal(
			instance_want_read(str_from(instance_want_word((enum instance_want)v)),
					   "state", &got, &e),
			0);
		assert_int_equal(got, v);
	}
	for (int v = 0; v < PROMISE_KINDS; v++) {
		enum promise_kind got;
		assert_int_equal(
			promise_kind_read(str_from(promise_kind_word((enum promise_kind)v)),
					  "kind", &got, &e),
			0);
		assert_int_equal(got, v);
	}
	enum supply_want s;
	assert_int_equal(supply_want_read(S("x"), "state", &s, &e), -1);
	assert_string_equal(e.field, "state");
	assert_non_null(strstr(e.text, "available, destroyed"));
	for (int v = 0; v < EVENT_KINDS; v++)
		assert_non_null(strchr(event_kind_word((enum event_kind)v), '.'));
}

static void titles_are_checked(void **state UNUSED)
{
	static const struct {
		const char *title;
		int rc;
	} cases[] = {{"a", 0},	     {"a b é", 0}, {"", -1},
		     {"inst-x", -1}, {"a\nb", -1}, {"\xff", -1}};
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct err e = ERR_INIT;
		assert_int_equal(tree_check_title(str_from(cases[i].title), &e), cases[i].rc);
		assert_string_equal(e.field, cases[i].rc ? "title" : "");
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(wants_move_as_drawn),
		cmocka_unit_test(reports_belong_to_a_timestamp),
		cmocka_unit_test(a_status_follows),
		cmocka_unit_test(supplies_move),
		cmocka_unit_test(requests_change_what_differs),
		cmocka_unit_test(roots_take_members_along),
		cmocka_unit_test(timestamps_grow),
		cmocka_unit_test(filters_are_read),
		cmocka_unit_test(allocation_judges_and_explains),
		cmocka_unit_test(allocation_chooses_alike),
		cmocka_unit_test(promises_are_assessed),
		cmocka_unit_test(words_read_back),
		cmocka_unit_test(titles_are_checked),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
