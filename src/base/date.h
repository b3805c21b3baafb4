/* SPDX-License-Identifier: AGPL-3.0-or-later */
#pragma once
/*
 * Civil dates as pure arithmetic, for rules that may not ask a clock: UTC, proleptic Gregorian,
 * no leap seconds. A moment is whole milliseconds since 1970 (negative before).
 */
#include "base/defs.h"

/* month 1 … 12, day 1 … 31 */
struct date {
	int year, month, day;
};

/* The day that holds a moment. */
struct date date_at(int64_t at_ms);
/* First millisecond of that day. Month may be 13: January of the next year. */
int64_t date_ms(struct date d);
/* First millisecond of the month that holds the moment, `months` (>= 0) months later. */
int64_t date_month_ms(int64_t at_ms, int months);
/* "2026-11-21" into `out`. Years 1970 … 9999. */
enum { DATE_TEXT_SIZE = 11 };
void date_text(int64_t at_ms, char out[static DATE_TEXT_SIZE]);
