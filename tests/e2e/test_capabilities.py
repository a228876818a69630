# SPDX-License-Identifier: Apache-2.0
"""Without root: which capabilities are enough for what, and what is said where they are not."""

import errno
import json
import os
import re
import shutil
import subprocess

import pytest

import interpreters
from project import Result
from seccomp import PERF_CALL, refusing
from test_attach import SCRIPT, Running, assert_complete, assert_quarter

NOBODY = ["setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups"]
PYTHON = os.path.realpath(interpreters.DEBIAN)
TWO = ("bpf", "perfmon")
SPIN = (
    "import time\n"
    "def spin():\n"
    "    end = time.process_time() + 0.4\n"
    "    while time.process_time() < end: pass\n"
    "kept = [bytes(1000) for _ in range(60000)]\n"
    "spin()\n"
)


def ambient(capabilities):
    words = ",".join("+" + name for name in capabilities)
    return [*NOBODY, "--inh-caps", words, "--ambient-caps", words] if words else list(NOBODY)


def given(project, capabilities, extra=""):
    """A copy of the program whose file gives them to everybody."""
    folder = project.path("given")
    shutil.rmtree(folder, ignore_errors=True)
    os.mkdir(folder)
    for name in ("fixingahole", "libfixingahole-heap.so", "libfixingahole-calls.so"):
        shutil.copy(os.path.join(os.path.dirname(project.binary), name), folder)
    binary = os.path.join(folder, "fixingahole")
    os.chmod(binary, 0o755)
    subprocess.run(["setcap", ",".join("cap_" + name for name in capabilities) + extra + "+ep", binary], check=True)
    return binary


def run(project, before, *words, binary=None):
    os.chmod(project.folder, 0o777)
    known = set(project.folders())
    ended = subprocess.run([*before, binary or project.binary, *map(str, words)], cwd=project.folder, env=project.environment({"HOME": "/"}), stdin=subprocess.DEVNULL,
                           stdout=subprocess.PIPE, stderr=subprocess.PIPE, universal_newlines=True, timeout=60)
    made = [folder for folder in project.folders() if folder not in known]
    return Result(ended.returncode, ended.stdout, ended.stderr, made[-1] if made else None)


@pytest.fixture(params=["ambient", "file"])
def way(request, project):
    """Two capabilities: (what comes before, the program)."""
    if request.param == "ambient":
        return ambient(TWO), project.binary
    return list(NOBODY), given(project, TWO)


@pytest.mark.parametrize("options", [[], ["--calls"], ["--memory"], ["--memory", "--heap-source", "probes"]], ids=["cpu", "calls", "preload", "probes"])
def test_script(project, way, options):
    """CAP_BPF and CAP_PERFMON are enough for one's own scripts (on Linux 6.13 and later)."""
    script = project.write("spin.py", SPIN)
    result = run(project, way[0], "profile", "--python", PYTHON, *options, script, binary=way[1]).check()
    assert abs(result.functions("spin.py")["spin"].cpu - 0.4) < 0.06, result.summary
    assert "warning" not in result.stderr, result.stderr
    assert os.stat(result.folder).st_uid == 65534
    if "--memory" in options:
        assert 58 <= result.json["max_footprint_mb"] < 75, result.summary


@pytest.mark.parametrize("options", [[], ["--memory"], ["--calls"]], ids=["cpu", "heap", "calls"])
def test_attach(project, way, options):
    """And for one's own processes, where Yama is not in force."""
    capabilities = [] if os.path.exists("/proc/sys/kernel/yama/ptrace_scope") and open("/proc/sys/kernel/yama/ptrace_scope").read().strip() != "0" else None
    if capabilities is not None:
        pytest.skip("Yama wants CAP_SYS_PTRACE here")
    with Running(project, "shares", before=NOBODY) as target:
        result = run(project, way[0], "profile", "--seconds", 2, *options, "--pid", target.pid, binary=way[1]).check()
    assert_quarter(result, SCRIPT)
    assert_complete(result)
    if "--calls" in options:
        assert [p["how"] for p in result.details["calls"]["processes"]] == ["entries from C"]


@pytest.mark.parametrize("level", [2, 3])
def test_no_timers(project, level):
    """Whatever the command, a timer that the kernel refuses is told as that, with what may help."""
    script, paranoid = project.write("spin.py", SPIN), project.write("paranoid", "%d\n" % level)
    refuse = refusing(project, errno.EACCES, PERF_CALL)
    # the level is as of a kernel of Debian or Ubuntu; this one's own does not matter, for it is never asked
    before = ["unshare", "-m", "sh", "-c", 'mount --bind "%s" /proc/sys/kernel/perf_event_paranoid && exec "$0" "$@"' % paranoid, *ambient(TWO), *refuse]
    with Running(project, "shares", before=NOBODY) as target:
        for words in (["profile", "--python", PYTHON, script], ["profile", "--pid", target.pid], ["record", "-a"], ["record", "--pid", target.pid], ["top", "--once"]):
            result = run(project, before, *words)
            line = result.stderr.strip().split("\n")[-1]
            remedy = "sudo sysctl kernel.perf_event_paranoid=2" if level > 2 else "'fixingahole doctor' finds out"
            assert result.returncode == 1 and "timer" in line and "Permission denied" in line and remedy in line, (words, result.text())


def test_one_is_missing(project):
    """One line names it."""
    script = project.write("spin.py", SPIN)
    for have in ((), TWO[:1], TWO[1:]):
        result = run(project, ambient(have), "profile", "--python", PYTHON, script)
        lines = result.stderr.strip().split("\n")
        assert result.returncode == 1 and result.folder is None and len(lines) == 1, result.text()
        named = [name for name in ("BPF", "PERFMON", "SYS_PTRACE") if "CAP_" + name in lines[0]]
        assert named == [name.upper() for name in TWO if name not in have], lines


def test_capable_script(project):
    """A process that may do more than we may is not looked into; with CAP_SYS_PTRACE it is."""
    with Running(project, "shares", before=ambient(["net_admin"])) as target:
        without = run(project, ambient(TWO), "profile", "--seconds", 0.5, "--pid", target.pid)
        assert without.returncode == 0 and "could not be read: Permission denied (CAP_SYS_PTRACE" in without.stderr, without.text()
        shutil.rmtree(without.folder)
        result = run(project, ambient([*TWO, "sys_ptrace"]), "profile", "--seconds", 2, "--pid", target.pid).check()
    assert_quarter(result, SCRIPT)


def test_machine_with_capable_scripts(project):
    """Watching all, a Python that may not be looked into is named."""
    with Running(project, "shares", before=ambient(["net_admin"])) as target:
        result = run(project, ambient(TWO), "record", "-a", "--json", "--seconds", "1")
        text = run(project, ambient(TWO), "record", "-a", "--seconds", "1").stdout
        allowed = run(project, ambient([*TWO, "sys_ptrace"]), "record", "-a", "--seconds", "1").stdout
    seen = [p for p in json.loads(result.stdout)["processes"] if p["pid"] == target.pid]
    assert len(seen) == 1 and seen[0]["no_interpreter"].startswith("its interpreter could not be read: Permission denied"), seen
    assert re.search("Notice: 'python3.*' is reported without Python lines: .*Permission denied .CAP_SYS_PTRACE", text), text
    # others' interpreters may lie where nobody else may look
    assert allowed.startswith("Record of") and not re.search("Notice: '(%s|python3[^'/]*)' is reported" % PYTHON, allowed), allowed


def test_no_rights_over_files(project):
    """Whatever the file gives: no user reads by it what he may not read."""
    script = project.write("secret.py", "the_secret_is_4711 = True\n")
    stored = project.write("secret.json", "the_secret_is_4711")
    table = project.write("sub/pyproject.toml", "[tool.fixingahole]\nroot = the_secret_is_4711\n")
    for path in (script, stored, table):
        os.chmod(path, 0o600)
    binary = given(project, [*TWO, "sys_ptrace"], ",cap_dac_read_search,cap_dac_override,cap_fowner")
    for words in (["profile", "--python", PYTHON, script], ["summarize", stored], ["profile", "--python", PYTHON, "sub/../secret.py"]):
        result = run(project, NOBODY, *words, binary=binary)
        assert result.returncode != 0 and "Permission denied" in result.stderr and "the_secret" not in result.text(), result.text()
    plain = run(project, NOBODY, "stats", project.folder, binary=binary)
    assert "the_secret" not in plain.text()


def test_files_are_the_users(project):
    """Nor writes."""
    os.mkdir(project.path("closed"))
    script = project.write("spin.py", SPIN)
    binary = given(project, TWO, ",cap_dac_override,cap_dac_read_search")
    result = run(project, NOBODY, "profile", "-o", project.path("closed"), "--python", PYTHON, script, binary=binary)
    assert result.returncode == 1 and "Permission denied" in result.stderr, result.text()
    assert not os.listdir(project.path("closed"))
