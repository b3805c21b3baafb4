/* SPDX-License-Identifier: AGPL-3.0-or-later */
#pragma once
/*
 * What /proc tells about processes. A process that is gone is an outcome, not a failure: every
 * function returns false for it.
 */
#include "base/arena.h"

/* Start time in clock ticks since boot: with the pid it names one process for ever. */
bool proc_start_ticks(int pid, uint64_t *out);
/*
 * True if it has a handler for `signum` or blocks it to wait for it. The first process of a
 * container is shielded by the kernel from all other signals but SIGKILL and SIGSTOP.
 */
bool proc_catches(int pid, int signum);
/* User and system time of the process and its waited-for children. */
bool proc_cpu_usec(int pid, int64_t *out);
/* Proportional set size; what walking its page tables costs, so not in the loop. */
bool proc_pss_bytes(int pid, int64_t *out);
/* Identity of its pid namespace. */
bool proc_pid_namespace(int pid, uint64_t *out);
/* Its arguments, NUL-separated, into line[n]; the count of bytes, 0 if it has none. */
size_t proc_cmdline(int pid, char *line, size_t n);

/* Calls fn for every process; stops and returns its result if that is not 0. */
typedef int proc_each_fn(void *user, int pid);
int proc_each(proc_each_fn *fn, void *user);
