/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * Dates by counting days in 400-year eras that begin on 1 March, so that the leap day is last:
 * Howard Hinnant, "chrono-Compatible Low-Level Date Algorithms" (public domain description).
 */
#include "base/date.h"

enum { DAY_MS = 86400000 };

static int64_t floor_div(int64_t a, int64_t b)
{
	return a / b - (a % b < 0);
}

struct date date_at(int64_t at_ms)
{
	int64_t days = floor_div(at_ms, DAY_MS) + 719468; /* since 0000-03-01 */
	int64_t era = floor_div(days, 146097);
	int64_t day_of_era = days - era * 146097;
	int64_t year_of_era =
		(day_of_era - day_of_era / 1460 + day_of_era / 36524 - day_of_era / 146096) /
		365;
	int64_t day_of_year =
		day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
	int64_t shifted = (5 * day_of_year + 2) / 153; /* 0 = March */
	int64_t month = shifted < 10 ? shifted + 3 : shifted - 9;
	return (struct date){
		.year = (int)(year_of_era + era * 400 + (month <= 2)),
		.month = (int)month,
		.day = (int)(day_of_year - (153 * shifted + 2) / 5 + 1),
	};
}

int64_t date_ms(struct date d)
{
	int64_t year = d.year + (d.month - 1) / 12, month = (d.month - 1) % 12 + 1;
	year -= month <= 2;
	int64_t era = floor_div(year, 400), year_of_era = year - era * 400;
	int64_t day_of_year = (153 * (month > 2 ? month - 3 : month + 9) + 2) / 5 + d.day - 1;
	int64_t day_of_era =
		year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
	return (era * 146097 + day_of_era - 719468) * DAY_MS;
}

int64_t date_month_ms(int64_t at_ms, int months)
{
	struct date d = date_at(at_ms);
	int month = d.month - 1 + months;
	return date_ms((struct date){d.year + month / 12, month % 12 + 1, 1});
}

void date_text(int64_t at_ms, char out[static DATE_TEXT_SIZE])
{
	struct date d = date_at(at_ms);
	(void)snprintf(out, DATE_TEXT_SIZE, "%04u-%02u-%02u", (unsigned)d.year % 10000,
		       (unsigned)d.month % 100, (unsigned)d.day % 100);
}
