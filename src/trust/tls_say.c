/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* A last word on a session of TLS that somebody else keeps. */
#include <gnutls/gnutls.h>

#include "trust/tls.h"

void tls_say(void *session, struct str bytes)
{
	gnutls_session_t s = session;
	while (bytes.n) {
		ssize_t n = gnutls_record_send(s, bytes.p, bytes.n);
		if (n <= 0)
			return;
		bytes = str_sub(bytes, (size_t)n, bytes.n);
	}
}
