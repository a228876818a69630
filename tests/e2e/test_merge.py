# SPDX-License-Identifier: Apache-2.0
"""merge: four ranks of a program with known shares, two machines' reports, broken files."""

import glob
import json
import os
import shutil

import pytest

import schema
from project import Result, row_of, times_of

TIMES = ("python_s", "native_s", "system_s", "waiting_s", "runnable_s")


def rank(project, number, seconds, python, options=()):
    folder = project.path("job/rank%d" % number)
    result = project.profile(
        "rank.py", str(seconds), python=python, options=("-q", "-o", folder) + tuple(options), env={"SLURM_PROCID": str(number)}
    )
    assert result.returncode == 0, result.text()
    (made,) = glob.glob(folder + "/*/*/")
    result.folder = made
    return result.check()


def merge(project, *operands, out="out"):
    before = set(glob.glob(project.path(out + "/merged/*/")))
    result = project.run("merge", "-o", project.path(out), *operands)
    made = set(glob.glob(project.path(out + "/merged/*/"))) - before
    return Result(result.returncode, result.stdout, result.stderr, made.pop() if made else None)


def whole(details):
    return sum(details["whole"][name] for name in TIMES)


def assert_same(a, b, where=""):
    """Equal, but for the last digits."""
    if isinstance(a, dict):
        assert sorted(a) == sorted(b), where
        for key in a:
            assert_same(a[key], b[key], where + "/" + key)
    elif isinstance(a, list):
        assert len(a) == len(b), where
        for i, (x, y) in enumerate(zip(a, b)):
            assert_same(x, y, "%s/%d" % (where, i))
    elif isinstance(a, (int, float)) and not isinstance(a, bool):
        assert b == pytest.approx(a, rel=1e-5, abs=3e-6), where
    else:
        assert a == b, where


def ordered(document):
    """Of stacks only the shares were stored: those of equal times may change places."""
    return dict(document, stacks=sorted(document["stacks"], key=lambda stack: stack[0]))


def without_moments(document):
    """What is thinned out on its way depends on the way."""
    if isinstance(document, dict):
        return {k: without_moments(v) for k, v in document.items() if k not in ("cpu_samples_list", "memory_samples", "samples")}
    return [without_moments(v) for v in document] if isinstance(document, list) else document


def test_four_ranks(project, python):
    work = (0.5, 0.5, 0.5, 1.5)
    ranks = [rank(project, i, seconds, python) for i, seconds in enumerate(work)]
    merged = merge(project, project.path("job")).check()
    details, marks = merged.details, project.marks("rank.py")
    # sums, exactly
    for name in TIMES:
        assert details["whole"][name] == pytest.approx(sum(r.details["whole"][name] for r in ranks), abs=1e-7)
    for key in ("samples", "waits", "utime_s", "unsampled_s", "helpers_s", "python_frames"):
        assert details[key] == pytest.approx(sum(r.details[key] for r in ranks), abs=1e-7), key
    for lineno in marks.values():
        rows = [r.line("rank.py", lineno) for r in ranks]
        line = merged.line("rank.py", lineno)
        assert line.total == pytest.approx(sum(row.total for row in rows), abs=1e-6)
        assert line.rss == sum(row.rss for row in rows)
    # and what the program did, by the CPU's clock
    cpu = {name: merged.functions("rank.py")[name].cpu for name in ("work", "rest")}
    assert cpu["work"] == pytest.approx(sum(work), rel=0.1)
    assert cpu["rest"] == pytest.approx(0.8, rel=0.25)
    assert merged.line("rank.py", marks["SLEEP"]).wait == pytest.approx(1.2, rel=0.25)
    # shares are of the joined whole, in every format
    file = merged.json["files"][project.path("rank.py")]
    found = {f["line"]: f["n_cpu_percent_python"] + f["n_cpu_percent_c"] + f["n_sys_percent"] for f in file["functions"]}
    assert found["work"] == pytest.approx(merged.functions("rank.py")["work"].total / whole(details) * 100, abs=1e-5)
    # the processes: whose they are, and who lags behind
    assert [i["label"] for i in details["inputs"]] == ["rank0", "rank1", "rank2", "rank3"]
    assert [i["ranks"]["SLURM_PROCID"] for i in details["inputs"]] == ["0", "1", "2", "3"]
    assert {p["rank"] for p in details["processes"]} == {"0", "1", "2", "3"}
    assert len({p["host"] for p in details["processes"]}) == 1
    assert details["elapsed_s"] == max(r.details["elapsed_s"] for r in ranks)
    assert details["max_rss_bytes"] == max(r.details["max_rss_bytes"] for r in ranks)
    assert details["max_rss_sum_bytes"] == sum(r.details["max_rss_bytes"] for r in ranks)
    assert details["wall_s"] > sum(r.details["elapsed_s"] for r in ranks)  # one after the other
    assert "most CPU: rank3" in merged.summary
    assert merged.stdout == merged.summary
    # `summarize` reads it
    summary = project.run("summarize", merged.path("profile_results.json"))
    assert summary.returncode == 0 and "work" in summary.stdout, summary.text()


def test_one_is_itself_and_steps_are_one(project, python):
    ranks = [rank(project, i, 0.3, python, ("-m",)) for i in range(3)]
    one = merge(project, ranks[0].folder, out="one").check()
    assert_same(ordered(ranks[0].json), ordered(one.json))
    assert ranks[0].results.replace("\n", "") in one.results.replace("Inputs that could not be read: 0\n", "").replace("\n", "")
    assert_same(ranks[0].details["heap"]["allocated_bytes"], one.details["heap"]["allocated_bytes"])
    at_once = merge(project, project.path("job"), out="all").check()
    first = merge(project, ranks[0].folder, ranks[1].folder, out="first").check()
    in_steps = merge(project, first.folder, ranks[2].folder, out="steps").check()
    assert_same(without_moments(ordered(at_once.json)), without_moments(ordered(in_steps.json)))
    heap = at_once.details["heap"]
    assert heap["peak_bytes"]["estimate"] == sum(r.details["heap"]["peak_bytes"]["estimate"] for r in ranks)
    assert at_once.details["heap_peak_largest_bytes"] == max(r.details["heap"]["peak_bytes"]["estimate"] for r in ranks)
    assert len(in_steps.details["inputs"]) == 3


def test_merged_reports_below_a_folder_do_not_count_twice(project, python):
    rank(project, 0, 0.2, python)
    inside = merge(project, project.path("job"), out="job").check()
    whole_before = inside.details["whole"]
    again = merge(project, project.path("job"), out="job").check()
    assert len(again.details["inputs"]) == 1 and "left out" in again.stderr
    assert again.details["whole"] == whole_before
    # without what it was made of, it counts, wherever it lies; of two that share a run, one does
    shutil.move(project.path("job/merged"), project.path("moved"))
    alone = merge(project, project.path("moved")).check()
    assert alone.details["whole"] == whole_before
    assert len(alone.details["inputs"]) == 1


def test_broken_among_good(project, python):
    good = rank(project, 0, 0.2, python)
    bad = {
        "cut": lambda text: text[: len(text) // 2],
        "types": lambda text: text.replace('"elapsed_s": ', '"elapsed_s": "x", "was": '),
        "twice": lambda text: text.replace('"root": ', '"root": "/", "root": '),
        "empty": lambda text: "",
        "list": lambda text: "[1, 2]",
    }
    for name, change in bad.items():
        shutil.copytree(good.folder, project.path("job/bad-" + name))
        path = project.path("job/bad-%s/profile_details.json" % name)
        with open(path, "w", encoding="utf-8") as f:
            f.write(change(good.read("profile_details.json")))
    os.remove(shutil.copytree(good.folder, project.path("job/half")) + "/profile_details.json")
    merged = merge(project, project.path("job")).check()
    assert len(merged.details["inputs"]) == 1
    assert merged.details["whole"] == good.details["whole"]
    assert len(merged.details["skipped_inputs"]) == 6
    assert "Inputs that could not be read: 6" in merged.summary
    for name in list(bad) + ["half"]:
        assert [line for line in merged.stderr.splitlines() if name + "/profile_" in line], merged.text()


def test_versions_of_a_file(project, python):
    first = rank(project, 0, 0.3, python)
    text = open(project.path("rank.py"), encoding="utf-8").read()
    project.write("rank.py", text.replace("sum(range(500))", "sum(range(501))"))
    rank(project, 1, 0.3, python)
    merged = merge(project, project.path("job")).check()
    path = project.path("rank.py")
    assert {f["path"] for f in merged.details["files"]} == {path, path + " (version 2)"}
    assert merged.details["other_versions"] == 1
    assert "sum(range(500))" in merged.results and "sum(range(501))" in merged.results
    assert "kept apart" in merged.summary
    assert row_of(merged.file(path)).total == pytest.approx(row_of(first.file(path)).total, abs=1e-6)
    assert times_of(merged.file(path))["python"] > 0


def test_exit_statuses(project):
    os.mkdir(project.path("empty"))
    for status, operands in (
        (2, ()),
        (2, (project.path("nowhere"),)),
        (2, (project.write("file.txt", ""),)),
        (1, (project.path("empty"),)),
    ):
        result = merge(project, *operands)
        assert result.returncode == status and result.folder is None, result.text()
        assert len(result.stderr.splitlines()) == 1 and not result.stdout, result.text()
    project.write("broken/profile_details.json", "{}")
    project.write("broken/profile_results.json", json.dumps({}))
    result = merge(project, project.path("broken"))
    assert result.returncode == 1 and "the only input cannot be read" in result.stderr, result.text()
    assert schema.problems({})  # the checker itself refuses what is empty
