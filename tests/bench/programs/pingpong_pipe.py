# SPDX-License-Identifier: Apache-2.0
"""The same through two pipes: every turn is also a system call each way. One loop is 1000 hand-overs."""

import os
import threading

# On one CPU: across two, luck with the GIL decides whether a hand-over takes 10 us or 5 ms.
os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
turns = int(os.environ["BENCH_LOOPS"]) * 500
ping, pong = os.pipe(), os.pipe()


def player(source, sink):
    for _ in range(turns):
        os.read(source, 1)
        os.write(sink, b"x")


second = threading.Thread(target=player, args=(pong[0], ping[1]))
second.start()
os.write(ping[1], b"x")
player(ping[0], pong[1])
second.join()
