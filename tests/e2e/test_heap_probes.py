# SPDX-License-Identifier: Apache-2.0
"""--memory --heap-source=probes: the heap by uprobes on the allocator, against programs that know what they ask for; and the guard."""

import os
import shutil
import subprocess

import pytest

from test_heap import MB, START, check, estimate, leaks, lines_of, near, of_line

PROBES = ["--heap-source", "probes"]
WHOLE = ["--heap-budget", "0"]  # nothing is left out, however much it costs


def profile(project, python, *words, options=(), script="heap.py", status=0, **kwargs):
    result = project.profile(script, *words, options=["--memory", *PROBES, *options], python=python, **kwargs)
    result.heap = check(result, status)["heap"]
    result.marks = project.marks(script)
    # to be seen if the test fails
    print(result.heap["probes"], result.heap["exact"], "outside:", result.details["outside"].get("heap"))
    print({lineno: (estimate(line, "peak"), estimate(line, "allocated")) for lineno, line in lines_of(result, os.path.basename(script)).items()})
    assert result.heap["probes"]["processes"] >= 1
    assert any(notice.startswith("heap by probes on the C allocator") for notice in result.details["notices"])
    return result


def assert_watched(result):
    """All of the time, without a failure."""
    probes = result.heap["probes"]
    assert probes["seen"] == 1 and probes["processes_in_slices"] == 0 and probes["processes_failed"] == 0, probes
    assert not any("in slices" in notice for notice in result.details["notices"])
    near(result.heap["allocated_bytes"]["estimate"], sum(result.heap["exact"]["allocated_of"].values()), 0.02, "what was counted", 3 * MB)


@pytest.mark.parametrize("percent", [0, 50, 100])
@pytest.mark.parametrize("way", ["array", "array_numpy"])
def test_array(project, python, way, percent):
    """512 MB, whatever is touched."""
    if way == "array_numpy" and not python.has("numpy"):
        pytest.skip("%s has no numpy" % python.id)
    result = profile(project, python, way, 512, percent)
    truth, suffix = result.truth, way[len("array"):].replace("_", "-")
    for what in ("peak", "allocated", "at_peak"):
        near(of_line(result, "array" + suffix, what), truth["array"], 0.01, what)
    touched = sum(result.line("heap.py", result.marks[name + suffix]).rss for name in ("array", "touch"))
    near(touched, truth["touched"], 0.02, "touched", MB)
    assert of_line(result, "array" + suffix, "live") == 0
    assert_watched(result)
    assert not leaks(result)


def test_two_lines(project, python):
    """59 and 138 million bytes in blocks of a kB, which are malloc's; each with the list that holds them."""
    result = profile(project, python, "blocks", options=WHOLE)
    for name in ("first", "second"):
        for what in ("peak", "at_peak"):
            near(of_line(result, name, what), result.truth[name], 0.015, "%s, %s" % (name, what))
    assert_watched(result)
    assert not leaks(result)


def test_arenas(project, python):
    """Objects of up to 512 bytes: by the arenas, each at the line that needed it."""
    script = project.write("small.py", "data = [float(i) for i in range(2000000)]  # line: small\nprint(len(data))\n")
    result = profile(project, python, options=WHOLE, script=os.path.basename(script))
    line = lines_of(result, "small.py")[result.marks["small"]]["heap"]
    near(estimate({"heap": line}, "peak"), 2000000 * 32 + 2000000 * 8.5, 0.04, "arenas and list", 2 * MB)  # 24 bytes take 32
    assert line["allocated_of"]["mapping"] >= 40 * MB


@pytest.mark.parametrize("options", [WHOLE, ()])
def test_churn(project, python, full, options):
    """A MB again and again: all of it is counted, and little of it lives, with and without the guard (a dozen slices in a short run: 12 %)."""
    result = profile(project, python, "churn", 1000000 if full else 200000, options=options)
    truth = result.truth
    near(of_line(result, "churn", "allocated"), truth["allocated"], 0.02 if options else 0.12, "allocated")
    assert MB <= of_line(result, "churn", "peak") <= (2.5 if options else 60) * MB, "a peak of %d bytes" % of_line(result, "churn", "peak")
    assert not leaks(result)
    if options:
        assert_watched(result)


def test_guard(project, python):
    """With a small budget there are slices from early on: said, scaled up, and no leak of what was freed between them."""
    result = profile(project, python, "churn", 300000, options=["--heap-budget", "0.5"])
    probes, truth = result.heap["probes"], result.truth
    assert probes["processes_in_slices"] == 1 and probes["seen"] < 0.6, probes
    assert any("0.5 % of the time" in notice and "in slices" in notice for notice in result.details["notices"])
    assert "in slices" in result.summary
    assert result.heap["exact"] is None
    # a small part of three seconds is seen, and the processor is not the same in each slice
    near(of_line(result, "churn", "allocated"), truth["allocated"], 0.4, "allocated")
    assert of_line(result, "churn", "live") <= 100 * MB
    assert not leaks(result)


def test_threads(project, python):
    result = profile(project, python, "threads", 4, options=WHOLE)
    near(of_line(result, "keep", "at_peak"), result.truth["keep"], 0.03, "threads")
    assert_watched(result)
    assert not leaks(result)


def test_handed_over(project, python, full):
    """One thread makes, another drops."""
    result = profile(project, python, "handed", 1000 if full else 200, options=WHOLE)
    truth = result.truth
    near(of_line(result, "handed", "allocated"), truth["allocated"], 0.02, "allocated", MB)
    assert of_line(result, "handed", "peak") <= 1.1 * truth["most"]
    assert of_line(result, "handed", "live") <= MB
    assert not leaks(result)


FORK = """import os, time
data = [bytes(967) for _ in range(50000)]  # line: parent
for drops in (True, False):
    pid = os.fork()
    if not pid:
        time.sleep(0.5)
        if drops:
            del data
        more = bytearray(8 << 20)  # line: child
        os._exit(len(more) != 8 << 20)
    os.waitpid(pid, 0)
del data
"""


def test_fork(project, python):
    """What children have of their parent counts once, whoever drops it; what they make is theirs."""
    script = project.write("forks.py", FORK)
    result = profile(project, python, options=WHOLE, script=os.path.basename(script))

    def line(mark, what):
        return estimate(lines_of(result, "forks.py")[result.marks[mark]], what)

    near(line("parent", "peak"), 50000 * 1000 + 50000 * 8.5, 0.015, "the parent's")
    near(line("child", "peak"), 8 * MB, 0.01, "a child's")
    near(line("child", "allocated"), 16 * MB, 0.01, "both children's")
    assert line("parent", "live") <= MB
    assert result.heap["probes"]["processes"] == 3
    assert not leaks(result)


@pytest.mark.parametrize("words", ["run 30", "shell 30", "spawn 10", "execute 40"])
def test_programs(project, python, words):
    """Other programs of the target get their probes by the kernel as they start."""
    result = profile(project, python, *words.split(), options=WHOLE)
    # one of five may have allocated before we had heard of it
    allowed = 0.21 if words == "spawn 10" else 0.01
    near(of_line(result, "work", "allocated"), result.truth["work"] if words != "execute 40" else 20 * MB, allowed, words)
    assert not leaks(result)


def test_no_memory(project, python):
    result = profile(project, python, "none", 256)
    near(of_line(result, "some", "peak"), result.truth["some"], 0.01, "some")
    failed = result.heap["failed"]
    assert failed["count"] >= 1 and failed["largest_at"]["lineno"] == result.marks["none"]
    near(failed["largest_bytes"], result.truth["none"], 0.001, "what failed")


def test_leak(project, python):
    """Lost for good: found; caches, bounded or filled once, are not."""
    result = profile(project, python, "retained", "3.0", options=WHOLE)
    found = leaks(result)
    assert set(found) == {result.marks["leak"]}, (found, result.marks)
    near(found[result.marks["leak"]]["velocity_mb_s"] * MB, result.truth["lost"] / result.truth["seconds"], 0.1, "velocity")


ALLOCATOR = """#define _GNU_SOURCE
#include <dlfcn.h>
#include <stddef.h>
#include <string.h>
#include <sys/mman.h>
static char room[1 << 30];
static size_t used;
static void *take(size_t size)
{
	size_t at = __atomic_fetch_add(&used, (size + 31 & ~15UL), __ATOMIC_RELAXED) + 16;
	if (at + size > sizeof(room))
		return NULL;
	*(size_t *)(room + at - 16) = size;
	return room + at;
}
void *malloc(size_t size) { return take(size); }
void *calloc(size_t n, size_t size) { return malloc(n * size); }
void free(void *p) { __asm__ volatile("nop" : : "r"(p) : "memory"); }
void *realloc(void *p, size_t size)
{
	void *to = malloc(size);
	if (to && p)
		memcpy(to, p, ((size_t *)p)[-2] < size ? ((size_t *)p)[-2] : size);
	return to;
}
"""


def test_users_allocator(project, python):
    """One that is preloaded is watched in libc's place, and its calls of itself count once."""
    if python.chroot or not shutil.which("gcc"):
        pytest.skip("no gcc, or another root")
    source, library = project.write("mine.c", ALLOCATOR), project.path("mine.so")
    subprocess.check_call(["gcc", "-O2", "-fno-builtin", "-shared", "-fPIC", "-o", library, source])
    script = project.write("own.py", "data = [bytes(20000) for _ in range(2000)]  # line: own\nprint(len(data))\n")
    result = profile(project, python, options=WHOLE, script=os.path.basename(script), env={"LD_PRELOAD": library})
    near(estimate(lines_of(result, "own.py")[result.marks["own"]], "allocated"), 2000 * 20033, 0.02, "own", 0.1 * MB)


@pytest.mark.parametrize("source", ["preload", "probes"])
def test_source(project, source):
    """The default is the library; both say which it was."""
    script = project.write("one.py", "data = bytearray(20 << 20)\n")
    result = project.profile(script, options=["--memory", "--heap-source", source])
    details = check(result)
    near(details["heap"]["peak_bytes"]["estimate"], 20 * MB, 0.02, source, START)
    assert (details["heap"]["probes"] is not None) == (source == "probes")


def test_nobody_else(project):
    """Other processes have no probes in their libc."""
    script = project.write("long.py", "import subprocess, sys, time\ndata = [bytes(1000) for _ in range(20000)]\ntime.sleep(0.3)\nprint('ready', flush=True)\ntime.sleep(0.5)\n")
    process = project.start("profile", "--memory", *PROBES, "--python", "/usr/bin/python3", script)
    try:
        for line in process.stdout:
            if "ready" in line:
                break
        assert "int3" not in first_bytes_of_malloc()
    finally:
        project.finish(process)


def first_bytes_of_malloc():
    """Of this process: 'int3' if there is a breakpoint."""
    import ctypes

    address = ctypes.cast(ctypes.CDLL(None).malloc, ctypes.c_void_p).value
    code = ctypes.string_at(address, 16)
    return "int3" if b"\xcc" in code[:8] else code.hex()
