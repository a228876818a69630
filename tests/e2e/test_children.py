# SPDX-License-Identifier: Apache-2.0
"""Threads and every kind of descendant."""

import os
import re
import signal
import subprocess
import sys
import time

import pytest

from project import Result
from tolerance import assert_seconds, assert_shares


@pytest.mark.parametrize("way", ["fork", "mp_fork", "mp_spawn", "subprocess", "exec"])
def test_children(project, python, way):
    """What the children do stands under its function, whichever process did it."""
    result = project.profile("children.py", way, "0.7", "2", python=python).check()
    # By the wall clock, so what other programs take of the CPUs counts as runnable and is in it too.
    assert_seconds(result.inclusive("child_" + way), 0.7 * (1 if way == "exec" else 2), "child_" + way)
    processes = result.details["processes"]
    assert len(processes) >= (1 if way == "exec" else 3)
    if way != "exec":
        assert sum(1 for process in processes if process["parent_pid"] == processes[0]["pid"]) >= 2


def test_brief(project, python):
    """Children that are gone before anybody looks still have names and lines."""
    result = project.profile("children.py", "brief", "0.015", "20", python=python).check()
    assert_seconds(result.inclusive("child_brief"), 0.3, "child_brief", relative=0.2)
    assert len(result.details["processes"]) >= 21
    assert result.losses["samples without a known interpreter"] <= 5


def test_threads(project, python):
    result = project.profile("threads.py", "200", "100000", python=python).check()
    assert_seconds(result.functions("threads.py")["work"].cpu, result.truth["seconds"], "work")
    assert result.details["processes"][0]["threads"] == result.truth["threads"]


def test_times_of_a_process(project, python):
    """As the kernel counts them, by ticks: of all threads, also of the first where it is not the last to end."""
    script = project.write("daemon.py", """import os, threading, time
def spin(until):
    while time.thread_time() < until:
        pass
threading.Thread(target=time.sleep, args=(60,), daemon=True).start()
other = threading.Thread(target=spin, args=(0.3,))
other.start()
other.join()
spin(0.5)
while time.process_time() < 1.2:
    os.stat("/")
""")
    result = project.profile(script, python=python).check()
    process = result.details["processes"][0]
    assert_seconds(process["utime_s"] + process["stime_s"], process["run_s"], "both", relative=0.1)
    assert_seconds(process["stime_s"], result.details["stime_s"], "system", relative=0.15)
    assert process["run_s"] > 1.1 and process["stime_s"] > 0.05


def test_short_threads(project, python):
    """Threads that end within a period of the timer get their time and their shares."""
    result = project.profile("short_threads.py", 3, python=python).check()
    functions, truth = result.functions("short_threads.py"), result.truth["seconds"]
    seen = {name: functions[name].cpu for name in truth}
    assert_shares(seen, truth, points=1.5)
    assert_seconds(sum(seen.values()), sum(truth.values()), "both", relative=0.1)
    assert result.details["unsampled_s"] <= 0.05


def test_short_threads_and_a_late_profiler(project, python):
    """A sample stands for the period of its timer, not for that which it has on average: here it keeps one, since nobody changes it."""
    project.target("short_threads.py")
    for _ in range(2):
        process = project.start("profile", "--python", python.path, "short_threads.py", "--", "3.5")
        time.sleep(0.7)
        process.send_signal(signal.SIGSTOP)
        time.sleep(2.7)
        process.send_signal(signal.SIGCONT)
        code, stdout, stderr = project.finish(process)
        result = Result(code, stdout, stderr, project.folders()[-1]).check()
        functions, truth = result.functions("short_threads.py"), result.truth["seconds"]
        assert_seconds(sum(functions[name].cpu for name in truth), sum(truth.values()), "both", relative=0.1)


def test_deep(project, python):
    """Deeper than what is kept: cut, said, and the innermost still right."""
    result = project.profile("deep.py", "5000", "0.5", python=python).check()
    assert_seconds(result.functions("deep.py")["bottom"].cpu, 0.5, "bottom", relative=0.1)
    assert result.losses["cut stacks"] > 300


def test_exec_of_another_program(project):
    result = project.profile("crash.py", "exec", "0.3").check()
    assert_seconds(result.functions("crash.py")["work"].total, 0.3, "work", relative=0.1)


def test_other_programs(project):
    """What no line has is told: which programs took the time."""
    script = project.write("pack.py", "import subprocess\nsubprocess.run('head -c 20000000 /dev/urandom | gzip -9 > /dev/null', shell=True, check=True)\n")
    result = project.profile(script).check()
    gzip = next(p for p in result.details["processes"] if (p["program"] or "").endswith("/gzip"))
    assert re.search(r"^Other programs: [\d.]+ seconds of CPU time \([\d.]+%\), outside root: gzip ", result.summary, re.M), result.summary
    assert "gzip %.3f s" % sum(gzip[key] for key in ("python_s", "native_s", "system_s")) in result.summary


def test_threads_of_a_library(project):
    """Threads without Python that a library starts are told apart from the rest outside root, and from Python's own threads."""
    project.write(
        "burn.c",
        "#include <pthread.h>\n#include <time.h>\nstatic double now(void) { struct timespec t; clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t); return t.tv_sec + t.tv_nsec / 1e9; }\n"
        "static void *burn(void *end) { while (now() < 0.4); return end; }\n"
        "void both(void) { pthread_t t; pthread_create(&t, 0, burn, 0); pthread_join(t, 0); }\n",
    )
    subprocess.run(["gcc", "-O2", "-shared", "-fPIC", "-o", project.path("burn.so"), project.path("burn.c"), "-lpthread"], check=True)
    script = project.write("helper.py", "import ctypes, threading\nthreading.Thread(target=sum, args=(range(5000000),)).start()\nctypes.CDLL('./burn.so').both()\n")
    result = project.profile(script).check()
    assert_seconds(result.details["helpers_s"], 0.4, "the helper", relative=0.1)
    assert "Threads without Python code: %.3f seconds of CPU time" % result.details["helpers_s"] in result.summary


def test_names(project, python):
    """Names that no format likes. Every function is there, under its own file."""
    result = project.profile("names.py", "0.1", options=["--detailed"], python=python).check()
    seen = {function["name"].split(".")[-1]: entry["path"].split("/")[-1] for entry in result.details["files"] for function in entry["functions"]}
    for name, base in result.truth["files"].items():
        matches = [path for function, path in seen.items() if function == name.split(".")[-1]]
        assert matches, "%r is missing" % name[:80]
        if base:
            assert base in matches, (name[:80], base, matches)
    for text in (result.summary, result.results):
        assert not any(ord(c) < 32 and c != "\n" for c in text), "control characters in a report"


def test_frozen(project, python):
    """Modules that are part of the interpreter have names too."""
    script = project.write("reload.py", "import importlib, time, json.decoder\nend = time.time() + 1\nwhile time.time() < end:\n    importlib.reload(json.decoder)\n")
    result = project.profile(script, python=python).check()
    assert any(path.startswith("<frozen importlib") for stack, _ in result.stacks() for path, _, _ in stack)


def test_big_source(project):
    path = project.path("big.py")
    generator = project.target("big_source.py")
    subprocess.check_call([sys.executable, generator, path, "100000", "0.5"])
    os.unlink(generator)
    result = project.profile("big.py").check()
    lineno = project.marks("big.py")["spin"]
    assert lineno > 99000
    assert_seconds(result.line("big.py", lineno).total, 0.5, "the last function's line", relative=0.1)
