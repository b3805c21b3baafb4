/* SPDX-License-Identifier: AGPL-3.0-or-later */
#pragma once
/* Who may what, as a page: docs/permissions.md, and what `hoc docs permissions` prints. */
#include "base/arena.h"

/* The page in Markdown, from the rows of the table of operations. "" after the arena failed. */
struct str permissions_page(struct arena *a);
