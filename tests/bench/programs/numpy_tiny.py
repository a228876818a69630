# SPDX-License-Identifier: Apache-2.0
"""numpy over arrays of four: time is in calls and allocations."""

import os

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # its threads spin for a while, though nothing here needs them

import numpy as np

a = np.arange(4.0)
for _ in range(int(os.environ["BENCH_LOOPS"])):
    for _ in range(1000):
        b = a + 1
        b *= a
        b.sum()
