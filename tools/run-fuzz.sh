#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# run-fuzz.sh SECONDS PROGRAM...: each fuzz target for that long, from the corpus beside its source
# (tests/fuzz/corpus/NAME); as many at once as there are processors.
set -u
seconds=$1
shift

fuzz_one() {
    local program=$1 name work corpus output
    name=$(basename "$program")
    work=$(mktemp -d)
    corpus=("$work")
    [ -d "tests/fuzz/corpus/$name" ] && corpus+=("tests/fuzz/corpus/$name")
    if output=$("$program" -max_total_time="$seconds" -artifact_prefix="$work/" "${corpus[@]}" 2>&1); then
        printf 'ok    %s, %s s\n' "$name" "$seconds"
        rm -rf "$work"
    else
        printf '%s\nFAIL  %s (input kept in %s)\n' "$(tail -n 40 <<<"$output")" "$name" "$work"
        return 1
    fi
}

export -f fuzz_one
export seconds
printf '%s\0' "$@" | xargs -0 -n 1 -P "$(nproc)" bash -c 'fuzz_one "$1"' fuzz
