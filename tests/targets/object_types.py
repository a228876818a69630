"""Objects of known types, kept to the end: prints what sys.getsizeof says of each type, as JSON behind `truth:`.

object_types.py [churn|early|alone]: besides, makes and drops as much again; or drops it all before the end; or makes floats only, and ends at once.
"""

import collections
import json
import sys


class Slots:
    __slots__ = ("a", "b", "c")

    def __init__(self, value):
        self.a = self.b = self.c = value


class Attributes:
    def __init__(self, value):
        self.a = self.b = self.c = value


class Metaclass(type):
    pass


class Made(metaclass=Metaclass):
    __slots__ = ("a", "b", "c", "d")


Pair = collections.namedtuple("Pair", "x y")


def make(n):
    kept = {}
    kept["float"] = [i * 1.5 for i in range(5 * n)]
    kept["dict"] = [{"a": None, "b": i} for i in range(n)]
    kept["Slots"] = [Slots(None) for i in range(n)]
    kept["Attributes"] = [Attributes(None) for i in range(n)]
    kept["Made"] = [Made() for i in range(n)]
    kept["tuple"] = [(i, None) for i in range(n)]
    kept["Pair"] = [Pair(i, None) for i in range(n)]
    kept["str"] = ["a string with the number %d in it" % i for i in range(n)]
    kept["bytes"] = [b"%060d" % i for i in range(n)]
    kept["set"] = [set(range(i % 7, 40)) for i in range(n // 20)]
    kept["bytearray"] = [bytearray(100) for i in range(n // 10)]
    return kept


def main():
    how = sys.argv[1] if len(sys.argv) > 1 else ""
    n = 100000
    if how == "alone":
        global floats
        floats = [i * 1.5 for i in range(10 * n)]
        print("truth: " + json.dumps({"float": 240 * n}))
        return
    kept = make(n)
    truth = {name: sum(map(sys.getsizeof, objects)) for name, objects in kept.items()}
    truth["list"] = sum(map(sys.getsizeof, kept.values()))
    # what these keep apart from themselves is no object
    truth["bytearray"] = sys.getsizeof(bytearray()) * len(kept["bytearray"])
    if how == "churn":
        del kept["dict"], kept["set"], kept["Slots"]
        for name, objects in make(n).items():
            if name in ("dict", "set", "Slots"):
                kept[name] = objects
    if how != "early":
        sys.modules["__main__"].kept = kept
    print("truth: " + json.dumps(truth))


main()
