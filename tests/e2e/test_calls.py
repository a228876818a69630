# SPDX-License-Identifier: Apache-2.0
"""--calls against programs that know how often they call what, and against cProfile."""

import collections
import json
import os
import pstats
import signal
import subprocess

import pytest

from project import by_signal

FIB = "def fib(n): return n if n < 2 else fib(n - 1) + fib(n - 2)\nfib(25)\n"


def functions(result, path):
    """[entry] of the functions of a file that were called."""
    return [f for f in result.details["calls"]["functions"] if os.path.basename(f["path"]) == path]


def counts(result, path):
    """{last part of the name: (calls, resumptions)} of a file."""
    found = collections.defaultdict(lambda: (0, 0))
    for f in functions(result, path):
        name = f["function"].split(".")[-1]
        found[name] = (found[name][0] + f["calls"], found[name][1] + f["resumptions"])
    return found


def callers(entry):
    return {c["function"]: c["calls"] for c in entry["callers"]}


def check(result, status=0):
    """What holds for every run: sums add up, nothing was lost."""
    calls = result.check(status).details["calls"]
    assert calls["lost"] == 0
    for f in calls["functions"]:
        assert sum(c["calls"] for c in f["callers"]) == f["calls"] and sum(c["resumptions"] for c in f["callers"]) == f["resumptions"], f
    for what in ("calls", "resumptions"):
        assert sum(f[what] for f in calls["functions"]) == calls[what] == sum(p[what] for p in calls["processes"])
    assert result.losses["undecodable records"] == 0
    return result


def test_fib(project, every_python):
    project.write("fib.py", FIB)
    result = check(project.profile("fib.py", options=["--calls"], python=every_python))
    (fib,) = [f for f in functions(result, "fib.py") if f["function"] == "fib"]
    assert fib["calls"] == 242785 and fib["resumptions"] == 0 and fib["reported"] and fib["lineno"] == 1
    assert callers(fib) == {"fib": 242784, "<module>": 1}
    assert not [n for n in result.details["notices"] if "calls" in n]


def test_all_kinds(project, every_python):
    result = check(project.profile("calls.py", options=["--calls"], python=every_python))
    found = counts(result, "calls.py")
    assert {name: found[name] for name in result.truth} == {name: tuple(n) for name, n in result.truth.items()}
    by_name = {f["function"].split(".")[-1]: f for f in functions(result, "calls.py")}
    assert callers(by_name["plain"]) == {"main": 1000, "in_thread": 4000}
    assert callers(by_name["key"]) == {"main": 1000}  # who calls sorted()
    # from 3.11 on names are qualified
    assert {n.split(".")[-1]: c for n, c in callers(by_name["prop"]).items()} == {"method": 1000}
    assert sum(callers(by_name["__init__"]).values()) in (1000, 2000)


def test_cprofile_agrees(project, every_python, full):
    """Everything but generators and coroutines, whose resumptions are calls to cProfile."""
    if not full and every_python.id not in ("debian-3.11", "pyenv-3.8", "pyenv-3.13"):
        pytest.skip("with --full")
    if every_python.chroot:
        pytest.skip("it writes where the other root cannot be read")
    n = 350000 if full else 20000
    result = check(project.profile("calls.py", n, options=["--calls"], python=every_python))
    stats = project.path("stats")
    subprocess.check_call([every_python.path, "-m", "cProfile", "-o", stats, project.path("calls.py"), str(n)], stdout=subprocess.DEVNULL)
    reference = collections.Counter()
    for (path, line, name), (_, calls, *_) in pstats.Stats(stats).stats.items():
        if os.path.basename(path) == "calls.py":
            reference[name, line] += calls
    found = collections.Counter()
    for f in functions(result, "calls.py"):
        found[f["function"].split(".")[-1], f["lineno"]] += f["calls"]
    assert sum(found.values()) > 25 * n
    generators = {"gen", "delegating", "coroutine", "async_gen", "run_all", "<listcomp>", "<module>", "Thing", "Child"}
    in_threads = {"plain", "in_thread"}  # cProfile watches one thread
    for (name, line), calls in reference.items():
        if name not in generators | in_threads:
            assert found[name, line] == calls, (name, line)


def test_deep_recursion(project, every_python):
    """What works alone works, and is counted."""
    project.write(
        "deep.py",
        "import sys, threading\n"
        "def deep(n): return 0 if n == 0 else 1 + deep(n - 1)\n"
        "sys.setrecursionlimit(250000)\n"
        "print(deep(5000))\n"
        "t = threading.Thread(target=lambda: print(deep(5000))); t.start(); t.join()\n"
        "if sys.version_info >= (3, 11): print(deep(200000))\n"
        "sys.setrecursionlimit(1000)\n"
        "try: deep(2000)\n"
        "except RecursionError: print('stopped')\n",
    )
    alone = project.alone("deep.py", python=every_python)
    result = check(project.profile("deep.py", options=["--calls"], python=every_python))
    assert all(line in result.stdout for line in alone.stdout.splitlines()) and "stopped" in result.stdout
    calls, notices = counts(result, "deep.py")["deep"][0], " ".join(result.details["notices"])
    assert calls >= 10002
    if every_python.version >= (3, 12):
        assert calls > 210002
    assert ("half of its thread's C stack" in notices) == (every_python.version == (3, 11))


def test_functions_that_come_and_go(project, every_python):
    """100,000 functions at few addresses: no call under another's name."""
    project.write(
        "churn.py",
        "def keep(): pass\n"
        "for i in range(100000):\n"
        "    exec('def f%d(): pass\\nf%d()\\nkeep()' % (i % 5000, i % 5000), {'keep': keep})\n",
    )
    result = check(project.profile("churn.py", options=["--calls"], python=every_python))
    assert counts(result, "churn.py")["keep"] == (100000, 0)
    made = {f["function"]: f for f in functions(result, "<string>") if f["function"] != "<module>"}
    assert len(made) == 5000
    assert all(f["calls"] == 20 for f in made.values())


def test_ends_of_all_kinds(project, python):
    """Nothing of what was counted is lost, however the process ends."""
    body = "import os, signal, sys\ndef f(): pass\nfor i in range(100000): f()\n"
    for name, end, status in (
        ("exit", "os._exit(3)", (3,)),
        ("kill", "os.kill(os.getpid(), signal.SIGKILL)", by_signal(signal.SIGKILL)),
        ("segv", "import ctypes; ctypes.string_at(0)", by_signal(signal.SIGSEGV)),
        ("raise", "raise SystemExit(4)", (4,)),
    ):
        project.write(name + ".py", body + end + "\n")
        result = project.profile(name + ".py", options=["--calls"], python=python)
        assert result.returncode in status, result.text()
        assert counts(result, name + ".py")["f"] == (100000, 0)


def test_processes(project, every_python):
    """fork counts from zero, a spawned and an executed interpreter count, too; each process has its own sum."""
    project.write(
        "family.py",
        "import os, subprocess, sys\n"
        "def f(): pass\n"
        "def g(): pass\n"
        "for i in range(1000): f()\n"
        "if len(sys.argv) > 1: os._exit(0)\n"
        "for k in range(3):\n"
        "    pid = os.fork()\n"
        "    if not pid:\n"
        "        for i in range(100): f()\n"
        "        if k == 2:\n"
        "            os.execv(sys.executable, [sys.executable, sys.argv[0], 'child'])\n"
        "        for i in range(10): g()\n"
        "        os._exit(0)\n"
        "    os.waitpid(pid, 0)\n"
        "subprocess.check_call([sys.executable, sys.argv[0], 'child'], env={})\n"
        "print('LD_PRELOAD' in os.environ, any(k.startswith('FIXINGAHOLE_CALLS') for k in os.environ))\n",
    )
    result = check(project.profile("family.py", options=["--calls"], python=every_python))
    assert "False False" in result.stdout
    found = counts(result, "family.py")
    assert found["f"] == (1000 + 300 + 1000 + 1000, 0) and found["g"] == (20, 0)
    processes = result.details["calls"]["processes"]
    assert len(processes) == 6
    # what the interpreter itself calls after a fork comes to it
    assert all(n <= calls < n + 30 for n, calls in zip((100, 110, 110), sorted(p["calls"] for p in processes)))


def test_many_interpreters(project, every_python):
    if every_python.version < (3, 12):
        code = "import _xxsubinterpreters as s\nfor k in range(5):\n    i = s.create(); s.run_string(i, CODE); s.destroy(i)\n"
    elif every_python.version < (3, 13):
        code = "import _xxsubinterpreters as s\nfor k in range(5):\n    i = s.create(isolated=False); s.run_string(i, CODE); s.destroy(i)\n"
    else:
        code = "import _interpreters as s\nfor k in range(5):\n    i = s.create(); s.exec(i, CODE); s.destroy(i)\n"
    project.write("many.py", "CODE = 'import colorsys\\ndef inner(): pass\\nfor i in range(200): inner()\\n'\ndef outer(): pass\nouter()\n" + code + "outer()\n")
    result = check(project.profile("many.py", options=["--calls"], python=every_python))
    calls = {f["function"]: f["calls"] for f in result.details["calls"]["functions"]}
    assert calls["outer"] == 2 and calls["inner"] == 1000


def test_threads(project, every_python):
    """Short ones, more than there are at once, and some at the same time."""
    project.write(
        "threads.py",
        "import threading\n"
        "def f(): pass\n"
        "def run(n):\n"
        "    for i in range(n): f()\n"
        "for k in range(300):\n"
        "    t = threading.Thread(target=run, args=(10,)); t.start(); t.join()\n"
        "all = [threading.Thread(target=run, args=(5000,)) for k in range(16)]\n"
        "[t.start() for t in all]\n"
        "[t.join() for t in all]\n",
    )
    result = check(project.profile("threads.py", options=["--calls"], python=every_python))
    found = counts(result, "threads.py")
    assert found["f"] == (300 * 10 + 16 * 5000, 0) and found["run"] == (316, 0)


@pytest.mark.parametrize("pattern, names", [("plain", {"plain"}), ("Thing.me*", {"method"}), ("calls.py", None), ("*/calls.py", None), ("nothing", set())])
def test_pattern(project, every_python, pattern, names):
    if every_python.version < (3, 11) and "." in pattern and names:
        pytest.skip("it has no qualified names")
    result = check(project.profile("calls.py", options=["--calls=" + pattern], python=every_python))
    truth, found = result.truth, counts(result, "calls.py")
    for name in truth if names is None else names:
        assert found[name] == tuple(truth[name])
    if names is not None:
        assert {f["function"].split(".")[-1] for f in result.details["calls"]["functions"]} == names
    assert {os.path.basename(f["path"]) for f in result.details["calls"]["functions"]} <= {"calls.py"}
    assert "that fit '%s'" % pattern in result.summary


def test_summary(project, python):
    project.write("slow.py", "def work(n):\n    for i in range(n): leaf(i)\ndef leaf(i):\n    return sum(range(300))\nfor k in range(40): work(2000)\n")
    result = check(project.profile("slow.py", options=["--calls"], python=python))
    assert ", calls: 80000\n" in result.summary and "Calls counted: " in result.summary
    entry = {f["name"]: f for f in result.file("slow.py")["functions"]}
    assert entry["leaf"]["calls"] == 80000 and callers(entry["leaf"]) == {"work": 80000}
    without = project.profile("slow.py", python=python).check()
    assert "calls:" not in without.summary.replace("n_calls:", "") and "calls" not in without.details


def test_beside_memory(project, python):
    project.write("both.py", "import os, subprocess, sys\ndef f(): return bytearray(1 << 20)\nkeep = [f() for i in range(100)]\nif len(sys.argv) == 1: subprocess.check_call([sys.executable, __file__, 'child'])\n")
    result = check(project.profile("both.py", options=["--calls", "--memory"], python=python))
    assert counts(result, "both.py")["f"] == (200, 0)
    assert result.details["heap"]["allocated_bytes"]["estimate"] > 200 << 20


def test_no_heap_without_memory(project, python):
    project.write("maps.py", "def f(): pass\nf()\nprint('heap' in open('/proc/self/maps').read().replace('[heap]', ''))\n")
    result = check(project.profile("maps.py", options=["--calls"], python=python))
    assert "False" in result.stdout


def test_where_it_cannot_be(project, python, request):
    """An interpreter that does not load the library is named; so is one that is too old."""
    old = [i for i in request.config.interpreters if i.version < (3, 8)]
    project.write(
        "raw.py",
        "import ctypes, os, sys\n"
        "pid = os.fork()\n"
        "if not pid:\n"
        "    a = (ctypes.c_char_p * 4)(sys.executable.encode(), b'-c', b'for i in range(20000000): pass', None)\n"
        "    e = (ctypes.c_char_p * 1)(None)\n"
        "    ctypes.CDLL(None).syscall(59, sys.executable.encode(), a, e)\n"
        "os.waitpid(pid, 0)\n",
    )
    result = check(project.profile("raw.py", options=["--calls"], python=python))
    assert [n for n in result.details["notices"] if n.startswith("no calls of")]
    for interpreter in old:
        project.write("old.py", "print('ran')\n")
        result = project.profile("old.py", options=["--calls"], python=interpreter).check()
        assert "ran" in result.stdout
        assert [n for n in result.details["notices"] if "calls are not counted in CPython %d.%d" % interpreter.version in n]


def test_nothing_is_left_behind(project, python):
    project.write("one.py", "pass\n")
    check(project.profile("one.py", options=["--calls"], python=python))
    assert not [name for name in os.listdir("/dev/shm") if name.startswith("fixingahole-calls-")]
