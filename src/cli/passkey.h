/* SPDX-License-Identifier: AGPL-3.0-or-later */
#pragma once
/* The verbs about passkeys and sessions of browsers: passkey add, list, remove; session list, end. */
#include "cli/cmd.h"

extern const struct cli_table cli_passkey_commands;
