/* SPDX-License-Identifier: AGPL-3.0-or-later */
#pragma once
/*
 * Makes a directory into a master with TLS: both authorities, the master's key and certificate,
 * the database, and a token with which the first operator joins.
 *
 * May be run again, while no master runs on DIR: what is there stays, what is missing is made,
 * names and zone become those given, and the token is a fresh one. That is also the way back in
 * for an operator who lost his keys: whoever holds DIR and its passphrase is the cloud.
 */
#include "base/arena.h"

struct master_init {
	const char *data;  /* DIR */
	const char *cloud; /* 1 … 63 letters of a DNS label */
	const char *zone;  /* DNS zone of the cloud's customers; NULL: none */
	const struct str
		*names; /* what the master is called from outside; the first is its own */
	size_t name_count;
	const char *operator_name;   /* a person's name */
	const char *passphrase_file; /* seals the keys; NULL: plain files of mode 0600 */
	const char *
		root_dir; /* keys of the roots go there, to be taken offline; NULL: they stay */
	const char *token_uri,
		*pin_file; /* PKCS #11: the issuing keys are made in this token */
	const char *db;	   /* as of master_options */
	const char *program;
};

/*
 * *out_token: "hoc1.p.…", valid for a day. ERR_INVALID names the option; ERR_CONFLICT: a master runs
 * on DIR, or it is of another cloud; ERR_FORBIDDEN: not that passphrase or PIN.
 */
MUST int master_init(const struct master_init *i, struct arena *a, struct str *out_token,
		     struct err *e);
