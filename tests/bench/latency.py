#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What requests to a web server notice of a profiler that is attached to it: latency.py [--rounds N] [--phase S] [--per-second R] [--rates 99,1000].

tests/targets/web.py answers with four workers; requests come at random moments, whether the ones before were answered or not, and their time
counts from the moment when they should have been sent. Phases with and without the profiler alternate, in random order. Prints the median and the
99th percentile of all requests of a kind, and how far each lies above those without; the range is that of nine in ten resamplings of the rounds.
"""

import argparse
import os
import pathlib
import random
import selectors
import signal
import socket
import subprocess
import sys
import time

HERE = pathlib.Path(__file__).resolve().parent
BINARY = os.environ.get("FIXINGAHOLE", str(HERE.parents[1] / "build" / "fixingahole"))
REQUEST = b"GET /numbers HTTP/1.0\r\n\r\n"


def load(port, seconds, per_second):
    """The time of each request, in seconds."""
    selector, times, waiting = selectors.DefaultSelector(), [], 0
    end = time.monotonic() + seconds
    due = time.monotonic() + random.expovariate(per_second)
    while due < end or waiting:
        pause = due - time.monotonic() if due < end else 1
        if pause <= 0:
            client = socket.create_connection(("127.0.0.1", port))
            client.sendall(REQUEST)
            selector.register(client, selectors.EVENT_READ, due)
            waiting += 1
            due += random.expovariate(per_second)
            continue
        for key, _ in selector.select(pause):
            if not key.fileobj.recv(65536):
                times.append(time.monotonic() - key.data)
                selector.unregister(key.fileobj)
                key.fileobj.close()
                waiting -= 1
    return times


def phase(port, server, rate, options):
    profiler = None
    if rate:
        command = [BINARY, "profile", "--pid", str(server), "--rate", str(rate), "-q", "-o", "/tmp/fixingahole-latency"]
        profiler = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    time.sleep(1.5)  # to attach; the same pause without
    if profiler and profiler.poll() is not None:
        sys.exit("the profiler ended with %d" % profiler.returncode)
    times = load(port, options.phase, options.per_second)
    if profiler:
        profiler.send_signal(signal.SIGINT)
        if profiler.wait():
            sys.exit("the profiler ended with %d" % profiler.returncode)
    return times


def percentile(rounds, share):
    times = sorted(one for times in rounds for one in times)
    return times[min(len(times) - 1, int(share * len(times)))]


def compare(alone, ours, share):
    """How far ours lie above those alone, and the range of nine in ten resamplings of the rounds, as ratios."""
    ratios = []
    for _ in range(300):
        chosen = random.choices(range(len(alone)), k=len(alone))
        ratios.append(percentile([ours[i] for i in chosen], share) / percentile([alone[i] for i in chosen], share))
    ratios.sort()
    return percentile(ours, share) / percentile(alone, share), ratios[15], ratios[284]


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--rounds", type=int, default=12)
    parser.add_argument("--phase", type=float, default=4)
    parser.add_argument("--per-second", type=float, default=100)
    parser.add_argument("--rates", default="99,1000")
    parser.add_argument("--python", default="/usr/bin/python3")
    options = parser.parse_args()
    kinds = [0] + [int(rate) for rate in options.rates.split(",")]
    server = subprocess.Popen([options.python, str(HERE.parent / "targets" / "web.py"), "4"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, start_new_session=True)
    port = int(server.stdout.readline())
    load(port, 1, options.per_second)
    rounds = {kind: [] for kind in kinds}
    for _ in range(options.rounds):
        for kind in random.sample(kinds, len(kinds)):
            rounds[kind].append(phase(port, server.pid, kind, options))
    server.stdin.close()
    server.wait()
    for kind in kinds:
        line = "%-8s %6d requests, median %.3f ms, 99th percentile %.3f ms" % (
            "%d Hz" % kind if kind else "alone", sum(map(len, rounds[kind])), 1e3 * percentile(rounds[kind], 0.5), 1e3 * percentile(rounds[kind], 0.99))
        if kind:
            line += "; above alone %.3f [%.3f-%.3f] and %.3f [%.3f-%.3f]" % (*compare(rounds[0], rounds[kind], 0.5), *compare(rounds[0], rounds[kind], 0.99))
        print(line)


main()
