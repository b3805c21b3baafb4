/* SPDX-License-Identifier: AGPL-3.0-or-later */
#pragma once
/* hoc ca …: the authorities of a cloud, on the machine where they are. No master is asked. */
#include "cli/cmd.h"

extern const struct cli_table cli_ca_commands;
