# SPDX-License-Identifier: Apache-2.0
"""What runs: the programs, and the virtual environment which they and the peers are installed into."""

import os
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
REPOSITORY = os.path.dirname(os.path.dirname(HERE))
PYPERFORMANCE = ["fannkuch", "raytrace", "pprint", "mdp", "async_tree", "docutils", "sympy", "json_dumps", "json_loads"]
NUMPY = ["numpy_large", "numpy_tiny", "churn"]
OWN = NUMPY + ["json_nested", "pingpong", "pingpong_pipe", "pingpong_fast", "printer"]
# austin 4 wants a newer C library than Debian 12 has: then the one before.
PACKAGES = {
    "pyperformance": [["pyperformance", "docutils", "sympy"]],
    "numpy": [["numpy"]],
    "py-spy": [["py-spy"]],
    "austin": [["austin-dist"], ["austin-dist<4"]],
    "scalene": [["scalene"]],
    "memray": [["memray"]],
}
ARGUMENTS = {"async_tree": ["none"]}  # of benchmark scripts that want some
PEERS = ["py-spy", "austin", "scalene", "memray"]


def say(text):
    print(text, file=sys.stderr, flush=True)


def quiet(command, **kwargs):
    return subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, **kwargs).returncode


class Environment:
    """The virtual environment: what is asked for gets installed when first missed."""

    def __init__(self):
        cache = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")
        self.folder = os.path.join(cache, "fixingahole/bench")
        self.python = os.path.join(self.folder, "bin/python")
        if quiet([self.python, "-c", "import pip"] if os.path.exists(self.python) else ["false"]) != 0:
            say("making a virtual environment in " + self.folder)
            subprocess.check_call(["/usr/bin/python3", "-m", "venv", "--clear", self.folder], stdout=subprocess.DEVNULL)

    def tool(self, name):
        return os.path.join(self.folder, "bin", name)

    def works(self, name):
        if name == "pyperformance":
            return quiet([self.python, "-c", "import pyperformance, docutils, sympy"]) == 0
        if name == "numpy":
            return quiet([self.python, "-c", "import numpy"]) == 0
        return os.path.exists(self.tool(name)) and quiet([self.tool(name), "--help"]) == 0

    def provide(self, name):
        """True if it is there, or could be installed and runs."""
        if self.works(name):
            return True
        for packages in PACKAGES[name]:
            say("installing " + " ".join(packages))
            if quiet([self.tool("pip"), "install", "-q", *packages]) == 0 and self.works(name):
                return True
        say("left out: %s (cannot be installed, or does not run here)" % name)
        return False

    def version(self, name):
        package = "austin-dist" if name == "austin" else name
        code = "import sys, importlib.metadata as m; print(m.version(sys.argv[1]))"
        return subprocess.check_output([self.python, "-c", code, package], universal_newlines=True).strip()

    def script(self, program):
        """(path, arguments)"""
        if program in OWN:
            return os.path.join(HERE, "programs", program + ".py"), []
        code = "import os, pyperformance; print(os.path.dirname(pyperformance.__file__))"
        base = subprocess.check_output([self.python, "-c", code], universal_newlines=True).strip()
        return os.path.join(base, "data-files/benchmarks/bm_%s/run_benchmark.py" % program), ARGUMENTS.get(program, [])
