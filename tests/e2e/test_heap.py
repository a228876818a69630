# SPDX-License-Identifier: Apache-2.0
"""--memory against programs that know what they ask for, alone and beside everything that the rest of the profiler promises."""

import json
import os
import pwd
import shutil
import signal
import subprocess

import pytest

from project import by_signal

MB = 1 << 20
START = 12 * MB  # what an interpreter holds by itself, at most


def estimate(entry, what):
    return entry["heap"][what + "_bytes"]["estimate"]


def lines_of(result, path="heap.py"):
    """{line number: entry} of the lines with a heap."""
    entry = result.file(path) or {"lines": []}
    return {line["lineno"]: line for line in entry["lines"] if "heap" in line}


def check(result, status=0):
    """What holds for every run, and returns the details: sums, order, schema, losses."""
    details = result.check(status).details
    whole, everywhere = details["heap"], [details["outside"]] + [line for entry in details["files"] for line in entry["lines"]]
    for what in ("allocated", "live", "at_peak"):
        total = sum(estimate(entry, what) for entry in everywhere if "heap" in entry)
        assert total == whole[what + "_bytes"]["estimate"], "%s: the lines and outside are %d, the whole %d" % (what, total, whole[what + "_bytes"]["estimate"])
    for entry in everywhere:
        if "heap" in entry:
            assert estimate(entry, "at_peak") <= estimate(entry, "peak") <= estimate(entry, "allocated")
            assert estimate(entry, "average") <= estimate(entry, "peak")
    assert whole["at_peak_bytes"]["estimate"] == whole["peak_bytes"]["estimate"]
    assert not any(whole["losses"].values()), whole["losses"]
    assert details["losses"]["dropped records"] == 0
    assert not any(notice.startswith("no heap memory of ") for notice in details["notices"]), details["notices"]
    document = result.json
    assert document["memory"] is True
    assert abs(document["max_footprint_mb"] - whole["peak_bytes"]["estimate"] / MB) < 0.01
    return details


def profile(project, python, *words, options=(), status=0, **kwargs):
    result = project.profile("heap.py", *words, options=["--memory", *options], python=python, **kwargs)
    result.heap = check(result, status)["heap"]
    result.marks = project.marks("heap.py")
    return result


def of_line(result, mark, what):
    """A figure of the line with that mark, in bytes."""
    line = lines_of(result).get(result.marks[mark])
    assert line, "line %s has no heap\n%s" % (mark, result.results)
    return estimate(line, what)


def near(seen, truth, relative, what, absolute=0):
    """absolute: for what a stride more or less makes of little memory, or what an interpreter holds besides."""
    allowed = relative * truth + absolute
    assert abs(seen - truth) <= allowed, "%s: %d bytes where %d is true (%+.2f %%), %d allowed" % (what, seen, truth, 100 * (seen - truth) / max(truth, 1), allowed)


def leaks(result):
    return {int(number): leak for entry in result.json["files"].values() for number, leak in entry["leaks"].items()}


@pytest.mark.parametrize("percent", [0, 50, 100])
@pytest.mark.parametrize("way", ["array", "array_numpy"])
def test_array(project, python, full, way, percent):
    """The heap is what was asked for, RSS what was touched."""
    if way == "array_numpy" and not python.has("numpy"):
        pytest.skip("%s has no numpy" % python.id)
    result = profile(project, python, way, 512 if full else 128, percent)
    truth, suffix = result.truth, way[len("array"):].replace("_", "-")
    for what in ("peak", "allocated", "at_peak"):
        near(of_line(result, "array" + suffix, what), truth["array"], 0.01, what)
    if way == "array":  # numpy's library maps some for itself
        near(result.heap["peak_bytes"]["estimate"], truth["array"], 0.01, "the whole", START)
    touched = sum(result.line("heap.py", result.marks[name + suffix]).rss for name in ("array", "touch"))
    near(touched, truth["touched"], 0.02, "touched", MB)
    assert not leaks(result)


SIZES = {"floats": (2000000, 10000000), "dicts": (200000, 1000000), "document": (100000, 400000), "concat": (3000, 6000), "columns": (200000, 1000000)}


@pytest.mark.parametrize("way", sorted(SIZES))
def test_peak_of_many_objects(project, python, full, way):
    """Within 3 % of what tracemalloc finds in another run."""
    n = SIZES[way][full]
    truth = project.alone("heap.py", "--traced", way, n, python=python).truth["peak"]
    result = profile(project, python, way, n)
    marks = range(result.marks["begin-of-ways"], result.marks["end-of-ways"])
    seen = sum(estimate(line, "at_peak") for number, line in lines_of(result).items() if number in marks)
    near(seen, truth, 0.03, way, 0.1 * MB)
    near(result.heap["peak_bytes"]["estimate"], truth, 0.03, "the whole", START)
    assert not leaks(result)


def test_columns_numpy(project, python, full):
    if not python.has("numpy"):
        pytest.skip("%s has no numpy" % python.id)
    n = 5000000 if full else 1000000
    truth = project.alone("heap.py", "--traced", "columns_numpy", n, python=python).truth["peak"]
    result = profile(project, python, "columns_numpy", n)
    marks = range(result.marks["begin-of-numpy"], result.marks["end-of-numpy"])
    imports = result.marks["import-numpy"]
    seen = sum(estimate(line, "at_peak") for number, line in lines_of(result).items() if number in marks and number != imports)
    near(seen, truth, 0.03, "columns", 20 * MB)  # tracemalloc's peak has the import in it
    assert seen <= truth * 1.03


def assert_two_lines(result, relative):
    for name in ("first", "second"):
        for what in ("peak", "at_peak"):
            near(of_line(result, name, what), result.truth[name], relative, "%s, %s" % (name, what))
    assert not leaks(result)


def test_two_lines(project, python):
    """59 and 138 million bytes in blocks of a kB."""
    assert_two_lines(profile(project, python, "blocks"), 0.015)


@pytest.mark.parametrize("allocator", ["malloc", "debug", "pymalloc"])
def test_other_allocators(project, python, allocator):
    result = profile(project, python, "blocks", env={"PYTHONMALLOC": allocator})
    assert_two_lines(result, 0.015)


@pytest.mark.parametrize("options, relative", [(["--rate", "100"], 0.015), (["-p", "5"], 0.015), (["-p", "-5"], 0.12)])
def test_precision(project, python, options, relative):
    assert_two_lines(profile(project, python, "blocks", options=options), relative)


def test_churn(project, python, full):
    """A million times a MB: all of it is counted, and little of it lives."""
    result = profile(project, python, "churn", 1000000 if full else 20000)
    truth = result.truth
    near(of_line(result, "churn", "allocated"), truth["allocated"], 0.02, "allocated")
    assert MB <= of_line(result, "churn", "peak") <= 2.5 * MB, "a peak of %d bytes" % of_line(result, "churn", "peak")
    count = lines_of(result)[result.marks["churn"]]["heap"]["allocations"]["estimate"]
    assert count >= 0.98 * truth["n"]
    assert not leaks(result)


def test_handed_over(project, python, full):
    """One thread makes, another drops."""
    result = profile(project, python, "handed", 10000 if full else 200)
    truth = result.truth
    near(of_line(result, "handed", "allocated"), truth["allocated"], 0.02, "allocated", MB)
    assert of_line(result, "handed", "peak") <= 1.1 * truth["most"]
    assert of_line(result, "handed", "live") <= MB
    assert not leaks(result)


def test_other_programs_lose_nothing(project, python):
    """What the library does itself to find out that a program is no Python is no sample that was missed."""
    project.write("starts.py", "import subprocess\nfor _ in range(5): subprocess.run(['/bin/true'])\n")
    heap = check(project.profile("starts.py", options=["--memory"], python=python))["heap"]
    assert heap["exact"]["untracked_samples"] == 0, heap["exact"]


def test_threads(project, python):
    result = profile(project, python, "threads", 4)
    near(of_line(result, "keep", "at_peak"), result.truth["keep"], 0.03, "threads")
    assert not leaks(result)


def test_fork(project, python):
    """What children have of their parent counts once."""
    result = profile(project, python, "fork", 50)
    truth = result.truth
    near(of_line(result, "fork", "peak"), truth["fork"], 0.015, "the parent's")
    near(of_line(result, "child", "peak"), truth["child"], 0.01, "a child's")
    near(of_line(result, "child", "allocated"), 2 * truth["child"], 0.01, "both children's")
    assert of_line(result, "fork", "live") <= MB
    near(result.heap["peak_bytes"]["estimate"], truth["fork"] + truth["child"], 0.02, "the whole", START)
    assert not leaks(result)


@pytest.mark.parametrize("words", ["blocks", "threads 4", "fork 20", "spawn 5", "vain 5"])
def test_sums_are_the_librarys(project, python, words):
    """What the samples come to is what the library counts in all processes, whatever their children share with them."""
    result = profile(project, python, *words.split())
    heap = result.heap
    near(heap["allocated_bytes"]["estimate"], sum(heap["exact"]["allocated_of"].values()), 0.02, "bytes", 3 * MB)
    assert heap["exact"]["untracked_bytes"] == 0 and heap["exact"]["missed_frees"] == 0


@pytest.mark.parametrize("words", ["mp_fork 2 20", "mp_spawn 2 20", "run 30", "shell 30", "spawn 10"])
def test_children(project, python, words):
    result = profile(project, python, *words.split())
    near(of_line(result, "work", "allocated"), result.truth["work"], 0.01, words)
    assert not leaks(result)


def test_exec(project, python):
    """Another Python in place of the script's."""
    result = profile(project, python, "execute", 40)
    near(of_line(result, "before", "peak"), result.truth["before"], 0.01, "before")
    near(of_line(result, "work", "peak"), result.truth["work"], 0.01, "after")
    near(result.heap["peak_bytes"]["estimate"], result.truth["before"], 0.01, "the whole", START)


ENDS = {"_exit": (7,), "raise": (1,), "exit": (3,), "SIGKILL": by_signal(signal.SIGKILL), "SIGTERM": by_signal(signal.SIGTERM), "SIGSEGV": by_signal(signal.SIGSEGV)}


@pytest.mark.parametrize("how", sorted(ENDS))
def test_ends(project, python, how):
    """However it ends, there is the peak."""
    result = project.profile("heap.py", "end", how, 40, options=["--memory"], python=python)
    assert result.returncode in ENDS[how], result.text()
    check(result, result.returncode)
    result.marks = project.marks("heap.py")
    # strides of 128 KiB that begin or end with other lines' blocks, in each class of sizes
    for name in ("data", "more"):
        near(of_line(result, name, "at_peak"), result.truth[name], 0.015, name, 0.4 * MB)
    assert "At the peak of" in result.summary and "heap.py:%d)" % result.marks["data"] in result.summary
    assert not leaks(result)


def test_no_memory(project, python):
    """A limit is the script's own, and an allocation beyond it is told."""
    result = profile(project, python, "none", 256)
    near(of_line(result, "some", "peak"), result.truth["some"], 0.01, "some")
    failed = result.heap["failed"]
    assert failed["count"] >= 1 and failed["largest_at"]["lineno"] == result.marks["none"]
    near(failed["largest_bytes"], result.truth["none"], 0.001, "what failed")


def test_leak(project, python, full):
    """What is lost for good is reported, with its velocity; caches and temporaries beside it are not."""
    result = profile(project, python, "retained", "6.0" if full else "3.0")
    found = leaks(result)
    assert set(found) == {result.marks["leak"]}, (found, result.marks)
    leak = found[result.marks["leak"]]
    assert leak["likelihood"] >= 0.95
    near(leak["velocity_mb_s"] * MB, result.truth["lost"] / result.truth["seconds"], 0.1, "velocity")
    assert "leak" in result.results.lower()


def test_growing_list(project, python, full):
    """A list of the program's that grows to its end is told in the details, but is no leak: the interpreter drops it."""
    result = profile(project, python, "growing", "6.0" if full else "3.0")
    assert not leaks(result)
    grows = {number: line["heap"]["grows_to_the_end"] for number, line in lines_of(result).items() if line["heap"]["grows_to_the_end"]}
    assert set(grows) == {result.marks["grows"]}, grows
    # among blocks of the same size that do not stay: a draw per stride, of some 500
    near(grows[result.marks["grows"]]["left_bytes"], result.truth["kept"], 0.12, "left")
    assert result.json["growth_rate"] > 80


# --- the script does not notice ---


@pytest.mark.parametrize("preload", [None, "", "mine"])
def test_environment_is_as_alone(project, python, preload):
    env = {"LD_PRELOAD": None if preload is None else preload and users_library(project)}
    alone = project.alone("mirror.py", python=python, env=env)
    result = project.profile("mirror.py", options=["--memory"], python=python, env=env).check()
    one, other = (json.loads(text.splitlines()[0]) for text in (alone.stdout, result.stdout))
    assert other["environment"].pop("FIXINGAHOLE_PROFILE") == "1"
    for environment in (one["environment"], other["environment"]):
        for name in ("_", "SHLVL", "OLDPWD", "PWD"):  # the wrapper's shell, where there is one
            environment.pop(name, None)
    assert other["environment"] == one["environment"]
    assert set(other["open"]) == set(one["open"])


def users_library(project):
    """A library of the user's own that says when it is loaded."""
    source = project.write("mine.c", '#include <unistd.h>\n__attribute__((constructor)) static void hello(void)\n{\n\tif (write(2, "mine is here\\n", 13) < 0)\n\t\t_exit(9);\n}\n')
    library = project.path("mine.so")
    if not shutil.which("gcc"):
        pytest.skip("no gcc")
    subprocess.check_call(["gcc", "-shared", "-fPIC", "-o", library, source])
    return library


def test_users_library_is_kept(project, python):
    """The script and its child load it once each, and the heap is measured in both."""
    if python.chroot:
        pytest.skip("the wrapper's programs load it as well")
    library = users_library(project)
    result = profile(project, python, "run_inheriting", 20, env={"LD_PRELOAD": library})
    assert result.stderr.count("mine is here") == 3, result.stderr  # and the profiler itself
    near(of_line(result, "work", "peak"), result.truth["work"], 0.01, "the child's")
    assert result.truth["preload"] == library


STATIC = '#include <stdio.h>\n#include <stdlib.h>\nint main(int argc, char **argv)\n{\n\tprintf("%s %d\\n", getenv("LD_PRELOAD") ? "preloaded" : "plain", argc);\n\treturn 5;\n}\n'


def test_children_that_load_no_library(project):
    """A static program, and one that gets its rights from its file, run as they would alone."""
    if not shutil.which("gcc"):
        pytest.skip("no gcc")
    source = project.write("static.c", STATIC)
    static, setuid = project.path("static"), project.path("setuid")
    subprocess.check_call(["gcc", "-static", "-o", static, source])
    subprocess.check_call(["gcc", "-o", setuid, source])
    os.chmod(setuid, 0o4755)
    os.chmod(project.folder, 0o777)
    script = project.write("other.py", "import subprocess, sys\ndata = bytearray(20 << 20)\nprint([subprocess.call(p) for p in sys.argv[1:]])\n")
    result = project.profile(script, static, setuid, options=["--memory", "--user", "nobody"])
    details = check(result)
    assert "[5, 5]" in result.stdout and "cannot be preloaded" not in result.stderr
    near(details["heap"]["peak_bytes"]["estimate"], 20 * MB, 0.01, "the script's", START)


def test_user(project):
    """Another user's script gets the library, too."""
    pwd.getpwnam("nobody")
    os.chmod(project.folder, 0o777)
    result = profile(project, "/usr/bin/python3", "array", 40, 0, options=["--user", "nobody"])
    near(of_line(result, "array", "peak"), result.truth["array"], 0.01, "peak")


def test_interpreter_in_a_root_without_the_library(project, request):
    """It runs, and the report says in a line that its heap was not measured."""
    others = [i for i in request.config.interpreters if i.chroot]
    if not others:
        pytest.skip("no interpreter in another root: tools/deps.sh test unpacks one")
    folder = "/var/tmp/fixingahole-heap-%d" % os.getpid()  # not shared with that root
    os.mkdir(folder, 0o755)
    try:
        for name in ("fixingahole", "libfixingahole-heap.so"):
            shutil.copy(os.path.join(request.config.scratch, name), folder)
        project.binary = os.path.join(folder, "fixingahole")
        result = project.profile("heap.py", "array", 20, 0, options=["--memory"], python=others[0]).check()
    finally:
        shutil.rmtree(folder)
    assert result.truth["array"] == 20 * MB
    assert "cannot be preloaded" not in result.stderr
    assert any(notice.startswith("no heap memory of ") for notice in result.details["notices"]), result.details["notices"]
