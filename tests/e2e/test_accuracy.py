# SPDX-License-Identifier: Apache-2.0
"""Seconds and bytes against programs that know their own. --full: the long runs, on every interpreter."""

import re

import pytest

from project import Row
from tolerance import assert_seconds, assert_shares, assert_sum


@pytest.mark.parametrize("share", [25, 50, 75])
def test_shares(project, python, full, share):
    result = project.profile("shares.py", "--share", share, "--seconds", 10 if full else 2, python=python).check()
    functions = result.functions("shares.py")
    truth = result.truth["seconds"]
    assert_shares({name: functions[name].cpu for name in truth}, truth, points=1.5)


@pytest.mark.parametrize("length", [1000, 2000])
def test_shares_of_a_program_that_repeats_itself(project, python, full, length):
    """Rounds of a whole number of timer periods must not keep step with it."""
    result = project.profile("shares.py", "--share", 25, "--round-us", length, "--seconds", 10 if full else 3, python=python).check()
    functions = result.functions("shares.py")
    truth = result.truth["seconds"]
    assert_shares({name: functions[name].cpu for name in truth}, truth, points=1.5)


def test_shares_of_short_bursts(project, python, full):
    """What begins a burst gets as much as what ends it, also where a timer on each CPU strikes anywhere in these."""
    result = project.profile("bursts.py", "--seconds", 20 if full else 8, "--burst-us", 300, "--pause-us", 2000, options=["--verbose"], python=python).check()
    assert "many switches" in result.stderr
    functions, truth = result.functions("bursts.py"), result.truth["seconds"]
    assert_shares({name: functions[name].cpu for name in truth}, truth, points=1.5)
    assert_seconds(sum(functions[name].cpu for name in truth), sum(truth.values()), "all bursts")


def test_columns(project, python, full):
    """Python, builtin, numpy, kernel, sleep: each line's seconds, each in its own column."""
    result = project.profile("columns.py", 2 if full else 1, python=python).check()
    marks = project.marks("columns.py")
    for name, truth in result.truth["lines"].items():
        row = result.line("columns.py", marks[name])
        # what other programs took of the processors meanwhile is no time of the line's own
        assert_seconds(row.total - row.times["runnable"], truth["seconds"], "line " + name)
        assert_seconds(row.times[truth["column"]], truth["seconds"], "column %s of line %s (%r)" % (truth["column"], name, row))
    assert_sum(result)


def test_system_seconds_are_the_kernels(project, python, full):
    """All system samples against ru_stime of the script."""
    result = project.profile("columns.py", 2 if full else 1, python=python).check()
    truth = result.truth
    assert_seconds(result.whole.times["system"], truth["system"], "system", relative=0.03 if full else 0.05)
    assert_seconds(result.whole.cpu, truth["user"] + truth["system"], "CPU", relative=0.03)


WAYS = ["handover", "crowded", "sleep", "join", "child", "wait4", "recv", "pipe", "connect", "poll", "lock"]
CALLS = {
    "handover": ("sleep",),
    "crowded": ("sleep",),
    "sleep": ("sleep",),
    "join": ("sleep",),
    "child": ("wait", "poll", "read"),
    "wait4": ("wait",),
    "recv": ("recv", "read"),
    "pipe": ("read",),
    "connect": ("connect",),
    "poll": ("poll",),
    "lock": ("futex", "sem", "lock"),
}


@pytest.mark.parametrize("way", WAYS)
def test_waiting(project, python, full, way):
    """The right line gets the wait, and says what for."""
    result = project.profile("waiting.py", way, 2 if full else 0.5, python=python).check()
    truth, lines, marks = result.truth, result.lines("waiting.py"), project.marks("waiting.py")
    row = lines.get(marks[truth["line"]], Row())
    assert_seconds(row.times["waiting"], truth["seconds"], "line %s (%r)" % (truth["line"], row))
    if way == "join":
        assert lines.get(marks["join"], Row()).wait < 0.1 * truth["seconds"]
    calls = [reason["call"] for reason in row.waits_for]
    assert any(part in calls[0] for part in CALLS[way]), calls
    if way == "recv":
        assert any("127.0.0.1:" in (reason.get("object") or "") for reason in row.waits_for), row.waits_for
    assert_sum(result)


def test_pool(project, python, full):
    """Idle threads beside a busy one wait for nothing."""
    result = project.profile("waiting.py", "pool", 2 if full else 1, python=python).check()
    lines, marks = result.lines("waiting.py"), project.marks("waiting.py")
    assert lines.get(marks["idle"], Row()).wait < 0.01 * result.truth["seconds"]
    busy = sum((lines.get(marks["busy"] + n, Row()) for n in (0, 1)), Row())
    assert_seconds(busy.total, result.truth["seconds"], "the busy loop")


@pytest.mark.parametrize("percent", [0, 1, 50, 100])
def test_rss(project, python, full, percent):
    result = project.profile("rss.py", "--megabytes", 512 if full else 128, "--percent", percent, python=python).check()
    marks = project.marks("rss.py")
    for name, truth in result.truth["bytes"].items():
        seen = result.line("rss.py", marks[name]).rss
        assert abs(seen - truth) <= max(0.02 * truth, 256 << 10), "%s: %d bytes where %d is true" % (name, seen, truth)
    kernel = result.truth["max_rss"]
    assert abs(result.details["max_rss_bytes"] - kernel) <= 0.005 * kernel + (1 << 20)


def test_rss_numpy(project, python, full):
    if not python.has("numpy"):
        pytest.skip("%s has no numpy" % python.id)
    result = project.profile("rss.py", "--numpy", "--megabytes", 512 if full else 128, "--percent", 30, python=python).check()
    marks = project.marks("rss.py")
    for name, truth in result.truth["bytes"].items():
        seen = result.line("rss.py", marks[name]).rss
        assert abs(seen - truth) <= 0.02 * truth, "%s: %d bytes where %d is true" % (name, seen, truth)


def test_exec_churn(project, python, full):
    """Code that is made and dropped: whatever has a name has the right one."""
    result = project.profile("exec_churn.py", 100000 if full else 20000, 1000, options=["--detailed"], python=python).check()
    seen = wrong = 0
    for stack, values in result.stacks():
        for path, function, lineno in stack:
            match = re.match(r"f_(\d+)$", function)
            if match:
                n = int(match.group(1))
                seen += 1
                if "gen-%d>" % (n % 97) not in path or lineno not in (1 + n % 53, 2 + n % 53 + n % 31):
                    wrong += 1
    assert seen > 100, "%d such frames: too few to tell" % seen
    assert wrong == 0, "%d of %d frames under another's name or line" % (wrong, seen)


def test_functions_in_the_place_of_others(project, python, full):
    """Each function lies where the one before lay, all its parts too: a few samples at most may go to that, once, and are counted."""
    result = project.profile("exec_alike.py", 40 if full else 12, 0.25, options=["--detailed"], python=python).check()
    functions, truth = result.functions("<alike>"), result.truth["seconds"]
    if python.version <= (3, 11):
        assert result.truth["again"] > len(truth) / 2, "they do not lie where the others lay"
    for name, seconds in truth.items():
        assert abs(functions[name].cpu - seconds) <= 0.1 * seconds + 0.007, "%s: %.3f s where %.3f are true" % (name, functions[name].cpu, seconds)
    assert result.losses["doubtful names"] <= 7 * len(truth)  # in as many places, at most


def test_shapes(project, python, full):
    result = project.profile("shapes.py", 2 if full else 0.5, python=python).check()
    lines = result.lines("shapes.py")
    seen = {name: sum(row.cpu for number, row in lines.items() if number in block) for name, block in project.blocks("shapes.py").items()}
    assert_shares(seen, result.truth["seconds"], points=1.0)


def test_unknown_frames(project, python):
    details = project.profile("shapes.py", "0.5", python=python).check().details
    assert details["python_frames"] > 1000
    assert details["unknown_frames"] <= 0.001 * details["python_frames"]


def test_no_losses_at_10_khz(project, python):
    """Both cores busy, ten thousand samples a second each."""
    result = project.profile("children.py", "fork", "1.5", "2", options=["--rate", "10000"], python=python).check()
    assert result.losses["dropped records"] == 0
    assert result.losses["undecodable records"] == 0
