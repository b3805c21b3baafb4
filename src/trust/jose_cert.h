/* SPDX-License-Identifier: AGPL-3.0-or-later */
#pragma once
/* What a certificate is called in renewal information (RFC 9773 4.1). */
#include "base/arena.h"

/*
 * "AKI.SERIAL", both base64url: the key identifier of its authority, and its serial number as
 * DER has it. ERR_INVALID: no certificate, or one without an authority key identifier.
 */
MUST int jose_cert_id(struct str der, struct arena *a, struct str *out, struct err *e);
/*
 * The serial number in such a text, lower-case hex without leading zeros, as in struct cert.
 * ERR_INVALID.
 */
MUST int jose_cert_id_serial(struct str id, struct arena *a, struct str *out, struct err *e);
