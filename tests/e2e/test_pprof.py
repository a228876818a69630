# SPDX-License-Identifier: Apache-2.0
"""
What windows look like to others: to `go tool pprof`, to a decoder that knows no schema, and to an OpenTelemetry collector.
The window is that of tests/unit/window_fixture.h.
"""

import gzip
import os
import re
import signal
import socket
import subprocess
import time
import urllib.request

import pytest

import interpreters
from wire import Message

ENCODE = os.path.join(os.path.dirname(os.environ.get("FIXINGAHOLE", os.path.join(interpreters.REPOSITORY, "build/fixingahole"))), "tests/export/encode")
READERS = os.path.join(interpreters.REPOSITORY, "tools/readers.sh")
HOST = "v\u00e9.example"
CPU = {"copy_user": 42, "[process cr\ufffdn\u00e9]": 7, "[unknown]": 5}  # innermost frames, milliseconds

CONFIG = """
receivers:
  otlp:
    protocols:
      http:
        endpoint: 127.0.0.1:%d
exporters:
  debug:
    verbosity: detailed
    use_internal_logger: false
    output_paths: [stdout]
service:
  pipelines:
    profiles:
      receivers: [otlp]
      exporters: [debug]
"""


def reader(name):
    """The path of a program that tools/readers.sh builds; where it cannot, a skip, but in CI a failure."""
    done = subprocess.run([READERS, name], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    if done.returncode:
        (pytest.fail if os.environ.get("CI") else pytest.skip)(done.stderr.strip().splitlines()[-1])
    return done.stdout.strip()


@pytest.fixture(scope="module")
def pprof_file(tmp_path_factory):
    path = str(tmp_path_factory.mktemp("pprof") / "window.pb.gz")
    subprocess.run([ENCODE, "pprof", path], check=True)
    return path


@pytest.fixture(scope="module")
def go_pprof(pprof_file):
    pprof = reader("pprof")

    def run(*options):
        command = [pprof, *options, pprof_file]
        return subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True, env=dict(os.environ, TZ="UTC")).stdout

    return run


@pytest.fixture
def collector(tmp_path):
    """Its address, and a function that ends it and returns what it printed."""
    binary = reader("collector")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    config = tmp_path / "config.yaml"
    config.write_text(CONFIG % port)
    with open(tmp_path / "stdout", "w") as out, open(tmp_path / "stderr", "w") as err:
        process = subprocess.Popen([binary, "--config", str(config), "--feature-gates", "service.profilesSupport"], stdout=out, stderr=err)

    def end():
        process.send_signal(signal.SIGTERM)
        assert process.wait(60) == 0, (tmp_path / "stderr").read_text()
        return (tmp_path / "stdout").read_text()

    try:
        deadline = time.monotonic() + 120
        while "Everything is ready" not in (tmp_path / "stderr").read_text():
            assert process.poll() is None and time.monotonic() < deadline, (tmp_path / "stderr").read_text()
            time.sleep(0.05)
        yield "http://127.0.0.1:%d/v1development/profiles" % port, end
    finally:
        process.kill()
        process.wait()


def milliseconds(text, inclusive=False):
    """{name: ms} of pprof's table, of the frame itself or with all that it called."""
    rows = re.findall(r"^\s*([\d.]+)(?:ms)?\s+\S+%\s+\S+%\s+([\d.]+)(?:ms)?\s+\S+%\s+(.*)$", text, re.M)
    assert rows, text
    return {name: float(row[1 if inclusive else 0]) for *row, name in rows}


def test_pprof_lines(go_pprof):
    text = go_pprof("-top", "-lines")
    assert "Duration: 60s, Total samples = 54ms" in text
    assert "Type: cpu" in text and "File: python3.11" in text
    assert "Time: 2026-09-21 14:13:20 UTC" in text
    assert {name: ms for name, ms in milliseconds(text).items() if ms} == CPU
    below = milliseconds(text, inclusive=True)
    assert below['Orders.<locals>.<lambda> /srv/app/views "x".py:42'] == 42
    assert below["JSONDecoder.decode /usr/lib/python3.11/json/decoder.py:337"] == 42
    assert below["recurse /srv/app/main.py:20"] == below["[cut]"] == 5
    assert below["scanf"] == 42  # what the linker calls _Z5scanfPKc
    assert "lost: 0 dropped records, " in text and "5 cut stacks" in text


@pytest.mark.parametrize(
    "type, total, top",
    [
        ("wait", "250ms", "fetch"),
        ("rss", "8kB", "copy_user"),
        ("alloc_objects", "4", "copy_user"),
        ("alloc_space", "4.88kB", "copy_user"),
        ("inuse_objects", "1", "copy_user"),
        ("inuse_space", "1000B", "copy_user"),
    ],
)
def test_pprof_types(go_pprof, type, total, top):
    text = go_pprof("-top", "-sample_index=" + type)
    assert "Type: %s\n" % type in text
    row = re.search(r"^\s*(\S+)\s+100%\s+100%\s+(\S+)\s+100%\s+" + top + "$", text, re.M)
    assert row and row.group(1) == row.group(2) == total, text


def test_pprof_tags(go_pprof):
    tags = {}
    for block in go_pprof("-tags").strip().split("\n\n"):
        head, *rows = block.splitlines()
        tags[head.split(":")[0].strip()] = {value: float(ms) for ms, value in re.findall(r"^\s*([\d.]+)(?:ms)? \(.*?\): (.*)$", "\n".join(rows), re.M)}
    assert tags["process"] == {"main.py": 47, "cr\ufffdn\u00e9": 7}
    assert tags["pid"] == {"100": 42, "7": 7, "101": 5}
    assert tags["thread"] == {"100": 42, "7": 7, "101": 5, "105": 0}
    assert tags["container"] == {"shop.service": 47}
    assert tags["cgroup"] == {"/system.slice/shop.service": 47}
    assert tags["user"] == {"web": 47}
    assert tags["python"] == {"3.11": 47}
    assert tags["host"] == {HOST: 54}
    waits = go_pprof("-tags", "-sample_index=wait")
    assert re.search(r"220ms \(88.00%\): recvfrom, 10.0.0.5:5432\n\s*30ms \(12.00%\): sleep", waits), waits


def test_pprof_wire(pprof_file):
    """By field numbers of the public format."""
    with gzip.open(pprof_file) as file:
        profile = Message(file.read())
    strings = profile.texts(6)
    assert strings[0] == "" and len(set(strings)) == len(strings)
    types = [strings[t.number(1)] for t in profile.messages(1)]
    assert types == ["cpu", "wait", "rss", "alloc_objects", "alloc_space", "inuse_objects", "inuse_space"]
    samples = profile.messages(2)
    assert [sum(column) for column in zip(*(s.numbers(2) for s in samples))] == [54000000, 250000000, 8192, 4, 5000, 1, 1000]
    functions = {f.number(1): f for f in profile.messages(5)}
    mappings = {m.number(1): strings[m.number(5)] for m in profile.messages(3)}
    locations = {place.number(1): place for place in profile.messages(4)}
    stack = [locations[i] for i in samples[0].numbers(1)]
    assert [mappings.get(place.number(2)) for place in stack] == ["[kernel]"] + 2 * ["/usr/lib/libjson.so.1"] + 3 * [None]
    lines = [place.messages(4)[0] for place in stack]
    names = [strings[functions[line.number(1)].number(2)] for line in lines]
    assert names == ["copy_user", "_Z5scanfPKc", "[libjson.so.1]", "JSONDecoder.decode", "Orders.<locals>.<lambda>", "<module>"]
    assert [line.number(2) for line in lines] == [0, 0, 0, 337, 42, 7]
    assert [functions[line.number(1)].number(5) for line in lines] == [0, 0, 0, 332, 40, 1]
    assert profile.number(9) == 1790000000500000000 and profile.number(10) == 60000000000
    assert profile.number(12) == 1000000 and strings[profile.number(14)] == "cpu"


def test_otlp_collector(collector, tmp_path):
    address, end = collector
    request = tmp_path / "request"
    subprocess.run([ENCODE, "otlp", str(request)], check=True)
    post = urllib.request.Request(address, request.read_bytes(), {"Content-Type": "application/x-protobuf"})
    with urllib.request.urlopen(post, timeout=60) as answer:
        assert answer.status == 200
        assert all(partial.number(1) == 0 for partial in Message(answer.read()).messages(1))  # nothing was rejected
    text = end()
    assert '"resource profiles": 3, "sample records": 10}' in text
    strings = re.search(r"^String table:\n(.*?)^ResourceProfiles #0", text, re.M | re.S).group(1)
    strings = [line[4:] for line in strings.splitlines()]
    for function in ("copy_user", "JSONDecoder.decode", "Orders.<locals>.<lambda>", "recurse", "[process cr\ufffdn\u00e9]"):
        assert function in strings
    # the place of the Python line, through the tables
    name, file = strings.index("Orders.<locals>.<lambda>"), strings.index('/srv/app/views "x".py')
    function = re.search(r"^Function #(\d+)\n    Name: %d\n    System name: 0\n    Filename: %d\n    Start line: 40$" % (name, file), text, re.M)
    assert function and re.search(r"Function index: %s\n        Line: 42$" % function.group(1), text, re.M), text
    resources = text.split("ResourceProfiles #")[1:]
    assert "service.name: Str(main.py)" in resources[0] and "host.name: Str(%s)" % HOST in resources[0]
    assert "process.pid: Int(100)" in resources[0] and "process.pid: Int(101)" in resources[1]
    assert "process.runtime.version: Str(3.11)" in resources[0] and "container.name: Str(shop.service)" in resources[0]
    values = [[int(v) for v in re.findall(r"Values: \[(\d+)\]", part)] for part in resources]
    assert values == [[42000000, 220000000, 30000000, 8192, 4, 5000, 1, 1000], [5000000], [7000000]]
    assert "fixingahole.wait.reason: Str(recvfrom, 10.0.0.5:5432)" in resources[0]
