# SPDX-License-Identifier: Apache-2.0
"""A web server with workers: web.py WORKERS. Prints its port. Each answer takes about a millisecond of work, in answer()."""

import json
import os
import socket
import sys


def answer(path):
    numbers = [i * i % 977 for i in range(2000)]
    return json.dumps({"path": path, "numbers": sorted(numbers)[:500]}).encode()


def serve(listener):
    while True:
        connection, _ = listener.accept()
        with connection:
            try:
                line = connection.recv(4096).split(b"\r\n", 1)[0]
                body = answer(line.decode())
                connection.sendall(b"HTTP/1.0 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body) + body)
            except OSError:
                pass  # the client left


def main():
    listener = socket.create_server(("127.0.0.1", 0), backlog=256)
    for _ in range(int(sys.argv[1])):
        if not os.fork():
            serve(listener)
    print(listener.getsockname()[1], flush=True)
    sys.stdin.read()  # until who started us leaves
    os.killpg(0, 15)


main()
