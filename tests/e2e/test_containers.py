# SPDX-License-Identifier: Apache-2.0
"""Processes in containers of every kind, and the profiler in one: right lines, and no more rights than the process's owner has."""

import contextlib
import os
import re
import shutil
import signal
import subprocess
import time

import pytest

import interpreters
from project import Result, wait_for
from test_attach import SCRIPT, Running, assert_complete, assert_quarter, attach, child_of, refused

PYTHON = os.path.realpath(interpreters.DEBIAN)
NOBODY = ["setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups"]
TEXT = "total = (total * 5 + i) & 0xFFFF"  # a line of the target
SECRET = "the_secret_is_4711 = True"

# A root of its own: an overlay of everything here, with the script (the only argument) in the upper layer only; as a container's runtime does it.
OVERLAY = """
set -e
mount --make-rprivate /
mount -t tmpfs none /mnt
mkdir /mnt/upper /mnt/work /mnt/root
mount -t overlay overlay -o lowerdir=/,upperdir=/mnt/upper,workdir=/mnt/work /mnt/root
mkdir -p /mnt/root/app /mnt/root/old
cp "$0" /mnt/root/app/only_inside.py
mount -t proc proc /mnt/root/proc
cd /mnt/root
pivot_root . old
umount -l /old
cd /app
exec "$@"
"""


@contextlib.contextmanager
def running(command, ready="ready\n", **kwargs):
    """A target that says so when it is ready, and runs until its input ends; its process."""
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, universal_newlines=True, **kwargs)
    try:
        assert process.stdout.readline() == ready
        yield process
        process.communicate(timeout=60)
        assert process.returncode == 0, process.returncode
    finally:
        if process.returncode is None:
            process.kill()
            process.communicate()


def whole(result):
    """All that a report may show of files."""
    return result.summary + result.results + str(result.json) + str(result.details)


def all_files(project):
    """Environment in which every file is reported, wherever it is."""
    return {"FIXINGAHOLE_ROOT": "/", "FIXINGAHOLE_OUTPUT": project.path("performance")}


def overlays():
    return subprocess.run(["unshare", "-m", "sh", "-c", OVERLAY, SCRIPT_PATH, "true"], stderr=subprocess.DEVNULL).returncode == 0


SCRIPT_PATH = os.path.join(interpreters.REPOSITORY, "tests/targets", SCRIPT)


def test_overlay(project):
    """A container as runtimes make them: overlay, a PID namespace, a pivoted root; the script's path is not here."""
    if not overlays():
        pytest.skip("no overlay file system can be mounted here")
    command = ["unshare", "-m", "-pf", "sh", "-c", OVERLAY, SCRIPT_PATH, PYTHON, "/app/only_inside.py", "shares"]
    with running(command) as process:
        result = attach(project, child_of(process.pid), seconds=2, env={"FIXINGAHOLE_ROOT": None}).check()
    assert not os.path.exists("/app/only_inside.py")
    assert_quarter(result, "only_inside.py")
    assert result.file("/app/only_inside.py") and TEXT in result.results
    assert os.path.exists(result.path("only_inside.py"))
    assert_complete(result)


def test_interpreter_on_an_overlay(project):
    """A script's interpreter on a file system of layers, whose files have one number for the kernel and another for us."""
    if not overlays():
        pytest.skip("no overlay file system can be mounted here")
    script = project.target("shares.py")
    layers = project.path("layers")
    mount = 'mkdir "$0" && mount -t tmpfs none "$0" && mkdir "$0/upper" "$0/work" "$0/usr" && mount -t overlay overlay -o lowerdir=/usr,upperdir="$0/upper",workdir="$0/work" "$0/usr" && exec "$@"'
    done = subprocess.run(
        ["unshare", "-m", "sh", "-c", mount, layers, project.binary, "profile", "--python", layers + "/usr/bin/python3", script, "--", "--seconds", "0.5"],
        cwd=project.folder, env=project.environment(), stdout=subprocess.PIPE, stderr=subprocess.PIPE, universal_newlines=True,
    )
    result = Result(done.returncode, done.stdout, done.stderr, project.folders()[-1]).check()
    assert result.details["processes"][0]["interpreter"] == "CPython 3.11", result.summary
    assert result.losses["samples without a known interpreter"] == 0


def test_unprivileged_user_namespace(project):
    """Rootless: it is root inside, and nobody outside."""
    script = project.target(SCRIPT)
    command = [*NOBODY, "unshare", "-Urmpf", "--mount-proc", PYTHON, script, "shares"]
    if subprocess.run([*NOBODY, "unshare", "-Urmpf", "--mount-proc", "true"], stderr=subprocess.DEVNULL).returncode:
        pytest.skip("no user namespace can be made by nobody here")
    with running(command) as process:
        result = attach(project, child_of(process.pid), seconds=2).check()
    assert_quarter(result, SCRIPT)
    assert TEXT in result.results
    assert_complete(result)


INSIDE = ["unshare", "-m", "-pf", "--mount-proc"]


def test_script_within_a_pid_namespace(project, python):
    """The profiler itself in a container that has its own PIDs: a script with a child process."""
    script = project.write(
        "forks.py",
        "import os, time\n"
        "def in_child():\n"
        "    end = time.process_time() + 0.4\n"
        "    while time.process_time() < end: pass\n"
        "def in_parent():\n"
        "    end = time.process_time() + 0.4\n"
        "    while time.process_time() < end: pass\n"
        "pid = os.fork()\n"
        "if not pid:\n"
        "    in_child()\n"
        "    os._exit(0)\n"
        "in_parent()\n"
        "os.waitpid(pid, 0)\n",
    )
    for before in (INSIDE, INSIDE * 2):
        run = subprocess.run([*before, project.binary, "profile", "-q", "--python", python.path, script], cwd=project.folder, env=project.environment(), stderr=subprocess.PIPE, universal_newlines=True)
        assert run.returncode == 0, run.stderr
        result = Result(0, "", run.stderr, project.folders()[-1]).check()
        for name in ("in_child", "in_parent"):
            assert abs(result.functions("forks.py")[name].cpu - 0.4) < 0.06, (name, result.summary)
        processes = {p["pid"]: p["parent_pid"] for p in result.details["processes"]}
        assert len(processes) == 2 and max(processes) < 100 and set(processes.values()) & set(processes), processes
        assert result.details["unknown_frames"] <= 0.005 * result.details["python_frames"]
        shutil.rmtree(result.folder)


@pytest.mark.parametrize("options", [["--memory"], ["--memory", "--heap-source", "probes"]], ids=["preload", "probes"])
def test_heap_within_a_pid_namespace(project, options):
    script = project.write("keeps.py", "def keep(): return [bytes(1000) for _ in range(60000)]\nkept = keep()\n")
    run = subprocess.run([*INSIDE, project.binary, "profile", "-q", "--python", PYTHON, *options, script], cwd=project.folder, env=project.environment(), stderr=subprocess.PIPE, universal_newlines=True)
    assert run.returncode == 0, run.stderr
    result = Result(0, "", run.stderr, project.folders()[-1]).check()
    assert 58 <= result.json["max_footprint_mb"] < 72, result.summary


def test_attach_within_a_pid_namespace(project):
    """Both in the same one, by the numbers that it gives; and to one in a namespace below."""
    script = project.target(SCRIPT)
    inside = 'mkfifo pipe; %s "$1" "$2" shares <pipe & pid=$!; exec 3>pipe; sleep 1; %s "$0" profile -q --seconds 2 --pid %s || exit 1; exec 3>&-; wait $pid'
    for below, number in (("", "$pid"), ("unshare -pf --mount-proc", "$(cat /proc/$pid/task/$pid/children)")):
        command = [*INSIDE, "sh", "-c", inside % (below, "", number), project.binary, PYTHON, script]
        run = subprocess.run(command, cwd=project.folder, env=project.environment(), stderr=subprocess.PIPE, stdout=subprocess.PIPE, universal_newlines=True, timeout=60)
        assert run.returncode == 0, run.stderr
        result = Result(0, "", run.stderr, project.folders()[-1]).check()
        assert_quarter(result, SCRIPT)
        assert result.details["processes"][0]["pid"] < 100
        assert_complete(result)
        os.unlink(project.path("pipe"))
        shutil.rmtree(result.folder)


def shared_python(request):
    """An interpreter with a libpython: (its path, the library's)."""
    for python in request.config.interpreters:
        if python.chroot or python.version < (3, 8):
            continue
        text = subprocess.run(["ldd", os.path.realpath(python.path)], stdout=subprocess.PIPE, universal_newlines=True).stdout
        found = re.search(r"=> (\S*/libpython3\S*)", text)
        if found:
            return python, found.group(1)
    pytest.skip("no interpreter with a shared libpython")


@pytest.mark.parametrize("way", ["deleted", "replaced"])
def test_libpython_is_gone(project, request, way):
    """As an upgrade leaves it: the process goes on with a library that no longer has a name."""
    python, library = shared_python(request)
    copy = shutil.copy(library, project.path(os.path.basename(library)))
    prefix = subprocess.check_output([python.path, "-c", "import sys; print(sys.prefix)"], universal_newlines=True).strip()
    script = project.target(SCRIPT)
    with running([os.path.realpath(python.path), script, "shares"], env={"LD_PRELOAD": copy, "PYTHONHOME": prefix}) as process:
        with open("/proc/%d/maps" % process.pid) as f:
            assert copy in f.read()
        os.unlink(copy)
        if way == "replaced":
            shutil.copy("/bin/true", copy)
        result = attach(project, process, seconds=2).check()
    assert_quarter(result, SCRIPT)
    assert_complete(result)


def state_of(pid):
    with open("/proc/%d/stat" % pid) as f:
        return f.read().rsplit(")", 1)[1].split()[0]


def test_stopped(project):
    """SIGSTOP: it is attached to as it stands, waits all along, is not woken; and is followed when it goes on."""
    with Running(project, "shares") as target:
        os.kill(target.pid, signal.SIGSTOP)
        wait_for(lambda: state_of(target.pid) == "T", "the stop")
        result = attach(project, target, seconds=1).check()
        assert state_of(target.pid) == "T"
        assert result.whole.cpu == 0 and abs(result.whole.wait - 1) < 0.1, result.whole
        assert sum(row.wait for row in result.functions(SCRIPT).values()) > 0.9 * result.whole.wait, result.summary
        process = project.start("profile", "-q", "--pid", target.pid, "--seconds", "2")
        time.sleep(0.8)
        os.kill(target.pid, signal.SIGCONT)
        code, stdout, stderr = project.finish(process)
        result = Result(code, stdout, stderr, project.folders()[-1]).check()
        assert result.functions(SCRIPT)["spin"].cpu > 0.3
        assert_complete(result)


BECOMES = """
import os, sys, time
def spin():
    end = time.process_time() + 0.05
    while time.process_time() < end: pass
{change}
print("ready", flush=True)
import threading
threading.Thread(target=lambda: (sys.stdin.read(), os._exit(0)), daemon=True).start()
while True:
    spin()
"""


def test_changed_user(project):
    """Root that became nobody: its lines are there, and the text of files that nobody may read is not."""
    for mode, seen in ((0o755, True), (0o700, False)):
        folder = project.path("folder-%o" % mode)
        os.mkdir(folder, mode)
        script = project.write("folder-%o/becomes.py" % mode, BECOMES.format(change="os.setgroups([]); os.setgid(65534); os.setuid(65534)"))
        with running([PYTHON, script]) as process:
            result = attach(project, process, seconds=1).check()
        assert result.functions(script)["spin"].cpu > 0.2, result.summary
        assert ("while time.process_time() < end" in result.results) == seen
        assert os.path.exists(result.path("becomes.py")) == seen
        assert_complete(result)


def test_changed_root(project):
    """It began here and then went into an empty folder: libraries and script are out of its reach."""
    os.mkdir(project.path("jail"))
    script = project.write("becomes.py", BECOMES.format(change="import threading; os.chroot(%r); os.chdir('/')" % project.path("jail")))
    with running([PYTHON, script]) as process:
        result = attach(project, process, seconds=1, env=all_files(project)).check()
    assert result.functions(script)["spin"].cpu > 0.2, result.summary
    assert "process_time() < end" not in result.results
    assert_complete(result)


# Runs code that claims to be from any file.
CLAIMS = """
import os, sys, threading, time
threading.Thread(target=lambda: (sys.stdin.read(), os._exit(0)), daemon=True).start()
code = "def f%d():\\n    end = time.process_time() + 0.02\\n    while time.process_time() < end: pass"
names = sys.argv[1:]
for i, name in enumerate(names):
    exec(compile(code % i, name, "exec"))
print("ready", flush=True)
while True:
    for i in range(len(names)):
        globals()["f%d" % i]()
"""


def names_of(secret, folder):
    """Ways to a file that is not one's own."""
    os.symlink(secret, folder + "/link.py")
    os.symlink("/proc/self/root" + secret, folder + "/magic.py")
    os.symlink("../" * 20 + secret.lstrip("/"), folder + "/relative.py")
    return [secret, "/proc/self/root" + secret, "/proc/1/root" + secret, "/proc/self/cwd/" + "../" * 20 + secret.lstrip("/")]


def test_no_file_of_roots(project):
    """A user's process names files that he may not read, by every way: none is in the report."""
    secret = project.write("vault/secret.py", (SECRET + "\n") * 5)
    os.chmod(project.path("vault"), 0o700)
    folder = project.path("his")
    os.mkdir(folder)
    names = names_of(secret, folder) + [folder + "/" + name for name in ("link.py", "magic.py", "relative.py")]
    script = project.write("his/claims.py", CLAIMS)
    with running([*NOBODY, PYTHON, script, *names]) as process:
        result = attach(project, process, seconds=1.5, env=all_files(project)).check()
    assert all(result.functions(name)["f%d" % i].cpu > 0.02 for i, name in enumerate(names)), result.summary
    assert "the_secret" not in whole(result)


def test_no_file_of_the_hosts(project, request):
    """Root in a chroot, with links out of it: what is not in there is not in the report."""
    inside = [i for i in request.config.interpreters if i.chroot]
    if not inside:
        pytest.skip("no Debian sid to change into")
    root = inside[-1].chroot
    # /tmp is bound into it: the secret must not be
    secret = "/var/tmp/fixingahole-secret-%d.py" % os.getpid()
    folder = root + "/root/fixingahole-claims"
    os.makedirs(folder)
    try:
        with open(secret, "w") as f:
            f.write((SECRET + "\n") * 5)
        names = names_of(secret, folder) + ["/root/fixingahole-claims/" + name for name in ("link.py", "magic.py", "relative.py")]
        with open(folder + "/claims.py", "w") as f:
            f.write(CLAIMS)
        command = ["chroot", root, "/usr/bin/python3.%d" % inside[-1].version[1], "/root/fixingahole-claims/claims.py", *names]
        with running(command) as process:
            result = attach(project, process, seconds=1.5, env=all_files(project)).check()
    finally:
        os.unlink(secret)
        shutil.rmtree(folder)
    assert all(result.functions(name)["f%d" % i].cpu > 0.02 for i, name in enumerate(names)), result.summary
    assert "the_secret" not in whole(result)


def test_script_is_a_link(project):
    """The main script's copy, too, has its owner's rights: argv can claim anything."""
    secret = project.write("vault/secret.py", SECRET + "\n")
    os.chmod(project.path("vault"), 0o700)
    folder = project.path("his")
    os.mkdir(folder)
    script = project.write("his/claims.py", CLAIMS)
    with running([*NOBODY, PYTHON, script, "/main.py"]) as process:
        os.rename(script, folder + "/kept.py")
        os.symlink(secret, script)
        result = attach(project, process, seconds=1, env=all_files(project)).check()
    assert not os.path.exists(result.path("claims.py")), os.listdir(result.folder)
    assert "the_secret" not in whole(result)


def test_zombie(project):
    process = subprocess.Popen(["true"])
    wait_for(lambda: state_of(process.pid) == "Z", "its end")
    refused(project, 1, "has ended", "--pid", process.pid)
    process.wait()


def other_linker(project):
    """Debian's interpreter with a dynamic linker of another name, as an interpreter that is linked with another libc has."""
    linker = "/tmp/.fih-musl-%d" % os.getpid()
    with open(PYTHON, "rb") as f:
        program = f.read()
    name = b"/lib64/ld-linux-x86-64.so.2\0"
    assert program.count(name) == 1 and len(linker) < len(name)
    binary = project.path("python3.11")
    with open(binary, "wb") as f:
        f.write(program.replace(name, linker.encode().ljust(len(name), b"\0")))
    os.chmod(binary, 0o755)
    os.symlink("/lib64/ld-linux-x86-64.so.2", linker)
    return binary, linker


def test_other_libc(project):
    """Our libraries are glibc's: the heap is seen by probes then, and calls are not counted, both said in a line; the script runs."""
    script = project.write("keeps.py", "def keep(): return [bytes(1000) for _ in range(60000)]\nkept = keep()\nprint('ran')\n")
    binary, linker = other_linker(project)
    try:
        result = project.run("profile", "--memory", "-q", "--python", binary, script, env={"PYTHONHOME": "/usr"}).check()
        calls = project.run("profile", "--calls", "-q", "--python", binary, script)
    finally:
        os.unlink(linker)
    assert "is not linked with glibc" in result.stderr and "by probes" in result.stderr and "ran" in result.stdout
    assert 58 <= result.json["max_footprint_mb"] < 72
    assert calls.returncode == 1 and "cannot count calls" in calls.stderr and "ran" not in calls.stdout


def test_musl(project):
    """A CPython of Alpine's kind. It takes minutes to build one, so it is named in FIXINGAHOLE_MUSL_PYTHON where there is one."""
    python = os.environ.get("FIXINGAHOLE_MUSL_PYTHON")
    if not python:
        pytest.skip("no CPython that is linked with musl: FIXINGAHOLE_MUSL_PYTHON names none")
    script = project.write("threads.py", MUSL)
    result = project.run("profile", "--memory", "--python", python, script).check()
    functions = result.functions(script)
    assert functions["main"].cpu > 0.3 and functions["helper"].cpu > 0.3, result.summary
    assert "by probes" in result.stderr and result.json["max_footprint_mb"] >= 58
    with running([python, script, "stay"]) as process:
        result = attach(project, process, seconds=1).check()
    functions = result.functions(script)
    assert functions["main"].cpu > 0.05 and functions["helper"].cpu > 0.05, result.summary
    assert_complete(result)


MUSL = """
import os, sys, threading, time
stay = len(sys.argv) > 1
kept = [bytes(1000) for _ in range(60000)]
def helper():
    end = time.thread_time() + (1000 if stay else 0.4)
    while time.thread_time() < end: pass
def main():
    end = time.thread_time() + (1000 if stay else 0.4)
    while time.thread_time() < end: pass
thread = threading.Thread(target=helper, daemon=stay)
thread.start()
if stay:
    print("ready", flush=True)
    threading.Thread(target=lambda: (sys.stdin.read(), os._exit(0)), daemon=True).start()
main()
thread.join()
"""
