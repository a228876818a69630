# SPDX-License-Identifier: Apache-2.0
"""Works a moment, then ends in a way: crash.py WAY [seconds]."""

import ctypes
import os
import signal
import sys
import time


def work(seconds):
    end = time.perf_counter() + seconds
    while time.perf_counter() < end:
        pass


def main():
    way = sys.argv[1]
    work(float(sys.argv[2]) if len(sys.argv) > 2 else 0.3)
    print("about to end by " + way, flush=True)
    if way == "segfault":
        ctypes.string_at(1)
    elif way == "_exit":
        os._exit(7)
    elif way == "abort":
        os.abort()
    elif way == "exit":
        sys.exit(3)
    elif way == "raise":
        raise ValueError("on purpose")
    elif way == "sigterm":
        os.kill(os.getpid(), signal.SIGTERM)
    elif way == "sigkill":
        os.kill(os.getpid(), signal.SIGKILL)
    elif way == "exec":
        os.execvp("true", ["true"])
    else:
        sys.exit("no such way: " + way)
    time.sleep(10)  # a signal may take a moment to arrive


if __name__ == "__main__":
    main()
