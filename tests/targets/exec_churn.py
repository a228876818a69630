# SPDX-License-Identifier: Apache-2.0
"""Functions made by exec and dropped at once: exec_churn.py [how many] [iterations of each].

Where function f_N may be seen follows from N alone, so a sample under another's name or line shows:
file `<gen-N%97>`, defined at line 1 + N%53, its loop at line 2 + N%53 + N%31.
"""

import json
import sys
import time

thread_time = getattr(time, "thread_time", time.process_time)


def source(n):
    return "\n" * (n % 53) + "def f_%d(n):\n" % n + "\n" * (n % 31) + "    for i in range(n): i * i\n"


def churn(count, iterations):
    spent = 0.0
    for n in range(count):
        namespace = {}
        exec(compile(source(n), "<gen-%d>" % (n % 97), "exec"), namespace)
        start = thread_time()
        namespace["f_%d" % n](iterations)
        spent += thread_time() - start
    return spent


def main():
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 100000
    iterations = int(sys.argv[2]) if len(sys.argv) > 2 else 1000
    spent = churn(count, iterations)
    print("truth: " + json.dumps({"functions": count, "seconds": spent, "process": time.process_time()}))


if __name__ == "__main__":
    main()
