# SPDX-License-Identifier: Apache-2.0
"""units.py SCRIPT UNITS [ARGUMENT...]: runs a benchmark script as __main__ again and again, until it is killed; a line in UNITS for each
time: when it began (monotonic clock) and how long it took."""

import os
import runpy
import sys
from time import monotonic


def main():
    script, units = sys.argv[1:3]
    sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "fake"))
    sys.path.insert(0, os.path.dirname(script))
    sys.argv = [script] + sys.argv[3:]
    with open(units, "w", buffering=1) as f:
        while True:
            begin = monotonic()
            runpy.run_path(script, run_name="__main__")
            f.write("%.6f %.6f\n" % (begin, monotonic() - begin))


main()
