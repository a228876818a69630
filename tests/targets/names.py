# SPDX-License-Identifier: Apache-2.0
"""Awkward names of functions and files: names.py [seconds of each].

Writes modules into the folder `names` beside this script and runs them. The truth maps each function's name to the
base name of its file, as the interpreter knows both.
"""

import importlib
import json
import os
import sys
import time
import zipfile

thread_time = getattr(time, "thread_time", time.process_time)
HERE = os.path.dirname(os.path.abspath(__file__))
BODY = """\
def {name}(seconds, clock):
    end = clock() + seconds
    total = 0
    while clock() < end:
        for i in range(1000):
            total = (total * 5 + i) & 0xFFFF
"""


def 计算(seconds):
    end = thread_time() + seconds
    total = 0
    while thread_time() < end:
        for i in range(1000):
            total = (total * 5 + i) & 0xFFFF


def from_file(folder, base, name, seconds):
    """A file on disk with that base name, compiled under its path."""
    path = os.path.join(folder, base)
    text = BODY.format(name=name)
    with open(path, "wb") as f:
        f.write(text.encode())
    return from_text(text, path, name, seconds)


def from_text(text, path, name, seconds):
    namespace = {}
    exec(compile(text, path, "exec"), namespace)
    namespace[name](seconds, thread_time)
    return {name: os.path.basename(path)}


def from_zip(folder, seconds):
    archive = os.path.join(folder, "archive.zip")
    with zipfile.ZipFile(archive, "w") as z:
        z.writestr("zipped_module.py", BODY.format(name="in_zip"))
    sys.path.insert(0, archive)
    importlib.import_module("zipped_module").in_zip(seconds, thread_time)
    return {"in_zip": "zipped_module.py"}


def renamed(seconds):
    """A code object whose name could not be written in source."""
    name = 'two\nlines "quoted" \'twice\' \\ {}: x;'
    fields = {field: name for field in ("co_name", "co_qualname") if hasattr(计算.__code__, field)}
    function = type(计算)(计算.__code__.replace(**fields), globals())
    function(seconds)
    return {name: os.path.basename(__file__)}


def main():
    seconds = float(sys.argv[1]) if len(sys.argv) > 1 else 0.3
    folder = os.path.join(HERE, "names")
    os.makedirs(folder, exist_ok=True)
    seen = {}
    计算(seconds)
    seen["计算"] = os.path.basename(__file__)
    seen.update(from_file(folder, "文件.py", "函数", seconds))
    seen.update(from_file(folder, "with spaces  twice.py", "in_spaces", seconds))
    seen.update(from_file(folder, "\"double\" 'single'.py", "in_quotes", seconds))
    seen.update(from_file(folder, "new\nline.py", "in_newline", seconds))
    seen.update(from_file(folder, "colon:12;.py", "in_colon", seconds))
    seen.update(from_file(folder, "n" * 250 + ".py", "in_long_name", seconds))
    seen.update(from_file(folder, "long_function.py", "f" * 4000, seconds))
    seen.update(from_text(BODY.format(name="in_string"), "<string>", "in_string", seconds))
    seen.update(from_text(BODY.format(name="in_empty"), "", "in_empty", seconds))
    deleted = from_file(folder, "deleted.py", "in_deleted", 0)
    os.unlink(os.path.join(folder, "deleted.py"))
    seen.update(deleted)
    from_text(BODY.format(name="in_deleted"), os.path.join(folder, "deleted.py"), "in_deleted", seconds)
    seen.update(from_zip(folder, seconds))
    if hasattr(计算.__code__, "replace"):  # 3.8
        seen.update(renamed(seconds))
    print("truth: " + json.dumps({"seconds": seconds, "files": seen}))


if __name__ == "__main__":
    main()
