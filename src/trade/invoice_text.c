/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * The page of an invoice.
 *
 *     seller ..............................................  INVOICE
 *     customer .........................  number, dates, period
 *     ----------------------------------------------------------------
 *     text | quantity | unit | unit price | VAT % | amount
 *     ----------------------------------------------------------------
 *                                           net, VAT by rate, total
 *     note, how to pay
 *
 * Every cell is measured in columns. A line whose numbers do not fit their cells puts them on a
 * row of their own, whole: a number is never cut.
 */
#include "base/date.h"
#include "base/utf8.h"
#include "trade/invoice.h"

enum {
	TEXT_WIDTH = 28,
	QUANTITY_WIDTH = 12,
	UNIT_WIDTH = 13,
	PRICE_WIDTH = 9,
	RATE_WIDTH = 4,
	AMOUNT_WIDTH = 9,
	LEFT_WIDTH = 46, /* the customer's block */
	LABEL_WIDTH = 8, /* "Number", "Issued"… */
	SIDE_WIDTH = INVOICE_COLUMNS - LEFT_WIDTH - 1,
	SIDE_LINES = 5,
	TOTAL_WIDTH = 18,
	VAT_LINE_MAX = 1024,
};
_Static_assert(TEXT_WIDTH + QUANTITY_WIDTH + UNIT_WIDTH + PRICE_WIDTH + RATE_WIDTH +
			       AMOUNT_WIDTH + 5 ==
		       INVOICE_COLUMNS,
	       "the cells and the gaps between them fill the page");

static void spaces(struct buf *b, size_t n)
{
	while (n--)
		buf_add_c(b, ' ');
}

static void rule(struct buf *b)
{
	for (size_t i = 0; i < INVOICE_COLUMNS; i++)
		buf_add_c(b, '-');
	buf_add_c(b, '\n');
}

static void left(struct buf *b, struct str s, size_t width)
{
	size_t columns = utf8_columns(s);
	utf8_add_line(b, s);
	spaces(b, columns < width ? width - columns : 0);
}

static void right(struct buf *b, struct str s, size_t width)
{
	size_t columns = utf8_columns(s);
	spaces(b, columns < width ? width - columns : 0);
	utf8_add_line(b, s);
}

static void end_line(struct buf *b)
{
	/* Spaces at the end of a line help nobody. */
	while (!b->has_failed && b->n && b->p[b->n - 1] == ' ')
		b->p[--b->n] = 0;
	buf_add_c(b, '\n');
}

/* Takes as much as fits `width` columns off *rest, broken at a space if there is one. */
static struct str take_line(struct str *rest, size_t width)
{
	struct str all = str_trim(*rest), tail = all;
	size_t columns = 0, taken = 0, at_space = 0;
	struct utf8_char c;
	while (utf8_next(&tail, &c) && (columns += c.columns) <= width) {
		if (c.code == ' ')
			at_space = taken;
		taken += c.bytes.n;
	}
	bool is_all = taken == all.n;
	bool is_at_word = !is_all && all.p[taken] == ' ';
	size_t cut = is_all || is_at_word || !at_space ? taken : at_space;
	*rest = str_trim(str_sub(all, cut, all.n));
	return str_sub(all, 0, cut);
}

/* A whole text over as many lines as it needs. */
static void paragraph(struct buf *b, struct str s)
{
	do {
		utf8_add_line(b, take_line(&s, INVOICE_COLUMNS));
		end_line(b);
	} while (s.n);
}

/* ---- head ---- */

/* The caller owns the line; what fails in it fails in the page. */
static struct buf vat_number(struct buf *page, const struct invoice_party *p)
{
	struct buf line = BUF_INIT(VAT_LINE_MAX);
	buf_add(&line, S("VAT number "));
	buf_add(&line, p->vat_number);
	page->has_failed |= line.has_failed;
	page->was_memory |= line.was_memory;
	return line;
}

static void seller(struct buf *b, const struct invoice *inv)
{
	const struct invoice_party *p = &inv->seller;
	struct str rest = p->name,
		   title = inv->state == INVOICE_DRAFT ? S("DRAFT INVOICE") : S("INVOICE");
	left(b, take_line(&rest, INVOICE_COLUMNS - title.n - 1), INVOICE_COLUMNS - title.n);
	buf_add(b, title);
	end_line(b);
	if (rest.n)
		paragraph(b, rest);
	for (size_t i = 0; i < p->address_count; i++)
		paragraph(b, p->address[i]);
	paragraph(b, str_from(p->country));
	if (p->vat_number.n) {
		struct buf line CLEAN(buf_fini) = vat_number(b, p);
		paragraph(b, buf_str(&line));
	}
	end_line(b);
}

/* The lines right of the customer's address. */
struct side {
	const char *label[SIDE_LINES];
	char value[SIDE_LINES][SIDE_WIDTH + 1];
	size_t next;
};

static void side_add(struct side *s, size_t at, const char *label, const char *value)
{
	s->label[at] = label;
	(void)snprintf(s->value[at], sizeof s->value[at], "%s", value);
}

static struct side side_of(const struct invoice *inv)
{
	struct side s = {.next = 0};
	char number[INVOICE_NUMBER_SIZE], day[DATE_TEXT_SIZE], period[2 * DATE_TEXT_SIZE + 4];
	invoice_number_text(&inv->number, number);
	side_add(&s, 0, "Number", number);
	date_text(inv->issued_at_ms, day);
	side_add(&s, 1, "Issued", inv->state == INVOICE_FINAL ? day : "-");
	date_text(inv->due_at_ms, day);
	side_add(&s, 2, "Due", inv->state == INVOICE_FINAL ? day : "-");
	date_text(inv->from_ms, day);
	(void)snprintf(period, sizeof period, "%s to ", day);
	date_text(inv->to_ms - 1, day);
	(void)snprintf(period + strlen(period), sizeof period - strlen(period), "%s", day);
	side_add(&s, 3, "Period", period);
	side_add(&s, 4, "Currency", inv->currency);
	return s;
}

/* One text of the left block, with what is left of the side beside its lines. */
static void head_text(struct buf *b, struct side *side, struct str text)
{
	do {
		left(b, take_line(&text, LEFT_WIDTH), LEFT_WIDTH + 1);
		if (side->next < SIDE_LINES) {
			left(b, str_from(side->label[side->next]), LABEL_WIDTH + 1);
			buf_add(b, str_from(side->value[side->next++]));
		}
		end_line(b);
	} while (text.n);
}

static void customer(struct buf *b, const struct invoice *inv)
{
	struct side side = side_of(inv);
	const struct invoice_party *p = &inv->customer;
	head_text(b, &side, p->name);
	for (size_t i = 0; i < p->address_count; i++)
		head_text(b, &side, p->address[i]);
	head_text(b, &side, str_from(p->country));
	if (p->vat_number.n) {
		struct buf line CLEAN(buf_fini) = vat_number(b, p);
		head_text(b, &side, buf_str(&line));
	}
	while (side.next < SIDE_LINES)
		head_text(b, &side, S(""));
	end_line(b);
}

/* ---- lines ---- */

/* Cells of a row, after the text; empty for none. */
struct row {
	char quantity[DEC_TEXT_SIZE], price[DEC_TEXT_SIZE], rate[DEC_TEXT_SIZE],
		amount[DEC_TEXT_SIZE];
	struct str unit;
};

static bool is_fitting(const struct row *r)
{
	return strlen(r->quantity) <= QUANTITY_WIDTH && utf8_columns(r->unit) <= UNIT_WIDTH &&
	       strlen(r->price) <= PRICE_WIDTH && strlen(r->rate) <= RATE_WIDTH &&
	       strlen(r->amount) <= AMOUNT_WIDTH;
}

static void cells(struct buf *b, const struct row *r)
{
	spaces(b, 1);
	right(b, str_from(r->quantity), QUANTITY_WIDTH);
	spaces(b, 1);
	left(b, r->unit, UNIT_WIDTH);
	spaces(b, 1);
	right(b, str_from(r->price), PRICE_WIDTH);
	spaces(b, 1);
	right(b, str_from(r->rate), RATE_WIDTH);
	spaces(b, 1);
	right(b, str_from(r->amount), AMOUNT_WIDTH);
}

/* "  12345.678 GiB-hour × 0.0000000125, VAT 20 %", and below it the amount, at the right edge.
 */
static void wide_cells(struct buf *b, const struct row *r)
{
	buf_addf(b, "  %s ", r->quantity);
	utf8_add_line(b, r->unit);
	end_line(b);
	buf_addf(b, "  at %s, VAT %s %%", r->price, r->rate);
	end_line(b);
	right(b, str_from(r->amount), INVOICE_COLUMNS);
	end_line(b);
}

static void line_row(struct buf *b, const struct invoice_line *line)
{
	struct row r = {.unit = line->unit};
	dec_text(line->quantity, r.quantity);
	dec_text(line->unit_price, r.price);
	dec_text(dec_trim(line->vat_rate, 0), r.rate);
	dec_text(line->amount, r.amount);
	struct str text = line->text;
	if (!is_fitting(&r)) {
		paragraph(b, text);
		wide_cells(b, &r);
		return;
	}
	left(b, take_line(&text, TEXT_WIDTH), TEXT_WIDTH);
	cells(b, &r);
	end_line(b);
	while (text.n) {
		utf8_add_line(b, take_line(&text, TEXT_WIDTH));
		end_line(b);
	}
}

static void lines(struct buf *b, const struct invoice *inv)
{
	static const struct row titles = {
		.quantity = "Quantity",
		.price = "Price",
		.rate = "VAT%",
		.amount = "Amount",
		.unit = S_INIT("Unit"),
	};
	rule(b);
	left(b, S("Item"), TEXT_WIDTH);
	cells(b, &titles);
	end_line(b);
	rule(b);
	for (size_t i = 0; i < inv->line_count; i++)
		line_row(b, &inv->lines[i]);
	if (!inv->line_count)
		buf_add(b, S("Nothing was used in this period.\n"));
	rule(b);
}

/* ---- foot ---- */

static void total_row(struct buf *b, struct str label, struct dec amount)
{
	char text[DEC_TEXT_SIZE];
	dec_text(amount, text);
	right(b, label, INVOICE_COLUMNS - MAX_OF((size_t)TOTAL_WIDTH, strlen(text) + 1));
	right(b, str_from(text), MAX_OF((size_t)TOTAL_WIDTH, strlen(text) + 1));
	end_line(b);
}

static void totals(struct buf *b, const struct invoice *inv)
{
	char label[128], rate[DEC_TEXT_SIZE], net[DEC_TEXT_SIZE];
	total_row(b, S("Net"), inv->net);
	for (size_t i = 0; i < inv->vat_count; i++) {
		dec_text(inv->vats[i].rate, rate);
		dec_text(inv->vats[i].net, net);
		(void)snprintf(label, sizeof label, "VAT %s %% of %s", rate, net);
		total_row(b, str_from(label), inv->vats[i].vat);
	}
	(void)snprintf(label, sizeof label, "Total %s", inv->currency);
	total_row(b, str_from(label), inv->gross);
}

static void foot(struct buf *b, const struct invoice *inv)
{
	if (inv->note.n) {
		end_line(b);
		paragraph(b, inv->note);
	}
	if (inv->state != INVOICE_FINAL || dec_sign(inv->gross) <= 0)
		return;
	char number[INVOICE_NUMBER_SIZE], day[DATE_TEXT_SIZE], gross[DEC_TEXT_SIZE];
	invoice_number_text(&inv->number, number);
	date_text(inv->due_at_ms, day);
	dec_text(inv->gross, gross);
	end_line(b);
	buf_addf(b, "Please pay %s %s by %s", inv->currency, gross, day);
	end_line(b);
	buf_addf(b, "and name the invoice: %s", number);
	end_line(b);
}

void invoice_text(const struct invoice *inv, struct buf *b)
{
	seller(b, inv);
	customer(b, inv);
	lines(b, inv);
	totals(b, inv);
	foot(b, inv);
}
