# SPDX-License-Identifier: Apache-2.0
"""Whose files these are, where they may go, and what the reports always say."""

import os
import pwd
import re
import subprocess

import pytest

NOBODY = pwd.getpwnam("nobody")


def owned_by(folder):
    return {os.lstat(os.path.join(path, name)).st_uid for path, dirs, files in os.walk(folder) for name in dirs + files}


def test_sudo(project):
    """Called through sudo: the script runs as the caller, and everything belongs to him."""
    os.chown(project.folder, NOBODY.pw_uid, NOBODY.pw_gid)
    env = {"SUDO_UID": str(NOBODY.pw_uid), "SUDO_GID": str(NOBODY.pw_gid), "SUDO_USER": "nobody", "SUDO_COMMAND": "fixingahole"}
    script = project.write("who.py", "import os\nprint(os.getresuid(), os.getresgid(), os.environ.get('HOME'))\nopen('made', 'w').close()\n")
    result = project.profile(script, env=env).check()
    assert result.stdout.startswith("({0}, {0}, {0}) ({1}, {1}, {1}) {2}\n".format(NOBODY.pw_uid, NOBODY.pw_gid, NOBODY.pw_dir)), result.text()
    assert owned_by(project.path("performance")) == {NOBODY.pw_uid}
    assert os.stat(project.path("made")).st_uid == NOBODY.pw_uid


def test_user(project):
    os.chown(project.folder, NOBODY.pw_uid, NOBODY.pw_gid)
    result = project.profile("mirror.py", options=["--user", "nobody"]).check()
    assert '"ids": [%d, %d, %d, %d' % (NOBODY.pw_uid, NOBODY.pw_uid, NOBODY.pw_gid, NOBODY.pw_gid) in result.stdout
    assert owned_by(project.path("performance")) == {NOBODY.pw_uid}


def test_root_without_sudo(project):
    result = project.profile("mirror.py").check()
    assert '"ids": [0, 0, 0, 0' in result.stdout
    assert owned_by(project.path("performance")) == {0}


def test_not_root(project):
    """One line that says which capabilities are missing, and how to get them."""
    project.target("hello.py")
    result = project.profile("hello.py", preexec_fn=lambda: (os.setgroups([]), os.setgid(65534), os.setuid(65534)))
    assert result.returncode in (1, 2), result.text()
    assert "CAP_BPF" in result.stderr and "sudo" in result.stderr
    assert len(result.stderr.strip().splitlines()) <= 2
    assert result.stdout == "", "the script must not run unprofiled"


@pytest.mark.parametrize("planted", ["performance", "performance/hello"])
def test_planted_link(project, planted):
    """As root for somebody else: a link where output would go is not followed to what is not his."""
    forbidden = project.path("forbidden")
    os.mkdir(forbidden, 0o755)  # root's
    victim = project.path("victim")
    os.mkdir(victim)
    os.makedirs(os.path.dirname(os.path.join(victim, planted)), exist_ok=True)
    os.symlink(forbidden, os.path.join(victim, planted))
    for path, dirs, files in os.walk(victim):
        os.chown(path, NOBODY.pw_uid, NOBODY.pw_gid)
    project.target("hello.py")
    result = project.run("profile", "--python", "/usr/bin/python3", "--user", "nobody", "-o", os.path.join(victim, "performance"), "hello.py")
    assert os.listdir(forbidden) == []
    assert result.returncode == 1 and result.stdout == "", result.text()
    assert project.folder in result.stderr, result.text()


def test_unwritable_output(project):
    """As the user it cannot be written: one line with the path, before the script runs."""
    project.target("hello.py")
    locked = project.path("locked")
    os.mkdir(locked, 0o755)
    result = project.profile("hello.py", options=["--user", "nobody", "-o", locked])
    assert result.returncode in (1, 2), result.text()
    assert locked in result.stderr and len(result.stderr.strip().splitlines()) <= 3, result.text()
    assert os.listdir(locked) == []


def test_full_disk(project):
    """No room for the reports: said in one line, the script's output and summary still there."""
    small = project.path("small")
    os.mkdir(small)
    if subprocess.call(["mount", "-t", "tmpfs", "-o", "size=16k,nr_inodes=64", "none", small]) != 0:
        pytest.skip("cannot mount a small file system")
    try:
        result = project.profile("hello.py", options=["-o", small])
        assert result.returncode == 1, result.text()
        assert result.stdout.startswith("hello\n")
        assert "No space left" in result.stderr, result.text()
        assert "Finished in" in result.stdout
    finally:
        subprocess.check_call(["umount", small])


def test_losses_are_printed(project):
    result = project.profile("hello.py").check()
    for text in (result.summary, result.stdout):
        text = " ".join(text.split())  # it is wrapped
        assert "0 dropped records" in text, text
        for name, count in result.losses.items():
            assert "%d %s" % (count, name) in text
    assert len(result.losses) == 10


def test_summary(project):
    result = project.profile("shares.py", "--seconds", "0.5").check()
    lines = result.summary.splitlines()
    assert lines[0].endswith("shares.py -- --seconds 0.5") and "profile" in lines[0]
    assert re.search(r"^Finished in \d+\.\d+ seconds", result.summary, re.MULTILINE)
    assert re.search(r"^Max RSS Memory Usage: \d+(\.\d+)? [kMG]?B", result.summary, re.MULTILINE)
    assert re.search(r"^Total Wall Time: \d+\.\d+ seconds", result.summary, re.MULTILINE)
    assert "Functions by Module" in result.summary
    assert result.summary.strip() in result.stdout, "stdout carries the same summary"
    assert "\x1b" not in result.stdout


def test_results(project):
    """The table: the hot lines with their source."""
    result = project.profile("shares.py", "--seconds", "0.5").check()
    assert "total = (total * 5 + i) & 0xFFFF" in result.results
    assert re.search(r"indirect \(line \d+\)", result.results)


def test_copy_of_the_code(project):
    result = project.profile("hello.py").check()
    assert open(result.path("hello.py"), "rb").read() == open(project.path("hello.py"), "rb").read()


def test_waits_are_listed(project):
    result = project.profile("waiting.py", "recv", "0.5").check()
    assert re.search(r"recv(from)?, 127\.0\.0\.1:\d+", result.results), result.results
