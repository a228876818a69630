# SPDX-License-Identifier: Apache-2.0
"""
What profiling costs, side by side with others. As root: bench.py [--quick] [--programs A,B] [--peers A,B] [--rounds N].

Each round runs every way of profiling in random order with a run of the program alone before and after each;
a way's ratio is its time to the mean of those two, so that slow drift of the machine falls out. The time is the
program's own (begin to end of its work, without the interpreter's start), by the wall clock; `cpu` is the same by
its CPU clock, which other load disturbs less. Beside `ours` stands `timer`: the same timer with an empty BPF program,
so that what the machine's timer interrupt costs (2 to 3 % in a VM) can be told from what we cost.

A full run takes about half an hour, --quick one or two minutes. Programs come from pyperformance, run in one process without pyperf. They and the peers are installed from PyPI into a
virtual environment under ${XDG_CACHE_HOME:-~/.cache}/fixingahole/bench; what cannot be installed is left out, and said.
"""

import argparse
import json
import os
import random
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import threading
import time

HERE = os.path.dirname(os.path.abspath(__file__))
REPOSITORY = os.path.dirname(os.path.dirname(HERE))
STATS = "/proc/sys/kernel/bpf_stats_enabled"
PYPERFORMANCE = ["fannkuch", "raytrace", "pprint", "mdp", "async_tree", "docutils", "sympy", "json_dumps", "json_loads"]
OWN = ["numpy_large", "numpy_tiny", "pingpong", "pingpong_pipe", "printer"]
# austin 4 wants a newer C library than Debian 12 has: then the one before.
PACKAGES = {
    "pyperformance": [["pyperformance", "docutils", "sympy"]],
    "numpy": [["numpy"]],
    "py-spy": [["py-spy"]],
    "austin": [["austin-dist"], ["austin-dist<4"]],
    "scalene": [["scalene"]],
    "memray": [["memray"]],
}
ARGUMENTS = {"async_tree": ["none"]}  # of benchmark scripts that want some
PEERS = ["py-spy", "austin", "scalene", "memray"]


OURS = ["timer 1000", "ours 1000", "ours 100"]
PEER_ROUNDS = 3  # theirs are far enough from 1


def say(text):
    print(text, file=sys.stderr, flush=True)


def quiet(command, **kwargs):
    return subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, **kwargs).returncode


class Environment:
    """The virtual environment: what is asked for gets installed when first missed."""

    def __init__(self):
        cache = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")
        self.folder = os.path.join(cache, "fixingahole/bench")
        self.python = os.path.join(self.folder, "bin/python")
        if quiet([self.python, "-c", "import pip"] if os.path.exists(self.python) else ["false"]) != 0:
            say("making a virtual environment in " + self.folder)
            subprocess.check_call(["/usr/bin/python3", "-m", "venv", "--clear", self.folder], stdout=subprocess.DEVNULL)

    def tool(self, name):
        return os.path.join(self.folder, "bin", name)

    def works(self, name):
        if name == "pyperformance":
            return quiet([self.python, "-c", "import pyperformance, docutils, sympy"]) == 0
        if name == "numpy":
            return quiet([self.python, "-c", "import numpy"]) == 0
        return os.path.exists(self.tool(name)) and quiet([self.tool(name), "--help"]) == 0

    def provide(self, name):
        """True if it is there, or could be installed and runs."""
        if self.works(name):
            return True
        for packages in PACKAGES[name]:
            say("installing " + " ".join(packages))
            if quiet([self.tool("pip"), "install", "-q", *packages]) == 0 and self.works(name):
                return True
        say("left out: %s (cannot be installed, or does not run here)" % name)
        return False

    def version(self, name):
        package = "austin-dist" if name == "austin" else name
        code = "import sys, importlib.metadata as m; print(m.version(sys.argv[1]))"
        return subprocess.check_output([self.python, "-c", code, package], universal_newlines=True).strip()

    def script(self, program):
        """(path, arguments)"""
        if program in OWN:
            return os.path.join(HERE, "programs", program + ".py"), []
        code = "import os, pyperformance; print(os.path.dirname(pyperformance.__file__))"
        base = subprocess.check_output([self.python, "-c", code], universal_newlines=True).strip()
        return os.path.join(base, "data-files/benchmarks/bm_%s/run_benchmark.py" % program), ARGUMENTS.get(program, [])


def alone(command, folder):
    return command, {}


def commands(environment, binary, peers):
    """{way: function(python command, scratch folder) -> (command, environment)}; the first is the program alone."""

    def ours(rate, env=None):
        def make(command, folder):
            python, *script = command
            return [binary, "profile", "-q", "--python", python, "--rate", str(rate), "-o", os.path.join(folder, "out"), script[0], "--", *script[1:]], env or {}

        return make

    ways = {"alone": alone}
    if binary:
        ways["timer 1000"] = ours(1000, {"FIXINGAHOLE_BENCH_EMPTY": "1"})
        ways["ours 1000"] = ours(1000)
        ways["ours 100"] = ours(100)
    for rate in (100, 1000):
        if "py-spy" in peers:
            ways["py-spy %d" % rate] = lambda command, folder, rate=rate: (
                [environment.tool("py-spy"), "record", "-r", str(rate), "-f", "raw", "-o", os.path.join(folder, "py-spy"), "--", *command],
                {},
            )
        if "austin" in peers:
            ways["austin %d" % rate] = lambda command, folder, rate=rate: (
                [environment.tool("austin"), "-i", "%dus" % (1000000 // rate), "-o", os.path.join(folder, "austin"), *command],
                {},
            )
    if "scalene" in peers:
        ways["scalene"] = lambda command, folder: (
            [command[0], "-m", "scalene", "run", "--cpu-only", "-o", os.path.join(folder, "scalene.json"), command[1], "---", *command[2:]],
            {},
        )
    if "memray" in peers:
        ways["memray"] = lambda command, folder: (
            [command[0], "-m", "memray", "run", "-q", "-f", "-o", os.path.join(folder, "memray"), *command[1:]],
            {},
        )
    return ways


class Run:
    """One run of a program under one way."""

    def __init__(self, make, environment, script, loops, stats=False):
        self.problem = None
        with tempfile.TemporaryDirectory(prefix="fixingahole-bench-") as folder:
            record = os.path.join(folder, "record")
            path, arguments = script
            command, env = make([environment.python, os.path.join(HERE, "driver.py"), path, str(loops), record, *arguments], folder)
            env = dict(os.environ, FIXINGAHOLE_ROOT=os.path.dirname(path), **env)
            with open(os.path.join(folder, "chatter"), "w+") as chatter:
                start = time.monotonic()
                process = subprocess.Popen(command, cwd=folder, env=env, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=chatter)
                watch = Watch(process, record + ".pid") if stats else None
                _, status, usage = os.wait4(process.pid, 0)
                stop = time.monotonic()
                process.returncode = status
                if watch:
                    watch.stop()
                    self.programs, self.target_cpu = watch.programs, watch.target_cpu
                chatter.seek(0)
                if not os.path.exists(record):
                    self.problem = "status %d: %s" % (status, chatter.read()[-300:].strip().replace("\n", " | "))
                    return
            with open(record) as f:
                times = json.load(f)
            self.seconds = times["end"] - times["begin"]
            self.cpu = times["cpu"]
            self.before = times["begin"] - start
            self.after = stop - times["end"]
            self.own = self.own_cost(folder)
            # For peers: all that was reaped, less the program itself.
            self.beside = max(0.0, usage.ru_utime + usage.ru_stime - self.cpu)

    @staticmethod
    def own_cost(folder):
        """What our profiler says of itself: (CPU seconds, bytes)."""
        for path, _, files in os.walk(os.path.join(folder, "out")):
            if "profile_details.json" in files:
                with open(os.path.join(path, "profile_details.json")) as f:
                    own = json.load(f).get("profiler", {})
                if "cpu_s" in own:
                    return own["cpu_s"], own.get("max_rss_bytes", 0)
        return None


class Watch:
    """Reads the kernel's BPF statistics of the programs that appear while a run goes on, and the target's CPU time with them."""

    def __init__(self, process, pid_file):
        self.process, self.pid_file = process, pid_file
        self.before = {program["id"] for program in self.list()}
        self.programs, self.target_cpu = {}, 0.0
        self.ended = threading.Event()
        self.thread = threading.Thread(target=self.loop)
        self.thread.start()

    @staticmethod
    def list():
        run = subprocess.run(["bpftool", "-j", "prog", "show"], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env=dict(os.environ, PATH=os.environ["PATH"] + ":/usr/sbin"))
        try:
            return [program for program in json.loads(run.stdout) if "id" in program]
        except ValueError:
            return []

    def cpu(self):
        try:
            with open(self.pid_file) as f:
                pid = f.read()
            with open("/proc/%s/stat" % pid) as f:
                fields = f.read().rsplit(")", 1)[1].split()
        except OSError:
            return None
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def loop(self):
        while not self.ended.wait(0.2):
            cpu = self.cpu()
            seen = {}
            for program in self.list():
                holders = [holder["pid"] for holder in program.get("pids", [])]  # not every bpftool tells
                if program["id"] not in self.before and program.get("run_cnt") and (not holders or self.process.pid in holders):
                    count, ns = seen.get(program.get("name"), (0, 0))
                    seen[program.get("name")] = count + program["run_cnt"], ns + program["run_time_ns"]
            if cpu and seen:
                self.programs, self.target_cpu = seen, cpu

    def stop(self):
        self.ended.set()
        self.thread.join()


class Statistics:
    """kernel.bpf_stats_enabled, on within the block and as before after it."""

    def __enter__(self):
        with open(STATS) as f:
            self.before = f.read()
        with open(STATS, "w") as f:
            f.write("1\n")

    def __exit__(self, *_):
        with open(STATS, "w") as f:
            f.write(self.before)


def calibrate(environment, script, seconds):
    """The number of loops that take about that long alone. None, with the reason said: it does not run."""
    loops, first = 1, None
    while True:
        run = Run(alone, environment, script, loops)
        if run.problem:
            say("left out: %s: %s" % (script[0], run.problem))
            return None
        first = first or run.seconds
        if loops == 1 and run.seconds >= seconds / 2:
            return max(1, round(seconds / run.seconds))
        if run.seconds >= seconds / 2:
            # The first loop carries the imports.
            return max(1, 1 + round((seconds - first) * (loops - 1) / (run.seconds - first)))
        loops *= 3


def measure(environment, ways, script, loops, rounds, progress):
    """{way: [(ratio, CPU ratio, Run, mean seconds after the end alone)]}, and problems {way: text}."""
    results = {way: [] for way in ways}
    problems = {}
    for n in range(rounds):
        order = [way for way in ways if way != "alone" and way not in problems and (n < PEER_ROUNDS or way in OURS)]
        if not order:
            break
        random.shuffle(order)
        before = Run(ways["alone"], environment, script, loops)
        results["alone"].append((1.0, 1.0, before, before.after))
        for way in order:
            run = Run(ways[way], environment, script, loops)
            after = Run(ways["alone"], environment, script, loops)
            if run.problem:
                problems[way] = run.problem
            else:
                mean = (before.seconds + after.seconds) / 2
                mean_cpu = (before.cpu + after.cpu) / 2
                results[way].append((run.seconds / mean, run.cpu / mean_cpu, run, (before.after + after.after) / 2))
            results["alone"].append((1.0, 1.0, after, after.after))
            before = after
            progress()
    return results, problems


def quartiles(values):
    if len(values) < 2:
        return values[0], values[0], values[0]
    first, median, third = statistics.quantiles(values, n=4, method="inclusive")
    return first, median, third


def row(way, results, timer):
    """One line of the table; timer: the ratios of the empty timer in the same rounds, if there are some."""
    first, median, third = quartiles([r[0] for r in results])
    cpu = statistics.median(r[1] for r in results)
    runs = [r[2] for r in results]
    cells = ["%-11s" % way, "%7.3f" % median, "[%.3f-%.3f]" % (first, third), "%7.3f" % cpu]
    if timer:
        cells.append("%9.3f" % statistics.median(r[0] / t[0] for r, t in zip(results, timer)))
    else:
        cells.append(" " * 9)
    cells.append("%8.3f" % statistics.median(run.seconds for run in runs))
    own = [run.own for run in runs if run.own]
    if own:
        cells.append("%7.3f s" % statistics.median(c for c, _ in own))
        cells.append("%6.1f MB" % (max(bytes for _, bytes in own) / (1 << 20)))
    elif way != "alone":
        cells.append("%7.3f*s" % statistics.median(run.beside for run in runs))
        cells.append(" " * 9)
    else:
        cells += [" " * 9, " " * 9]
    cells.append("%7.3f" % max(0.0, statistics.median(run.after - alone for _, _, run, alone in results)))
    return "  ".join(cells)


HEADER = "%-11s  %7s  %-13s  %7s  %9s  %8s  %9s  %9s  %7s" % ("", "ratio", "[quartiles]", "cpu", "to timer", "seconds", "own CPU", "own RSS", "to end")


def table(program, loops, results, problems):
    rounds = max(len(runs) for way, runs in results.items() if way != "alone")
    print("\n%s (%d loops, %d rounds)\n%s" % (program, loops, rounds, HEADER))
    for way, runs in results.items():
        if way in problems:
            print("%-11s  failed: %s" % (way, problems[way]))
        elif runs:
            print(row(way, runs, results.get("timer 1000") if way == "ours 1000" else None))
    sys.stdout.flush()


def totals(everything):
    """Per way over all programs: median and worst of the medians."""
    print("\n%-11s  %7s  %7s  (%d programs)" % ("over all", "median", "worst", len(everything)))
    ways = next(iter(everything.values()))
    for way in ways:
        if way == "alone":
            continue
        medians = {program: statistics.median(r[0] for r in results[way]) for program, results in everything.items() if results[way]}
        if medians:
            worst = max(medians, key=medians.get)
            print("%-11s  %7.3f  %7.3f  %s" % (way, statistics.median(medians.values()), medians[worst], worst))
    above = {
        program: statistics.median(r[0] / t[0] for r, t in zip(results["ours 1000"], results["timer 1000"]))
        for program, results in everything.items()
        if results.get("ours 1000") and results.get("timer 1000")
    }
    if above:
        worst = max(above, key=above.get)
        print("%-11s  %7.3f  %7.3f  %s" % ("above timer", statistics.median(above.values()), above[worst], worst))
    sys.stdout.flush()


def exact(environment, ways, scripts):
    """Runs x nanoseconds per BPF program, by the kernel's own count."""
    print("\nBPF programs, counted by the kernel: their time / the program's CPU time\n%-14s %-10s %9s  %s" % ("", "", "share", "runs x ns per program"))
    with Statistics():
        for program, (script, loops) in scripts.items():
            for way in ("ours 1000", "ours 100"):
                run = Run(ways[way], environment, script, loops, stats=True)
                if run.problem or not run.programs:
                    print("%-14s %-10s no statistics %s" % (program, way, run.problem or ""))
                    continue
                total = sum(ns for _, ns in run.programs.values()) / 1e9
                parts = ", ".join("%s %d x %.0f" % (name, count, ns / count) for name, (count, ns) in sorted(run.programs.items(), key=lambda item: -item[1][1]))
                print("%-14s %-10s %7.3f %%  %s" % (program, way, 100 * total / run.target_cpu, parts))
                sys.stdout.flush()


def minute(environment, ways, script, loops, seconds):
    """What we take ourselves once the start no longer matters: one run of a minute."""
    run = Run(ways["ours 1000"], environment, script, max(1, round(loops * 60 / seconds)))
    if run.problem or not run.own:
        print("\na run of a minute: %s" % (run.problem or "the profiler does not say what it took"))
        return
    cpu, rss = run.own
    print("\na run of %.0f s at 1000 Hz: own CPU %.2f %% of one core (%.3f s), own RSS %.1f MB, %.3f s from the program's end to the prompt" % (run.seconds, 100 * cpu / run.seconds, cpu, rss / (1 << 20), run.after))
    sys.stdout.flush()


def parse():
    parser = argparse.ArgumentParser(description="What profiling costs, side by side with others.")
    parser.add_argument("--quick", action="store_true", help="3 rounds of half a second, four programs, py-spy only")
    parser.add_argument("--programs", help="comma-separated: %s" % ", ".join(PYPERFORMANCE + OWN))
    parser.add_argument("--peers", help="comma-separated, or none: %s" % ", ".join(PEERS))
    parser.add_argument("--rounds", type=int, help="default 7; peers take part in the first 3")
    parser.add_argument("--seconds", type=float, help="of one run alone, default 1")
    options = parser.parse_args()
    options.rounds = options.rounds or (3 if options.quick else 7)
    options.seconds = options.seconds or (0.5 if options.quick else 1.0)
    split = lambda text: [word for word in text.split(",") if word and word != "none"]
    programs = split(options.programs) if options.programs else (["fannkuch", "json_dumps", "numpy_tiny", "pingpong"] if options.quick else PYPERFORMANCE + OWN)
    peers = split(options.peers) if options.peers is not None else (["py-spy"] if options.quick else PEERS)
    for name, known in [(p, PYPERFORMANCE + OWN) for p in programs] + [(p, PEERS) for p in peers]:
        if name not in known:
            parser.error("no such program or peer: %s" % name)
    return options, programs, peers


def profiler():
    """The binary, or None with the reason said."""
    binary = os.path.abspath(os.environ.get("FIXINGAHOLE", os.path.join(REPOSITORY, "build/fixingahole")))
    if not os.access(binary, os.X_OK):
        say("left out: ourselves (no profiler at %s)" % binary)
        return None
    if os.geteuid() != 0:
        say("left out: ourselves (not root)")
        return None
    return binary


def main():
    options, programs, peers = parse()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # so that what is switched on is switched off
    environment = Environment()
    if any(program in PYPERFORMANCE for program in programs) and not environment.provide("pyperformance"):
        programs = [program for program in programs if program in OWN]
    if not environment.provide("numpy"):
        programs = [program for program in programs if "numpy" not in program]
    peers = [peer for peer in peers if environment.provide(peer)]
    binary = profiler()
    if not binary and not peers:
        say("nothing to measure")
        return 1
    ways = commands(environment, binary, peers)
    print("Linux %s, %d CPUs, Python %s; %s" % (
        os.uname().release,
        os.cpu_count(),
        subprocess.check_output([environment.python, "-c", "import platform; print(platform.python_version())"], universal_newlines=True).strip(),
        ", ".join("%s %s" % (peer, environment.version(peer)) for peer in peers) or "no peers",
    ))
    print("ratio, cpu: the program's time to its time alone; to timer: to the empty timer; to end: seconds from the program's end to the prompt, more than alone\n"
          "own CPU: as the profiler says, most of it to start and to report; with *: all that was used beside the program, the interpreter's start included")
    everything, scripts = {}, {}
    for program in programs:
        script = environment.script(program)
        loops = calibrate(environment, script, options.seconds)
        if loops is None:
            continue
        done = [0]
        whole = sum(options.rounds if way in OURS else min(options.rounds, PEER_ROUNDS) for way in ways if way != "alone")

        def progress():
            done[0] += 1
            if sys.stderr.isatty():
                print("\r%s %d/%d " % (program, done[0], whole), end="", file=sys.stderr, flush=True)

        results, problems = measure(environment, ways, script, loops, options.rounds, progress)
        if sys.stderr.isatty():
            print("\r\033[K", end="", file=sys.stderr, flush=True)
        table(program, loops, results, problems)
        everything[program], scripts[program] = results, (script, loops)
    if everything:
        totals(everything)
    if binary and shutil.which("bpftool", path=os.environ["PATH"] + ":/usr/sbin"):
        exact(environment, ways, scripts)
    if binary and everything and not options.quick:
        minute(environment, ways, *next(iter(scripts.values())), options.seconds)
    return 0 if everything else 1


if __name__ == "__main__":
    sys.exit(main())
