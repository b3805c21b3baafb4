/* SPDX-License-Identifier: AGPL-3.0-or-later */
#pragma once
/*
 * Functions that this code does not call; the Makefile includes this file before every source.
 * Each has a safe counterpart: str/buf for strings, str_to_i64 for numbers, clock for dates,
 * arena and base's own allocators for memory, a child with an argument vector for commands.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#pragma GCC poison strcpy strcat strncpy strncat sprintf vsprintf strtok strtok_r
#pragma GCC poison atoi atol atoll strtol strtoll strtoul strtoull gmtime localtime
#pragma GCC poison gmtime_r localtime_r system popen gets
#ifndef HOC_ROOM_BASE
#pragma GCC poison malloc calloc realloc reallocarray strdup strndup asprintf vasprintf
#endif
