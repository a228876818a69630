# SPDX-License-Identifier: Apache-2.0
"""Only prints: one loop is 1000 lines."""

import os

for n in range(int(os.environ["BENCH_LOOPS"]) * 1000):
    print("line", n)
