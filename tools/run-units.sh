#!/bin/bash
# SPDX-License-Identifier: AGPL-3.0-or-later
# Runs unit test programs (cmocka) one after another and ends with "N passed, N failed" (tests, not programs).
# Output of a program is shown when something in it failed.
set -u
passed=0 failed=0
for program in "$@"; do
	output=$("$program" 2>&1)
	code=$?
	ok=$(grep -c '^\[       OK \]' <<<"$output")
	bad=$(grep -c '^\[  FAILED  \] .*[^)]$' <<<"$output")
	[ "$code" -ne 0 ] && bad=$(grep -oP '^\[  FAILED  \] \K\d+(?= test)' <<<"$output" | head -1)
	if [ "$code" -ne 0 ]; then
		[ -n "$bad" ] || bad=1
		printf '%s\n' "$output"
		printf 'FAILED %s (exit %s)\n' "$program" "$code"
	else
		bad=0
	fi
	passed=$((passed + ok)) failed=$((failed + bad))
done
printf '%d passed, %d failed\n' "$passed" "$failed"
[ "$failed" -eq 0 ]
