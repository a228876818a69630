# SPDX-License-Identifier: Apache-2.0
"""Touches fresh memory: one line all of it, another a share: rss.py [--megabytes 512] [--percent 50] [--numpy].

The truth is bytes by construction (whole pages), and what the kernel's own counter moved by.
"""

import argparse
import json
import mmap
import resource

PAGE = resource.getpagesize()


def resident():
    with open("/proc/self/statm") as statm:
        return int(statm.read().split()[1]) * PAGE


def fresh(size):
    memory = mmap.mmap(-1, size)
    if hasattr(memory, "madvise") and hasattr(mmap, "MADV_NOHUGEPAGE"):
        memory.madvise(mmap.MADV_NOHUGEPAGE)  # else a byte may bring 2 MB
    return memory


def touch_mmap(size, percent):
    whole, part = fresh(size), fresh(size)
    pages = size // PAGE
    some = pages * percent // 100
    before = resident()
    whole[0:pages * PAGE:PAGE] = b"\1" * pages  # line: whole
    middle = resident()
    part[0:some * PAGE:PAGE] = b"\1" * some  # line: part
    after = resident()
    return pages * PAGE, some * PAGE, middle - before, after - middle


def touch_numpy(size, percent):
    import numpy

    whole = numpy.frombuffer(fresh(size), dtype=numpy.uint8)
    part = numpy.frombuffer(fresh(size), dtype=numpy.uint8)
    pages = size // PAGE
    some = pages * percent // 100
    before = resident()
    whole[:] = 1  # line: whole-numpy
    middle = resident()
    part[:some * PAGE] = 1  # line: part-numpy
    after = resident()
    return pages * PAGE, some * PAGE, middle - before, after - middle


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--megabytes", type=int, default=512)
    parser.add_argument("--percent", type=int, default=50)
    parser.add_argument("--numpy", action="store_true")
    options = parser.parse_args()
    touch = touch_numpy if options.numpy else touch_mmap
    whole, part, moved_whole, moved_part = touch(options.megabytes << 20, options.percent)
    suffix = "-numpy" if options.numpy else ""
    print(
        "truth: "
        + json.dumps(
            {
                "bytes": {"whole" + suffix: whole, "part" + suffix: part},
                "moved": {"whole" + suffix: moved_whole, "part" + suffix: moved_part},
                "max_rss": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024,
            }
        )
    )


if __name__ == "__main__":
    main()
