# SPDX-License-Identifier: Apache-2.0
"""One run under one way of profiling, and rounds of them; the kernel's own count of what BPF programs take."""

import json
import os
import random
import signal
import subprocess
import tempfile
import threading
import time

from programs import HERE, say
from ways import OURS, THREE, alone

STATS = "/proc/sys/kernel/bpf_stats_enabled"
PEER_ROUNDS = 3  # theirs are far enough from 1


# The same in all ways. Hashes decide the order of sets and how tables collide; the second is what our profiler sets in any case. Addresses
# stay random: fixed ones differ from way to way all the same, and would turn what is scatter into a lasting difference.
SAME = {"PYTHONHASHSEED": "0", "FIXINGAHOLE_PROFILE": "1"}
LIMIT = 90  # seconds of a run


def filled(path):
    if os.path.isdir(path):
        return any(files for _, _, files in os.walk(path))
    return os.path.exists(path) and os.path.getsize(path) > 16  # more than empty braces


def end(pid, pid_file):
    """A run that takes too long: the profiler, and the program which it may leave behind."""
    os.kill(pid, signal.SIGKILL)
    try:
        with open(pid_file) as f:
            os.kill(int(f.read()), signal.SIGKILL)
    except (OSError, ValueError):
        pass


class Run:
    """One run of a program under one way. problem: None, or in one line why it does not count."""

    def __init__(self, make, environment, script, loops, stats=False, limit=LIMIT):
        self.problem = None
        with tempfile.TemporaryDirectory(prefix="fixingahole-bench-") as folder:
            record = os.path.join(folder, "record")
            path, arguments = script
            command, env, product = make([environment.python, os.path.join(HERE, "driver.py"), path, str(loops), record, *arguments], folder)
            env = dict(os.environ, FIXINGAHOLE_ROOT=os.path.dirname(path), **SAME, **env)
            with open(os.path.join(folder, "chatter"), "w+") as chatter:
                start = time.monotonic()
                process = subprocess.Popen(command, cwd=folder, env=env, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=chatter)
                watch = Watch(process, record + ".pid") if stats else None
                late = threading.Timer(limit, end, [process.pid, record + ".pid"])
                late.start()
                _, status, usage = os.wait4(process.pid, 0)
                stop = time.monotonic()
                late.cancel()
                process.returncode = status
                if watch:
                    watch.stop()
                    self.programs, self.target_cpu = watch.programs, watch.target_cpu
                chatter.seek(0)
                if stop - start >= limit:
                    self.problem = "took more than %d s" % limit
                elif status or not os.path.exists(record):
                    self.problem = "status %#x: %s" % (status, " | ".join(chatter.read()[-300:].split("\n")).strip())
                elif product and not filled(product):
                    self.problem = "ended well but left no profile"
                if self.problem:
                    return
            with open(record) as f:
                times = json.load(f)
            self.seconds = times["end"] - times["begin"]
            self.cpu = times["cpu"]
            self.switches = times["switches"]
            self.memory = times["memory"]
            self.before = times["begin"] - start
            self.after = stop - times["end"]
            self.whole = stop - start
            self.own, self.seen = self.own_cost(folder)
            # For peers: all that was reaped, less the program itself.
            self.beside = max(0.0, usage.ru_utime + usage.ru_stime - self.cpu)

    @staticmethod
    def own_cost(folder):
        """What our profiler says of itself: (CPU seconds, bytes); and what it saw: (samples, waits)."""
        for path, _, files in os.walk(os.path.join(folder, "out")):
            if "profile_details.json" in files:
                with open(os.path.join(path, "profile_details.json")) as f:
                    details = json.load(f)
                own = details["profiler"]
                return (own["cpu_s"], own["max_rss_bytes"]), (details["samples"], details["waits"])
        return None, None


class Watch:
    """Reads the kernel's BPF statistics of the profiler's programs while a run goes on, and the target's CPU time with them. The program's
    own work counts, as for the ratios: what was before, the interpreter's start, is taken off."""

    def __init__(self, process, pid_file):
        self.process, self.pid_file = process, pid_file
        self.programs, self.target_cpu = {}, 0.0
        self.before = None
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

    def ids(self):
        """Of the programs that the profiler holds; bpftool does not always tell whose they are."""
        found = set()
        try:
            folder = "/proc/%d/fdinfo" % self.process.pid
            for name in os.listdir(folder):
                with open(os.path.join(folder, name)) as f:
                    found.update(int(line.split()[1]) for line in f if line.startswith("prog_id:"))
        except OSError:
            pass  # it ended meanwhile
        return found

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
        # it writes its pid when it begins
        while not self.ended.wait(0.2 if self.before else 0.01):
            cpu = self.cpu()
            if cpu is None:
                continue
            ids, seen = self.ids(), {}
            for program in self.list():
                if program["id"] in ids:
                    count, ns = seen.get(program.get("name"), (0, 0))
                    seen[program.get("name")] = count + program.get("run_cnt", 0), ns + program.get("run_time_ns", 0)
            if not self.before:
                self.before = seen, cpu
            elif cpu > self.before[1]:
                counts = {name: (count - self.before[0][name][0], ns - self.before[0][name][1]) for name, (count, ns) in seen.items() if name in self.before[0]}
                self.programs = {name: both for name, both in counts.items() if both[0]}
                self.target_cpu = cpu - self.before[1]

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
    Run(alone, environment, script, 1)  # so that the files it needs are in memory
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


def batches(ways):
    """[[way]] in random order, with a run alone to come between any two batches. The timer and ours are next to each other, since they
    are compared, and ours without and with memory in one batch; peers go by threes, which saves time."""
    peers = [way for way in ways if way not in OURS]
    random.shuffle(peers)
    compared = [[way for way in THREE[:1] if way in ways], [way for way in THREE[1:] if way in ways]]
    if random.random() < 0.5:
        compared = [batch[::-1] for batch in compared[::-1]]
    groups = [[batch for batch in compared if batch]] + [[[way]] for way in OURS[3:] if way in ways] + [[peers[n : n + 3]] for n in range(0, len(peers), 3)]
    random.shuffle(groups)
    return [batch for group in groups for batch in group]


class Pair:
    """A run with the mean of the runs alone before and after it."""

    def __init__(self, run, before, after):
        self.run = run
        self.ratio = run.seconds / ((before.seconds + after.seconds) / 2)
        self.cpu_ratio = run.cpu / ((before.cpu + after.cpu) / 2)
        self.more_memory = run.memory - (before.memory + after.memory) / 2
        self.more_after = run.after - (before.after + after.after) / 2
        self.more_whole = run.whole - (before.whole + after.whole) / 2


def measure(environment, ways, script, loops, rounds, progress=lambda: None):
    """[{way: Pair} per round], [Run alone], and problems {way: text}: such a way takes part no longer."""
    results, alone_runs, problems = [], [], {}
    for n in range(rounds):
        pairs = {}
        before = Run(alone, environment, script, loops)
        alone_runs.append(before)
        for batch in batches([way for way in ways if way != "alone" and way not in problems and (n < PEER_ROUNDS or way in OURS)]):
            runs = {}
            for way in batch:
                runs[way] = Run(ways[way], environment, script, loops)
                progress()
            after = Run(alone, environment, script, loops)
            alone_runs.append(after)
            for way, run in runs.items():
                problem = run.problem or before.problem or after.problem
                if problem:
                    problems[way] = problem
                else:
                    pairs[way] = Pair(run, before, after)
            before = after
        results.append(pairs)
    return results, [run for run in alone_runs if not run.problem], problems
