/* SPDX-License-Identifier: AGPL-3.0-or-later */
#pragma once
/* Verbs by which a customer lets his ACME clients in: acme key make, allow, forbid. */
#include "cli/client.h"

extern const struct cli_table cli_acme_commands;
