import functools
import sys


class Shape:
    def __init__(self, n):
        self.n = n

    @property
    def area(self):
        return sum(i * i for i in range(self.n))

    def __lt__(self, other):
        return self.area < other.area


@functools.lru_cache(None)
def fibonacci(n):
    return n if n < 2 else fibonacci(n - 1) + fibonacci(n - 2)


def deep(n):
    return deep(n - 1) if n else Shape(150_000).area


async def coroutine(n):
    return [Shape(n).area for _ in range(20)]


sys.setrecursionlimit(2000)
sorted(Shape(i * 20) for i in range(300, 0, -1))
fibonacci(200)
deep(600)
try:
    coroutine(50_000).send(None)
except StopIteration:
    pass
