/* SPDX-License-Identifier: AGPL-3.0-or-later */
#pragma once
/*
 * Inside room api: who asks, as far as the connection tells, and whether he asks too often.
 *
 *     no certificate          anyone
 *     a good one of ours      the person or node that it names; whether its key still counts is
 *                             looked up in the transaction (api/access.h)
 *     any other               refused, with what is wrong with it: whoever shows a certificate
 *                             wants to be somebody, so he is never taken for anyone
 *
 * A certificate that was good until it expired is taken for POST /v1/renew alone. The chain is
 * verified once a connection; the dates are looked at with every request.
 */
#include "api/http.h"
#include "api/rate.h"
#include "http/server.h"

struct door {
	const struct clock *clock;
	const struct cert_trust *trust; /* NULL: plain; everybody is anyone */
	struct rate *rate;		/* NULL: nobody asks too often */
};

/*
 * Fills who, whence and the headers of `req`, whose method and parsed target are filled already.
 * ERR_FORBIDDEN names what is wrong with the certificate. ERR_BUSY: too often; *wait_s says for how
 * long, and is 0 otherwise. Within the handler.
 */
MUST int door_enter(const struct door *d, struct http_call *c, struct api_request *req,
		    int64_t *wait_s, struct err *e);
