# SPDX-License-Identifier: Apache-2.0
"""The schema's own test: it takes a good document and refuses each way to break it."""

import copy

import pytest

import schema

ROW = {
    "cpu_samples_list": [1.0, 2.5], "line": "x = 1", "lineno": 3, "memory_samples": [[0, 1.0], [5, 2]], "n_avg_mb": 1, "n_copy_mb_s": 0,
    "n_core_utilization": 0.5, "n_cpu_percent_c": 20, "n_cpu_percent_python": 70.5, "n_gpu_avg_memory_mb": 0, "n_gpu_peak_memory_mb": 0,
    "n_gpu_percent": 0, "n_growth_mb": 0, "n_malloc_mb": 0, "n_mallocs": 0, "n_peak_mb": 2, "n_python_fraction": 0.1, "n_sys_percent": 9,
    "n_usage_fraction": 1,
}  # fmt: skip
GOOD = {
    "alloc_samples": 0, "args": None, "elapsed_time_sec": 1.5, "entrypoint_dir": "/p", "filename": "a.py", "gpu": False, "gpu_device": "",
    "growth_rate": 0.0, "max_footprint_fname": None, "max_footprint_lineno": None, "max_footprint_mb": 0, "max_footprint_python_fraction": 0,
    "memory": False, "program": "a.py", "samples": [[0, 1.5]], "start_time_absolute": 1.7e9, "start_time_perf": 5.5,
    "stacks": [[["/p/a.py main:3;"], {"count": 2, "python_time": 0.5, "c_time": 0.1, "cpu_samples": 0.6}]],
    "files": {
        "/p/a.py": {
            "functions": [ROW],
            "imports": ["import os"],
            "leaks": {"3": {"likelihood": 0.9, "velocity_mb_s": 1.0}},
            "lines": [dict(ROW, start_region_line=1, end_region_line=3)],
            "percent_cpu_time": 99.5,
        }
    },
}  # fmt: skip
FILE = ("files", "/p/a.py")
LINE = FILE + ("lines", 0)


def test_good():
    assert schema.problems(GOOD) == []


@pytest.mark.parametrize(
    "path, value",
    [
        (("more",), 1),
        (("gpu",), 0),
        (("alloc_samples",), 1.5),
        (("alloc_samples",), True),
        (("growth_rate",), float("nan")),
        (("samples",), [[5, 1], [4, 1]]),
        (("samples",), [[n, 1] for n in range(101)]),
        (("max_footprint_python_fraction",), 1.1),
        (("stacks", 0, 0), ["/p/a b.py main:3;"]),
        (("stacks", 0, 0), ["/p/a.py <C:x>:3;"]),
        (("stacks", 0, 0), ["/p/a.py main:3"]),
        (("stacks", 0, 1, "python_time"), 1.2),
        (FILE + ("percent_cpu_time",), 101),
        (FILE + ("imports",), [3]),
        (FILE + ("leaks",), {"x": {"likelihood": 1, "velocity_mb_s": 1}}),
        (FILE + ("lines",), [ROW, ROW]),
        (FILE + ("functions",), [dict(ROW, start_region_line=1)]),
        (LINE + ("colour",), "red"),
        (LINE + ("n_cpu_percent_c",), 40),
        (LINE + ("n_avg_mb",), 3),
        (LINE + ("n_usage_fraction",), -0.1),
        (LINE + ("cpu_samples_list",), [2.0, 1.0]),
        (LINE + ("cpu_samples_list",), list(range(501))),
    ],
    ids=str,
)
def test_broken(path, value):
    document = copy.deepcopy(GOOD)
    place = document
    for step in path[:-1]:
        place = place[step]
    place[path[-1]] = value
    assert schema.problems(document)


@pytest.mark.parametrize("path", [("args",), FILE + ("leaks",), LINE + ("n_sys_percent",), ("stacks", 0, 1, "count")], ids=str)
def test_missing(path):
    document = copy.deepcopy(GOOD)
    place = document
    for step in path[:-1]:
        place = place[step]
    del place[path[-1]]
    assert schema.problems(document)
