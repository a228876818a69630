#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# All tests, as `make check` and CI run them: both compilers, sanitizers, unit, walker, golden and end-to-end
# tests, and a short run of each fuzz target. Needs root, for the end-to-end tests attach to the kernel.
# Closes with one line, "N passed, N failed".
set -u
cd "$(dirname "$0")/.." || exit 1
passed=0 failed=0

step() {
    local name=$1 start=$SECONDS
    shift
    printf '== %s\n' "$name"
    if "$@"; then
        passed=$((passed + 1))
    else
        failed=$((failed + 1))
        printf '== %s FAILED\n' "$name"
    fi
    printf '== %s: %d s\n' "$name" $((SECONDS - start))
}

jobs=$(nproc)
if [ "$(id -u)" -ne 0 ]; then
    echo "make check needs root: sudo make check" >&2
    exit 1
fi
step "build (gcc)" make --no-print-directory -j "$jobs" all
step "unit, walker and golden tests" make --no-print-directory -j "$jobs" unit
step "build (clang)" make --no-print-directory -j "$jobs" CC=clang BUILD=build-clang all
step "unit, walker and golden tests under sanitizers" make --no-print-directory -j "$jobs" SAN=1 unit
step "build (fuzz targets)" make --no-print-directory -j "$jobs" fuzz-build
step "shell scripts" shellcheck -S warning tools/*.sh tests/golden/update.sh .ci/run
# the fuzz targets take what processor time the end-to-end tests leave
fuzzed=$(mktemp)
chrt --idle 0 make --no-print-directory fuzz FUZZ_SECONDS="${FUZZ_SECONDS:-60}" >"$fuzzed" 2>&1 &
fuzzing=$!
trap 'kill "$fuzzing" 2>/dev/null; rm -f "$fuzzed"' EXIT
step "end-to-end tests" make --no-print-directory e2e E2E="${E2E:-}"
fuzz_result() { wait "$fuzzing"; local status=$?; cat "$fuzzed"; return "$status"; }
step "fuzz targets" fuzz_result
printf '%d passed, %d failed\n' "$passed" "$failed"
[ "$failed" -eq 0 ]
