# SPDX-License-Identifier: Apache-2.0
"""driver.py SCRIPT LOOPS RECORD [ARGUMENT...]: runs a benchmark script as __main__, and writes to RECORD when it began and ended
(monotonic clock, which all processes share), what CPU time that took, how often it was switched away from, and the most
memory it had."""

import json
import os
import resource
import runpy
import sys
import time


def switches():
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_nvcsw + usage.ru_nivcsw


def memory():
    """The most physical memory that this program had, without what was there before exec: MB."""
    with open("/proc/self/status") as f:
        return next(int(line.split()[1]) / 1024 for line in f if line.startswith("VmHWM:"))


def main():
    script, loops, record = sys.argv[1:4]
    with open(record + ".pid", "w") as f:
        f.write(str(os.getpid()))
    os.environ["BENCH_LOOPS"] = loops
    sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "fake"))
    sys.path.insert(0, os.path.dirname(script))
    sys.argv = [script] + sys.argv[4:]
    before = switches()
    begin, cpu = time.monotonic(), time.process_time()
    runpy.run_path(script, run_name="__main__")
    cpu, end = time.process_time() - cpu, time.monotonic()
    with open(record, "w") as f:
        json.dump({"begin": begin, "end": end, "cpu": cpu, "switches": switches() - before, "memory": memory()}, f)


main()
