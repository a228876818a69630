# SPDX-License-Identifier: Apache-2.0
"""The ways of running a program: alone, under our profiler, under a peer."""

import os

OURS = ["timer 1000", "ours 1000", "ours -m", "ours 100"]
THREE = OURS[:3]  # compared with each other: run next to each other


def alone(command, folder):
    return command, {}, None


def commands(environment, binary, peers):
    """{way: function(python command, scratch folder) -> (command, environment, the file or folder that it leaves)}; the first is the
    program alone."""

    def ours(rate, *more, env=None):
        def make(command, folder):
            python, *script = command
            out = os.path.join(folder, "out")
            options = ["profile", "-q", "--python", python, "--rate", str(rate), "-o", out, *more]
            # With an empty BPF program there is no report.
            return [binary, *options, script[0], "--", *script[1:]], env or {}, None if env else out

        return make

    def peer(name, *options):
        def make(command, folder):
            out = os.path.join(folder, name)
            return [environment.tool(name), *(option.replace("OUT", out) for option in options), *command], {}, out

        return make

    def scalene(command, folder):
        python, driver, script, *arguments = command
        out = os.path.join(folder, "scalene.json")
        # By itself it would look at the driver's lines alone, and at nothing in site-packages.
        options = ["--cpu-only", "--profile-all", "--profile-only", os.path.dirname(script), "-o", out]
        return [python, "-m", "scalene", "run", *options, driver, "---", script, *arguments], {}, out

    def memray(command, folder):
        python, *script = command
        out = os.path.join(folder, "memray")
        return [python, "-m", "memray", "run", "-q", "-f", "-o", out, *script], {}, out

    ways = {"alone": alone}
    if binary:
        ways["timer 1000"] = ours(1000, env={"FIXINGAHOLE_BENCH_EMPTY": "1"})
        ways["ours 1000"] = ours(1000)
        ways["ours -m"] = ours(1000, "--memory")
        ways["ours 100"] = ours(100)
    for rate in (100, 1000):
        if "py-spy" in peers:
            ways["py-spy %d" % rate] = peer("py-spy", "record", "-r", str(rate), "-f", "raw", "-o", "OUT", "--")
        if "austin" in peers:
            ways["austin %d" % rate] = peer("austin", "-i", "%dus" % (1000000 // rate), "-o", "OUT")
    if "scalene" in peers:
        ways["scalene"] = scalene
    if "memray" in peers:
        ways["memray"] = memray
    return ways
