# SPDX-License-Identifier: Apache-2.0
"""Threads that end within a period of the timer, one after the other: short_threads.py [seconds] [iterations].

Every other one runs `long_part`, with three times the iterations of `short_part`.
"""

import json
import sys
import threading
import time

thread_time = getattr(time, "thread_time", time.process_time)


def short_part(n):
    total = 0
    for i in range(n):
        total = (total * 5 + i) & 0xFFFF
    return total


def long_part(n):
    total = 0
    for i in range(n):
        total = (total * 5 + i) & 0xFFFF
    return total


def main():
    seconds = float(sys.argv[1]) if len(sys.argv) > 1 else 2
    iterations = int(sys.argv[2]) if len(sys.argv) > 2 else 2000
    spent = {"short_part": 0.0, "long_part": 0.0}

    def body(function, n):
        start = thread_time()
        function(n)
        spent[function.__name__] += thread_time() - start

    end = time.perf_counter() + seconds
    count = 0
    while time.perf_counter() < end:
        for part in ((short_part, iterations), (long_part, 3 * iterations)):
            thread = threading.Thread(target=body, args=part)
            thread.start()
            thread.join()
            count += 1
    print("truth: " + json.dumps({"threads": count, "seconds": spent}))


if __name__ == "__main__":
    main()
