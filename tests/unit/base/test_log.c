/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include <errno.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/log.h"
#include "base/mem.h"

/* What a call wrote to standard error, without the moment at its beginning. */
struct capture {
	int saved, file;
	char text[16384];
};

static void capture_begin(struct capture *c)
{
	c->file = memfd_create("log", 0);
	c->saved = dup(STDERR_FILENO);
	assert_true(c->file >= 0 && c->saved >= 0 && dup2(c->file, STDERR_FILENO) >= 0);
}

static const char *capture_end(struct capture *c)
{
	assert_true(dup2(c->saved, STDERR_FILENO) >= 0);
	(void)close(c->saved);
	ssize_t n = pread(c->file, c->text, sizeof c->text - 1, 0);
	(void)close(c->file);
	assert_true(n >= 0);
	c->text[n] = 0;
	return n > CLOCK_TEXT_SIZE ? c->text + CLOCK_TEXT_SIZE : c->text;
}

static void a_line_is_a_line(void **state UNUSED)
{
	static const struct {
		const char *value, *shown;
	} cases[] = {
		{"n1", "n1"},
		{"", "\"\""},
		{"two words", "\"two words\""},
		{"a=b", "\"a=b\""},
		{"say \"hi\"", "\"say \\\"hi\\\"\""},
		{"back \\ slash", "\"back \\\\ slash\""},
		{"new\nline", "\"new\\nline\""},
		{"\x1b[31mred", "\"\\x1b[31mred\""},
		{"tab\t\r", "\"tab\\x09\\x0d\""},
		{"é", "\"é\""},
		{"bad \xff utf8", "\"bad \\xff utf8\""},
		{"\xC2\x85", "\"\\xc2\\x85\""},
		{"\xE2\x80\xAE", "\"\\xe2\\x80\\xae\""},
		{"\x7f", "\"\\x7f\""},
	};
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct capture c;
		char want[256];
		capture_begin(&c);
		log_event(LOG_WARN, "program.failed", KV_C("v", cases[i].value), KV_I("n", -5));
		(void)snprintf(want, sizeof want, "warn program.failed v=%s n=-5\n",
			       cases[i].shown);
		assert_string_equal(capture_end(&c), want);
	}
}

static void an_error_is_logged_whole(void **state UNUSED)
{
	struct err e = ERR_INIT;
	struct capture c;
	(void)err_field(&e, "parameters.a\nb", "is %s", "above 5");
	e.line = 7;
	e.file = "x.c";
	capture_begin(&c);
	log_err(LOG_ERROR, "program.failed", &e, KV_C("who", "me"));
	assert_string_equal(capture_end(&c),
			    "error program.failed who=me kind=invalid field=\"parameters.a b\" "
			    "text=\"is above 5\" place=x.c:7\n");
}

static void too_much_is_cut_but_stays_a_line(void **state UNUSED)
{
	static char value[20000];
	static const char fills[] = {'x', '\n', (char)0xC3};
	for (size_t i = 0; i < sizeof fills; i++) {
		struct capture c;
		struct str v = str_of(value, sizeof value);
		memset(value, fills[i], sizeof value);
		capture_begin(&c);
		log_event(LOG_WARN, "program.failed", KV_S("a", v), KV_S("b", v), KV_S("c", v),
			  KV_S("d", v), KV_S("e", v), KV_I("n", 1));
		const char *line = capture_end(&c);
		size_t n = strlen(line);
		assert_true(n > 1000 && n <= 4096);
		assert_ptr_equal(strchr(line, '\n'), line + n - 1);
		assert_true(str_is_utf8(str_from(line)));
	}
}

static void lack_of_memory_can_be_logged(void **state UNUSED)
{
	struct capture c;
	capture_begin(&c);
	(void)mem_fail_after(1);
	log_event(LOG_ERROR, "program.failed", KV_C("text", "out of memory"));
	(void)mem_fail_after(0);
	assert_string_equal(capture_end(&c), "error program.failed text=\"out of memory\"\n");
}

static void levels_below_are_dropped(void **state UNUSED)
{
	struct capture c;
	capture_begin(&c);
	log_event(LOG_DEBUG, "program.started");
	log_set_level(LOG_ERROR);
	log_event(LOG_WARN, "program.started");
	log_set_level(LOG_DEBUG);
	log_event(LOG_DEBUG, "program.started");
	log_set_level(LOG_INFO);
	assert_string_equal(capture_end(&c), "debug program.started\n");
}

static void an_unknown_id_is_our_own_mistake(void **state UNUSED)
{
	pid_t child = fork();
	if (child == 0) {
		(void)close(STDERR_FILENO);
		(void)signal(SIGABRT, SIG_DFL);
		log_event(LOG_DEBUG, "no.such.event");
		_exit(0);
	}
	int status = 0;
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT);
}

static void the_table_of_events_is_sorted_and_complete(void **state UNUSED)
{
	size_t count = 0;
	const struct log_event_info *events = log_events(&count);
	assert_true(count > 2);
	for (size_t i = 0; i < count; i++) {
		assert_true(events[i].meaning[0] && events[i].what_to_do[0]);
		if (i && strcmp(events[i - 1].id, events[i].id) >= 0)
			fail_msg("%s is out of order", events[i].id);
	}
}

/* ---- errors: what the log and every answer carry ---- */

static void texts_of_errors_are_clean_lines(void **state UNUSED)
{
	struct err e = ERR_INIT;
	(void)err_fail(&e, ERR_INVALID, "bad '%s'", "a\nb\xff\x1b");
	assert_string_equal(e.text, "bad 'a b? '");
	/* é at the cut: 511 bytes are kept, of which the last is half of it. */
	char text[ERR_TEXT_MAX * 2];
	for (size_t shift = 0; shift < 2; shift++) {
		memset(text, 'x', sizeof text);
		for (size_t i = shift; i + 2 < sizeof text; i += 2)
			memcpy(text + i, "é", 2);
		text[sizeof text - 1] = 0;
		(void)err_fail(&e, ERR_INVALID, "%s", text);
		assert_true(str_is_utf8(str_from(e.text)));
		assert_true(strlen(e.text) >= ERR_TEXT_MAX - 3 && !strchr(e.text, '?'));
		(void)err_in(&e, "%s", "start of a thing");
		assert_true(str_is_utf8(str_from(e.text)));
		assert_true(str_starts(str_from(e.text), S("start of a thing: ")));
		(void)err_field(&e, text, "is wrong");
		assert_true(str_is_utf8(str_from(e.field)));
	}
}

static void errors_of_the_system_have_words(void **state UNUSED)
{
	static const struct {
		int os;
		enum err_kind kind;
		const char *text;
	} cases[] = {
		{ENOENT, ERR_IO, "open x: No such file or directory"},
		{ENOSPC, ERR_NO_ROOM, "open x: No space left on device"},
		{EDQUOT, ERR_NO_ROOM, "open x: Disk quota exceeded"},
		{ENOMEM, ERR_MEMORY, "open x: Cannot allocate memory"},
		{99999, ERR_IO, "open x: error 99999"},
	};
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct err e = ERR_INIT;
		assert_int_equal(err_os(&e, cases[i].os, "open %s", "x"), -1);
		assert_int_equal(e.kind, cases[i].kind);
		assert_int_equal(e.os, cases[i].os);
		assert_string_equal(e.text, cases[i].text);
		(void)err_in(&e, "quote '%s'", e.text);
		assert_true(str_ends(str_from(e.text), str_from(cases[i].text)));
	}
}

static void every_kind_has_its_row(void **state UNUSED)
{
	for (unsigned k = 1; k < ERR_KINDS; k++) {
		const struct err_kind_info *info = err_kind_info(k);
		assert_true(info->name && info->name[0]);
		assert_true(info->http_status >= 400 && info->http_status < 600);
		assert_true(info->exit_code >= 1 && info->exit_code <= 20);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_line_is_a_line),
		cmocka_unit_test(an_error_is_logged_whole),
		cmocka_unit_test(too_much_is_cut_but_stays_a_line),
		cmocka_unit_test(lack_of_memory_can_be_logged),
		cmocka_unit_test(levels_below_are_dropped),
		cmocka_unit_test(an_unknown_id_is_our_own_mistake),
		cmocka_unit_test(the_table_of_events_is_sorted_and_complete),
		cmocka_unit_test(texts_of_errors_are_clean_lines),
		cmocka_unit_test(errors_of_the_system_have_words),
		cmocka_unit_test(every_kind_has_its_row),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
