/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * Failpoints. The one piece of state counts passages of the armed name, and only ever says "die".
 */
#include "base/fail.h"

#include <signal.h>
#include <stdatomic.h>
#include <unistd.h>

#include "base/str.h"

static atomic_int passages;

void fail_point(const char *name)
{
	const char *armed = getenv("HOC_FAILPOINT");
	if (!armed)
		return;
	struct str rest = str_from(armed), want, nth;
	(void)str_split(&rest, ':', &want);
	if (!str_is(want, name))
		return;
	int64_t n = 1;
	struct err ignored;
	if (str_split(&rest, ':', &nth) && str_to_i64(nth, 1, INT32_MAX, &n, &ignored) < 0)
		n = 1;
	if (atomic_fetch_add(&passages, 1) + 1 == n)
		(void)kill(getpid(), SIGKILL);
}
