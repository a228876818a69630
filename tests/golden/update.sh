#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Golden tests: recorded events, and the reports that must come of them, byte for byte.
#
#   tests/golden/update.sh                     writes the expected reports anew, from the recordings and the code as they are:
#                                              after a change of what reports say. Look at the diff before you commit it.
#   tests/golden/update.sh --record [NAME ...] records the cases anew first (root, and the built profiler; NAME: a folder
#                                              here): after a change of bpf/events.h, or of a case's script.
#
# BUILD names the build folder (default build). A case is a folder with script.py or script.ipynb, events.bin (the
# recording), path.txt (where the script lay when it was recorded), and the four reports. New cases: make the folder and
# the script, add a line to record.py and one to test_golden.c.
set -euo pipefail
cd "$(dirname "$0")/../.."
build=${BUILD:-build}
if [ "${1:-}" = --record ]; then
    shift
    make BUILD="$build" all >/dev/null
    python3 tests/golden/record.py "$build/fixingahole" "$@"
fi
make BUILD="$build" "$build/tests/golden/test_golden" "$build/tests/golden/test_heap" "$build/tests/golden/test_calls" >/dev/null
FIXINGAHOLE_GOLDEN_UPDATE=1 "$build/tests/golden/test_golden"
FIXINGAHOLE_GOLDEN_UPDATE=1 "$build/tests/golden/test_heap"
FIXINGAHOLE_GOLDEN_UPDATE=1 "$build/tests/golden/test_calls"
git status --short tests/golden
