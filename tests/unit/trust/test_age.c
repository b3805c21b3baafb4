/* SPDX-License-Identifier: AGPL-3.0-or-later */
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
#include "trust/age.h"
#include "trust/bech32.h"

enum { ARENA_BYTES = 16 << 20 };

struct place {
	char dir[64];
	struct arena *a;
	struct age_identity *one, *two;
	char to_one[AGE_RECIPIENT_SIZE], to_two[AGE_RECIPIENT_SIZE];
};

static struct str in(struct place *at, const char *name)
{
	return arena_fmt(at->a, "%s/%s", at->dir, name);
}

static struct str sealed_to(struct place *at, struct str clear, const char *first,
			    const char *second)
{
	struct err e = ERR_INIT;
	struct str to[2] = {str_from(first), str_from(second)}, out;
	assert_int_equal(age_seal(clear, to, second ? 2 : 1, at->a, &out, &e), 0);
	return out;
}

static struct str some_text(struct place *at, size_t n)
{
	char *p = arena_alloc(at->a, n + 1);
	assert_non_null(p);
	for (size_t i = 0; i < n; i++)
		p[i] = (char)(i * 7 + i / 256);
	return str_of(p, n);
}

static void refused(struct str sealed, const struct age_identity *i, enum err_kind kind)
{
	struct err e = ERR_INIT;
	struct arena *a CLEAN(arena_freep) = NULL;
	struct str out;
	assert_int_equal(arena_new(ARENA_BYTES, &a, &e), 0);
	assert_true(age_unseal(sealed, i, a, &out, &e) < 0);
	assert_int_equal(e.kind, kind);
	assert_true(e.text[0]);
}

static void texts_of_all_sizes_come_back(void **state)
{
	static const size_t sizes[] = {0,     1,	 100,		65535,	      65536,
				       65537, 2 * 65536, 2 * 65536 + 1, AGE_CLEAR_MAX};
	struct place *at = *state;
	struct err e = ERR_INIT;
	for (size_t i = 0; i < ARRAY_LEN(sizes); i++) {
		struct str clear = some_text(at, sizes[i]), out;
		struct str sealed = sealed_to(at, clear, at->to_one, NULL);
		size_t stanzas = 0;
		assert_true(age_is_sealed(sealed));
		assert_int_equal(age_check(sealed, &stanzas, &e), 0);
		assert_int_equal(stanzas, 1);
		assert_int_equal(age_unseal(sealed, at->one, at->a, &out, &e), 0);
		assert_true(str_eq(out, clear));
		refused(sealed, at->two, ERR_FORBIDDEN);
		arena_clear(at->a);
	}
}

static void every_recipient_reads_and_nobody_else(void **state)
{
	struct place *at = *state;
	struct err e = ERR_INIT;
	struct str out, sealed = sealed_to(at, S("shared"), at->to_one, at->to_two);
	size_t stanzas;
	assert_int_equal(age_check(sealed, &stanzas, &e), 0);
	assert_int_equal(stanzas, 2);
	assert_int_equal(age_unseal(sealed, at->one, at->a, &out, &e), 0);
	assert_true(str_is(out, "shared"));
	assert_int_equal(age_unseal(sealed, at->two, at->a, &out, &e), 0);
	assert_true(str_is(out, "shared"));
	/* The same text is never sealed to the same bytes. */
	assert_false(str_eq(sealed, sealed_to(at, S("shared"), at->to_one, at->to_two)));
	struct age_identity *third CLEAN(age_identity_freep) = NULL;
	assert_int_equal(age_identity_make(&third, &e), 0);
	refused(sealed, third, ERR_FORBIDDEN);
}

static void what_cannot_be_sealed_is_named(void **state)
{
	struct place *at = *state;
	struct err e = ERR_INIT;
	struct str out, to = str_from(at->to_one), *many;
	assert_true(age_seal(S("x"), &to, 0, at->a, &out, &e) < 0);
	assert_int_equal(e.kind, ERR_INVALID);
	struct str big = some_text(at, AGE_CLEAR_MAX + 1);
	assert_true(age_seal(big, &to, 1, at->a, &out, &e) < 0);
	assert_int_equal(e.kind, ERR_TOO_LARGE);
	many = ARENA_ARRAY(at->a, struct str, AGE_RECIPIENTS_MAX + 1);
	for (size_t i = 0; i <= AGE_RECIPIENTS_MAX; i++)
		many[i] = to;
	assert_true(age_seal(S("x"), many, AGE_RECIPIENTS_MAX + 1, at->a, &out, &e) < 0);
	assert_int_equal(e.kind, ERR_TOO_LARGE);
	assert_int_equal(age_seal(S("x"), many, AGE_RECIPIENTS_MAX, at->a, &out, &e), 0);
	assert_int_equal(age_unseal(out, at->one, at->a, &out, &e), 0);
	to = S("age1nobody");
	assert_true(age_seal(S("x"), &to, 1, at->a, &out, &e) < 0);
	assert_int_equal(e.kind, ERR_INVALID);
	assert_string_equal(e.field, "recipient");
}

/* Every bit of a sealed text, turned; and every shorter text. */
static void no_changed_byte_gets_through(void **state)
{
	struct place *at = *state;
	struct err e = ERR_INIT;
	struct str sealed = sealed_to(at, S("a password"), at->to_one, NULL), out;
	struct arena *a CLEAN(arena_freep) = NULL;
	assert_int_equal(arena_new(ARENA_BYTES, &a, &e), 0);
	char *p = arena_alloc(at->a, sealed.n + 1);
	for (size_t i = 0; i < sealed.n; i++)
		for (int bit = 0; bit < 8; bit++) {
			memcpy(p, sealed.p, sealed.n);
			p[i] = (char)(p[i] ^ 1 << bit);
			assert_true(age_unseal(str_of(p, sealed.n), at->one, a, &out, &e) < 0);
			assert_true(e.kind == ERR_CORRUPT || e.kind == ERR_FORBIDDEN);
			arena_clear(a);
		}
	/* Only the last line's end may be missing. */
	for (size_t n = 0; n < sealed.n - 1; n++) {
		size_t stanzas;
		assert_true(age_unseal(str_sub(sealed, 0, n), at->one, a, &out, &e) < 0);
		assert_int_equal(e.kind, ERR_CORRUPT);
		assert_true(age_check(str_sub(sealed, 0, n), &stanzas, &e) < 0);
		arena_clear(a);
	}
	assert_int_equal(age_unseal(str_sub(sealed, 0, sealed.n - 1), at->one, a, &out, &e), 0);
	refused(arena_fmt(at->a, "%" STR_F "x", STR_A(sealed)), at->one, ERR_CORRUPT);
	refused(arena_fmt(at->a, "\n%" STR_F, STR_A(sealed)), at->one, ERR_CORRUPT);
}

static void chunks_keep_their_places(void **state)
{
	struct place *at = *state;
	struct err e = ERR_INIT;
	enum { CHUNK = 65536, SEALED = CHUNK + 16 };
	struct str out, pass = S("a good passphrase"), clear = some_text(at, 3 * CHUNK);
	assert_int_equal(age_seal_passphrase(clear, pass, false, at->a, &out, &e), 0);
	char *p = arena_alloc(at->a, out.n), *payload = p + out.n - 3 * SEALED;
	struct str text = str_of(p, out.n);
	memcpy(p, out.p, out.n);
	memcpy(payload, out.p + out.n - 2 * SEALED, SEALED); /* two chunks change places */
	memcpy(payload + SEALED, out.p + out.n - 3 * SEALED, SEALED);
	assert_true(age_unseal_passphrase(text, pass, at->a, &out, &e) < 0);
	assert_int_equal(e.kind, ERR_CORRUPT);
	/* The last chunk is gone, at a chunk's border. */
	memcpy(payload, out.p + out.n - 3 * SEALED, 2 * SEALED);
	text.n -= SEALED;
	assert_true(age_unseal_passphrase(text, pass, at->a, &out, &e) < 0);
	assert_int_equal(e.kind, ERR_CORRUPT);
}

static void a_passphrase_opens_and_no_other(void **state)
{
	struct place *at = *state;
	struct err e = ERR_INIT;
	struct str sealed, out, pass = S("correct horse battery");
	assert_int_equal(age_seal_passphrase(S("key"), pass, true, at->a, &sealed, &e), 0);
	assert_true(age_is_sealed(sealed));
	assert_int_equal(age_unseal_passphrase(sealed, pass, at->a, &out, &e), 0);
	assert_true(str_is(out, "key"));
	assert_true(age_unseal_passphrase(sealed, S("correct horse"), at->a, &out, &e) < 0);
	assert_int_equal(e.kind, ERR_FORBIDDEN);
	refused(sealed, at->one, ERR_FORBIDDEN);
	struct str to_key = sealed_to(at, S("key"), at->to_one, NULL);
	assert_true(age_unseal_passphrase(to_key, pass, at->a, &out, &e) < 0);
	assert_int_equal(e.kind, ERR_FORBIDDEN);
}

#define BODY "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"
#define MAC "--- " BODY "\n"
#define PAYLOAD "0123456789abcdef0123456789abcdef"

static void headers_of_strangers_are_refused(void **state)
{
	static const char *const bad[] = {
		"",
		"age-encryption.org/v1",
		"age-encryption.org/v2\n" MAC PAYLOAD,
		"age-encryption.org/v1\n" MAC PAYLOAD,
		"age-encryption.org/v1\n-> \n\n" MAC PAYLOAD,
		"age-encryption.org/v1\n->  x\n\n" MAC PAYLOAD,
		"age-encryption.org/v1\n-> x\n" MAC PAYLOAD,
		"age-encryption.org/v1\n-> X25519\n" BODY "\n" MAC PAYLOAD,
		"age-encryption.org/v1\n-> X25519 AAAA\n" BODY "\n" MAC PAYLOAD,
		"age-encryption.org/v1\n-> X25519 " BODY " a\n" BODY "\n" MAC PAYLOAD,
		"age-encryption.org/v1\n-> X25519 " BODY "\nAAAA\n" MAC PAYLOAD,
		"age-encryption.org/v1\n-> X25519 " BODY "\n" BODY "\n--- AAAA\n" PAYLOAD,
		"age-encryption.org/v1\n-> X25519 " BODY "\n" BODY "\n---\n" PAYLOAD,
		"age-encryption.org/v1\n-> scrypt AAAAAAAAAAAAAAAAAAAAAA 015\n" BODY
		"\n" MAC PAYLOAD,
		"age-encryption.org/v1\n-> scrypt AAAAAAAAAAAAAAAAAAAAAA 99\n" BODY
		"\n" MAC PAYLOAD,
		"age-encryption.org/v1\n-> scrypt AAAAAAAAAAAAAAAAAAAAAA 10\n" BODY
		"\n-> X25519 " BODY "\n" BODY "\n" MAC PAYLOAD,
		"age-encryption.org/v1\n-> X25519 " BODY "\n" BODY "\n" MAC "too short",
	};
	struct place *at = *state;
	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		refused(str_from(bad[i]), at->one, ERR_CORRUPT);
	struct err e = ERR_INIT;
	size_t stanzas;
	struct str good = S("age-encryption.org/v1\n-> x-grease a b c d\n\n-> X25519 " BODY
			    "\n" BODY "\n" MAC PAYLOAD);
	assert_int_equal(age_check(good, &stanzas, &e), 0);
	assert_int_equal(stanzas, 2);
	refused(good, at->one, ERR_FORBIDDEN);
	/* Work without end is not begun. */
	struct str out,
		much = S("age-encryption.org/v1\n-> scrypt AAAAAAAAAAAAAAAAAAAAAA 40\n" BODY
			 "\n" MAC PAYLOAD);
	assert_true(age_unseal_passphrase(much, S("x"), at->a, &out, &e) < 0);
	assert_int_equal(e.kind, ERR_CORRUPT);
}

static void other_forms_of_the_same_armour_are_refused(void **state)
{
	struct place *at = *state;
	struct str good = sealed_to(at, S("abcde"), at->to_one, NULL);
	char *p = arena_alloc(at->a, 2 * good.n);
	size_t n = 0;
	for (size_t i = 0; i < good.n; i++) { /* CR LF is taken */
		if (good.p[i] == '\n')
			p[n++] = '\r';
		p[n++] = good.p[i];
	}
	struct err e = ERR_INIT;
	struct str out;
	assert_int_equal(age_unseal(str_of(p, n), at->one, at->a, &out, &e), 0);
	size_t line = str_find_char(good, '\n') + 1; /* a line cut in two, an empty line */
	for (size_t cut = 0; cut < 2; cut++) {
		size_t where = line + 32 * cut;
		memcpy(p, good.p, where);
		p[where] = '\n';
		memcpy(p + where + 1, good.p + where, good.n - where);
		refused(str_of(p, good.n + 1), at->one, ERR_CORRUPT);
	}
}

static void identities_are_made_once_and_private(void **state)
{
	struct place *at = *state;
	struct err e = ERR_INIT;
	struct age_identity *a CLEAN(age_identity_freep) = NULL,
			       *b CLEAN(age_identity_freep) = NULL;
	char to_a[AGE_RECIPIENT_SIZE], to_b[AGE_RECIPIENT_SIZE];
	const char *path = in(at, "made").p;
	struct stat st;
	assert_int_equal(age_identity_load(path, &a, &e), 1);
	assert_int_equal(age_identity_open(path, &a, &e), 0);
	assert_int_equal(age_identity_open(path, &b, &e), 0);
	age_identity_recipient(a, to_a);
	age_identity_recipient(b, to_b);
	assert_string_equal(to_a, to_b);
	assert_int_equal(age_recipient_check(str_from(to_a), &e), 0);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0600);
	assert_int_equal(st.st_nlink, 1);
	b = age_identity_free(b);
	assert_int_equal(chmod(path, 0640), 0);
	assert_true(age_identity_load(path, &b, &e) < 0);
	assert_int_equal(e.kind, ERR_FORBIDDEN);
	assert_null(b);
}

static void files_that_hold_no_identity_are_corrupt(void **state)
{
	static const char *const bad[] = {
		"",
		"# nothing\n",
		"AGE-SECRET-KEY-1",
		"AGE-SECRET-KEY-1QQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQ\n",
		"age1qqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqq\n",
	};
	struct place *at = *state;
	struct err e = ERR_INIT;
	struct age_identity *i = NULL;
	const char *path = in(at, "bad").p;
	for (size_t b = 0; b < ARRAY_LEN(bad); b++) {
		assert_int_equal(file_write(path, str_from(bad[b]), 0600, &e), 0);
		assert_true(age_identity_load(path, &i, &e) < 0);
		assert_int_equal(e.kind, ERR_CORRUPT);
		assert_null(i);
	}
	const char *good = in(at, "made-twice").p;
	struct str text;
	assert_int_equal(age_identity_open(good, &i, &e), 0);
	i = age_identity_free(i);
	assert_int_equal(file_read(good, 1000, at->a, &text, &e), 0);
	text = arena_fmt(at->a, "%" STR_F "%" STR_F, STR_A(text), STR_A(text));
	assert_int_equal(file_write(path, text, 0600, &e), 0);
	assert_true(age_identity_load(path, &i, &e) < 0);
	assert_int_equal(e.kind, ERR_CORRUPT);
}

static void recipients_are_checked(void **state)
{
	struct place *at = *state;
	struct err e = ERR_INIT;
	char text[AGE_RECIPIENT_SIZE];
	uint8_t zero[BECH32_BYTES] = {0};
	for (size_t i = 0; i < strlen(at->to_one); i++) { /* one letter is another one */
		memcpy(text, at->to_one, sizeof text);
		text[i] = text[i] == 'q' ? 'p' : 'q';
		assert_true(age_recipient_check(str_from(text), &e) < 0);
		assert_int_equal(e.kind, ERR_INVALID);
		assert_string_equal(e.field, "recipient");
	}
	assert_true(age_recipient_check(S(""), &e) < 0);
	bech32_write(S("age"), zero, text); /* a point of small order */
	assert_true(age_recipient_check(str_from(text), &e) < 0);
	struct str to = str_from(text), out;
	assert_true(age_seal(S("x"), &to, 1, at->a, &out, &e) < 0);
	assert_int_equal(e.kind, ERR_INVALID);
}

static void bech32_keeps_to_its_form(void **state UNUSED)
{
	uint8_t bytes[BECH32_BYTES], again[BECH32_BYTES];
	char text[BECH32_SIZE(4)];
	for (unsigned i = 0; i < sizeof bytes; i++)
		bytes[i] = (uint8_t)(i * 37 + 1);
	bech32_write(S("word"), bytes, text);
	assert_int_equal(strlen(text), BECH32_SIZE(4) - 1);
	assert_true(bech32_read(str_from(text), S("word"), again));
	assert_memory_equal(bytes, again, sizeof bytes);
	assert_false(bech32_read(str_from(text), S("wort"), again));
	text[0] = 'W';
	assert_false(bech32_read(str_from(text), S("word"), again));
	for (char *c = text; *c; c++)
		if (*c >= 'a' && *c <= 'z')
			*c = (char)(*c - ('a' - 'A'));
	memset(again, 0, sizeof again);
	assert_true(bech32_read(str_from(text), S("word"), again));
	assert_memory_equal(bytes, again, sizeof bytes);
}

/* The tool age beside ours, in the shell's words: $D is the place's directory. */
static void run_tool(struct place *at, const char *script)
{
	assert_int_equal(setenv("D", at->dir, 1), 0);
	if (system(script) != 0)
		fail_msg("failed: %s", script);
}

static struct str read_in(struct place *at, const char *name)
{
	struct err e = ERR_INIT;
	struct str out;
	assert_int_equal(file_read(in(at, name).p, 4 << 20, at->a, &out, &e), 0);
	return out;
}

static void the_tool_age_reads_and_writes_the_same(void **state)
{
	static const size_t sizes[] = {0, 5, 65536, 200000};
	struct place *at = *state;
	struct err e = ERR_INIT;
	struct age_identity *theirs CLEAN(age_identity_freep) = NULL;
	run_tool(at, "umask 077; age-keygen -o $D/theirs 2>$D/log && "
		     "age-keygen -y $D/theirs | tr -d '\\n' >$D/recipient");
	assert_int_equal(age_identity_load(in(at, "theirs").p, &theirs, &e), 0);
	char to[AGE_RECIPIENT_SIZE];
	age_identity_recipient(theirs, to);
	assert_true(str_is(read_in(at, "recipient"), to));
	struct age_identity *ours CLEAN(age_identity_freep) = NULL;
	assert_int_equal(age_identity_open(in(at, "ours").p, &ours, &e), 0);
	run_tool(at, "age-keygen -y $D/ours >$D/recipient-ours");
	for (size_t i = 0; i < ARRAY_LEN(sizes); i++) {
		struct str clear = some_text(at, sizes[i]), out;
		struct str sealed = sealed_to(at, clear, to, at->to_two);
		assert_int_equal(file_write(in(at, "clear").p, clear, 0600, &e), 0);
		assert_int_equal(file_write(in(at, "sealed").p, sealed, 0600, &e), 0);
		run_tool(at, "age -d -i $D/theirs $D/sealed >$D/out && cmp $D/out $D/clear");
		run_tool(at,
			 "age -a -r $(cat $D/recipient) -R $D/recipient-ours -o $D/armoured "
			 "$D/clear && age -R $D/recipient-ours -o $D/binary $D/clear");
		assert_int_equal(age_unseal(read_in(at, "armoured"), theirs, at->a, &out, &e),
				 0);
		assert_true(str_eq(out, clear));
		assert_int_equal(age_unseal(read_in(at, "armoured"), ours, at->a, &out, &e), 0);
		assert_int_equal(age_unseal(read_in(at, "binary"), ours, at->a, &out, &e), 0);
		assert_true(str_eq(out, clear));
	}
}

/* It asks at a terminal: script(1) gives it one. */
static void the_tool_age_takes_the_same_passphrases(void **state)
{
	struct place *at = *state;
	struct err e = ERR_INIT;
	struct str out, pass = S("correct horse battery");
	assert_int_equal(age_seal_passphrase(S("ours"), pass, true, at->a, &out, &e), 0);
	assert_int_equal(file_write(in(at, "phrase").p, out, 0600, &e), 0);
	run_tool(at, "printf 'correct horse battery\\n' | "
		     "script -qec \"age -d -o $D/out $D/phrase\" /dev/null >$D/log 2>&1 && "
		     "test \"$(cat $D/out)\" = ours");
	run_tool(at, "printf theirs >$D/clear; rm -f $D/phrase; "
		     "printf 'correct horse battery\\ncorrect horse battery\\n' | "
		     "script -qec \"age -p -a -o $D/phrase $D/clear\" /dev/null >$D/log 2>&1");
	assert_int_equal(age_unseal_passphrase(read_in(at, "phrase"), pass, at->a, &out, &e),
			 0);
	assert_true(str_is(out, "theirs"));
}

static int setup(void **state)
{
	static struct place at;
	struct err e = ERR_INIT;
	(void)snprintf(at.dir, sizeof at.dir, "/tmp/hoc-age-XXXXXX");
	if (!mkdtemp(at.dir) || arena_new((size_t)4 * ARENA_BYTES, &at.a, &e) < 0 ||
	    age_identity_make(&at.one, &e) < 0 || age_identity_make(&at.two, &e) < 0)
		return -1;
	age_identity_recipient(at.one, at.to_one);
	age_identity_recipient(at.two, at.to_two);
	*state = &at;
	return 0;
}

static int forget(void **state)
{
	arena_clear(((struct place *)*state)->a);
	return 0;
}

static int teardown(void **state)
{
	struct place *at = *state;
	struct err e = ERR_INIT;
	at->a = arena_free(at->a);
	at->one = age_identity_free(at->one);
	at->two = age_identity_free(at->two);
	return file_remove_tree(at->dir, &e);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(texts_of_all_sizes_come_back, forget),
		cmocka_unit_test_teardown(every_recipient_reads_and_nobody_else, forget),
		cmocka_unit_test_teardown(what_cannot_be_sealed_is_named, forget),
		cmocka_unit_test_teardown(no_changed_byte_gets_through, forget),
		cmocka_unit_test_teardown(chunks_keep_their_places, forget),
		cmocka_unit_test_teardown(a_passphrase_opens_and_no_other, forget),
		cmocka_unit_test_teardown(headers_of_strangers_are_refused, forget),
		cmocka_unit_test_teardown(other_forms_of_the_same_armour_are_refused, forget),
		cmocka_unit_test_teardown(identities_are_made_once_and_private, forget),
		cmocka_unit_test_teardown(files_that_hold_no_identity_are_corrupt, forget),
		cmocka_unit_test_teardown(recipients_are_checked, forget),
		cmocka_unit_test_teardown(bech32_keeps_to_its_form, forget),
		cmocka_unit_test_teardown(the_tool_age_reads_and_writes_the_same, forget),
		cmocka_unit_test_teardown(the_tool_age_takes_the_same_passphrases, forget),
	};
	return cmocka_run_group_tests(tests, setup, teardown);
}
