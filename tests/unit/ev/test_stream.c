/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "ev/stream.h"

enum { DEADLINE_MS = 5000, MESSAGE_MAX = 1000, OUT_MAX = 1 << 20 };

struct scene {
	struct ev *ev;
	struct ev_stream *left;
	int right; /* the peer's raw descriptor */
	struct buf heard;
	int closed, accepted;
	struct err why;
	bool must_free, must_pause;
};

static void on_message(void *user, struct str text)
{
	struct scene *s = user;
	buf_add(&s->heard, text);
	buf_add_c(&s->heard, '|');
	if (s->must_pause)
		ev_stream_pause(s->left, true);
	if (s->must_free)
		s->left = ev_stream_free(s->left);
	if (s->must_free || s->must_pause || str_is(text, "stop"))
		ev_stop(s->ev);
}

static void on_closed(void *user, const struct err *why)
{
	struct scene *s = user;
	s->closed++;
	s->why = *why;
	s->left = ev_stream_free(s->left);
	ev_stop(s->ev);
}

static void open_pair(struct scene *s, enum ev_framing framing)
{
	struct err e = ERR_INIT;
	int p[2];
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, p), 0);
	struct ev_stream_options o = {.framing = framing,
				      .message_max_bytes = MESSAGE_MAX,
				      .out_max_bytes = OUT_MAX,
				      .message = on_message,
				      .closed = on_closed,
				      .user = s};
	assert_int_equal(ev_new(NULL, &s->ev, &e), 0);
	assert_int_equal(ev_stream_open(s->ev, p[0], &o, &s->left, &e), 0);
	s->right = p[1];
}

static int set_up(void **state)
{
	static struct scene s;
	s = (struct scene){.right = -1, .heard = BUF_INIT(1 << 20)};
	*state = &s;
	return 0;
}

static int tear_down(void **state)
{
	struct scene *s = *state;
	ev_stream_free(s->left);
	ev_free(s->ev);
	file_closep(&s->right);
	buf_fini(&s->heard);
	return 0;
}

static void peer_says(struct scene *s, struct str bytes)
{
	assert_int_equal(write(s->right, bytes.p, bytes.n), bytes.n);
}

static void must_stop(struct scene *s)
{
	struct err e = ERR_INIT;
	assert_int_equal(ev_run_for(s->ev, DEADLINE_MS, &e), 0);
}

static void must_hear(struct scene *s, const char *text)
{
	assert_string_equal(s->heard.p ? s->heard.p : "", text);
}

static void lines_are_whole_whatever_the_pieces(void **state)
{
	struct scene *s = *state;
	struct err e = ERR_INIT;
	open_pair(s, EV_LINES);
	peer_says(s, S("one\ntw"));
	assert_int_equal(ev_run_for(s->ev, 10, &e), 1);
	peer_says(s, S("o\n\nstop\n"));
	must_stop(s);
	must_hear(s, "one|two||stop|");
}

static void frames_may_hold_any_byte(void **state)
{
	struct scene *s = *state;
	open_pair(s, EV_FRAMES);
	peer_says(s, S("\0\0\0\3a\nb\0\0\0\0\0\0\0\4stop"));
	must_stop(s);
	must_hear(s, "a\nb||stop|");
}

static void a_message_beyond_the_maximum_ends_the_stream(void **state)
{
	static const enum ev_framing framings[] = {EV_LINES, EV_FRAMES};
	for (size_t i = 0; i < ARRAY_LEN(framings); i++) {
		(void)set_up(state);
		struct scene *s = *state;
		open_pair(s, framings[i]);
		char long_line[MESSAGE_MAX + 2];
		memset(long_line, 'x', sizeof long_line);
		peer_says(s, str_of(long_line, sizeof long_line));
		must_stop(s);
		assert_int_equal(s->closed, 1);
		assert_int_equal(s->why.kind, ERR_TOO_LARGE);
		if (i == 0)
			(void)tear_down(state);
	}
}

static void the_last_lines_come_before_the_end(void **state)
{
	struct scene *s = *state;
	open_pair(s, EV_LINES);
	peer_says(s, S("bye\n"));
	file_closep(&s->right);
	must_stop(s);
	must_hear(s, "bye|");
	assert_int_equal(s->closed, 1);
	assert_int_equal(s->why.kind, ERR_NONE);
}

static void a_handler_may_free_its_stream(void **state)
{
	struct scene *s = *state;
	open_pair(s, EV_LINES);
	s->must_free = true;
	peer_says(s, S("one\ntwo\n"));
	must_stop(s);
	must_hear(s, "one|");
}

static void a_paused_stream_keeps_the_rest(void **state)
{
	struct scene *s = *state;
	struct err e = ERR_INIT;
	open_pair(s, EV_LINES);
	s->must_pause = true;
	peer_says(s, S("one\ntwo\n"));
	must_stop(s);
	assert_int_equal(ev_run_for(s->ev, 10, &e), 1);
	must_hear(s, "one|");
	ev_stream_pause(s->left, false);
	must_stop(s);
	must_hear(s, "one|two|");
}

static void a_peer_that_does_not_read_is_bounded(void **state)
{
	struct scene *s = *state;
	struct err e = ERR_INIT;
	open_pair(s, EV_LINES);
	static char big[100000];
	memset(big, 'y', sizeof big);
	int sent = 0;
	while (sent < 100 && ev_stream_send(s->left, str_of(big, sizeof big), &e) == 0)
		sent++;
	assert_true(sent >= 10 && sent < 20);
	assert_int_equal(e.kind, ERR_BUSY);
	assert_false(ev_stream_is_flushed(s->left));
	/* All that was accepted arrives once the peer reads. */
	size_t want = (size_t)sent * (sizeof big + 1), got = 0;
	while (got < want) {
		static char sink[65536];
		ssize_t n = recv(s->right, sink, sizeof sink, MSG_DONTWAIT);
		if (n > 0)
			got += (size_t)n;
		else
			assert_int_equal(ev_run_for(s->ev, 1, &e), 1);
	}
	assert_int_equal(got, want);
	assert_true(ev_stream_is_flushed(s->left));
}

static void a_vanished_peer_is_told_after_a_send(void **state)
{
	struct scene *s = *state;
	struct err e = ERR_INIT;
	open_pair(s, EV_LINES);
	file_closep(&s->right);
	assert_int_equal(ev_stream_send(s->left, S("anyone?"), &e), 0);
	assert_int_equal(s->closed, 0);
	must_stop(s);
	assert_int_equal(s->closed, 1);
}

static void on_accept(void *user, int fd)
{
	struct scene *s = user;
	s->accepted++;
	s->right = fd;
	ev_stop(s->ev);
}

static void listen_at(struct scene *s, const char *path)
{
	struct err e = ERR_INIT;
	struct ev_listener *l;
	struct ev_stream_options o = {.message_max_bytes = MESSAGE_MAX,
				      .out_max_bytes = OUT_MAX,
				      .message = on_message,
				      .closed = on_closed,
				      .user = s};
	assert_int_equal(ev_new(NULL, &s->ev, &e), 0);
	assert_int_equal(ev_stream_connect_unix(s->ev, path, &o, &s->left, &e), -1);
	assert_int_equal(e.kind, ERR_UNREACHABLE);
	/* Twice: the second replaces what a crash would have left. */
	assert_int_equal(ev_listen_unix(s->ev, path, 0600, on_accept, s, &l, &e), 0);
	assert_int_equal(ev_listen_unix(s->ev, path, 0600, on_accept, s, &l, &e), 0);
	struct stat st;
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0600);
	assert_int_equal(ev_stream_connect_unix(s->ev, path, &o, &s->left, &e), 0);
	must_stop(s);
	assert_int_equal(s->accepted, 1);
	peer_says(s, S("stop\n"));
	must_stop(s);
	must_hear(s, "stop|");
	ev_listener_free(l);
	assert_false(file_exists(path));
}

static void sockets_in_the_file_system_work_at_any_depth(void **state)
{
	struct scene *s = *state;
	struct err e = ERR_INIT;
	char dir[] = "/tmp/test-stream-XXXXXX", path[400];
	assert_non_null(mkdtemp(dir));
	(void)snprintf(path, sizeof path, "%s/socket", dir);
	listen_at(s, path);
	(void)tear_down(state);
	(void)set_up(state);
	(void)snprintf(path, sizeof path, "%s/%0100d/%0100d", dir, 1, 2);
	assert_int_equal(file_mkdirs(path, 0700, &e), 0);
	(void)snprintf(path, sizeof path, "%s/%0100d/%0100d/socket", dir, 1, 2);
	listen_at(s, path);
	assert_int_equal(file_remove_tree(dir, &e), 0);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		T(lines_are_whole_whatever_the_pieces),
		T(frames_may_hold_any_byte),
		T(a_message_beyond_the_maximum_ends_the_stream),
		T(the_last_lines_come_before_the_end),
		T(a_handler_may_free_its_stream),
		T(a_paused_stream_keeps_the_rest),
		T(a_peer_that_does_not_read_is_bounded),
		T(a_vanished_peer_is_told_after_a_send),
		T(sockets_in_the_file_system_work_at_any_depth),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
