/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* rooms: supervise */
/*
 * Our side of bench/respawn.py:
 *     respawn supervise DIR                  the supervisor of a node directory
 *     respawn bundle DIR ROOTFS HOME ARGV…   writes a bundle as the agent does
 */
#include <stdio.h>
#include <string.h>

#include "supervise/oci.h"
#include "supervise/supervise.h"

static int run(int argc, char **argv, struct err *e)
{
	if (argc == 3 && strcmp(argv[1], "supervise") == 0) {
		struct supervise_options o = {.dir = argv[2]};
		return supervise_run(&o, e);
	}
	if (argc > 5 && argc < 64 && strcmp(argv[1], "bundle") == 0) {
		const char *list[64] = {NULL};
		for (int i = 5; i < argc; i++)
			list[i - 5] = argv[i];
		struct oci_service s = {
			.rootfs = argv[3], .home = argv[4], .argv = list, .uid_base = 700000};
		return oci_bundle_write(argv[2], &s, e);
	}
	return err_fail(e, ERR_USAGE, "respawn supervise DIR | bundle DIR ROOTFS HOME ARGV…");
}

int main(int argc, char **argv)
{
	struct err e = ERR_INIT;
	if (run(argc, argv, &e) >= 0)
		return 0;
	(void)fprintf(stderr, "respawn: %s\n", e.text);
	return err_kind_info(e.kind)->exit_code;
}
