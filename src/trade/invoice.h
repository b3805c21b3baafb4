/* SPDX-License-Identifier: AGPL-3.0-or-later */
#pragma once
/*
 * Invoices, as values.
 *
 *     draft ──invoice_finish──▶ final
 *
 * A draft has no number and may be made again; a final invoice has one and never changes: no
 * function here touches it, a mistake is corrected by another document.
 *
 * Sums, all exact:   net   = Σ amounts of the lines (each rounded once before)
 *                    VAT   = for each rate, once: round(Σ net of that rate × rate / 100)
 *                    gross = net + Σ VAT
 * VAT is rounded per rate and never per line, so that the printed VAT follows from the printed
 * net.
 *
 * Numbers are gapless within (series, year): the caller's transaction reads the last one, asks
 * invoice_number_next, and writes both in one commit.
 *
 * Text and arrays are borrowed and must live as long as the invoice (an arena).
 */
#include "base/arena.h"
#include "trade/price.h"
#include "trade/rate.h"

enum {
	INVOICE_LINES_MAX = 100000,
	INVOICE_VATS_MAX = 16,
	INVOICE_ADDRESS_MAX = 6,
	INVOICE_SERIES_MAX = 8,
	INVOICE_NUMBER_MAX = 99999999,
	INVOICE_NUMBER_SIZE = 32,
	INVOICE_COLUMNS = 80,
	INVOICE_TEXT_MAX = 500, /* bytes of a name, an address line, a VAT number */
};

enum invoice_state { INVOICE_DRAFT, INVOICE_FINAL, INVOICE_STATES };

struct invoice_number {
	char series[INVOICE_SERIES_MAX + 1]; /* A-Z and 0-9 */
	int year;
	int64_t n; /* 1 … INVOICE_NUMBER_MAX; 0: none yet */
};

struct invoice_party {
	struct str name;
	struct str address[INVOICE_ADDRESS_MAX]; /* without the country */
	size_t address_count;
	char country[3];       /* ISO 3166-1 alpha-2 */
	struct str vat_number; /* empty: none */
};

struct invoice_line {
	struct str text;
	struct dec quantity;
	struct str unit;
	struct dec unit_price;
	struct dec amount;   /* the currency's decimals */
	struct dec vat_rate; /* percent */
};

struct invoice_vat {
	struct dec rate; /* percent */
	struct dec net, vat;
};

struct invoice {
	enum invoice_state state;
	struct invoice_number number; /* n = 0 in a draft */
	char currency[4];
	struct invoice_party seller, customer;
	int64_t from_ms, to_ms; /* period [from, to) */
	const struct invoice_line *lines;
	size_t line_count;
	struct invoice_vat vats[INVOICE_VATS_MAX]; /* rates rising */
	size_t vat_count;
	struct dec net, vat, gross;
	struct str note;		 /* printed below the total: reverse charge, or empty */
	int64_t issued_at_ms, due_at_ms; /* 0 in a draft */
};

struct invoice_order {
	struct invoice_party seller, customer;
	char currency[4];
	int64_t from_ms, to_ms;
	const struct invoice_line *lines;
	size_t line_count;
	struct str note;
};

/* The draft of an order. ERR_INVALID names the field; ERR_TOO_LARGE if a sum does not fit. */
MUST int invoice_make(const struct invoice_order *order, struct invoice *out, struct err *e);
/*
 * Rated lines as invoice lines with the VAT of the list for this customer at the end of the
 * period; *note gets the row's note. ERR_INVALID (field "customer.country") if the list has no
 * VAT row for the country: no invoice rather than a wrong one.
 */
MUST int invoice_lines(const struct rate_result *rated, const struct price_list *list,
		       const struct invoice_party *customer, int64_t at_ms, struct arena *a,
		       const struct invoice_line **out, struct str *note, struct err *e);
/* Draft → final. ERR_CONFLICT if it is final; ERR_INVALID for a number of none or due before
 * issued. */
MUST int invoice_finish(struct invoice *inv, const struct invoice_number *number,
			int64_t issued_at_ms, int64_t due_at_ms, struct err *e);
/*
 * The number after `last` (n = 0: none yet) in the series for an invoice issued in `year`; the
 * count begins at 1 each year. ERR_CONFLICT if the year lies before the last one's: numbers
 * follow time. ERR_INVALID for a series that is not 1 … 8 of A-Z0-9; ERR_TOO_LARGE when used
 * up.
 */
MUST int invoice_number_next(struct str series, int year, const struct invoice_number *last,
			     struct invoice_number *out, struct err *e);
/* "HOC-2026-000001"; "draft" if n is 0. */
void invoice_number_text(const struct invoice_number *n, char out[static INVOICE_NUMBER_SIZE]);
MUST int invoice_number_parse(struct str s, struct invoice_number *out, struct err *e);
/* "draft", "final" */
const char *invoice_state_name(enum invoice_state s);

/*
 * A plain text page of 80 columns, UTF-8, lines ended by LF. Columns are measured as a terminal
 * shows them (wide and combining characters); long texts wrap. Control characters of foreign
 * texts become spaces. Failures are the buffer's (buf_check).
 */
void invoice_text(const struct invoice *inv, struct buf *b);
