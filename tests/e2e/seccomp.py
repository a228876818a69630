# SPDX-License-Identifier: Apache-2.0
"""A filter of system calls, as containers have them: refusing(project, errno, numbers) goes before a command whose calls of these numbers fail."""

SCRIPT = r"""
import ctypes, os, struct, sys
error, numbers = int(sys.argv[1]), [int(n) for n in sys.argv[2].split(",")]
code = [(0x20, 0, 0, 0)]  # the number of the call
for i, n in enumerate(numbers):
    code.append((0x15, len(numbers) - i, 0, n))
code += [(0x06, 0, 0, 0x7fff0000), (0x06, 0, 0, 0x00050000 + error)]
text = b"".join(struct.pack("HBBI", *c) for c in code)
buffer = ctypes.create_string_buffer(text)
class Program(ctypes.Structure):
    _fields_ = [("length", ctypes.c_ushort), ("filter", ctypes.c_void_p)]
program = Program(len(code), ctypes.addressof(buffer))
libc = ctypes.CDLL(None, use_errno=True)
# who has not CAP_SYS_ADMIN must give up new privileges first
if libc.prctl(22, 2, ctypes.byref(program), 0, 0) and (libc.prctl(38, 1, 0, 0, 0) or libc.prctl(22, 2, ctypes.byref(program), 0, 0)):
    raise OSError(ctypes.get_errno(), "seccomp")
os.execv(sys.argv[3], sys.argv[3:])
"""
BPF_CALL, PERF_CALL = 321, 298


def refusing(project, error, *numbers):
    return ["/usr/bin/python3", project.write("filter.py", SCRIPT), str(error), ",".join(str(n) for n in numbers)]
