#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What watching a whole machine costs: crowd.py [--seconds S] [--rates 19,99] [--processes N] [--threads N] [--short PER_MINUTE].

Runs tests/targets/crowd.py, watches with `record -a`, and prints, per rate, the profiler's own CPU time and that of its BPF programs as a share of the
machine, its memory after the first minute and at the end, and, of another run of 20 s, which part of the samples of Python code has names.
"""

import argparse
import json
import os
import pathlib
import signal
import subprocess
import sys
import tempfile
import time

HERE = pathlib.Path(__file__).resolve().parent
BINARY = os.environ.get("FIXINGAHOLE", str(HERE.parents[1] / "build" / "fixingahole"))
STATS = pathlib.Path("/proc/sys/kernel/bpf_stats_enabled")


def own_seconds(pid):
    words = pathlib.Path("/proc/%d/stat" % pid).read_text().rsplit(")", 1)[1].split()
    return (int(words[11]) + int(words[12])) / os.sysconf("SC_CLK_TCK")


def resident(pid):
    for line in pathlib.Path("/proc/%d/status" % pid).read_text().splitlines():
        if line.startswith("VmRSS"):
            return int(line.split()[1]) / 1024
    return 0


def bpf_seconds():
    """Of the programs that are loaded now. None: bpftool is not there."""
    try:
        shown = json.loads(subprocess.run(["bpftool", "-j", "prog", "show"], stdout=subprocess.PIPE, check=True).stdout)
    except (OSError, subprocess.CalledProcessError, ValueError):
        return None
    return sum(program.get("run_time_ns", 0) for program in shown) / 1e9


def start_crowd(options, seconds):
    crowd = subprocess.Popen([options.python, str(HERE.parent / "targets" / "crowd.py"), str(options.processes), str(options.threads), str(options.short), str(seconds)], stdout=subprocess.DEVNULL)
    time.sleep(8)
    return crowd


def named(options, rate):
    """Samples that were taken before a process's interpreter was known count as such without a name."""
    crowd = start_crowd(options, 30)
    window = json.loads(subprocess.run([BINARY, "record", "-a", "--rate", str(rate), "--seconds", "20", "--json"], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, check=True).stdout)
    crowd.wait()
    of = window["python_samples"] - window["frameless_samples"]
    unseen = sum(process["unseen_samples"] for process in window["processes"] if process.get("interpreter"))
    print("of %d samples of Python code %d are named (%.2f %%), %d were taken before the interpreter was known" % (of, window["named_samples"], 100 * window["named_samples"] / max(of, 1), unseen))


def watch(options, rate, folder):
    command = [BINARY, "record", "-a", "--rate", str(rate), "--interval", str(options.interval), "--output", str(folder)]
    crowd = start_crowd(options, options.seconds + 15)
    profiler = subprocess.Popen(command, stderr=subprocess.PIPE, universal_newlines=True)
    time.sleep(3)
    begin, cpu, bpf, sizes = time.monotonic(), own_seconds(profiler.pid), bpf_seconds(), []
    while time.monotonic() < begin + options.seconds and profiler.poll() is None:
        time.sleep(1)
        sizes.append(resident(profiler.pid))
    passed = time.monotonic() - begin
    cpu, bpf_after = own_seconds(profiler.pid) - cpu, bpf_seconds()
    profiler.send_signal(signal.SIGINT)
    said = profiler.communicate()[1]
    crowd.wait()
    machine = passed * os.cpu_count()
    first = sizes[min(60, len(sizes) - 1)]
    print("rate %d Hz, %.0f s: own CPU %.2f %% of the machine" % (rate, passed, 100 * cpu / machine), end="")
    if bpf is not None and bpf_after is not None:
        print(", BPF programs %.2f %%" % (100 * (bpf_after - bpf) / machine), end="")
    print("; resident %.1f MB after %d s, %.1f MB at the end (%.1f highest)" % (first, min(60, len(sizes) - 1), sizes[-1], max(sizes)))
    print(said.strip())


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=int, default=60)
    parser.add_argument("--rates", default="19,99")
    parser.add_argument("--processes", type=int, default=200)
    parser.add_argument("--threads", type=int, default=1000)
    parser.add_argument("--short", type=int, default=2000)
    parser.add_argument("--interval", type=float, default=10)
    parser.add_argument("--python", default="/usr/bin/python3")
    options = parser.parse_args()
    before = STATS.read_text() if STATS.exists() else None
    try:
        if before is not None:
            STATS.write_text("1")
        for rate in options.rates.split(","):
            with tempfile.TemporaryDirectory() as folder:
                watch(options, int(rate), folder)
            named(options, int(rate))
    finally:
        if before is not None:
            STATS.write_text(before)


main()
