# SPDX-License-Identifier: Apache-2.0
"""Two functions with the same loop, one of them behind a helper call: shares.py [--share 25] [--seconds 10] [--round-us 1000].

--share is what `direct` gets, in percent of all iterations. --round-us makes every round of both take so many
microseconds of the thread's time, so that the program would keep step with a timer of that period; otherwise rounds have random
lengths. The truth also holds what each took by the thread's own clock.
"""

import argparse
import json
import random
import time

thread_time = getattr(time, "thread_time", time.process_time)


def direct(n):
    total = 0
    for i in range(n):
        total = (total * 5 + i) & 0xFFFF
    return total


def indirect(n):
    total = 0
    for i in range(n):
        total = (total * 5 + i) & 0xFFFF
    return total


def helper(n):
    return indirect(n)


def until(function, deadline):
    """Calls it until that time of the thread's own clock."""
    while thread_time() < deadline:
        function(200)


def keep_step(period, share, seconds):
    """Rounds of a fixed length on the thread's own clock. The truth is what was planned, and that is kept to a call's length."""
    begin = thread_time()
    rounds = int(seconds / period)
    for k in range(rounds):
        until(direct, begin + (k + share / 100) * period)
        until(helper, begin + (k + 1) * period)
    return {"seconds": {"direct": seconds * share / 100, "indirect": seconds * (100 - share) / 100}}


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--share", type=int, default=25)
    parser.add_argument("--seconds", type=float, default=10)
    parser.add_argument("--round-us", type=int, default=0)
    options = parser.parse_args()
    if options.round_us:
        print("truth: " + json.dumps(keep_step(options.round_us * 1e-6, options.share, options.seconds)))
        return
    generator = random.Random(7)
    rounds = [generator.randrange(50, 250) for _ in range(1000)]
    spent = {"direct": 0.0, "indirect": 0.0}
    iterations = {"direct": 0, "indirect": 0}
    end = thread_time() + options.seconds
    k = 0
    while thread_time() < end:
        unit = rounds[k % len(rounds)]
        k += 1
        first = thread_time()
        direct(unit * options.share)
        second = thread_time()
        helper(unit * (100 - options.share))
        third = thread_time()
        spent["direct"] += second - first
        spent["indirect"] += third - second
        iterations["direct"] += unit * options.share
        iterations["indirect"] += unit * (100 - options.share)
    print("truth: " + json.dumps({"seconds": spent, "iterations": iterations}))


if __name__ == "__main__":
    main()
