/* SPDX-License-Identifier: AGPL-3.0-or-later */
#pragma once
/* The version of the program: one text for `hoc --version`, man pages and the master's status. */
#define HOC_VERSION "0.1"
