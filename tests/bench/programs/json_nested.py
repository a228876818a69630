# SPDX-License-Identifier: Apache-2.0
"""json of nested lists, there and back: time is in making and freeing millions of small objects."""

import json
import os


def nested(depth):
    return [depth, depth * 0.5, "leaf"] if depth == 0 else [nested(depth - 1) for _ in range(4)] + [depth * 0.25]


document = nested(6)
for _ in range(int(os.environ["BENCH_LOOPS"])):
    text = json.dumps(document)
    assert json.loads(text) == document
