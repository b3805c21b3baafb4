#!/bin/bash
# SPDX-License-Identifier: AGPL-3.0-or-later
# Runs unit test programs (cmocka), as many at once as there are processors, and ends with
# "N passed, N failed" (tests, not programs). Output of a program is shown when something in it
# failed; a program that crashed or leaked counts as one failure more.
set -u
logs=$(mktemp -d)
trap 'rm -rf "$logs"' EXIT

# Files of the logs are named by place, so that the report keeps the order.
one() {
	"$2" >"$3/$1.out" 2>&1 </dev/null
	printf '%d\n' $? >"$3/$1.code"
}
export -f one
place=0
# shellcheck disable=SC2016 # the inner shell expands
for program in "$@"; do
	printf '%d %s\n' "$place" "$program"
	place=$((place + 1))
done | xargs -r -P "$(nproc)" -L 1 bash -c 'one "$1" "$2" "$0"' "$logs"

passed=0 failed=0 place=0
for program in "$@"; do
	output=$(tr -d '\0' <"$logs/$place.out")
	code=$(<"$logs/$place.code")
	place=$((place + 1))
	ok=$(grep -c '^\[       OK \]' <<<"$output")
	bad=$(grep -oP '^\[  FAILED  \] \K\d+(?= test)' <<<"$output" | tail -n 1)
	[[ $bad ]] || bad=0
	[[ $code -ne 0 && $bad -eq 0 ]] && bad=1
	if [[ $code -eq 0 && $ok -eq 0 ]]; then
		bad=1 output+=$'\nno test in this program'
	fi
	if [[ $code -ne 0 || $bad -ne 0 ]]; then
		printf '%s\nFAILED %s (exit %s)\n' "$output" "$program" "$code"
	fi
	# What a suite of others says of us is told in any case.
	grep -E '\bsuite: [0-9]+ of [0-9]+ passed$' <<<"$output"
	passed=$((passed + ok)) failed=$((failed + bad))
done
printf '%d passed, %d failed\n' "$passed" "$failed"
[[ $failed -eq 0 ]]
