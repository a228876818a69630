# SPDX-License-Identifier: Apache-2.0
"""Only prints: printer.py [lines]."""

import sys

for n in range(int(sys.argv[1]) if len(sys.argv) > 1 else 1000):
    print("line", n)
