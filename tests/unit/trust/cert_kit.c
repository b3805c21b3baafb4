/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "cert_kit.h"

#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

void assert_ok(int rc, const struct err *e, const char *file, int line)
{
	if (rc < 0)
		print_error("%s:%d: %s: %s (%s:%d)\n", file, line, e->field, e->text, e->file,
			    e->line);
	_assert_int_equal((LargestIntegralType)rc, 0, file, line);
}

void assert_fails(int rc, enum err_kind kind, struct err *e, const char *file, int line)
{
	if (rc >= 0 || e->kind != kind)
		print_error("%s:%d: rc %d, %s: %s\n", file, line, rc,
			    rc < 0 ? err_kind_info(e->kind)->name : "no failure", e->text);
	_assert_true(rc < 0 && e->kind == kind, "fails as said", file, line);
	err_clear(e);
}

int place_setup(void **state)
{
	struct err e = ERR_INIT;
	struct place *at = calloc(1, sizeof *at);
	if (!at)
		return -1;
	(void)snprintf(at->dir, sizeof at->dir, "/tmp/hoc-trust-XXXXXX");
	*state = at;
	return mkdtemp(at->dir) && arena_new(512 << 20, &at->a, &e) == 0 ? 0 : -1;
}

int place_teardown(void **state)
{
	struct err e = ERR_INIT;
	struct place *at = *state;
	int rc = file_remove_tree(at->dir, &e);
	(void)arena_free(at->a);
	free(at);
	return rc;
}

const char *place_path(struct place *at, const char *name)
{
	return arena_cstr(at->a, arena_fmt(at->a, "%s/%s", at->dir, name));
}

void place_write(struct place *at, const char *name, struct str text)
{
	struct err e = ERR_INIT;
	OK(file_write(place_path(at, name), text, 0600, &e));
}

int tool(char said[static SAID_SIZE], const char *const *argv)
{
	extern char **environ;
	posix_spawn_file_actions_t fa;
	pid_t pid;
	int pipes[2], status = -1;
	size_t n = 0;
	ssize_t got;
	union {
		const char *const *read;
		char *const *run;
	} args = {.read = argv};
	assert_int_equal(pipe(pipes), 0);
	assert_int_equal(posix_spawn_file_actions_init(&fa), 0);
	(void)posix_spawn_file_actions_addopen(&fa, 0, "/dev/null", 0, 0);
	(void)posix_spawn_file_actions_adddup2(&fa, pipes[1], 1);
	(void)posix_spawn_file_actions_adddup2(&fa, pipes[1], 2);
	(void)posix_spawn_file_actions_addclose(&fa, pipes[0]);
	int rc = posix_spawnp(&pid, argv[0], &fa, NULL, args.run, environ);
	(void)posix_spawn_file_actions_destroy(&fa);
	(void)close(pipes[1]);
	assert_int_equal(rc, 0);
	while (n < SAID_SIZE - 1 && (got = read(pipes[0], said + n, SAID_SIZE - 1 - n)) > 0)
		n += (size_t)got;
	said[n] = '\0';
	(void)close(pipes[0]);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

struct ca *place_ca(struct place *at, const char *name, enum ca_kind kind,
		    enum key_kind key_kind, int64_t now_ms)
{
	struct err e = ERR_INIT;
	struct ca *ca = NULL;
	struct ca_make m = {.dir = place_path(at, name),
			    .kind = kind,
			    .cloud = S("test cloud"),
			    .key_kind = key_kind,
			    .now_ms = now_ms};
	OK(ca_make(&m, &e));
	OK(ca_open(m.dir, S(""), &ca, &e));
	return ca;
}

struct str place_leaf(struct place *at, const struct ca *ca, enum cert_kind kind,
		      const char *name, const struct key *k, int64_t now_ms)
{
	struct err e = ERR_INIT;
	struct str text = str_from(name), der;
	char serial[CERT_SERIAL_SIZE];
	struct ca_leaf leaf = {
		.kind = kind, .name = text, .public = key_public(k), .now_ms = now_ms};
	if (kind == CERT_SERVICE || kind == CERT_MASTER) {
		leaf.names = (struct cert_names){&text, 1};
		leaf.is_server = true;
	}
	OK(ca_sign(ca, &leaf, at->a, &der, serial, &e));
	return der;
}

struct str joined(struct place *at, struct str x, struct str y)
{
	return arena_fmt(at->a, "%" STR_F "%" STR_F, STR_A(x), STR_A(y));
}

enum cert_fault judged(struct place *at, struct str pem, struct str chain_pem, int64_t now_ms,
		       bool is_server, const char *host)
{
	struct err e = ERR_INIT;
	struct cert_trust *t CLEAN(cert_trust_freep) = NULL;
	struct cert *chain;
	size_t n;
	OK(cert_trust_new(pem, &t, &e));
	OK(cert_chain_read(chain_pem, at->a, &chain, &n, &e));
	return cert_check(t, chain, n, now_ms, is_server, str_from(host));
}
