#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""
What sampling takes, measured within one process. As root: inside.py [--programs A,B] [--rounds N] [--seconds S] [--fixingahole PATH].

Two runs of one program differ by some percent for no other reason than where its memory lies, so bench.py needs very many of them to
see half a percent. Here each program runs once, doing its work again and again and noting how long each unit took, while in random order
a bare timer on every CPU (no program on it, nobody who reads it), ourselves at 1000 Hz and ourselves at 100 Hz come (attached) and go, each between
two phases with nothing. A unit counts if it lies within one phase; a phase is as good as the mean of its units, without the slowest twentieth. What
this leaves out is what only a launched program pays: the start-up hook, and the growth of memory before the first unit.
"""

import argparse
import ctypes
import os
import random
import signal
import statistics
import subprocess
import sys
import tempfile
import time

import figures
from measure import SAME, calibrate
from programs import HERE, NUMPY, OWN, PYPERFORMANCE, REPOSITORY, Environment, say

UNIT_SECONDS = 0.1
SETTLE_SECONDS = 0.5  # to attach; the same without
UNITS_MIN = 3
DEFAULT = PYPERFORMANCE + NUMPY + ["json_nested", "pingpong_pipe"]
SYS_PERF_EVENT_OPEN = 298


class Timer:
    """cpu-clock on every CPU, 1000 times a second."""

    def __enter__(self):
        libc = ctypes.CDLL(None, use_errno=True)
        # struct perf_event_attr, version 0: type 1 is software, config 0 its cpu-clock; bit 7 leaves idle CPUs out
        words = [1 | 64 << 32, 0, 1000000, 0, 0, 1 << 7, 0, 0]
        attr = (ctypes.c_uint64 * len(words))(*words)
        self.events = [libc.syscall(SYS_PERF_EVENT_OPEN, attr, -1, cpu, -1, 0) for cpu in range(os.cpu_count())]
        if min(self.events) < 0:
            raise OSError(ctypes.get_errno(), "perf_event_open")

    def __exit__(self, *_):
        for event in self.events:
            os.close(event)


class Ours:
    def __init__(self, binary, rate, pid, folder):
        self.command = [binary, "profile", "-q", "--pid", str(pid), "--rate", str(rate), "-o", os.path.join(folder, "out")]

    def __enter__(self):
        self.process = subprocess.Popen(self.command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)

    def __exit__(self, *_):
        self.process.send_signal(signal.SIGTERM)  # SIGINT is ignored in the background of a shell
        errors = self.process.communicate()[1]
        if self.process.returncode:
            raise RuntimeError("the profiler ended with %d: %s" % (self.process.returncode, errors))


class Nothing:
    def __enter__(self):
        pass

    def __exit__(self, *_):
        pass


class Program:
    """A benchmark at work, and what it has noted so far."""

    def __init__(self, environment, script, loops, folder):
        path, arguments = script
        self.path = os.path.join(folder, "units")
        command = [environment.python, os.path.join(HERE, "units.py"), path, self.path, *arguments]
        self.process = subprocess.Popen(command, cwd=folder, env=dict(os.environ, BENCH_LOOPS=str(loops), **SAME), stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
        self.wait(UNITS_MIN, 0)  # warm

    def units(self, begin, end):
        try:
            with open(self.path) as f:
                lines = [line.split() for line in f if line.endswith("\n")]
        except FileNotFoundError:
            return []
        return [seconds for at, seconds in ((float(a), float(b)) for a, b in lines) if at >= begin and at + seconds <= end]

    def wait(self, count, begin):
        while len(self.units(begin, float("inf"))) < count:
            if self.process.poll() is not None:
                raise RuntimeError("it ended with %d" % self.process.returncode)
            time.sleep(0.05)

    def phase(self, seconds):
        """Seconds of a unit now."""
        time.sleep(SETTLE_SECONDS)
        begin = time.monotonic()
        time.sleep(seconds)
        self.wait(UNITS_MIN, begin)
        units = sorted(self.units(begin, time.monotonic()))
        return statistics.mean(units[: max(1, len(units) * 19 // 20)])

    def end(self):
        self.process.kill()
        self.process.wait()


def measure(binary, program, folder, rounds, seconds):
    """{way: [ratio to nothing, per round]}"""
    pid = program.process.pid
    ways = {"timer": Timer(), "1000": Ours(binary, 1000, pid, folder), "100": Ours(binary, 100, pid, folder)}
    ratios = {way: [] for way in ways}
    before = program.phase(seconds)
    for _ in range(rounds):
        for way in random.sample(list(ways), len(ways)):
            with ways[way]:
                within = program.phase(seconds)
            after = program.phase(seconds)
            ratios[way].append(2 * within / (before + after))
            before = after
    return ratios


def row(name, lists):
    cells = ["%.4f [%.4f-%.4f]" % (median, first, third) for first, median, third in map(figures.quartiles, lists)]
    print("%-14s %s" % (name, "  ".join("%-24s" % cell for cell in cells)))
    sys.stdout.flush()


def main():
    parser = argparse.ArgumentParser(description="What sampling takes, measured within one process.")
    parser.add_argument("--programs", default=",".join(DEFAULT))
    parser.add_argument("--rounds", type=int, default=12)
    parser.add_argument("--seconds", type=float, default=1.2, help="of a phase, at least")
    parser.add_argument("--fixingahole", metavar="PATH", default=os.environ.get("FIXINGAHOLE", os.path.join(REPOSITORY, "build/fixingahole")))
    options = parser.parse_args()
    programs = options.programs.split(",")
    for name in programs:
        if name not in PYPERFORMANCE + OWN:
            parser.error("no such program: %s" % name)
    environment = Environment()
    if not all(environment.provide(name) for name in ("pyperformance", "numpy")):
        return 1
    found = []
    print("%-14s %-24s  %-24s  %-24s  %-24s" % ("", "timer", "ours 1000", "1000 above the timer", "ours 100"))
    for name in programs:
        script = environment.script(name)
        loops = calibrate(environment, script, UNIT_SECONDS)
        if loops is None:
            continue
        with tempfile.TemporaryDirectory(prefix="fixingahole-inside-") as folder:
            program = Program(environment, script, loops, folder)
            try:
                ratios = measure(options.fixingahole, program, folder, options.rounds, options.seconds)
            except (OSError, RuntimeError) as error:
                say("left out: %s: %s" % (name, error))
                continue
            finally:
                program.end()
        above = [ours / timer for ours, timer in zip(ratios["1000"], ratios["timer"])]
        found.append([ratios["timer"], ratios["1000"], above, ratios["100"]])
        row(name, found[-1])
    if found:
        medians = [[statistics.median(values) for values in column] for column in zip(*found)]
        print("%-14s %s" % ("median", "  ".join("%-24.4f" % statistics.median(column) for column in medians)))
        print("%-14s %s" % ("worst", "  ".join("%-24.4f" % max(column) for column in medians)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
