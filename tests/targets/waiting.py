# SPDX-License-Identifier: Apache-2.0
"""A process that waits, one way at a time: waiting.py WAY [seconds].

The line that is to be charged ends in `# line: NAME`; the truth names it, with its seconds by the wall clock.
"""

import json
import os
import queue
import select
import socket
import subprocess
import sys
import tempfile
import threading
import time


def in_child(function, *arguments):
    """Runs function in a forked child; returns its pid."""
    pid = os.fork()
    if pid == 0:
        try:
            function(*arguments)
        finally:
            os._exit(0)
    return pid


def nap(seconds):
    time.sleep(seconds)  # line: nap


def join(seconds):
    """The worker makes progress first, so the wait is its line's; main's join must not get it a second time."""
    worker = threading.Thread(target=nap, args=(seconds,))
    worker.start()
    worker.join()  # line: join
    return "nap"


def pool(seconds):
    """Idle threads beside a busy one: the process runs, nobody waits."""
    work = queue.Queue()

    def idle():
        while work.get() is not None:  # line: idle
            pass

    threads = [threading.Thread(target=idle) for _ in range(16)]
    for thread in threads:
        thread.start()
    end = time.perf_counter() + seconds
    while time.perf_counter() < end:  # line: busy
        pass
    for _ in threads:
        work.put(None)
    for thread in threads:
        thread.join()
    return "busy"


def child(seconds):
    subprocess.call(["sleep", str(seconds)])  # line: child
    return "child"


def wait4(seconds):
    pid = in_child(nap, seconds)
    os.waitpid(pid, 0)  # line: wait4
    return "wait4"


def recv(seconds):
    server = socket.socket()
    server.bind(("127.0.0.1", 0))
    server.listen(1)

    def serve():
        peer, _ = server.accept()
        nap(seconds)
        peer.send(b"x")

    pid = in_child(serve)
    client = socket.create_connection(server.getsockname())
    client.recv(1)  # line: recv
    os.waitpid(pid, 0)
    return "recv"


def pipe(seconds):
    reading, writing = os.pipe()

    def write():
        nap(seconds)
        os.write(writing, b"x")

    pid = in_child(write)
    os.read(reading, 1)  # line: pipe
    os.waitpid(pid, 0)
    return "pipe"


def connect(seconds):
    """A connect that must wait until the server has taken the one before."""
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "socket")
        server = socket.socket(socket.AF_UNIX)
        server.bind(path)
        server.listen(0)
        first, second = socket.socket(socket.AF_UNIX), socket.socket(socket.AF_UNIX)
        first.connect(path)

        def accept():
            nap(seconds)
            server.accept()

        pid = in_child(accept)
        second.connect(path)  # line: connect
        os.waitpid(pid, 0)
    return "connect"


def poll(seconds):
    reading, _ = os.pipe()
    poller = select.poll()
    poller.register(reading, select.POLLIN)
    poller.poll(int(seconds * 1000))  # line: poll
    return "poll"


def lock(seconds):
    held = threading.Lock()
    held.acquire()
    held.acquire(timeout=seconds)  # line: lock
    return "lock"


def sleep(seconds):
    time.sleep(seconds)  # line: sleep
    return "sleep"


def handover(seconds):
    """Sleeps amid hand-overs of a token to another thread, of which there are too many to look at each."""
    os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
    ping, pong, pause, turns = threading.Lock(), threading.Lock(), 0.02, 1500
    rounds = int(seconds / pause)
    pong.acquire()

    def player():
        for _ in range(rounds * turns):
            pong.acquire()
            ping.release()

    other = threading.Thread(target=player)
    other.start()
    for _ in range(rounds):
        for _ in range(turns):
            ping.acquire()
            pong.release()
        time.sleep(pause)  # line: handover
    other.join()
    return "handover"


def crowded(seconds):
    """The same, where the hand-overs are in more places than are remembered."""
    os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
    ping, pong, pause, turns = threading.Lock(), threading.Lock(), 0.02, 1500
    rounds = int(seconds / pause)
    pong.acquire()

    def acquire(lock, depth):
        return acquire(lock, depth - 1) if depth else lock.acquire()

    def player():
        for n in range(rounds * turns):
            acquire(pong, n % 40)
            ping.release()

    other = threading.Thread(target=player)
    other.start()
    for _ in range(rounds):
        for n in range(turns):
            acquire(ping, n % 40)
            pong.release()
        time.sleep(pause)  # line: crowded
    other.join()
    return "crowded"


WAYS = [handover, crowded, sleep, join, pool, child, wait4, recv, pipe, connect, poll, lock]


def main():
    ways = dict((way.__name__, way) for way in WAYS)
    seconds = float(sys.argv[2]) if len(sys.argv) > 2 else 2.0
    start = time.perf_counter()
    line = ways[sys.argv[1]](seconds)
    elapsed = time.perf_counter() - start
    print("truth: " + json.dumps({"line": line, "seconds": seconds, "elapsed": elapsed}))


if __name__ == "__main__":
    main()
