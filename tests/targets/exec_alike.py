# SPDX-License-Identifier: Apache-2.0
"""Slow functions, one at a time, each of them exactly where the last one lay: exec_alike.py [how many] [seconds of each].

Up to 3.11, only what their names consist of tells them apart.
"""

import json
import sys
import time

thread_time = getattr(time, "thread_time", time.process_time)
SOURCE = """def f_%03d(seconds):
    start = now = thread_time()
    while now - start < seconds:
        for i in range(1000):
            i * i
        now = thread_time()
    return now - start
"""


def one(n, text, seconds):
    namespace = {"thread_time": thread_time}
    exec(compile(text, "<alike>", "exec"), namespace)
    function = namespace["f_%03d" % n]
    place = id(function.__code__), id(function.__code__.co_name)
    spent = function(seconds)
    namespace.clear()  # else it would live until the garbage collector comes
    return place, spent


def main():
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 20
    seconds = float(sys.argv[2]) if len(sys.argv) > 2 else 0.25
    texts = [SOURCE % n for n in range(count)]
    runs = [one(n, texts[n], seconds) for n in range(count)]
    again = sum(a[0] == b[0] for a, b in zip(runs, runs[1:]))
    print("truth: " + json.dumps({"seconds": {"f_%03d" % n: spent for n, (_, spent) in enumerate(runs)}, "again": again}))


if __name__ == "__main__":
    main()
