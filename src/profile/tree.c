/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * Built trees in the OSTree repository. Debian's ostree has no Ed25519, so the builder signs a
 * statement of its own, "this lock gave this commit", kept beside the repository:
 *
 *     repo/hoc/LOCKHASH: {"commit", "key": "ed25519:…", "lock", "signature"}
 *     signed text:       "hoc-build-v1\n" LOCK "\n" COMMIT "\n"
 *
 * A commit's name is the hash of all its content, so a good statement and OSTree's own structure
 * fix every byte. The statement is written last: a commit without one is built again.
 */
#include <errno.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fail.h"
#include "base/file.h"
#include "json/desc.h"
#include "profile/build_impl.h"
#include "profile/run_impl.h"
#include "trust/sign.h"

struct statement {
	struct str commit, key, lock, signature;
};

/* clang-format off */
static const struct json_field statement_fields[] = {
	JSON_STR(struct statement, commit, "commit", 64, 64, JSON_REQUIRED, "OSTree commit."),
	JSON_STR(struct statement, key, "key", 1, 100, JSON_REQUIRED, "Public key of the builder."),
	JSON_STR(struct statement, lock, "lock", 64, 64, JSON_REQUIRED, "Hash of the lock."),
	JSON_STR(struct statement, signature, "signature", 128, 128, JSON_REQUIRED, "Of the builder."),
};
/* clang-format on */
static const struct json_desc statement_desc =
	JSON_DESC(struct statement, statement_fields, "Statement", "A lock gave a commit.");

static int ostree(const char *const *argv, struct arena *a, struct str *out, struct err *e)
{
	struct run r = {.what = arena_fmt(a, "ostree %s", argv[1]).p,
			.argv = argv,
			.is_contained = true,
			.output_max_bytes = 1 << 20};
	return run_command(&r, a, out, e);
}

static struct str signed_text(struct arena *a, struct str lock, struct str commit)
{
	return arena_fmt(a, "hoc-build-v1\n%" STR_F "\n%" STR_F "\n", STR_A(lock),
			 STR_A(commit));
}

static int open_key(struct job *j, struct sign_key **out, struct err *e)
{
	const char *dir = arena_fmt(j->a, "%s/keys", j->b->node_dir).p;
	const char *path = arena_fmt(j->a, "%s/keys/builder", j->b->node_dir).p;
	if (arena_check(j->a, e) < 0 || file_mkdirs(dir, 0700, e) < 0)
		return -1;
	return sign_key_open(path, out, e);
}

static const char *statement_path(struct job *j)
{
	return arena_fmt(j->a, "%s/hoc/%s", j->repo, j->lock.hash).p;
}

/* The statement is about this lock and from this builder. */
static int check_statement(struct job *j, const struct statement *s, struct err *e)
{
	struct sign_key *key CLEAN(sign_key_freep) = NULL;
	struct signature signature;
	struct sign_public ours, theirs;
	if (open_key(j, &key, e) < 0 || sign_public_parse(s->key, &theirs, e) < 0 ||
	    signature_parse(s->signature, &signature, e) < 0)
		return -1;
	ours = sign_key_public(key);
	if (!str_is(s->lock, j->lock.hash) || memcmp(&ours, &theirs, sizeof ours) != 0 ||
	    !sign_is_good(&ours, signed_text(j->a, s->lock, s->commit), &signature))
		return err_fail(e, ERR_CORRUPT,
				"the signature of the built tree %.12s… is wrong",
				j->lock.hash);
	return arena_check(j->a, e);
}

static int has_commit(struct job *j, const char *commit, struct err *e)
{
	const char *argv[] = {"ostree", "rev-parse", arena_fmt(j->a, "--repo=%s", j->repo).p,
			      arena_fmt(j->a, "lock/%s", j->lock.hash).p, NULL};
	struct str out;
	if (arena_check(j->a, e) < 0)
		return -1;
	if (ostree(argv, j->a, &out, e) < 0) {
		if (e->kind != ERR_BROKEN)
			return -1;
		err_clear(e);
		return 1;
	}
	return str_is(str_trim(out), commit) ? 0 : 1;
}

MUST int tree_find(struct job *j, char commit[static 65], struct err *e)
{
	struct statement s;
	struct str text;
	int rc = file_read(statement_path(j), 4096, j->a, &text, e);
	if (rc)
		return rc;
	if (json_read(&statement_desc, text, j->a, &s, e) < 0 || check_statement(j, &s, e) < 0)
		return err_in(e, "%s/hoc", j->repo);
	(void)snprintf(commit, 65, "%" STR_F, STR_A(s.commit));
	return has_commit(j, commit, e);
}

static int open_repo(struct job *j, struct err *e)
{
	const char *argv[] = {"ostree", "init", arena_fmt(j->a, "--repo=%s", j->repo).p,
			      "--mode=bare", NULL};
	const char *statements = arena_fmt(j->a, "%s/hoc", j->repo).p;
	if (arena_check(j->a, e) < 0 || file_mkdirs(j->repo, 0755, e) < 0 ||
	    ostree(argv, j->a, NULL, e) < 0)
		return -1;
	return file_mkdirs(statements, 0755, e);
}

static int write_statement(struct job *j, const char *commit, struct err *e)
{
	struct sign_key *key CLEAN(sign_key_freep) = NULL;
	char public_text[SIGN_PUBLIC_TEXT_SIZE], signature[SIGN_TEXT_SIZE];
	if (open_key(j, &key, e) < 0)
		return -1;
	struct str lock = str_from(j->lock.hash);
	struct signature made = sign_make(key, signed_text(j->a, lock, str_from(commit)));
	struct sign_public ours = sign_key_public(key);
	signature_text(&made, signature);
	sign_public_text(&ours, public_text);
	struct statement s = {.commit = str_from(commit),
			      .key = str_from(public_text),
			      .lock = lock,
			      .signature = str_from(signature)};
	struct buf text CLEAN(buf_fini) = BUF_INIT(4096);
	json_write_struct(&statement_desc, &s, &text);
	if (buf_check(&text, e) < 0 || arena_check(j->a, e) < 0)
		return -1;
	return file_write(statement_path(j), buf_str(&text), 0644, e);
}

MUST int tree_commit(struct job *j, char commit[static 65], struct err *e)
{
	const char *argv[] = {"ostree",
			      "commit",
			      arena_fmt(j->a, "--repo=%s", j->repo).p,
			      arena_fmt(j->a, "--branch=lock/%s", j->lock.hash).p,
			      arena_fmt(j->a, "--tree=dir=%s/root", j->work).p,
			      "--consume",
			      "--orphan",
			      "--timestamp=2023-01-01 00:00:00 +0000",
			      arena_fmt(j->a, "--subject=%s", j->lock.hash).p,
			      NULL};
	struct str out;
	job_tell(j, PROFILE_PHASE_COMMIT, 0, 1);
	if (open_repo(j, e) < 0 || ostree(argv, j->a, &out, e) < 0)
		return -1;
	out = str_trim(out);
	if (out.n != 64)
		return err_fail(e, ERR_BROKEN, "ostree commit told no commit: %.100s", out.p);
	(void)snprintf(commit, 65, "%" STR_F, STR_A(out));
	fail_point("profile.tree.committed");
	if (write_statement(j, commit, e) < 0)
		return -1;
	fail_point("profile.tree.signed");
	return 0;
}

MUST int tree_checkout(struct job *j, const char *commit, struct err *e)
{
	const char *root = arena_fmt(j->a, "%s/root", j->release).p;
	const char *tmp = arena_fmt(j->a, "%s/root.new", j->release).p;
	const char *argv[] = {"ostree",
			      "checkout",
			      arena_fmt(j->a, "--repo=%s", j->repo).p,
			      "--require-hardlinks",
			      commit,
			      tmp,
			      NULL};
	job_tell(j, PROFILE_PHASE_CHECKOUT, 0, 1);
	if (arena_check(j->a, e) < 0 || file_remove_tree(tmp, e) < 0 ||
	    file_remove_tree(root, e) < 0 || ostree(argv, j->a, NULL, e) < 0)
		return -1;
	fail_point("profile.tree.checked_out");
	if (chmod(tmp, 0755) < 0 || rename(tmp, root) < 0)
		return err_os(e, errno, "rename to %s", root);
	fail_point("profile.tree.renamed");
	return file_sync_dir(j->release, e);
}

MUST int tree_forget(const char *repo, const char *lock_hash, struct arena *a, struct err *e)
{
	const char *repo_arg = arena_fmt(a, "--repo=%s", repo).p;
	const char *statement = arena_fmt(a, "%s/hoc/%s", repo, lock_hash).p;
	const char *branch = arena_fmt(a, "lock/%s", lock_hash).p;
	const char *refs[] = {"ostree", "refs", repo_arg, "--delete", branch, NULL};
	const char *prune[] = {"ostree", "prune", repo_arg, "--refs-only", NULL};
	if (arena_check(a, e) < 0 || !file_exists(repo))
		return arena_check(a, e);
	if (file_remove_tree(statement, e) < 0 || ostree(refs, a, NULL, e) < 0)
		return -1;
	return ostree(prune, a, NULL, e);
}
