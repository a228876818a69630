# SPDX-License-Identifier: Apache-2.0
"""
Records the cases of tests/golden anew: record.py PROFILER [NAME ...], as root. Use update.sh.

Everything runs below /tmp/golden, so that no path of this machine gets into a recording.
"""

import glob
import os
import shutil
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
PLACE = "/tmp/golden"
RATE = "199"

sys.path.insert(0, os.path.join(HERE, "../e2e"))
import interpreters  # noqa: E402

# case -> version of Python; Debian's own, or one of a Debian sid
CASES = {"cpu": (3, 11), "waiting": (3, 11), "notebook": (3, 11), "children": (3, 11), "newest": (3, 14)}


def record(profiler, name, python):
    case, folder = os.path.join(HERE, name), os.path.join(PLACE, name)
    events = os.path.join(folder, "events.bin")
    os.mkdir(folder)
    source, = glob.glob(os.path.join(case, "script.*"))
    script = shutil.copy(source, folder)
    if script.endswith(".py"):  # so that few files of this machine are waited for, and named
        subprocess.check_call([python, script], cwd=folder)
    subprocess.check_call(
        [profiler, "profile", "-q", "--rate", RATE, "--python", python, "-o", "out", os.path.basename(script)],
        cwd=folder,
        env={"PATH": "/usr/bin:/bin:/usr/sbin:/sbin", "HOME": PLACE, "FIXINGAHOLE_RECORD": events, "FIXINGAHOLE_ROOT": folder},
        stdout=subprocess.DEVNULL,
    )
    shutil.copy(events, case)
    if script.endswith(".ipynb"):  # what ran is the copy, whose path has the time in it
        script, = glob.glob(os.path.join(folder, "out/*/*/*.py"))
    with open(os.path.join(case, "path.txt"), "w") as f:
        f.write(script)
    print("%-10s %6d bytes" % (name, os.path.getsize(events)))


def main():
    profiler, names = os.path.abspath(sys.argv[1]), sys.argv[2:] or list(CASES)
    shutil.rmtree(PLACE, ignore_errors=True)
    os.mkdir(PLACE)
    found = {}
    for interpreter in interpreters.find(PLACE):
        if interpreter.path == interpreters.DEBIAN or interpreter.chroot:
            found.setdefault(interpreter.version, interpreter.path)
    for name in names:
        record(profiler, name, found[CASES[name]])


main()
