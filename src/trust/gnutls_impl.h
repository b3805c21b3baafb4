/* SPDX-License-Identifier: AGPL-3.0-or-later */
#pragma once
/*
 * What the files of this room that use GnuTLS share: its headers, its errors as ours, its
 * handles as locals that free themselves, and the handle inside a struct key.
 */
#include <gnutls/abstract.h>
#include <gnutls/gnutls.h>
#include <gnutls/x509.h>

#include "trust/key.h"

/* Fills *e with a text and the library's own words for `rc`; its lack of memory is ERR_MEMORY. */
int gnutls_fail_impl(struct err *e, enum err_kind kind, int rc, const char *what);

static inline gnutls_datum_t datum_of(struct str s)
{
	return (gnutls_datum_t){(unsigned char *)(uintptr_t)s.p, (unsigned)s.n};
}

static inline struct str datum_str(const gnutls_datum_t *d)
{
	return str_of((const char *)d->data, d->size);
}

/* Of CLEAN: plain output of the library, and output that is secret. */
void datum_freep(gnutls_datum_t *d);
void datum_wipe_freep(gnutls_datum_t *d);
void crt_freep(gnutls_x509_crt_t *c);
void crq_freep(gnutls_x509_crq_t *c);
void crl_freep(gnutls_x509_crl_t *c);
void pubkey_freep(gnutls_pubkey_t *p);

/* The library's handle; lives as long as the key. It signs, in any thread. */
gnutls_privkey_t key_handle(const struct key *k);
/* Kind of a public key; KEY_KINDS if it is none of ours. */
enum key_kind key_kind_of_public(gnutls_pubkey_t p);
/* Copies the DER of a public key into `a`. */
MUST int key_public_der(gnutls_pubkey_t p, struct arena *a, struct str *out, struct err *e);
