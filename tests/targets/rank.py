# SPDX-License-Identifier: Apache-2.0
"""One of many: python rank.py WORK prints the CPU seconds of `work` and of `rest`, WORK and 0.2 of them, and sleeps."""
import json
import sys
import time


def work(seconds):
    end = time.process_time() + seconds
    while time.process_time() < end:
        sum(range(500))  # line: WORK


def rest(seconds):
    end = time.process_time() + seconds
    while time.process_time() < end:
        sorted(range(500))  # line: REST


def main():
    seconds = float(sys.argv[1])
    work(seconds)
    rest(0.2)
    time.sleep(0.3)  # line: SLEEP
    print("truth: " + json.dumps({"work_s": seconds, "rest_s": 0.2, "sleep_s": 0.3}))


main()
