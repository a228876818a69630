# SPDX-License-Identifier: Apache-2.0
"""
What profiling costs, side by side with others. As root: bench.py [--quick] [--programs A,B] [--peers A,B] [--rounds N] [--fixingahole PATH].

Each round runs every way of profiling in random order with a run of the program alone before and after each (peers by threes);
a way's ratio is its time to the mean of those two, so that slow drift of the machine falls out. The time is the
program's own (begin to end of its work, without the interpreter's start), by the wall clock; `cpu` is the same by
its CPU clock, which other load disturbs less. Beside `ours` stands `timer`: the same timer with an empty BPF program,
so that what the machine's timer interrupt costs (2 to 3 % in a VM) can be told from what we cost; the two run next to each
other in each round, and `above timer` is the median of their quotients. `ours -m` is `ours 1000` with --memory, run next to it; `-m above` is
what it takes more, and `more RSS` the memory that the program itself needs more than alone.

Conditions are the same in all ways: PYTHONHASHSEED=0, stderr to a file, stdout to /dev/null. Addresses stay random, so that a lucky
layout is scatter that the median takes out, not a lasting difference between two ways.

A full run takes about 35 minutes, --quick one or two minutes. Programs come from pyperformance, run in one process
without pyperf. They and the peers are installed from PyPI into a virtual environment under
${XDG_CACHE_HOME:-~/.cache}/fixingahole/bench; what cannot be installed is left out, and said.

programs.py: what runs; ways.py: under what; measure.py: one run, and rounds; figures.py: the tables.
"""

import argparse
import os
import shutil
import signal
import subprocess
import sys

import figures
from measure import PEER_ROUNDS, Run, Statistics, calibrate, measure
from programs import NUMPY, OWN, PEERS, PYPERFORMANCE, REPOSITORY, Environment, say
from ways import OURS, commands

QUICK = ["fannkuch", "json_dumps", "numpy_tiny", "pingpong"]
LONG = ["fannkuch", "sympy"]  # few stacks and many


def exact(environment, ways, scripts, everything):
    """Runs x nanoseconds per BPF program, by the kernel's own count."""
    print("\nBPF programs, counted by the kernel: their time / the program's CPU time\n%-14s %-10s %9s  %s" % ("", "", "share", "runs x ns per program"))
    with Statistics():
        for program, (script, loops) in scripts.items():
            for way in OURS[1:]:
                run = Run(ways[way], environment, script, loops, stats=True)
                if run.problem or not run.programs:
                    print("%-14s %-10s no statistics %s" % (program, way, run.problem or ""))
                    continue
                share = sum(ns for _, ns in run.programs.values()) / 1e7 / run.target_cpu
                everything[program].exact[way] = share
                parts = ", ".join("%s %d x %.0f" % (name, count, ns / count) for name, (count, ns) in sorted(run.programs.items(), key=lambda item: -item[1][1]))
                print("%-14s %-10s %7.3f %%  %s" % (program, way, share, parts))
                sys.stdout.flush()


def minute(environment, ways, program, script, loops, seconds):
    """What we take ourselves once the start no longer matters: one run of a minute."""
    run = Run(ways["ours 1000"], environment, script, max(1, round(loops * 60 / seconds)), limit=300)
    if run.problem or not run.own:
        print("%s for a minute: %s" % (program, run.problem or "the profiler does not say what it took"))
        return
    cpu, rss = run.own
    print("%s for %.0f s at 1000 Hz: own CPU %.2f %% of one core (%.3f s), own RSS %.1f MB; %.3f s from the program's end to the prompt, after %d samples and %d waits (no more distinct stacks than that)" % (
        program, run.seconds, 100 * cpu / run.seconds, cpu, rss / (1 << 20), run.after, *run.seen))
    sys.stdout.flush()


def printing(environment, ways, rounds):
    """How much later the prompt comes after a script that only prints."""
    way = "ours 1000"
    results, _, problems = measure(environment, {way: ways[way]}, environment.script("printer"), 10, rounds)
    added = [pairs[way].more_whole for pairs in results if way in pairs]
    if added:
        first, median, third = figures.quartiles(added)
        print("a script that prints 10,000 lines: %.3f s more than alone, from start to prompt [%.3f-%.3f]" % (median, first, third))
    for problem in problems.values():
        print("a script that only prints: failed: %s" % problem)
    sys.stdout.flush()


def parse():
    parser = argparse.ArgumentParser(description="What profiling costs, side by side with others.")
    parser.add_argument("--quick", action="store_true", help="3 rounds of half a second, four programs, py-spy only")
    parser.add_argument("--programs", help="comma-separated: %s" % ", ".join(PYPERFORMANCE + OWN))
    parser.add_argument("--peers", help="comma-separated, or none: %s" % ", ".join(PEERS))
    parser.add_argument("--rounds", type=int, help="default 7; peers take part in the first %d" % PEER_ROUNDS)
    parser.add_argument("--seconds", type=float, help="of one run alone, default 0.8; one loop of some programs takes longer")
    parser.add_argument("--fixingahole", metavar="PATH", default=os.environ.get("FIXINGAHOLE", os.path.join(REPOSITORY, "build/fixingahole")), help="the profiler, default build/fixingahole")
    options = parser.parse_args()
    options.rounds = options.rounds or (3 if options.quick else 7)
    options.seconds = options.seconds or (0.5 if options.quick else 0.8)
    split = lambda text: [word for word in text.split(",") if word and word != "none"]
    programs = split(options.programs) if options.programs else (QUICK if options.quick else PYPERFORMANCE + OWN)
    peers = split(options.peers) if options.peers is not None else (["py-spy"] if options.quick else PEERS)
    for name, known in [(p, PYPERFORMANCE + OWN) for p in programs] + [(p, PEERS) for p in peers]:
        if name not in known:
            parser.error("no such program or peer: %s" % name)
    return options, programs, peers


def profiler(path):
    """The binary, or None with the reason said."""
    binary = os.path.abspath(path)
    if not os.access(binary, os.X_OK):
        say("left out: ourselves (no profiler at %s)" % binary)
        return None
    if os.geteuid() != 0:
        say("left out: ourselves (not root)")
        return None
    return binary


def heading(environment, peers):
    python = subprocess.check_output([environment.python, "-c", "import platform; print(platform.python_version())"], universal_newlines=True).strip()
    versions = ", ".join("%s %s" % (peer, environment.version(peer)) for peer in peers) or "no peers"
    print("Linux %s, %d CPUs, Python %s; %s" % (os.uname().release, os.cpu_count(), python, versions))
    print("ratio, cpu: the program's time to its time alone; to end: seconds from the program's end to the prompt, more than alone\n"
          "own CPU: as the profiler says, most of it to start and to report; with *: all that was used beside the program, the interpreter's start included")


def progress(program, whole):
    """A function that counts the runs on a terminal."""
    done = [0]

    def step():
        done[0] += 1
        if sys.stderr.isatty():
            text = "\r%s %d/%d " % (program, done[0], whole) if done[0] < whole else "\r\033[K"
            print(text, end="", file=sys.stderr, flush=True)

    return step


def main():
    options, programs, peers = parse()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # so that what is switched on is switched off
    environment = Environment()
    if any(program in PYPERFORMANCE for program in programs) and not environment.provide("pyperformance"):
        programs = [program for program in programs if program in OWN]
    if any(program in NUMPY for program in programs) and not environment.provide("numpy"):
        programs = [program for program in programs if program not in NUMPY]
    peers = [peer for peer in peers if environment.provide(peer)]
    binary = profiler(options.fixingahole)
    if not binary and not peers:
        say("nothing to measure")
        return 1
    ways = commands(environment, binary, peers)
    heading(environment, peers)
    everything, scripts = {}, {}
    for program in programs:
        script = environment.script(program)
        loops = calibrate(environment, script, options.seconds)
        if loops is None:
            continue
        whole = sum(options.rounds if way in OURS else min(options.rounds, PEER_ROUNDS) for way in ways if way != "alone")
        found = figures.Figures(*measure(environment, ways, script, loops, options.rounds, progress(program, whole)))
        figures.block(program, loops, ways, found)
        everything[program], scripts[program] = found, (script, loops)
    if not everything:
        return 1
    if binary:
        if shutil.which("bpftool", path=os.environ["PATH"] + ":/usr/sbin"):
            exact(environment, ways, scripts, everything)
        else:
            say("left out: the kernel's count of BPF programs (no bpftool)")
    figures.overview(ways, everything)
    if binary:
        print()
        printing(environment, ways, options.rounds)
        for program in LONG if not options.quick else []:
            if program in scripts:
                minute(environment, ways, program, *scripts[program], options.seconds)
    return 0


if __name__ == "__main__":
    sys.exit(main())
