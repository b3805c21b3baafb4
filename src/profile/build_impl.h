/* SPDX-License-Identifier: AGPL-3.0-or-later */
#pragma once
/* The steps of a build, each repeatable: fetch.c, root.c, tree.c; build.c puts them in order. */
#include "profile/build.h"
#include "profile/lock_impl.h"

struct job {
	const struct profile_build *b;
	struct arena *a;
	struct profile_apt apt;
	struct profile_lock lock;
	const char *cache, *repo,
		*release; /* NODEDIR/cache, NODEDIR/repo, NODEDIR/releases/HEX */
	const char *work; /* NODEDIR/building/LOCKHASH */
	struct profile_progress progress;
};

/* Tells how far it is, if anybody listens. */
void job_tell(struct job *j, enum profile_phase phase, int64_t done, int64_t total);

/*
 * Every package of the lock is in the cache, verified. ERR_NOT_FOUND: the mirrors have a locked
 * version no more; ERR_UNREACHABLE.
 */
MUST int fetch_packages(struct job *j, struct err *e);

/* A root in WORK/root, made from the cache alone. */
MUST int root_make(struct job *j, struct err *e);

/* 0: the tree of the lock is in the repository with a good signature; 1: it is not. */
MUST int tree_find(struct job *j, char commit[static 65], struct err *e);
/* Commits WORK/root (which is used up) and signs. */
MUST int tree_commit(struct job *j, char commit[static 65], struct err *e);
/* NODEDIR/releases/HEX/root appears, complete. */
MUST int tree_checkout(struct job *j, const char *commit, struct err *e);
/* Forgets the tree of a lock; frees what only it used. */
MUST int tree_forget(const char *repo, const char *lock_hash, struct arena *a, struct err *e);
