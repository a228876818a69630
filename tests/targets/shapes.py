# SPDX-License-Identifier: Apache-2.0
"""The shapes that Python code comes in, one after the other: shapes.py [seconds of each].

Each shape's work happens on the lines between `# begin: NAME` and `# end`; the truth is the thread's own clock around it.
"""

import functools
import json
import random
import sys
import time

thread_time = getattr(time, "thread_time", time.process_time)


# begin: function
def function(n):
    total = 0
    for i in range(n):
        total = (total * 5 + i) & 0xFFFF
    return total
# end


# begin: generator
def numbers(n):
    total = 0
    for i in range(n):
        total = (total * 5 + i) & 0xFFFF
        if i & 1023 == 0:
            yield total
# end


def generator(n):
    for _ in numbers(n):
        pass


class Turn:
    def __await__(self):
        yield


# begin: coroutine
async def steps(n):
    total = 0
    for i in range(n):
        total = (total * 5 + i) & 0xFFFF
        if i & 1023 == 0:
            await Turn()
# end


def coroutine(n):
    task = steps(n)
    try:
        while True:
            task.send(None)
    except StopIteration:
        pass


# begin: comprehension
def comprehension(n):
    return sum([(i * 5 + i) & 0xFFFF for i in range(n)])
# end


# begin: decorator
def decorate(wrapped):
    @functools.wraps(wrapped)
    def wrapper(n):
        total = 0
        for i in range(n // 2):
            total = (total * 5 + i) & 0xFFFF
        return wrapped(n - n // 2) + total

    return wrapper


@decorate
def decorator(n):
    total = 0
    for i in range(n):
        total = (total * 5 + i) & 0xFFFF
    return total
# end


class Lazy:
    size = 0

    # begin: property
    @property
    def total(self):
        total = 0
        for i in range(self.size):
            total = (total * 5 + i) & 0xFFFF
        return total
    # end


def property_(n, lazy=Lazy()):
    lazy.size = n
    return lazy.total


# begin: callback
def key(value):
    total = value
    for i in range(500):
        total = (total * 5 + i) & 0xFFFF
    return total
# end


def callback(n):
    return sorted(range(n // 500), key=key)


# begin: recursion
def climb(n, depth):
    total = 0
    for i in range(n):
        total = (total * 5 + i) & 0xFFFF
    return total if depth == 0 else total + climb(n, depth - 1)
# end


def recursion(n):
    return climb(n // 50, 49)


SHAPES = {
    "function": function,
    "generator": generator,
    "coroutine": coroutine,
    "comprehension": comprehension,
    "decorator": decorator,
    "property": property_,
    "callback": callback,
    "recursion": recursion,
}


def main():
    seconds = float(sys.argv[1]) if len(sys.argv) > 1 else 2.0
    choose = random.Random(11)
    spent = dict.fromkeys(SHAPES, 0.0)
    # All shapes take turns, in calls of random length that cannot beat with the profiler's timer.
    while min(spent.values()) < seconds:
        for name, shape in SHAPES.items():
            if spent[name] < seconds:
                n = choose.randrange(20000, 60000)
                start = thread_time()
                shape(n)
                spent[name] += thread_time() - start
    print("truth: " + json.dumps({"seconds": spent}))


if __name__ == "__main__":
    main()
