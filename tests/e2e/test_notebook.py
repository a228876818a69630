# SPDX-License-Identifier: Apache-2.0
"""Notebooks: cells in order, magics never run as Python, reports by cell and line."""

import json

from tolerance import assert_seconds

SPIN = "import time\ndef spin(seconds):\n    end = time.perf_counter() + seconds\n    while time.perf_counter() < end: pass\n"


def notebook(*cells):
    return json.dumps(
        {
            "cells": [
                {"cell_type": kind, "metadata": {}, "source": text.splitlines(True), **({"outputs": [], "execution_count": None} if kind == "code" else {})}
                for kind, text in cells
            ],
            "metadata": {"language_info": {"name": "python"}},
            "nbformat": 4,
            "nbformat_minor": 5,
        }
    )


def test_notebook(project, python):
    text = notebook(
        ("markdown", "# A title\nwith %percent"),
        ("code", "%matplotlib inline\n" + SPIN),
        ("code", ""),
        ("code", "x = 10 %3\ntext = '''\n%not a magic\n!neither\n'''\nprint(x, text)\nspin(0.5)"),
        ("code", "spin(0.25)\nprint('end')"),
    )
    before = project.write("book.ipynb", text)
    result = project.profile("book.ipynb", python=python).check()
    assert result.stdout.startswith("1 \n%not a magic\n!neither\n\nend\n"), result.text()
    assert "cell" in result.stderr and "%matplotlib" in result.stderr
    assert open(before).read() == text, "the notebook was changed"
    # The JSON maps to real lines of the saved copy.
    document = result.json
    (path, file), = [(p, f) for p, f in document["files"].items() if "book" in p]
    copy = open(path, encoding="utf-8").read().split("\n")
    hot = max(file["lines"], key=lambda row: row["n_cpu_percent_python"])
    assert "while time.perf_counter() < end" in copy[hot["lineno"] - 1]
    assert_seconds(sum(row.total for row in result.lines(path).values()), 0.75, "the notebook", relative=0.1)
    assert "cell" in result.results.lower()


def test_refused_magics(project):
    for bad in ("!rm -rf /tmp/x", "%run other.py", "%%bash\necho x", "files = !ls", "x = %who", "x = await f()"):
        project.write("bad.ipynb", notebook(("code", "print('first')"), ("markdown", "x"), ("code", bad if bad.startswith("%%") else "y = 1\n" + bad)))
        result = project.profile("bad.ipynb")
        assert result.returncode in (1, 2), (bad, result.text())
        assert "cell" in result.stderr and ("line 1" if bad.startswith("%%") else "line 2") in result.stderr, (bad, result.text())
        assert "first" not in result.stdout, "nothing runs"


def test_broken_notebook(project):
    project.write("broken.ipynb", '{"cells": [')
    result = project.profile("broken.ipynb")
    assert result.returncode in (1, 2) and "broken.ipynb" in result.stderr, result.text()


def test_imports(project):
    """A module beside the notebook is found, as in IPython, from wherever it is profiled."""
    project.write("books/helper.py", "def answer():\n    return 42\n")
    project.write("books/import.ipynb", notebook(("code", "import helper"), ("code", "print(helper.answer())")))
    result = project.profile("books/import.ipynb").check()
    assert result.stdout.startswith("42\n"), result.text()


def test_display(project):
    project.write("show.ipynb", notebook(("code", "display('shown')\n'a last expression'")))
    result = project.profile("show.ipynb").check()
    assert "shown" in result.stdout
