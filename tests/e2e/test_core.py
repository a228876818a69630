# SPDX-License-Identifier: Apache-2.0
"""The core, on every interpreter at hand."""

import pytest

from tolerance import assert_shares, assert_sum


def test_hello(project, every_python):
    result = project.profile("hello.py", python=every_python).check()
    assert result.stdout.startswith("hello\n")
    assert "Finished in" in result.stdout
    assert "%d.%d" % every_python.version in result.read("profile_details.json")


def test_shares(project, every_python):
    """Two functions with the same loop, one behind a helper, in three seconds."""
    result = project.profile("shares.py", "--share", "25", "--seconds", "3", python=every_python).check()
    functions = result.functions("shares.py")
    seconds = result.truth["seconds"]
    assert_shares({name: functions[name].cpu for name in seconds}, seconds, points=1.5)
    spinning = functions["direct"] + functions["indirect"]
    assert spinning.times["native"] < 0.02 * spinning.cpu, spinning
    assert spinning.cpu == pytest.approx(sum(seconds.values()), rel=0.05)
    assert_sum(result)


def test_names_and_shapes(project, every_python):
    """Each shape of code under its own lines; few unknown frames."""
    result = project.profile("shapes.py", "0.4", python=every_python).check()
    lines = result.lines("shapes.py")
    seen = {name: sum(row.cpu for number, row in lines.items() if number in block) for name, block in project.blocks("shapes.py").items()}
    assert_shares(seen, result.truth["seconds"], points=1.0)
    assert result.losses["unnamed code"] == 0
    functions = {function for stack, _ in result.stacks() for _, function, _ in stack}
    assert {"numbers", "steps", "key", "climb"} <= {name.split(".")[-1] for name in functions}


CLASSES = """
import time

class Point:
    def __init__(self, x):
        self.x = x

def make(seconds):
    end = time.thread_time() + seconds
    while time.thread_time() < end:
        for i in range(1000):
            Point(i)

make(1.5)
"""


def test_calls_of_classes(project, every_python):
    """The interpreter's own frames below __init__ are nobody's file; frames half made are not lost."""
    project.write("classes.py", CLASSES)
    result = project.profile("classes.py", python=every_python).check()
    assert [entry["path"] for entry in result.details["files"]] == [project.path("classes.py")]
    # the class's body is code of its own, which a sample may meet
    assert {entry["name"] for entry in result.details["files"][0]["functions"]} <= {"<module>", "Point", "make", "Point.__init__", "__init__"}
    python_samples = result.details["python_frames"]
    assert result.losses["unreadable frames"] + result.losses["unnamed code"] <= max(2, 0.001 * python_samples), result.losses
    assert result.details["unknown_frames"] <= max(2, 0.001 * python_samples)


def test_before_supported(project, old_python):
    """Not supported: the script still runs, and there is a report with the time of the process."""
    result = project.profile("shares.py", "--seconds", "0.5", python=old_python).check()
    assert result.whole.cpu > 0.4
