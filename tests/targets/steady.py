# SPDX-License-Identifier: Apache-2.0
"""A known result after a known amount of work, whatever happens around it: steady.py FOLDER [rounds].

Writes FOLDER/started (its pid) at once and FOLDER/result at the end.
"""

import hashlib
import os
import sys


def write(folder, name, text):
    with open(os.path.join(folder, name + ".new"), "w") as f:
        f.write(text)
    os.rename(os.path.join(folder, name + ".new"), os.path.join(folder, name))


def work(rounds):
    state = b"steady"
    for n in range(rounds):
        state = hashlib.sha256(state + str(n).encode()).digest()
    return state.hex()


def main():
    folder = sys.argv[1]
    write(folder, "started", str(os.getpid()))
    write(folder, "result", work(int(sys.argv[2]) if len(sys.argv) > 2 else 500000))


if __name__ == "__main__":
    main()
