# SPDX-License-Identifier: Apache-2.0
"""Every CPython at hand: Debian's, pyenv's, and those of a Debian sid beside it (tools/deps.sh test unpacks one).

sid's need sid's C library, so they run in a chroot, behind a wrapper given to --python. For that the test process
moves to a mount namespace of its own, where the chroot sees /tmp and /proc; nothing stays mounted afterwards.
"""

import ctypes
import glob
import os
import re
import subprocess

CLONE_NEWNS = 0x20000
DEBIAN = "/usr/bin/python3"
REPOSITORY = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))


class Interpreter:
    def __init__(self, path, version, origin, chroot=None):
        self.path = path
        self.version = version  # (3, 11)
        self.id = "%s-%d.%d" % (origin, version[0], version[1])
        self.chroot = chroot

    def has(self, module):
        return subprocess.call([self.path, "-c", "import " + module], stderr=subprocess.DEVNULL, cwd="/tmp") == 0


def version_of(path):
    text = subprocess.check_output([path, "-c", "import sys; print(*sys.version_info[:2])"], cwd="/tmp")
    return tuple(int(x) for x in text.split())


def own_namespace():
    """The mounts that follow are seen by this process and its children only."""
    if ctypes.CDLL(None, use_errno=True).unshare(CLONE_NEWNS) != 0:
        raise OSError(ctypes.get_errno(), "unshare")
    subprocess.check_call(["mount", "--make-rprivate", "/"])


def sid_interpreters(folder):
    """folder: below /tmp, where the wrappers go."""
    root = subprocess.run([os.path.join(REPOSITORY, "tools/deps.sh"), "sid-root"], stdout=subprocess.PIPE, universal_newlines=True).stdout.strip()
    found = sorted(path for path in glob.glob(root + "/usr/bin/python3.*") if re.search(r"/python3\.\d+$", path)) if root else []
    if not found:
        return []
    for shared in ("/tmp", "/proc", "/dev", "/sys"):
        subprocess.check_call(["mount", "--rbind", shared, root + shared])
    result = []
    for path in found:
        wrapper = os.path.join(folder, os.path.basename(path))
        with open(wrapper, "w") as f:
            # the working directory need not exist there: a checkout may lie anywhere
            f.write('#!/bin/sh\nexec chroot "%s" /bin/sh -c \'cd "$0" 2>/dev/null || cd /tmp; exec "$@"\' "$PWD" "%s" "$@"\n' % (root, path[len(root):]))
        os.chmod(wrapper, 0o755)
        result.append(Interpreter(wrapper, version_of(wrapper), "sid", chroot=root))
    return result


def find(folder):
    result = [Interpreter(DEBIAN, version_of(DEBIAN), "debian")]
    for path in glob.glob(os.path.expanduser("~/.pyenv/versions/3.*/bin/python3")):
        result.append(Interpreter(path, version_of(path), "pyenv"))
    if os.geteuid() == 0:
        own_namespace()
        result += sid_interpreters(folder)
    return sorted(result, key=lambda i: (i.version, i.id))
