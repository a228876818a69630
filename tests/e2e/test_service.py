# SPDX-License-Identifier: Apache-2.0
"""`record` as a service: the unit, its capabilities, what the manager hears, SIGHUP."""

import glob
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time

import pytest

from interpreters import REPOSITORY
from store import Store, moody, until
from test_pprof import collector  # noqa: F401 (a fixture)

CAP_SYS_ADMIN = 21


@pytest.fixture
def binary(request):
    return request.config.binary


class Manager:
    """A socket as systemd has it."""

    def __init__(self, path):
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind(path)
        self.socket.setblocking(False)
        self.heard = []

    def listen(self):
        try:
            while True:
                self.heard.append(self.socket.recv(4096).decode())
        except BlockingIOError:
            return self.heard

    def has(self, beginning, n=1):
        return sum(text.startswith(beginning) for text in self.listen()) >= n


def capabilities():
    """Of the unit, as setpriv wants them."""
    with open(os.path.join(REPOSITORY, "systemd/fixingahole.service")) as unit:
        words = re.search(r"^CapabilityBoundingSet=(.*)$", unit.read(), re.M).group(1).split()
    return "-all," + ",".join("+" + word[len("CAP_"):].lower() for word in words)


def held(pid):
    """The capabilities that a process has or could take."""
    with open("/proc/%d/status" % pid) as status:
        words = dict(line.split(":", 1) for line in status)
    return int(words["CapEff"], 16) | int(words["CapPrm"], 16)


def test_unit_is_sound(binary, tmp_path):
    if not shutil.which("systemd-analyze"):
        pytest.skip("no systemd-analyze")
    folder = tmp_path / "units"
    folder.mkdir()
    with open(os.path.join(REPOSITORY, "systemd/fixingahole.service")) as unit:
        text = unit.read()
    assert "ExecStart=/usr/local/bin/fixingahole record --options /etc/fixingahole/record.conf\n" in text
    path = folder / "fixingahole.service"
    path.write_text(text.replace("/usr/local/bin/fixingahole", binary))
    result = subprocess.run(["systemd-analyze", "verify", "--man=no", str(path)], capture_output=True, text=True, timeout=60)
    assert result.returncode == 0 and "fixingahole.service" not in result.stderr, result.stderr


def test_installed_settings_are_valid(binary, tmp_path):
    """What make install puts into /etc: as it is, but for its folder and its end."""
    with open(os.path.join(REPOSITORY, "systemd/record.conf")) as conf:
        text = conf.read()
    assert text.count("/var/lib/fixingahole/profiles") == 1
    for line in text.splitlines():  # the examples name options that are there
        name = re.match(r"#(--[a-z-]+)", line)
        if name:
            helped = subprocess.run([binary, "record", "--help"], capture_output=True, text=True).stdout
            assert name.group(1) + " " in helped
    path = tmp_path / "record.conf"
    path.write_text(text.replace("/var/lib/fixingahole/profiles", str(tmp_path / "out")) + "--seconds 1\n")
    result = subprocess.run([binary, "record", "--options", str(path)], capture_output=True, text=True, timeout=60)
    assert result.returncode == 0 and result.stderr == "", result.stderr
    assert len(glob.glob(str(tmp_path / "out/*.pb.gz"))) == 1


@pytest.mark.parametrize("abstract", [False, True])
def test_service(binary, tmp_path, abstract):
    name = "\0fixingahole/e2e/%d" % os.getpid() if abstract else str(tmp_path / "notify")
    manager = Manager(name)
    store = Store()
    conf, headers = tmp_path / "record.conf", tmp_path / "headers"
    headers.write_text("X-Turn: 1\n")
    conf.write_text("--all\n--rate 19\n--interval 1\n--quiet\n--output %s\n--output pprof+%s\n--header-file %s\n" % (tmp_path / "out", store.url(), headers))
    environment = {"PATH": os.environ["PATH"], "NOTIFY_SOCKET": name.replace("\0", "@"), "WATCHDOG_USEC": "2000000", "STATE_DIRECTORY": str(tmp_path / "state")}
    words = ["setpriv", "--no-new-privs", "--bounding-set=" + capabilities(), binary, "record", "--options", str(conf)]
    process = subprocess.Popen(words, env=environment, stderr=subprocess.PIPE, text=True)
    try:
        until(lambda: manager.has("READY=1"), "READY")
        # what only the start needs is given up
        assert "+sys_admin" in capabilities() and held(process.pid) and not held(process.pid) & 1 << CAP_SYS_ADMIN
        until(lambda: manager.has("WATCHDOG=1", 4), "watchdog")
        until(lambda: manager.has("STATUS=") and len(store.windows()) >= 1, "windows")
        assert glob.glob(str(tmp_path / "state/spool/*/lock"))
        headers.write_text("X-Turn: 2\n")
        process.send_signal(signal.SIGHUP)
        until(lambda: manager.has("READY=1", 2), "READY after SIGHUP")
        heard = manager.listen()
        reloading = [text for text in heard if text.startswith("RELOADING=1")]
        assert len(reloading) == 1
        said = int(re.fullmatch(r"RELOADING=1\nMONOTONIC_USEC=(\d+)", reloading[0]).group(1))
        assert abs(time.monotonic() * 1e6 - said) < 60e6
        until(lambda: store.taken[-1].headers["X-Turn"] == "2", "renewed header")
        process.send_signal(signal.SIGTERM)
        assert process.wait(30) == 0
        assert manager.has("STOPPING=1")
        errors = process.stderr.read()
        assert errors == "fixingahole: settings read again\n", errors
        files = glob.glob(str(tmp_path / "out/*.pb.gz"))
        assert len(files) >= 3 and len(files) == len(store.taken)
        status = [text for text in manager.listen() if text.startswith("STATUS=")][-1]
        assert re.fullmatch(r"STATUS=%d profiles? written, %d sent, 0 lost" % (len(files), len(files)), status), status
    finally:
        process.kill()
        store.vanish()


def test_folder_of_somebody_else(binary, tmp_path):
    """Root could write there at first, but not after it dropped what it does not need: said at once."""
    folder = tmp_path / "theirs"
    folder.mkdir()
    os.chown(str(folder), 12345, 12345)
    result = subprocess.run([binary, "record", "-a", "--seconds", "1", "-o", str(folder)], capture_output=True, text=True, timeout=60,
                            env={"PATH": os.environ["PATH"]})
    assert result.returncode == 1 and "cannot write to the folder" in result.stderr and result.stdout == ""


def test_a_lost_profile_is_a_failure(binary, tmp_path):
    """Unless it goes on for ever, which tells it meanwhile."""
    words = [binary, "record", "-a", "-q", "-o", "pprof+http://127.0.0.1:9/", "--spool", str(tmp_path / "spool"), "--spool-bytes", "64"]
    result = subprocess.run([*words, "--seconds", "1"], capture_output=True, text=True, timeout=60)
    assert result.returncode == 1, result.stderr
    assert "larger than the whole spool\n" in result.stderr and "1 profile lost" in result.stderr, result.stderr
    result = subprocess.run(["timeout", "--preserve-status", "--signal=INT", "3", *words, "--interval", "1"], capture_output=True, text=True, timeout=60)
    assert result.returncode == 0 and "1 profile lost" in result.stderr, result.stderr


def test_files_belong_to_who_called_sudo(binary, tmp_path):
    os.chown(str(tmp_path), 12345, 12345)
    for parent in (tmp_path.parent, tmp_path.parent.parent):
        os.chmod(str(parent), 0o755)
    store = Store()
    try:
        result = subprocess.run([binary, "record", "-a", "--seconds", "3", "--interval", "1", "-q", "-o", str(tmp_path / "out"), "-o", "pprof+" + store.url(), "--spool", str(tmp_path / "spool")],
                                capture_output=True, text=True, timeout=60,
                                env={"PATH": os.environ["PATH"], "SUDO_UID": "12345", "SUDO_GID": "12345"})
        assert result.returncode == 0, result.stderr
        files = glob.glob(str(tmp_path / "out/*.pb.gz"))
        assert len(files) >= 3 and all(os.stat(path).st_uid == 12345 for path in files)
        assert len(store.taken) == len(files)
        assert {os.stat(path).st_uid for path in glob.glob(str(tmp_path / "spool/*"))} == {0}
    finally:
        store.vanish()


def test_collector_takes_what_is_pushed(binary, collector, tmp_path):  # noqa: F811
    """All the way: kernel, window, OTLP, spool, HTTP, and a real OpenTelemetry collector."""
    address, end = collector
    result = subprocess.run([binary, "record", "-a", "--seconds", "3", "--interval", "1", "--quiet", "-o", "otlp+" + address.replace("/v1development/profiles", ""), "-o", str(tmp_path / "out"),
                             "--spool", str(tmp_path / "spool")], capture_output=True, text=True, timeout=120, env={"PATH": os.environ["PATH"]})
    assert result.returncode == 0 and result.stderr == "", result.stderr
    assert not glob.glob(str(tmp_path / "spool/*/*.spool"))
    text = end()
    requests = [line for line in text.splitlines() if re.match(r"^\S+\s+info\s+Profiles\s", line) or '"resource profiles":' in line]
    assert len(requests) == len(glob.glob(str(tmp_path / "out/*.pb.gz"))) >= 3, text[:2000]
    assert "ResourceProfiles #" in text and "process.pid: Int(" in text


def own_kb(pid):
    """Without the kernel's ring buffer, of which one page after the other comes to be counted, and files."""
    with open("/proc/%d/status" % pid) as status:
        return int(re.search(r"RssAnon:\s+(\d+) kB", status.read()).group(1))


@pytest.mark.skipif("SOAK_SECONDS" not in os.environ, reason="long: make soak-push")
def test_soak(binary, tmp_path):
    """The whole of it: a window a second of a machine with short and long lives, to a server with moods. Nothing is lost, memory is flat."""
    seconds = float(os.environ["SOAK_SECONDS"])
    manager = Manager(str(tmp_path / "notify"))
    store = Store()
    crowd = subprocess.Popen([sys.executable, os.path.join(REPOSITORY, "tests/targets/crowd.py"), "20", "60", "300", str(int(seconds) + 60)])
    words = [binary, "record", "-a", "--interval", "1", "-q", "--output", "pprof+" + store.url(), "--spool", str(tmp_path / "spool"), "--timeout", "2"]
    environment = {"PATH": os.environ["PATH"], "NOTIFY_SOCKET": str(tmp_path / "notify")}
    process = subprocess.Popen(words, env=environment, stderr=subprocess.PIPE, text=True)
    start, sizes = time.monotonic(), []
    try:
        for changes in moody(store, seconds):
            assert process.poll() is None, process.stderr.read()
            sizes.append((time.monotonic() - start, own_kb(process.pid)))
            manager.listen()
        process.send_signal(signal.SIGTERM)
        assert process.wait(120) == 0
        status = [text for text in manager.listen() if text.startswith("STATUS=")][-1]
        sent, lost = (int(number) for number in re.fullmatch(r"STATUS=(\d+) sent, (\d+) lost", status).groups())
        keys = {request.headers["Idempotency-Key"] for request, _ in store.seen}
        settled = [size for at, size in sizes if at >= min(60, seconds / 4)]
        print("\n%d sent, %d requests, %d changes of mood; %d kB after the first minute, %d at most" % (sent, len(store.seen), changes, settled[0], max(settled)))
        assert lost == 0 and sent == len(keys) and sent >= 0.9 * seconds
        assert max(settled) <= 1.05 * settled[0]
    finally:
        crowd.kill()
        process.kill()
        store.vanish()
