# SPDX-License-Identifier: Apache-2.0
"""What a table library does below its surface, on columns of 20,000 rows: filter, derive, sort, group, join, to rows and back. Arrays of 20 to 160 kB, lists,
dicts and strings come and go all the time."""

import os

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # its threads spin for a while, though nothing here needs them

import numpy as np

ROWS = 20000


def make(rng):
    return {"key": rng.integers(0, 200, ROWS), "price": rng.uniform(1, 100, ROWS), "count": rng.integers(1, 10, ROWS)}


def take(table, rows):
    return {name: column[rows] for name, column in table.items()}


def step(table, prices):
    table = dict(table, total=table["price"] * table["count"], name=table["key"].astype("U4"))
    table = take(table, table["total"] > 20)
    table = take(table, np.argsort(table["key"], kind="stable"))
    keys, first = np.unique(table["key"], return_index=True)
    sums = np.add.reduceat(table["total"], first)
    joined = {int(key): {"sum": value, "rate": prices.get(int(key), 0.0)} for key, value in zip(keys, sums.tolist())}
    rows = list(zip(*(column[:2000].tolist() for column in table.values())))
    return {name: np.array(column) for name, column in zip(table, zip(*rows))}, joined


rng = np.random.default_rng(1)
table = make(rng)
prices = {key: key * 0.5 for key in range(0, 200, 2)}
for _ in range(int(os.environ["BENCH_LOOPS"])):
    for _ in range(5):
        made, joined = step(table, prices)
        assert len(joined) == 200 and len(made["name"]) == 2000
