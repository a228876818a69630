"""Calls of all kinds, so many of each as the last line says."""

import asyncio
import functools
import json
import sys
import threading

N = int(sys.argv[1]) if len(sys.argv) > 1 else 1000


def plain():
    pass


def with_defaults(a, b=2, *c, d=3, **e):
    pass


def recursive(n):
    return n if n < 2 else recursive(n - 1) + recursive(n - 2)


def deep(n):
    return 0 if n == 0 else 1 + deep(n - 1)


def gen(n):
    for i in range(n):
        yield i


def delegating(n):
    yield from gen(n)


async def coroutine(n):
    for _ in range(n):
        await asyncio.sleep(0)


async def async_gen(n):
    for i in range(n):
        yield i


async def run_all():
    async for _ in async_gen(50):
        pass
    await asyncio.gather(*[coroutine(5) for _ in range(20)])


def key(x):
    return -x


def passed(a, b):
    return a


class Thing:
    def __init__(self):
        self.value = 1

    @property
    def prop(self):
        return self.value

    @classmethod
    def of_class(cls):
        pass

    @staticmethod
    def static():
        pass

    def __getattr__(self, name):
        return 5

    def __getitem__(self, i):
        return i

    def __add__(self, other):
        return self

    def __call__(self):
        pass

    def __iter__(self):
        return iter(())

    def __eq__(self, other):
        return True

    def __hash__(self):
        return 1

    def __len__(self):
        return 1

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        pass

    def method(self):
        return self.prop


class Child(Thing):
    def __init__(self):
        super().__init__()


def objects():
    for _ in range(N):
        t = Thing()
        t.method()
        t.missing
        t[3]
        t + t
        t()
        for _ in t:
            pass
        t == 1
        hash(t)
        len(t)
        with t:
            pass
        Thing.of_class()
        t.static()


def in_thread():
    for _ in range(N):
        plain()


def main():
    for _ in range(N):
        plain()
        with_defaults(1)
        with_defaults(1, 2, 3, d=4, x=5)
    recursive(15)
    deep(500)
    for _ in range(10):
        list(gen(100))
    list(delegating(200))
    gen(5)  # made, never asked
    g = gen(5)
    next(g)
    list(g)
    objects()
    for _ in range(N):
        Child()
    sorted(range(N), key=key)
    list(map(functools.partial(passed, 1), range(N)))
    list(map(lambda x: x, range(N)))
    functools.reduce(passed, range(N))
    threads = [threading.Thread(target=in_thread) for _ in range(4)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    asyncio.run(run_all())
    # calls, resumptions
    truth = {
        "plain": (5 * N, 0),
        "with_defaults": (2 * N, 0),
        "recursive": (1973, 0),
        "deep": (501, 0),
        "gen": (12, 10 * 100 + 200 + 5),
        "delegating": (1, 200),
        "coroutine": (20, 100),
        "async_gen": (1, 50),
        "key": (N, 0),
        "passed": (2 * N - 1, 0),
        "<lambda>": (N, 0),
        "in_thread": (4, 0),
        "objects": (1, 0),
        "main": (1, 0),
        "__init__": (3 * N, 0),
        "prop": (N, 0),
        "of_class": (N, 0),
        "static": (N, 0),
        "__getattr__": (N, 0),
        "__getitem__": (N, 0),
        "__add__": (N, 0),
        "__call__": (N, 0),
        "__iter__": (N, 0),
        "__eq__": (N, 0),
        "__hash__": (N, 0),
        "__len__": (N, 0),
        "__enter__": (N, 0),
        "__exit__": (N, 0),
        "method": (N, 0),
    }
    print("truth: " + json.dumps(truth))


if __name__ == "__main__":
    main()
