"""Makes calls when told to, by a line on its standard input: the name of one of these functions. It says `ready` before each."""

import os
import sys
import threading
import time


def fib(n):
    return n if n < 2 else fib(n - 1) + fib(n - 2)


def key(x):
    return -x


def gen(n):
    for i in range(n):
        yield i


def unasked(n):
    yield n


def thrown():
    try:
        yield 1
    except ValueError:
        yield 2


def kinds():
    fib(20)
    sorted(range(1000), key=key)
    list(map(key, range(500)))
    sum(gen(100))
    unasked(1)
    g = thrown()
    list(map(next, [g]))
    g.throw(ValueError())
    list(g)


def callbacks(n):
    for _ in range(n):
        sum(map(key, range(10)))


def threads():
    each = [threading.Thread(target=callbacks, args=(200,)) for _ in range(8)]
    for thread in each:
        thread.start()
    for thread in each:
        thread.join()


def churn():
    """2000 functions at few addresses, which are called from C."""
    for i in range(2000):
        scope = {}
        exec("def f%d(x): return x" % (i % 100), scope)
        list(map(scope["f%d" % (i % 100)], range(3)))


def family():
    """A child of fork, and one that executes another program; both wait until they are watched, too."""
    pid = os.fork()
    if not pid:
        time.sleep(1)
        callbacks(30)
        os._exit(0)
    os.waitpid(pid, 0)
    pid = os.fork()
    if not pid:
        os.execv(sys.executable, [sys.executable, __file__, "alone"])
    os.waitpid(pid, 0)


def alone():
    time.sleep(1)
    callbacks(20)


def leaf(x):
    return sum(range(600))


def busy():
    """The number of calls until the next line."""
    global calls
    ended = threading.Event()
    threading.Thread(target=lambda: (sys.stdin.readline(), ended.set()), daemon=True).start()
    while not ended.is_set():
        calls += len(list(map(leaf, range(200))))
    print("truth: %d" % calls, flush=True)


calls = 0

if __name__ == "__main__":
    if len(sys.argv) > 1:
        globals()[sys.argv[1]]()
        sys.exit()
    while True:
        print("ready", flush=True)
        word = sys.stdin.readline().strip()
        if not word:
            break
        globals()[word]()
