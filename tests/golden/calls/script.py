import library


def leaf(n):
    return library.helper(n)


def work(items):
    for n in items:
        leaf(n)


def numbers(n):
    for i in range(n):
        yield i


def main():
    for _ in range(10):
        work(numbers(1000))
    leaf(1)


main()
