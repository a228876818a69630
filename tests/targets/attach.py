# SPDX-License-Identifier: Apache-2.0
"""Runs until its standard input ends: attach.py SHAPE [ARGUMENT]. It says `ready`, and at the end the truth.

The shapes: shares (one function gets 25 % of the CPU time, its twin the rest), sleep (main thread and a helper, all along), churn (threads
that end all the time), children (a busy child each of fork and subprocess), call (a C function that runs for long), orphan (the main thread ends,
another one goes on), server (a web server with prefork workers), touch (touches more and more memory), hoard (keeps memory, but only after a while).
"""

import json
import os
import random
import subprocess
import sys
import threading
import time

thread_time = getattr(time, "thread_time", time.process_time)
ended = threading.Event()


def spin(n):
    total = 0
    for i in range(n):
        total = (total * 5 + i) & 0xFFFF
    return total


def direct(n):
    return spin_direct(n)


def spin_direct(n):
    total = 0
    for i in range(n):
        total = (total * 5 + i) & 0xFFFF
    return total


def until(function, deadline):
    while thread_time() < deadline:
        function(200)


def shares():
    generator = random.Random(7)
    rounds = 0
    while not ended.is_set():
        length = generator.uniform(0.0005, 0.004)
        until(direct, thread_time() + 0.25 * length)
        until(spin, thread_time() + 0.75 * length)
        rounds += 1
    return {"rounds": rounds, "check": spin(1000)}


def doze():
    time.sleep(1000)  # line: helper


def sleep():
    threading.Thread(target=doze, daemon=True).start()
    while not ended.is_set():
        ended.wait(1000)  # line: main
    return {}


def short_work():
    until(spin, thread_time() + 0.02)


def churn():
    n = 0
    while not ended.is_set():
        threads = [threading.Thread(target=short_work) for _ in range(2)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        n += 2
    return {"threads": n}


def in_child():
    while os.getppid() == parent:
        spin(1000)


def children():
    global parent
    parent = os.getpid()
    pid = os.fork()
    if not pid:
        in_child()
        os._exit(0)
    other = subprocess.Popen([sys.executable, __file__, "child"], stdin=subprocess.PIPE)
    ended.wait()
    other.kill()
    other.wait()
    os.kill(pid, 9)
    os.waitpid(pid, 0)
    return {}


def child():
    while True:
        spin(1000)


def call():
    os.environ["OPENBLAS_NUM_THREADS"] = "1"  # its workers have no Python line
    import numpy

    generator = numpy.random.default_rng(7)
    matrix = generator.random((int(sys.argv[2]), int(sys.argv[2])))
    ready()
    numpy.linalg.svd(matrix)  # line: call
    return {}


def keep_on():
    # the interpreter cannot end orderly without its main thread
    while not ended.is_set():
        spin(1000)
    os._exit(0)


def orphan():
    import ctypes

    threading.Thread(target=keep_on).start()
    ctypes.CDLL(None).pthread_exit(None)  # without the lock, which others need


def handle():
    return spin(20000)  # line: handle


def server():
    import http.server
    import socketserver

    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def do_GET(self):
            body = str(handle()).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *args):
            pass

    class Server(socketserver.ThreadingMixIn, http.server.HTTPServer):
        daemon_threads = True
        request_queue_size = 128

    listening = Server(("127.0.0.1", int(sys.argv[2])), Handler)
    workers = []
    for _ in range(4):
        pid = os.fork()
        if not pid:
            listening.serve_forever()
        workers.append(pid)
    ready()
    ended.wait()
    for pid in workers:
        os.kill(pid, 9)
        os.waitpid(pid, 0)
    return {}


def touch():
    kept = []
    while not ended.is_set():
        if len(kept) < 64:
            kept.append(bytearray(1 << 20))  # line: touch
        time.sleep(0.01)
    return {}


def hoard():
    """Begins to keep after three seconds, when somebody looks, and ends soon after."""
    time.sleep(3)
    kept = [bytes(1000) for _ in range(40000)]  # line: hoard
    large = bytearray(64 << 20)  # line: large
    ended.wait(1000)
    return {"hoard": sum(map(sys.getsizeof, kept)), "large": len(large)}


def watch():
    sys.stdin.read()
    ended.set()


def ready():
    print("ready", flush=True)


if __name__ == "__main__":
    if sys.argv[1] != "child":
        threading.Thread(target=watch, daemon=True).start()
    if sys.argv[1] not in ("call", "server", "child"):
        ready()
    print("truth: " + json.dumps(globals()[sys.argv[1]]()), flush=True)
