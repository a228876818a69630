#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The tables of userspace/python/: where they come from, and whether they are right.

layout.py rows FILE...            a layout row from the DWARF of each binary (libpython3.9.so.1.0, python3.9)
layout.py check INTERPRETER...    the compiled-in layout against DWARF where the binary has it, and against what the interpreter's
                                  own objects show when it is run; the table of call opcodes against its opcode module
layout.py opcodes INTERPRETER...  userspace/python/opcodes.c, whole, on stdout

An interpreter inside another root is written ROOT:PATH. Wants libdw.so.1 for the first two, a C compiler and readelf for the second.
From 3.13 on the layout is read from the binary at run time: only "check" has to do with it. How frames hang together is
proved by tests/unit/test_walk_live.c.
"""
import ctypes
import json
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
FIELDS = """version flags tss_key interpreters_head interp_next interp_threads_head tstate_next tstate_frame
tstate_thread_id cframe_frame frame_code frame_prev frame_instr frame_owner owner_shim_min code_firstlineno
code_filename code_name code_qualname code_linetable code_version code_first_instr str_hash str_length str_state
str_ascii str_compact bytes_size bytes_data pad""".split()
FLAGS = {"PY_LASTI_BYTES": 1, "PY_LASTI_UNITS": 2, "PY_TAGGED": 4, "PY_CFRAME": 8, "PY_CODE_VERSION": 16}


class Layout(ctypes.Structure):
    _fields_ = [(name, ctypes.c_uint32) for name in FIELDS]


# ---- DWARF ----------------------------------------------------------------------------------------------

class Die(ctypes.Structure):
    _fields_ = [("addr", ctypes.c_void_p), ("cu", ctypes.c_void_p), ("abbrev", ctypes.c_void_p), ("pad", ctypes.c_long)]


class Attribute(ctypes.Structure):
    _fields_ = [("code", ctypes.c_uint), ("form", ctypes.c_uint), ("valp", ctypes.c_void_p), ("cu", ctypes.c_void_p)]


AT_BYTE_SIZE, AT_DECLARATION, AT_MEMBER_LOCATION, AT_TYPE, AT_BIT_SIZE, AT_DATA_BIT_OFFSET = 0x0b, 0x3c, 0x38, 0x49, 0x0d, 0x6b
TAG_MEMBER, TAG_STRUCTURE, TAG_TYPEDEF, TAG_UNION = 0x0d, 0x13, 0x16, 0x17
UNITS = ("ceval.c", "pystate.c", "codeobject.c", "frameobject.c", "unicodeobject.c", "bytesobject.c", "frame.c")


class Dwarf:
    """The structures of one binary by name: only the units that define what we ask for are read."""

    def __init__(self, path):
        self.dw = ctypes.CDLL("libdw.so.1")
        for name in ("dwarf_begin", "dwarf_offdie", "dwarf_attr", "dwarf_formref_die"):
            getattr(self.dw, name).restype = ctypes.c_void_p
        self.dw.dwarf_diename.restype = ctypes.c_char_p
        self.file = open(path, "rb")
        self.handle = ctypes.c_void_p(self.dw.dwarf_begin(self.file.fileno(), 0))
        self.types = {}
        if self.handle.value:
            self._collect()

    def _name(self, die):
        return (self.dw.dwarf_diename(ctypes.byref(die)) or b"").decode()

    def _children(self, die):
        child = Die()
        result = self.dw.dwarf_child(ctypes.byref(die), ctypes.byref(child))
        while result == 0:
            yield child
            following = Die()
            result = self.dw.dwarf_siblingof(ctypes.byref(child), ctypes.byref(following))
            child = following

    def _number(self, die, at):
        attribute, value = Attribute(), ctypes.c_uint64()
        if not self.dw.dwarf_attr(ctypes.byref(die), at, ctypes.byref(attribute)):
            return None
        if self.dw.dwarf_formudata(ctypes.byref(attribute), ctypes.byref(value)) != 0:
            return None
        return value.value

    def _type(self, die):
        attribute, target = Attribute(), Die()
        if not self.dw.dwarf_attr(ctypes.byref(die), AT_TYPE, ctypes.byref(attribute)):
            return None
        if not self.dw.dwarf_formref_die(ctypes.byref(attribute), ctypes.byref(target)):
            return None
        return target

    def _struct(self, die):
        while die is not None and self.dw.dwarf_tag(ctypes.byref(die)) == TAG_TYPEDEF:
            die = self._type(die)
        return die

    def _collect(self):
        offset, following, header = ctypes.c_uint64(0), ctypes.c_uint64(), ctypes.c_size_t()
        while self.dw.dwarf_nextcu(self.handle, offset, ctypes.byref(following), ctypes.byref(header), None, None, None) == 0:
            unit = Die()
            at = ctypes.c_uint64(offset.value + header.value)
            if self.dw.dwarf_offdie(self.handle, at, ctypes.byref(unit)) and os.path.basename(self._name(unit)) in UNITS:
                for die in self._children(unit):
                    if self.dw.dwarf_tag(ctypes.byref(die)) in (TAG_STRUCTURE, TAG_TYPEDEF):
                        body = self._struct(die)
                        if body is not None and self._number(body, AT_BYTE_SIZE) and self._name(die):
                            self.types.setdefault(self._name(die), body)
            offset = ctypes.c_uint64(following.value)

    def offset(self, type_name, path):
        """Byte offset of the member a.b.c, or None; unnamed unions and structures are looked into."""
        die, total = self.types.get(type_name), 0
        for part in path.split("."):
            found = self._member(die, part) if die is not None else None
            if found is None:
                return None
            total += found[0]
            die = found[1]
        return total

    def _member(self, die, name):
        for member in self._children(die):
            if self.dw.dwarf_tag(ctypes.byref(member)) != TAG_MEMBER:
                continue
            at = self._number(member, AT_MEMBER_LOCATION) or 0
            if self._name(member) == name:
                return at, self._struct(self._type(member))
            if not self._name(member):
                inner = self._member(self._struct(self._type(member)), name)
                if inner:
                    return at + inner[0], inner[1]
        return None

    def size(self, type_name):
        return self._number(self.types[type_name], AT_BYTE_SIZE) if type_name in self.types else None

    def any(self, *choices):
        for type_name, path in choices:
            value = self.offset(type_name, path)
            if value is not None:
                return value
        return 0


def row_from_dwarf(path, version):
    d = Dwarf(path)
    if not d.types:
        return None
    minor = version & 0xff
    runtime, interp, tstate = "_PyRuntimeState", "PyInterpreterState", "PyThreadState"
    frame = "PyFrameObject" if minor <= 10 else "_PyInterpreterFrame"
    code = "PyCodeObject"
    tss = d.any((runtime, "gilstate.autoTSSkey"), (runtime, "autoTSSkey"))
    return {
        "version": version,
        "flags": (FLAGS["PY_LASTI_BYTES"] if minor <= 9 else FLAGS["PY_LASTI_UNITS"] if minor == 10 else 0)
        | (FLAGS["PY_CFRAME"] if minor in (11, 12) else 0) | (FLAGS["PY_CODE_VERSION"] if minor >= 12 else 0)
        | (FLAGS["PY_TAGGED"] if minor >= 14 else 0),
        "tss_key": tss + d.any(("Py_tss_t", "_key")) if tss else 0,
        "interpreters_head": d.any((runtime, "interpreters.head")),
        "interp_next": d.any((interp, "next")),
        "interp_threads_head": d.any((interp, "threads.head"), (interp, "tstate_head")),
        "tstate_next": d.any((tstate, "next")),
        # 3.10 has a cframe too, but keeps the frame in the thread state
        "tstate_frame": d.any((tstate, "current_frame"), (tstate, "frame"), (tstate, "cframe")),
        "tstate_thread_id": d.any((tstate, "thread_id")),
        "cframe_frame": d.any(("_PyCFrame", "current_frame")),
        "frame_code": d.any((frame, "f_executable"), (frame, "f_code")),
        "frame_prev": d.any((frame, "previous"), (frame, "f_back")),
        "frame_instr": d.any((frame, "instr_ptr"), (frame, "prev_instr"), (frame, "f_lasti")),
        "frame_owner": d.any((frame, "owner")),
        "owner_shim_min": 3 if minor >= 11 else 0,
        "code_firstlineno": d.any((code, "co_firstlineno")),
        "code_filename": d.any((code, "co_filename")),
        "code_name": d.any((code, "co_name")),
        "code_qualname": d.any((code, "co_qualname")),
        "code_linetable": d.any((code, "co_linetable"), (code, "co_lnotab")),
        "code_version": d.any((code, "co_version")) if minor >= 12 else 0,
        "code_first_instr": d.any((code, "co_code_adaptive"), (code, "co_code")),
        "str_hash": d.any(("PyASCIIObject", "hash")),
        "str_length": d.any(("PyASCIIObject", "length")),
        "str_state": d.any(("PyASCIIObject", "state")),
        "str_ascii": d.size("PyASCIIObject") or 0,
        "str_compact": d.size("PyCompactUnicodeObject") or 0,
        "bytes_size": d.any(("PyBytesObject", "ob_base.ob_size")),
        "bytes_data": d.any(("PyBytesObject", "ob_sval")),
        "pad": 0,
    }


# ---- live interpreters -----------------------------------------------------------------------------------

# Runs inside the interpreter: looks for known values in its own objects. What it finds in several places
# (a small number) it does not report; a wrong offset would not show the right value, so it proves the row.
PROBE = r'''
import ctypes, json, struct, sys
layout = json.loads(sys.argv[1])
problems = []
def expect(what, got, want):
    if got != want:
        problems.append("%s: %r, expected %r" % (what, got, want))
def read(address, size):
    return ctypes.string_at(address, size)
def word(address):
    return struct.unpack("<Q", read(address, 8))[0]
source = "\n" * 4321 + "def f(a):\n    return a\n"
space = {}
exec(compile(source, "some file.py", "exec"), space)
code = space["f"].__code__
table = code.co_linetable if sys.version_info >= (3, 10) else code.co_lnotab
at = id(code)
expect("code_firstlineno", struct.unpack("<i", read(at + layout["code_firstlineno"], 4))[0], code.co_firstlineno)
expect("code_filename", word(at + layout["code_filename"]), id(code.co_filename))
expect("code_name", word(at + layout["code_name"]), id(code.co_name))
if layout["code_qualname"]:
    expect("code_qualname", word(at + layout["code_qualname"]), id(code.co_qualname))
p = word(at + layout["code_linetable"])
if layout["code_first_instr"] < 160 and sys.version_info < (3, 11):
    expect("code_first_instr", word(at + layout["code_first_instr"]), id(code.co_code))
elif sys.version_info >= (3, 11):
    expect("code_first_instr", read(at + layout["code_first_instr"], len(code.co_code))[:2], code._co_code_adaptive[:2])
expect("bytes_size", word(p + layout["bytes_size"]), len(table))
expect("bytes_data", read(p + layout["bytes_data"], len(table)), table)
for text in ("plain", "gr\u00fcn", "\u4e2d\u6587", "\U0001f40d"):
    s = id(text)
    width = 1 if max(text) < "\u0100" else 2 if max(text) < "\U00010000" else 4
    encoding = {1: "latin-1", 2: "utf-16-le", 4: "utf-32-le"}[width]
    expect("str_hash", word(s + layout["str_hash"]), hash(text) & (2**64 - 1))
    expect("str_length", word(s + layout["str_length"]), len(text))
    state = word(s + layout["str_state"]) & 0xff
    expect("str kind", state >> 2 & 7, width)
    expect("str compact", state >> 5 & 1, 1)
    expect("str ascii", state >> 6 & 1, int(text == "plain"))
    start = layout["str_ascii" if text == "plain" else "str_compact"]
    expect("str data", read(s + start, width * len(text)), text.encode(encoding))
if layout["code_version"]:
    versions = []
    for i in range(50):
        exec("def g%d(): pass" % i, space)
        versions.append(struct.unpack("<I", read(id(space["g%d" % i].__code__) + layout["code_version"], 4))[0])
    expect("code_version distinct", len(set(versions)), 50)
    expect("code_version never 0", 0 in versions, False)
print(json.dumps(problems))
'''


def interpreter_facts(python):
    script = ("import sys, json, sysconfig\n"
              "v = sysconfig.get_config_var\n"
              "print(json.dumps([list(sys.version_info[:3]), v('LDLIBRARY'), v('LIBDIR'), v('Py_ENABLE_SHARED'), sys.executable]))")
    return json.loads(subprocess.run(command(python) + ["-c", script], check=True, stdout=subprocess.PIPE).stdout)


def command(python):
    """/opt/sid:/usr/bin/python3.14 is an interpreter inside another root."""
    root, _, inside = python.rpartition(":")
    return ["chroot", root, inside] if root else [inside]


def image_of(python, facts):
    """The file that holds the interpreter. (A distribution may say "shared" and link the executable statically.)"""
    root = python.rpartition(":")[0]
    _, library, directory, shared, executable = facts
    executable = root + os.path.realpath(executable)
    needs = subprocess.run(["readelf", "-d", executable], check=True, stdout=subprocess.PIPE).stdout.decode()
    return os.path.realpath(root + os.path.join(directory, library)) if shared and "[libpython" in needs else executable


def compiled_library():
    target = Path(tempfile.mkdtemp()) / "layout.so"
    sources = [str(p) for p in sorted((ROOT / "userspace").glob("python/*.c")) + sorted((ROOT / "userspace").glob("image/*.c")) + [ROOT / "userspace/util/map64.c"]]
    subprocess.run(["gcc", "-std=gnu11", "-D_GNU_SOURCE", "-O1", "-shared", "-fPIC", f"-I{ROOT}", f"-I{ROOT}/userspace",
                    "-o", str(target), *sources, "-lelf", "-ldw"], check=True)
    library = ctypes.CDLL(str(target))
    return library


class Binary(ctypes.Structure):
    _fields_ = [("layout", Layout), ("runtime", ctypes.c_uint64), ("text", ctypes.c_uint64 * 2), ("eval", ctypes.c_uint64 * 8),
                ("n_eval", ctypes.c_uint32), ("version_text", ctypes.c_char * 32)]


def analyse(library, path):
    binary, status, reason = Binary(), ctypes.c_int(), ctypes.create_string_buffer(160)
    error = library.interp__analyse_file(path.encode(), ctypes.byref(binary), ctypes.byref(status), reason)
    if error or status.value:
        raise SystemExit(f"{path}: error {error}, status {status.value} {reason.value.decode()}")
    return binary


def check(pythons):
    library, failed = compiled_library(), False
    for python in pythons:
        facts = interpreter_facts(python)
        image = image_of(python, facts)
        binary = analyse(library, image)
        ours = {name: getattr(binary.layout, name) for name in FIELDS}
        problems, proofs = [], []
        dotted = ".".join(map(str, facts[0]))
        if binary.version_text.decode() != dotted:
            problems.append(f"version: {binary.version_text.decode()!r}")
        theirs = row_from_dwarf(image, facts[0][0] << 8 | facts[0][1])
        if theirs:
            proofs.append("DWARF")
            problems += [f"{name}: {ours[name]}, DWARF has {theirs[name]}" for name in FIELDS if ours[name] != theirs[name]]
        output = subprocess.run(command(python) + ["-c", PROBE, json.dumps(ours)], check=True, stdout=subprocess.PIPE).stdout
        problems += json.loads(output)
        proofs.append("live objects")
        library.interp__opcode_is_call.restype = ctypes.c_bool
        calls = {number for name, number in opcode_map(python).items() if may_run_builtin(name)}
        wrong = [number for number in range(256) if library.interp__opcode_is_call(ours["version"], number) != (number in calls)]
        problems += [f"interp__opcode_is_call: wrong for {wrong}"] if wrong else []
        proofs.append(f"{len(calls)} call opcodes")
        failed |= bool(problems)
        spans = ", ".join(f"{binary.eval[2 * i]:#x}+{binary.eval[2 * i + 1] - binary.eval[2 * i]}" for i in range(binary.n_eval))
        print(f"{'FAIL' if problems else 'ok  '} {dotted:8} {image} ({', '.join(proofs)}) eval {spans}")
        for problem in problems:
            print("      " + problem)
    return failed


def rows(paths):
    for path in paths:
        match = re.search(r"python3\.(\d+)", path)
        row = row_from_dwarf(path, 0x300 | int(match.group(1))) if match else None
        if not row:
            raise SystemExit(f"{path}: no version in the name, or no DWARF")
        print("\t{\n" + "".join(f"\t\t.{name} = {value:#x},\n" if name in ("version", "flags") else f"\t\t.{name} = {value},\n"
                                for name, value in row.items() if name != "pad") + "\t},")


# ---- opcodes ---------------------------------------------------------------------------------------------

TO_PYTHON = re.compile(r"(INSTRUMENTED_)?(CALL_INTRINSIC_\d|CALL_PY_|CALL_BOUND_METHOD|CALL_ALLOC_AND_ENTER|CALL_KW_PY|CALL_KW_BOUND|CALL_EX_PY|CALL_FINALLY"
                       r"|PRECALL_PYFUNC|PRECALL_BOUND_METHOD)")


def may_run_builtin(name):
    return bool(re.match(r"(INSTRUMENTED_)?(PRE)?CALL(_|$)", name)) and not TO_PYTHON.match(name)


def opcode_map(python):
    script = ("import dis, json, opcode\n"
              "print(json.dumps(getattr(dis, '_all_opmap', None) or opcode.opmap))")
    names = json.loads(subprocess.run(command(python) + ["-c", script], check=True, stdout=subprocess.PIPE).stdout)
    return {name: number for name, number in names.items() if number < 256}


def opcodes(pythons):
    print("// SPDX-License-Identifier: Apache-2.0\n/*\n * Which opcodes, as found in memory, are calls that may run a builtin. Generated by\n"
          " * tools/layout.py opcodes; the specialised forms' numbers differ from minor version to minor version.\n */\n"
          '#include "python/interp.h"\n\n#define FIRST_VERSION 0x0307\n#define LAST_VERSION 0x030f\n\n'
          "static const uint64_t calls[LAST_VERSION - FIRST_VERSION + 1][4] = {")
    for python in sorted(pythons, key=lambda p: interpreter_facts(p)[0]):
        facts = interpreter_facts(python)
        bits = 0
        names = []
        for name, number in sorted(opcode_map(python).items(), key=lambda item: item[1]):
            if may_run_builtin(name):
                bits |= 1 << number
                names.append(f"{number} {name}")
        line = "\t/* " + facts[0].__repr__().strip("[]").replace(", ", ".") + ":"
        for i, text in enumerate(names):
            piece = " " + text + ("," if i + 1 < len(names) else "")
            if len(line) + len(piece) > 118:
                print(line)
                line = "\t *"
            line += piece
        print(line + " */")
        words = ", ".join(f"{bits >> (64 * i) & (2**64 - 1):#018x}" for i in range(4))
        print(f"\t[{0x300 | facts[0][1]:#06x} - FIRST_VERSION] = {{ {words} }},")
    print("};\n\nbool interp__opcode_is_call(uint32_t version, uint8_t opcode)\n{\n"
          "\tif (version < FIRST_VERSION || version > LAST_VERSION)\n\t\treturn false;\n"
          "\treturn calls[version - FIRST_VERSION][opcode / 64] >> (opcode % 64) & 1;\n}")


def main():
    if len(sys.argv) < 3 or sys.argv[1] not in ("rows", "check", "opcodes"):
        raise SystemExit(__doc__)
    if sys.argv[1] == "check":
        raise SystemExit(check(sys.argv[2:]))
    {"rows": rows, "opcodes": opcodes}[sys.argv[1]](sys.argv[2:])


if __name__ == "__main__":
    main()
