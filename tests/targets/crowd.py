# SPDX-License-Identifier: Apache-2.0
"""Many processes: crowd.py PROCESSES THREADS SHORT_PER_MINUTE SECONDS.

PROCESSES of this program in all, which mostly wait, with THREADS threads together; each works a little, in work() and in wait_a_bit(). Besides,
short processes that live 60 ms and more are started at an even pace: their time goes to short() of short_lived.py.
"""

import os
import subprocess
import sys
import tempfile
import threading
import time

SHORT = """import time
def short(until):
    n = 0
    while time.perf_counter() < until:
        n += 1
    return n
begin = time.perf_counter()
short(begin + 0.01)
time.sleep(0.05)
"""


def work():
    return sum(i * i for i in range(2000))


def wait_a_bit(pause):
    time.sleep(pause)


def live(end, pause):
    while time.monotonic() < end:
        work()
        wait_a_bit(pause)


def one_of_many(threads, end):
    helpers = [threading.Thread(target=live, args=(end, 0.5 + 0.1 * i)) for i in range(threads - 1)]
    for helper in helpers:
        helper.start()
    live(end, 0.5)
    for helper in helpers:
        helper.join()


def main():
    processes, threads, per_minute, seconds = (int(word) for word in sys.argv[1:])
    end = time.monotonic() + seconds
    for _ in range(processes - 1):
        if not os.fork():
            one_of_many(threads // processes, end)
            os._exit(0)
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "short_lived.py")
        with open(path, "w") as file:
            file.write(SHORT)
        begin, started, running = time.monotonic(), 0, []
        while time.monotonic() < end:
            due = int((time.monotonic() - begin) * per_minute / 60)
            while started < due:
                running.append(subprocess.Popen([sys.executable, "-S", "-E", path]))
                started += 1
            running = [process for process in running if process.poll() is None]
            time.sleep(0.02)
        for process in running:
            process.wait()
    while True:
        try:
            os.wait()
        except ChildProcessError:
            break
    print("started", started)


main()
