# SPDX-License-Identifier: Apache-2.0
"""Two threads hand a token to and fro through locks, with some work before each hand-over: about 50,000 hand-overs a second on the
machine this was set on, and three times as many switches, since each also wakes somebody who waits for the GIL. One loop is
1000 hand-overs."""

import os
import threading

# On one CPU: across two, luck with the GIL decides whether a hand-over takes 10 us or 5 ms.
os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
turns = int(os.environ["BENCH_LOOPS"]) * 500
WORK = 1750  # turns of an empty loop
ping, pong = threading.Lock(), threading.Lock()
pong.acquire()


def player(mine, other):
    for _ in range(turns):
        mine.acquire()
        for _ in range(WORK):
            pass
        other.release()


second = threading.Thread(target=player, args=(pong, ping))
second.start()
player(ping, pong)
second.join()
