/* SPDX-License-Identifier: AGPL-3.0-or-later */
#pragma once
/*
 * What the files of the client share.
 *
 *   client.c        a request and its answer
 *   client_tls.c    whom we trust, who we are, and what was wrong with the other side
 *   client_error.c  answers that are errors
 */
#include <curl/curl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/stat.h>

#include "http/client.h"

/* Three files as they were: device, inode, size, moment of change. */
struct tls_stamp {
	struct {
		dev_t device;
		ino_t inode;
		off_t size;
		struct timespec changed;
	} files[3];
};

struct http_client {
	struct http_client_options o; /* `base` and the files point to nothing: see below */
	char *base;
	char *unix_path; /* NULL: TCP */
	char *ca_file, *cert_file, *key_file;
	struct tls_stamp stamp; /* of these files when the kept connections were made */
	CURL *easy;
	CURLM *multi; /* changed under the lock: another thread may wake it */
	pthread_mutex_t lock;
	atomic_bool is_cancelled;
	struct buf url, body;
};

/* One running fetch. */
struct fetch {
	struct http_client *c;
	const struct http_request *r;
	struct arena *a;
	struct http_response response;
	struct curl_slist *headers;
	size_t max_bytes, got_bytes;
	struct err *e;
	bool has_failed; /* a callback filled *e */
	bool is_own;	 /* the URL is under the base, or there is none */
	char text[CURL_ERROR_SIZE];
};

/* Does the request go to a server that the files of the client are meant for? */
bool client_is_own_tls(const struct fetch *f);
/* Sets trust and identity for such a request. True if the files changed since the last time: the
 * kept connections are old. */
bool client_tls_prepare(struct fetch *f);
/* Was it TLS that failed? Then *e is filled with what was wrong and what to do. */
bool client_tls_explain(struct fetch *f, CURLcode code, struct err *e);
