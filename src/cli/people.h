/* SPDX-License-Identifier: AGPL-3.0-or-later */
#pragma once
/* The verbs about people: whoami, person …, member … */
#include "cli/cmd.h"

extern const struct cli_table cli_people_commands;
