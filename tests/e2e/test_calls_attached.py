# SPDX-License-Identifier: Apache-2.0
"""--calls of processes that run already: a probe on the interpreter, against a program that calls when it is told to."""

import os
import signal
import subprocess
import time

from project import Result, wait_for
from test_calls import callers, check, counts, functions

SCRIPT = "calls_attached.py"
WHOLE = ["--heap-budget", "0"]  # all of the time, however much it costs
FROM_C = "are entries from C code only"


def sees_all(python):
    """Up to 3.10 each call is an evaluation of its own; from 3.15 on Debian's builds have a probe that sees all."""
    return python.version < (3, 11) or (python.version >= (3, 15) and python.id.startswith("sid"))


class Watched:
    """A target, and the profiler on it; until the with ends."""

    def __init__(self, project, python, options=()):
        self.project = project
        path = project.target(SCRIPT)
        self.target = subprocess.Popen(
            [python.path, path], stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=project.folder, universal_newlines=True, env=project.environment()
        )
        self.wait()
        self.before = set(project.folders())
        self.profiler = project.start("profile", "--verbose", "--calls", *options, "--pid", self.target.pid)
        self.log = ""
        while ": attached to" not in self.log:
            line = self.profiler.stderr.readline()
            assert line, self.log
            self.log += line

    def wait(self):
        assert self.target.stdout.readline() == "ready\n"

    def tell(self, word):
        self.target.stdin.write(word + "\n")
        self.target.stdin.flush()

    def do(self, word):
        self.tell(word)
        self.wait()

    def end(self):
        self.profiler.send_signal(signal.SIGINT)
        code, stdout, stderr = self.project.finish(self.profiler)
        made = [folder for folder in self.project.folders() if folder not in self.before]
        return check(Result(code, stdout, self.log + stderr, made[-1] if made else None))

    def __enter__(self):
        return self

    def __exit__(self, kind, *_):
        self.target.stdin.close()
        assert kind or self.target.wait(30) == 0
        for process in (self.target, self.profiler):
            if process.poll() is None:
                process.kill()


def notices(result):
    return " ".join(result.details["notices"])


def processes(result):
    return result.details["calls"]["processes"]


def test_counts(project, every_python):
    """All calls where the interpreter begins an evaluation for each; else those from C, which is said."""
    with Watched(project, every_python, WHOLE) as target:
        target.do("kinds")
        result = target.end()
    found, by_name = counts(result, SCRIPT), {f["function"]: f for f in functions(result, SCRIPT)}
    (process,) = processes(result)
    assert process["pid"] == target.target.pid and process["seen"] == 1 and not result.details["calls"]["estimated"]
    assert found["key"] == (1500, 0) and callers(by_name["key"]) == {"kinds": 1500}
    assert found["gen"] == (1, 100)
    # the static probe does not see what is thrown into a generator
    assert found["thrown"] == (1, 1 if process["how"] == "static probe" else 2)
    assert "unasked" not in found
    if sees_all(every_python):
        assert found["fib"] == (21891, 0) and callers(by_name["fib"]) == {"fib": 21890, "kinds": 1}
        assert found["kinds"] == (1, 0) and callers(by_name["kinds"]) == {"<module>": 1}
        assert process["how"] == ("entries" if every_python.version < (3, 11) else "static probe")
        assert FROM_C not in notices(result) and "Entries from C" not in result.summary
    else:
        assert "fib" not in found and process["how"] == "entries from C"
        assert "calls of process %d (CPython %d.%d) %s" % (process["pid"], *every_python.version, FROM_C) in notices(result)
        assert "Entries from C code only: Python 3.11 and later make calls from Python to Python without a new evaluation" in result.summary
    assert "estimate" not in notices(result)


def test_threads(project, every_python):
    with Watched(project, every_python, WHOLE) as target:
        target.do("threads")
        result = target.end()
    assert counts(result, SCRIPT)["key"] == (8 * 200 * 10, 0)


def test_functions_that_come_and_go(project, every_python):
    """No call under another's name."""
    with Watched(project, every_python, WHOLE) as target:
        target.do("churn")
        result = target.end()
    made = {f["function"]: f["calls"] for f in functions(result, "<string>") if f["function"] != "<module>"}
    assert made == {"f%d" % i: 60 for i in range(100)}


def test_children(project, every_python):
    """Of a fork and of another program that executes: each its own, though they ended before us."""
    with Watched(project, every_python, WHOLE) as target:
        target.do("family")
        result = target.end()
    found = {p["pid"]: p for p in processes(result)}
    assert counts(result, SCRIPT)["key"] == (300 + 200, 0)
    others = [p["calls"] for pid, p in found.items() if pid != target.target.pid and p["calls"]]
    assert len(others) == 2, processes(result)


def test_killed(project, every_python):
    """What it called before it was killed has its names."""
    with Watched(project, every_python, WHOLE) as target:
        target.do("kinds")
        target.target.kill()
        target.target.wait()
        code, stdout, stderr = project.finish(target.profiler)
        target.target.returncode = 0
    made = [folder for folder in project.folders() if folder not in target.before]
    result = check(Result(code, stdout, stderr, made[-1]))
    assert counts(result, SCRIPT)["key"] == (1500, 0)


def test_pattern(project, python):
    with Watched(project, python, [*WHOLE, "--calls=k[e]y"]) as target:
        target.do("kinds")
        result = target.end()
    assert {f["function"] for f in result.details["calls"]["functions"]} == {"key"}
    assert counts(result, SCRIPT)["key"] == (1500, 0)
    assert "that fit 'k[e]y'" in result.summary


def busy(project, python, options, seconds):
    """Calls all along; how many, from when the profiler was there until it was told to go."""
    with Watched(project, python, options) as target:
        target.tell("busy")
        time.sleep(seconds)
        target.tell("")
        line = target.target.stdout.readline()
        target.wait()
        result = target.end()
    return int(line.split()[1]), result


def test_budget(project, every_python):
    """Over it calls are looked at in slices and scaled up, which the report says; the figures are near, beside other work too."""
    truth, result = busy(project, every_python, ["--heap-budget", "1"], 4)
    (process,) = processes(result)
    assert process["seen"] < 0.9 and result.details["calls"]["estimated"]
    assert 0.7 * truth < counts(result, SCRIPT)["leaf"][0] < 1.4 * truth, (truth, process)
    assert "are estimates, scaled up" in notices(result) and "Calls estimated: " in result.summary
    assert "the figures are estimates" in result.summary
    what = "calls: about" if sees_all(every_python) else "calls from C: about"
    assert what in result.summary


def test_no_budget(project, python):
    """The same, and all of it: exact."""
    truth, result = busy(project, python, WHOLE, 1)
    (process,) = processes(result)
    assert counts(result, SCRIPT)["leaf"] == (truth, 0)
    assert process["seen"] == 1 and "calls from C: %d" % truth in result.summary


def test_beside_memory(project, python):
    with Watched(project, python, [*WHOLE, "--memory"]) as target:
        target.do("kinds")
        result = target.end()
    assert counts(result, SCRIPT)["key"] == (1500, 0)
    assert result.details["heap"]["probes"]["processes"] == 1


def test_by_name(project, python):
    """Another way to name it."""
    with Watched(project, python) as target:
        target.profiler.send_signal(signal.SIGINT)
        project.finish(target.profiler)
        target.before = set(project.folders())
        target.profiler = project.start("profile", "--verbose", "--calls", "--name", SCRIPT)
        wait_for(lambda: ": attached to" in target.profiler.stderr.readline(), "the second profiler")
        target.do("kinds")
        result = target.end()
    assert counts(result, SCRIPT)["key"] == (1500, 0)


def differs(pid):
    """Some of the interpreter's code, as it is in the process, is not the file's."""
    with open("/proc/%d/maps" % pid) as f:
        texts = [line.split() for line in f if " r-xp " in line and "python3" in line]
    assert texts
    for line in texts:
        start, end = (int(part, 16) for part in line[0].split("-"))
        with open("/proc/%d/mem" % pid, "rb") as memory, open(line[5], "rb") as file:
            memory.seek(start)
            file.seek(int(line[2], 16))
            if memory.read(end - start) != file.read(end - start):
                return True
    return False


def test_it_is_left_as_it_was(project, python):
    with Watched(project, python) as target:
        assert differs(target.target.pid)
        target.do("kinds")
        target.end()
        wait_for(lambda: not differs(target.target.pid), "the probe to be gone")
        target.do("kinds")
