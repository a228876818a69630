# SPDX-License-Identifier: Apache-2.0
"""What lines copy by memcpy and memmove, against programs that know."""

import pytest

from test_heap import check, lines_of, near


def copied(project, python, *words):
    result = project.profile("copies.py", *words, options=["--memory"], python=python)
    result.heap = check(result)["heap"]
    result.marks = project.marks("copies.py")
    result.copies = {mark: lines_of(result, "copies.py").get(number, {"heap": {}})["heap"].get("copied_bytes") or 0 for mark, number in result.marks.items()}
    return result


def test_lines(project, python, full):
    """Three lines that copy gigabytes by slicing, a large piece and small ones at a time, and one that copies next to nothing."""
    result = copied(project, python, "slices", 8 if full else 4)
    for mark in ("slice", "small", "store"):
        near(result.copies[mark], result.truth[mark], 0.01, mark, 128 << 20)  # a stride, wide as it is at such speed
    assert result.copies["quiet"] <= 128 << 20  # a stride by chance
    shown = next(entry for entry in result.json["files"][next(p for p in result.json["files"] if p.endswith("copies.py"))]["lines"] if entry["lineno"] == result.marks["slice"])
    near(shown["n_copy_mb_s"] * result.json["elapsed_time_sec"] * (1 << 20), result.truth["slice"], 0.1, "the rate")


def test_numpy(project, python, full):
    if not python.has("numpy"):
        pytest.skip("%s has no numpy" % python.id)
    result = copied(project, python, "arrays", 8 if full else 4)
    near(result.copies["array"], result.truth["array"], 0.02, "array")


def test_threads_and_children(project, python):
    """All threads at once, and a forked child each: every one has a line of bytes of its own."""
    result = copied(project, python, "threads", 4)
    near(result.copies["thread"], result.truth["thread"], 0.03, "threads", 128 << 20)
    near(result.copies["child"], result.truth["child"], 0.03, "child", 128 << 20)
