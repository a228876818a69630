def squares(n):
    total = 0
    for i in range(n):
        total += i * i
    return total


def sort(n):
    numbers = [(i * 7919) % 104729 for i in range(n)]
    for _ in range(24):
        sorted(numbers)


def read(n):
    with open("/dev/zero", "rb") as file:
        for _ in range(n):
            file.read(1 << 20)


def main():
    for _ in range(10):
        squares(300_000)
    sort(60_000)
    read(800)


main()
