# SPDX-License-Identifier: Apache-2.0
"""numpy over arrays that fill the caches: time is in the library, not in Python. One loop also takes 2 MB of fresh memory.

The arrays lie in one buffer, at the same places within pages in every run, and every page around them has been touched. Left to the
allocator, a sorted copy that ends within 64 bytes of a page that never was touched takes 2.8 times as long to sort: the masked
AVX-512 stores of numpy's sort reach into that page, and the processor takes the slow way for each. Where the copy ends depends
on all that was allocated before, so that a longer argument is enough to make a run 1.6 times as long.
"""

import mmap
import os

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # its threads spin for a while, though nothing here needs them

import numpy as np

COUNT = 1000000
PAGE = mmap.PAGESIZE
STEP = (COUNT * 8 // PAGE + 2) * PAGE + 1024  # so that no two arrays are at the same place within their pages
FRESH = 2 << 20

buffer = mmap.mmap(-1, 3 * STEP)
buffer[:] = bytes(len(buffer))
a, out, work = (np.frombuffer(buffer, dtype=float, count=COUNT, offset=n * STEP) for n in range(3))
a[:] = np.linspace(0, 1, COUNT)
for _ in range(int(os.environ["BENCH_LOOPS"])):
    np.sin(a, out)
    np.copyto(work, out)
    work.sort()
    np.add.reduce(work)
    fresh = np.frombuffer(mmap.mmap(-1, FRESH), dtype=np.uint8)
    fresh[::PAGE] = 1
    del fresh
