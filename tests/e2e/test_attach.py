# SPDX-License-Identifier: Apache-2.0
"""Processes that run already: what they do is seen from then on, and they do not notice."""

import contextlib
import os
import pathlib
import re
import shutil
import signal
import socket
import subprocess
import threading
import time
import urllib.request

import pytest

import interpreters
from project import Result, wait_for
from tolerance import assert_seconds, assert_shares, assert_sum

SCRIPT = "attach.py"


class Running:
    """A target, until the with ends: it must then end well by itself."""

    def __init__(self, project, *args, python=interpreters.DEBIAN, before=(), cwd=None, wait=True):
        if not os.path.exists(project.path(SCRIPT)):
            project.target(SCRIPT)
        command = [*before, getattr(python, "path", python), project.path(SCRIPT), *map(str, args)]
        self.process = subprocess.Popen(
            command, cwd=cwd or project.folder, stdin=subprocess.PIPE, stdout=subprocess.PIPE, universal_newlines=True, env=project.environment()
        )
        self.pid = self.process.pid
        self.stdout = ""
        if wait:
            assert self.process.stdout.readline() == "ready\n"

    def __enter__(self):
        return self

    def __exit__(self, kind, *_):
        if kind:
            self.process.kill()
        self.end()
        if not kind:
            assert self.process.returncode == 0, (self.process.returncode, self.stdout)

    def end(self):
        if self.process.returncode is None:
            self.stdout, _ = self.process.communicate(timeout=60)

    def truth(self):
        return Result(0, self.stdout, "", None).truth


def attach(project, *args, seconds=2, options=(), **kwargs):
    numbers = [word for target in args for word in ("--pid", getattr(target, "pid", target))]
    limit = ["--seconds", seconds] if seconds else []
    return project.run("profile", *options, *numbers, *limit, **kwargs)


def child_of(pid):
    with open("/proc/%d/task/%d/children" % (pid, pid)) as f:
        return int(f.read().split()[0])


def refused(project, status, text, *args, **kwargs):
    result = project.run("profile", *args, **kwargs)
    assert result.returncode == status and result.folder is None, result.text()
    lines = result.stderr.strip().split("\n")
    assert len(lines) == 1 and text in lines[0], result.text()


COMMAND = """
import time
def spin(until):
    while time.process_time() < until:
        pass
print("ready", flush=True)
spin(60)
"""


@contextlib.contextmanager
def ready(project, python, *words, text=None):
    """A python with these words, once it says that it is ready. text: what it reads."""
    process = subprocess.Popen([python.path, *words], cwd=project.folder, stdin=subprocess.PIPE, stdout=subprocess.PIPE, universal_newlines=True, env=project.environment())
    try:
        if text:
            process.stdin.write(text)
        process.stdin.close()
        assert process.stdout.readline() == "ready\n"
        yield process
    finally:
        process.kill()
        process.wait()


@pytest.mark.parametrize("way", ["-c", "-"])
def test_code_without_a_file(project, python, way):
    """What was given by -c, or through the standard input, is the user's: there is nothing else that could be."""
    with ready(project, python, "-c", COMMAND) if way == "-c" else ready(project, python, "-", text=COMMAND) as process:
        result = attach(project, process, seconds=1).check()
    name = "<string>" if way == "-c" else "<stdin>"
    assert result.functions(name)["spin"].cpu > 0.8 * result.whole.cpu, result.results
    assert name in result.summary and "spin" in result.summary, result.summary
    # its text is known by the command alone
    assert ("while time.process_time() < until:" in result.results) == (way == "-c"), result.results


def test_code_of_several(project, python):
    """Each has a text of its own under the one name: none of them is said to be that of all."""
    with ready(project, python, "-c", COMMAND) as one, ready(project, python, "-c", COMMAND.replace("spin", "turn")) as other:
        result = attach(project, one, other, seconds=1).check()
    assert set(result.functions("<string>")) == {"spin", "turn"}
    assert "while time.process_time() < until:" not in result.results, result.results


def test_code_that_a_script_makes(project, python):
    """Made while it runs, as by dataclasses: it is no file of the script's, and has the same name."""
    script = project.write("makes.py", "exec(compile('def spin():\\n while 1: pass', '<string>', 'exec'))\nprint('ready', flush=True)\nspin()\n")
    with ready(project, python, script) as process:
        result = attach(project, process, seconds=1).check()
    assert "<string>" not in result.results, result.results
    assert result.inclusive("<module>") > 0.8 * result.whole.cpu


def test_cells_of_a_notebook(project, python):
    """A notebook's kernel names the code of a cell as a file that is none, in the folder of temporary ones; its own files are a library's."""
    cell = "exec(compile('def cell(n):\\n while n: n -= 1', '/tmp/ipykernel_12/3456.py', 'exec'))\n"
    launcher = project.write("site-packages/ipykernel_launcher.py", cell + "print('ready', flush=True)\nwhile 1:\n  for _ in range(30000): pass\n  cell(30000)\n")
    kernel = project.write("kernel.py", "import sys\nsys.path.insert(0, %r)\nimport ipykernel_launcher\n" % os.path.dirname(launcher))
    with ready(project, python, kernel) as process:
        result = attach(project, process, seconds=1).check()
    assert result.functions("/tmp/ipykernel_12/3456.py")["cell"].cpu > 0.3 * result.whole.cpu, result.results
    assert "ipykernel_launcher.py" not in result.results, result.results


def assert_quarter(result, name):
    """25 and 75 % of what CPU time it got: others may have been at work as well."""
    functions, got = result.functions(name), result.whole.cpu
    assert got > 0.3, result.whole
    assert_shares({"direct": functions["spin_direct"].cpu, "spin": functions["spin"].cpu}, {"direct": 0.25 * got, "spin": 0.75 * got}, points=1.5)


def assert_complete(result):
    assert result.details["unknown_frames"] <= 0.001 * result.details["python_frames"], result.summary
    assert result.losses["samples without a known interpreter"] == 0, result.summary
    assert_sum(result)


def test_shares(project, every_python, full):
    """25 and 75 % by construction, attached to in the middle; named from the first sample on. The target then ends as it would."""
    seconds = 10 if full else 3
    with Running(project, "shares", python=every_python) as target:
        result = attach(project, target, seconds=seconds).check()
    assert target.truth()["rounds"] > 100
    assert_quarter(result, SCRIPT)
    assert_seconds(result.whole.total, seconds, "the whole", relative=0.03)
    assert_complete(result)
    assert abs(result.details["wall_s"] - seconds) < 0.2
    assert os.path.basename(os.path.dirname(os.path.dirname(result.folder))) == "attach-%d" % target.pid
    assert os.path.exists(result.path(SCRIPT))
    assert "Detached from process %d, which goes on." % target.pid in result.summary
    assert re.search(r"its RSS was [\d.]+ MB", result.summary)


def test_sleeps_all_along(project, every_python):
    """Neither thread ever runs: the wait is counted from the attach to the end, on the line where the main thread stands."""
    with Running(project, "sleep", python=every_python) as target:
        result = attach(project, target, seconds=1).check()
    line = result.line(SCRIPT, project.marks(SCRIPT)["main"])
    assert_seconds(line.wait, 1, "the main thread's line", relative=0.05)
    assert_seconds(result.whole.total, 1, "the whole", relative=0.05)


def test_rss(project):
    with Running(project, "touch") as target:
        result = attach(project, target, seconds=1.5).check()
        with open("/proc/%d/status" % target.pid) as f:
            peak = int(re.search(r"VmHWM:\s+(\d+) kB", f.read()).group(1)) * 1024
    line = result.line(SCRIPT, project.marks(SCRIPT)["touch"])
    assert 20 << 20 < line.rss <= 66 << 20
    assert abs(result.details["max_rss_bytes"] - peak) < 4 << 20


def test_heap(project):
    """By probes: what is allocated from then on, and who keeps it."""
    with Running(project, "hoard") as target:
        result = attach(project, target, seconds=5, options=["--memory"]).check()
    marks, lines = project.marks(SCRIPT), {}
    for entry in result.details["files"]:
        if entry["path"].endswith(SCRIPT):
            lines = {line["lineno"]: line.get("heap") for line in entry["lines"]}
    for name in ("hoard", "large"):
        assert abs(lines[marks[name]]["live_bytes"]["estimate"] / target.truth()[name] - 1) < 0.03, (name, lines[marks[name]], target.truth())


def test_heap_sources(project):
    refused(project, 2, "'--heap-source=preload' is for scripts that are started", "--pid", 1, "--memory", "--heap-source", "preload")


def test_threads_born_meanwhile(project, python):
    """Threads come and go while we attach and after that: all CPU time is seen."""
    with Running(project, "churn", python=python) as target:
        for _ in range(3):
            result = attach(project, target, seconds=1).check()
            entry = result.details["processes"][0]
            kernel = entry["utime_s"] + entry["stime_s"]
            assert abs(result.whole.cpu - kernel) <= 0.05 * kernel + 0.03, (result.whole.cpu, kernel)
            assert result.functions(SCRIPT)["spin"].cpu > 0.7 * result.whole.cpu


def test_children(project, python):
    with Running(project, "children", python=python) as target:
        followed = attach(project, target, seconds=2).check()
        alone = attach(project, target, seconds=1, options=["--no-children"]).check()
    assert len(followed.details["processes"]) == 3
    functions = {name for stack, _ in followed.stacks() for _, name, _ in stack}
    assert {"in_child", "child"} <= functions
    assert {p["parent_pid"] for p in followed.details["processes"]} == {0, target.pid}
    assert len(alone.details["processes"]) == 1
    assert_seconds(alone.whole.wait, 1, "the parent waits", relative=0.05)


def test_two_at_once(project):
    with Running(project, "shares") as busy, Running(project, "sleep") as idle:
        result = attach(project, busy, idle, busy, seconds=1.5).check()
    assert sorted(p["pid"] for p in result.details["processes"]) == sorted([busy.pid, idle.pid])
    assert_seconds(result.whole.total, 3, "both", relative=0.05)
    assert_seconds(result.line(SCRIPT, project.marks(SCRIPT)["main"]).wait, 1.5, "the idle one", relative=0.05)


def test_fifty_idle(project):
    targets = [Running(project, "sleep", wait=False) for _ in range(50)]
    try:
        for target in targets:
            assert target.process.stdout.readline() == "ready\n"
        result = project.run("profile", "--name", SCRIPT, "--seconds", "1").check()
    finally:
        for target in targets:
            target.__exit__(None)
    assert len(result.details["processes"]) == 50
    assert_seconds(result.line(SCRIPT, project.marks(SCRIPT)["main"]).wait, 50, "all of them", relative=0.05)


def test_in_a_long_call(project):
    """In the middle of one C call that began long ago."""
    if not interpreters.Interpreter(interpreters.DEBIAN, (3, 11), "debian").has("numpy"):
        pytest.skip("no numpy")
    with Running(project, "call", 3000) as target:
        time.sleep(0.3)
        result = attach(project, target, seconds=1.5).check()
        target.process.kill()
        target.process.wait()
        target.process.returncode = 0
    line = result.line(SCRIPT, project.marks(SCRIPT)["call"])
    assert line.times["native"] >= 0.8 * line.cpu and line.cpu > 0.95 * result.whole.cpu, (line, result.whole)
    assert_complete(result)


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def test_prefork_server(project):
    """Four workers under load, by their parent's PID."""
    port, served, stop = free_port(), [], threading.Event()

    def ask():
        while not stop.is_set():
            served.append(urllib.request.urlopen("http://127.0.0.1:%d/" % port, timeout=30).read())

    with Running(project, "server", port) as target:
        clients = [threading.Thread(target=ask) for _ in range(4)]
        for client in clients:
            client.start()
        result = attach(project, target, seconds=3).check()
        stop.set()
        for client in clients:
            client.join()
    assert len(set(served)) == 1 and len(served) > 50
    assert len(result.details["processes"]) == 5
    functions = result.functions(SCRIPT)
    assert functions["spin"].cpu > 0.3 * result.whole.cpu
    stacks = [stack for stack, _ in result.stacks() if stack[-1][1] == "spin"]
    assert stacks and all(any(name == "handle" for _, name, _ in stack) for stack in stacks)
    busy = [p for p in result.details["processes"] if p["pid"] != target.pid]
    assert sum(1 for p in busy if p["run_s"] > 0 or any(p["top"])) >= 2
    assert_complete(result)


@pytest.mark.parametrize("way", ["mounts", "pids", "both"])
def test_namespaces(project, way):
    """A file system and PIDs of its own: sources come from its own root."""
    inner = project.path("inner")
    os.makedirs(inner)
    hidden = project.target(SCRIPT)
    os.makedirs(project.path("inner/app"))
    shutil.move(hidden, project.path("inner/app/" + SCRIPT))
    mounts = 'mount -t tmpfs none /mnt && cp "$0" /mnt/hidden.py'
    options = {"mounts": ["-m"], "pids": ["-pf", "--mount-proc"], "both": ["-m", "-pf", "--mount-proc"]}[way]
    command = ["unshare", *options, "sh", "-c", mounts + ' && cd /mnt && exec /usr/bin/python3 /mnt/hidden.py shares', project.path("inner/app/" + SCRIPT)]
    if way == "pids":
        command[-2] = 'exec /usr/bin/python3 "$0" shares'
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, universal_newlines=True)
    try:
        assert process.stdout.readline() == "ready\n"
        pid = process.pid if way == "mounts" else child_of(process.pid)
        result = attach(project, pid, seconds=2, env={"FIXINGAHOLE_ROOT": None}).check()
    finally:
        process.communicate(timeout=30)
    assert process.returncode == 0
    name = SCRIPT if way == "pids" else "hidden.py"
    assert_quarter(result, name)
    assert "total = (total * 5 + i) & 0xFFFF" in result.results  # the text of the lines
    assert os.path.exists(result.path(name))
    assert_complete(result)


def test_chroot(project, request):
    """A root of its own, with its own C library and CPython 3.13 to 3.15."""
    inside = [i for i in request.config.interpreters if i.chroot]
    if not inside:
        pytest.skip("no Debian sid to change into")
    project.target(SCRIPT)
    for python in inside:
        folder = python.chroot + "/root/fixingahole-test"
        os.makedirs(folder, exist_ok=True)
        shutil.copy(project.path(SCRIPT), folder + "/only_inside.py")
        try:
            process = subprocess.Popen(
                ["chroot", python.chroot, "/usr/bin/python3.%d" % python.version[1], "/root/fixingahole-test/only_inside.py", "shares"],
                stdin=subprocess.PIPE, stdout=subprocess.PIPE, universal_newlines=True,
            )
            assert process.stdout.readline() == "ready\n"
            result = attach(project, process, seconds=2, env={"FIXINGAHOLE_ROOT": None}).check()
            process.communicate(timeout=30)
            assert process.returncode == 0
        finally:
            shutil.rmtree(folder)
        entry = result.file("/root/fixingahole-test/only_inside.py")
        assert entry, result.summary
        assert_quarter(result, "only_inside.py")
        assert "total = (total * 5 + i) & 0xFFFF" in result.results
        assert_complete(result)


def test_deleted_binary(project):
    """The interpreter was replaced, as an upgrade does it, and the script is gone."""
    binary = project.path("python3.11")
    shutil.copy(os.path.realpath(interpreters.DEBIAN), binary)
    with Running(project, "shares", python=binary) as target:
        os.unlink(binary)
        os.rename(project.path(SCRIPT), project.path("elsewhere.py"))
        shutil.copy("/bin/true", binary)
        result = attach(project, target, seconds=1.5).check()
    assert result.functions(SCRIPT)["spin"].cpu > 0.6 * result.whole.cpu > 0.1
    assert_complete(result)


def test_main_thread_has_ended(project):
    with Running(project, "orphan") as target:
        wait_for(lambda: open("/proc/%d/stat" % target.pid).read().rsplit(")", 1)[1].split()[0] == "Z", "the main thread's end")
        result = attach(project, target, seconds=1).check()
        target.end()
    assert result.functions(SCRIPT)["spin"].cpu > 0.8 * result.whole.cpu > 0.05
    assert_complete(result)


def test_end_of_the_target(project):
    with Running(project, "shares") as target:
        process = project.start("profile", "--pid", target.pid)
        wait_for(lambda: project.folders(), "the output folder")
        time.sleep(0.7)
        target.end()
        code, stdout, stderr = project.finish(process)
    result = Result(code, stdout, stderr, project.folders()[-1]).check()
    assert "Process %d ended with exit status 0." % target.pid in result.summary


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_stopped_by_a_signal(project, number):
    """The profiler is told to stop; the target hears nothing of it."""
    with Running(project, "shares") as target:
        process = project.start("profile", "--pid", target.pid, "-q")
        wait_for(lambda: project.folders(), "the output folder")
        time.sleep(1)
        process.send_signal(number)
        code, stdout, stderr = project.finish(process)
    result = Result(code, stdout, stderr, project.folders()[-1]).check()
    assert stdout == "" and result.whole.cpu > 0.1
    assert target.truth()["rounds"] > 0


def test_often(project, full):
    """Attached to and left again and again, and killed in the middle: the target goes on."""
    with Running(project, "churn") as target:
        for i in range(100 if full else 12):
            if i % 3 == 2:
                process = project.start("profile", "--pid", target.pid)
                time.sleep(0.05 * (i % 9))
                process.kill()
                project.finish(process)
            else:
                result = attach(project, target, seconds=0.1, options=["-q"])
                assert result.returncode == 0, result.text()
                shutil.rmtree(result.folder)
    assert target.truth()["threads"] > 0


def test_not_python(project):
    process = subprocess.Popen(["sh", "-c", "while :; do :; done"])
    try:
        result = attach(project, process, seconds=1).check()
    finally:
        process.kill()
        process.wait()
    assert "no known Python interpreter in" in result.summary
    assert result.whole.cpu > 0.3 and len(result.details["processes"]) == 1


def test_asleep_and_not_python(project):
    """What sleeps when we come, and has a stack that nobody reads, has not waited for a processor."""
    process = subprocess.Popen(["/bin/sh", "-c", "sleep 2; :"])
    children = pathlib.Path("/proc/%d/task/%d/children" % (process.pid, process.pid))
    wait_for(lambda: children.read_text() and "sleep" in pathlib.Path("/proc/%d/wchan" % child_of(process.pid)).read_text(), "the child's sleep")
    result = project.run("profile", "--pid", process.pid).check()
    assert process.wait() == 0
    whole, elapsed = result.details["whole"], result.details["elapsed_s"]
    assert_seconds(whole["waiting_s"], 2 * elapsed, "both", relative=0.05)
    assert whole["runnable_s"] < 0.1
    assert sorted(reason["call"] for reason in result.details["outside"]["waits_for"] if reason["seconds"] > 1) == ["sleep", "wait4"], result.details["outside"]


def test_live_and_rate(project):
    with Running(project, "sleep") as target:
        result = attach(project, target, seconds=2.5, options=["--live", "1", "--rate", "99"]).check()
    assert result.stderr.count("After ") == 2
    assert re.search(r"After 1\.\d seconds: 0 samples, CPU 0.0 s, waiting 1\.\d s", result.stderr), result.stderr
    assert result.details["rate_hz"] == 99


def test_refused(project):
    """What cannot be attached to is said in one line."""
    refused(project, 1, "there is no process 4194304", "--pid", 4194304)
    refused(project, 1, "is a thread of the kernel", "--pid", 2)
    refused(project, 2, "'--pid' must be", "--pid", "abc")
    refused(project, 2, "'--repeat' is for scripts", "--pid", 1, "-r", 3)
    refused(project, 1, "no process is named", "--name", "no-such-*")
    refused(project, 1, "there is no cgroup", "--cgroup", "no/such")
    zombie = subprocess.Popen(["true"])
    wait_for(lambda: open("/proc/%d/stat" % zombie.pid).read().rsplit(")", 1)[1].split()[0] == "Z", "its end")
    refused(project, 1, "has ended", "--pid", zombie.pid)
    zombie.wait()
    with Running(project, "sleep") as target:
        thread = max(int(tid) for tid in os.listdir("/proc/%d/task" % target.pid))
        refused(project, 1, "is a thread of process %d" % target.pid, "--pid", thread)


def test_cgroup(project):
    """Of a service: its cgroup, and the ones below it."""
    tops = [folder for folder in ("/sys/fs/cgroup", "/sys/fs/cgroup/systemd", "/sys/fs/cgroup/pids") if os.path.exists(folder + "/cgroup.procs")]
    folder = tops[0] + "/fixingahole-test-%d" % os.getpid() if tops else None
    try:
        os.makedirs(folder + "/below")
    except (OSError, TypeError) as error:
        pytest.skip("no cgroup can be made: %s" % error)
    try:
        with Running(project, "shares") as one, Running(project, "sleep") as two:
            for target, place in ((one, folder), (two, folder + "/below")):
                with open(place + "/cgroup.procs", "w") as f:
                    f.write(str(target.pid))
            result = project.run("profile", "--cgroup", folder[len("/sys/fs/cgroup/"):], "--seconds", 1).check()
        assert sorted(p["pid"] for p in result.details["processes"]) == sorted([one.pid, two.pid])
    finally:
        os.rmdir(folder + "/below")
        os.rmdir(folder)


def test_many_threads(project):
    """More than get a timer each."""
    script = project.write(
        "many.py",
        "import sys, threading, time\n"
        "def work():\n"
        "    while True:\n"
        "        end = time.thread_time() + 0.001\n"
        "        while time.thread_time() < end: pass\n"
        "        time.sleep(2)\n"
        "for _ in range(500): threading.Thread(target=work, daemon=True).start()\n"
        "print('ready', flush=True)\n"
        "sys.stdin.read()\n",
    )
    process = subprocess.Popen([interpreters.DEBIAN, script], stdin=subprocess.PIPE, stdout=subprocess.PIPE, universal_newlines=True)
    try:
        assert process.stdout.readline() == "ready\n"
        result = attach(project, process, seconds=2).check()
    finally:
        process.communicate()
    entry = result.details["processes"][0]
    kernel = entry["utime_s"] + entry["stime_s"]
    assert abs(result.whole.cpu - kernel) <= 0.15 * kernel + 0.1, (result.whole.cpu, kernel)
    assert result.functions("many.py")["work"].cpu > 0.5 * result.whole.cpu
    assert_complete(result)


def test_somebody_elses(project):
    """A binary with capabilities of its own shows its caller only his own processes; who was given them himself sees all."""
    nobody = ["setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups"]
    ambient = [*nobody, "--inh-caps", "+bpf,+perfmon,+sys_ptrace", "--ambient-caps", "+bpf,+perfmon,+sys_ptrace"]
    if subprocess.run([*ambient, "true"]).returncode:
        pytest.skip("setpriv cannot give capabilities here")
    os.chmod(project.folder, 0o777)
    binary = pathlib.Path(project.folder, "fixingahole")
    shutil.copy(project.binary, binary)
    if subprocess.run(["setcap", "cap_bpf,cap_perfmon,cap_sys_ptrace+ep", str(binary)]).returncode:
        pytest.skip("files cannot have capabilities here")

    def run(before, binary, pid):
        command = [*before, str(binary), "profile", "-q", "--seconds", "0.5", "--pid", str(pid)]
        return subprocess.run(command, cwd=project.folder, env=project.environment({"HOME": "/"}), stdout=subprocess.PIPE, stderr=subprocess.PIPE, universal_newlines=True)

    with Running(project, "shares") as target:
        result = run(nobody, binary, target.pid)
        assert result.returncode == 1 and "belongs to 'root': attach to it with sudo" in result.stderr, result.stderr
        result = run(ambient, project.binary, target.pid)
        assert result.returncode == 0, result.stderr
    with Running(project, "shares", before=nobody) as target:
        result = run(nobody, binary, target.pid)
    assert result.returncode == 0, result.stderr
    assert Result(0, "", "", project.folders()[-1]).check().functions(SCRIPT)["spin"].cpu > 0.1
