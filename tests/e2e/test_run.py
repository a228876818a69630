# SPDX-License-Identifier: Apache-2.0
"""The script runs as it would alone, whatever happens to it or to us."""

import json
import os
import pty
import random
import re
import shutil
import signal
import subprocess
import time

import pytest

from project import Result, by_signal, wait_for

OURS = {"FIXINGAHOLE_PROFILE"}


def mirror(text):
    return json.loads(text.splitlines()[0])


def test_same_as_alone(project, python):
    arguments = ["one", "--two", "-o", "drei vier", ""]
    env = {"SOME_VARIABLE": "täst\nline"}
    alone = project.alone("mirror.py", *arguments, python=python, stdin="some input\n", env=env)
    result = project.profile("mirror.py", *arguments, python=python, stdin="some input\n", env=env).check()
    one, other = mirror(alone.stdout), mirror(result.stdout)
    assert other["environment"].pop("FIXINGAHOLE_PROFILE") == "1"
    for environment in (one["environment"], other["environment"]):
        for name in ("_", "SHLVL", "OLDPWD", "PWD"):  # the wrapper's shell, where there is one
            environment.pop(name, None)
    assert other["argv"][0].endswith("mirror.py") and other["argv"][1:] == arguments
    for name in ("name", "package", "main", "cwd", "environment", "stdin", "ids", "line", "executable", "prefix", "flags", "path"):
        assert other[name] == one[name], name
    assert os.path.join(project.folder, other["file"]) == project.path("mirror.py")
    assert set(other["open"]) == set(one["open"]), "descriptors leaked into the script"
    assert "to stderr" in result.stderr


def test_output_comes_first_and_untouched(project):
    script = project.write("out.py", "import sys, os\nos.write(1, b'a\\x00\\xff\\n')\nprint('b')\nsys.stdout.flush()\n")
    process = project.start("profile", "--python", "/usr/bin/python3", script)
    _, stdout, _ = project.finish(process)
    assert stdout.startswith("a\0\ufffd\nb\n")
    assert stdout.index("Finished in") > stdout.index("b\n")


def test_quiet(project):
    result = project.profile("hello.py", options=["-q"]).check()
    assert result.stdout == "hello\n"


def test_a_printer_is_not_slowed(project):
    start = time.monotonic()
    project.alone("printer.py", "20000")
    alone = time.monotonic() - start
    start = time.monotonic()
    result = project.profile("printer.py", "20000").check()
    assert result.stdout.startswith("line 0\nline 1\n") and "line 19999\n" in result.stdout
    # 0.25 s is the promise; the rest is for a busy machine.
    assert time.monotonic() - start < alone + 1.0


@pytest.mark.parametrize("way, status", [("exit", (3,)), ("_exit", (7,)), ("raise", (1,)), ("abort", by_signal(6)), ("segfault", by_signal(11)), ("sigterm", by_signal(15)), ("sigkill", by_signal(9))])
def test_exit_status(project, way, status):
    result = project.profile("crash.py", way, "0.3")
    assert result.returncode in status, result.text()
    result.check(result.returncode)
    assert "about to end by " + way in result.stdout
    assert result.functions("crash.py")["work"].total == pytest.approx(0.3, abs=0.05)
    if way == "raise":
        assert "ValueError: on purpose" in result.stderr and "line" in result.stderr


def test_syntax_error(project):
    result = project.profile("syntax_error.py")
    assert result.returncode == 1
    assert "SyntaxError" in result.stderr and "syntax_error.py" in result.stderr
    assert "Traceback (most recent call last)" not in result.stderr.split("SyntaxError")[0]


def test_interrupt(project):
    """Ctrl-C goes to the whole group: the script ends its own way, and there is a report."""
    script = project.write("loop.py", "import time\nopen('ready', 'w').close()\nwhile True:\n    time.sleep(0.01)\n    sum(range(10000))\n")
    process = project.start("profile", "--python", "/usr/bin/python3", script)
    wait_for(lambda: os.path.exists(project.path("ready")), "the script")
    time.sleep(0.5)
    os.killpg(process.pid, signal.SIGINT)
    code, stdout, stderr = project.finish(process, timeout=20)
    assert code in by_signal(2), (code, stdout, stderr)
    assert "KeyboardInterrupt" in stderr
    assert "Finished in" in stdout and "The script was ended by signal 2 (Interrupt).\n" in stdout, stdout
    assert os.path.getsize(os.path.join(project.folders()[-1], "profile_results.json")) > 100


def test_live(project):
    """Every second, where the time goes: also in a wait that has not ended, which counts once in the end."""
    script = project.write("nap.py", "import time\n\n\ndef nap():\n    time.sleep(2.5)\n\n\nnap()\n")
    result = project.profile(script, options=["--live", "1"]).check()
    assert len(re.findall(r"^After [12]\.\d seconds: \d+ samples, .*\n +(?:[89]\d|100)\.\d% nap \(nap\.py:4\)\n", result.stderr, re.M)) == 2, result.stderr
    assert result.line("nap.py", 5).total == pytest.approx(2.5, abs=0.1)


def test_live_changes_nothing(project):
    """What waits when --live looks is charged as without it: to the thread that goes on first, not to the main one."""
    script = project.write(
        "two.py", "import threading\nimport time\n\n\ndef nap():\n    time.sleep(1.6)\n\n\nthread = threading.Thread(target=nap)\nthread.start()\nthread.join()\n"
    )
    result = project.profile(script, options=["--live", "1"]).check()
    assert result.stderr.count("After 1.") == 1, result.stderr
    assert result.line("two.py", 6).total == pytest.approx(1.6, abs=0.1)


def test_quit(project):
    """Ctrl-\\ on a terminal ends the script, not the report."""
    script = project.write("loop.py", "import time\nopen('ready', 'w').close()\nwhile True:\n    time.sleep(0.01)\n")
    pid, terminal = pty.fork()
    if pid == 0:
        os.chdir(project.folder)
        os.execve(project.binary, [project.binary, "profile", "--python", "/usr/bin/python3", script], project.environment())
    wait_for(lambda: os.path.exists(project.path("ready")), "the script")
    os.write(terminal, b"\x1c")
    said = b""
    try:
        while True:
            said += os.read(terminal, 65536)
    except OSError:  # the other end is closed
        pass
    status = os.waitpid(pid, 0)[1]
    assert os.WIFEXITED(status) and os.WEXITSTATUS(status) == 128 + signal.SIGQUIT, (status, said)
    assert b"ended by signal 3" in said and b"Finished in" in said, said


def test_interrupt_survived(project):
    """A script that handles Ctrl-C goes on, and is profiled to its end."""
    script = project.write(
        "handler.py",
        "import signal, time, sys\nsignal.signal(signal.SIGINT, lambda *_: print('caught', flush=True))\nopen('ready', 'w').close()\n"
        "end = time.time() + 1.5\nwhile time.time() < end:\n    pass\nprint('to the end')\nsys.exit(5)\n",
    )
    process = project.start("profile", "--python", "/usr/bin/python3", script)
    wait_for(lambda: os.path.exists(project.path("ready")), "the script")
    time.sleep(0.3)
    os.killpg(process.pid, signal.SIGINT)
    code, stdout, stderr = project.finish(process, timeout=20)
    assert "caught\nto the end\n" in stdout, (code, stdout, stderr)
    assert code == 5
    assert "Finished in" in stdout


def test_sigterm(project):
    """SIGTERM to the profiler alone: the report is written, nothing is left behind."""
    script = project.write("loop.py", "import os, time\nopen('ready', 'w').write(str(os.getpid()))\nwhile True:\n    time.sleep(0.01)\n")
    process = project.start("profile", "--python", "/usr/bin/python3", script)
    wait_for(lambda: os.path.exists(project.path("ready")) and open(project.path("ready")).read(), "the script")
    time.sleep(0.3)
    process.terminate()
    code, stdout, _ = project.finish(process, timeout=20)
    assert code != 0
    assert "Finished in" in stdout
    assert not os.path.exists("/proc/" + open(project.path("ready")).read())


def test_kill_9(project, full):
    """The profiler killed at random moments: the script ends with the right result every time."""
    project.target("steady.py")
    rounds = "300000"
    expected = os.path.join(project.folder, "expected")
    os.mkdir(expected)
    start = time.monotonic()
    subprocess.check_call(["/usr/bin/python3", project.path("steady.py"), expected, rounds])
    lasts = time.monotonic() - start
    result = open(os.path.join(expected, "result")).read()
    choose = random.Random()
    killed_running = 0
    for n in range(100 if full else 10):
        folder = project.path("run%d" % n)
        os.mkdir(folder)
        process = project.start("profile", "--python", "/usr/bin/python3", "steady.py", folder, rounds, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        wait_for(lambda: os.path.exists(os.path.join(folder, "started")), "run %d" % n)
        time.sleep(choose.uniform(0, lasts))
        if process.poll() is None:
            killed_running += 1
            process.kill()
        process.wait()
        wait_for(lambda: os.path.exists(os.path.join(folder, "result")), "the result of run %d" % n)
        assert open(os.path.join(folder, "result")).read() == result
        pid = open(os.path.join(folder, "started")).read()
        wait_for(lambda: not os.path.exists("/proc/" + pid), "the end of the script")
    assert killed_running > 0


def test_kill_9_before_the_script_starts(project):
    """Whenever it dies: the script has run whole, or not at all, and nothing hangs around."""
    project.target("steady.py")
    for n in range(10):
        folder = project.path("early%d" % n)
        os.mkdir(folder)
        process = project.start("profile", "--python", "/usr/bin/python3", "steady.py", folder, "1000", stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        time.sleep(0.02 * n)
        process.kill()
        process.wait()
        wait_for(lambda: not group_members(process.pid), "the end of run %d" % n, seconds=10)
        assert os.path.exists(os.path.join(folder, "started")) == os.path.exists(os.path.join(folder, "result"))


def group_members(group):
    """Pids of a process group, zombies left out."""
    found = []
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            fields = open("/proc/%s/stat" % pid).read().rsplit(")", 1)[1].split()
        except OSError:
            continue
        if int(fields[2]) == group and fields[0] != "Z":
            found.append(int(pid))
    return found


def test_profiler_is_late(project, every_python):
    """Nothing of the script is lost, however late we get to hear of its start: here, when it is over."""
    if every_python.chroot:
        pytest.skip("it is started by a script that changes the root first")
    script = project.write("brief.py", "import time\ndef work(until):\n    n = 0\n    while time.process_time() < until:\n        n += 1\nwork(0.2)\n")
    process = project.start("profile", "--python", every_python.path, script)
    children = "/proc/%d/task/%d/children" % (process.pid, process.pid)

    def script_runs():
        with open(children) as f:
            pids = f.read().split()
        return pids and os.path.realpath("/proc/%s/exe" % pids[0]) not in (project.binary, "/proc/%s/exe" % pids[0])

    # at once: a pause would be too long
    while not script_runs():
        assert process.poll() is None
    process.send_signal(signal.SIGSTOP)
    time.sleep(0.5)
    process.send_signal(signal.SIGCONT)
    code, stdout, stderr = project.finish(process)
    result = Result(code, stdout, stderr, project.folders()[-1]).check()
    # what comes before the script's first line is its interpreter's
    assert 0.12 < result.functions("brief.py")["work"].cpu < 0.21, result.text()
    assert result.outside.cpu < 0.06, result.text()


def test_deleted_source(project):
    script = project.write("vanish.py", "import os, time\nos.unlink(__file__)\nend = time.time() + 0.5\nwhile time.time() < end:\n    pass\n")
    result = project.profile(script).check()
    assert sum(row.total for row in result.lines("vanish.py").values()) == pytest.approx(0.5, abs=0.1)


def test_unknown_interpreter(project):
    """Not a Python: one line that names it, and the time of the process all the same."""
    project.write("other.py", "i=0; while [ $i -lt 200000 ]; do i=$((i+1)); done; echo done\n")
    result = project.profile("other.py", python="/bin/sh")
    assert "done" in result.stdout, result.text()
    assert [line for line in (result.stderr + result.stdout).splitlines() if "sh" in line and "interpreter" in line.lower()], result.text()
    assert result.whole.cpu > 0.05


def test_interpreter_that_does_not_start(project):
    """One line, exit 1, and no folder with half a report."""
    python = project.write("python", "#!/nowhere/interpreter\n")
    os.chmod(python, 0o755)
    result = project.profile("hello.py", python=python)
    assert result.returncode == 1
    assert "cannot start '%s'" % python in result.stderr
    assert result.folder is None


def test_missing_interpreter(project):
    result = project.profile("hello.py", python="/nowhere/python3")
    assert result.returncode in (1, 2)
    assert "/nowhere/python3" in result.stderr and len(result.stderr.splitlines()) <= 2
    assert result.folder is None


def test_leftovers_of_killed_profilers_go(project):
    """A profiler killed before its script started leaves a folder, which the next one removes; others' folders stay."""
    dead = subprocess.Popen(["true"])
    dead.wait()
    folders = ["/dev/shm/fixingahole-%d-e2etst" % pid for pid in (dead.pid, os.getpid())]
    try:
        for folder in folders:
            os.mkdir(folder)
            open(folder + "/sitecustomize.py", "w").close()
            os.utime(folder, (0, 0))
        project.profile("hello.py").check()
        assert [os.path.exists(folder) for folder in folders] == [False, True]
    finally:
        for folder in folders:
            shutil.rmtree(folder, ignore_errors=True)
