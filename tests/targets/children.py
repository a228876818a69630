# SPDX-License-Identifier: Apache-2.0
"""Every way to get another Python process: children.py WAY [seconds] [how many].

WAY: fork, mp_fork, mp_spawn, subprocess, exec, brief (subprocesses that live about 30 ms). What the children do is
in `child_WAY`, so that the function tells the way. The truth is the children's CPU time by the kernel.
"""

import json
import multiprocessing
import os
import resource
import subprocess
import sys
import time


def spin(seconds):
    end = time.perf_counter() + seconds
    while time.perf_counter() < end:
        pass


def child_fork(seconds):
    spin(seconds)


def child_mp_fork(seconds):
    spin(seconds)


def child_mp_spawn(seconds):
    spin(seconds)


def child_subprocess(seconds):
    spin(seconds)


def child_exec(seconds):
    spin(seconds)


def child_brief(seconds):
    spin(seconds)


def fork(seconds, count):
    pids = []
    for _ in range(count):
        pid = os.fork()
        if pid == 0:
            try:
                child_fork(seconds)
            finally:
                os._exit(0)
        pids.append(pid)
    for pid in pids:
        os.waitpid(pid, 0)


def multiprocess(method, function, seconds, count):
    context = multiprocessing.get_context(method)
    processes = [context.Process(target=function, args=(seconds,)) for _ in range(count)]
    for process in processes:
        process.start()
    for process in processes:
        process.join()


def command(way, seconds):
    # -S -E: a bare interpreter starts in about 15 ms
    return [sys.executable, "-S", "-E", os.path.abspath(__file__), "--as", way, str(seconds)]


def main():
    if sys.argv[1] == "--as":
        globals()["child_" + sys.argv[2]](float(sys.argv[3]))
        return
    way = sys.argv[1]
    seconds = float(sys.argv[2]) if len(sys.argv) > 2 else 1.0
    count = int(sys.argv[3]) if len(sys.argv) > 3 else 2
    if way == "fork":
        fork(seconds, count)
    elif way == "mp_fork":
        multiprocess("fork", child_mp_fork, seconds, count)
    elif way == "mp_spawn":
        multiprocess("spawn", child_mp_spawn, seconds, count)
    elif way in ("subprocess", "brief"):
        for _ in range(count):
            subprocess.check_call(command(way, seconds))
    elif way == "exec":
        print("truth: " + json.dumps({"children": {"user": seconds, "system": 0}}), flush=True)
        os.execv(sys.executable, command(way, seconds))
    else:
        sys.exit("no such way: " + way)
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    print("truth: " + json.dumps({"children": {"user": usage.ru_utime, "system": usage.ru_stime}}))


if __name__ == "__main__":
    main()
