# SPDX-License-Identifier: Apache-2.0
"""top, in a real terminal: what it shows, what keys do, and that the terminal is left as it was found, however it ends."""

import contextlib
import fcntl
import os
import re
import select
import shutil
import signal
import struct
import subprocess
import termios
import time

import pytest

import interpreters
from project import wait_for

SCRIPT = "top.py"
BURN, HOT = 8, 11  # lines of top.py: the function that works, and the line that does most


@pytest.fixture(autouse=True)
def needs_tmux():
    if not shutil.which("tmux"):
        pytest.skip("no tmux: tools/deps.sh test installs it")


@contextlib.contextmanager
def busy(project, python=interpreters.DEBIAN, name=SCRIPT, argv0=None):
    path = project.target(SCRIPT) if name == SCRIPT else project.write(name, open(os.path.join(interpreters.REPOSITORY, "tests/targets", SCRIPT)).read())
    command = [getattr(python, "path", python), path]
    process = subprocess.Popen(command, executable=command[0], stdin=subprocess.PIPE, stdout=subprocess.PIPE, universal_newlines=True)
    try:
        assert process.stdout.readline().startswith("ready")
        yield process
    finally:
        process.kill()
        process.communicate()


class Terminal:
    """A tmux of its own with a shell in it; $? and the modes of the terminal go to files."""

    def __init__(self, project, columns=80, lines=24):
        self.project = project
        self.socket = os.path.join(project.folder, "tmux")
        self.run("-f", "/dev/null", "new-session", "-d", "-x", str(columns), "-y", str(lines), "env", "-i", "LANG=C.UTF-8", "PS1=$ ",
                 "PATH=" + os.environ["PATH"], "TERM=screen-256color", "bash", "--norc", "--noprofile")
        self.wait("$")
        # bash changes the modes while it reads a line: what its children see is what counts
        self.before = self.modes("before")

    def run(self, *args):
        return subprocess.run(["tmux", "-u", "-S", self.socket, *args], check=True, stdout=subprocess.PIPE, universal_newlines=True).stdout

    def close(self):
        subprocess.run(["tmux", "-S", self.socket, "kill-server"], stderr=subprocess.DEVNULL)

    def keys(self, *keys):
        self.run("send-keys", *keys)

    def type(self, line):
        self.run("send-keys", "-l", line)
        self.keys("Enter")

    def screen(self, *options):
        return self.run("capture-pane", "-p", *options).split("\n")[:-1]

    def wait(self, text, seconds=20):
        """Until a line of the screen matches."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            for line in self.screen():
                if re.search(text, line):
                    return line
            time.sleep(0.1)
        raise AssertionError("no '%s' on the screen:\n%s" % (text, "\n".join(self.screen())))

    def modes(self, name):
        path = self.project.path(name)
        self.type("stty -a > %s.part; mv %s.part %s" % (path, path, path))
        wait_for(lambda: os.path.exists(path), "the terminal's modes")
        with open(path) as f:
            text = f.read()
        os.unlink(path)
        return re.sub(r"rows \d+; columns \d+;", "", text)

    def start(self, *options, before="", seconds=20):
        """Starts top; its screen is there."""
        status = self.project.path("status")
        with contextlib.suppress(FileNotFoundError):
            os.unlink(status)
        words = " ".join([before, self.project.binary, "top", *map(str, options)])
        self.type("clear; %s; echo $? > %s" % (words, status))
        self.wait(r"^q quit", seconds)

    def status(self):
        path = self.project.path("status")
        wait_for(lambda: os.path.exists(path) and os.path.getsize(path), "the end of top")
        with open(path) as f:
            return int(f.read())

    def pid(self):
        """Of the top that runs in it."""
        shell = int(self.run("display-message", "-p", "#{pane_pid}"))
        return int(subprocess.run(["pgrep", "-P", str(shell), "fixingahole"], stdout=subprocess.PIPE, universal_newlines=True, check=True).stdout.split()[0])

    def assert_sane(self):
        """The modes are those from before, the cursor is there, this is the ordinary screen, and what is typed is shown."""
        assert self.modes("after") == self.before
        state = self.run("display-message", "-p", "#{cursor_flag} #{alternate_on} #{keypad_cursor_flag} #{keypad_flag} #{mouse_any_flag}")
        assert state.split() == ["1", "0", "0", "0", "0"]
        self.type("echo 'shown' again")
        self.wait("^shown again")
        assert any("echo 'shown' again" in line for line in self.screen())


@pytest.fixture
def terminal(project):
    t = Terminal(project)
    yield t
    t.close()


def test_finds_the_hot_line(project, terminal, python):
    """Within five seconds, and from the process to its line and the stack there."""
    with busy(project, python) as target:
        terminal.start()
        began = time.monotonic()
        row = terminal.wait(r"^ *%d .* %s" % (target.pid, SCRIPT))
        assert time.monotonic() - began < 5, row
        assert float(re.match(r" *\d+ +\S+ +(\S+)", row).group(1)) > 3, row  # others may be at work as well
        terminal.type("/%d" % target.pid)
        terminal.wait(r"^processes .*filter '%d'" % target.pid)
        terminal.keys("Enter")
        terminal.wait(r"^%d %s" % (target.pid, SCRIPT))
        terminal.wait(r"burn  .*/%s:%d$" % (SCRIPT, BURN))
        terminal.keys("Enter")
        terminal.wait(r"> burn \(%s:%d\)" % (SCRIPT, BURN))
        assert re.search(r" %s:%d  total \+= i \* i %% 7" % (SCRIPT, HOT), terminal.screen()[4]), terminal.screen()
        terminal.keys("Right")
        terminal.wait(r"> line %d" % HOT)
        terminal.wait(r"burn:%d < main:\d+ < <module>:\d+" % HOT)
        terminal.keys("Right")
        terminal.wait(r"^ +0 burn  .*/%s:%d$" % (SCRIPT, HOT))
        terminal.keys("Left", "Left", "Left", "Left")
        terminal.wait(r"^processes")
        terminal.keys("q")
        assert terminal.status() == 0
        terminal.assert_sane()
        assert target.poll() is None


def test_every_python(project, every_python):
    with busy(project, every_python) as target:
        result = project.run("top", "--once", "--pid", target.pid, "--seconds", 1)
        assert result.returncode == 0, result.text()
        assert re.search(r"^ *%d .* %s$" % (target.pid, SCRIPT), result.stdout, re.M), result.text()
        python_share = float(result.stdout.split("\n")[4].split()[3])
        assert python_share > 3, result.text()
        # the screen says whom it shows; a line about it would cover the keys' names
        assert "attached to" not in result.stderr, result.text()


def test_keys_on_the_screen(project, terminal):
    with busy(project) as target:
        terminal.start("--pid", target.pid)
        terminal.wait(r"^ *%d " % target.pid)
        terminal.keys("W")
        terminal.wait("WAIT↓")
        terminal.keys("r")
        terminal.wait("WAIT↑")
        terminal.keys("M")
        terminal.wait("RSS↓")
        terminal.keys("?")
        terminal.wait(r"^up down k j")
        terminal.keys("Escape")
        terminal.wait(r"^ *%d " % target.pid)
        terminal.keys("Space")
        terminal.wait("^FROZEN")
        frozen = terminal.screen()[:-1]
        time.sleep(3)
        assert terminal.screen()[:-1] == frozen
        terminal.keys("Space", "-")
        terminal.wait("every 5 s")
        terminal.keys("c")
        terminal.wait(r"python3.* %s|/python3.*" % SCRIPT)
        terminal.type("/nothing like it")
        terminal.wait("nothing that the filter lets pass")
        terminal.keys("q")
        assert terminal.status() == 0
        terminal.assert_sane()


def test_resizing(project, terminal):
    with busy(project) as target:
        terminal.start("--pid", target.pid)
        terminal.wait(r"^ *%d " % target.pid)
        for columns, lines in ((140, 50), (40, 10), (80, 24), (20, 5), (10, 2), (1, 1), (200, 12), (80, 24)):
            terminal.run("resize-window", "-x", str(columns), "-y", str(lines))
            if columns >= 40:
                terminal.wait(r"^ *%d .*%s" % (target.pid, SCRIPT))
                wait_for(lambda: re.search("^q quit|^fixingahole:", terminal.screen()[lines - 1]), "the last line", 5)
            else:
                time.sleep(0.5)
            assert terminal.pid()
        terminal.keys("q")
        assert terminal.status() == 0
        terminal.assert_sane()


@pytest.mark.parametrize("end", ["C-c", "C-\\", "SIGINT", "SIGTERM", "SIGHUP", "SIGQUIT"])
def test_terminal_is_left_sane(project, terminal, end):
    with busy(project) as target:
        terminal.start("--pid", target.pid)
        terminal.keys("/", "x")
        terminal.wait("^filter: x")
        if end.startswith("SIG"):
            os.kill(terminal.pid(), getattr(signal, end))
        else:
            terminal.keys(end)
        assert terminal.status() == 0
        terminal.assert_sane()
        assert target.poll() is None


def test_target_ends(project, terminal):
    with busy(project) as target:
        terminal.start("--pid", target.pid)
        terminal.wait(r"^ *%d " % target.pid)
        target.terminate()
        assert terminal.status() == 0
        terminal.wait("all that was watched has ended")
        terminal.assert_sane()


def test_suspended(project, terminal):
    """Ctrl-Z gives the terminal back, fg takes it again; so does a stop from elsewhere."""
    with busy(project) as target:
        terminal.start("--pid", target.pid)
        terminal.wait(r"^ *%d " % target.pid)
        terminal.keys("C-z")
        terminal.wait("Stopped")
        terminal.assert_sane()
        terminal.type("fg")
        terminal.wait(r"^ *%d .*%s" % (target.pid, SCRIPT))
        pid = terminal.pid()
        os.kill(pid, signal.SIGSTOP)
        wait_for(lambda: open("/proc/%d/stat" % pid).read().rsplit(")", 1)[1].split()[0] == "T", "a stopped top", 5)
        terminal.wait("Stopped")  # the shell has the terminal: else what follows would be keys for top
        os.kill(pid, signal.SIGCONT)
        terminal.type("fg")
        terminal.wait(r"^ *%d .*%s" % (target.pid, SCRIPT))
        terminal.keys("q")
        wait_for(lambda: not os.path.exists("/proc/%d" % pid), "the end of top", 10)
        terminal.assert_sane()


def test_terminal_closed(project, terminal):
    """Nothing is left running when the window is closed."""
    with busy(project) as target:
        terminal.start("--pid", target.pid)
        pid = terminal.pid()
        terminal.close()
        wait_for(lambda: not os.path.exists("/proc/%d" % pid), "the end of top", 10)
        assert target.poll() is None


@pytest.mark.parametrize("end", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_nobody_reads(project, end):
    """A line that hangs stops neither the sampling nor the end."""
    with busy(project) as target:
        master, slave = os.openpty()
        modes = termios.tcgetattr(slave)
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 50, 200, 0, 0))
        top = project.start("top", "--pid", target.pid, "--interval", "0.2", stdin=slave, stdout=slave, env={"TERM": "xterm"})
        try:
            assert select.select([master], [], [], 20)[0]
            os.write(master, b"\x13")  # Ctrl-S
            for _ in range(300):  # Ctrl-L: more than the terminal's buffer takes
                os.write(master, b"\x0c")
                time.sleep(0.01)
            assert top.poll() is None
            time.sleep(1)
            top.send_signal(end)
            assert project.finish(top, timeout=10)[0] == 0
            assert termios.tcgetattr(slave) == modes
        finally:
            top.kill()
            os.close(slave)
            os.close(master)


def test_ends_in_time(project, terminal):
    with busy(project) as target:
        terminal.start("--pid", target.pid, "--seconds", 3, "--interval", 0.5)
        terminal.wait(r"^ *%d " % target.pid)
        assert terminal.status() == 0
        terminal.assert_sane()


def test_log_lines_come_afterwards(project, terminal):
    """What is said while the screen is drawn upon: here that one of those named is no Python, which takes some time to find out."""
    other = subprocess.Popen(["sh", "-c", "while :; do :; done"])
    try:
        with busy(project) as target:
            terminal.start("--verbose", "--pid", target.pid, "--pid", other.pid)
            terminal.wait(r"^ *%d " % target.pid)
            assert terminal.screen()[0].startswith("top  ")
            terminal.wait("no known Python interpreter in")
            terminal.keys("q")
            assert terminal.status() == 0
    finally:
        other.kill()
        other.wait()
    assert not any(line.startswith("top  ") for line in terminal.screen())
    terminal.wait("no known Python interpreter in")
    terminal.assert_sane()


@pytest.mark.parametrize("term, said", [("dumb", "'dumb' cannot be moved"), ("no-such-terminal", "no-such-terminal"), ("", "TERM is not set")])
def test_no_usable_terminal(project, terminal, term, said):
    terminal.type("clear; TERM=%s %s top; echo status $?" % (term, project.binary))
    terminal.wait("^status 1")
    screen = " ".join(line for line in terminal.screen() if line)
    assert said in screen and "--once" in screen and screen.count("fixingahole: ") == 1, screen
    terminal.assert_sane()


def test_cannot_begin(project, terminal):
    """What goes wrong at the start is said on an untouched screen."""
    terminal.type("clear; %s top --pid 4194303; echo status $?" % project.binary)
    terminal.wait("^status [12]")
    assert any("4194303" in line and line.startswith("fixingahole: ") for line in terminal.screen()), terminal.screen()
    terminal.assert_sane()


def test_piped(project, terminal):
    """Plain text into a pipe, also of a terminal's shell; nobody there to read it is no reason to hang."""
    out = project.path("out")
    with busy(project) as target:
        terminal.type("clear; %s top --pid %d --interval 1 | tee %s; echo status ${PIPESTATUS[0]}" % (project.binary, target.pid, out))
        terminal.wait("^status 0")
        with open(out, encoding="utf-8") as f:
            text = f.read()
        assert "\x1b" not in text and re.search(r"^ *%d .*%s$" % (target.pid, SCRIPT), text, re.M), text
        assert len(text.split("\n")) <= 24 and max(map(len, text.split("\n"))) <= 80
        assert any("standard output is no terminal" in line for line in terminal.screen())
        terminal.type("clear; %s top --once --pid %d --seconds 1 | true; echo status ${PIPESTATUS[0]}" % (project.binary, target.pid))
        terminal.wait("^status 0")
        terminal.assert_sane()


def test_once(project):
    """The whole machine, one screen of it; the busy one is the first."""
    with busy(project) as target:
        result = project.run("top", "--once", "--seconds", 2)
        assert result.returncode == 0 and "\x1b" not in result.stdout, result.text()
        lines = result.stdout.split("\n")
        assert re.match(r"top  \d\d:\d\d:\d\d  CPU \d", lines[0]) and re.search("samples in [23].\\d s", lines[1]), result.text()
        assert any(re.match(r" *%d .* %s$" % (target.pid, SCRIPT), line) for line in lines[4:14]), result.text()


def test_no_color(project, terminal):
    with busy(project) as target:
        for variable, colored in (("NO_COLOR=1", False), ("NO_COLOR=", True)):
            terminal.start("--pid", target.pid, before=variable)
            terminal.wait(r"^ *%d " % target.pid)
            screen = "".join(terminal.screen("-e"))
            assert bool(re.search(r"\x1b\[[0-9;]*3[136]", screen)) == colored, repr(screen)
            terminal.keys("q")
            assert terminal.status() == 0


def test_hostile_name(project, terminal):
    """What a script is called cannot steer the terminal."""
    with busy(project, name="\x1b]0;pwned\x07\x1b[2J漢.py") as target:
        terminal.start("--pid", target.pid)
        row = terminal.wait(r"^ *%d " % target.pid)
        assert "]0;pwned" in row and row.endswith("漢.py"), row
        assert terminal.run("display-message", "-p", "#{pane_title}").strip() != "pwned"
        terminal.keys("q")
        assert terminal.status() == 0
        terminal.assert_sane()
