/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* rooms: cli */
/*
 * Archives of strangers (docs/audit.md): the reader and the checker behind it. What is no archive
 * is an error; what is one has findings, and a text in each.
 */
#include <fcntl.h>
#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

#include "cli/audit.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct arena *a CLEAN(arena_freep) = NULL;
	struct err e = ERR_INIT;
	struct audit au;
	char path[64];
	int fd = memfd_create("archive", MFD_CLOEXEC);
	ASSERT(fd >= 0 && arena_new((size_t)64 << 20, &a, &e) == 0);
	ASSERT(write(fd, data, n) == (ssize_t)n);
	(void)snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
	audit_init(&au, a, S(""), 0);
	int rc = audit_read(path, audit_check, &au, &e);
	ASSERT(rc == 0 || (rc == -1 && e.text[0]));
	audit_end(&au);
	ASSERT(au.finding_count > 0);
	for (size_t i = 0; i < au.finding_count; i++)
		ASSERT(au.findings[i].text.n > 0 || arena_check(a, &e) < 0);
	audit_fini(&au);
	(void)close(fd);
	return 0;
}
