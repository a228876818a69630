# SPDX-License-Identifier: Apache-2.0
"""A folder with scripts in it, the profiler run over one of them, and what came out."""

import collections
import glob
import json
import os
import re
import shutil
import signal
import subprocess
import time
import urllib.parse

import interpreters
import schema

TARGETS = os.path.join(interpreters.REPOSITORY, "tests/targets")
TIMES = ("python", "native", "system", "waiting", "runnable")


class Row:
    """What one line, function or file was charged: seconds by column, and bytes of physical memory."""

    def __init__(self, times=None, rss=0, waits_for=()):
        self.times = dict.fromkeys(TIMES, 0.0)
        self.times.update(times or {})
        self.rss = rss
        self.waits_for = list(waits_for)

    def __add__(self, other):
        return Row({name: self.times[name] + other.times[name] for name in TIMES}, self.rss + other.rss, self.waits_for + other.waits_for)

    @property
    def cpu(self):
        return self.times["python"] + self.times["native"] + self.times["system"]

    @property
    def wait(self):
        return self.times["waiting"] + self.times["runnable"]

    @property
    def total(self):
        return self.cpu + self.wait

    def __repr__(self):
        return "<%s%s>" % (" ".join("%s %.3f" % (n, s) for n, s in self.times.items() if s), " rss %d" % self.rss if self.rss else "")


def times_of(entry):
    """The time split of an entry of the details file, in seconds."""
    return {name: float(entry[name + "_s"]) for name in TIMES}


def row_of(entry):
    return Row(times_of(entry), entry.get("rss_bytes", 0), entry.get("waits_for", []))


class Result:
    def __init__(self, returncode, stdout, stderr, folder):
        self.returncode = returncode
        self.stdout = stdout
        self.stderr = stderr
        self.folder = folder  # the run's output folder; None: there is none

    def path(self, name):
        return os.path.join(self.folder, name)

    def read(self, name):
        with open(self.path(name), encoding="utf-8") as f:
            return f.read()

    @property
    def summary(self):
        return self.read("profile_summary.txt")

    @property
    def results(self):
        return self.read("profile_results.txt")

    @property
    def json(self):
        return json.loads(self.read("profile_results.json"))

    @property
    def details(self):
        return json.loads(self.read("profile_details.json"))

    @property
    def truth(self):
        found = re.findall(r"^truth: (.*)$", self.stdout, re.MULTILINE)
        assert found, "the script printed no truth:\n%s\n%s" % (self.stdout, self.stderr)
        return json.loads(found[-1])

    def check(self, status=0):
        """The run ended with that status and left every report, each in its schema."""
        assert self.returncode == status, self.text()
        assert self.folder, "no output folder\n" + self.text()
        assert self.summary.strip() and self.results.strip() and self.details
        found = schema.problems(self.json)
        assert not found, "\n".join(found[:20])
        return self

    def text(self):
        return "status %s\n--- stdout\n%s\n--- stderr\n%s" % (self.returncode, self.stdout[-4000:], self.stderr[-4000:])

    def file(self, path):
        """The details' entry of a file, by path or by base name; None if the file has none."""
        for entry in self.details["files"]:
            if path in (entry["path"], os.path.basename(entry["path"])):
                return entry
        return None

    def lines(self, path):
        """{line number: Row} of a file."""
        entry = self.file(path)
        return {line["lineno"]: row_of(line) for line in entry["lines"]} if entry else {}

    def line(self, path, lineno):
        return self.lines(path).get(lineno, Row())

    def functions(self, path):
        """{name: Row} of a file; a name that is not there has an empty Row."""
        found = collections.defaultdict(Row)
        for function in (self.file(path) or {"functions": []})["functions"]:
            found[function["name"]] += row_of(function)
        return found

    @property
    def whole(self):
        return Row(times_of(self.details["whole"]))

    @property
    def outside(self):
        return row_of(self.details["outside"])

    @property
    def losses(self):
        return self.details["losses"]

    def inclusive(self, function):
        """Seconds, on CPU and waiting, of all stacks that this function is on."""
        share = sum(values["cpu_samples"] for stack, values in self.stacks() if any(name == function for _, name, _ in stack))
        return share * self.whole.total

    def stacks(self):
        """[(path, function, line), ...outermost first] and its figures, per stack of profile_results.json."""
        for frames, values in self.json["stacks"]:
            yield [split_frame(frame) for frame in frames], values


def split_frame(frame):
    """What a path or a name has of separators is escaped as in an URL."""
    path, rest = frame[:-1].split(" ")
    function, lineno = rest.split(":")
    return urllib.parse.unquote(path), urllib.parse.unquote(function), int(lineno)


class Project:
    def __init__(self, folder, binary):
        self.folder = folder
        self.binary = binary

    def path(self, name):
        return os.path.join(self.folder, name)

    def write(self, name, text):
        os.makedirs(os.path.dirname(self.path(name)), exist_ok=True)
        with open(self.path(name), "w", encoding="utf-8") as f:
            f.write(text)
        return self.path(name)

    def target(self, name):
        """A script of tests/targets, copied here."""
        shutil.copy(os.path.join(TARGETS, name), self.path(name))
        os.chmod(self.path(name), 0o644)
        return self.path(name)

    def marks(self, name):
        """{NAME: line number} of the lines that end in `# line: NAME`."""
        with open(self.path(name), encoding="utf-8") as f:
            found = (re.search(r"# line: (\S+)$", text.rstrip()) for text in f)
            return {match.group(1): number for number, match in enumerate(found, 1) if match}

    def blocks(self, name):
        """{NAME: range of line numbers} between `# begin: NAME` and `# end`."""
        blocks, begun = {}, None
        with open(self.path(name), encoding="utf-8") as f:
            for number, text in enumerate(f, 1):
                match = re.match(r"\s*# begin: (\S+)$", text.rstrip())
                if match:
                    begun = match.group(1), number
                elif text.strip() == "# end" and begun:
                    blocks[begun[0]] = range(begun[1], number)
                    begun = None
        return blocks

    def environment(self, env=None):
        result = {k: v for k, v in os.environ.items() if not k.startswith(("FIXINGAHOLE", "SUDO_", "PYTHON", "VIRTUAL_ENV", "CONDA"))}
        result.update({"FIXINGAHOLE_ROOT": self.folder, "NO_COLOR": "1", "LC_ALL": "C.UTF-8"})
        result.update(env or {})
        return {k: v for k, v in result.items() if v is not None}

    def folders(self):
        """Output folders in the default place, oldest first."""
        return sorted(glob.glob(os.path.join(glob.escape(self.folder), "performance/*/*/")), key=os.path.getctime)

    def start(self, *command, env=None, **kwargs):
        """The profiler in a process group of its own, text pipes, not waited for."""
        kwargs.setdefault("cwd", self.folder)
        kwargs.setdefault("stdin", subprocess.DEVNULL)
        kwargs.setdefault("stdout", subprocess.PIPE)
        kwargs.setdefault("stderr", subprocess.PIPE)
        return subprocess.Popen(
            [self.binary, *map(str, command)],
            env=self.environment(env),
            start_new_session=True,
            universal_newlines=True,
            encoding="utf-8",
            errors="replace",
            **kwargs,
        )

    def finish(self, process, stdin=None, timeout=120):
        try:
            stdout, stderr = process.communicate(stdin, timeout=timeout)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            stdout, stderr = process.communicate()
            raise AssertionError("the profiler did not end within %d s\n%s\n%s" % (timeout, stdout[-4000:], stderr[-4000:]))
        return process.returncode, stdout, stderr

    def run(self, *command, stdin=None, env=None, timeout=120, **kwargs):
        """Any command of the profiler: Result, with the newest output folder if this run made one."""
        before = set(self.folders())
        if stdin is not None:
            kwargs["stdin"] = subprocess.PIPE
        process = self.start(*command, env=env, **kwargs)
        code, stdout, stderr = self.finish(process, stdin, timeout)
        made = [folder for folder in self.folders() if folder not in before]
        return Result(code, stdout, stderr, made[-1] if made else None)

    def profile(self, script, *args, options=(), python=interpreters.DEBIAN, **kwargs):
        """`profile` over a script of this folder, or of tests/targets if there is none of that name here."""
        if not os.path.isabs(script) and not os.path.exists(self.path(script)):
            self.target(script)
        choice = ["--python", getattr(python, "path", python)] if python else []
        return self.run("profile", *choice, *options, script, *(["--"] if args else []), *args, **kwargs)

    def alone(self, script, *args, python=interpreters.DEBIAN, stdin=None, env=None):
        if not os.path.exists(self.path(script)):
            self.target(script)
        run = subprocess.run(
            [getattr(python, "path", python), self.path(script), *map(str, args)],
            cwd=self.folder,
            env=self.environment(env),
            input=stdin or "",
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            universal_newlines=True,
        )
        return Result(run.returncode, run.stdout, run.stderr, None)


def wait_for(condition, what, seconds=30):
    """Waits until condition() is true; its value."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        value = condition()
        if value:
            return value
        time.sleep(0.01)
    raise AssertionError("waited %d s in vain for %s" % (seconds, what))


def by_signal(number):
    """The statuses that say `killed by this signal`, the shell's way and the kernel's."""
    return (128 + number, -number)
