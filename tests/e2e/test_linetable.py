# SPDX-License-Identifier: Apache-2.0
"""linetable_line() against each interpreter's own PyCode_Addr2Line (and co_lines() where it has one), for every
instruction of the standard library's modules. One file in eight by default; LINETABLE_ALL=1 takes them all."""
import ctypes
import glob
import os
import struct
import subprocess
import tempfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent.parent

PRODUCER = r'''
import ctypes, os, struct, sys, sysconfig
step = int(sys.argv[1])
addr2line = ctypes.pythonapi.PyCode_Addr2Line
addr2line.argtypes = [ctypes.py_object, ctypes.c_int]
out = sys.stdout.buffer
new = sys.version_info >= (3, 10)
def emit(code):
    size = len(code.co_code)
    offsets = [-2] + list(range(0, size, 2))
    lines = [max(addr2line(code, o), 0) for o in offsets]
    if new:
        table = code.co_linetable
        by_range = {}
        for start, end, line in code.co_lines():
            for o in range(start, end, 2):
                by_range[o] = line or 0
        assert all(by_range.get(o, 0) == l for o, l in zip(offsets[1:], lines[1:])), code
    else:
        table = code.co_lnotab
    out.write(struct.pack("<IIII", sys.version_info[0] << 8 | sys.version_info[1], code.co_firstlineno, len(table), len(offsets)))
    out.write(table)
    out.write(struct.pack("<%di" % (2 * len(offsets)), *[x for pair in zip(offsets, lines) for x in pair]))
    for constant in code.co_consts:
        if hasattr(constant, "co_code"):
            emit(constant)
names = []
for folder, folders, files in os.walk(sysconfig.get_path("stdlib")):
    folders[:] = sorted(f for f in folders if f not in ("site-packages", "dist-packages", "test", "tests", "__pycache__"))
    names += [os.path.join(folder, f) for f in sorted(files) if f.endswith(".py")]
for name in names[::step]:
    try:
        with open(name, "rb") as f:
            code = compile(f.read(), name, "exec")
    except (SyntaxError, ValueError, RecursionError):
        continue
    emit(code)
# hand-made: line steps beyond a byte, both ways, and long instructions
for source in ("x = (1,\n" + "\n" * 400 + "2, f(\n" + "\n" * 70000 + "3))\n", "if a:\n  b\n" * 300, "f(\n" + "\n" * 130 + "1)\n" * 1):
    emit(compile(source, "made up", "exec"))
'''


def interpreters():
    found = sorted(glob.glob(os.path.expanduser("~/.pyenv/versions/3.*/bin/python3"))) + ["/usr/bin/python3"]
    sysroot = os.environ.get("FIXINGAHOLE_SID", "/opt/sid")
    commands = [[p] for p in found if os.path.exists(p) and ("/3.6." not in p)]
    for minor in (13, 14, 15):
        if os.path.exists(f"{sysroot}/usr/bin/python3.{minor}") and os.geteuid() == 0:
            commands.append(["chroot", sysroot, f"/usr/bin/python3.{minor}"])
    return commands


@pytest.fixture(scope="module")
def linetable_line():
    with tempfile.TemporaryDirectory() as folder:
        target = f"{folder}/linetable.so"
        subprocess.run(["gcc", "-std=gnu11", "-O2", "-shared", "-fPIC", f"-I{ROOT}", f"-I{ROOT}/userspace", "-o", target,
                        f"{ROOT}/userspace/python/linetable.c"], check=True)
        function = ctypes.CDLL(target).linetable_line
    function.argtypes = [ctypes.c_uint32, ctypes.c_char_p, ctypes.c_size_t, ctypes.c_uint32, ctypes.c_int32]
    function.restype = ctypes.c_uint32
    return function


@pytest.mark.parametrize("command", interpreters(), ids=lambda c: c[-1])
def test_every_instruction_has_the_interpreters_own_line(command, linetable_line):
    step = "1" if os.environ.get("LINETABLE_ALL") else "8"
    process = subprocess.Popen([*command, "-W", "ignore", "-S", "-c", PRODUCER, step], stdout=subprocess.PIPE)
    codes = instructions = 0
    wrong = []
    while head := process.stdout.read(16):
        version, first, size, count = struct.unpack("<IIII", head)
        table = process.stdout.read(size)
        pairs = struct.unpack(f"<{2 * count}i", process.stdout.read(8 * count))
        for offset, line in zip(pairs[::2], pairs[1::2]):
            got = linetable_line(version, table, size, first, offset)
            if got != line:
                wrong.append((first, offset, got, line))
        codes += 1
        instructions += count
    assert process.wait() == 0
    print(f"{command[-1]}: {codes} code objects, {instructions} instructions, {len(wrong)} differ")
    assert codes > 500
    assert not wrong[:10]
