#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Runs test programs; shows a program's output only when it fails. Closes with "N passed, N failed".
set -u
passed=0 failed=0
for program in "$@"; do
    if output=$("$program" 2>&1); then
        passed=$((passed + 1))
        printf 'ok    %s\n' "${program#*/}"
    else
        failed=$((failed + 1))
        printf '%s\nFAIL  %s\n' "$output" "${program#*/}"
    fi
done
printf '%d passed, %d failed\n' "$passed" "$failed"
[ "$failed" -eq 0 ] && [ "$passed" -gt 0 ]
