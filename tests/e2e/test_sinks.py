# SPDX-License-Identifier: Apache-2.0
"""
Where `record` puts its windows: folders, and servers that are slow, refuse, vanish and come back.

Delivery is at least once: a profile leaves the spool when the server's answer has come, so one whose answer was lost is sent again, with
the same Idempotency-Key. Where no answer is lost, it is exactly once, and the tests ask for that.
"""

import glob
import os
import random
import re
import signal
import socket
import subprocess
import time
from urllib.parse import parse_qs, urlsplit

import pytest

import store as stores
from store import Recorder, Store, basic, until


@pytest.fixture(scope="session")
def program():
    binary = os.path.abspath(os.environ.get("FIXINGAHOLE", os.path.join(os.path.dirname(__file__), "../../build/fixingahole")))
    path = os.path.join(os.path.dirname(binary), "tests/push/windows")
    assert os.access(path, os.X_OK), "no %s: make e2e builds it" % path
    return path


@pytest.fixture
def store():
    s = Store()
    yield s
    s.vanish()


@pytest.fixture
def spool(tmp_path):
    return ["--spool", tmp_path / "spool"]


@pytest.fixture(scope="session")
def certificates(tmp_path_factory):
    return stores.authority(tmp_path_factory.mktemp("certificates"))


def spooled(tmp_path):
    return sorted(glob.glob(str(tmp_path / "spool/*/*.spool")))


# --- folders ---


def test_folder(program, tmp_path):
    end = Recorder(program, ["-o", tmp_path / "out", "--keep-files", 5], count=8, interval_ms=10).wait()
    files = os.listdir(str(tmp_path / "out"))
    assert end["written"] == 8 and end["removed"] == 3 and end["dropped"] == 0
    assert len(files) == 5 and all(re.fullmatch(r"\d{8}_\d{6}(_\d+)?\.pb\.gz", name) for name in files)


def test_full_disk_is_counted(program, tmp_path):
    small = tmp_path / "small"
    small.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k", "none", str(small)], check=True)
    try:
        recorder = Recorder(program, ["-o", small], count=200, interval_ms=2, rows=40)
        end = recorder.wait()
        assert end["written"] + end["failed"] == 200 and end["failed"] > 0
        assert "No space left" in end["error"]
        assert recorder.errors.count("No space left") == 1  # said once, not for each
        assert not [name for name in os.listdir(str(small)) if name.startswith(".part")]
    finally:
        subprocess.run(["umount", str(small)], check=True)


# --- servers ---


@pytest.mark.parametrize("protocol", ["pyroscope", "parca", "otlp", "pprof"])
def test_protocols(program, store, spool, tmp_path, protocol):
    if protocol == "parca":
        store.answer = lambda request: (200, {"Content-Type": "application/grpc-web+proto"}, b"\0\0\0\0\0\x80\0\0\0\x0fgrpc-status:0\r\n")
    end = Recorder(program, ["-o", protocol + "+" + store.url(), *spool], count=3).wait()
    assert end["pushed"] == 3 and end["dropped"] == 0 and end["waiting"] == 0 and end["error"] == "-"
    assert store.windows() == [0, 1, 2]
    request = store.taken[0]
    parts = urlsplit(request.path)
    assert len({r.headers["Idempotency-Key"] for r in store.taken}) == 3
    assert spooled(tmp_path) == []
    if protocol == "pyroscope":
        query = {name: values[0] for name, values in parse_qs(parts.query).items()}
        assert parts.path == "/ingest" and query["format"] == "pprof" and query["sampleRate"] == "99"
        host = re.sub(r"[^A-Za-z0-9._-]", "_", socket.gethostname())
        assert query["name"] == "fixingahole{host=%s}" % host
        assert 1 <= int(query["until"]) - int(query["from"]) <= 3
        assert abs(int(query["until"]) - time.time()) < 60
        assert request.body[:2] == b"\x1f\x8b"
    elif protocol == "parca":
        assert parts.path == "/parca.profilestore.v1alpha1.ProfileStoreService/WriteRaw"
        assert request.headers["Content-Type"] == "application/grpc-web+proto"
        assert request.body[:1] == b"\0" and int.from_bytes(request.body[1:5], "big") == len(request.body) - 5
    elif protocol == "otlp":
        assert parts.path == "/v1development/profiles"
        assert request.headers["Content-Type"] == "application/x-protobuf" and request.headers["Content-Encoding"] == "gzip"
    else:
        assert parts.path == "/" and request.headers["Content-Type"] == "application/octet-stream"


def test_both_kinds_of_places(program, store, spool, tmp_path):
    end = Recorder(program, ["-o", tmp_path / "out", "-o", store.url(), "-o", "otlp+" + store.url() + "/b", "--protocol", "pprof", *spool], count=4).wait()
    assert end["written"] == 4 and end["pushed"] == 8
    assert sorted(store.windows()) == [0, 0, 1, 1, 2, 2, 3, 3]


def test_500_then_well(program, store, spool):
    failing = [True]
    store.answer = lambda request: (500, {}, b"out of order") if failing[0] else (200, {}, b"")
    recorder = Recorder(program, ["-o", "pprof+" + store.url(), *spool], count=30, interval_ms=100)
    until(lambda: len(store.seen) >= 2, "second try")
    # one after the other: nothing newer overtakes
    assert {request.window for request, _ in store.seen} == {0}
    keys = {request.headers["Idempotency-Key"] for request, _ in store.seen}
    assert len(keys) == 1
    gap = store.seen[1][0].time - store.seen[0][0].time
    assert 0.2 < gap < 2
    assert "HTTP 500: out of order" in recorder.state()["error"]
    failing[0] = False
    end = recorder.wait()
    assert store.windows() == list(range(30))
    assert end["pushed"] == 30 and end["dropped"] == 0 and end["retries"] >= 2 and end["error"] == "-"
    assert recorder.errors.count("HTTP 500") == 1 and "works again" in recorder.errors


def test_429_and_retry_after(program, store, spool):
    busy = [2]

    def answer(request):
        if busy[0]:
            busy[0] -= 1
            return 429, {"Retry-After": "2"}, b""
        return 200, {}, b""

    store.answer = answer
    end = Recorder(program, ["-o", "pprof+" + store.url(), *spool], count=2, grace_ms=20000).wait()
    times = [request.time for request, _ in store.seen]
    assert store.windows() == [0, 1] and end["retries"] == 2
    assert 1.95 < times[1] - times[0] < 4 and 1.95 < times[2] - times[1] < 4


def test_refused_for_good(program, store, spool, tmp_path):
    store.answer = lambda request: (422, {}, b"no such tenant") if request.window % 2 else (200, {}, b"")
    recorder = Recorder(program, ["-o", "pprof+" + store.url(), *spool], count=10, interval_ms=20)
    end = recorder.wait()
    assert store.windows() == [0, 2, 4, 6, 8] and len(store.seen) == 10
    assert end["refused"] == 5 and end["dropped"] == 5 and end["retries"] == 0 and end["waiting"] == 0
    assert "HTTP 422: no such tenant" in recorder.errors and recorder.errors.count("for good") <= 4
    assert spooled(tmp_path) == []


def test_otlp_partial_success(program, store, spool):
    store.answer = lambda request: (200, {}, b"\x0a\x07\x08\x01\x12\x03old")
    recorder = Recorder(program, ["-o", "otlp+" + store.url(), *spool], count=1)
    end = recorder.wait()
    assert end["refused"] == 1 and end["pushed"] == 0 and "1 profiles rejected: old" in recorder.errors


def test_lost_answer_comes_again(program, store, spool):
    """The server took it, the answer was lost: it comes twice, with one key, and nothing is missing."""
    taken = []

    def answer(request):
        first = request.window not in taken
        taken.append(request.window)
        return (None if first and request.window == 1 else 200), {}, b""

    store.answer = answer
    end = Recorder(program, ["-o", "pprof+" + store.url(), *spool], count=3).wait()
    assert taken == [0, 1, 1, 2] and end["pushed"] == 3 and end["dropped"] == 0
    keys = [request.headers["Idempotency-Key"] for request, _ in store.seen]
    assert keys[1] == keys[2] and len(set(keys)) == 3


def test_slow_server_blocks_nobody(program, store, spool):
    def answer(request):
        time.sleep(0.3)
        return 200, {}, b""

    store.answer = answer
    recorder = Recorder(program, ["-o", "pprof+" + store.url(), *spool], count=20, interval_ms=10)
    until(lambda: recorder.state() and recorder.state()["number"] == 19, "last window")
    assert len(store.windows()) < 10  # it is behind, the windows went on
    end = recorder.wait()
    assert store.windows() == list(range(20)) and end["retries"] == 0


def test_hanging_server_is_given_up(program, store, spool):
    store.answer = lambda request: (time.sleep(5), (200, {}, b""))[1] if len(store.seen) < 1 else (200, {}, b"")
    recorder = Recorder(program, ["-o", "pprof+" + store.url(), *spool, "--timeout", "0.5"], count=2)
    until(lambda: recorder.process.poll() is not None or (recorder.state() or {"error": "-"})["error"] != "-" or store.taken, "time-out")
    end = recorder.wait()
    assert end["pushed"] == 2 and end["retries"] >= 1
    assert set(store.windows()) == {0, 1}


def test_vanishes_and_returns(program, store, spool):
    recorder = Recorder(program, ["-o", "pprof+" + store.url(), *spool], count=80, interval_ms=50)
    until(lambda: len(store.windows()) >= 5, "profiles")
    store.vanish()
    before = len(store.windows())
    until(lambda: recorder.state()["waiting"] >= 20, "spooled profiles")
    assert recorder.state()["error"] != "-"
    store.start()
    end = recorder.wait()
    assert before < 80 and end["pushed"] >= 80 - 1 and end["dropped"] == 0
    windows = store.windows()
    assert set(windows) == set(range(80))
    assert len(windows) <= 81  # at most the one whose answer was cut off


def test_restart_goes_on(program, store, spool, tmp_path):
    port = store.port
    store.vanish()
    url = "pprof+http://127.0.0.1:%d" % port
    end = Recorder(program, ["-o", url, *spool], count=12, interval_ms=5, grace_ms=0).wait()
    assert end["waiting"] == 12 and end["pushed"] == 0 and end["dropped"] == 0
    files = spooled(tmp_path)
    assert len(files) == 12
    # damage two of them, and add one that is none
    with open(files[3], "r+b") as f:
        f.seek(80)
        f.write(bytes(b ^ 0xff for b in b"damaged!"))
    os.truncate(files[5], 70)
    with open(os.path.join(os.path.dirname(files[0]), "ffffffffffff0000.spool"), "wb") as f:
        f.write(random.Random(1).randbytes(5000))
    store.start()
    end = Recorder(program, ["-o", url, *spool], first=100, count=1).wait()
    assert store.windows() == [0, 1, 2, 4, 6, 7, 8, 9, 10, 11, 100]
    assert end["corrupt"] == 3 and end["dropped"] == 3 and end["pushed"] == 11
    assert spooled(tmp_path) == []


def test_killed_and_restarted(program, store, spool, tmp_path):
    """SIGKILL at any moment: nothing that was in the spool is lost, and at most the one that was on its way comes twice."""
    chance = random.Random(5)
    first = 0
    for _ in range(6):
        recorder = Recorder(program, ["-o", "pprof+" + store.url(), *spool], first=first, count=10000, interval_ms=3)
        until(lambda: (recorder.state() or {"number": 0})["number"] >= first + 10, "windows")
        time.sleep(chance.random() * 0.05)
        recorder.process.kill()
        recorder.process.wait()
        for reader in recorder.readers:
            reader.join(10)
        first = recorder.state()["number"] + 2
    end = Recorder(program, ["-o", "pprof+" + store.url(), *spool], first=first, count=1).wait()
    windows = store.windows()
    told = {n for n in range(first + 1)}
    missing = told - set(windows)
    # after the last line of each run one more window may, or may not, have come
    assert len(missing) <= 6, missing
    assert len(windows) - len(set(windows)) <= 6
    assert end["waiting"] == 0 and end["corrupt"] == 0 and spooled(tmp_path) == []


def test_bound_drops_the_oldest(program, store, spool, tmp_path):
    store.vanish()
    url = "pprof+http://127.0.0.1:%d" % store.port
    recorder = Recorder(program, ["-o", url, *spool, "--spool-bytes", "64K"], count=100, interval_ms=2, rows=100, grace_ms=0)
    end = recorder.wait()
    assert end["full"] > 0 and end["full"] + end["waiting"] == 100 and end["dropped"] == end["full"]
    assert sum(os.path.getsize(path) for path in spooled(tmp_path)) == end["bytes"] <= 64 << 10
    assert "dropped from the full spool" in recorder.errors
    store.start()
    Recorder(program, ["-o", url, *spool], first=100, count=1).wait()
    assert store.windows() == list(range(100 - end["waiting"], 101))


def test_full_disk_under_the_spool(program, store, tmp_path):
    """It bounds the spool as --spool-bytes does: the newest are kept."""
    store.vanish()
    small = tmp_path / "small"
    small.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=200k", "none", str(small)], check=True)
    try:
        options = ["-o", "pprof+http://127.0.0.1:%d" % store.port, "--spool", small / "spool"]
        end = Recorder(program, options, count=100, interval_ms=2, rows=100, grace_ms=0).wait()
        assert end["failed"] == 0 and end["full"] > 0 and end["full"] + end["waiting"] == 100
        store.start()
        Recorder(program, options, first=100, count=1).wait()
        # the first may be one that was on its way while the next older ones went
        windows = store.windows()
        assert windows[1:] == list(range(windows[1], 101)) and windows[0] < windows[1] and end["waiting"] <= len(windows) <= end["waiting"] + 1
    finally:
        subprocess.run(["umount", str(small)], check=True)


def test_memory_is_flat(program, store, spool):
    """Thousands of windows, most of them while the server is away: what waits is on disk."""
    recorder = Recorder(program, ["-o", "pprof+" + store.url(), *spool], count=3000, interval_ms=2, rows=200, grace_ms=60000)
    until(lambda: len(store.windows()) > 300, "profiles")
    store.vanish()
    until(lambda: recorder.state()["number"] > 2000, "windows", 60)
    store.start()
    end = recorder.wait(120)
    sizes = [state["rss"] for state in recorder.states()]
    assert end["dropped"] == 0 and set(store.windows()) == set(range(3000))
    assert max(sizes[200:]) <= 1.05 * sizes[200] + 256, (sizes[200], max(sizes))


# --- who may, and whom we trust ---


def test_tls(program, spool, certificates):
    store = Store((certificates["server.pem"], certificates["server.key"]))
    try:
        url = "pprof+" + store.url("localhost")
        end = Recorder(program, ["-o", url, *spool, "--ca-file", certificates["ca.pem"]], count=3).wait()
        assert end["pushed"] == 3 and store.windows() == [0, 1, 2]
        # not trusted; trusted but for another name: never sent, kept
        recorder = Recorder(program, ["-o", url, *spool], first=10, count=2, grace_ms=1500)
        end = recorder.wait()
        assert end["pushed"] == 0 and end["waiting"] == 2 and "certificate" in end["error"]
        recorder = Recorder(program, ["-o", "pprof+" + store.url(), *spool, "--ca-file", certificates["ca.pem"]], first=20, count=2, grace_ms=1500)
        end = recorder.wait()
        assert end["pushed"] == 0 and end["waiting"] == 2 and "certificate" in end["error"].lower()
        assert store.windows() == [0, 1, 2]
    finally:
        store.vanish()


def test_client_certificate(program, spool, certificates):
    store = Store((certificates["server.pem"], certificates["server.key"], certificates["ca.pem"]))
    try:
        options = ["-o", "pprof+" + store.url("localhost"), *spool, "--ca-file", certificates["ca.pem"]]
        end = Recorder(program, options, count=1, grace_ms=1500).wait()
        assert end["pushed"] == 0 and end["waiting"] == 1
        end = Recorder(program, options + ["--client-cert", certificates["client.pem"]], first=1, count=1).wait()
        assert end["pushed"] == 2 and store.windows() == [0, 1]
    finally:
        store.vanish()


def test_redirects_are_not_followed(program, store, spool):
    other = Store()
    try:
        store.answer = lambda request: (307, {"Location": other.url() + "/else"}, b"")
        end = Recorder(program, ["-o", "pprof+" + store.url(), *spool, "--header", "X-Key: secret"], count=1, grace_ms=1500).wait()
        assert not other.seen and end["waiting"] == 1 and "HTTP 307" in end["error"]
    finally:
        other.vanish()


def test_headers_and_password(program, store, spool, tmp_path):
    secret = tmp_path / "headers"
    secret.write_text("# for the store\n\nX-Scope-OrgID: 7\n")
    options = ["-o", "pprof+" + store.url().replace("://", "://me:p%40ss@"), *spool, "--header", "X-Env: prod", "--header-file", secret]
    recorder = Recorder(program, options, count=1)
    recorder.wait()
    headers = store.taken[0].headers
    assert headers["X-Scope-OrgID"] == "7" and headers["X-Env"] == "prod" and headers["Authorization"] == basic("me", "p@ss")
    assert headers["User-Agent"].startswith("fixingahole/")
    assert not glob.glob(str(tmp_path / "spool/*p%40ss*")) and "p@ss" not in recorder.errors


def test_reload_renews_credentials(program, store, spool, tmp_path):
    """A token that expired costs nothing: what is answered with 401 waits until there is another one."""
    token = tmp_path / "token"
    settings = tmp_path / "record.conf"
    token.write_text("Authorization: Bearer old\n")
    settings.write_text("# settings\n--output pprof+%s\n--spool %s\n--header-file %s\n" % (store.url(), tmp_path / "spool", token))
    store.answer = lambda request: (200, {}, b"") if request.headers["Authorization"] == "Bearer new" else (401, {}, b"expired")
    recorder = Recorder(program, ["--options", settings], count=1000, interval_ms=20)
    until(lambda: (recorder.state() or {"error": "-"})["error"] == "HTTP 401: expired", "refusal")
    # a file that cannot be used changes nothing
    token.write_text("no header at all\n")
    recorder.process.send_signal(signal.SIGHUP)
    until(lambda: any(line.startswith("reload") for line in recorder.lines), "answer to SIGHUP")
    assert "line 1 is no header" in [line for line in recorder.lines if line.startswith("reload")][0]
    token.write_text("Authorization: Bearer new\n")
    recorder.process.send_signal(signal.SIGHUP)
    until(lambda: len(store.windows()) > 10, "profiles")
    assert "reload done" in recorder.lines
    # another place is refused while it runs
    settings.write_text("--output pprof+%s/else\n--spool %s\n" % (store.url(), tmp_path / "spool"))
    recorder.process.send_signal(signal.SIGHUP)
    until(lambda: any("restart" in line for line in recorder.lines), "refusal of another place")
    end = recorder.end()
    windows = store.windows()
    assert end["dropped"] == 0 and windows == list(range(len(windows))) and len(windows) == end["pushed"]


def test_usage_errors(program, store, tmp_path):
    def fails(*options):
        result = subprocess.run([program, "0", "1", "1", "1", "0", "record", "-a", *map(str, options)], capture_output=True, text=True, timeout=30)
        assert result.returncode in (1, 2) and result.stderr.count("\n") == 1 and "secret" not in result.stderr, result.stderr
        return result.stderr

    spool = ("--spool", tmp_path / "spool")
    assert "--protocol" in fails("-o", "http://me:secret@host/", *spool)
    assert "no such protocol" in fails("-o", "x+http://host/", *spool)
    assert "is no header" in fails("-o", "pprof+http://host/", *spool, "--header", "secret")
    assert "is set by fixingahole" in fails("-o", "pprof+http://host/", *spool, "--header", "Content-Length: 5")
    assert "--header-file" in fails("-o", "pprof+http://host/", *spool, "--header-file", tmp_path / "nowhere")
    assert "PEM" in fails("-o", "pprof+http://host/", *spool, "--ca-file", "/etc/hostname")
    assert "--spool" in fails("-o", "pprof+http://host/", "--spool", "/proc/nowhere")
    assert "--output" in fails("-o", "/proc/nowhere/out")
    holder = Recorder(program, ["-o", "pprof+" + store.url(), *spool], count=1000, interval_ms=20)
    until(lambda: store.taken, "profile")
    assert "another recording" in fails("-o", "pprof+" + store.url(), *spool)
    holder.end()


# --- an hour of it: make soak-push ---


@pytest.mark.skipif("SOAK_SECONDS" not in os.environ, reason="long: make soak-push")
def test_soak(program, store, spool, tmp_path):
    """Slow, 500, 429, gone, back, lost answers, killed: nothing is lost within the bound, memory is flat."""
    recorder = Recorder(program, ["-o", "pprof+" + store.url(), *spool, "--timeout", 2], count=10 ** 9, interval_ms=100, rows=200, grace_ms=120000)
    for changes in stores.moody(store, float(os.environ["SOAK_SECONDS"])):
        assert recorder.process.poll() is None, recorder.errors
    end = recorder.end(180)
    states = recorder.states()
    windows = store.windows()
    # what a lost answer hid was seen all the same
    seen = {request.window for request, _ in store.seen}
    sizes = [state["rss"] for state in states]
    begin = min(len(sizes) // 4, 600)
    print("\n%d windows, %d requests, %d taken, %d retries, %d moods, at most %d waited; %d kB after the first minute, %d at most" % (
        len(states), len(store.seen), len(windows), end["retries"], changes, max(s["waiting"] for s in states), sizes[begin], max(sizes)))
    assert end["dropped"] == 0 and end["waiting"] == 0
    assert seen == set(range(len(states))) and end["pushed"] == len(states)
    assert max(sizes[begin:]) <= 1.05 * sizes[begin], (sizes[begin], max(sizes))
