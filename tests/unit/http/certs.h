/* SPDX-License-Identifier: AGPL-3.0-or-later */
#pragma once
/*
 * Certificates for tests, made by the TLS library itself and not by our rooms: roots, and what
 * is wrong with a leaf in every way. And the client's end of a raw TLS connection.
 */
#include <stdbool.h>
#include <stddef.h>

#include "base/str.h"

struct tls_server;
struct certs;

/* A directory in /tmp with what certs_names tells; removed by certs_free. */
struct certs *certs_new(void);
void certs_free(struct certs *c);
/*
 * DIR/NAME: "root.pem", "other-root.pem" and a pair "X.pem", "X.key" for X of
 *
 *     server          a server at localhost, 127.0.0.1 and ::1; client: a person's
 *     server-expired, server-elsewhere (another host), server-foreign (another root),
 *     server-purpose (a client's), server-future; client-expired, client-foreign
 */
const char *certs_path(struct certs *c, const char *name);
/* A server that shows X. */
struct tls_server *certs_server(struct certs *c, const char *name);
/* Shows X from now on. */
void certs_renew(struct certs *c, struct tls_server *t, const char *name);

/* The client's end on a connected socket, handshake done; trusts everybody, shows the pair `name`
 * (NULL: nothing). NULL if the handshake failed. `priority`: NULL for the usual. */
void *certs_connect(const struct certs *c, int fd, const char *name, const char *priority);
void certs_disconnect(void *session);
long certs_send(void *session, const void *p, size_t n);
long certs_receive(void *session, void *p, size_t n);
/* SHA-256 of the DER that the server showed first, as hex. */
void certs_shown(void *session, char out[static 65]);
