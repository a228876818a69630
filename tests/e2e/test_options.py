# SPDX-License-Identifier: Apache-2.0
"""The command line, the settings, and the commands besides profile."""

import json
import os
import re
import statistics
import subprocess

import pytest

import schema


def refused(result, *words):
    """A user error: exit 2, one line on stderr that has these words, nothing on stdout, nothing written."""
    assert result.returncode == 2, result.text()
    assert len(result.stderr.strip().splitlines()) <= 2, result.text()
    for word in words:
        assert word in result.stderr, result.text()
    assert result.folder is None


@pytest.mark.parametrize(
    "options, words",
    [
        (["--no-such-option"], ["--no-such-option"]),
        (["--rate", "0"], ["--rate"]),
        (["--rate", "x"], ["--rate"]),
        (["--repeat", "0"], ["--repeat"]),
        (["--precision", "11"], ["--precision"]),
        (["--live", "0.5"], ["--live"]),
        (["--log-level", "LOUD"], ["--log-level", "LOUD"]),
        (["--duration", "sideways"], ["--duration", "sideways"]),
        (["--no-plots", "--user", "no-such-user"], ["no-such-user"]),
        (["--cpu", "--memory"], ["--cpu", "--memory"]),
        (["--heap-source", "magic"], ["--heap-source", "probes"]),
        (["--user"], []),
    ],
)
def test_wrong_option(project, options, words):
    refused(project.profile("hello.py", options=options), *words)


def test_wrong_file(project):
    refused(project.run("profile", "absent.py"), "absent.py")
    os.mkdir(project.path("folder"))
    refused(project.run("profile", "folder"), "folder")
    refused(project.run("profile"))
    refused(project.run("no-such-command"), "no-such-command")


def test_bare_name(project):
    """A bare name is looked up under root; several are listed and refused; ignored folders are not searched."""
    os.mkdir(project.path("elsewhere"))
    project.write("deep/er/found.py", "print('found')\n")
    result = project.run("profile", "--python", "/usr/bin/python3", "found.py", cwd=project.path("elsewhere"))
    assert result.returncode == 0 and result.stdout.startswith("found\n"), result.text()
    project.write(".venv/found.py", "print('wrong')\n")
    project.write("old/found.py", "print('wrong')\n")
    result = project.run("profile", "--ignore", project.path("old"), "--python", "/usr/bin/python3", "found.py", cwd=project.path("elsewhere"))
    assert result.returncode == 0 and result.stdout.startswith("found\n"), result.text()
    result = project.run("profile", "found.py", cwd=project.path("elsewhere"))
    assert result.returncode == 2
    assert "deep/er/found.py" in result.stderr and "old/found.py" in result.stderr and ".venv" not in result.stderr


def test_arguments(project):
    """Ours until the first word that is not one; from there, or after --, the script's."""
    script = project.write("say.py", "import sys\nprint(sys.argv[1:])\n")
    python = ["--python", "/usr/bin/python3"]
    for words, expected in (
        ([script, "-q", "a", "-q", "--rate"], ["a", "-q", "--rate"]),
        ([script, "-q", "--", "-q", "--", "x"], ["-q", "--", "x"]),
        (["-q", script, "--rate", "500", "--unknown"], ["--unknown"]),
        (["-q", script], []),
    ):
        result = project.run("profile", *python, *words)
        assert result.stdout == "%r\n" % expected, result.text()


def test_module(project):
    project.write("pack/__init__.py", "")
    project.write("pack/__main__.py", "import sys\nprint(__name__, __package__, sys.argv[1:])\nsum(range(3000000))\n")
    result = project.run("profile", "--python", "/usr/bin/python3", "--module", "pack", "x")
    assert result.stdout.startswith("__main__ pack ['x']\n"), result.text()
    assert result.returncode == 0 and result.folder


def test_help_and_version(project):
    for words in (["--help"], ["profile", "--help"], ["summarize", "--help"], ["stats", "--help"]):
        result = project.run(*words)
        assert result.returncode == 0 and result.stderr == "" and len(result.stdout) > 100, words
    version = project.run("--version")
    assert version.returncode == 0 and project.folder in version.stdout


def test_output_directory(project):
    project.target("hello.py")
    result = project.profile("hello.py", options=["-o", project.path("there")])
    assert result.returncode == 0
    stamps = os.listdir(project.path("there/hello"))
    assert len(stamps) == 1 and re.fullmatch(r"\d{8}_\d{6}", stamps[0])
    assert {"hello.py", "profile_summary.txt", "profile_results.txt", "profile_results.json", "profile_details.json"} <= set(os.listdir(project.path("there/hello/" + stamps[0])))


def test_output_file(project):
    result = project.profile("hello.py", options=["--output-file", "mine"])
    assert result.returncode == 0
    assert {"mine.json", "mine.txt"} <= set(os.listdir(result.folder)), os.listdir(result.folder)


def test_settings(project):
    """Command line before environment before file; a wrong value names its source."""
    project.target("hello.py")
    settings = project.write("pyproject.toml", '[project]\nname = "x"\n\n[tool.fixingahole]\nroot = "."\noutput = "from file/"\nignore = ["a/"]\nduration = "absolute"\n')
    nothing = {"FIXINGAHOLE_ROOT": None}
    result = project.profile("hello.py", env=nothing)
    assert result.returncode == 0 and os.path.isdir(project.path("from file/hello")), result.text()
    result = project.profile("hello.py", env=dict(nothing, FIXINGAHOLE_OUTPUT=project.path("from environment")))
    assert os.path.isdir(project.path("from environment/hello")), result.text()
    result = project.profile("hello.py", options=["-o", "from option"], env=dict(nothing, FIXINGAHOLE_OUTPUT=project.path("unused")))
    assert os.path.isdir(project.path("from option/hello")) and not os.path.exists(project.path("unused")), result.text()
    version = project.run("--version", env=nothing).stdout
    assert settings in version and "absolute" in version
    project.write("pyproject.toml", '[tool.fixingahole]\nduration = "sideways"\n')
    refused(project.profile("hello.py", env=nothing), "pyproject.toml", "sideways")
    refused(project.profile("hello.py", env=dict(nothing, FIXINGAHOLE_DURATION="upwards")), "FIXINGAHOLE_DURATION", "upwards")


def test_trace_and_duration(project):
    result = project.profile("shares.py", "--seconds", "0.5", options=["--trace", "--duration", "absolute"]).check()
    assert "Stack Trace Summary" in result.summary
    assert re.search(r"shares\.py:\d+; main", result.summary) and "n_calls:" in result.summary
    assert re.search(r"indirect\s+0\.\d+ ?s", result.summary), result.summary
    result = project.profile("shares.py", "--seconds", "0.5", options=["--no-trace"]).check()
    assert "Stack Trace Summary" not in result.summary
    assert re.search(r"indirect\s+[67]\d\.\d+ ?%", result.summary), result.summary


def test_ignore_and_detailed(project):
    project.write("library/used.py", "def burn():\n    for i in range(4000000): i * i\n")
    script = project.write("main.py", "import sys\nsys.path.insert(0, 'library')\nimport used\nused.burn()\n")
    plain = project.profile(script).check()
    assert plain.functions("used.py")["burn"].cpu > 0.05
    ignored = project.profile(script, options=["--ignore", "library"]).check()
    assert ignored.file("used.py") is None
    assert ignored.line("main.py", 4).cpu > 0.05, "a call into a library counts for the line that made it"
    standard = project.write("standard.py", "import json\nfor n in range(20): json.dumps(list(range(20000)), indent=1)\n")
    assert project.profile(standard).check().file("encoder.py") is None
    assert project.profile(standard, options=["--detailed"]).check().file("encoder.py") is not None


def test_live(project):
    result = project.profile("shares.py", "--seconds", "2.5", options=["--live", "1"]).check()
    assert result.stderr.count("direct") >= 2, result.text()


def test_logs(project):
    script = project.write(
        "logs.py",
        "import logging, warnings\nlogging.getLogger('x').debug('too low')\nlogging.getLogger('x').warning('first one')\n"
        "logging.error('second one')\nwarnings.warn('third one')\nlogging.info('too low')\n",
    )
    result = project.profile(script).check()
    log = result.read("profile_logs.log")
    for text in ("first one", "second one", "third one"):
        assert text in log and text in result.stderr
    assert "too low" not in log
    assert re.search(r"Check logs .*profile_logs\.log \(3 warnings\)", result.summary)
    result = project.profile(script, options=["--log-level", "ERROR"]).check()
    assert "second one" in result.read("profile_logs.log") and "first one" not in result.read("profile_logs.log")
    result = project.profile("hello.py").check()
    assert not os.path.exists(result.path("profile_logs.log"))


def test_no_plots(project):
    # Stands in for matplotlib: the parts that open windows there.
    project.write("matplotlib/__init__.py", "rcParams = {'backend': 'tkagg'}\n")
    project.write("matplotlib/figure.py", "class Figure:\n    def show(self):\n        print('figure shown')\n")
    project.write(
        "matplotlib/pyplot.py",
        "import matplotlib\nfrom matplotlib.figure import Figure as figure\ndef switch_backend(name):\n    matplotlib.rcParams['backend'] = name\n"
        "def show(*a, **k):\n    print('shown on window')\n",
    )
    script = project.write("plot.py", "import matplotlib.pyplot as plt\nplt.figure().show()\nplt.show()\nprint('after')\n")
    assert "figure shown\nshown on window\n" in project.profile(script).check().stdout
    for options in (["--no-plots"], ["--no-plots", "matplotlib"]):
        result = project.profile(script, options=options).check()
        assert result.stdout.startswith("after\n"), result.text()


def test_repeat_and_stats(project):
    result = project.profile("shares.py", "--seconds", "0.5", options=["--repeat", "3"])
    assert result.returncode == 0, result.text()
    names = set(os.listdir(result.folder))
    runs = ["profile_results", "profile_results_1", "profile_results_2"]
    assert {run + ext for run in runs for ext in (".json", ".txt")} <= names, names
    assert {"profile_summary.txt", "profile_summary_1.txt", "profile_summary_2.txt", "function_stats.json"} <= names, names
    users = []
    for run in runs:
        document = json.loads(result.read(run + ".json"))
        assert not schema.problems(document)
        function = [row for file in document["files"].values() for row in file["functions"] if row["line"] == "indirect"][0]
        whole = json.loads(result.read(run.replace("results", "details") + ".json"))["whole"]
        users.append((function["n_cpu_percent_python"] + function["n_cpu_percent_c"]) / 100 * sum(whole.values()))
    stats = json.loads(result.read("function_stats.json"))
    entry = stats["shares.py:indirect"]
    assert entry["count"] == 3
    assert entry["user"]["avg"] == pytest.approx(statistics.mean(users), rel=0.02)
    assert entry["user"]["std"] == pytest.approx(statistics.stdev(users), rel=0.02, abs=0.0001)
    assert set(entry) == {"user", "system", "memory", "count"}
    assert "utc_time" in stats["metadata"]
    order = [value["user"]["avg"] for name, value in stats.items() if name != "metadata"]
    assert order == sorted(order, reverse=True)
    again = project.run("stats", result.folder, "-o", "mine.json")
    assert again.returncode == 0, again.text()
    assert again.stderr == "fixingahole: 3 runs of 'shares.py': statistics in '%s/mine.json'\n" % os.path.abspath(result.folder), again.text()
    assert json.loads(result.read("mine.json"))["shares.py:indirect"] == entry
    project.write("performance/other/profile_results.json", '{"files": {}, "elapsed_time_sec": 1, "program": "/other.py"}')
    project.write("performance/other/broken.json", "{")
    several = project.run("stats", project.path("performance"))
    assert several.returncode == 0 and "4 runs of 2 scripts: " in several.stderr, several.text()
    assert "1 unreadable .json file skipped" in several.stderr and "counts as zero" in several.stderr, several.text()


def test_repeat_reads_again(project):
    """Every run gets the whole of an input file; of a pipe only the first does, which is said."""
    script = project.write("count.py", "import sys\nprint('got', len(sys.stdin.read()))\n")
    command = ["profile", "-q", "-r", "2", "--python", "/usr/bin/python3", script]
    with open(project.write("data", "x" * 1000)) as file:
        os.lseek(file.fileno(), 100, os.SEEK_SET)
        code, stdout, stderr = project.finish(project.start(*command, stdin=file))
    assert code == 0 and stdout == "got 900\ngot 900\n" and "--repeat" not in stderr, (code, stdout, stderr)
    piped = project.run(*command, stdin="x" * 50)
    assert piped.stdout == "got 50\ngot 0\n" and "only the first run" in piped.stderr, piped.text()


def test_stats_in_git(project):
    result = project.profile("hello.py").check()
    for command in (["init", "-q", "-b", "trunk"], ["add", "hello.py"], ["-c", "user.name=x", "-c", "user.email=x@example.org", "commit", "-q", "-m", "x"]):
        subprocess.check_call(["git"] + command, cwd=project.folder)
    commit = subprocess.check_output(["git", "rev-parse", "HEAD"], cwd=project.folder, universal_newlines=True).strip()
    run = project.run("stats", result.folder, "-o", "mine.json")
    assert run.returncode == 0, run.text()
    metadata = json.loads(result.read("mine.json"))["metadata"]
    assert metadata["commit"].startswith(commit[:7]) and metadata["branch"] == "trunk"


def test_full_output(project):
    """What cannot be printed is said in one line."""
    profile = project.write("profile.json", '{"files": {}, "elapsed_time_sec": 1}')
    for words in (["--help"], ["--version"], ["summarize", profile]):
        with open("/dev/full", "w") as full:
            process = project.start(*words, stdout=full)
            code, _, stderr = project.finish(process)
        assert code == 1 and re.fullmatch(r"fixingahole: cannot write .*: No space left on device\n", stderr), (words, code, stderr)
    silent = project.write("silent.py", "")
    with open("/dev/full", "w") as full:
        code, _, stderr = project.finish(project.start("profile", "--python", "/usr/bin/python3", silent, stdout=full))
    assert code == 1 and "cannot write the summary: No space left on device" in stderr, (code, stderr)


def test_summarize(project):
    result = project.profile("shares.py", "--seconds", "1").check()
    summary = project.run("summarize", result.path("profile_results.json"))
    assert summary.returncode == 0 and "indirect" in summary.stdout, summary.text()
    one = project.run("summarize", result.path("profile_results.json"), "-n", "1")
    assert "indirect" in one.stdout
    broken = project.write("broken.json", '{"files": ')
    for path in (broken, project.path("absent.json")):
        run = project.run("summarize", path)
        assert run.returncode in (1, 2) and path in run.stderr and len(run.stderr.splitlines()) == 1, run.text()


def test_install(project):
    """make install puts all below DESTDIR, where the program finds its libraries; uninstall leaves the settings only."""
    repository = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
    build = os.path.dirname(os.path.abspath(os.environ.get("FIXINGAHOLE", os.path.join(repository, "build/fixingahole"))))
    place = project.path("place")

    def make(goal):
        # -o: what is built is tested, old or new
        old = [word for name in ("fixingahole", "libfixingahole-heap.so", "libfixingahole-calls.so") for word in ("-o", os.path.join(build, name))]
        words = ["make", "-C", repository, *old, goal, "BUILD=" + build, "DESTDIR=" + place, "PREFIX=/opt/fx"]
        subprocess.run(words, check=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        return sorted(os.path.relpath(os.path.join(folder, name), place) for folder, _, names in os.walk(place) for name in names)

    installed = make("install")
    assert {"opt/fx/bin/fixingahole", "opt/fx/lib/fixingahole/libfixingahole-heap.so", "opt/fx/share/man/man1/fixingahole.1"} <= set(installed)
    with open(os.path.join(place, "opt/fx/lib/systemd/system/fixingahole.service")) as unit:
        assert "ExecStart=/opt/fx/bin/fixingahole " in unit.read()
    script = project.write("hello.py", "print('hello')\n")
    run = [os.path.join(place, "opt/fx/bin/fixingahole"), "profile", "-m", "--python", "/usr/bin/python3", script]
    result = subprocess.run(run, cwd=project.folder, env=project.environment(), stdout=subprocess.PIPE, universal_newlines=True)
    assert result.returncode == 0 and "of heap RAM" in result.stdout, result.stdout
    assert make("uninstall") == ["etc/fixingahole/record.conf"]
    assert not os.path.exists(os.path.join(place, "opt/fx/lib/fixingahole"))
