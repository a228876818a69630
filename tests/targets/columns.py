# SPDX-License-Identifier: Apache-2.0
"""One line each that spins in Python, in a builtin, in numpy, in the kernel, and one that sleeps: columns.py [seconds of each].

Every such line ends in `# line: NAME`. Without numpy that part is left out.
"""

import json
import os
import random
import resource
import sys
import time

try:
    import numpy
except ImportError:
    numpy = None

thread_time = getattr(time, "thread_time", time.process_time)


def spin_python(n):
    x = 1
    for i in range(n): x = (x * 5 + i) & 0xFFFF  # line: python
    return x


def spin_builtin(numbers):
    sorted(numbers)  # line: builtin


def spin_numpy(array, out):
    numpy.sin(array, out)  # line: numpy


def spin_system(source, sink, buffer):
    os.readv(source, [buffer]), os.write(sink, buffer)  # line: system


def rest(seconds):
    time.sleep(seconds)  # line: sleep


def repeat(seconds, function, *arguments):
    """Calls until the thread's clock says so; what the calls took by that clock."""
    spent = 0.0
    while spent < seconds:
        start = thread_time()
        function(*arguments)
        spent += thread_time() - start
    return spent


def main():
    seconds = float(sys.argv[1]) if len(sys.argv) > 1 else 2.0
    numbers = [random.random() for _ in range(50000)]
    lines = {}
    lines["python"] = {"seconds": repeat(seconds, spin_python, 40000), "column": "python"}
    lines["builtin"] = {"seconds": repeat(seconds, spin_builtin, numbers), "column": "native"}
    if numpy is not None:
        array = numpy.random.random(100000)
        lines["numpy"] = {"seconds": repeat(seconds, spin_numpy, array, numpy.empty_like(array)), "column": "native"}
    source, sink = os.open("/dev/zero", os.O_RDONLY), os.open("/dev/null", os.O_WRONLY)
    before = resource.getrusage(resource.RUSAGE_SELF)
    spent = repeat(seconds, spin_system, source, sink, bytearray(8 << 20))
    after = resource.getrusage(resource.RUSAGE_SELF)
    lines["system"] = {"seconds": spent, "column": "system", "kernel": after.ru_stime - before.ru_stime}
    start = time.perf_counter()
    rest(seconds)
    lines["sleep"] = {"seconds": time.perf_counter() - start, "column": "waiting"}
    usage = resource.getrusage(resource.RUSAGE_SELF)
    print("truth: " + json.dumps({"lines": lines, "user": usage.ru_utime, "system": usage.ru_stime}))


if __name__ == "__main__":
    main()
