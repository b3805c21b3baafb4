/* SPDX-License-Identifier: AGPL-3.0-or-later */
#pragma once
/* Instances as the verbs see them, shared by the orders and the demo. */
#include "cli/client.h"

/* Called with each version of the instance that is seen while waiting. */
typedef void orders_progress_fn(void *user, const struct json *instance);

/* The instance by guid or title of a root. */
MUST int orders_find(struct cli_call *c, const char *title, struct json **out, struct err *e);
/* The same request with another state; *instance becomes the answer. */
MUST int orders_set_state(struct cli_call *c, struct json **instance, const char *state,
			  struct err *e);
/* Until the instance has that status; ERR_TIMEOUT says what it has, and the node's message. */
MUST int orders_wait(struct cli_call *c, struct json **instance, const char *status,
		     int64_t seconds, orders_progress_fn *progress, void *user, struct err *e);
void orders_print(struct cli_call *c, const struct json *instance);
