# SPDX-License-Identifier: Apache-2.0
"""doctor: what it says with more and with fewer rights is what then happens."""

import errno
import os
import platform
import re
import shutil
import stat
import subprocess

import pytest

from seccomp import BPF_CALL, PERF_CALL, refusing

PLAIN = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "HOME": "/"}
NOBODY = ["setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups"]
THREE = "+bpf,+perfmon,+sys_ptrace"
JOBS = ("profile a script", "its heap", "attach to a process", "watch the whole machine", "run as a service")


class Visit:
    """A run: its checks and verdicts as (ok|limited|no, text), and what is to be done."""

    def __init__(self, run):
        self.returncode, self.text = run.returncode, run.stdout + run.stderr
        assert not run.stderr and self.returncode in (0, 1), self.text
        found = re.findall(r"^(ok|limited|no) +(.*)\n(?: +to do: (.*)\n)?", run.stdout + "\n", re.MULTILINE)
        self.checks = [(health, text, todo) for health, text, todo in found][: -len(JOBS)]
        self.verdict = dict(zip(JOBS, (health for health, text, todo in found[-len(JOBS):])))
        for job, (health, text, todo) in zip(JOBS, found[-len(JOBS):]):
            assert text.startswith(job), self.text
        for health, text, todo in self.checks:
            assert health != "ok" or not todo, self.text

    def check(self, pattern):
        matching = [c for c in self.checks if re.search(pattern, c[1])]
        assert len(matching) == 1, (pattern, self.text)
        return matching[0]

    def bad(self):
        return [text for health, text, todo in self.checks if health != "ok" and "terminal" not in text]


def visit(project, *before, binary=None):
    command = [*before, binary or project.binary, "doctor"]
    return Visit(subprocess.run(command, cwd=project.folder, env=PLAIN, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, universal_newlines=True, timeout=120))


def test_root(project):
    seen = visit(project)
    assert seen.returncode == 0
    assert not seen.bad(), seen.text
    assert {seen.verdict[job] for job in JOBS[:4]} == {"ok"}
    assert platform.release() in seen.check(r"^Linux \d")[1]
    samples, lines = map(int, re.search(r"(\d+) samples, (\d+) with", seen.check("^profiling a script")[1]).groups())
    assert 50 < lines <= samples


def test_nobody(project):
    """Each capability that is missing is named, and what fails for it."""
    seen = visit(project, *NOBODY)
    assert seen.returncode == 1 and set(seen.verdict.values()) == {"no"}
    for name in ("CAP_BPF", "CAP_PERFMON", "CAP_SYS_PTRACE"):
        health, _, todo = seen.check(name + " is missing")
        assert health == ("limited" if name == "CAP_SYS_PTRACE" else "no") and "setcap cap_bpf,cap_perfmon,cap_sys_ptrace+ep" in todo
    assert "EPERM: capabilities are missing" in seen.check("^loading BPF programs")[1]
    assert "EACCES: capabilities are missing" in seen.check("^a timer on a thread")[1]
    assert seen.check("^profiling a script")[0] == "no"


def test_three_capabilities(project):
    seen = visit(project, *NOBODY, "--inh-caps", THREE, "--ambient-caps", THREE)
    assert seen.returncode == 0
    assert seen.verdict["profile a script"] == seen.verdict["attach to a process"] == "ok", seen.text
    assert seen.verdict["watch the whole machine"] == "ok", seen.text


def test_two_capabilities(project):
    words = "+bpf,+perfmon"
    seen = visit(project, *NOBODY, "--inh-caps", words, "--ambient-caps", words)
    assert seen.returncode == 0 and seen.verdict["profile a script"] == "ok", seen.text
    assert seen.check("CAP_SYS_PTRACE is missing")[0] == seen.verdict["watch the whole machine"] == "limited", seen.text


def test_file_capabilities(project):
    binary = shutil.copy(project.binary, project.path("given"))
    os.chmod(binary, 0o755)
    for missing, given in (("", "cap_bpf,cap_perfmon,cap_sys_ptrace"), ("CAP_PERFMON", "cap_bpf,cap_sys_ptrace")):
        subprocess.run(["setcap", given + "+ep", binary], check=True)
        seen = visit(project, *NOBODY, binary=binary)
        assert seen.returncode == (1 if missing else 0), seen.text
        assert seen.check("the program's file gives")[0] == ("limited" if missing else "ok")
        assert seen.verdict["watch the whole machine"] == "no"
        if missing:
            assert seen.check(missing + " is missing")[0] == "no"
    seen = visit(project, *NOBODY, "--no-new-privs", binary=binary)
    assert seen.check("no_new_privs is set")[0] == "no" and seen.returncode == 1
    subprocess.run(["setcap", "cap_bpf,cap_perfmon+ep", binary], check=True)
    seen = visit(project, *NOBODY, binary=binary)
    assert seen.check("reading another process's memory")[0] == seen.verdict["attach to a process"] == "ok", seen.text


@pytest.mark.parametrize("call,failing,working", [(BPF_CALL, "loading BPF programs", "a timer on a thread"), (PERF_CALL, "a timer on a thread", "loading BPF programs")])
def test_seccomp(project, call, failing, working):
    """A container's filter is told from missing capabilities."""
    seen = visit(project, *refusing(project, errno.EPERM, call))
    assert seen.returncode == 1 and seen.verdict["profile a script"] == "no"
    health, text, todo = seen.check("^" + failing)
    assert health == "no" and "EPERM: a seccomp filter refuses it" in text and "seccomp=unconfined" in todo
    assert seen.check("^" + working)[0] == "ok"
    assert seen.check("^CAP_BPF is there")[0] == "ok"


def test_user_namespace(project):
    seen = visit(project, "unshare", "-Ur")
    assert seen.returncode == 1 and set(seen.verdict.values()) == {"no"}
    assert "the initial" in seen.check("^the user namespace is not")[2] or "on the host" in seen.check("^the user namespace is not")[2]
    for call in ("loading BPF programs", "a timer on a thread"):
        assert "capabilities of a user namespace do not count" in seen.check("^" + call)[1]


def test_proc_of_another_namespace(project):
    seen = visit(project, "unshare", "-pf")
    assert seen.returncode == 1
    assert "--mount-proc" in seen.check("/proc is another PID namespace's")[2]


def test_masked(project):
    """As containers hide parts of /sys and /proc."""
    seen = visit(project, "unshare", "-m", "sh", "-c", 'mount -t tmpfs none /sys/kernel/btf && exec "$0" "$@"')
    assert seen.returncode == 1 and seen.check("type information .BTF. is not there")[0] == "no"
    assert "type information" in seen.check("^profiling a script")[2]
    words = ",".join("+" + name for name in ("bpf", "perfmon"))
    become = " ".join([*NOBODY, "--inh-caps", words, "--ambient-caps", words])
    seen = visit(project, "unshare", "-m", "-pf", "sh", "-c", 'mount -t proc -o hidepid=2 none /proc && exec %s "$0" "$@"' % become)
    assert "hidepid" in seen.check("hides the processes of others")[1]
    assert seen.verdict["profile a script"] == "ok", seen.text


def test_pid_namespace(project):
    """A container of its own PIDs: what is in it can be profiled, and attached to."""
    seen = visit(project, "unshare", "-m", "-pf", "--mount-proc")
    assert seen.returncode == 0
    assert "--pid=host" in seen.check("the PID namespace is not the host's")[2]
    assert seen.verdict["profile a script"] == "ok" and seen.verdict["attach to a process"] == "limited", seen.text
    for what in ("profiling a script", "attaching to a process"):
        assert seen.check("^" + what)[0] == "ok", seen.text


def test_output_is_plain(project):
    """One line per check, and nothing but text, whatever a name holds."""
    folder = project.path("bin")
    os.mkdir(folder)
    evil = os.path.join(folder, "python3")
    with open(evil, "wb") as f:
        f.write(b"\x7fELF nothing")
    os.chmod(evil, os.stat(evil).st_mode | stat.S_IXUSR)
    run = subprocess.run([project.binary, "doctor"], env={"PATH": folder, "TERM": "x\033[31m\ny", "container": "bad\033[31m\nthing"}, stdout=subprocess.PIPE, universal_newlines=True)
    assert run.returncode == 1
    assert "\033" not in run.stdout
    assert re.search(r"^limited  .*/python3 does not run$", run.stdout, re.MULTILINE)
    assert "no Python that is supported is on PATH" in run.stdout


def test_arguments(project):
    run = subprocess.run([project.binary, "doctor", "x"], stderr=subprocess.PIPE, universal_newlines=True)
    assert run.returncode == 2 and "unexpected 'x'" in run.stderr
