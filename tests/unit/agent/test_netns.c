/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Networks of partitions; those that make real ones need root. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <fcntl.h>
#include <string.h>
#include <sys/mount.h>
#include <unistd.h>

#include "agent/netns.h"
#include "base/file.h"
#include "ev/child.h"

static struct arena *arena;

static int set_up(void **state UNUSED)
{
	struct err e = ERR_INIT;
	return arena_new(16 << 20, &arena, &e);
}

static int tear_down(void **state UNUSED)
{
	arena = arena_free(arena);
	return 0;
}

static void must(int rc, const struct err *e)
{
	if (rc < 0)
		fail_msg("%s", e->text);
}

static void a_plan_depends_on_the_node_alone(void **state UNUSED)
{
	struct err e = ERR_INIT;
	struct netns_plan one, two, other;
	must(netns_plan_make(S("COMP-1"), 8, NULL, 0, &one, &e), &e);
	must(netns_plan_make(S("COMP-1"), 8, NULL, 0, &two, &e), &e);
	must(netns_plan_make(S("COMP-2"), 8, NULL, 0, &other, &e), &e);
	assert_memory_equal(&one, &two, sizeof one);
	assert_int_not_equal(one.ipv4, other.ipv4);
	assert_int_equal(one.ipv4 >> 24, 10);
	assert_int_equal(one.ipv4 & 0xff, 0);
	assert_int_equal(one.ipv6[0], 0xfd);
	must(netns_plan_make(S("COMP-1"), 1000, NULL, 0, &two, &e), &e);
	assert_int_equal(two.ipv4_bits, 20);
	assert_int_equal(two.ipv4 & 0xfff, 0);
	assert_int_equal(netns_plan_make(S("COMP-1"), 5000, NULL, 0, &two, &e), -1);
	assert_string_equal(e.field, "partitions");
}

static void routes_of_the_host_are_avoided(void **state UNUSED)
{
	struct err e = ERR_INIT;
	struct netns_plan first, moved;
	must(netns_plan_make(S("COMP-1"), 8, NULL, 0, &first, &e), &e);
	/* Wider and narrower than ours, and the other family. */
	static const unsigned bits[] = {12, 24, 28};
	for (size_t i = 0; i < ARRAY_LEN(bits); i++) {
		struct netns_route r = {.address = {10, (uint8_t)(first.ipv4 >> 16),
						    (uint8_t)(first.ipv4 >> 8), 0},
					.bits = bits[i]};
		must(netns_plan_make(S("COMP-1"), 8, &r, 1, &moved, &e), &e);
		assert_int_not_equal(moved.ipv4, first.ipv4);
	}
	struct netns_route six = {.is_ipv6 = true, .bits = 64};
	memcpy(six.address, first.ipv6, sizeof first.ipv6);
	must(netns_plan_make(S("COMP-1"), 8, &six, 1, &moved, &e), &e);
	assert_memory_not_equal(moved.ipv6, first.ipv6, sizeof first.ipv6);
	struct netns_route all = {.address = {10}, .bits = 8};
	assert_int_equal(netns_plan_make(S("COMP-1"), 8, &all, 1, &moved, &e), -1);
	assert_int_equal(e.kind, ERR_NO_ROOM);
}

static void addresses_follow_the_slot(void **state UNUSED)
{
	struct netns_plan p = {.bridge = "hoc00ff",
			       .ipv4 = 10u << 24 | 7 << 16 | 9 << 8,
			       .ipv4_bits = 24,
			       .ipv6 = {0xfd, 1, 2, 3, 4, 5, 6, 7}};
	char text[NETNS_ADDRESS_SIZE], path[NETNS_PATH_SIZE];
	netns_gateway_ipv4(&p, text);
	assert_string_equal(text, "10.7.9.1");
	netns_ipv4(&p, 0, text);
	assert_string_equal(text, "10.7.9.2");
	netns_ipv4(&p, 249, text);
	assert_string_equal(text, "10.7.9.251");
	netns_ipv6(&p, 0, text);
	assert_string_equal(text, "fd01:203:405:607::2");
	netns_ipv6(&p, 300, text);
	assert_string_equal(text, "fd01:203:405:607::12e");
	netns_path(&p, 3, path);
	assert_string_equal(path, "/run/netns/hoc00ff-p3");
}

/* The output of a program inside the slot's network. */
static struct str inside(const struct netns_plan *p, unsigned slot, const char *script)
{
	struct err e = ERR_INIT;
	char path[NETNS_PATH_SIZE];
	netns_path(p, slot, path);
	int fd CLEAN(file_closep) = open(path, O_RDONLY | O_CLOEXEC);
	assert_true(fd >= 0);
	const char *argv[] = {"sh", "-c", script, NULL};
	struct ev_child_spec spec = {
		.argv = argv, .output_max_bytes = 10000, .netns_fd = fd, .timeout_ms = 10000};
	struct ev_child_result r;
	must(ev_child_wait(&spec, arena, &r, &e), &e);
	must(ev_child_check(&r, script, &e), &e);
	return str_trim(r.output);
}

static bool has(struct str text, const char *part)
{
	return str_find(text, str_from(part)) < text.n;
}

static void must_up(const struct netns_plan *p, const unsigned *slots, size_t count, int want)
{
	struct err e = ERR_INIT;
	int rc = netns_up(p, slots, count, &e);
	must(rc, &e);
	assert_int_equal(rc, want);
}

static void partitions_reach_each_other(void **state UNUSED)
{
	struct err e = ERR_INIT;
	struct netns_plan p;
	struct netns_route *routes;
	size_t count;
	static const unsigned slots[] = {0, 1, 2, 3, 4, 5, 6, 7};
	if (geteuid() != 0)
		fail_msg("this test needs root");
	must(netns_routes(arena, &routes, &count, &e), &e);
	must(netns_plan_make(arena_fmt(arena, "test-%d", getpid()), 8, routes, count, &p, &e),
	     &e);
	must(netns_bridge_up(&p, &e), &e);
	must(netns_bridge_up(&p, &e), &e);
	int64_t begin = clock_mono_ms(clock_system());
	must_up(&p, slots, 1, 0);
	int64_t first = clock_mono_ms(clock_system());
	must_up(&p, slots, 8, 0);
	int64_t all = clock_mono_ms(clock_system());
	must_up(&p, slots, 8, 1);
	print_message("one network %lld ms, seven more %lld ms\n", (long long)(first - begin),
		      (long long)(all - first));
	char four[NETNS_ADDRESS_SIZE], six[NETNS_ADDRESS_SIZE];
	netns_ipv4(&p, 7, four);
	netns_ipv6(&p, 7, six);
	assert_true(has(inside(&p, 7, "ip address show dev eth0"), four));
	assert_true(has(inside(&p, 7, "ip address show dev eth0"), six));
	assert_true(has(inside(&p, 7, "ip link show dev lo"), "UP"));
	assert_true(has(inside(&p, 0, "ip -6 route"), "default via"));
	assert_true(str_is(inside(&p, 0, "cat /proc/sys/net/ipv4/ip_unprivileged_port_start"),
			   "0"));
	/* A host's route to the other one, over the bridge: an answer from its address. */
	struct netns_counters before, after;
	assert_int_equal(netns_counters(&p, 7, &before, &e), 0);
	const char *reach = arena_cstr(
		arena, arena_fmt(arena,
				 "exec /usr/bin/python3 -c \"import socket\n"
				 "s=socket.socket()\ns.settimeout(5)\n"
				 "print(s.connect_ex(('%s',9)))\n"
				 "s=socket.socket(socket.AF_INET6)\ns.settimeout(5)\n"
				 "print(s.connect_ex(('%s',9)))\"",
				 four, six));
	assert_true(str_is(inside(&p, 0, reach), "111\n111")); /* ECONNREFUSED: it is there */
	assert_int_equal(netns_counters(&p, 7, &after, &e), 0);
	assert_true(after.in_bytes > before.in_bytes && after.out_bytes > before.out_bytes);
	must(netns_down(&p, slots, 8, &e), &e);
	must(netns_down(&p, slots, 8, &e), &e);
	assert_int_equal(netns_counters(&p, 7, &after, &e), 1);
	must(netns_bridge_down(&p, &e), &e);
	must(netns_bridge_down(&p, &e), &e);
}

static void a_half_made_network_is_completed(void **state UNUSED)
{
	struct err e = ERR_INIT;
	struct netns_plan p;
	static const unsigned slot = 0;
	if (geteuid() != 0)
		fail_msg("this test needs root");
	must(netns_plan_make(arena_fmt(arena, "half-%d", getpid()), 8, NULL, 0, &p, &e), &e);
	must(netns_bridge_up(&p, &e), &e);
	must_up(&p, &slot, 1, 0);
	(void)inside(&p, 0, "ip route del default; ip link set lo down");
	must_up(&p, &slot, 1, 0);
	assert_true(has(inside(&p, 0, "ip route; ip link show dev lo"), "default via"));
	(void)inside(&p, 0, "ip link delete eth0");
	must_up(&p, &slot, 1, 0);
	must_up(&p, &slot, 1, 1);
	/* Somebody took the name away; a process inside keeps the old one, and its device. */
	char path[NETNS_PATH_SIZE];
	netns_path(&p, 0, path);
	int held CLEAN(file_closep) = open(path, O_RDONLY | O_CLOEXEC);
	assert_true(held >= 0);
	assert_int_equal(umount2(path, MNT_DETACH), 0);
	assert_int_equal(unlink(path), 0);
	must_up(&p, &slot, 1, 0);
	assert_true(has(inside(&p, 0, "ip route"), "default via"));
	must(netns_down(&p, &slot, 1, &e), &e);
	must(netns_bridge_down(&p, &e), &e);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		T(a_plan_depends_on_the_node_alone), T(routes_of_the_host_are_avoided),
		T(addresses_follow_the_slot),	     T(partitions_reach_each_other),
		T(a_half_made_network_is_completed),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
