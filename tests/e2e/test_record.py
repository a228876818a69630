# SPDX-License-Identifier: Apache-2.0
"""record: many processes at once, by programs whose answer is known."""

import collections
import ctypes
import json
import os
import re
import shutil
import signal
import struct
import subprocess
import sys
import tempfile
import time

import pytest

import interpreters

SPIN = """import sys, time
def first(n):
    s = 0
    for i in range(n):
        s += i
    return s
def second(n):
    s = 0
    for i in range(n):
        s += i
    return s
print("ready", flush=True)
end = time.monotonic() + float(sys.argv[1])
while time.monotonic() < end:
    first(2000)
    second(6000)
"""

SLEEP = """import sys, threading, time
def pause(s):
    time.sleep(s)
def live():
    for _ in range(int(sys.argv[1])):
        pause(0.25)
threads = [threading.Thread(target=live) for _ in range(4)]
for thread in threads:
    thread.start()
print("ready", flush=True)
for thread in threads:
    thread.join()
"""

SHORT = """import time
def short(until):
    n = 0
    while time.process_time() < until:
        n += 1
    return n
short(time.process_time() + 0.06)
"""


class Window:
    """What --json prints."""

    def __init__(self, text):
        self.data = json.loads(text)
        self.processes = self.data["processes"]

    def pid(self, pid):
        found = [p for p in self.processes if p["pid"] == pid]
        assert len(found) == 1, found
        return found[0]

    def by_function(self, pids, *kinds):
        """Seconds of these kinds of time by the innermost frame's function."""
        seconds = collections.Counter()
        for row in self.data["rows"]:
            if self.processes[row["process"]]["pid"] not in pids:
                continue
            frames = self.data["stacks"][row["stack"]].get("frames") or []
            function = self.data["frames"][frames[0]].get("function") if frames else None
            seconds[function] += sum(row.get(kind + "_ns", 0) for kind in kinds) / 1e9
        return seconds


CPU = ("python", "native", "system")


def start(project, name, text, *arguments, python=sys.executable):
    project.write(name, text)
    target = subprocess.Popen([python, os.path.join(project.folder, name), *arguments], stdout=subprocess.PIPE, universal_newlines=True)
    if "ready" in text:
        assert target.stdout.readline() == "ready\n"
    return target


def record(project, *options, **more):
    return subprocess.run([project.binary, "record", *options], cwd=project.folder, env=project.environment(), stdout=subprocess.PIPE, stderr=subprocess.PIPE, universal_newlines=True, **more)


def window(project, *options):
    result = record(project, "--json", *options)
    assert result.returncode == 0, result.stderr
    return Window(result.stdout)


def cpu_seconds(pid):
    with open("/proc/%d/stat" % pid) as f:
        words = f.read().rsplit(")", 1)[1].split()
    return (int(words[11]) + int(words[12])) / os.sysconf("SC_CLK_TCK")


def watch(project, pid, seconds, *options):
    """A window of so long, and the CPU seconds that the kernel says the process took meanwhile."""
    profiler = subprocess.Popen([project.binary, "record", "--json", *options], cwd=project.folder, env=project.environment(), stdout=subprocess.PIPE, stderr=subprocess.PIPE, universal_newlines=True)
    assert "watching" in profiler.stderr.readline()
    before = cpu_seconds(pid)
    time.sleep(seconds)
    spent = cpu_seconds(pid) - before
    profiler.send_signal(signal.SIGINT)
    out, err = profiler.communicate()
    assert profiler.returncode == 0, err
    return Window(out), spent


@pytest.mark.parametrize("target", ["-a", "--pid"])
def test_shares(project, python, target):
    """A quarter and three quarters; at 997 Hz over 5 s one standard deviation is below 0.7 points, more where the machine is busy."""
    with start(project, "spin.py", SPIN, "60", python=python.path) as spin:
        seen, spent = watch(project, spin.pid, 5, "--rate", "997", *([target] if target == "-a" else [target, str(spin.pid)]))
        spin.kill()
    process = seen.pid(spin.pid)
    assert process["name"] == "spin.py" and process["interpreter"] == "CPython %d.%d" % python.version[:2]
    seconds = seen.by_function([spin.pid], *CPU)
    whole = sum(seconds.values())
    assert abs(seconds["second"] / (seconds["first"] + seconds["second"]) - 0.75) < 0.035, seconds
    # the kernel counts in ticks of 10 ms; and we go on for some milliseconds more
    assert abs(whole - spent) < 0.05 * spent + 0.05, (whole, spent)


def test_waiting(project):
    """A process sleeps in pause() all the time, whichever of its threads wakes up; another one that is no Python waits, too."""
    other = subprocess.Popen(["sleep", "60"])
    with start(project, "sleepy.py", SLEEP, "40") as sleepy:
        seen = window(project, "-a", "--seconds", "4")
        sleepy.kill()
    other.kill()
    other.wait()
    seconds = seen.by_function([sleepy.pid], "waiting", "runnable")
    assert abs(sum(seconds.values()) - seen.data["seconds"]) < 0.2, seconds
    # a thread that wakes up while we attach is not read; its first wait counts for where the main thread stands
    assert seconds["pause"] > 0.9 * sum(seconds.values()), seconds
    assert abs(seen.pid(other.pid)["waiting_ns"] / 1e9 - seen.data["seconds"]) < 0.2


def test_other_programs(project):
    """A program that is no Python: its seconds, per process."""
    with subprocess.Popen(["sh", "-c", "while :; do :; done"]) as loop:
        seen, spent = watch(project, loop.pid, 3, "-a")
        loop.kill()
    process = seen.pid(loop.pid)
    taken = sum(process.get(kind + "_ns", 0) for kind in CPU) / 1e9
    assert process["name"] == "sh" and not process.get("interpreter")
    assert abs(taken - spent) < 0.05 * spent + 0.1, (taken, spent)


def unknown_python(project):
    """A copy of Debian's whose Py_Version says 3.6."""
    path = project.path("python3")
    shutil.copy(interpreters.DEBIAN, path)
    version = int(subprocess.check_output([interpreters.DEBIAN, "-c", "import sys; print(sys.hexversion)"]))
    with open(path, "r+b") as f:
        text = f.read()
        words = [at for at in range(0, len(text) - 7, 8) if text[at : at + 8] == struct.pack("<Q", version)]
        assert words
        for at in words:
            f.seek(at)
            f.write(struct.pack("<Q", 0x030606F0))
    return path


def test_named_without_lines(project):
    """Who names a process hears why it has no lines; of a whole machine's processes that is no news."""
    python = unknown_python(project)
    project.write("spin.py", SPIN)
    with subprocess.Popen([python, project.path("spin.py"), "60"], env=project.environment({"PYTHONHOME": "/usr"}), stdout=subprocess.PIPE) as old, \
            subprocess.Popen(["sh", "-c", "while :; do :; done"]) as loop:
        assert old.stdout.readline() == b"ready\n"
        named = record(project, "--pid", str(old.pid), "--pid", str(loop.pid), "--seconds", "1")
        seen = window(project, "--pid", str(old.pid), "--pid", str(loop.pid), "--seconds", "1")
        everything = record(project, "-a", "--seconds", "1")
        old.kill()
        loop.kill()
    unsupported, other = "CPython 3.6.6 is not supported", "'%s' holds no CPython" % os.path.basename(os.path.realpath("/bin/sh"))
    assert re.search(r"Notice: process %d, .*python3: %s; its time is reported without Python lines" % (old.pid, unsupported), named.stdout), named.stdout
    assert re.search(r"Notice: no known Python interpreter in '.*': %s; its time is reported without lines" % other, named.stdout), named.stdout
    assert seen.pid(old.pid)["no_interpreter"] == unsupported and seen.pid(loop.pid)["no_interpreter"] == other
    assert everything.returncode == 0 and "not supported" not in everything.stdout + everything.stderr and "no known Python" not in everything.stdout + everything.stderr


def test_heap(project):
    """What is held and what was allocated, by probes, of a process that began before; not of the whole machine."""
    text = """import time
def hold():
    return [bytearray(1 << 20) for _ in range(100)]
def churn():
    for _ in range(500):
        bytearray(1 << 20)
print("ready", flush=True)
time.sleep(3)
held = hold()
churn()
time.sleep(60)
"""
    with start(project, "holder.py", text) as target:
        seen, _ = watch(project, target.pid, 4, "-m", "--pid", str(target.pid))
        target.kill()
    held, allocated = collections.Counter(), collections.Counter()
    for row in seen.data["rows"]:
        for index in (seen.data["stacks"][row["stack"]].get("frames") or []):
            function = seen.data["frames"][index].get("function")
            if function in ("hold", "churn"):
                held[function] += row.get("live_bytes", 0)
                allocated[function] += row.get("allocated_bytes", 0)
    assert seen.data["heap"]
    assert abs(held["hold"] - (100 << 20)) < 0.03 * (100 << 20), held
    assert held["churn"] <= 2 << 20, held
    # the guard may have watched in slices
    assert abs(allocated["churn"] - (500 << 20)) < 0.15 * (500 << 20), allocated
    result = record(project, "-a", "-m")
    assert result.returncode == 2 and "'-m' needs --pid, --name or --cgroup" in result.stderr


def test_in_the_background(project):
    """Where a shell has it ignore Ctrl-C, it does; SIGTERM ends it, and its summary comes."""
    profiler = subprocess.Popen([project.binary, "record", "-a"], cwd=project.folder, env=project.environment(), stdout=subprocess.PIPE, stderr=subprocess.PIPE, universal_newlines=True,
                                preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_IGN))
    assert "watching" in profiler.stderr.readline()
    profiler.send_signal(signal.SIGINT)
    with pytest.raises(subprocess.TimeoutExpired):
        profiler.wait(timeout=0.7)
    profiler.terminate()
    out, err = profiler.communicate()
    assert profiler.returncode == 0 and out.startswith("Record of"), out + err


def test_libraries(project):
    """What json does counts for the line that calls it; with --detailed, for json's own."""
    text = "import json, sys\ndef own(data):\n    return json.dumps(data, indent=1)\ndata = [{str(i): [i]} for i in range(3000)]\nprint('ready', flush=True)\nwhile True:\n    own(data)\n"
    with start(project, "library.py", text) as target:
        plain = record(project, "-a", "--seconds", "2").stdout
        detailed = record(project, "-a", "-d", "--seconds", "2").stdout
        target.kill()
    assert "library.py:3 own" in plain and "encoder.py" not in plain, plain
    assert "encoder.py" in detailed, detailed


def test_native_names(project):
    """What a program that is no Python does has the names of its functions."""
    with subprocess.Popen(["gzip", "-9c", "/dev/zero"], stdout=subprocess.DEVNULL) as target:
        seen, _ = watch(project, target.pid, 2, "-a")
        target.kill()
    images = collections.Counter()
    for row in seen.data["rows"]:
        if seen.processes[row["process"]]["pid"] == target.pid and row.get("samples"):
            frames = seen.data["stacks"][row["stack"]].get("frames") or []
            frame = seen.data["frames"][frames[0]] if frames else {}
            images[(frame.get("kind"), os.path.basename(frame.get("path", "")))] += row["samples"]
    named = images[("native", "gzip")] + images[("kernel", "[kernel]")] + images[("native", "libc.so.6")]
    assert images[("native", "gzip")] and named > 0.95 * sum(images.values()), images


def test_short_lives(project, every_python):
    """Processes that are born and gone while we look: nearly all of what they did has names."""
    project.write("short.py", SHORT)
    profiler = subprocess.Popen([project.binary, "record", "-a", "--json", "--rate", "499"], cwd=project.folder, env=project.environment(), stdout=subprocess.PIPE, stderr=subprocess.PIPE, universal_newlines=True)
    assert "watching" in profiler.stderr.readline()
    pids = []
    for _ in range(10):
        process = subprocess.Popen([every_python.path, "-S", "-E", os.path.join(project.folder, "short.py")], cwd=project.folder)
        pids.append(process.pid)
        assert process.wait() == 0
    profiler.send_signal(signal.SIGINT)
    out, err = profiler.communicate()
    assert profiler.returncode == 0, err
    seen = Window(out)
    assert all(seen.pid(pid).get("interpreter") for pid in pids), [seen.pid(pid) for pid in pids]
    seconds = seen.by_function(pids, *CPU)
    assert all(seen.pid(pid)["end_ns"] for pid in pids)
    # what they do before their first line, and after the last, belongs to no function of theirs
    assert abs(seconds["short"] - 10 * 0.06) < 0.15 * 10 * 0.06, seconds
    mine = [p for p in seen.processes if p["pid"] in pids]
    assert all(p["name"] == "short.py" and p["user"] == "root" and p["command"].endswith("-S -E %s" % os.path.join(project.folder, "short.py")) for p in mine), mine
    # what interpreter it is, its file tells, from the second time on
    unseen, samples = (sum(seen.pid(pid).get(what, 0) for pid in pids[1:]) for what in ("unseen_samples", "samples"))
    assert unseen <= 0.01 * samples, "%d of %d samples were taken before the interpreter was known: %s" % (unseen, samples, mine)
    of = seen.data["python_samples"] - seen.data["frameless_samples"] - sum(p.get("unseen_samples", 0) for p in seen.processes if p.get("interpreter"))
    assert seen.data["named_samples"] >= 0.99 * of - 1


def test_last_of_all(project, every_python):
    """A process whose begin is heard early, and all else only once we are told to end: its exec is held up as a debugger does it."""
    libc = ctypes.CDLL(None, use_errno=True)
    trace_me, detach = 0, 17
    project.write("spin.py", "import sys, time\nwhile time.process_time() < float(sys.argv[1]):\n    pass\n")
    command = [every_python.path, "-S", "-E", os.path.join(project.folder, "spin.py")]
    profiler = subprocess.Popen([project.binary, "record", "-a", "--json", "--rate", "4999"], cwd=project.folder, env=project.environment(), stdout=subprocess.PIPE, stderr=subprocess.PIPE, universal_newlines=True)
    assert "watching" in profiler.stderr.readline()
    # by its file it is known from now on
    subprocess.run(command + ["0.5"], check=True)
    held = subprocess.Popen(command + ["0.05"], preexec_fn=lambda: libc.ptrace(trace_me, 0, None, None))
    assert os.WIFSTOPPED(os.waitpid(held.pid, 0)[1])
    time.sleep(0.5)
    assert not libc.ptrace(detach, held.pid, None, None)
    os.waitpid(held.pid, 0)
    profiler.send_signal(signal.SIGINT)
    out, err = profiler.communicate()
    assert profiler.returncode == 0, err
    assert Window(out).pid(held.pid)["interpreter"] == "CPython %d.%d" % every_python.version[:2]


def test_short_lives_elsewhere(project):
    """Who moves to another control group takes its children with it: what was told of it before no longer counts."""
    tops = [folder for folder in ("/sys/fs/cgroup", "/sys/fs/cgroup/systemd", "/sys/fs/cgroup/pids") if os.path.exists(folder + "/cgroup.procs")]
    try:
        group = tempfile.mkdtemp(prefix="fixingahole-", dir=tops[0])
    except (OSError, IndexError) as error:
        pytest.skip("no cgroup can be made: %s" % error)
    script = project.write("short.py", SHORT)
    words = "for i in 1 2 3; do %s -S -E short.py; done; echo $$ >%s/cgroup.procs; for i in 1 2 3; do %s -S -E short.py; done" % (sys.executable, group, sys.executable)
    profiler = subprocess.Popen([project.binary, "record", "-a", "--json"], cwd=project.folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE, universal_newlines=True)
    try:
        assert "watching" in profiler.stderr.readline()
        subprocess.check_call(["sh", "-c", words], cwd=os.path.dirname(script))
        profiler.send_signal(signal.SIGINT)
        seen = Window(profiler.communicate()[0])
    finally:
        os.rmdir(group)
    mine = sorted((p for p in seen.processes if p["name"] == "short.py"), key=lambda p: p["start_ns"])
    assert len(mine) == 6 and [p["cgroup"].endswith(os.path.basename(group)) for p in mine] == 3 * [False] + 3 * [True], mine


def test_intervals(project):
    """Every interval is a window of its own, and nothing falls between them."""
    with start(project, "spin.py", SPIN, "30") as spin:
        result = record(project, "-a", "--json", "--interval", "1", "--seconds", "4.5")
        spin.kill()
    assert result.returncode == 0, result.stderr
    decoder, text, windows = json.JSONDecoder(), result.stdout.strip(), []
    while text:
        data, end = decoder.raw_decode(text)
        windows.append(data)
        text = text[end:].strip()
    assert len(windows) == 5
    for one, two in zip(windows, windows[1:]):
        assert one["end_ns"] == two["start_ns"]
    assert abs(sum(w["seconds"] for w in windows) - 4.5) < 0.5


def test_summary_and_signals(project):
    with start(project, "spin.py", SPIN, "30") as spin:
        profiler = subprocess.Popen([project.binary, "record", "-a"], cwd=project.folder, env=project.environment(), stdout=subprocess.PIPE, stderr=subprocess.PIPE, universal_newlines=True)
        assert "Ctrl-C ends it" in profiler.stderr.readline()
        time.sleep(1.5)
        profiler.send_signal(signal.SIGTERM)
        out, err = profiler.communicate()
        spin.kill()
    assert profiler.returncode == 0, err
    assert "spin.py" in out and "Top" in out and "Lost: " in out
    assert not os.listdir(project.folder) or "performance" not in os.listdir(project.folder)


@pytest.mark.parametrize("options, said", [
    ([], "nothing to record"),
    (["-a", "--pid", "1"], "exclude each other"),
    (["-a", "x"], "unexpected 'x'"),
    (["-a", "--interval", "0"], "'--interval' must be"),
])
def test_wrong_words(project, options, said):
    result = record(project, *options)
    assert result.returncode == 2 and said in result.stderr and result.stderr.count("\n") == 1


def test_lent_capabilities(project):
    """A binary that has capabilities of its own does not show one user what the others do."""
    binary = os.path.join(project.folder, "fixingahole")
    subprocess.run(["cp", project.binary, binary], check=True)
    if subprocess.run(["setcap", "cap_bpf,cap_perfmon,cap_sys_ptrace+ep", binary]).returncode:
        pytest.skip("files cannot have capabilities here")
    os.chmod(project.folder, 0o755)
    result = subprocess.run(["setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups", binary, "record", "-a", "--seconds", "1"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, universal_newlines=True, cwd="/")
    assert result.returncode == 1 and "only root" in result.stderr, result.stderr


def test_ends_with_the_process(project):
    """Without -a it is over when the processes are."""
    with start(project, "spin.py", SPIN, "5") as spin:
        begin = time.monotonic()
        result = record(project, "--pid", str(spin.pid))
        assert time.monotonic() - begin < 20
    assert result.returncode == 0 and "spin.py" in result.stdout, result.stderr
