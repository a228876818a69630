# SPDX-License-Identifier: Apache-2.0
"""A server for profiles that can be slow, refuse, vanish and come back; and the program that makes windows for it."""

import base64
import gzip
import http.server
import os
import random
import re
import signal
import socket
import ssl
import subprocess
import threading
import time
import zlib


class Request:
    """path, headers and body as they came, and which window it is."""

    def __init__(self, handler, body):
        self.path = handler.path
        self.headers = handler.headers
        self.body = body
        text = body
        if handler.headers.get("Content-Encoding") == "gzip":
            text = gzip.decompress(body)
        at = text.find(b"\x1f\x8b\x08")
        if at >= 0:
            text = zlib.decompressobj(31).decompress(text[at:])
        self.payload = text
        found = re.search(rb"window-(\d+)-end", text)
        self.window = int(found.group(1)) if found else None
        self.time = time.monotonic()


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        store = self.server.store
        request = Request(self, body)
        if not store.keep_bodies:
            request.body = request.payload = None
        status, headers, answer = store.answer(request)
        with store.lock:
            store.seen.append((request, status))
            if status and 200 <= status < 300:
                store.taken.append(request)
        if status is None:  # taken or not, the answer gets lost
            self.close_connection = True
            self.connection.shutdown(socket.SHUT_RDWR)
            return
        try:
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)
        except OSError:
            pass  # it did not wait so long

    do_GET = do_POST

    def log_message(self, *arguments):
        pass


class Server(http.server.ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False

    def handle_error(self, request, client_address):
        pass

    def __init__(self, *arguments):
        super().__init__(*arguments)
        self.connections = []

    def process_request(self, request, client_address):
        self.connections.append(request)
        super().process_request(request, client_address)


class Store:
    """Answers 200; set answer to a function of the request that returns (status, headers, body), status None: no answer."""

    def __init__(self, certificate=None):
        self.lock = threading.Lock()
        self.seen = []  # (request, status)
        self.taken = []
        self.certificate = certificate
        self.keep_bodies = True
        self.port = 0
        self.answer = self.ok
        self.server = None
        self.start()

    @staticmethod
    def ok(request):
        return 200, {}, b""

    def start(self):
        deadline = time.monotonic() + 10
        while True:
            try:
                server = Server(("127.0.0.1", self.port), Handler)
                break
            except OSError:
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.05)
        server.store = self
        if self.certificate:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(*self.certificate[:2])
            if len(self.certificate) > 2:
                context.load_verify_locations(self.certificate[2])
                context.verify_mode = ssl.CERT_REQUIRED
            server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
        self.port = server.server_address[1]
        self.server = server
        threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()

    def vanish(self):
        if not self.server:
            return
        self.server.shutdown()
        self.server.server_close()
        for connection in self.server.connections:
            try:
                connection.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
        self.server = None

    def windows(self):
        with self.lock:
            return [request.window for request in self.taken]

    def url(self, host="127.0.0.1"):
        return "%s://%s:%d" % ("https" if self.certificate else "http", host, self.port)


class Recorder:
    """The test program, with its output read as it comes."""

    def __init__(self, program, options, first=0, count=10, interval_ms=50, rows=20, grace_ms=10000, environment=None):
        words = [program, *map(str, (first, count, interval_ms, rows, grace_ms)), "record", "-a", *map(str, options)]
        self.lines = []
        self.process = subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                                        env=dict({k: v for k, v in os.environ.items() if "proxy" not in k.lower()}, **(environment or {})))
        self.errors = ""
        self.readers = [threading.Thread(target=self.read, daemon=True), threading.Thread(target=self.read_errors, daemon=True)]
        for reader in self.readers:
            reader.start()

    def read(self):
        for line in self.process.stdout:
            self.lines.append(line.strip())

    def read_errors(self):
        for line in self.process.stderr:
            self.errors += line

    def wait(self, timeout=60):
        """The state at the end."""
        self.process.wait(timeout)
        for reader in self.readers:
            reader.join(10)
        assert self.process.returncode == 0, self.errors
        assert not [line for line in self.lines if line.startswith("blocked")], self.lines
        return self.state("end")

    def end(self, timeout=60):
        self.process.send_signal(signal.SIGTERM)
        return self.wait(timeout)

    def states(self, kind="window"):
        states = []
        for line in list(self.lines):
            words = line.split()
            if words and words[0] == kind:
                end = words.index("error")
                state = {k: int(v) for k, v in zip(words[2:end:2], words[3:end:2])}
                state["number"] = int(words[1])
                state["error"] = " ".join(words[end + 1:])
                states.append(state)
        return states

    def state(self, kind="window"):
        states = self.states(kind)
        return states[-1] if states else None


def moody(store, seconds):
    """So long the store is well, slow, failing, busy, gone or loses answers, in turn; gives, twice a second, how many times that changed. Then it is well."""
    chance = random.Random(1)
    mood = ["well"]

    def answer(request):
        if mood[0] == "slow":
            time.sleep(chance.random())
        elif mood[0] == "error":
            return chance.choice((500, 502, 503)), {}, b""
        elif mood[0] == "busy":
            return 429, {"Retry-After": "1"}, b""
        elif mood[0] == "lossy" and chance.random() < 0.3:
            return None, {}, b""
        return 200, {}, b""

    store.answer = answer
    store.keep_bodies = False
    start = time.monotonic()
    changes = 0
    while time.monotonic() < start + seconds:
        mood[0] = chance.choice(("well", "well", "slow", "error", "busy", "lossy", "gone"))
        changes += 1
        if mood[0] == "gone":
            store.vanish()
        until_then = min(time.monotonic() + chance.uniform(1, 30), start + seconds)
        while time.monotonic() < until_then:
            time.sleep(0.5)
            yield changes
        if not store.server:
            store.start()
    mood[0] = "well"


def until(condition, what, timeout=30):
    deadline = time.monotonic() + timeout
    while not condition():
        assert time.monotonic() < deadline, "no " + what
        time.sleep(0.02)


def openssl(*words):
    subprocess.run(["openssl", *map(str, words)], check=True, capture_output=True)


def authority(folder):
    """A certificate authority, a server's certificate for localhost, and a client's: paths by name."""
    paths = {name: os.path.join(str(folder), name) for name in
             ("ca.key", "ca.pem", "server.key", "server.csr", "server.pem", "client.key", "client.csr", "client.crt", "client.pem", "names")}
    openssl("req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", paths["ca.key"], "-out", paths["ca.pem"], "-days", 30, "-subj", "/CN=test authority")
    with open(paths["names"], "w") as names:
        names.write("subjectAltName=DNS:localhost\n")
    for name, more in (("server", ["-extfile", paths["names"]]), ("client", [])):
        openssl("req", "-newkey", "rsa:2048", "-nodes", "-keyout", paths[name + ".key"], "-out", paths[name + ".csr"], "-subj", "/CN=" + name)
        openssl("x509", "-req", "-in", paths[name + ".csr"], "-CA", paths["ca.pem"], "-CAkey", paths["ca.key"], "-CAcreateserial", "-days", 30,
                "-out", paths["server.pem" if name == "server" else "client.crt"], *more)
    with open(paths["client.pem"], "w") as both:
        for part in ("client.crt", "client.key"):
            with open(paths[part]) as source:
                both.write(source.read())
    return paths


def basic(user, password):
    return "Basic " + base64.b64encode(("%s:%s" % (user, password)).encode()).decode()
