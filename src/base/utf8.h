/* SPDX-License-Identifier: AGPL-3.0-or-later */
#pragma once
/*
 * UTF-8 as a terminal shows it: characters and columns, for tables of text. Independent of the
 * process's locale. Widths after Unicode's EastAsianWidth (W and F take two columns) and
 * general categories Mn, Me, Cf (none), by blocks.
 */
#include "base/str.h"

struct utf8_char {
	struct str bytes; /* one byte that is no UTF-8 counts as a character */
	uint32_t code;	  /* U+FFFD for such a byte */
	unsigned columns; /* 0, 1 or 2 */
	bool is_control;  /* C0, C1, line and paragraph separators, direction marks: do not show
			   */
};

/* Takes the first character off *rest; false at the end. */
bool utf8_next(struct str *rest, struct utf8_char *out);
/* Columns of the whole; a control counts one, as it is shown replaced by a space. */
size_t utf8_columns(struct str s);
/* Appends `s` made fit for one line of a page: controls become spaces, foreign bytes U+FFFD. */
void utf8_add_line(struct buf *b, struct str s);
