# SPDX-License-Identifier: Apache-2.0
"""Lines that copy a known number of bytes: copies.py WAY GIGABYTES."""

import json
import os
import sys
import threading

MB = 1 << 20
GB = 1 << 30


def slices(gigabytes):
    data, piece = bytearray(3 * MB), bytes(5001)
    there = bytearray(MB)
    block = bytearray(MB)
    large = gigabytes * GB // (3 * MB)
    small = gigabytes * GB // 8 // 5000
    store = gigabytes * GB // MB
    for _ in range(large):
        data[:]  # line: slice
    for _ in range(small):
        piece[1:]  # line: small
    for _ in range(store):
        there[:] = block  # line: store
    for i in range(100000):
        str(i)  # line: quiet
    return {"slice": large * 3 * MB, "small": small * 5000, "store": store * MB}


def arrays(gigabytes):
    import numpy

    one, other = numpy.zeros(MB // 8), numpy.zeros(MB // 8)
    n = gigabytes * GB // MB
    for _ in range(n):
        one[:] = other  # line: array
    return {"array": n * MB}


def copy(times):
    data = bytearray(MB)
    for _ in range(times):
        data[:]  # line: thread


def threads(gigabytes):
    count, times = 4, gigabytes * GB // MB // 4
    pool = [threading.Thread(target=copy, args=(times,)) for _ in range(count)]
    for thread in pool:
        thread.start()
    for thread in pool:
        thread.join()
    pid = os.fork()
    if not pid:
        data = bytearray(MB)
        for _ in range(times):
            data[:]  # line: child
        os._exit(0)
    if os.waitpid(pid, 0)[1]:
        sys.exit("the child failed")
    return {"thread": count * times * MB, "child": times * MB}


if __name__ == "__main__":
    print("truth: " + json.dumps(globals()[sys.argv[1]](int(sys.argv[2]))))
