# SPDX-License-Identifier: Apache-2.0
"""Writes a long script whose last function spins: big_source.py PATH [lines] [seconds]. Its lines end in `# line: NAME`."""

import sys

HEAD = '"""A long file."""\nimport time\n'
FILLER = "def filler_{0}(x):\n    if x > {0}:\n        return x - {0}\n    return x\n"
TAIL = """\
def spin(seconds):
    end = time.perf_counter() + seconds
    while time.perf_counter() < end: pass  # line: spin


spin({seconds})
"""


def write(path, lines, seconds):
    blocks = (lines - HEAD.count("\n") - TAIL.count("\n")) // FILLER.count("\n")
    with open(path, "w") as f:
        f.write(HEAD)
        for n in range(blocks):
            f.write(FILLER.format(n))
        f.write(TAIL.format(seconds=seconds))


def main():
    write(
        sys.argv[1],
        int(sys.argv[2]) if len(sys.argv) > 2 else 100000,
        float(sys.argv[3]) if len(sys.argv) > 3 else 1.0,
    )


if __name__ == "__main__":
    main()
