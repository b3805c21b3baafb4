/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Issuers that come to their end: rolled over where the root is, told of where it is not. */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/log.h"
#include "master/init.h"
#include "master/issuers.h"
#include "master/master.h"

static const int64_t day_ms = 86400000;

struct house {
	char dir[64], data[80];
	struct arena *a;
};

static int begin(void **state)
{
	struct err e = ERR_INIT;
	struct house *h = calloc(1, sizeof *h);
	log_set_level(LOG_ERROR);
	(void)snprintf(h->dir, sizeof h->dir, "/tmp/hoc-test-issuers-XXXXXX");
	assert_non_null(mkdtemp(h->dir));
	(void)snprintf(h->data, sizeof h->data, "%s/data", h->dir);
	assert_int_equal(arena_new(8 << 20, &h->a, &e), 0);
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

/* Authorities that were made so many days ago; the rest of a master. */
static void make(struct house *h, int64_t days_ago, const char *root_dir,
		 const char *passphrase)
{
	static const struct str names[] = {S_INIT("localhost")};
	struct err e = ERR_INIT;
	struct str token;
	const char *file = arena_fmt(h->a, "%s/passphrase", h->dir).p;
	assert_int_equal(file_mkdirs(arena_fmt(h->a, "%s/ca", h->data).p, 0700, &e), 0);
	assert_int_equal(file_write(file, str_from(passphrase), 0600, &e), 0);
	for (int kind = 0; kind < CA_KINDS; kind++) {
		const char *word = ca_kind_word((enum ca_kind)kind);
		const struct ca_make ca = {
			.dir = arena_fmt(h->a, "%s/ca/%s", h->data, word).p,
			.kind = (enum ca_kind)kind,
			.cloud = S("test"),
			.passphrase = str_from(passphrase),
			.root_dir =
				root_dir ? arena_fmt(h->a, "%s/%s", root_dir, word).p : NULL,
			.key_kind = KEY_P256,
			.now_ms = clock_now_ms(clock_system()) - days_ago * day_ms,
		};
		if (root_dir)
			assert_int_equal(file_mkdirs(root_dir, 0700, &e), 0);
		if (ca_make(&ca, &e) < 0)
			fail_msg("%s", e.text);
	}
	const struct master_init init = {.data = h->data,
					 .cloud = "test",
					 .names = names,
					 .name_count = 1,
					 .operator_name = "ann",
					 .passphrase_file = file,
					 .program = "/nowhere"};
	if (master_init(&init, h->a, &token, &e) < 0)
		fail_msg("%s", e.text);
}

static void open_it(struct house *h, const char *passphrase, struct master_identity *out)
{
	struct err e = ERR_INIT;
	const struct master_secrets s = {str_from(passphrase), S("")};
	if (master_identity_open(h->data, &s, h->a, out, &e) < 0)
		fail_msg("%s", e.text);
}

static void each_is_due_while_what_it_signs_can_live(void **state)
{
	struct house *h = *state;
	struct master_identity i;
	const int64_t below = CA_DELEGATED_DAYS * 3 / 2;
	make(h, 0, NULL, "");
	open_it(h, "", &i);
	int64_t users_ms = ca_issuer_to_ms(i.users), services_ms = ca_issuer_to_ms(i.services);
	assert_int_equal(master_issuer_look(i.users, users_ms - 46 * day_ms), ISSUER_GOOD);
	assert_int_equal(master_issuer_look(i.users, users_ms - 44 * day_ms), ISSUER_DUE);
	assert_int_equal(master_issuer_look(i.services, services_ms - (below + 1) * day_ms),
			 ISSUER_GOOD);
	assert_int_equal(master_issuer_look(i.services, services_ms - (below - 1) * day_ms),
			 ISSUER_DUE);
	assert_false(master_issuers_are_due(&i, services_ms - (below + 1) * day_ms));
	assert_true(master_issuers_are_due(&i, services_ms - (below - 1) * day_ms));
	master_identity_close(&i);
}

static void only_the_due_one_is_rolled(void **state)
{
	struct house *h = *state;
	struct master_identity i;
	const struct master_secrets s = {S("correct horse battery"), S("")};
	bool has_failed = true;
	make(h, 0, NULL, s.passphrase.p);
	open_it(h, s.passphrase.p, &i);
	int64_t then_ms = ca_issuer_to_ms(i.services) - 100 * day_ms,
		users_ms = ca_issuer_to_ms(i.users);
	assert_int_equal(master_issuers_roll(&i, &s, then_ms, h->a, &has_failed), 1);
	assert_false(has_failed);
	master_identity_close(&i);
	open_it(h, s.passphrase.p, &i);
	assert_int_equal(ca_issuer_to_ms(i.users), users_ms);
	assert_in_range(ca_issuer_to_ms(i.services), then_ms + 729 * day_ms,
			then_ms + 731 * day_ms);
	assert_int_equal(master_issuers_roll(&i, &s, then_ms, h->a, &has_failed), 0);
	master_identity_close(&i);
}

static void what_cannot_be_rolled_still_signs(void **state)
{
	struct house *h = *state;
	struct master_identity i;
	const struct master_secrets none = {S(""), S("")};
	bool has_failed = false;
	make(h, 0, arena_fmt(h->a, "%s/roots", h->dir).p, "");
	open_it(h, "", &i);
	int64_t to_ms = ca_issuer_to_ms(i.users);
	assert_int_equal(master_issuers_roll(&i, &none, to_ms - 40 * day_ms, h->a, &has_failed),
			 0);
	assert_true(has_failed);
	master_identity_close(&i);
	open_it(h, "", &i);
	assert_int_equal(ca_issuer_to_ms(i.users), to_ms);
	master_identity_close(&i);
}

/* Every issuer would end with the root: another one helps nothing, and is not made again and again. */
static void a_root_that_ends_is_not_the_issuers_fault(void **state)
{
	struct house *h = *state;
	struct master_identity i;
	const struct master_secrets none = {S(""), S("")};
	bool has_failed = true;
	make(h, 0, NULL, "");
	open_it(h, "", &i);
	int64_t late_ms = ca_root_to_ms(i.users) - 40 * day_ms;
	assert_int_equal(master_issuers_roll(&i, &none, late_ms, h->a, &has_failed), 1);
	master_identity_close(&i);
	open_it(h, "", &i);
	assert_int_equal(master_issuer_look(i.users, late_ms), ISSUER_ROOT_DUE);
	assert_int_equal(master_issuers_roll(&i, &none, late_ms, h->a, &has_failed), 0);
	assert_false(has_failed);
	master_identity_close(&i);
}

/* The program: it rolls over while it starts, and signs with the fresh one. */
static void a_master_rolls_over_when_it_starts(void **state)
{
	struct house *h = *state;
	struct master_identity i;
	struct err e = ERR_INIT;
	int pair[2], status = -1;
	char line[80];
	make(h, 690, NULL, "correct horse battery");
	assert_int_equal(pipe(pair), 0);
	pid_t pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		const struct master_options o = {
			.data = h->data,
			.listen = "127.0.0.1:0",
			.passphrase_file = arena_fmt(h->a, "%s/passphrase", h->dir).p,
			.ready_fd = pair[1]};
		(void)close(pair[0]);
		_exit(master_run(&o, &e) < 0 ? 1 : 0);
	}
	(void)close(pair[1]);
	assert_true(read(pair[0], line, sizeof line) > 1);
	(void)close(pair[0]);
	assert_int_equal(kill(pid, SIGTERM), 0);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	open_it(h, "correct horse battery", &i);
	int64_t now_ms = clock_now_ms(clock_system());
	assert_true(ca_issuer_to_ms(i.users) > now_ms + 720 * day_ms);
	assert_true(ca_issuer_to_ms(i.services) > now_ms + 720 * day_ms);
	struct str chain;
	assert_int_equal(file_read(arena_fmt(h->a, "%s/identity/cert.pem", h->data).p, 1 << 20,
				   h->a, &chain, &e),
			 0);
	assert_true(str_ends(chain, ca_chain(i.users)));
	master_identity_close(&i);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(each_is_due_while_what_it_signs_can_live, begin,
						end),
		cmocka_unit_test_setup_teardown(only_the_due_one_is_rolled, begin, end),
		cmocka_unit_test_setup_teardown(what_cannot_be_rolled_still_signs, begin, end),
		cmocka_unit_test_setup_teardown(a_root_that_ends_is_not_the_issuers_fault,
						begin, end),
		cmocka_unit_test_setup_teardown(a_master_rolls_over_when_it_starts, begin, end),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
