/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Money: decimals with a currency. Digits after ISO 4217:2015, table A.1 ("minor unit"). */
#include "base/money.h"

static const struct {
	char code[4];
	uint8_t digits;
} currencies[] = {
	/* clang-format off */
	{"AED", 2}, {"ARS", 2}, {"AUD", 2}, {"BGN", 2}, {"BHD", 3}, {"BRL", 2}, {"CAD", 2},
	{"CHF", 2}, {"CLP", 0}, {"CNY", 2}, {"COP", 2}, {"CZK", 2}, {"DKK", 2}, {"EGP", 2},
	{"EUR", 2}, {"GBP", 2}, {"HKD", 2}, {"HUF", 2}, {"IDR", 2}, {"ILS", 2}, {"INR", 2},
	{"IQD", 3}, {"ISK", 0}, {"JOD", 3}, {"JPY", 0}, {"KES", 2}, {"KRW", 0}, {"KWD", 3},
	{"LYD", 3}, {"MAD", 2}, {"MXN", 2}, {"MYR", 2}, {"NGN", 2}, {"NOK", 2}, {"NZD", 2},
	{"OMR", 3}, {"PEN", 2}, {"PHP", 2}, {"PLN", 2}, {"PYG", 0}, {"QAR", 2}, {"RON", 2},
	{"RSD", 2}, {"RUB", 2}, {"SAR", 2}, {"SEK", 2}, {"SGD", 2}, {"THB", 2}, {"TND", 3},
	{"TRY", 2}, {"TWD", 2}, {"UAH", 2}, {"UGX", 0}, {"USD", 2}, {"UYU", 2}, {"VND", 0},
	{"XAF", 0}, {"XOF", 0}, {"XPF", 0}, {"ZAR", 2},
	/* clang-format on */
};

int money_digits(const char *currency)
{
	for (size_t i = 0; i < ARRAY_LEN(currencies); i++)
		if (strcmp(currencies[i].code, currency) == 0)
			return currencies[i].digits;
	return -1;
}

MUST int money_currency(struct str code, char out[static 4], struct err *e)
{
	for (size_t i = 0; i < ARRAY_LEN(currencies); i++) {
		if (!str_is(code, currencies[i].code))
			continue;
		memcpy(out, currencies[i].code, sizeof currencies[i].code);
		return 0;
	}
	return err_fail(e, ERR_INVALID, "'%" STR_F "' is not a known currency code such as EUR",
			STR_A(str_sub(code, 0, 16)));
}

MUST int money_add(struct money a, struct money b, struct money *out, struct err *e)
{
	if (strcmp(a.currency, b.currency) != 0)
		return err_fail(e, ERR_INVALID, "%s and %s cannot be added", a.currency,
				b.currency);
	if (dec_add(a.amount, b.amount, &a.amount, e) < 0)
		return -1;
	*out = a;
	return 0;
}

MUST int money_round(struct money a, struct money *out, struct err *e)
{
	int digits = money_digits(a.currency);
	if (digits < 0)
		return err_fail(e, ERR_INVALID, "'%s' is not a known currency code",
				a.currency);
	if (dec_round(a.amount, (uint8_t)digits, &a.amount, e) < 0)
		return -1;
	*out = a;
	return 0;
}
