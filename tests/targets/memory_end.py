"""Runs out of memory: memory_end.py grow | child | large SIZE | caught SIZE | small, and LIMIT=BYTES for a limit of its own (RLIMIT_AS=…, RLIMIT_DATA=…)."""

import os
import resource
import sys

print("score: " + open("/proc/self/oom_score_adj").read().strip(), flush=True)
words = sys.argv[1:]
for word in [w for w in words if "=" in w]:
    name, size = word.split("=")
    resource.setrlimit(getattr(resource, name), (int(size), int(size)))
kept = [[float(i) for i in range(400000)]]
blob = bytearray(30 << 20)


def grow():
    while True:
        kept.append([float(i) for i in range(10000)])  # line: grow


def large(size):
    return bytearray(size)  # line: large


def small():
    chain = None
    while True:
        chain = (chain, 1.5)  # line: small


if words[0] == "grow":
    grow()
elif words[0] == "child":
    pid = os.fork()
    if not pid:
        grow()
    os.waitpid(pid, 0)
elif words[0] == "small":
    small()
elif words[0] == "caught":
    try:
        large(int(words[1]))
    except MemoryError:
        pass
else:
    large(int(words[1]))
