/* SPDX-License-Identifier: AGPL-3.0-or-later */
#pragma once
/*
 * What room http needs of TLS 1.3: the certificate that a server shows, who the other side is,
 * and first contact with a server whose root is only known by its fingerprint.
 *
 * A session is the TLS library's own, passed as void * so that its headers stay in this room.
 */
#include "trust/cert.h"

/* Only TLS 1.3, its three suites; for both libraries that room http uses (GnuTLS underneath). */
extern const char tls_priorities[];

/*
 * The certificate and key that a server shows; may be replaced while it serves (renewal): the
 * handshakes under way keep the old one, which is freed with the server. Many threads.
 */
struct tls_server;
/*
 * Every `k` given must outlive it. `chain_pem`: leaf first, up to the root, which is sent too (see
 * tls_anchor): leaf, ca_chain, ca_sent_roots. ERR_INVALID if it is none, or of another key.
 */
MUST int tls_server_new(const struct key *k, struct str chain_pem, struct tls_server **out,
			struct err *e);
MUST int tls_server_renew(struct tls_server *t, const struct key *k, struct str chain_pem,
			  struct err *e);
struct tls_server *tls_server_free(struct tls_server *t);
/* When the leaf that is shown ends, in ms since 1970. */
int64_t tls_server_to_ms(struct tls_server *t);
/*
 * The library's callback (gnutls_certificate_retrieve_function3), and before a handshake the
 * session is bound to the server with tls_server_bind, which also asks the other side for a
 * certificate (it may show none, see tls_peer). A session that is not bound gets none.
 */
typedef void tls_function(void);
tls_function *tls_server_retrieve(void);
void tls_server_bind(struct tls_server *t, void *session);

/*
 * The certificates that the other side of a session showed, leaf first: 1, or 0 if none. It has the
 * key of the leaf; nothing else was checked: cert_check. ERR_INVALID if they are not readable.
 */
MUST int tls_peer(void *session, struct arena *a, struct cert **out, size_t *count,
		  struct err *e);

/* Sends what fits into the socket's buffer, without waiting; for a last word before the end. */
void tls_say(void *session, struct str bytes);

/*
 * Connects to host:port, shakes hands, sends nothing, and gives the root (PEM) in the server's
 * chain whose DER has this SHA-256, after checking that the chain holds up to it for that host.
 * ERR_FORBIDDEN: the server showed another root, or a chain that does not hold: do not go on.
 * ERR_UNREACHABLE (also: speaks no TLS 1.3), ERR_TIMEOUT.
 */
MUST int tls_anchor(const char *host, uint16_t port, const struct hash *root,
		    const struct clock *clock, unsigned timeout_ms, struct arena *a,
		    struct str *out_root_pem, struct err *e);
/*
 * Connects with ALPN `alpn` and server name `name`, takes whatever certificate is shown, and gives
 * it (tls-alpn-01 of RFC 8737: the caller judges it). *out_ext is the acmeIdentifier extension's
 * 32 bytes, "" if there is none or it is not critical. `address` is an IP address. TLS 1.2 will do
 * here, as that RFC says: nothing of ours goes that way. ERR_UNREACHABLE (also: no handshake),
 * ERR_TIMEOUT, ERR_INVALID (what it shows is no certificate).
 */
MUST int tls_alpn_probe(const char *address, uint16_t port, const char *name, const char *alpn,
			unsigned timeout_ms, struct arena *a, struct cert *out,
			struct str *out_ext, bool *out_is_agreed, struct err *e);
