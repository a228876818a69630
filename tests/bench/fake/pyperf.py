# SPDX-License-Identifier: Apache-2.0
"""Stands in for pyperf: runs a benchmark's function a fixed number of times, in this process, and measures nothing."""

import argparse
import asyncio
import os
from time import perf_counter  # noqa: F401  benchmarks take it from here

LOOPS = int(os.environ["BENCH_LOOPS"])


class Runner:
    def __init__(self, *_, **__):
        self.argparser = argparse.ArgumentParser()
        self.metadata = {}

    def parse_args(self, args=None):
        return self.argparser.parse_args(args)

    def bench_func(self, _name, function, *args, **_):
        for _ in range(LOOPS):
            function(*args)

    def bench_time_func(self, _name, function, *args, **_):
        function(LOOPS, *args)

    def bench_async_func(self, _name, function, *args, **_):
        for _ in range(LOOPS):
            asyncio.run(function(*args))
