/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Making a master with TLS: what is refused, what is made, what a second time changes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/file.h"
#include "master/identity.h"
#include "master/init.h"
#include "master/master.h"
#include "master/settings.h"
#include "trust/join.h"

struct house {
	char dir[64], data[80];
	struct arena *a;
};

static int begin(void **state)
{
	struct err e = ERR_INIT;
	struct house *h = calloc(1, sizeof *h);
	(void)snprintf(h->dir, sizeof h->dir, "/tmp/hoc-test-init-XXXXXX");
	assert_non_null(mkdtemp(h->dir));
	(void)snprintf(h->data, sizeof h->data, "%s/data", h->dir);
	assert_int_equal(arena_new(4 << 20, &h->a, &e), 0);
	*state = h;
	return 0;
}

static int end(void **state)
{
	struct house *h = *state;
	struct err e = ERR_INIT;
	(void)arena_free(h->a);
	assert_int_equal(file_remove_tree(h->dir, &e), 0);
	free(h);
	return 0;
}

static const char *path(struct house *h, const char *name)
{
	return arena_fmt(h->a, "%s/%s", h->data, name).p;
}

static struct master_init good(struct house *h)
{
	static const struct str names[] = {S_INIT("cloud.example"), S_INIT("192.0.2.1")};
	return (struct master_init){.data = h->data,
				    .cloud = "acme",
				    .names = names,
				    .name_count = ARRAY_LEN(names),
				    .operator_name = "ann",
				    .program = "/nowhere"};
}

static void bad_options_are_named(void **state)
{
	static const struct str shouting[] = {S_INIT("Cloud.Example")};
	struct house *h = *state;
	struct {
		struct master_init i;
		const char *field;
	} cases[6];
	for (size_t k = 0; k < ARRAY_LEN(cases); k++)
		cases[k].i = good(h);
	cases[0].i.cloud = "A cloud", cases[0].field = "cloud";
	cases[1].i.cloud = "-x", cases[1].field = "cloud";
	cases[2].i.name_count = 0, cases[2].field = "name";
	cases[3].i.token_uri = "file:/x", cases[3].field = "token";
	cases[4].i.token_uri = "pkcs11:token=x;object=y", cases[4].field = "token";
	cases[5].i.names = shouting, cases[5].i.name_count = 1, cases[5].field = "names[0]";
	for (size_t k = 0; k < ARRAY_LEN(cases); k++) {
		struct err e = ERR_INIT;
		struct str token = S("");
		assert_int_equal(master_init(&cases[k].i, h->a, &token, &e), -1);
		assert_int_equal(e.kind, ERR_INVALID);
		assert_string_equal(e.field, cases[k].field);
		assert_int_equal(token.n, 0);
	}
}

static struct str text_of(struct house *h, const char *name)
{
	struct str text = S("");
	struct err e = ERR_INIT;
	assert_int_equal(file_read(path(h, name), 1 << 20, h->a, &text, &e), 0);
	return text;
}

static void a_second_init_keeps_what_is_there(void **state)
{
	static const char *const kept[] = {"ca/users/root.pem",	   "ca/users/issuer.key",
					   "ca/services/root.pem", "identity/key.pem",
					   "identity/cert.pem",	   "eab.key"};
	static const struct str more[] = {S_INIT("cloud.example"), S_INIT("other.example")};
	struct house *h = *state;
	struct err e = ERR_INIT;
	struct str before[ARRAY_LEN(kept)], first, second;
	struct join_token one, two;
	struct master_init i = good(h);
	assert_int_equal(master_init(&i, h->a, &first, &e), 0);
	for (size_t k = 0; k < ARRAY_LEN(kept); k++)
		before[k] = text_of(h, kept[k]);
	assert_int_equal(master_init(&i, h->a, &second, &e), 0);
	for (size_t k = 0; k < ARRAY_LEN(kept); k++)
		if (!str_eq(before[k], text_of(h, kept[k])))
			fail_msg("%s is another", kept[k]);
	assert_int_equal(join_token_read(first, &one, &e), 0);
	assert_int_equal(join_token_read(second, &two, &e), 0);
	assert_true(hash_eq(&one.root, &two.root) && !str_eq(one.secret, two.secret));
	/* Other names: another certificate, of the same key. */
	i.names = more;
	assert_int_equal(master_init(&i, h->a, &second, &e), 0);
	assert_false(str_eq(before[4], text_of(h, "identity/cert.pem")));
	assert_true(str_eq(before[3], text_of(h, "identity/key.pem")));
	i.cloud = "other";
	assert_int_equal(master_init(&i, h->a, &second, &e), -1);
	assert_int_equal(e.kind, ERR_CONFLICT);
}

static void settings_of_others_stay(void **state)
{
	struct house *h = *state;
	struct err e = ERR_INIT;
	struct master_settings s;
	struct str token;
	struct master_init i = good(h);
	assert_int_equal(file_mkdirs(h->data, 0700, &e), 0);
	assert_int_equal(
		file_write(path(h, "master.json"), S("{\"liveness_seconds\":120}"), 0644, &e),
		0);
	i.zone = "apps.example";
	assert_int_equal(master_init(&i, h->a, &token, &e), 0);
	assert_int_equal(master_settings_read(path(h, "master.json"), h->a, &s, &e), 0);
	assert_int_equal(s.liveness_seconds, 120);
	assert_true(str_is(s.cloud, "acme") && str_is(s.zone, "apps.example"));
	assert_int_equal(s.name_count, 2);
	assert_int_equal(s.limits.login_per_minute, 120);
}

static void what_is_made_for_tls_does_not_run_without(void **state)
{
	struct house *h = *state;
	struct err e = ERR_INIT;
	struct str token;
	struct stat st;
	struct master_init i = good(h);
	assert_int_equal(master_init(&i, h->a, &token, &e), 0);
	struct master_options o = {.data = h->data, .listen = "127.0.0.1:0", .is_local = true};
	assert_int_equal(master_run(&o, &e), -1);
	assert_string_equal(e.field, "local");
	o = (struct master_options){.data = h->data, .listen = "unix:/tmp/x"};
	assert_int_equal(master_run(&o, &e), -1);
	assert_string_equal(e.field, "listen");
	/* Half of it is nothing. */
	assert_int_equal(unlink(path(h, "eab.key")), 0);
	o.listen = "127.0.0.1:0";
	assert_int_equal(master_run(&o, &e), -1);
	assert_int_equal(e.kind, ERR_CORRUPT);
	assert_int_equal(master_init(&i, h->a, &token, &e), 0);
	assert_int_equal(stat(path(h, "eab.key"), &st), 0);
	assert_int_equal(st.st_mode & 0777, 0600);
	assert_int_equal(st.st_size, MASTER_EAB_BYTES);
}

#define IN_HOUSE(fn) cmocka_unit_test_setup_teardown(fn, begin, end)

int main(void)
{
	const struct CMUnitTest tests[] = {
		IN_HOUSE(bad_options_are_named),
		IN_HOUSE(a_second_init_keeps_what_is_there),
		IN_HOUSE(settings_of_others_stay),
		IN_HOUSE(what_is_made_for_tls_does_not_run_without),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
