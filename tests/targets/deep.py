# SPDX-License-Identifier: Apache-2.0
"""Recursion with work at the bottom: deep.py [depth] [seconds]."""

import json
import sys
import threading
import time

thread_time = getattr(time, "thread_time", time.process_time)


def bottom(seconds):
    end = thread_time() + seconds
    total = 0
    while thread_time() < end:
        for i in range(1000):
            total = (total * 5 + i) & 0xFFFF
    return total


def descend(depth, seconds):
    if depth == 0:
        return bottom(seconds)
    return descend(depth - 1, seconds)


def main():
    depth = int(sys.argv[1]) if len(sys.argv) > 1 else 5000
    seconds = float(sys.argv[2]) if len(sys.argv) > 2 else 1.0
    sys.setrecursionlimit(depth + 1000)
    threading.stack_size(256 << 20)  # before 3.11 every Python call takes C stack too
    thread = threading.Thread(target=descend, args=(depth, seconds))
    thread.start()
    thread.join()
    print("truth: " + json.dumps({"depth": depth, "seconds": seconds}))


if __name__ == "__main__":
    main()
