# SPDX-License-Identifier: Apache-2.0
"""Memory that lines are known to ask for: heap.py WAY [sizes], see the functions. heap.py --traced WAY [sizes] runs it
under tracemalloc: the truth of what is made of many objects is the peak that this finds.
"""

import ctypes
import itertools
import json
import multiprocessing
import os
import queue
import resource
import signal
import subprocess
import sys
import threading
import time

MB = 1 << 20
kept = []
cache = {}


def array(megabytes, percent):
    """One block, touched from its beginning to some part of it."""
    size = megabytes * MB
    data = bytes(size)  # line: array
    part = size * percent // 100
    ctypes.memset(ctypes.cast(ctypes.c_char_p(data), ctypes.c_void_p), 1, part)  # line: touch
    return {"array": len(data), "touched": part}


def array_numpy(megabytes, percent):
    import numpy

    data = numpy.empty(megabytes * MB, dtype=numpy.uint8)  # line: array-numpy
    part = len(data) * percent // 100
    data[:part] = 1  # line: touch-numpy
    return {"array": data.nbytes, "touched": part}


# line: begin-of-ways
def floats(n):
    data = [i * 0.5 for i in range(n)]
    return {"n": len(data)}


def dicts(n):
    data = {i: {"a": i, "b": {"c": float(i)}} for i in range(n)}
    return {"n": len(data)}


def document(n):
    text = "[" + ",".join('{"id": %d, "name": "name %d", "tags": ["a%d", "b"], "inner": {"x": %d.5}}' % (i, i, i, i) for i in range(n)) + "]"
    data = json.loads(text)
    return {"n": len(data)}


def concat(n):
    text = b""
    for i in range(n):
        text += bytes(1000)
        text = text + b"x"
    return {"n": len(text)}


def columns(n):
    """What a table is made of: a column per kind of value."""
    table = {
        "number": list(range(n)),
        "share": [i / n for i in range(n)],
        "name": ["row %d" % i for i in range(n)],
        "flag": [bool(i % 2) for i in range(n)],
    }
    table["sorted"] = sorted(table["share"], reverse=True)
    groups = {}
    for name, share in zip(table["name"], table["share"]):
        groups.setdefault(name[-1], []).append((name, share))
    return {"n": sum(map(len, groups.values()))}


# line: end-of-ways
# line: begin-of-numpy
def columns_numpy(n):
    import numpy  # line: import-numpy

    table = {"share": numpy.arange(n) / n, "number": numpy.arange(n), "flag": numpy.arange(n) % 2 == 0}
    mask = table["share"] > 0.5
    chosen = {name: column[mask] for name, column in table.items()}
    table["sum"] = table["share"] + table["number"]
    return {"n": len(chosen["share"])}


# line: end-of-numpy
def blocks():
    """Two lines that keep 59 and 138 million bytes, a kB at a time, and a list of them."""
    first = [bytes(967) for _ in range(59000)]  # line: first
    second = [bytes(967) for _ in range(138000)]  # line: second
    return {"first": sum(map(sys.getsizeof, first), sys.getsizeof(first)), "second": sum(map(sys.getsizeof, second), sys.getsizeof(second))}


def churn(n):
    """Makes and drops a MB at a time."""
    for _ in range(n):
        data = bytearray(MB)  # line: churn
    return {"allocated": n * (MB + 1), "n": n, "block": len(data)}


def growth(n):
    """Bytes that a list asks for while it grows to n entries."""
    data, sizes = [], set()
    for _ in range(n):
        data.append(None)
        sizes.add(sys.getsizeof(data) - sys.getsizeof([]))
    return sum(sizes)


def handed(n):
    """A thread makes what another drops; at most 20 blocks of 1 MB and as many lists of 1 MB in all. A range would make integers too."""
    room, full = threading.Semaphore(20), queue.Queue()

    def make():
        for _ in range(n):
            room.acquire()
            full.put((bytearray(MB), [bytes(967) for _ in itertools.repeat(None, 1000)]))  # line: handed
        full.put(None)

    maker = threading.Thread(target=make)
    maker.start()
    block = full.get()
    while block is not None:
        block = None
        room.release()
        block = full.get()
    maker.join()
    return {"allocated": n * (MB + 1000 * 1000 + growth(1000)), "most": 21 * (MB + 1000 * 1000 + 9000)}


def keep(megabytes):
    for _ in range(megabytes):
        kept.append([bytes(967) for _ in range(1040)])  # line: keep


def threads(n):
    """All at once, each keeps 8 MB."""
    pool = [threading.Thread(target=keep, args=(8,)) for _ in range(n)]
    for thread in pool:
        thread.start()
    for thread in pool:
        thread.join()
    return {"keep": n * 8 * 1040 * 1000}


def fork(megabytes):
    """What a child has of its parent counts once, whoever drops it."""
    data = [bytes(967) for _ in range(megabytes * 1040)]  # line: fork
    for drops in (True, False):
        pid = os.fork()
        if pid == 0:
            if drops:
                del data
            more = bytearray(8 * MB)  # line: child
            os._exit(len(more) != 8 * MB)
        if os.waitpid(pid, 0)[1]:
            sys.exit("a child failed")
    size = sum(map(sys.getsizeof, data), sys.getsizeof(data))
    del data
    return {"fork": size, "child": 8 * MB}


def work(megabytes):
    data = bytearray(megabytes * MB)  # line: work
    time.sleep(0.2)
    del data


def pool(method, count, megabytes):
    context = multiprocessing.get_context(method)
    with context.Pool(count) as workers:
        workers.map(work, [megabytes] * count, 1)
    return {"work": count * megabytes * MB}


def mp_fork(count, megabytes):
    return pool("fork", count, megabytes)


def mp_spawn(count, megabytes):
    return pool("spawn", count, megabytes)


def command(megabytes):
    return [sys.executable, os.path.abspath(__file__), "work", str(megabytes)]


def run(megabytes):
    subprocess.run(command(megabytes), check=True, env={})
    return {"work": megabytes * MB}


def run_inheriting(megabytes):
    subprocess.run(command(megabytes), check=True)
    return {"work": megabytes * MB, "preload": os.environ.get("LD_PRELOAD")}


def shell(megabytes):
    if os.system("exec '%s' '%s' '%s' %s" % tuple(command(megabytes))):
        sys.exit("the shell failed")
    return {"work": megabytes * MB}


def spawn(megabytes):
    """The other ways to get a child."""
    words = command(megabytes)
    for failed in (os.spawnv(os.P_WAIT, words[0], words), os.spawnve(os.P_WAIT, words[0], words, {}), os.spawnvp(os.P_WAIT, words[0], words)):
        if failed:
            sys.exit("a child failed")
    count = 3
    if hasattr(os, "posix_spawn"):
        for start in (os.posix_spawn, os.posix_spawnp):
            count += 1
            if os.waitpid(start(words[0], words, os.environ), 0)[1]:
                sys.exit("a child failed")
    return {"work": count * megabytes * MB}


def vain(n):
    """Children that share their parent's memory and end there, for there is nothing to execute."""
    data = [bytes(967) for _ in range(20000)]
    for _ in range(n):
        try:
            subprocess.run([os.devnull + "/none"])
        except OSError:
            pass
        os.spawnv(os.P_WAIT, os.devnull + "/none", ["none"])
    return {"n": len(data)}


def execute(megabytes):
    data = bytearray(megabytes * MB)  # line: before
    words = command(megabytes // 2)
    print("truth: " + json.dumps({"before": len(data), "work": megabytes // 2 * MB}), flush=True)
    os.execv(words[0], words)


def retained(seconds):
    """Lost for good: a reference too many to each object. And a bounded cache, one that is filled once, and what a function gives back."""
    begin, lost, i = time.monotonic(), 0, 0
    while time.monotonic() - begin < seconds:
        data = bytes(50000)  # line: leak
        ctypes.pythonapi.Py_IncRef(ctypes.py_object(data))
        lost += sys.getsizeof(data)
        fill(i)
        bounded(i)
        temporary()
        i += 1
        time.sleep(0.002)
    return {"lost": lost, "seconds": time.monotonic() - begin}


def growing(seconds):
    """A list of the whole program's that grows to its end, and that the interpreter drops."""
    begin, i = time.monotonic(), 0
    while time.monotonic() - begin < seconds:
        kept.append(bytes(50000))  # line: grows
        fill(i)
        bounded(i)
        temporary()
        i += 1
        time.sleep(0.002)
    return {"kept": sum(map(sys.getsizeof, kept))}


def fill(i):
    if i < 100:
        cache[i] = bytes(50000)  # line: fill


def bounded(i):
    cache[100 + i % 50] = bytes(50000)  # line: bounded


def temporary():
    return len([bytes(5000) for _ in range(20)])  # line: temporary


def end(how, megabytes):
    """Ends in some way while it holds this much."""
    data = bytearray(megabytes * MB)  # line: data
    more = [bytes(967) for _ in range(megabytes * 100)]  # line: more
    print("truth: " + json.dumps({"data": len(data), "more": sum(map(sys.getsizeof, more), sys.getsizeof(more))}), flush=True)
    time.sleep(0.05)
    if how == "_exit":
        os._exit(7)
    if how == "raise":
        raise ValueError("as asked for")
    if how == "exit":
        sys.exit(3)
    os.kill(os.getpid(), getattr(signal, how))


def none(megabytes):
    """No memory for it: says so and goes on."""
    limit = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (megabytes * MB, limit[1]))
    data = bytearray(16 * MB)  # line: some
    try:
        bytearray(2 * megabytes * MB)  # line: none
    except MemoryError:
        pass
    return {"some": len(data), "none": 2 * megabytes * MB}


def main():
    words = sys.argv[1:]
    traced = words[0] == "--traced"
    if traced:
        import tracemalloc

        del words[0]
        tracemalloc.start()
    way = globals()[words[0]]
    truth = way(*[float(word) if "." in word else int(word) if word.isdigit() else word for word in words[1:]])
    if traced:
        truth = {"peak": tracemalloc.get_traced_memory()[1]}
    if truth is not None:
        print("truth: " + json.dumps(truth))


if __name__ == "__main__":
    main()
