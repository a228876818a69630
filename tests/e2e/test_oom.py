# SPDX-License-Identifier: Apache-2.0
"""Memory runs out: the reports are written all the same, and say what happened and what held the memory."""

import os
import re
import signal
import subprocess

import pytest

from project import by_signal, wait_for
from test_heap import MB, check, lines_of, estimate

V1 = "/sys/fs/cgroup/memory"
V2 = "/sys/fs/cgroup"
LIMIT = 160 * MB


def make_group():
    """(folder, the file that its limit is in), or None."""
    for root, name in ((V2, "memory.max"), (V1, "memory.limit_in_bytes")):
        folder = os.path.join(root, "fixingahole-test-%d" % os.getpid())
        try:
            os.mkdir(folder)
        except OSError:
            continue
        if os.path.exists(os.path.join(folder, name)):
            return folder, os.path.join(folder, name)
        os.rmdir(folder)
    return None


def removed(folder):
    """What the profiler leaves to a process of its own ends a little later."""
    try:
        os.rmdir(folder)
    except OSError:
        return False
    return True


@pytest.fixture
def group():
    """A control group that may hold LIMIT bytes."""
    made = make_group()
    if not made:
        pytest.skip("no control group can limit memory here")
    folder, limit = made
    with open(limit, "w") as f:
        f.write(str(LIMIT))
    yield folder
    wait_for(lambda: removed(folder), "the last process to leave the group")


def profile_in(project, group, python, *words, options=()):
    """The profiler itself is in the group as well, as in a container."""

    def enter():
        with open(os.path.join(group, "cgroup.procs"), "w") as f:
            f.write(str(os.getpid()))

    return project.profile("memory_end.py", *words, options=options, python=python, preexec_fn=enter)


def killed_line(result):
    match = re.search(r"^(.*) was killed by the kernel for lack of memory \(limit of its control group: 160\.000 MB\), with (\S+) MB of physical memory\.$", result.summary, re.MULTILINE)
    assert match, result.text()
    return match.group(1), float(match.group(2)) * MB


def test_killed_by_the_kernel(project, group, python):
    result = profile_in(project, group, python, "grow", options=["--memory"])
    assert result.returncode in by_signal(signal.SIGKILL), result.text()
    details = check(result, result.returncode)
    who, rss = killed_line(result)
    assert who == "The script" and 0.7 * LIMIT < rss <= LIMIT
    assert details["memory_limit_reached_bytes"] == LIMIT
    assert [p["killed_for_memory"] for p in details["processes"]] == [True]
    marks = project.marks("memory_end.py")
    assert estimate(lines_of(result, "memory_end.py")[marks["grow"]], "at_peak") > 20 * MB
    held = {row["name"]: row["at_peak"]["bytes"] for row in details["heap"]["types"]}
    assert held["float"] > 2 * held["list"] > 0
    assert "At the peak of " in result.summary
    assert "score: 0" in result.stdout  # ours is not the target's


def test_killed_without_memory(project, group, python):
    result = profile_in(project, group, python, "grow")
    assert result.check(result.returncode).returncode in by_signal(signal.SIGKILL)
    assert killed_line(result)[0] == "The script"


def test_a_child_is_killed(project, group, python):
    result = profile_in(project, group, python, "child", options=["--memory"])
    details = result.check(0).details
    assert re.match(r"Process \d+$", killed_line(result)[0])
    assert sum(p["killed_for_memory"] for p in details["processes"]) == 1
    assert details["exit_status"] == 0


def test_killed_by_somebody(project, group, python):
    """A SIGKILL is no lack of memory."""
    project.write("dies.py", "import os, signal\nos.kill(os.getpid(), signal.SIGKILL)\n")
    result = project.profile("dies.py", options=["--memory"], python=python)
    assert "lack of memory" not in result.summary
    assert result.details["memory_limit_reached_bytes"] is None
    assert not any(p["killed_for_memory"] for p in result.details["processes"])


@pytest.mark.parametrize("limit", ["RLIMIT_AS", "RLIMIT_DATA"])
def test_a_large_allocation_fails(project, every_python, limit):
    result = project.profile("memory_end.py", "large", 8 << 30, "%s=%d" % (limit, 1 << 30), options=["--memory"], python=every_python)
    details = check(result, 1)
    line = project.marks("memory_end.py")["large"]
    assert "\nOut of memory: 1 allocation failed, the largest of 8.000 GB in large (memory_end.py:%d); %s is 1.000 GB\n" % (line, limit) in result.summary
    failed = details["heap"]["failed"]
    assert failed["limit"] == {"name": limit, "bytes": 1 << 30} and failed["largest_at"]["lineno"] == line
    assert "The script ended with exit status 1." in result.summary
    held = {row["name"]: row["at_peak"]["bytes"] for row in details["heap"]["types"]}
    assert abs(held["float"] - 24 * 400000) < 1 * MB


def test_an_allocation_fails_and_the_program_goes_on(project, python):
    result = project.profile("memory_end.py", "caught", 1 << 46, options=["--memory"], python=python)
    failed = check(result)["heap"]["failed"]
    assert failed["count"] == 1 and failed["largest_bytes"] >= 1 << 46 and failed["limit"] is None
    assert "Out of memory: 1 allocation failed, the largest of 64.000 TB in large" in result.summary


def test_small_objects_run_out(project, python):
    """No single request is large: what fails first is the memory for an arena, or for an object without one."""
    result = project.profile("memory_end.py", "small", "RLIMIT_AS=%d" % (1 << 28), options=["--memory"], python=python)
    details = check(result, 1)
    failed = details["heap"]["failed"]
    assert failed["count"] > 0 and failed["limit"]["name"] == "RLIMIT_AS"
    assert failed["largest_at"]["lineno"] == project.marks("memory_end.py")["small"]
    held = {row["name"]: row["at_peak"]["bytes"] for row in details["heap"]["types"]}
    assert held["tuple"] > 60 * MB


SCORES = """
import os, subprocess
for path in ("self", str(os.getppid())):
    print("score", open("/proc/%s/oom_score_adj" % path).read().strip(), flush=True)
subprocess.run(["sh", "-c", "echo child $(cat /proc/self/oom_score_adj)"])
"""


def test_the_profiler_is_spared(project, python):
    """The kernel passes it over, if we may ask for that; the script and its children are as they would be alone."""
    ask = "echo -1000 2>/dev/null > /proc/self/oom_score_adj; cat /proc/$$/oom_score_adj"
    alone, spared = (subprocess.check_output(["sh", "-c", text], stderr=subprocess.DEVNULL, universal_newlines=True).strip() for text in ("cat /proc/$$/oom_score_adj", ask))
    project.write("scores.py", SCORES)
    result = project.profile("scores.py", python=python)
    assert "score %s\nscore %s\nchild %s\n" % (alone, spared, alone) in result.stdout
