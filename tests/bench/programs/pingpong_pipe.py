# SPDX-License-Identifier: Apache-2.0
"""The same through two pipes: every hand-over is one switch and a system call each way, about 50,000 a second on the machine this was
set on. One loop is 1000 hand-overs."""

import os
import threading

# On one CPU: across two, luck with the GIL decides whether a hand-over takes 10 us or 5 ms.
os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
turns = int(os.environ["BENCH_LOOPS"]) * 500
WORK = 2400  # turns of an empty loop
ping, pong = os.pipe(), os.pipe()


def player(source, sink):
    for _ in range(turns):
        os.read(source, 1)
        for _ in range(WORK):
            pass
        os.write(sink, b"x")


second = threading.Thread(target=player, args=(pong[0], ping[1]))
second.start()
os.write(ping[1], b"x")
player(ping[0], pong[1])
second.join()
