# SPDX-License-Identifier: Apache-2.0
"""Many threads alive at once, each with a little work: threads.py [how many] [iterations of each]."""

import json
import sys
import threading
import time

thread_time = getattr(time, "thread_time", time.process_time)


def work(n):
    total = 0
    for i in range(n):
        total = (total * 5 + i) & 0xFFFF
    return total


def main():
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 200
    iterations = int(sys.argv[2]) if len(sys.argv) > 2 else 100000
    barrier = threading.Barrier(count)
    spent = []

    def body():
        barrier.wait()
        start = thread_time()
        work(iterations)
        spent.append(thread_time() - start)
        barrier.wait()

    threads = [threading.Thread(target=body) for _ in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    print("truth: " + json.dumps({"threads": count + 1, "seconds": sum(spent)}))


if __name__ == "__main__":
    main()
