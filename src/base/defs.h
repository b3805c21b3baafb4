/* SPDX-License-Identifier: AGPL-3.0-or-later */
#pragma once
/*
 * The few compiler extensions this code uses, under names of our own.
 *
 * Every other file writes MUST, PRINTF or CLEAN and never an attribute, so that the list of
 * what we ask from a compiler stands here and is short.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The result says whether the call worked: ignoring it is a compile error. */
#define MUST __attribute__((warn_unused_result))

/* Parameter `f` (counted from 1) is a printf format, its arguments begin at `a`. */
#define PRINTF(f, a) __attribute__((format(printf, f, a)))

/* The local is handed by address to `fn` when it leaves its scope. */
#define CLEAN(fn) __attribute__((cleanup(fn)))

/* A parameter that an agreed signature has and this function does not need. */
#define UNUSED __attribute__((unused))

/* The function does not come back. */
#define NORETURN __attribute__((noreturn))

#define ARRAY_LEN(a) (sizeof(a) / sizeof((a)[0]))
#define MIN_OF(a, b) ((a) < (b) ? (a) : (b))
#define MAX_OF(a, b) ((a) > (b) ? (a) : (b))

/* Steps from a member to the structure that holds it. */
#define CONTAINER_OF(ptr, type, member) ((type *)(void *)((char *)(ptr)-offsetof(type, member)))

/*
 * An assertion is for our own mistakes, never for input. It stays in every flavour: a program
 * that found itself wrong stops before it writes anything else.
 */
#define ASSERT(cond) ((cond) ? (void)0 : base_assert_failed(#cond, __FILE__, __LINE__))
NORETURN void base_assert_failed(const char *what, const char *file, int line);
