import json
import library

cache = []


def load(n):
    rows = []
    for i in range(n):
        rows.append([float(i)] * 100)
    return rows


def transform(rows):
    big = bytes(512 << 20)
    text = library.dump(rows)
    return len(big) + len(text)


def handle(request):
    reply = bytearray(40_000)
    cache.append(bytearray(30_000))
    return len(reply)


def main():
    rows = load(100_000)
    print(transform(rows))
    for request in range(1_000):
        handle(request)


main()
