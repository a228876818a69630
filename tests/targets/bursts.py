# SPDX-License-Identifier: Apache-2.0
"""Short bursts of work with pauses between them, as a server has: bursts.py [--seconds 4] [--burst-us 400] [--pause-us 400].

A quarter of each burst is first(), the rest is rest(): by what each takes of the thread's own time, which is the truth.
"""

import argparse
import json
import time

thread_time = getattr(time, "thread_time", time.process_time)


def first(n):
    for i in range(n):
        i * i


def rest(n):
    for i in range(n):
        i * i


def per_call(n):
    """Seconds of one call."""
    begin = thread_time()
    for _ in range(20):
        first(n)
    return (thread_time() - begin) / 20


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--seconds", type=float, default=4)
    parser.add_argument("--burst-us", type=float, default=400)
    parser.add_argument("--pause-us", type=float, default=400)
    options = parser.parse_args()
    n = int(2000 * options.burst_us / 4e6 / per_call(2000)) or 1
    spent = {"first": 0.0, "rest": 0.0}
    end = time.monotonic() + options.seconds
    while time.monotonic() < end:
        begin = thread_time()
        first(n)
        middle = thread_time()
        rest(3 * n)
        spent["first"] += middle - begin
        spent["rest"] += thread_time() - middle
        time.sleep(options.pause_us / 1e6)
    print("truth: " + json.dumps({"seconds": spent}))


if __name__ == "__main__":
    main()
