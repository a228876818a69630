#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# run-fuzz.sh SECONDS PROGRAM...: each fuzz target for that long, from the corpus beside its source (tests/fuzz/corpus/NAME).
set -u
seconds=$1
shift
failed=0
for program in "$@"; do
    name=$(basename "$program")
    work=$(mktemp -d)
    corpus=("$work")
    [ -d "tests/fuzz/corpus/$name" ] && corpus+=("tests/fuzz/corpus/$name")
    if output=$("$program" -max_total_time="$seconds" -artifact_prefix="$work/" "${corpus[@]}" 2>&1); then
        printf 'ok    %s, %s s\n' "$name" "$seconds"
        rm -rf "$work"
    else
        failed=1
        printf '%s\nFAIL  %s (input kept in %s)\n' "$(tail -n 40 <<<"$output")" "$name" "$work"
    fi
done
exit "$failed"
