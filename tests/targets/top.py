# SPDX-License-Identifier: Apache-2.0
"""Keeps a CPU busy in one line, until its standard input ends: what top has to find."""
import os
import sys
import threading


def burn(n):
    total = 0
    for i in range(n):
        total += i * i % 7 + (i ^ total) % 5 + i * 3 % 11  # line: HOT
    return total


def main():
    print("ready", os.getpid(), flush=True)
    threading.Thread(target=lambda: (sys.stdin.read(), os._exit(0)), daemon=True).start()
    while True:
        burn(100000)


main()
