# SPDX-License-Identifier: Apache-2.0
"""profile_results.json, strictly: problems(document) lists what breaks the schema; empty when it holds."""

import math

TOP = {
    "alloc_samples": int,
    "args": (list, type(None)),
    "elapsed_time_sec": float,
    "entrypoint_dir": str,
    "filename": str,
    "files": dict,
    "gpu": bool,
    "gpu_device": str,
    "growth_rate": float,
    "max_footprint_fname": (str, type(None)),
    "max_footprint_lineno": (int, type(None)),
    "max_footprint_mb": float,
    "max_footprint_python_fraction": float,
    "memory": bool,
    "program": str,
    "samples": list,
    "stacks": list,
    "start_time_absolute": float,
    "start_time_perf": float,
}
FILE = {"functions": list, "imports": list, "leaks": dict, "lines": list, "percent_cpu_time": float}
ROW = {
    "cpu_samples_list": list,
    "line": str,
    "lineno": int,
    "memory_samples": list,
    "n_avg_mb": float,
    "n_copy_mb_s": float,
    "n_core_utilization": float,
    "n_cpu_percent_c": float,
    "n_cpu_percent_python": float,
    "n_gpu_avg_memory_mb": float,
    "n_gpu_peak_memory_mb": float,
    "n_gpu_percent": float,
    "n_growth_mb": float,
    "n_malloc_mb": float,
    "n_mallocs": int,
    "n_peak_mb": float,
    "n_python_fraction": float,
    "n_sys_percent": float,
    "n_usage_fraction": float,
}
REGION = {
    "start_region_line": int,
    "end_region_line": int,
    "start_outermost_loop": int,
    "end_outermost_loop": int,
    "start_function_line": int,
    "end_function_line": int,
}
STACK = {"count": float, "python_time": float, "c_time": float, "cpu_samples": float}
FRACTIONS = ("n_core_utilization", "n_python_fraction", "n_usage_fraction")
PERCENTS = ("n_cpu_percent_c", "n_cpu_percent_python", "n_sys_percent", "n_gpu_percent")
CPU_SAMPLES = 500
TIMELINE = 100
ROUNDING = 1e-6


def is_a(value, kind):
    if isinstance(kind, tuple):
        return any(is_a(value, one) for one in kind)
    if isinstance(value, bool):
        return kind is bool
    if kind is float:
        return isinstance(value, (int, float)) and math.isfinite(value)
    return isinstance(value, kind)


class Checker:
    def __init__(self):
        self.found = []

    def wrong(self, where, what):
        self.found.append("%s: %s" % (where, what))

    def keys(self, where, value, required, optional=()):
        """True if value is an object with exactly these keys, each of its type."""
        if not isinstance(value, dict):
            self.wrong(where, "not an object")
            return False
        before = len(self.found)
        for name in set(required) - set(value):
            self.wrong(where, "lacks %r" % name)
        for name in set(value) - set(required) - set(optional):
            self.wrong(where, "has unknown key %r" % name)
        for name in value:
            kind = required.get(name) or dict(optional).get(name)
            if kind and not is_a(value[name], kind):
                self.wrong(where, "%s is %r" % (name, value[name]))
        return len(self.found) == before

    def timeline(self, where, value):
        if len(value) > TIMELINE:
            self.wrong(where, "%d entries" % len(value))
        last = 0
        for entry in value:
            if not (isinstance(entry, list) and len(entry) == 2 and all(is_a(x, float) for x in entry)):
                self.wrong(where, "entry %r" % (entry,))
            elif entry[0] < last or entry[1] < 0:
                self.wrong(where, "goes back or below zero at %r" % (entry,))
            else:
                last = entry[0]

    def row(self, where, row, optional=()):
        if not self.keys(where, row, ROW, optional):
            return
        for name in FRACTIONS:
            if not 0 <= row[name] <= 1:
                self.wrong(where, "%s = %r is no fraction" % (name, row[name]))
        for name in PERCENTS:
            if not 0 <= row[name] <= 100 + ROUNDING:
                self.wrong(where, "%s = %r is no percentage" % (name, row[name]))
        if row["n_cpu_percent_c"] + row["n_cpu_percent_python"] + row["n_sys_percent"] > 100 + ROUNDING:
            self.wrong(where, "its percentages exceed 100")
        if row["n_avg_mb"] > row["n_peak_mb"] + ROUNDING:
            self.wrong(where, "n_avg_mb > n_peak_mb")
        if row["lineno"] < 0:
            self.wrong(where, "lineno %d" % row["lineno"])
        samples = row["cpu_samples_list"]
        if len(samples) > CPU_SAMPLES or not all(is_a(x, float) for x in samples) or samples != sorted(samples):
            self.wrong(where, "cpu_samples_list")
        self.timeline(where + " memory_samples", row["memory_samples"])

    def file(self, where, file):
        if not self.keys(where, file, FILE):
            return
        if not 0 <= file["percent_cpu_time"] <= 100 + ROUNDING:
            self.wrong(where, "percent_cpu_time %r" % file["percent_cpu_time"])
        if not all(isinstance(x, str) for x in file["imports"]):
            self.wrong(where, "imports")
        for lineno, leak in file["leaks"].items():
            if not lineno.isdigit():
                self.wrong(where, "leak at line %r" % lineno)
            self.keys("%s leak %s" % (where, lineno), leak, {"likelihood": float, "velocity_mb_s": float})
        for row in file["functions"]:
            self.row("%s function %r" % (where, row.get("line")), row)
        numbers = []
        for row in file["lines"]:
            self.row("%s line %r" % (where, row.get("lineno")), row, REGION)
            numbers.append(row.get("lineno"))
        if len(set(numbers)) != len(numbers):
            self.wrong(where, "a line appears twice")

    def stack(self, where, stack):
        if not (isinstance(stack, list) and len(stack) == 2 and isinstance(stack[0], list)):
            self.wrong(where, "not [[frame, ...], {...}]")
            return
        for frame in stack[0]:
            if not (isinstance(frame, str) and frame.endswith(";")):
                self.wrong(where, "frame %r" % (frame,))
                continue
            # The reference splits on spaces and on colons and takes exactly three parts.
            parts = [part for word in frame[:-1].split(" ") for part in word.split(":")]
            if len(parts) != 3 or not all(parts) or not parts[2].isdigit() or any(c.isspace() for c in "".join(parts)):
                self.wrong(where, "frame %r does not split into path, function, line" % (frame,))
        if self.keys(where, stack[1], STACK):
            for name in ("python_time", "c_time"):
                if not 0 <= stack[1][name] <= 1 + ROUNDING:
                    self.wrong(where, "%s %r is no fraction" % (name, stack[1][name]))

    def document(self, document):
        if not self.keys("top", document, TOP):
            return
        if not 0 <= document["max_footprint_python_fraction"] <= 1:
            self.wrong("top", "max_footprint_python_fraction")
        if document["elapsed_time_sec"] < 0 or document["max_footprint_mb"] < 0 or document["alloc_samples"] < 0:
            self.wrong("top", "a negative measure")
        if document["args"] is not None and not all(isinstance(x, str) for x in document["args"]):
            self.wrong("top", "args")
        self.timeline("top samples", document["samples"])
        for path, file in document["files"].items():
            self.file("file %r" % path, file)
        for n, stack in enumerate(document["stacks"]):
            self.stack("stack %d" % n, stack)


def problems(document):
    checker = Checker()
    checker.document(document)
    return checker.found
