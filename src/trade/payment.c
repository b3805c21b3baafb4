/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* The promise to pay, judged from the invoice, the payments and the moment. */
#include "trade/payment.h"

#include "base/date.h"

const char *payment_state_name(enum payment_state s)
{
	/* clang-format off */
	static const char *const names[PAYMENT_STATES] = {
		[PAYMENT_KEPT] = "kept", [PAYMENT_BROKEN] = "broken", [PAYMENT_UNKNOWN] = "unknown",
	};
	/* clang-format on */
	ASSERT((unsigned)s < PAYMENT_STATES);
	return names[s];
}

MUST int invoice_promise(const struct invoice *inv, struct payment_paid paid, int64_t now_ms,
			 struct payment_promise *out, struct err *e)
{
	if (inv->state != INVOICE_FINAL)
		return err_fail(e, ERR_CONFLICT, "a draft invoice promises no payment");
	struct payment_promise p = {.state = PAYMENT_UNKNOWN, .since_ms = inv->issued_at_ms};
	if (dec_sub(inv->gross, paid.amount, &p.open, e) < 0)
		return -1;
	char open[DEC_TEXT_SIZE], due[DATE_TEXT_SIZE];
	date_text(inv->due_at_ms, due);
	invoice_number_text(&inv->number, p.name);
	bool is_paid = dec_sign(p.open) <= 0;
	if (is_paid) {
		bool has_payment = dec_sign(paid.amount) > 0;
		p.state = PAYMENT_KEPT;
		p.since_ms = has_payment ? paid.at_ms : inv->issued_at_ms;
		p.open = (struct dec){0, inv->gross.scale};
	} else if (now_ms > inv->due_at_ms) {
		p.state = PAYMENT_BROKEN;
		p.since_ms = inv->due_at_ms;
	}
	dec_text(p.open, open);
	if (is_paid)
		(void)snprintf(p.message, sizeof p.message, "paid in full");
	else
		(void)snprintf(p.message, sizeof p.message, "%s %s %s %s", inv->currency, open,
			       p.state == PAYMENT_BROKEN ? "was due" : "due", due);
	*out = p;
	return 0;
}
