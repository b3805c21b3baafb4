/* SPDX-License-Identifier: AGPL-3.0-or-later */
#pragma once
/*
 * Inside room api: secrets that the master cannot read; the part op_secrets of the table of
 * operations.
 *
 * Secret members of parameters and connection (profile/secrets.h) are sealed texts
 * (trust/age.h) in a master in tls mode, unless the customer takes clear ones. Here is who may
 * read an instance's secrets, and what makes its node seal them again:
 *
 *     readers added or removed, a key of one of them added or revoked, a membership ended,
 *     rotation, the customer's mode ──▶ another timestamp ──▶ the node asks for the recipients
 *
 * Recipients are the sealing keys of who asked for the instance, of its readers, and, where an
 * instance asked for it, of that one's node. A person counts while he is active and either a
 * member of the customer or an operator. Whether a key is really that person's is for the node
 * to check: certificate and statement come along.
 */
#include "api/call.h"
#include "profile/spec.h"

enum { SECRETS_READERS_MAX = 50, SECRETS_RECIPIENTS_MAX = 100, SECRETS_VALUE_MAX = 64 << 10 };

extern const struct op_table op_secrets;

/* Is the master one that keeps secrets sealed, or a local one? */
bool secrets_are_guarded(const struct api_call *c);
/* The customer of that name; made if there is none, taking clear secrets in a local master. */
MUST int secrets_customer(struct api_call *c, struct str name, struct customer *out,
			  struct err *e);
/*
 * May these values be stored? ERR_INVALID names `prefix`.NAME: a secret that is clear and may not
 * be, or a sealed text that is cut or changed. A local master takes everything.
 */
MUST int secrets_check(const struct api_call *c, const struct spec_list *names,
		       const struct json *values, const char *prefix, bool takes_clear,
		       struct err *e);
/* The same of what an instance publishes. */
MUST int secrets_check_connection(struct api_call *c, const struct instance *i,
				  const struct json *connection, struct err *e);
/* {parameters: {NAME: "sealed" or "clear"}, connection: {…}}; NULL: it has none, or is local. */
struct json *secrets_marks(struct api_call *c, const struct instance *i);

/* The person's keys or sealing keys are others, he joined or left a customer, or is no longer
 * active: nodes look again at all that he may have read. */
MUST int secrets_people_changed(struct api_call *c, struct str person, struct err *e);
/* The same for a key of that kind ("person"; "node": it reads what its instances asked for). */
MUST int secrets_keys_changed(struct api_call *c, struct str kind, struct str owner,
			      struct err *e);
